package approval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback/policy"
)

// Facts is what is asked for, and by whom.
type Facts struct {
	Request    string
	Plan       string // hash
	Requester  string
	OnBehalfOf string
	Author     string // of what is taken back; "" is not known
	Driver     string // who drove the tool that wrote it; "" is not known, or nobody
}

// names are those of a word of [policy.Need.Not].
func (f *Facts) names(word string) []string {
	var name string
	switch word {
	case "requester":
		name = f.Requester
	case "on_behalf_of":
		name = f.OnBehalfOf
	case "change.author":
		name = f.Author
	case "change.driver":
		name = f.Driver
	}
	if name == "" {
		return nil
	}
	return []string{name}
}

// Answer says how a need stands. What is in words is for people.
type Answer struct {
	Rule    string   `json:"rule"`
	Met     bool     `json:"met"`
	By      []string `json:"by,omitempty"`      // whose yes counts
	Denied  []string `json:"denied,omitempty"`  // who refused, and counts
	Refused bool     `json:"refused,omitempty"` // as many as it takes
	Expired []string `json:"expired,omitempty"` // whose yes is too old
	Missing string   `json:"missing,omitempty"`

	Count []string `json:"-"` // the nonces of the words that met it
	Old   []string `json:"-"` // those of the words that are too old
}

// judging is one need, with everybody's last word.
type judging struct {
	need    policy.Need
	f       Facts
	people  *People
	links   links
	now     time.Time
	out     map[string]bool
	allowed []Given // last words of people who may say something, and are not left out
}

// Judge says whether the words that were given meet a need at a time. The last word of a person is what counts; a refusal never
// expires. A word counts for one request and one plan, before the run began, and once.
func Judge(need policy.Need, f Facts, given []Given, people *People, now time.Time) Answer {
	j := judging{need: need, f: f, people: people, links: people.links.clone(), now: now}
	for i := range given {
		if given[i].person != "" {
			j.links.join(given[i].person, nameNode(given[i].By.ID))
		}
	}
	j.out = outside(need, f, j.links)
	last, proven := j.words(given)
	for _, g := range last {
		if root := j.links.root(g.person); !j.out[root] && j.may(root) {
			j.allowed = append(j.allowed, g)
		}
	}
	a := Answer{Rule: need.Rule}
	for _, g := range j.allowed {
		switch {
		case g.Decision == No:
			a.Denied = append(a.Denied, g.By.ID)
		case g.Decision == Yes && !j.fresh(&g):
			a.Expired, a.Old = append(a.Expired, g.By.ID), append(a.Old, g.Nonce)
		}
	}
	switch {
	case len(a.Denied) >= max(need.Deny, 1):
		a.Refused, a.Missing = true, "refused by "+strings.Join(a.Denied, ", ")
		return a
	case slices.Contains(need.Not, "requester") && !proven:
		a.Missing = f.Requester + " has to prove by a key that it is they who ask: set ledger.signing_key to a key that ledger.allowed_signers knows"
		return a
	}
	j.count(&a)
	return a
}

// words are the last ones of everybody, and whether the requester signed the request.
func (j *judging) words(given []Given) (last []Given, proven bool) {
	by := map[string]Given{}
	rank := []string{Yes, No, Revoke} // of two words of one moment the more careful one
	for _, g := range given {
		switch {
		case g.person == "" || g.By.Kind != policy.Human || g.Request != j.f.Request || g.Plan != j.f.Plan || g.Late || g.Run != "":
			continue
		case g.Decision == Ask:
			proven = proven || g.By.ID == j.f.Requester
			continue
		}
		root := j.links.root(g.person)
		old, ok := by[root]
		if !ok || cmp.Or(g.At.Compare(old.At), slices.Index(rank, g.Decision)-slices.Index(rank, old.Decision)) > 0 {
			by[root] = g
		}
	}
	for _, g := range by {
		last = append(last, g)
	}
	slices.SortFunc(last, func(a, b Given) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.By.ID, b.By.ID), strings.Compare(a.Nonce, b.Nonce))
	})
	return last, proven
}

func (j *judging) may(root string) bool {
	return slices.ContainsFunc(j.need.Any, func(t policy.Threshold) bool { return j.in(t, root) })
}

func (j *judging) in(t policy.Threshold, root string) bool {
	in, all := j.people.who(t.From, j.links)
	return all || in[root]
}

// fresh tells whether a yes is not too old. The clock of who said it cannot make it younger than it is known here.
func (j *judging) fresh(g *Given) bool {
	said := g.said()
	return !g.Stale && j.now.Before(g.Expires) && (j.need.ApprovalExpires <= 0 || j.now.Before(said.Add(j.need.ApprovalExpires)))
}

func (g *Given) said() time.Time {
	if !g.Recorded.IsZero() && g.Recorded.Before(g.At) {
		return g.Recorded
	}
	return g.At
}

// count looks for a threshold that is met, and says what is missing of each where none is.
func (j *judging) count(a *Answer) {
	var missing []string
	for _, t := range j.need.Any {
		want := max(t.Approve, 1)
		var by, nonces []string
		var said time.Time
		for _, g := range j.allowed {
			if g.Decision != Yes || !j.fresh(&g) || !j.in(t, j.links.root(g.person)) {
				continue
			}
			by, nonces = append(by, g.By.ID), append(nonces, g.Nonce)
			if at := g.said(); at.After(said) {
				said = at
			}
		}
		late := j.need.ExecutionExpires > 0 && !j.now.Before(said.Add(j.need.ExecutionExpires))
		switch {
		case len(by) >= want && !late:
			a.Met, a.By, a.Count = true, by, nonces
			return
		case len(by) >= want:
			missing = append(missing, fmt.Sprintf("the run had to begin within %s of the last yes (%s): it takes a new one", j.need.ExecutionExpires, strings.Join(by, ", ")))
		default:
			a.By = by
			missing = append(missing, fmt.Sprintf("%d more of %s", want-len(by), Whom(t.From)))
		}
	}
	if len(missing) == 0 {
		missing = []string{"the rule names nobody who may approve"}
	}
	a.Missing = strings.Join(missing, ", or ")
	if len(a.Expired) > 0 {
		a.Missing += "; too old: the yes of " + strings.Join(a.Expired, ", ")
	}
}

// Whom says in words whom a threshold counts.
func Whom(w policy.Who) string {
	var parts []string
	for _, p := range []struct{ word, name string }{{"group ", w.Group}, {"role ", w.Role}, {"", w.Principal}} {
		if p.name != "" {
			parts = append(parts, p.word+p.name)
		}
	}
	if len(parts) == 0 {
		return "any person"
	}
	return strings.Join(parts, " and ")
}

// Asks says in words what a need asks for.
func Asks(n policy.Need) string {
	ways := make([]string, 0, len(n.Any))
	for _, t := range n.Any {
		ways = append(ways, fmt.Sprintf("%d of %s", max(t.Approve, 1), Whom(t.From)))
	}
	text := strings.Join(ways, ", or ")
	if len(n.Not) > 0 {
		text += ", not " + strings.Join(n.Not, ", ")
	}
	return text
}
