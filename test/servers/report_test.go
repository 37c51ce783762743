package servers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestABuildSaysHowFarItIs(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	now := time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)
	r := &reporter{out: out, began: now, now: func() time.Time { return now }}
	p := Progress{Server: Server{Name: "helm", Version: "v4.3.1"}}
	p.Downloaded = 12
	r.tell(p)
	for p.Total = 101; p.Done < p.Total-1; p.Done++ {
		now = now.Add(time.Second)
		r.tell(p)
	}
	r.tell(p)
	r.done()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"helm v4.3.1: downloaded 12 modules, 0s",
		"helm v4.3.1: [===                 ] 19 of 101 packages compiled, 20s",
		"helm v4.3.1: [=======             ] 39 of 101 packages compiled, 40s",
		"helm v4.3.1: [===========         ] 59 of 101 packages compiled, 1m0s",
		"helm v4.3.1: [===============     ] 79 of 101 packages compiled, 1m20s",
		"helm v4.3.1: [=================== ] 99 of 101 packages compiled, 1m40s",
		"helm v4.3.1: linking it, 1m40s",
	}
	if got := strings.Split(strings.TrimSpace(string(text)), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("it said:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The compiler's complaints are kept, and are no progress.
func TestABuildKeepsWhatTheCompilerComplainsOf(t *testing.T) {
	b := build{Progress: Progress{Total: 3}}
	for _, line := range []string{"go: downloading k8s.io/api v0.37.2", "k8s.io/api/core/v1", "# k8s.io/api/apps/v1", "types.go:3:5: undefined: x"} {
		b.heard(line)
	}
	if b.Done != 1 || b.Downloaded != 1 || strings.Join(b.last, "|") != "# k8s.io/api/apps/v1|types.go:3:5: undefined: x" {
		t.Errorf("heard %+v, kept %q", b.Progress, b.last)
	}
}
