// Package rollbacktest holds the promises of rollback.Reverser as one set of checks, for a reverser's own tests and for a
// command that tries one on a live system, and a target in memory that keeps the promises and can be made to misbehave.
package rollbacktest

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// Suite names the reverser under test and a unit that the checks may switch back and forth between two revisions. Each
// function is a way to reach behind the reverser; where one is nil its checks are skipped, and said to be.
type Suite struct {
	Reverser rollback.Reverser
	Unit     rollback.UnitID
	// To is the digest of the second revision. Empty: the newest one in the unit's history with other content.
	To string
	// ReadOnly leaves out every check that has an effect.
	ReadOnly bool
	// Timeout bounds each call; 0 means 30 s.
	Timeout time.Duration
	// Few tries only a few times what chance decides, and says so: enough to see that it works, too little to meet what is rare.
	Few bool

	// State tells the target's whole state in some form of text; it proves that a look changed nothing.
	State func(ctx context.Context) (string, error)
	// Foreign switches the target to a revision as somebody else would, without the reverser.
	Foreign func(ctx context.Context, to rollback.Revision) error
	// Settled waits until nothing is under way on the target, where what would be the way back depends on that. A plan that was
	// made while something went on is rightly refused once it ended.
	Settled func(ctx context.Context) error
	// Relabel puts the content of the current revision under one more label, not switched to.
	Relabel func(ctx context.Context) error
	// Kill runs Apply in a process of its own and kills that at a random instant. It returns when the process is gone.
	Kill func(ctx context.Context, op rollback.Operation, step rollback.Step) error
	// Hang makes calls to Apply stay without an answer until release is called, which returns when no such call is left.
	Hang func() (release func())
	// Garbage makes the target answer nonsense until restore is called.
	Garbage func() (restore func())
}

// Injector is an ability of a reverser that can misbehave towards its real target on purpose. Check uses it where a suite
// has no Hang or Garbage: "lost answer" lets a call to Apply arrive and loses the answer, "garbage" spoils every answer.
type Injector interface {
	Inject(fault string) (restore func(), ok bool)
}

// injector fills in what the reverser itself offers.
func (s *Suite) injector() {
	in, ok := s.Reverser.(Injector)
	if !ok {
		return
	}
	for fault, hook := range map[Fault]*func() func(){FaultLost: &s.Hang, FaultGarbage: &s.Garbage} {
		if *hook != nil {
			continue
		}
		if restore, ok := in.Inject(string(fault)); ok {
			restore()
			*hook = func() func() {
				restore, _ := in.Inject(string(fault))
				return restore
			}
		}
	}
}

// Problem is a promise that was not kept, or with Skipped one that could not be tried and why.
type Problem struct {
	Check   string `json:"check"`
	Text    string `json:"text"`
	Skipped bool   `json:"skipped,omitempty"`
}

// String is "check: text".
func (p Problem) String() string { return p.Check + ": " + p.Text }

// TB is the part of testing.TB that Run needs, so that a program can use this package without the testing package.
type TB interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// Run runs every check and reports what is wrong as test errors.
func Run(t TB, s Suite) {
	t.Helper()
	for _, p := range Check(t.Context(), s) {
		if p.Skipped {
			t.Logf("not tried: %s", p)
		} else {
			t.Errorf("%s", p)
		}
	}
}

// Check tries every promise in order and returns what is wrong; nothing but skipped problems is a pass. It leaves the
// unit at the revision that it found, if the reverser lets it. One check that breaks does not keep others from running.
func Check(ctx context.Context, s Suite) []Problem {
	if s.Timeout <= 0 {
		s.Timeout = 30 * time.Second
	}
	s.injector()
	s.Reverser = guard{s.Reverser}
	b := &bench{Suite: s}
	b.check = "observe"
	if !b.begin(ctx) {
		return b.problems
	}
	for _, c := range checks() {
		if ctx.Err() != nil {
			b.skip("the time was up")
			break
		}
		b.check = c.name
		switch missing := c.missing(s); {
		case c.acts && s.ReadOnly:
			b.skip("it has an effect, and only looking is allowed")
		case c.acts && b.to.Digest == "":
			b.skip("the unit's history has no second revision with other content")
		case missing != "":
			b.skip("this target offers no way to " + missing)
		default:
			c.try(b, ctx)
		}
	}
	if !s.ReadOnly && b.to.Digest != "" {
		b.check = "end"
		b.home(ctx)
	}
	return b.problems
}

type check struct {
	name    string
	acts    bool
	missing func(Suite) string
	try     func(*bench, context.Context)
}

func always(Suite) string { return "" }

func needs(what string, has func(Suite) bool) func(Suite) string {
	return func(s Suite) string {
		if has(s) {
			return ""
		}
		return what
	}
}

func checks() []check {
	foreign := needs("make a change from outside", func(s Suite) bool { return s.Foreign != nil })
	relabel := needs("put the same content under another label", func(s Suite) bool { return s.Relabel != nil })
	kill := needs("kill a process in the middle of a switch", func(s Suite) bool { return s.Kill != nil })
	hang := needs("make it hang", func(s Suite) bool { return s.Hang != nil })
	garbage := needs("make it answer nonsense", func(s Suite) bool { return s.Garbage != nil })
	return []check{
		{"units", false, always, (*bench).units},
		{"looking changes nothing", false, always, (*bench).looks},
		{"identity is the content", false, relabel, (*bench).identity},
		{"plan", true, always, (*bench).plan},
		{"stale token", true, always, (*bench).stale},
		{"deadline that has passed", true, always, (*bench).expired},
		{"apply, then again", true, always, (*bench).twice},
		{"second operation with an old token", true, always, (*bench).second},
		{"two at once", true, always, (*bench).race},
		{"change from outside before apply", true, foreign, (*bench).foreignFirst},
		{"late duplicate after a change from outside", true, foreign, (*bench).lateDuplicate},
		{"change from outside during apply", true, foreign, (*bench).foreignRace},
		{"killed in the middle", true, kill, (*bench).killed},
		{"hang", true, hang, (*bench).hang},
		{"nonsense", true, garbage, (*bench).garbage},
	}
}

// bench is one run of the suite: the unit rests at from between checks, and goes to to.
type bench struct {
	Suite
	check    string
	problems []Problem
	unit     rollback.Unit
	from, to rollback.Revision
	ops      int
	tag      string
}

func (b *bench) fault(format string, args ...any) {
	b.problems = append(b.problems, Problem{Check: b.check, Text: fmt.Sprintf(format, args...)})
}

// rounds is how often something is tried that chance decides.
func (b *bench) rounds(all int) int {
	few := max(1, all/4)
	if !b.Few || few == all {
		return all
	}
	b.skip(fmt.Sprintf("only %d of %d rounds were asked for", few, all))
	return few
}

func (b *bench) skip(why string) {
	b.problems = append(b.problems, Problem{Check: b.check, Text: why, Skipped: true})
}
