//go:build unix

package releases

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
)

// shop is a unit on disk, as a deploy tool would leave it.
type shop struct {
	t    testing.TB
	base string
}

func newShop(t testing.TB, base string) *shop {
	t.Helper()
	s := &shop{t, base}
	s.must(os.MkdirAll(filepath.Join(base, "releases"), 0o755))
	return s
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) dir(label string) string { return filepath.Join(s.base, "releases", label) }

// release writes a release; files are name, content, name, content, ...
func (s *shop) release(label string, files ...string) {
	s.t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(s.dir(label), files[i])
		s.must(os.MkdirAll(filepath.Dir(path), 0o755))
		s.must(os.WriteFile(path, []byte(files[i+1]), 0o644))
	}
}

// deploy switches the link as other people's tools do: make one beside, rename it over.
func (s *shop) deploy(label string) { s.must(s.tryDeploy("releases/" + label)) }

func (s *shop) tryDeploy(target string) error {
	tmp, err := os.MkdirTemp(s.base, ".deploy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	next := filepath.Join(tmp, "next")
	if err := os.Symlink(target, next); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(s.base, "current"))
}

// deployedAt does the same and makes it look as if it had been done at t.
func (s *shop) deployedAt(label string, at time.Time) {
	s.t.Helper()
	s.deploy(label)
	ts := unix.NsecToTimespec(at.UnixNano())
	s.must(unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(s.base, "current"), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
}

func (s *shop) target() string {
	s.t.Helper()
	target, err := os.Readlink(filepath.Join(s.base, "current"))
	s.must(err)
	return target
}

// state is every name below base with its target, inode and time: what a look must leave as it is. Directories go by name
// alone, as a lock that comes and goes leaves its mark on them.
func (s *shop) state(context.Context) (string, error) {
	var b strings.Builder
	err := filepath.WalkDir(s.base, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || d.IsDir() {
			fmt.Fprintln(&b, path)
			return err
		}
		target, _ := os.Readlink(path)
		inode, _ := identity(path, info)
		fmt.Fprintln(&b, path, info.Mode(), inode, target, info.ModTime().UnixNano())
		return nil
	})
	return b.String(), err
}

// made makes a provider from settings as they stand in a configuration file.
func made(t testing.TB, archive providers.Archive, settings any) *Provider {
	t.Helper()
	p, err := tryMake(archive, settings)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryMake(archive providers.Archive, settings any) (*Provider, error) {
	text, err := yaml.Marshal(settings)
	if err != nil {
		return nil, err
	}
	p, err := Factory().New(providers.Environment{
		Name: "releases", Environment: "prod", Dir: "/", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: archive,
	}, func(into any) error {
		dec := yaml.NewDecoder(bytes.NewReader(text))
		dec.KnownFields(true)
		return dec.Decode(into)
	})
	if err != nil {
		return nil, err
	}
	return p.(*Provider), nil
}

type obj = map[string]any

func (s *shop) settings(more ...any) obj {
	u := obj{"name": "pricing", "path": s.base}
	for i := 0; i < len(more); i += 2 {
		u[more[i].(string)] = more[i+1]
	}
	return obj{"poll": "5ms", "units": []obj{u}}
}

func (s *shop) provider(more ...any) *Provider {
	s.t.Helper()
	return made(s.t, &providertest.Archive{}, s.settings(more...))
}

const pricing = rollback.UnitID("releases:local/pricing")

// twoReleases is a unit at r42 that could go back to r41.
func twoReleases(t testing.TB) *shop {
	t.Helper()
	s := newShop(t, filepath.Join(t.TempDir(), "pricing"))
	s.release("r41", "app.txt", "one\ntwo\n", "bin/run", "go")
	s.release("r42", "app.txt", "one\nthree\n", "bin/run", "go")
	s.deploy("r42")
	return s
}

func observe(t testing.TB, p *Provider) rollback.Observation {
	t.Helper()
	obs, err := p.Observe(t.Context(), pricing)
	if err != nil {
		t.Fatal(err)
	}
	return obs
}

// way plans the way to a release by its label.
func way(t testing.TB, p *Provider, label string) rollback.Step {
	t.Helper()
	obs := observe(t, p)
	for _, r := range obs.History {
		if r.Label == label {
			prop, err := p.Plan(t.Context(), obs, r)
			if err != nil || len(prop.Steps) != 1 {
				t.Fatalf("plan: %v %v", prop, err)
			}
			return prop.Steps[0]
		}
	}
	t.Fatalf("no release %s in %v", label, obs.History)
	return rollback.Step{}
}

func apply(t testing.TB, p *Provider, op string, step rollback.Step) rollback.Result {
	t.Helper()
	res, err := p.Apply(t.Context(), rollback.Operation{ID: op, Fence: 1}, step)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
