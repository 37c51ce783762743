package rollback

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	// ruleSecurity is rule O: what was mended since and would be open again.
	ruleSecurity = "O security"

	mostAdvisories = 5 // that are told one by one
)

// Advisory is something that speaks against running a version again. Digest is the content of a revision or of an image; Package
// a service, a unit, or an image without its tag, with Versions as ranges of semantic versions ("" all) or Exact ones.
type Advisory struct {
	ID        string
	Exploited bool // known to be
	Digest    string
	Package   string
	Versions  string
	Exact     []string
	Source    string    // where it was read
	At        time.Time // as of when that is
}

// Part is one thing that a revision runs, such as an image, as far as a provider knows. Empty fields are not known.
type Part struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

// Exposure is something beside versions that a way back opens again, such as a credential that was replaced since.
type Exposure struct {
	What     string `json:"what"`
	Evidence string `json:"evidence,omitempty"`
}

// about says whether an advisory is about something that runs.
func (a *Advisory) about(parts []Part) answer {
	out := outside
	for _, p := range parts {
		switch a.hits(p) {
		case within:
			return within
		case cannotTell:
			out = cannotTell
		default:
		}
	}
	return out
}

// hits says whether an advisory is about one part. One that is called so and does not say its version, or its digest, cannot be told.
func (a *Advisory) hits(p Part) answer {
	if a.Digest != "" && a.Digest == p.Digest {
		return within
	}
	if a.Package == "" || p.Name != a.Package && !strings.HasSuffix(p.Name, "/"+a.Package) {
		return outside
	}
	switch {
	case a.Digest != "" && p.Digest == "":
		return cannotTell
	case a.Digest != "":
		return outside
	case p.Version != "" && slices.Contains(a.Exact, p.Version), a.Versions == "" && len(a.Exact) == 0:
		return within
	case p.Version != "" && a.Versions == "":
		return outside
	}
	if v := version(p.Version); v != nil {
		return lies(v, a.Versions)
	}
	return cannotTell
}

// parts are what a revision of a unit is and runs. What the provider tells comes first.
func (w *world) parts(u Unit, r Revision, runs []Part) []Part {
	own := Part{Name: u.Service, Version: r.Label, Digest: r.Digest}
	if v := w.versionOf(u.ID, r); v != nil {
		own.Version = v.Original()
	}
	unit := own
	unit.Name = string(u.ID)
	return append(slices.Clone(runs), own, unit)
}

// security is rule O for one unit of a plan: what is mended where it stands, and not where it goes.
func (w *world) security(u *UnitPlan) []Finding {
	var out []Finding
	for _, x := range u.Exposes {
		out = append(out, Finding{
			Rule: ruleSecurity, Verdict: Conditional, SeenAt: u.Observed.At, Evidence: providers.Clean(x.Evidence),
			Text: providers.Clean(x.What) + ": somebody who answers for security has to agree",
		})
	}
	now, then := w.parts(u.Unit, u.From, u.RunsNow), w.parts(u.Unit, u.To, u.Runs)
	more := 0
	for i := range w.advisories {
		f, ok := w.advisories[i].reopened(u, now, then)
		switch {
		case !ok:
		case len(out) >= mostAdvisories && f.Verdict != Blocked:
			more++
		default:
			out = append(out, f)
		}
	}
	if more > 0 {
		out = append(out, Finding{Rule: ruleSecurity, Verdict: Conditional, Source: "advisories", Text: fmt.Sprintf("%d more advisories are about %s and not about what is served", more, name(u.To))})
	}
	return out
}

// reopened is the finding that going back would open something again; ok is false where that is not so.
func (a *Advisory) reopened(u *UnitPlan, now, then []Part) (f Finding, ok bool) {
	f = Finding{Rule: ruleSecurity, Source: a.Source, SeenAt: a.At, Evidence: a.evidence()}
	if a.about(now) == within {
		return f, false // it is open already
	}
	switch a.about(then) {
	case within:
	case cannotTell:
		f.Verdict = Unknown
		f.Text = fmt.Sprintf("whether %s has %s again cannot be told: its version is not known", name(u.To), a.ID)
		return f, true
	default:
		return f, false
	}
	f.Verdict, f.Text = Conditional, fmt.Sprintf("%s brings %s back, which %s is without: somebody who answers for security has to agree", name(u.To), a.ID, name(u.From))
	if a.Exploited {
		f.Verdict = Blocked
		f.Text = fmt.Sprintf("%s brings %s back, which is known to be exploited, and which %s is without: choose a later revision, or mend it forward", name(u.To), a.ID, name(u.From))
	}
	return f, true
}

func (a *Advisory) evidence() string {
	if a.Digest != "" {
		return a.ID + ": " + a.Digest
	}
	which := a.Versions
	if which == "" {
		which = providers.Few(a.Exact, 4)
	}
	return strings.TrimSpace(a.ID + ": " + a.Package + " " + which)
}
