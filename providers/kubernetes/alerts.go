package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// settled is how long a container must have run again before it no longer counts as crashing: between two crashes of a loop
// it runs for a while.
const settled = 2 * time.Minute

// symptom is a trouble that a workload has.
type symptom struct {
	since  time.Time
	pods   int
	detail string
}

// symptoms are what a workload suffers from at a moment. due is when that may change by itself, zero: never.
func (p *Provider) symptoms(w *workload, held map[string]*instance, now time.Time) (out map[trouble]symptom, due time.Time) {
	out = map[trouble]symptom{}
	for _, uid := range slices.Sorted(maps.Keys(held)) {
		n := held[uid]
		t, at := n.trouble, n.since
		switch {
		case t == crashLooping && !n.running.IsZero() && n.ready:
			if calm := n.running.Add(settled); now.Before(calm) {
				due = sooner(due, calm)
			} else {
				t = ""
			}
		case t == "" && !n.ready:
			if late := n.since.Add(p.set.NotReady); now.Before(late) {
				due = sooner(due, late)
			} else {
				t = notReady
			}
		}
		if t == "" {
			continue
		}
		s := out[t]
		if s.pods == 0 || at.Before(s.since) {
			s.since = at
		}
		s.pods++
		s.detail = cmp.Or(s.detail, n.detail)
		out[t] = s
	}
	if w != nil {
		if !w.stuck.since.IsZero() {
			out[deadline] = symptom{since: w.stuck.since, detail: w.stuck.message}
		}
		if !w.failing.since.IsZero() {
			out[replicaFailure] = symptom{since: w.failing.since, detail: w.failing.message}
		}
	}
	return out, due
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// alert is a symptom as it is told. Its id holds what is needed to ask again later.
func (p *Provider) alert(at place, service string, t trouble, s symptom) providers.Alert {
	a := providers.Alert{
		ID: fmt.Sprintf("%s#%s@%d", p.settingID(at), t, s.since.Unix()), Provider: p.name, Name: string(t), Service: service,
		Environment: p.cluster.EnvironmentOf(at.namespace), Severity: "warning", StartsAt: s.since, State: providers.AlertFiring,
		Labels: map[string]string{"namespace": at.namespace, at.kind: at.name, "context": p.cluster.Context()},
	}
	if t == deadline || t == crashLooping {
		a.Severity = "critical"
	}
	a.Summary = s.summary(at)
	providers.CleanAlert(&a)
	return a
}

func (s symptom) summary(at place) string {
	text := at.kind + " " + at.name
	if s.pods > 0 {
		text += ", " + strconv.Itoa(s.pods) + " pod"
		if s.pods > 1 {
			text += "s"
		}
	}
	if s.detail != "" {
		text += ": " + s.detail
	}
	return text
}

// alertPlace is the reverse of an alert's id.
func (p *Provider) alertPlace(id string) (at place, t trouble, ok bool) {
	unit, rest, ok := strings.Cut(id, "#")
	unit, mine := strings.CutPrefix(unit, p.name+":")
	namespace, name, whole := strings.Cut(unit, "/")
	word, _, dated := strings.Cut(rest, "@")
	if !ok || !mine || !whole || !dated {
		return place{}, "", false
	}
	at = place{"deployment", namespace, name}
	for _, kind := range []string{"statefulset", "daemonset"} {
		if rest, found := strings.CutPrefix(name, kind+"."); found {
			at = place{kind, namespace, rest}
		}
	}
	return at, trouble(word), true
}

// Alerts implements providers.AlertSource: what is wrong now, and what was while somebody watched.
func (p *Provider) Alerts(ctx context.Context, w providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) {
		b, failed := p.current(ctx)
		if ctx.Err() != nil {
			yield(providers.Alert{}, ctx.Err())
			return
		}
		p.alerts.load(ctx, p.chronicle, p.alertPlace)
		if b != nil && failed == nil {
			p.review(b)
		}
		for _, a := range p.alerts.all() {
			if at, _, _ := p.alertPlace(a.ID); p.cluster.Covers(at.namespace) && overlaps(&a, w) && !yield(a, nil) {
				return
			}
		}
		if failed == nil {
			failed = p.alerts.flush(ctx, p.chronicle)
		}
		if failed != nil {
			yield(providers.Alert{}, failed)
		}
	}
}

func overlaps(a *providers.Alert, w providers.Window) bool {
	return (w.Until.IsZero() || a.StartsAt.Before(w.Until)) && (w.Since.IsZero() || a.EndsAt.IsZero() || !a.EndsAt.Before(w.Since))
}

// review brings the alerts up to what a book says of every workload.
func (p *Provider) review(b *book) (changed []providers.Alert, due map[place]time.Time) {
	now := p.now().UTC()
	due = map[place]time.Time{}
	for _, at := range p.suspects(b) {
		told, when := p.examine(b, at, now)
		changed = append(changed, told...)
		if !when.IsZero() {
			due[at] = when
		}
	}
	return changed, due
}

// suspects are the workloads that may have a symptom, or had one.
func (p *Provider) suspects(b *book) []place {
	set := p.alerts.open()
	b.mu.RLock()
	for at := range b.pods {
		set[at] = true
	}
	for _, w := range b.workloads {
		if !w.stuck.since.IsZero() || !w.failing.since.IsZero() {
			set[w.place] = true
		}
	}
	b.mu.RUnlock()
	return slices.SortedFunc(maps.Keys(set), func(x, y place) int { return cmp.Compare(x.String(), y.String()) })
}

// examine brings the alerts of one workload up to what a book says of it.
func (p *Provider) examine(b *book, at place, now time.Time) (changed []providers.Alert, due time.Time) {
	b.mu.RLock()
	w, held := b.byPlace[at], maps.Clone(b.pods[at])
	b.mu.RUnlock()
	service := at.name
	if w != nil {
		service = w.service
	}
	found, due := p.symptoms(w, held, now)
	return p.alerts.settle(at, now, found, func(t trouble, s symptom) providers.Alert { return p.alert(at, service, t, s) }), due
}
