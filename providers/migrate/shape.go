package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// shape is a schema as lines of text, one a thing in it, sorted, so that the same schema is the same lines whatever way it came
// about. Tables holds the name of each table, index and view, without its schema, and which table it belongs to.
type shape struct {
	lines  []string
	tables map[string]string
}

func (s *shape) add(line string) { s.lines = append(s.lines, line) }

func (s *shape) own(name, table string) {
	if s.tables == nil {
		s.tables = map[string]string{}
	}
	s.tables[name] = table
}

// fingerprint is the digest of a schema.
func (s *shape) fingerprint() string {
	slices.Sort(s.lines)
	sum := sha256.Sum256([]byte(strings.Join(s.lines, "\n")))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// brief is the beginning of a digest, for a sentence.
func brief(digest string) string {
	d := strings.TrimPrefix(digest, "sha256:")
	return d[:min(len(d), 12)]
}

// differ names what one schema has and the other has not, in a few words.
func differ(was, is []string) string {
	var out []string
	for _, l := range is {
		if !slices.Contains(was, l) {
			out = append(out, "there is "+l)
		}
	}
	for _, l := range was {
		if !slices.Contains(is, l) {
			out = append(out, "there is no "+l)
		}
	}
	for i := range out {
		out[i] = providers.Clean(out[i])
		if len(out[i]) > 160 {
			out[i] = strings.ToValidUTF8(out[i][:160], "") + "..."
		}
	}
	return providers.Few(out, 3)
}

// touched are the tables that a way names; all where it cannot be told.
func (s *shape) touched(ways []way) []string {
	all := map[string]bool{}
	for _, w := range ways {
		w.effects(func(_ int, st statement, e effect) {
			for _, t := range st.tokens {
				if table, ok := s.tables[bare(t)]; ok && t.name {
					all[table] = true
				}
			}
			if e.opaque {
				for _, table := range s.tables {
					all[table] = true
				}
			}
		})
	}
	out := make([]string, 0, len(all))
	for t := range all {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}
