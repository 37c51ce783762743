package file

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
)

// FuzzScan holds the scanner to its word: what it takes, the full decoder takes too, and sees the same in it.
func FuzzScan(f *testing.F) {
	for _, line := range []string{
		`{"type":"change","id":"c1","provider":"git","kind":"deploy","service":"pay","environment":"prod","title":"\"x\" é","author":{"name":"a"},"landed_at":"2026-03-01T12:00:00Z","effective_from":"2026-03-01T12:00:00.5Z","commit":"ab","artifacts":["d1","d2"],"files":3,"landed_approximate":true}`,
		`{"type":"alert","id":"a1","state":"firing","labels":{"a":"b"},"starts_at":"2024-02-29T23:59:59Z","ends_at":"2026-03-01T12:00:00.123456789Z","sources":[{"provider":"x","id":"y"}]}`,
		`{"id":"c1","type":"change","rollout":[{"at":"2026-03-01T12:00:00Z","share":0.25}],"assistance":{"state":"none","evidence":["x",{"raw":"y"}]},"x":[1,-2.5e+3,{"y":null}]}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var got fields
		if !scan(line, &got) {
			return
		}
		ev, err := incident.DecodeEvent(line)
		if err != nil {
			t.Fatalf("%q is taken, but: %v", line, err)
		}
		q := &parser{p: &Provider{}, names: map[string]string{}, f: got}
		q.fast(0)
		q.share()
		if d := cmp.Diff([]providers.Row{rowOf(ev)}, q.rows); d != "" {
			t.Fatalf("%q: %s", line, d)
		}
	})
}

func TestTheScannerTakesWhatIsUsual(t *testing.T) {
	for _, line := range []string{
		`{"type":"change","id":"c1","kind":"deploy","title":"Größe \"x\"","author":{"name":"é"},"paths":["a","b"],"approvers":[],"landed_at":"2026-03-01T12:00:00Z","assistance":{"state":"agent","evidence":[{"raw":"x"}]},"rollout":[{"at":"2026-03-01T12:00:00Z","share":0.5}]}`,
		`{"type": "alert", "id": "a1", "labels": {"pod": "x"}, "starts_at": "2026-03-01T12:00:00.25Z", "x_runbook": {"url": ["y"]}}`,
	} {
		if !scan([]byte(line), &fields{}) {
			t.Errorf("decoded in full: %s", line)
		}
	}
}
