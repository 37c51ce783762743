package session

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers/probe"
	"github.com/backout-dev/backout/rollback"
)

// The annotations by which an object asks for its verification; each but the first begins with that and a hyphen.
const (
	askNames  = "backout.dev/verify" // names of entries of the configuration
	askPromQL = "promql"
	askHTTP   = "http"
	askHold   = "hold"
)

// What an annotation cannot ask for: whoever may annotate an object must not keep the machine of the operator busy, or have a
// rollback count as verified at once.
const (
	leastAskedHold   = 10 * time.Second
	mostAskedSamples = 5
	mostAskedTimeout = 10 * time.Second
	leastAskedEvery  = 2 * time.Second
)

// Declared implements [rollback.Verifier]: what the configuration says of the unit, and then what its object asks for. All
// entries that match count together; of their holds the longest. A hold of the configuration is stronger than an annotation's.
func (s *Session) Declared(u rollback.Unit, asks map[string]string) rollback.Declaration {
	d := declaring{cfg: s.opts.Config, dir: s.opts.Dir}
	named := names(asks[askNames])
	for i := range d.cfg.Verify {
		v := &d.cfg.Verify[i]
		at := slices.Index(named, v.Name)
		if at >= 0 && v.Name != "" {
			named = slices.Delete(named, at, at+1)
		}
		if v.Matches(string(u.ID), u.Service, u.Environment) || at >= 0 && v.Name != "" {
			d.add(v, d.place(v), false)
			d.out.Hold = max(d.out.Hold, v.Hold)
		}
	}
	for _, name := range named {
		d.bad(askNames, fmt.Sprintf("the configuration has no entry under verify with the name %q", name))
	}
	for _, key := range slices.Sorted(maps.Keys(asks)) {
		if kind, ok := strings.CutPrefix(key, askNames+"-"); ok {
			d.ask(kind, key, asks[key])
		}
	}
	return d.out
}

// names are the words of a list with commas or spaces between them.
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

type declaring struct {
	cfg *config.Config
	dir string
	out rollback.Declaration
}

// place is where an entry stands, as a person would look it up.
func (d *declaring) place(v *config.Verify) string {
	file := v.File
	if rel, err := filepath.Rel(d.dir, file); err == nil && !strings.HasPrefix(rel, "..") {
		file = rel
	}
	return file + ":" + strconv.Itoa(v.Line)
}

// bad declares a check that can never be looked at: what somebody asked for and cannot have is unknown, and not left out.
func (d *declaring) bad(source, why string) {
	d.out.Checks = append(d.out.Checks, rollback.DeclaredCheck{Name: source, Source: "annotation " + source, Guest: true, Bad: why})
}

// ask takes what one annotation asks for.
func (d *declaring) ask(kind, key, text string) {
	switch kind {
	case askPromQL, askHTTP, askHold:
	case "command":
		d.bad(key, "a program is never taken from an annotation: declare it under verify in the configuration, and name that entry with "+askNames)
		return
	default:
		d.bad(key, "is no annotation that is read: there are "+askNames+", -promql, -http and -hold")
		return
	}
	v, err := config.Asked(kind, text)
	if err != nil {
		d.bad(key, err.Error())
		return
	}
	if kind == askHold {
		d.askHold(key, v.Hold)
		return
	}
	for i := range v.HTTP {
		h := &v.HTTP[i]
		h.Samples, h.Timeout, h.Every = min(h.Samples, mostAskedSamples), min(h.Timeout, mostAskedTimeout), max(h.Every, leastAskedEvery)
	}
	for i := range v.PromQL {
		v.PromQL[i].Every = max(v.PromQL[i].Every, leastAskedEvery)
	}
	d.add(&v, "annotation "+key, true)
}

