package architecture

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A page that says what is tried names tests that are there.
func TestProofsExist(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "proofs-helm-rollouts.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([A-Za-z0-9/]+)`")
	found := 0
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if n := len(cells); n < 3 || !strings.Contains(cells[n-2], "`") {
			continue
		}
		var text strings.Builder
		for _, pkg := range named.FindAllStringSubmatch(cells[len(cells)-2], -1) {
			files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pkg[1]), "*_test.go"))
			if err != nil || len(files) == 0 {
				t.Errorf("%s has no tests: %v", pkg[1], err)
			}
			for _, f := range files {
				source, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				text.Write(source)
			}
		}
		for _, test := range named.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			found++
			if !regexp.MustCompile(`func (\([a-z]+ \*?[a-z]+\) )?` + test[1] + `\(`).MatchString(text.String()) {
				t.Errorf("there is no test %s: %s", test[1], strings.TrimSpace(line))
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d tests are named: is the page still read as it is written?", found)
	}
}
