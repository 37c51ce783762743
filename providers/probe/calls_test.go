package probe

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
)

// successes are the points of the check's "probe_success".
func successes(t *testing.T, p *Provider) [][2]float64 {
	t.Helper()
	all, err := p.Signals(t.Context(), providers.Window{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		return nil
	}
	return all[0].Points
}

// measure asks n times in a row.
func measure(t *testing.T, p *Provider, n int) {
	t.Helper()
	for range n {
		if !p.turn(t.Context(), p.checks[0]) {
			t.Fatal("not asked")
		}
	}
}

func TestTheNextProcessKnowsWhatWasMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, s := &providertest.Archive{}, &service{}
		a, b := process(t, book, s, time.Minute), process(t, book, s, time.Minute)
		measure(t, a, 3)
		time.Sleep(time.Second)
		s.down.Store(true)
		measure(t, b, 1)
		time.Sleep(time.Second)
		measure(t, a, 1)
		a.keepCalls(t.Context())
		b.keepCalls(t.Context()) // knew nothing of a's so far
		want := successes(t, a)
		if len(want) != 5 || want[2][1] != 1 || want[3][1] != 0 || want[4][1] != 0 || want[3][0] >= want[4][0] {
			t.Fatalf("%v, want three successes and two failures in the order in which they were measured", want)
		}
		for name, p := range map[string]*Provider{"the other": b, "the next": process(t, book, s, time.Minute)} {
			if got := successes(t, p); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s knows %v, want %v", name, got, want)
			}
		}
		time.Sleep(callsFor + time.Second)
		if got := successes(t, process(t, book, s, time.Minute)); len(got) != 0 {
			t.Errorf("%v after %s", got, callsFor)
		}
	})
}

func TestWatchingKeepsWhatIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, s := &providertest.Archive{}, &service{}
		p := process(t, book, s, time.Second)
		ended := reported(deadline(t, time.Minute+500*time.Millisecond), p)
		time.Sleep(30 * time.Second)
		if got := len(successes(t, process(t, book, s, time.Second))); got < 24 || got > 30 {
			t.Errorf("%d calls are kept after half a minute, want all but those of the last 5 s", got)
		}
		ended()
		if got, want := len(successes(t, process(t, book, s, time.Second))), int(s.asked.Load()); got != want {
			t.Errorf("%d calls are kept at the end, want all %d", got, want)
		}
	})
}

func TestOnlyWhatWasMeasuredIsTakenOver(t *testing.T) {
	key := process(t, &providertest.Archive{}, &service{}, time.Second).checks[0].callsKey()
	hour := time.Hour.Milliseconds()
	from := time.Now().UnixMilli() - hour
	file := func(format string, from int64, calls string) string {
		return fmt.Sprintf(`{"format":%q,"checks":{%q:{"from_ms":%d,"calls":[%s]}}}`, format, key, from, calls)
	}
	for name, c := range map[string]struct {
		file  string
		calls int
		said  bool
	}{
		"good":       {file(callsFormat, from, "[0,1,900],[1000,0,900]"), 2, false},
		"future":     {file(callsFormat, from, fmt.Sprintf("[0,1,900],[%d,0,900]", 2*hour)), 1, false},
		"old":        {file(callsFormat, from-2*hour, fmt.Sprintf("[0,1,900],[%d,0,900]", 2*hour)), 1, false},
		"other":      {strings.Replace(file(callsFormat, from, "[0,1,900]"), "check up", "check down", 1), 0, false},
		"half":       {file(callsFormat, from, "[0,1,900]")[:60], 0, true},
		"foreign":    {file("somebody.else/v1", from, "[0,1,900]"), 0, true},
		"ratio":      {file(callsFormat, from, "[0,7,900]"), 0, true},
		"backwards":  {file(callsFormat, from, "[0,1,900],[-5,1,900]"), 0, true},
		"list":       {`[]`, 0, true},
		"too large":  {file(callsFormat, from, "[0,1,900]") + strings.Repeat(" ", maxCallsFile), 0, true},
		"never made": {"", 0, false},
	} {
		book, log := &providertest.Archive{}, &bytes.Buffer{}
		if c.file != "" {
			_ = book.Put(t.Context(), "probes", callsFile, []byte(c.file))
		}
		p := process(t, book, &service{}, time.Second)
		p.env.Log = slog.New(slog.NewTextHandler(log, nil))
		for range 2 {
			if got := len(successes(t, p)); got != c.calls {
				t.Errorf("%s: %d calls are known, want %d", name, got, c.calls)
			}
		}
		if n := strings.Count(log.String(), "are ignored"); n > 1 || (n == 1) != c.said {
			t.Errorf("%s: the log says %q", name, log)
		}
		measure(t, p, 1)
		p.keepCalls(t.Context())
		if got := len(successes(t, process(t, book, &service{}, time.Second))); got != c.calls+1 {
			t.Errorf("%s: %d calls are known after another one, want %d", name, got, c.calls+1)
		}
	}
}

func TestWhatIsKeptOfCallsIsBounded(t *testing.T) {
	all, own := map[string][]point{}, map[string]bool{}
	for i := range 2 * maxKeptOf {
		key := fmt.Sprintf("check %04d", i)
		own[key] = i < 10 // and asked least recently
		for n := range maxKeptCalls / 300 {
			all[key] = append(all[key], point{at: 1772366400000 + int64(i)*1000 + int64(n)*7_000_000, ok: 1, took: 99_999_999})
		}
	}
	kept, total := boundCalls(all, own), 0
	for _, k := range kept {
		total += len(k.Calls)
	}
	if len(kept) != maxKeptOf || total > maxKeptCalls {
		t.Fatalf("%d checks with %d calls are kept", len(kept), total)
	}
	for key := range own {
		if _, ok := kept[key]; own[key] && !ok {
			t.Errorf("%s is configured here and not kept", key)
		}
	}
	newest, _ := kept["check 0003"].unpacked(time.UnixMilli(1772366400000).Add(maxKeptCalls / 300 * 7000 * time.Second))
	if len(newest) == 0 || newest[len(newest)-1] != all["check 0003"][len(all["check 0003"])-1] {
		t.Errorf("the newest call is lost: %v", newest)
	}
	var r ring
	r.merge(all["check 0003"])
	for range 50 {
		r.merge(append([]point(nil), all["check 0003"]...))
	}
	if len(r.buf) != len(all["check 0003"]) {
		t.Errorf("%d calls became %d", len(all["check 0003"]), len(r.buf))
	}
}

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
