package culprit

import (
	"fmt"
	"path"
)

// rankTargets numbers the changes of each target, the latest before the first symptom first.
func (s *scene) rankTargets() {
	seen := map[string]int{}
	for _, c := range s.newestFirst() {
		t := target(c)
		seen[t]++
		c.rank = seen[t]
	}
}

// target is what a change is the latest of: its unit, its service, else its source as a whole.
func target(c *candidate) string {
	switch {
	case c.Unit != "":
		return "unit " + c.Unit
	case c.Service != "":
		return "service " + c.Service + " in " + c.Environment
	default:
		return "source " + c.Provider
	}
}

func weighRecency(s *scene, c *candidate) (float64, string) {
	if c.rank == 0 || c.rank > len(s.recency) {
		return 0, ""
	}
	what := c.Service
	switch {
	case what == "" && c.Unit != "":
		what = c.Unit
	case what == "":
		what = "its source"
	}
	if c.rank == 1 {
		return s.recency[0], "the latest change to " + what + " before the first symptom"
	}
	return s.recency[c.rank-1], fmt.Sprintf("number %d of the latest changes to %s before the first symptom", c.rank, what)
}

// maxSharedPaths bounds the work on changes that touch whole trees, of which a shared path says nothing.
const maxSharedPaths = 200

// findSuperseded finds for each change the next newer one, before the first symptom, to the same unit or file.
func (s *scene) findSuperseded() {
	latest := map[string]*candidate{} // the newest-but-nearest seen so far by unit or path, walking back in time
	for _, c := range s.newestFirst() {
		keys := make([]string, 0, 1+len(c.Paths))
		if c.Unit != "" {
			keys = append(keys, "unit "+c.Unit)
		}
		if len(c.Paths) <= maxSharedPaths {
			for _, p := range c.Paths {
				keys = append(keys, "path "+c.Provider+" "+path.Clean(p))
			}
		}
		for _, k := range keys {
			if n := latest[k]; n != nil && n.clock.After(c.clock) && (c.newer == nil || n.clock.Before(c.newer.clock)) {
				c.newer = n
			}
		}
		for _, k := range keys {
			latest[k] = c
		}
	}
}

func weighSuperseded(s *scene, c *candidate) (float64, string) {
	if c.newer == nil {
		return 0, ""
	}
	what := "the same file"
	if c.Unit != "" && c.newer.Unit == c.Unit {
		what = c.Unit
	}
	return s.superseded, "a newer change to " + what + " was there before the first symptom: " + c.newer.ID
}
