package approval

import (
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

// Directory is what is known of who people are. Names are compared without regard to case.
type Directory struct {
	Signers  *ledger.Signers     // whose keys they are; nil: nobody's
	Aliases  [][]string          // names of one person each, and fingerprints of their keys: what a repository, a system and backout call the same one
	Groups   map[string][]string // names of their members
	Roles    map[string][]string // who holds a role now
	Machines []string            // names of automations and AI agents, and fingerprints of their keys: neither approves
}

// People answers who is whom. Everything that one key, one line of the signers' file or one list of aliases names is one person.
type People struct {
	dir   Directory
	links links
}

// NewPeople links names and keys to people.
func NewPeople(d Directory) *People {
	p := &People{dir: d, links: links{}}
	if d.Signers != nil {
		for _, own := range d.Signers.Owners() {
			p.links.join(append(nodes(own.Names), keyNode(own.Key))...)
		}
	}
	for _, names := range d.Aliases {
		p.links.join(nodes(names)...)
	}
	return p
}

// owns tells whether a key belongs to a name: as it stands in the file, not by a pattern that would let the key choose its name. A
// certificate has to name one principal alone.
func (p *People) owns(name string, key ssh.PublicKey, at time.Time) bool {
	if c, ok := key.(*ssh.Certificate); ok && len(c.ValidPrincipals) != 1 || strings.ContainsAny(name, "*?!") {
		return false
	}
	return p.dir.Signers != nil && slices.Contains(p.dir.Signers.Who(key, Namespace, at), name) && p.dir.Signers.May(name, key, Namespace, at)
}

func (p *People) machine(name, key string) bool {
	return slices.ContainsFunc(p.dir.Machines, func(m string) bool {
		return m == key || p.links.same(nameNode(m), nameNode(name)) || p.links.same(nameNode(m), keyNode(key))
	})
}

// Same reports whether two names are one person's.
func (p *People) Same(a, b string) bool { return p.links.same(nameNode(a), nameNode(b)) }

// who are the persons that a threshold counts; all is every human.
func (p *People) who(w policy.Who, of links) (in map[string]bool, all bool) {
	all = true
	narrow := func(names []string) {
		next := map[string]bool{}
		for _, n := range names {
			if root := of.root(nameNode(n)); all || in[root] {
				next[root] = true
			}
		}
		in, all = next, false
	}
	if w.Group != "" {
		narrow(p.dir.Groups[w.Group])
	}
	if w.Role != "" {
		narrow(p.dir.Roles[w.Role])
	}
	if w.Principal != "" {
		narrow([]string{w.Principal})
	}
	return in, all
}

// May tells whether a name is one of those that a threshold of the need counts, and not one of those that it leaves out.
func (p *People) May(need policy.Need, f Facts, name string) bool {
	if p.machine(name, "") || p.out(need, f)[p.links.root(nameNode(name))] {
		return false
	}
	return slices.ContainsFunc(need.Any, func(t policy.Threshold) bool {
		in, all := p.who(t.From, p.links)
		return all || in[p.links.root(nameNode(name))]
	})
}

// out are the persons that the need leaves out.
func (p *People) out(need policy.Need, f Facts) map[string]bool { return outside(need, f, p.links) }

func outside(need policy.Need, f Facts, of links) map[string]bool {
	out := map[string]bool{}
	for _, not := range need.Not {
		for _, name := range f.names(not) {
			out[of.root(nameNode(name))] = true
		}
	}
	return out
}

// links is which names and keys are one person's: each leads to another of the same, the last to itself.
type links map[string]string

func (l links) root(node string) string {
	for next, ok := l[node]; ok && next != node; next, ok = l[node] {
		node = next
	}
	return node
}

func (l links) join(all ...string) {
	for _, n := range all {
		if a, b := l.root(all[0]), l.root(n); a != b {
			l[b] = a
		}
	}
}

func (l links) same(a, b string) bool { return l.root(a) == l.root(b) }

func (l links) clone() links { return maps.Clone(l) }

func nameNode(name string) string { return "name " + strings.ToLower(strings.TrimSpace(name)) }
func keyNode(key string) string   { return "key " + key }

func nodes(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		if out[i] = nameNode(n); strings.HasPrefix(n, "SHA256:") {
			out[i] = keyNode(n)
		}
	}
	return out
}
