package session

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/config"
)

func TestFeedsOfAdvisories(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file("osv-1.json", `{"id": "GHSA-1", "aliases": ["CVE-2026-1"], "modified": "2026-01-01T00:00:00Z", "affected": [
		{"package": {"ecosystem": "npm", "name": "shop"}, "ranges": [
			{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.0.5"}, {"introduced": "1.4.0"}, {"last_affected": "1.4.1"}]},
			{"type": "GIT", "events": [{"introduced": "0"}, {"fixed": "abc"}]}], "versions": ["0.9"]},
		{"package": {"name": "only-commits"}, "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}]}`)
	file("osv-2.json", `[{"id": "GHSA-2", "withdrawn": "2026-02-01T00:00:00Z", "affected": [{"package": {"name": "cart"}, "versions": ["1"]}]},
		{"id": "GHSA-3", "affected": [{"package": {"name": "cart"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "2.0.0"}]}]}]}]`)
	file("kev.json", `{"catalogVersion": "1", "dateReleased": "2026-03-01T00:00:00Z", "vulnerabilities": [{"cveID": "CVE-2026-1"}, {"cveID": "CVE-2020-1"}]}`)
	file("ours.yaml", "- {id: OURS-1, digest: 'sha256:bad', exploited: true}\n- {id: OURS-2, package: login, versions: '< 3'}\n")
	s := &Session{opts: Options{Dir: dir, Config: &config.Config{Security: config.Security{Advisories: []string{"osv-*.json", "kev.json", "ours.yaml"}}}}}
	read := func() string {
		t.Helper()
		all, unread := s.advisories()
		lines := slices.Clone(unread)
		for _, a := range all {
			if a.At.IsZero() || !strings.HasPrefix(a.Source, "advisories ") {
				t.Errorf("from nowhere: %+v", a)
			}
			lines = append(lines, fmt.Sprintf("%s %v %s%s %q %v", a.ID, a.Exploited, a.Digest, a.Package, a.Versions, a.Exact))
		}
		return strings.Join(lines, "\n")
	}
	want := `GHSA-1 true shop ">= 0.0.0-0, < 1.0.5 || >= 1.4.0, <= 1.4.1" [0.9]
GHSA-3 false cart ">= 2.0.0" []
OURS-1 true sha256:bad "" []
OURS-2 false login "< 3" []`
	if got := read(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	file("ours.yaml", "- {id: OURS-3, package: login}\n")
	if err := os.Chtimes(filepath.Join(dir, "ours.yaml"), time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := read(); !strings.HasSuffix(got, "OURS-3 false login \"\" []") {
		t.Errorf("it was written and is not read again:\n%s", got)
	}
	for name, text := range map[string]string{"no list": "a: b", "no name": `[{"package": "x"}]`, "nothing in it": `[{"id": "x"}]`, "garbage": "[{"} {
		file("ours.yaml", text)
		if got := read(); !strings.HasPrefix(got, "advisories: read ") || !strings.Contains(got, "GHSA-3") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if err := os.Remove(filepath.Join(dir, "kev.json")); err != nil {
		t.Fatal(err)
	}
	if got := read(); !strings.Contains(got, "no such file") || !strings.Contains(got, "GHSA-1 false") {
		t.Errorf("a file that is gone: %s", got)
	}
}
