package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	record "github.com/backout-dev/backout/providers/ledger"
	"github.com/backout-dev/backout/rollback/ledger"
)

// longRecord counts how many entries are read, and stops answering whoever has read so many.
type longRecord struct {
	mu      sync.Mutex
	entries []ledger.Entry
	read    int
	patient int // 0: without end
	stop    context.CancelFunc
}

func (r *longRecord) Entries(ctx context.Context, afterSeq int64, limit int) ([]ledger.Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := min(int(afterSeq), len(r.entries))
	out := r.entries[from:min(from+limit, len(r.entries))]
	if r.read += len(out); r.patient > 0 && r.read > r.patient {
		r.stop()
		return nil, ctx.Err()
	}
	return slices.Clone(out), nil
}

func notes(n int, word string) []ledger.Entry {
	out := make([]ledger.Entry, n)
	for i := range out {
		out[i] = ledger.Entry{Seq: int64(i) + 1, Kind: ledger.KindNote, Actor: "ana", At: noon.Add(time.Duration(i) * time.Second), Text: fmt.Sprintf("%s %d", word, i), Prev: word}
	}
	return out
}

func titles(ctx context.Context, p *record.Provider) (out []string, err error) {
	for c, err := range p.Changes(ctx, providers.Window{}) {
		if err != nil {
			return out, err
		}
		out = append(out, c.Title)
	}
	return out, nil
}

func TestALongRecordIsReadOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	db := &longRecord{entries: notes(2000, "note"), patient: 1100, stop: cancel}
	p := record.New("backout", db, func() time.Time { return noon.Add(time.Hour) })
	if _, err := titles(ctx, p); !errors.Is(err, context.Canceled) {
		t.Fatalf("the first look ended with %v", err)
	}
	db.read, db.patient = 0, 0
	all, err := titles(t.Context(), p)
	if err != nil || len(all) != 2000 || db.read > 1100 {
		t.Fatalf("%d changes after %d entries more, %v: what was read before is kept", len(all), db.read, err)
	}
	db.read = 0
	db.entries = append(db.entries, ledger.Entry{Seq: 2001, Kind: ledger.KindNote, Actor: "ana", At: noon.Add(time.Hour), Text: "new"})
	if all, err = titles(t.Context(), p); err != nil || len(all) != 2001 || db.read > 2 {
		t.Fatalf("%d changes after %d entries more, %v", len(all), db.read, err)
	}
}

func TestARecordThatIsNotWhatItWasIsReadAnew(t *testing.T) {
	db := &longRecord{entries: notes(3, "secret")}
	p := record.New("backout", db, func() time.Time { return noon })
	if all, err := titles(t.Context(), p); err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	db.entries[0].Text = "[redacted]"
	db.entries = append(db.entries, ledger.Entry{Seq: 4, Kind: ledger.KindRedaction, At: noon.Add(time.Minute), Text: "redacted text of entry 1"})
	if all, err := titles(t.Context(), p); err != nil || all[0] != "[redacted]" {
		t.Fatalf("after a redaction: %v %v", all, err)
	}
	for _, n := range []int{2, 9} {
		db.entries = notes(n, "another")
		if all, err := titles(t.Context(), p); err != nil || len(all) != n || all[0] != "another 0" {
			t.Fatalf("another record of %d entries: %v %v", n, all, err)
		}
	}
}

// Whoever follows the record does not read it a second time, is told what is new whoever read it first, and what is not what it was.
func TestALongRecordIsFollowedWithoutReadingItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &longRecord{entries: notes(2000, "note")}
		p := record.New("backout", db, time.Now)
		if _, err := titles(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		db.read = 0
		next, stop := iter.Pull2(p.Watch(t.Context()))
		defer stop()
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(10*time.Second + time.Millisecond)
			db.mu.Lock()
			db.entries = append(db.entries, ledger.Entry{Seq: 2001, Kind: ledger.KindNote, Actor: "ana", At: time.Now(), Text: "new"})
			db.mu.Unlock()
			if _, err := titles(t.Context(), p); err != nil { // reads it before the watch does
				t.Error(err)
			}
		}()
		e, err, _ := next()
		<-done
		if err != nil || e.Change == nil || e.Change.Title != "new" || db.read > 100 {
			t.Fatalf("%+v %v after %d entries more", e, err, db.read)
		}
	})
}
