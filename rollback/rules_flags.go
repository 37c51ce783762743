package rollback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	mostFlags     = 200             // names that are looked for in the files of one commit
	mentionsLimit = 5 * time.Second // for one commit
)

// FlagState is what a feature flag does now. Created is since when there is one of that name: a flag that was deleted, or archived,
// and made again, is another one. Zero: not known.
type FlagState struct {
	Name    string    `json:"name"`
	On      bool      `json:"on"` // for anybody at all
	Words   string    `json:"words,omitempty"`
	Created time.Time `json:"created,omitzero"`
}

// mentions are the flags that the files of a service name at a commit; ok is false where nobody has that commit.
type mentions func(service, commit string, names []string) (found []string, ok bool, err error)

// mentioned asks who can read a commit's files.
func (e *Engine) mentioned(ctx context.Context) mentions {
	if e.cfg.Mentions == nil {
		return nil
	}
	return func(service, commit string, names []string) ([]string, bool, error) {
		ctx, cancel := context.WithTimeout(ctx, mentionsLimit)
		defer cancel()
		found, err := e.cfg.Mentions(ctx, service, commit, names)
		if errors.Is(err, providers.ErrNotFound) {
			return nil, false, nil
		}
		return found, err == nil, err
	}
}

// moved is a flag that was altered since the oldest of what would be taken back began.
type moved struct {
	unit  UnitID
	state FlagState
	at    time.Time // when it was altered last
	made  bool      // it was created since
	label string
	live  string // why what is served asks for it, "" nothing says so
	then  string // why the target does
}

// flags is rule J for what flags do now: one that the target or what is served asks for, and that was altered in between.
func (w *world) flags(id UnitID, ch choice) []Finding {
	u, start := w.unit(id), since(ch.taken())
	if w.obs[id].Flag != nil || u.Kind == KindSchema {
		return nil // it is one itself, or asks for none: the programs on it do
	}
	var all []moved
	for _, f := range w.units {
		o, seen := w.obs[f.ID]
		if !seen || o.Flag == nil || !sameEnvironment(f.Environment, u.Environment) {
			continue
		}
		m := moved{unit: f.ID, state: *o.Flag, at: o.Current.Since, label: o.Current.Label}
		m.made = !m.state.Created.IsZero() && !start.IsZero() && m.state.Created.After(start)
		if !m.made && !m.at.IsZero() && !start.IsZero() && !m.at.After(start) {
			continue // as it was when the target served
		}
		w.refers(u, ch, f, &m)
		all = append(all, m)
	}
	out := w.search(u, ch, all)
	for i := range all {
		if f, ok := all[i].judged(ch); ok {
			f.Source, f.SeenAt = providerOf(all[i].unit), w.obs[all[i].unit].At
			out = append(out, f)
		}
	}
	return out
}

// refers notes what is declared of a unit and a flag. A flag of the unit's own service is one that what is served asks for.
func (w *world) refers(u Unit, ch choice, flag Unit, m *moved) {
	if flag.Service != "" && flag.Service == u.Service {
		m.live = "it is a flag of " + u.Service
	}
	for _, e := range w.edges {
		if e.Kind != providers.EdgeFlag || e.To != m.state.Name && e.To != string(m.unit) || !slices.Contains(w.named(e.From, u.Environment), u.ID) {
			continue
		}
		why := cmp.Or(e.Evidence, "it is declared to ask for it")
		asks := func(r Revision) bool {
			v := w.versionOf(u.ID, r)
			return v != nil && lies(v, e.FromVersions) == within
		}
		if e.FromVersions == "" || asks(ch.revs[0]) {
			m.live = why
		}
		if e.FromVersions != "" && asks(ch.revs[ch.target]) {
			m.then = why
		}
	}
}

// search looks for the names of the flags in the unit's own files at both commits. What is declared stays where nothing can be read.
func (w *world) search(u Unit, ch choice, all []moved) []Finding {
	if w.mentioned == nil || len(all) == 0 {
		return nil
	}
	var names []string
	for i := range all[:min(len(all), mostFlags)] {
		names = append(names, all[i].state.Name)
	}
	var out []Finding
	if n := len(all) - mostFlags; n > 0 {
		out = append(out, Finding{
			Rule: ruleFlags, Verdict: Unknown, SeenAt: w.obs[u.ID].At,
			Text: fmt.Sprintf("%d flags were altered since, and whether %s asks for them was looked for only for %d", len(all), u.Service, mostFlags),
		})
	}
	for _, end := range []struct {
		r   Revision
		set func(m *moved, why string)
	}{
		{ch.revs[0], func(m *moved, why string) { m.live = why }}, {ch.revs[ch.target], func(m *moved, why string) { m.then = why }},
	} {
		if end.r.Commit == "" {
			continue
		}
		found, ok, err := w.mentioned(u.Service, end.r.Commit, names)
		if err != nil {
			out = append(out, Finding{
				Rule: ruleFlags, Verdict: Unknown, SeenAt: w.obs[u.ID].At, Evidence: providers.Few(names, 4),
				Text: providers.Clean(fmt.Sprintf("flags were altered since, and whether %s asks for them cannot be told: %v", name(end.r), err)),
			})
		}
		for i := range all {
			if ok && slices.Contains(found, all[i].state.Name) {
				end.set(&all[i], "the files of "+u.Service+" at "+brief(end.r.Commit)+" name it")
			}
		}
	}
	return out
}

// judged says what an altered flag means for the way back; ok is false where it means nothing.
func (m *moved) judged(ch choice) (f Finding, ok bool) {
	target, live := name(ch.revs[ch.target]), name(ch.revs[0])
	state := "off"
	if m.state.On {
		state = "on"
	}
	if m.state.Words != "" {
		state = m.state.Words
	}
	f = Finding{Rule: ruleFlags, Since: m.at, Broke: m.label + " of " + string(m.unit)}
	off := fmt.Sprintf("switch it off first (backout rollback %s --to off)", m.unit)
	var why []string
	for _, w := range []string{m.live, m.then} {
		if w != "" && !slices.Contains(why, w) {
			why = append(why, w)
		}
	}
	f.Evidence = strings.Join(append([]string{"now " + state}, why...), "; ")
	switch {
	case m.then != "" && m.made && m.state.On:
		f.Verdict = Blocked
		f.Text = fmt.Sprintf("%s asks for a flag %s, and the one that there is was made since, so it may mean something else, and is %s: %s", target, m.state.Name, state, off)
	case m.then != "" && m.made:
		f.Verdict = Conditional
		f.Text = fmt.Sprintf("%s asks for a flag %s, and the one that there is was made since, so it may mean something else: it is off, and has to stay so", target, m.state.Name)
	case m.then != "":
		f.Verdict = Conditional
		f.Text = fmt.Sprintf("%s asks for the flag %s, which was altered since it served and is %s now: look whether that is what it may be", target, m.state.Name, state)
	case m.live != "" && m.state.On:
		f.Verdict = Conditional
		f.Text = fmt.Sprintf("%s asks for the flag %s, which was altered since %s served and is %s: %s", live, m.state.Name, target, state, off)
	default:
		return f, false
	}
	return f, true
}
