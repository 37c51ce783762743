package rollouts

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// What a mark says.
const (
	markBegan     = "began"     // the rollout of a revision began
	markShare     = "share"     // a step gave it a share of the traffic
	markCompleted = "completed" // it became the stable one
	markAborted   = "aborted"   // it was taken back
)

// mark is one thing that the controller said of a revision. The cluster forgets its events after an hour, the archive
// does not.
type mark struct {
	At       time.Time `json:"at"`
	Revision int64     `json:"revision"`
	What     string    `json:"what"`
	Share    float64   `json:"share,omitempty"`
}

const mostMarks = 500

// What the controller's events say, by their reason.
var said = map[string]struct {
	what string
	text *regexp.Regexp
}{
	"RolloutUpdated":       {markBegan, regexp.MustCompile(`^Rollout updated to revision (\d+)`)},
	"RolloutNotCompleted":  {markBegan, regexp.MustCompile(`started update to revision (\d+)`)},
	"RolloutCompleted":     {markCompleted, regexp.MustCompile(`^Rollout completed update to revision (\d+)`)},
	"RolloutAborted":       {markAborted, regexp.MustCompile(`aborted update to revision (\d+)`)},
	"RolloutStepCompleted": {markShare, regexp.MustCompile(`\(setWeight: (\d+)\)`)},
}

// marks reads what the controller said of a Rollout, and what it said before and the archive kept. That the events may not
// be read is no error: then less is known.
func (p *Provider) marks(ctx context.Context, o *kube.Object) []mark {
	fresh := p.heard(ctx, o.GetNamespace(), "involvedObject.uid="+string(o.GetUID()))
	return p.remembered(ctx, o, fresh[o.GetUID()])
}

// remembered adds what was heard now to what the archive has.
func (p *Provider) remembered(ctx context.Context, o *kube.Object, fresh []mark) []mark {
	key := "marks/" + string(o.GetUID())
	raw, err := p.archive.Get(ctx, p.name, key)
	if err != nil {
		raw = nil // what cannot be read is not known
	}
	kept, news := with(raw, fresh)
	if news {
		err := providers.Update(ctx, p.archive, p.name, key, func(old []byte) ([]byte, error) {
			kept, _ = with(old, fresh) // another process may have written meanwhile
			return json.Marshal(kept)
		})
		if err != nil {
			p.Note("what was seen is not kept: " + providers.Clean(err.Error()))
		}
	}
	return attributed(kept)
}

// with adds marks to those that were written down, and says whether any was new.
func with(raw []byte, fresh []mark) (kept []mark, news bool) {
	if json.Unmarshal(raw, &kept) != nil {
		kept = nil
	}
	before := len(kept)
	for _, m := range fresh {
		if !slices.Contains(kept, m) {
			kept = append(kept, m)
		}
	}
	slices.SortStableFunc(kept, func(a, b mark) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Revision, b.Revision)) })
	kept = kept[max(0, len(kept)-mostMarks):]
	return kept, len(kept) != before
}

func (p *Provider) keep(ctx context.Context, key string, what any) {
	raw, err := json.Marshal(what)
	if err == nil {
		err = p.archive.Put(ctx, p.name, key, raw)
	}
	if err != nil {
		p.Note("what was seen is not kept: " + providers.Clean(err.Error()))
	}
}

// heard reads the controller's events of a namespace, "" being all, by the uid of the Rollout.
func (p *Provider) heard(ctx context.Context, namespace, fields string) map[types.UID][]mark {
	out := map[types.UID][]mark{}
	for e, err := range p.cluster.List(ctx, eventsKind, namespace, kube.Selection{Fields: fields}) {
		if err != nil {
			if ctx.Err() == nil {
				p.Note("what the controller said of its rollouts cannot be read, so less is known of their past: " + providers.Clean(err.Error()))
			}
			break
		}
		if m, ok := markOf(e); ok {
			uid, _, _ := unstructured.NestedString(e.Object, "involvedObject", "uid")
			out[types.UID(uid)] = append(out[types.UID(uid)], m)
		}
	}
	return out
}

func markOf(e *kube.Object) (mark, bool) {
	var event struct {
		Reason  string    `json:"reason"`
		Message string    `json:"message"`
		First   time.Time `json:"firstTimestamp"`
		Last    time.Time `json:"lastTimestamp"`
		Time    time.Time `json:"eventTime"`
	}
	raw, err := e.MarshalJSON()
	if err != nil || json.Unmarshal(raw, &event) != nil {
		return mark{}, false
	}
	is, known := said[event.Reason]
	if !known {
		return mark{}, false
	}
	found := is.text.FindStringSubmatch(event.Message)
	at := cmp.Or(cmp.Or(event.Last, event.Time), event.First).UTC()
	if found == nil || at.IsZero() {
		return mark{}, false
	}
	n, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		return mark{}, false
	}
	if is.what == markShare {
		return mark{At: at, What: markShare, Share: float64(n) / 100}, true
	}
	return mark{At: at, What: is.what, Revision: n}, true
}

// attributed gives each step the revision whose rollout had begun last before it.
func attributed(marks []mark) []mark {
	out := slices.Clone(marks)
	var last int64
	for i := range out {
		switch out[i].What {
		case markBegan:
			last = out[i].Revision
		case markShare:
			out[i].Revision = last
		}
	}
	return out
}

// began is when the rollout of a revision began; zero where nobody knows any more.
func began(marks []mark, x *set, number int64) time.Time {
	for _, m := range marks {
		if m.What == markBegan && m.Revision == number {
			return m.At
		}
	}
	if number == x.numbers[len(x.numbers)-1] {
		return x.created
	}
	return time.Time{}
}

// term is a time in which a revision was the stable one; a zero end is now.
type term struct {
	revision int64
	from, to time.Time
}

func terms(marks []mark) (out []term) {
	for _, m := range marks {
		if m.What != markCompleted {
			continue
		}
		if n := len(out); n > 0 {
			out[n-1].to = m.At
		}
		out = append(out, term{revision: m.Revision, from: m.At})
	}
	return out
}

// evidence is why a revision may be called known good.
func (p *Provider) evidence(s *sight, x *set, marks []mark, now time.Time) (out []string) {
	known := false
	for _, t := range terms(marks) {
		if !slices.Contains(x.numbers, t.revision) {
			continue
		}
		known = true
		until, how := cmp.Or(t.to, now), "until "+t.to.Format("Jan 2 15:04 UTC")
		if t.to.IsZero() {
			how = "and is still"
		}
		if d := until.Sub(t.from); d >= p.set.MinSoak {
			out = append(out, fmt.Sprintf("was the stable revision for %s, %s", d.Round(time.Second), how))
		}
	}
	if x != s.stable() {
		return out
	}
	if asked := s.asked(); !known && asked != nil && asked != x {
		// When it was promoted is no longer known, only that it was before the next began.
		if d := asked.created.Sub(x.created); d >= p.set.MinSoak {
			out = append(out, fmt.Sprintf("is what the controller calls stable, made %s before %s began", d.Round(time.Second), asked.label()))
		}
	}
	if len(out) > 0 && x.available > 0 {
		out = append(out, fmt.Sprintf("%d of its pods are available now", x.available))
	}
	return out
}
