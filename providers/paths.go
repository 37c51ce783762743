package providers

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Paths lists the files that settings name by paths and patterns, sorted, each once; relative ones start at dir. Whether a plain path
// is there is not looked at. void are the patterns that match nothing. An error is permanent: a pattern is written wrongly.
func Paths(dir string, named []string) (paths, void []string, err error) {
	for _, path := range named {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if !strings.ContainsAny(path, "*?[") {
			paths = append(paths, path)
			continue
		}
		found, err := filepath.Glob(path)
		if err != nil {
			return nil, nil, Permanent(fmt.Errorf("pattern %s: %w", path, err))
		}
		if len(found) == 0 {
			void = append(void, path)
		}
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	return slices.Compact(paths), void, nil
}
