// Package conformance holds the rules that every provider obeys, as a check that needs no test: a command runs it against
// a configured provider, and package providertest runs it, and more, in tests. It does not import "testing".
package conformance

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Limit is how long a sequence may go on after its context is done.
const Limit = 100 * time.Millisecond

// Rule names one thing that the contract of package providers promises.
type Rule string

// The rules.
const (
	RuleHealth   Rule = "health"   // Health has the provider's name and does not block
	RuleRead     Rule = "read"     // the window can be read without an error
	RuleWindow   Rule = "window"   // nothing outside the window
	RuleUTC      Rule = "utc"      // every time is UTC
	RuleIDs      Rule = "ids"      // ids are there, unique, and the same when read again
	RuleText     Rule = "text"     // every text went through providers.Clean
	RuleWords    Rule = "words"    // states are words of the contract
	RuleCancel   Rule = "cancel"   // sequences end within Limit after their context is done
	RuleEarly    Rule = "early"    // a consumer may stop after the first event
	RuleRows     Rule = "rows"     // an Indexer's rows are sorted within a batch and load what they say
	RuleRoutines Rule = "routines" // no goroutine is left behind
)

// Problem is one promise that a provider broke.
type Problem struct {
	Rule   Rule   `json:"rule"`
	Where  string `json:"where,omitempty"` // which ability
	Detail string `json:"detail"`
}

// String is the problem in one line.
func (p Problem) String() string {
	if p.Where == "" {
		return fmt.Sprintf("%s: %s", p.Rule, p.Detail)
	}
	return fmt.Sprintf("%s: %s: %s", p.Rule, p.Where, p.Detail)
}

// Check tries a provider against its real source and returns what it broke; nil means that it conforms as far as this
// window can tell. It reads the window at least three times, changes nothing, and closes p if p is an io.Closer. ctx
// bounds the whole check.
func Check(ctx context.Context, p providers.Provider, w providers.Window) []Problem {
	before := runtime.NumGoroutine()
	r := &Report{}
	r.Health(p)
	for _, s := range Streams(p) {
		r.Events(ctx, s, w)
		r.Early(ctx, s, w)
		r.Cancel(ctx, s, w)
	}
	r.Others(ctx, p, w)
	r.Rows(ctx, p, w)
	r.Watch(ctx, p)
	if c, ok := p.(io.Closer); ok {
		if err := c.Close(); err != nil {
			r.add(RuleRoutines, "Close", "%v", err)
		}
	}
	r.routines(ctx, before)
	return r.Problems
}

// Report gathers problems. The zero value is ready; it is not safe for use by several goroutines.
type Report struct{ Problems []Problem }

const most = 20 // problems of one rule; a broken provider breaks a rule for each of a million events

func (r *Report) add(rule Rule, where, format string, args ...any) {
	n := 0
	for _, p := range r.Problems {
		if p.Rule == rule {
			n++
		}
	}
	if n < most {
		r.Problems = append(r.Problems, Problem{Rule: rule, Where: where, Detail: providers.Clean(fmt.Sprintf(format, args...))})
	}
}

// Health checks the name and that Health answers at once.
func (r *Report) Health(p providers.Provider) {
	if p.Name() == "" {
		r.add(RuleHealth, "Name", "is empty")
	}
	got := make(chan providers.Health, 1)
	go func() { got <- p.Health() }()
	select {
	case h := <-got:
		if h.Provider != p.Name() {
			r.add(RuleHealth, "Health", "is of provider %q, not of %q", h.Provider, p.Name())
		}
		if h.State == "" {
			r.add(RuleHealth, "Health", "has no state")
		}
		if providers.Clean(h.Detail) != h.Detail {
			r.add(RuleText, "Health", "detail %q has characters that a screen must not get", h.Detail)
		}
	case <-time.After(2 * time.Second):
		r.add(RuleHealth, "Health", "did not answer within 2 s; it must do no I/O")
	}
}

func (r *Report) routines(ctx context.Context, before int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(2 * time.Second)
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-limit:
			r.add(RuleRoutines, "", "%d goroutines were left 2 s after the last read", runtime.NumGoroutine()-before)
			return
		}
	}
}
