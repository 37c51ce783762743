package providertest_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/providers/providertest/conformance"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// slice is a provider that has its changes in memory, and one flaw where a test asks for it.
type slice struct {
	*providers.Vitals
	changes []providers.Change
	flaw    string
	reads   int
	block   chan struct{}
	err     error
}

func newSlice(n int) *slice {
	s := &slice{Vitals: providers.NewVitals("slice", time.Now, 0), block: make(chan struct{})}
	for i := range n {
		at := noon.Add(time.Duration(i) * time.Minute)
		s.changes = append(s.changes, providers.Change{ID: "c" + strconv.Itoa(i), Title: "change", LandedAt: at})
	}
	return s
}

func (s *slice) Name() string { return "slice" }

func (s *slice) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		start := time.Now()
		if s.flaw == "goroutine" {
			go func() { <-s.block }()
		}
		if s.err != nil {
			s.Done(start, s.err)
			yield(providers.Change{}, s.err)
			return
		}
		if s.flaw == "unstable" {
			s.reads++
		}
		for i, c := range s.changes {
			if ctx.Err() != nil && s.flaw != "deaf" {
				return
			}
			if !w.Contains(c.At()) && s.flaw != "window" {
				continue
			}
			if !yield(s.spoil(i, c), nil) {
				return
			}
		}
		if s.flaw == "deaf" {
			<-time.After(300 * time.Millisecond)
		}
	}
}

func (s *slice) spoil(i int, c providers.Change) providers.Change {
	switch s.flaw {
	case "zone":
		c.LandedAt = c.LandedAt.In(time.FixedZone("CET", 3600))
	case "text":
		c.Author.Name = "eve\x1b[2J"
	case "nested text":
		c.Assistance.Evidence = []providers.Evidence{{Raw: "a\u202eb"}}
	case "no id":
		c.ID = ""
	case "same id":
		c.ID = "c"
	case "unstable":
		c.ID += "/" + strconv.Itoa(s.reads)
	case "word":
		c.Assistance.State = "human"
	}
	return c
}

func TestAProviderThatKeepsTheRulesPasses(t *testing.T) {
	providertest.Run(t, providertest.Suite{
		New:    func(*testing.T) providers.Provider { return newSlice(10) },
		Window: providers.Window{Since: noon.Add(time.Minute), Until: noon.Add(5 * time.Minute)},
		Faults: map[string]providertest.Fault{
			"limited": {
				New: func(*testing.T) providers.Provider {
					s := newSlice(3)
					s.err = providers.RateLimited(7*time.Second, errors.New("too many requests"))
					return s
				},
				Class: providers.ClassRateLimited, RetryAfter: 7 * time.Second,
			},
		},
		Big:       func(*testing.T) providers.Provider { return newSlice(1000) },
		BigEvents: 1000,
	})
}

func TestEveryFlawIsFound(t *testing.T) {
	flaws := map[string]conformance.Rule{
		"window": conformance.RuleWindow, "zone": conformance.RuleUTC, "text": conformance.RuleText,
		"nested text": conformance.RuleText, "no id": conformance.RuleIDs, "same id": conformance.RuleIDs,
		"unstable": conformance.RuleIDs, "word": conformance.RuleWords, "deaf": conformance.RuleCancel,
		"goroutine": conformance.RuleRoutines,
	}
	w := providers.Window{Since: noon.Add(time.Minute), Until: noon.Add(5 * time.Minute)}
	for flaw, rule := range flaws {
		t.Run(flaw, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlice(10)
				s.flaw = flaw
				defer close(s.block)
				found := conformance.Check(t.Context(), s, w)
				for _, p := range found {
					if p.Rule == rule {
						return
					}
				}
				t.Fatalf("rule %q did not notice; found only %v", rule, found)
			})
		})
	}
}

func TestACleanProviderHasNoProblems(t *testing.T) {
	if found := conformance.Check(t.Context(), newSlice(10), providers.Window{Until: noon.Add(time.Hour)}); len(found) > 0 {
		t.Fatalf("found %v", found)
	}
}