func (d *declaring) askHold(key string, hold time.Duration) {
	switch {
	case hold >= d.cfg.Rollback.Deadline:
		d.bad(key, fmt.Sprintf("%s is not shorter than rollback.deadline (%s)", hold, d.cfg.Rollback.Deadline))
	case d.out.Hold > 0: // the configuration says it
	case hold < leastAskedHold:
		d.out.Hold = leastAskedHold
		d.out.Notes = append(d.out.Notes, fmt.Sprintf("the annotation %s asks for a hold of %s: an annotation cannot make it shorter than %s", key, hold, leastAskedHold))
	default:
		d.out.Hold = hold
	}
}

// add declares the checks of an entry.
func (d *declaring) add(v *config.Verify, source string, guest bool) {
	add := func(c rollback.DeclaredCheck) {
		c.Source, c.Guest = source, guest
		d.out.Checks = append(d.out.Checks, c)
	}
	for _, q := range v.PromQL {
		add(d.promql(q))
	}
	for _, h := range v.HTTP {
		add(overHTTP(h))
	}
	for _, c := range v.Command {
		add(rollback.DeclaredCheck{
			Name: cmp.Or(c.Name, filepath.Base(c.Argv[0])), Goal: "exit code 0", Every: cmp.Or(c.Every, 10*time.Second), Timeout: cmp.Or(c.Timeout, 30*time.Second),
			Command: &rollback.CommandCheck{Argv: c.Argv, Dir: v.Dir, Env: c.Env},
		})
	}
}

// thresholdLimit is how long a threshold is waited for; the provider's own limit is shorter.
const thresholdLimit = 20 * time.Second

func (d *declaring) promql(q config.PromQL) rollback.DeclaredCheck {
	c := rollback.DeclaredCheck{Name: cmp.Or(q.Name, brief(q.Query)), Goal: within(q.Min, q.Max), Every: cmp.Or(q.Every, 5*time.Second), Timeout: thresholdLimit}
	provider, err := d.cfg.Prometheus(q.Provider)
	switch {
	case err != nil:
		c.Bad = err.Error()
	case q.Window+max(d.out.Hold, d.cfg.Rollback.Hold) >= d.cfg.Rollback.Deadline && q.Window > 0:
		c.Bad = fmt.Sprintf("a window of %s and the hold do not fit into rollback.deadline (%s)", q.Window, d.cfg.Rollback.Deadline)
	default:
		c.PromQL = &rollback.PromQLCheck{Provider: provider, Query: q.Query, Max: q.Max, Min: q.Min, Window: q.Window}
	}
	if q.Window > 0 {
		c.Goal += " for " + q.Window.String()
	}
	return c
}

func overHTTP(h config.HTTP) rollback.DeclaredCheck {
	name := h.URL
	if u, err := url.Parse(h.URL); err == nil {
		name = u.Host + u.Path
	}
	timeout := cmp.Or(h.Timeout, 5*time.Second)
	check := rollback.HTTPCheck{URL: h.URL, Status: h.Status, Contains: h.Contains, MaxLatency: h.MaxLatency, Samples: max(h.Samples, 1), Timeout: timeout}
	return rollback.DeclaredCheck{
		Name: cmp.Or(h.Name, name), Goal: question(&check, false).Goal(), Every: cmp.Or(h.Every, 2*time.Second),
		Timeout: time.Duration(2*check.Samples)*timeout + time.Second, HTTP: &check,
	}
}

func question(h *rollback.HTTPCheck, guest bool) probe.Question {
	return probe.Question{
		URL: h.URL, Status: h.Status, Contains: h.Contains, MaxLatency: h.MaxLatency, Timeout: h.Timeout, Samples: h.Samples, Guest: guest,
	}
}

// brief is a query as the name of a check.
func brief(query string) string {
	const most = 40
	if r := []rune(query); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return query
}

// within says what the limits let pass.
func within(low, high *float64) string {
	number := func(v *float64) string { return strconv.FormatFloat(*v, 'g', 4, 64) }
	switch {
	case low == nil && high == nil:
		return ""
	case high == nil:
		return "at least " + number(low)
	case low == nil:
		return "at most " + number(high)
	}
	return "from " + number(low) + " to " + number(high)
}
