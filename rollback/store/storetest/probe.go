package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/store"
)

func probes(t *testing.T, a, b *store.DB) {
	save := func(unit string, at int64, doc string) {
		t.Helper()
		err := a.Update(t.Context(), func(tx *store.Tx) error {
			return tx.SaveProbe(store.Probe{Unit: unit, Tried: time.Unix(at, 7).UTC(), Doc: json.RawMessage(doc)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	save("u:a/b", 100, `{"n":1}`)
	save("u:a/a", 100, `{"n":2}`)
	save("u:a/b", 200, `{"n":3}`)
	all, err := b.Probes(t.Context())
	if err != nil || len(all) != 2 || all[0].Unit != "u:a/a" || !all[1].Tried.Equal(time.Unix(200, 7)) || string(all[1].Doc) != `{"n":3}` {
		t.Errorf("%+v %v", all, err)
	}
	err = b.Update(t.Context(), func(tx *store.Tx) error {
		p, err := tx.Probe("u:a/b")
		if err != nil || string(p.Doc) != `{"n":3}` {
			t.Errorf("%+v %v", p, err)
		}
		none, err := tx.Probe("u:none")
		if err != nil || none.Unit != "" || none.Doc != nil {
			t.Errorf("one that there is not: %+v %v", none, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
