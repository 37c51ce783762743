package probe

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHysteresis(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cases := map[string]struct{ outcomes, changes string }{
		"one lost request is no alert":         {"..x...x..", "         "},
		"two lost requests are none either":    {"..xx..xx.", "         "},
		"the third opens":                      {".xxxx", "   o "},
		"one success does not close":           {"xxx.x.xx", "  o     "},
		"two in a row close":                   {"xxx.x..x", "  o   c "},
		"a closed alert needs three to reopen": {"xxx..xxx", "  o c  o"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var s streak
			var got []byte
			for i, r := range c.outcomes {
				got = append(got, " oc"[s.add(start.Add(time.Duration(i)*time.Second), r == '.', 3, 2)])
			}
			if string(got) != c.changes {
				t.Fatalf("outcomes %q gave %q, want %q", c.outcomes, got, c.changes)
			}
		})
	}
}

func TestAnAlertBeginsWithTheFirstFailureOfItsStreakAndEndsWithTheFirstSuccess(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second) }
	var s streak
	for i, ok := range []bool{false, true, false, false, false} {
		s.add(at(i), ok, 3, 2)
	}
	if !s.open || !s.since.Equal(at(2)) {
		t.Fatalf("open %t since %s, want since %s", s.open, s.since, at(2))
	}
	s.add(at(5), true, 3, 2)
	if s.add(at(6), true, 3, 2) != closed || !s.first.Equal(at(5)) {
		t.Fatalf("ended %s, want %s", s.first, at(5))
	}
}

func TestAnAlertOpensAndClosesOnlyByFullStreaks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fail, recovered := rapid.IntRange(1, 5).Draw(t, "fail"), rapid.IntRange(1, 5).Draw(t, "recover")
		outcomes := rapid.SliceOfN(rapid.Bool(), 1, 60).Draw(t, "outcomes")
		var s streak
		bad, good := 0, 0
		for i, ok := range outcomes {
			if ok {
				bad, good = 0, good+1
			} else {
				bad, good = bad+1, 0
			}
			was := s.open
			ch := s.add(time.Unix(int64(i), 0), ok, fail, recovered)
			switch {
			case ch == opened && (was || bad < fail), !was && bad >= fail && ch != opened:
				t.Fatalf("after %v: change %d with %d failures in a row of %d", outcomes[:i+1], ch, bad, fail)
			case ch == closed && (!was || good < recovered), was && good >= recovered && ch != closed:
				t.Fatalf("after %v: change %d with %d successes in a row of %d", outcomes[:i+1], ch, good, recovered)
			}
		}
	})
}
