package caller

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/rollback/policy"
)

// Person is a principal as the configuration has it. Keys are fingerprints, Also its other names in the record.
type Person struct {
	Name          string
	Kind          policy.PrincipalKind
	Also, Keys    []string
	Groups, Roles []string
}

// People are all that the configuration names.
type People []Person

// Named finds who is called that in the record.
func (all People) Named(id string) (Person, bool) {
	return all.find(func(p *Person) bool { return p.Name == id || slices.Contains(p.Also, id) })
}

// Holder finds whose key a fingerprint is of.
func (all People) Holder(fingerprint string) (Person, bool) {
	return all.find(func(p *Person) bool { return slices.Contains(p.Keys, fingerprint) })
}

func (all People) find(is func(*Person) bool) (Person, bool) {
	for i := range all {
		if is(&all[i]) {
			return all[i], true
		}
	}
	return Person{}, false
}

// Same reports whether two names of the record are one principal's.
func (all People) Same(a, b string) bool {
	p, ok := all.Named(a)
	return a == b || ok && (p.Name == b || slices.Contains(p.Also, b))
}

// Membership is what a principal belongs to at a moment. Where OnCall is unknown, the roles of whoever is on call are not among Roles,
// and Why says why nobody knows.
type Membership struct {
	Person string   `json:"person,omitempty"` // "": the configuration does not name it
	Groups []string `json:"groups,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	OnCall Answer   `json:"on_call"`
	Why    string   `json:"why,omitempty"`
}

// Member says what a principal belongs to.
func (all People) Member(id string, rota Rota, now time.Time) Membership {
	p, named := all.Named(id)
	m := Membership{Person: p.Name, Groups: p.Groups, Roles: slices.Clone(p.Roles), OnCall: Unknown, Why: rota.unknown(now)}
	if m.Why != "" {
		return m
	}
	m.OnCall = No
	for _, d := range rota.OnCall {
		if is := d.Principal == id || named && all.Same(p.Name, d.Principal); !is || d.over(now) {
			continue
		}
		m.OnCall = Yes
		if d.Role != "" && !slices.Contains(m.Roles, d.Role) {
			m.Roles = append(m.Roles, d.Role)
		}
	}
	return m
}

// Rota is who is on call, as another tool wrote it.
type Rota struct {
	At     time.Time `yaml:"at"` // when it was written
	OnCall []Duty    `yaml:"on_call"`

	MaxAge time.Duration `yaml:"-"` // what is older says nothing
	Why    string        `yaml:"-"` // why there is none
}

// Duty is one who is on call, until a time where that is known.
type Duty struct {
	Principal string    `yaml:"principal"`
	Role      string    `yaml:"role"`
	Until     time.Time `yaml:"until"`
}

func (d *Duty) over(now time.Time) bool { return !d.Until.IsZero() && now.After(d.Until) }

// unknown says why nobody knows who is on call, "" somebody does. One from the future is as little to be believed as an old one.
func (r *Rota) unknown(now time.Time) string {
	age := now.Sub(r.At)
	switch {
	case r.Why != "":
		return r.Why
	case r.At.IsZero():
		return "nothing says when it was written"
	case age > r.MaxAge:
		return fmt.Sprintf("what says so is %s old, and may be %s", age.Round(time.Second), r.MaxAge)
	case age < -time.Minute:
		return fmt.Sprintf("what says so is from %s ahead", (-age).Round(time.Second))
	}
	return ""
}

const maxRota = 1 << 20

// ReadRota reads the file that another tool writes, JSON or YAML. Where it does not say when it was written, the file's own time
// counts. One that cannot be read is a Rota that says why.
func ReadRota(path string, maxAge time.Duration) Rota {
	if path == "" {
		return Rota{Why: "no source configured (on_call.file)"}
	}
	r, err := readRota(path)
	if err != nil {
		return Rota{Why: err.Error()}
	}
	r.MaxAge = maxAge
	return r
}

func readRota(path string) (r Rota, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, fmt.Errorf("read who is on call: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return r, fmt.Errorf("read who is on call: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxRota {
		return r, fmt.Errorf("read who is on call: %s is no file of at most 1 MiB", path)
	}
	dec := yaml.NewDecoder(io.LimitReader(f, maxRota)) // JSON is YAML
	if err := dec.Decode(&r); err != nil {
		return Rota{}, fmt.Errorf("read who is on call: %s: %w", path, err)
	}
	if r.OnCall == nil {
		return Rota{}, fmt.Errorf("read who is on call: %s has no list on_call; [] is nobody", path)
	}
	for i, d := range r.OnCall {
		if strings.TrimSpace(d.Principal) == "" {
			return Rota{}, fmt.Errorf("read who is on call: %s: entry %d has no principal", path, i+1)
		}
	}
	if r.At.IsZero() {
		r.At = info.ModTime()
	}
	return r, nil
}
