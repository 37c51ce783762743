package rollback

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

// How often and how long a declared check is looked at where it does not say.
const (
	lookEvery = 5 * time.Second
	lookLimit = callTimeout
)

// onlookers look at a run's declared checks, each in its own time, so that a slow one holds up none of the others.
type onlookers struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu  sync.Mutex
	all []onlooker
}

// onlooker is one check with what was seen last.
type onlooker struct {
	unit  Unit
	check DeclaredCheck
	last  Check
	at    time.Time // when last was seen; zero: never
	slip  *Check    // it was not well since somebody took it last, also if it is again
}

// look begins to look at the declared checks of the plan. Somebody has to end it.
func (x *execution) look(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	l := &onlookers{cancel: cancel, all: x.run.Plan.onlookers()}
	for i := range l.all {
		k := &l.all[i]
		l.done.Go(func() { l.follow(ctx, x.e.cfg.Verifier, k) })
	}
	x.looking = l
}

// end stops looking and waits for those that are at it.
func (l *onlookers) end() {
	l.cancel()
	l.done.Wait()
}

// onlookers are the plan's declared checks, before anybody looked.
func (p *Plan) onlookers() []onlooker {
	var all []onlooker
	for _, u := range p.Units {
		for _, c := range u.Declared {
			c.Name = p.of(u.Unit.ID, c.Name)
			k := onlooker{unit: u.Unit, check: c}
			k.last = k.named(Check{State: CheckUnknown, Observed: "not looked at yet"})
			all = append(all, k)
		}
	}
	return all
}

func (l *onlookers) follow(ctx context.Context, v Verifier, k *onlooker) {
	for {
		began := time.Now()
		c := k.once(ctx, v)
		if ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		k.last, k.at = c, time.Now()
		if c.State != CheckPass && k.slip == nil {
			k.slip = &c
		}
		l.mu.Unlock()
		if sleep(ctx, max(k.every()-time.Since(began), k.every()/10)) != nil {
			return
		}
	}
}

// take gives what was seen of each since it was taken last: the newest look, or the first that was not well in between. What
// was not seen for too long is unknown.
func (l *onlookers) take() []Check {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Check, 0, len(l.all))
	for i := range l.all {
		k := &l.all[i]
		c := k.last
		old := time.Since(k.at)
		switch {
		case k.at.IsZero():
		case k.slip != nil && c.State == CheckPass:
			c = *k.slip
		case old > k.every()+k.limit()+blink:
			c.State, c.Observed = CheckUnknown, fmt.Sprintf("not seen for %s; %s then", old.Round(time.Second), c.Observed)
		}
		k.slip = nil
		out = append(out, c)
	}
	return out
}

// glance makes the declared checks of a plan once, side by side. Programs are left out: they are not begun only to be cut off.
func (x *execution) glance(ctx context.Context) []Check {
	all := slices.DeleteFunc(x.run.Plan.onlookers(), func(k onlooker) bool { return k.check.Command != nil })
	out := make([]Check, len(all))
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, beforeLimit-beforeLimit/5)
	defer cancel()
	for i := range all {
		wg.Go(func() { out[i] = all[i].once(ctx, x.e.cfg.Verifier) })
	}
	wg.Wait()
	return out
}

// once makes the check now.
func (k *onlooker) once(ctx context.Context, v Verifier) Check {
	switch {
	case k.check.Bad != "":
		return k.named(Check{State: CheckUnknown, Observed: k.check.Bad})
	case v == nil:
		return k.named(Check{State: CheckUnknown, Observed: "nobody here can look at declared checks"})
	}
	ctx, cancel := context.WithTimeout(ctx, k.limit())
	defer cancel()
	return k.named(v.Look(ctx, k.unit, k.check))
}

// named puts the declaration's name and goal to what was seen. A declared check always looks from outside.
func (k *onlooker) named(c Check) Check {
	c.Name, c.Goal, c.Inside = k.check.Name, k.check.Goal, false
	if c.State != CheckPass && c.State != CheckFail {
		c.State = CheckUnknown
	}
	c.Observed = providers.Clean(c.Observed)
	return c
}

func (k *onlooker) every() time.Duration {
	if k.check.Every > 0 {
		return k.check.Every
	}
	return lookEvery
}

func (k *onlooker) limit() time.Duration {
	if k.check.Timeout > 0 {
		return k.check.Timeout
	}
	return lookLimit
}
