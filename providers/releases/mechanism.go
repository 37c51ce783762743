package releases

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback"
)

// mechanismVersion rises when a switch does something else than before.
const mechanismVersion = "1"

// mechanism is how a unit goes back: what is linked, what is run afterwards, and whether the host exchanges both links in one step.
func (u *unit) mechanism(cas rollback.CAS) rollback.Mechanism {
	return rollback.MechanismOf("switch of a link", mechanismVersion, map[string]any{
		"base": u.base, "releases": u.releases, "current": u.current, "reload": u.reload, "cas": cas,
	})
}

// changeClass says what kinds of files differ between two releases, by their names: "code", "code, migrations".
func changeClass(before, after []entry) string {
	was := map[string]string{}
	for _, e := range before {
		was[e.path] = string(e.kind) + e.sum
	}
	kinds := map[string]bool{}
	for _, e := range after {
		if old, there := was[e.path]; !there || old != string(e.kind)+e.sum {
			kinds[kindOfFile(e.path)] = true
		}
		delete(was, e.path)
	}
	for gone := range was {
		kinds[kindOfFile(gone)] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")
}

func kindOfFile(name string) string {
	lower := strings.ToLower(name)
	switch ext := path.Ext(lower); {
	case strings.Contains(lower, "migrat"), ext == ".sql":
		return "migrations"
	case slices.Contains([]string{".yaml", ".yml", ".json", ".toml", ".ini", ".conf", ".cfg", ".env", ".properties"}, ext):
		return "configuration"
	default:
		return "code"
	}
}
