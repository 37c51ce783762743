package releases

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// switched says that a release became current. What the sources do not tell is zero.
type switched struct {
	label  string
	digest string
	at     time.Time
	about  bool      // at is when the release was made rather than when it went live
	before string    // the release that was current before
	seen   time.Time // when backout last saw it current
	kept   time.Time // when the archive last heard of it
	op     string
	by     string
	commit string
	chain  bool // it comes from a record that is kept of every switch, so that the next one ends it
}

// kept is the form in which the archive keeps a switch that backout saw.
type kept struct {
	Label  string    `json:"label"`
	Digest string    `json:"digest,omitempty"`
	At     time.Time `json:"at"`
	Before string    `json:"before,omitempty"`
	Seen   time.Time `json:"seen,omitzero"`
	Op     string    `json:"op,omitempty"`
}

func archiveKey(u *unit, at time.Time) string {
	return fmt.Sprintf("switch/%s/%020d", printable(u.name), at.UnixNano())
}

// notice keeps that a link was seen, in memory and in the archive. The archive hears of a switch at once and of a mere
// look at most once a minute.
func (p *Provider) notice(ctx context.Context, u *unit, l link) {
	p.noticeBroken(u, l)
	if !l.inside || l.label == "" {
		return
	}
	for _, s := range p.remember(u, l, p.now().UTC()) {
		print := ""
		if s.label == l.label {
			print = l.print
		}
		p.keep(ctx, u, s, print)
	}
}

// noticeBroken keeps whether there is anything behind the link.
func (p *Provider) noticeBroken(u *unit, l link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.broken, u.name)
	if l.broken {
		p.broken[u.name] = fmt.Sprintf("%s: current points to %s, which is gone: nothing serves from it", u.name, providers.Clean(cmp.Or(l.label, l.target)))
	}
}

// remark is what a person should know of the units beside that they could be read.
func (p *Provider) remark() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Values(p.broken)), "; ")
}

// remember keeps a look in memory and gives what the archive should hear of.
func (p *Provider) remember(u *unit, l link, now time.Time) []switched {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := p.seen[u.name]
	fresh := switched{label: l.label, at: l.made.UTC(), seen: now, kept: now, op: l.op}
	if len(mine) == 0 {
		p.seen[u.name] = []switched{fresh}
		return []switched{fresh}
	}
	last := &mine[len(mine)-1]
	if last.label == l.label && last.at.Equal(l.made) {
		last.seen = now
		if now.Sub(last.kept) < time.Minute {
			return nil
		}
		last.kept = now
		return []switched{*last}
	}
	// Seen a moment ago with another release: nothing else can have served in between.
	if l.made.After(last.at) && l.made.Sub(last.seen).Abs() <= 2*p.poll {
		fresh.before = last.label
	}
	before := *last
	mine = append(mine, fresh)
	p.seen[u.name] = slices.Clone(mine[max(len(mine)-1000, 0):])
	return []switched{before, fresh}
}

func (p *Provider) keep(ctx context.Context, u *unit, s switched, print string) {
	k := kept{Label: printable(s.label), At: s.at, Before: printable(s.before), Seen: s.seen, Op: s.op}
	if digest, err := p.digests.seen(ctx, p.host, u, s.label, print); err == nil {
		k.Digest = digest
	}
	data, err := json.Marshal(k)
	if err == nil {
		err = p.archive.Put(ctx, p.name, archiveKey(u, s.at), data)
	}
	if err != nil && ctx.Err() == nil {
		p.vitals.Note("what was seen is not kept: " + err.Error())
	}
}

// remembered is what backout itself saw, now and in earlier processes.
func (p *Provider) remembered(ctx context.Context, u *unit) []switched {
	p.mu.Lock()
	out := slices.Clone(p.seen[u.name])
	p.mu.Unlock()
	keys, err := p.archive.Keys(ctx, p.name, "switch/"+printable(u.name)+"/")
	if err != nil {
		p.vitals.Note("what was seen before cannot be read: " + err.Error())
	}
	if len(keys) > 1000 {
		keys = keys[len(keys)-1000:]
	}
	for _, key := range keys {
		data, err := p.archive.Get(ctx, p.name, key)
		var k kept
		if err != nil || json.Unmarshal(data, &k) != nil {
			continue
		}
		label, err1 := unprintable(k.Label)
		before, err2 := unprintable(k.Before)
		if err1 == nil && err2 == nil {
			out = append(out, switched{label: label, digest: k.Digest, at: k.At.UTC(), before: before, seen: k.Seen.UTC(), op: k.Op})
		}
	}
	return out
}

// exact are the switches whose time is that of a link which was really made.
func exact(s sight, remembered []switched) []switched {
	out := remembered
	if s.link.inside {
		out = append(out, switched{label: s.link.label, at: s.link.made.UTC(), op: s.link.op})
	}
	for _, r := range s.releases {
		for _, st := range r.stamps {
			n, ok := readNote(st.marks[markDone])
			op, _, _ := strings.Cut(st.name, ".")
			if ok && !n.At.IsZero() {
				out = append(out, switched{label: r.label, at: n.At.UTC(), before: n.From, op: op})
			}
		}
	}
	return out
}

// history is every known switch of a unit, oldest first.
func (p *Provider) history(ctx context.Context, u *unit, s sight) []switched {
	return collapse(merge(exact(s, p.remembered(ctx, u)), told(s)))
}

// merge puts reports of the same switch together. Two links made at the same nanosecond are one; what a log or a release
// tells in whole seconds belongs to the nearest link to the same release, where there is one near.
func merge(exact, told []switched) []switched {
	var all []switched
	add := func(s switched, slack time.Duration) {
		best := -1
		for i := range all {
			d := all[i].at.Sub(s.at).Abs()
			if all[i].label == s.label && d <= slack && (best < 0 || d < all[best].at.Sub(s.at).Abs()) {
				best = i
			}
		}
		if best < 0 {
			all = append(all, s)
			return
		}
		all[best].join(s)
	}
	for _, s := range exact {
		add(s, 0)
	}
	for _, s := range told {
		slack := 2 * time.Minute
		if s.about {
			slack = 30 * time.Minute // a release is named when its deployment begins
		}
		add(s, slack)
	}
	slices.SortStableFunc(all, func(a, b switched) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.label, b.label)
	})
	return all
}

// join takes over what another report of the same switch knows.
func (s *switched) join(o switched) {
	s.digest, s.before, s.op = cmp.Or(s.digest, o.digest), cmp.Or(s.before, o.before), cmp.Or(s.op, o.op)
	s.by, s.commit = cmp.Or(s.by, o.by), cmp.Or(s.commit, o.commit)
	s.chain = s.chain || o.chain
	if o.seen.After(s.seen) {
		s.seen = o.seen
	}
}

// collapse drops a link that was made anew for the release that was current already: nothing changed for anybody.
func collapse(all []switched) []switched {
	var out []switched
	for _, s := range all {
		if n := len(out); n > 0 && out[n-1].label == s.label {
			first := out[n-1]
			out[n-1].join(s)
			out[n-1].before, out[n-1].op = first.before, first.op
			continue
		}
		out = append(out, s)
	}
	return out
}
