package providers

import (
	"sync"
	"time"
)

// Vitals keeps a provider's own Health, so that every provider tells it in the same way. Make one with NewVitals; it is
// safe for use by several goroutines.
type Vitals struct {
	mu   sync.Mutex
	now  func() time.Time
	slow time.Duration
	h    Health
}

// NewVitals makes the vitals of the named provider. An answer that took longer than slow counts as slow; 0 means 5 s.
func NewVitals(name string, now func() time.Time, slow time.Duration) *Vitals {
	if slow <= 0 {
		slow = 5 * time.Second
	}
	return &Vitals{now: now, slow: slow, h: Health{Provider: name, State: HealthUnknown}}
}

// Done records the end of one outside call that began at start. A nil error is a complete answer.
func (v *Vitals) Done(start time.Time, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	end := v.now()
	v.h.Latency = end.Sub(start)
	switch {
	case err != nil:
		v.h.State, v.h.Detail = HealthFailing, Clean(err.Error())
	case v.h.Latency > v.slow:
		v.h.State, v.h.LastOK, v.h.Detail = HealthSlow, end.UTC(), "answered after "+v.h.Latency.Round(time.Millisecond).String()
	default:
		v.h.State, v.h.LastOK, v.h.Detail = HealthOK, end.UTC(), ""
	}
}

// Note puts a remark on the health line without changing its state.
func (v *Vitals) Note(detail string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.h.Detail = Clean(detail)
}

// Skew records the source's clock against ours; positive means that the source is ahead.
func (v *Vitals) Skew(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.h.Skew = d
}

// Health is a copy of the current health.
func (v *Vitals) Health() Health {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.h
}
