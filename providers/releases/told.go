package releases

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// about is release.json, by which a release says what it is: a change's fields, as far as the deployer knows them.
type about struct {
	Commit     string          `json:"commit"`
	ChangeSet  string          `json:"change_set"`
	Title      string          `json:"title"`
	Author     json.RawMessage `json:"author"` // a name, or {name, kind}
	Approvers  []string        `json:"approvers"`
	ReleasedAt time.Time       `json:"released_at"`
	LandedAt   time.Time       `json:"landed_at"`
	Paths      []string        `json:"paths"`
	Files      int             `json:"files"`
	Lines      int             `json:"lines"`
	URL        string          `json:"url"`
}

// readAbout reads release.json; one that cannot be read says nothing.
func readAbout(data []byte) about {
	var a about
	if len(data) == 0 || json.Unmarshal(data, &a) != nil {
		return about{}
	}
	return a
}

func (a about) author() providers.Author {
	var who providers.Author
	if json.Unmarshal(a.Author, &who.Name) == nil || json.Unmarshal(a.Author, &who) == nil {
		return who
	}
	return providers.Author{}
}

// commit is the commit of a release, from release.json or the file REVISION.
func (r release) commit() string {
	return commitOf(cmp.Or(readAbout(r.about).Commit, r.revision))
}

// commitOf is a commit in the form that all sources share, "" if it is none.
func commitOf(text string) string {
	c := strings.ToLower(text)
	if len(c) < 7 || len(c) > 64 || strings.Trim(c, "0123456789abcdef") != "" {
		return ""
	}
	return c
}

// The lines of revisions.log: those with a time, and those that Capistrano writes, which have none.
var (
	dated    = regexp.MustCompile(`^(\S+) release (\S+) commit ([0-9a-f]+) by (.+)$`)
	deployed = regexp.MustCompile(`^Branch .* \(at ([0-9a-f]+)\) deployed as release (\S+) by (.+)$`)
	goneBack = regexp.MustCompile(`^(.+) rolled back to release (\S+)$`)
	byTime   = regexp.MustCompile(`^20\d{12}$`)
)

// told is what a host tells of switches beside its links: revisions.log and each release's release.json. A line without
// a time whose release is not named after one is left out, as nothing says when it was.
func told(s sight) []switched {
	var out []switched
	logged := map[string]bool{}
	for line := range strings.Lines(s.log) {
		if sw, ok := logLine(strings.TrimSpace(line)); ok {
			out = append(out, sw)
			logged[sw.label] = true
		}
	}
	for _, r := range s.releases {
		if a := readAbout(r.about); !a.ReleasedAt.IsZero() && !logged[r.label] {
			out = append(out, switched{label: r.label, at: a.ReleasedAt.UTC(), commit: r.commit(), chain: true})
		}
	}
	// What says that another release went live after the current link was made is wrong, or was never carried out.
	return slices.DeleteFunc(out, func(sw switched) bool {
		return sw.label != s.link.label && sw.at.After(s.link.made)
	})
}

func logLine(line string) (switched, bool) {
	if m := dated.FindStringSubmatch(line); m != nil {
		at, err := time.Parse(time.RFC3339, m[1])
		return switched{label: m[2], at: at.UTC(), commit: m[3], by: m[4], chain: true}, err == nil
	}
	if m := deployed.FindStringSubmatch(line); m != nil && byTime.MatchString(m[2]) {
		at, err := time.Parse("20060102150405", m[2])
		return switched{label: m[2], at: at, about: true, commit: m[1], by: m[3], chain: true}, err == nil
	}
	return switched{}, false
}

// unplaced counts the roll-backs in a log of which nobody knows when they were: with one of them in it, the log does not
// say how long each release served.
func unplaced(log string) int {
	n := 0
	for line := range strings.Lines(log) {
		if goneBack.MatchString(strings.TrimSpace(line)) {
			n++
		}
	}
	return n
}
