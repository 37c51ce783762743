package architecture

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The page that lists what went wrong for others names tests that are there.
func TestStoriesExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "proofs.md"))
	if err != nil {
		t.Fatal(err)
	}
	workloads, runs := source(t, "providers/kubernetes"), source(t, "test/kubernetes")
	functions := source(t, "rollback", "rollback/proof", "rollback/store", "providers/kubernetes", "providers/git", "providers/unleash", "cmd/backout", "cmd/internal/session", "test/kubernetes")
	named := 0
	for _, m := range regexp.MustCompile("`(Test[A-Za-z]+)").FindAllStringSubmatch(string(page), -1) {
		if named++; !strings.Contains(functions, "func "+m[1]+"(") {
			t.Errorf("there is no test %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`stories/([a-z-]+)`).FindAllStringSubmatch(string(page), -1) {
		if named++; !strings.Contains(runs, `"`+m[1]+`":`) {
			t.Errorf("there is no story %s", m[1])
		}
	}
	for n := 1; n <= 20; n++ {
		edge := fmt.Sprintf("K%d", n)
		if !strings.Contains(string(page), "| "+edge+" | ") {
			t.Errorf("the page has no %s", edge)
		}
		if n != 3 && !strings.Contains(workloads, `{"`+edge+" ") { // undoing twice takes whole runs
			t.Errorf("there is no test of %s", edge)
		}
	}
	if named < 30 {
		t.Errorf("only %d tests are named: is the page still read as it is written?", named)
	}
}

// source is the text of all tests of some packages.
func source(t *testing.T, dirs ...string) string {
	t.Helper()
	var text strings.Builder
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no tests: %v", dir, err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(data)
		}
	}
	return text.String()
}
