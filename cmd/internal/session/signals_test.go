package session

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// meter is a source of series that can be made to fail.
type meter struct {
	providers.Provider
	series []providers.Signal
	err    error
	asked  []providers.Window
}

func (m *meter) Name() string { return "meter" }

func (m *meter) Signals(ctx context.Context, w providers.Window, _ []string) ([]providers.Signal, error) {
	if _, ok := ctx.Deadline(); !ok {
		return nil, errors.New("asked without a deadline")
	}
	m.asked = append(m.asked, w)
	return m.series, m.err
}

// metered is a session with one open incident of pricing and a source of its series.
func metered(t *testing.T, now *time.Time) (*Session, *meter, string) {
	t.Helper()
	m := &meter{series: []providers.Signal{series("error_ratio", "pricing", -10, nil, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1)}}
	clock := func() time.Time { return *now }
	s := &Session{opts: Options{Now: clock, Log: slog.New(slog.DiscardHandler)}, providers: []providers.Provider{m}, Timeline: timeline.New(clock)}
	a := alertAt("a", 0)
	s.Timeline.Put(a.Provider, providers.Event{Alert: &a})
	inc, ok := s.Incident("")
	if !ok {
		t.Fatal("no incident")
	}
	return s, m, inc.ID
}

func TestStripIsReadInTheBackgroundAndGoesOnAfterTheEnd(t *testing.T) {
	now := noon.Add(2 * time.Second)
	s, m, id := metered(t, &now)
	if st := s.State(""); len(st.Symptom.Measures) != 0 || len(m.asked) != 0 {
		t.Fatalf("a state asked the source %d times", len(m.asked))
	}
	s.fetchSignals(t.Context())
	st := s.State("")
	if st.Symptom.Name != "errors" || len(st.Symptom.Measures) != 2 {
		t.Fatalf("%+v", st.Symptom)
	}
	now = now.Add(signalsEvery)
	m.series, m.err = nil, errors.New("connection refused")
	s.fetchSignals(t.Context())
	if got := s.State(""); len(got.Symptom.Measures) != 2 || got.Version != st.Version && s.signals.shown != 1 {
		t.Errorf("the source is gone, and with it what it had measured: %+v", got.Symptom)
	}
	over := alertAt("a", 0)
	over.EndsAt, over.State = now, providers.AlertResolved
	s.Timeline.Put(over.Provider, providers.Event{Alert: &over})
	now = now.Add(time.Minute)
	m.series, m.err = []providers.Signal{series("error_ratio", "pricing", -5, nil, append([]float64{0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, make([]float64, 30)...)...)}, nil
	s.State(id) // it stays on the screen
	s.fetchSignals(t.Context())
	if got := s.State(id).Symptom.Measures; len(got) != 3 || got[2].Value != 0 {
		t.Errorf("that it is over is not on the strip: %+v", got)
	}
	inc, _ := s.Incident(id)
	for _, sig := range s.Input(inc, now).Signals {
		if last := sig.Points[len(sig.Points)-1]; last[0] != float64(over.EndsAt.Unix()) {
			t.Errorf("the ranking of what is over moved with what was measured afterwards: %v", sig.Points)
		}
	}
	if len(s.signals.bySession) != 1 {
		t.Error("what was measured while it lasted is lost to the ranking")
	}
	now = now.Add(2 * time.Hour)
	s.fetchSignals(t.Context())
	n := len(m.asked)
	s.fetchSignals(t.Context())
	if last := m.asked[len(m.asked)-1]; len(m.asked) != n || !last.Until.Equal(over.EndsAt.Add(signalsAfter)) {
		t.Errorf("asked %d times, last up to %s", len(m.asked), last.Until)
	}
}
