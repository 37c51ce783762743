package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

func (l *line) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == 0 {
		l.began = l.feed.opts.Now()
	}
	l.calls++
}

func (l *line) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls--
}

func (l *line) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls > 0
}

// note records how a call ended, or what a live feed says of itself.
func (l *line) note(what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		why := providers.Clean(err.Error())
		if l.failures[what] != why {
			l.feed.opts.Log.Warn("provider", "name", l.name, "asked", what, "why", why)
		}
		if l.failures == nil {
			l.failures = map[string]string{}
		}
		l.failures[what] = why
		if what == askWatch {
			l.brokeAt = l.feed.opts.Now()
		}
		return
	}
	delete(l.failures, what)
	if what != askTopology {
		l.lastOK = l.feed.opts.Now().UTC()
	}
}

// health is what the provider knows of itself, together with what the feed has seen of it.
func (l *line) health() providers.Health {
	h := l.own()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.feed.opts.Now()
	h.Provider = cmp.Or(h.Provider, l.name)
	if l.lastOK.After(h.LastOK) {
		h.LastOK = l.lastOK
	}
	if h.LastOK.After(l.brokeAt) {
		delete(l.failures, askWatch) // it has answered since: a live feed with nothing to tell is silent when it is well again
	}
	if why := l.why(); why != "" {
		h.State, h.Detail = providers.HealthFailing, why
		if !h.LastOK.IsZero() {
			h.Detail += fmt.Sprintf(", last answer %s ago", age(now.Sub(h.LastOK)))
		}
		return h
	}
	switch {
	case h.State == providers.HealthFailing:
		h.Detail = cmp.Or(h.Detail, "the provider does not say why")
	case l.quiet(h.LastOK, now):
		h.State = providers.HealthStale
		since := h.LastOK
		if since.IsZero() {
			since = l.began
		}
		h.Detail = fmt.Sprintf("stale for %s", age(now.Sub(since)))
	case h.State == "" || h.State == providers.HealthUnknown:
		h.State = providers.HealthUnknown
		if !h.LastOK.IsZero() {
			h.State = providers.HealthOK
		}
	}
	if h.Detail == "" && h.ClockOff() {
		h.Detail = clock(h.Skew)
	}
	return h
}

func clock(skew time.Duration) string {
	if skew.Abs() > time.Minute {
		skew = skew.Round(time.Minute) // the way there and back takes its seconds
	}
	if skew < 0 {
		return fmt.Sprintf("its clock is %s behind ours: its times mislead", age(-skew))
	}
	return fmt.Sprintf("its clock is %s ahead of ours: its times mislead", age(skew))
}

// quiet reports whether the last complete answer is too old. A provider that watches and is asked again only now and then
// may be quiet for as long as that.
func (l *line) quiet(lastOK, now time.Time) bool {
	limit := l.feed.opts.StaleAfter
	if _, ok := l.p.(providers.Watcher); ok {
		if l.once() && !lastOK.IsZero() {
			return false
		}
		limit += l.feed.opts.Reconcile
	} else if l.once() && !lastOK.IsZero() {
		return false // a fixed window does not age
	}
	if lastOK.IsZero() {
		return l.calls > 0 && now.Sub(l.began) > l.feed.opts.StaleAfter
	}
	return now.Sub(lastOK) > limit
}

// why says what is wrong, once where it is the same for everything that was asked.
func (l *line) why() string {
	var parts []string
	for what, why := range l.failures {
		if what == askTopology {
			why = what + ": " + why
		}
		parts = append(parts, why)
	}
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), "; ")
}

// own is the provider's health; a provider that breaks down over it is failing.
func (l *line) own() (h providers.Health) {
	defer func() {
		if p := recover(); p != nil {
			h = providers.Health{Provider: l.name, State: providers.HealthFailing, Detail: "the provider broke down"}
		}
	}()
	return l.p.Health()
}

// age is a duration as a health line says it.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	default:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
}
