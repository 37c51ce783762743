// Package providertest is the suite of tests that every provider passes. A provider's own test fills a [Suite] and calls
// [Run]. The same rules without the testing package, for a command, are in the package conformance below this one.
package providertest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest/conformance"
)

// Suite says how to make the provider under test. Every function is called within a subtest and may use its Cleanup; the
// suite closes a provider that is an io.Closer. No test of the suite is parallel: it looks for goroutines left behind.
type Suite struct {
	// New makes a fresh provider whose source holds known content.
	New func(t *testing.T) providers.Provider
	// Window holds at least one event of each stream (changes, alerts) that the provider has.
	Window providers.Window
	// Wide holds events beside those of Window. The zero value is the open window.
	Wide providers.Window
	// Empty lists streams ("Changes", "Alerts") that may have nothing in Window, or nothing outside it.
	Empty []string
	// Hang makes a provider whose source never answers; nil: cancellation is tried on New alone.
	Hang func(t *testing.T) providers.Provider
	// Faults are broken sources by name.
	Faults map[string]Fault
	// Big makes a provider with many events; nil: memory is not measured.
	Big func(t *testing.T) providers.Provider
	// BigEvents is the least number of events that Big must yield, BigLimit by how many bytes the live heap may grow
	// while they stream; 0 means 64 MiB.
	BigEvents int
	BigLimit  uint64
}

// Fault is a source that cannot be read, and what a caller must learn from the error.
type Fault struct {
	New   func(t *testing.T) providers.Provider
	Class providers.ErrorClass
	// RetryAfter is what the source asked for; only compared for providers.ClassRateLimited.
	RetryAfter time.Duration
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	s.rule(t, "health", s.health)
	s.rule(t, "events", s.events)
	s.rule(t, "early stop", s.early)
	s.rule(t, "cancel", s.cancel)
	s.rule(t, "concurrent use", s.concurrent)
	if s.Hang != nil {
		s.rule(t, "hang", s.hang)
	}
	for name, f := range s.Faults {
		s.rule(t, "fault "+name, func(t *testing.T) { fault(t, f) })
	}
	if s.Big != nil {
		s.rule(t, "bounded memory", s.memory)
	}
}

// rule runs one subtest and then looks for goroutines: when the subtest has ended, its servers are down as well.
func (s Suite) rule(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Run(name, f)
	if err := goleak.Find(before); err != nil {
		t.Errorf("%s: goroutines left behind: %v", name, err)
	}
}

// fresh makes a provider that is closed before the cleanups that New registered.
func fresh(t *testing.T, make func(t *testing.T) providers.Provider) providers.Provider {
	t.Helper()
	p := make(t)
	if p == nil {
		t.Fatal("the suite's constructor gave no provider")
	}
	t.Cleanup(func() {
		if c, ok := p.(io.Closer); ok {
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return p
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func report(t *testing.T, r *conformance.Report) {
	t.Helper()
	for _, p := range r.Problems {
		t.Error(p)
	}
}

func fault(t *testing.T, f Fault) {
	p := fresh(t, f.New)
	ctx := bounded(t)
	var got []error
	for _, s := range conformance.Streams(p) {
		got = append(got, firstError(t, s.Name, s.Read(ctx, providers.Window{})))
	}
	if sig, ok := p.(providers.SignalSource); ok && len(got) == 0 {
		_, err := sig.Signals(ctx, providers.Window{}, nil)
		got = append(got, err)
	}
	if errors.Join(got...) == nil {
		t.Fatal("a broken source was read without an error")
	}
	for _, err := range got {
		if err == nil {
			continue
		}
		if c := providers.ClassOf(err); c != f.Class {
			t.Errorf("class %q, want %q: %v", c, f.Class, err)
		}
		if f.Class == providers.ClassRateLimited && providers.RetryAfter(err) != f.RetryAfter {
			t.Errorf("retry after %s, want %s: %v", providers.RetryAfter(err), f.RetryAfter, err)
		}
	}
	if h := p.Health(); h.State == providers.HealthOK || h.State == providers.HealthUnknown || h.Detail == "" {
		t.Errorf("health after the fault is %q (%q); it must say that and why it fails", h.State, h.Detail)
	}
	r := &conformance.Report{}
	r.Health(p)
	report(t, r)
}
