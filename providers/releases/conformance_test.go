//go:build unix

package releases

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

func TestProviderKeepsTheContract(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	providertest.Run(t, providertest.Suite{
		New: func(t *testing.T) providers.Provider {
			s := newShop(t, filepath.Join(t.TempDir(), "pricing"))
			for i, label := range []string{"r40", "r41", "r42\x1b[31m\nred"} {
				at := now.Add(time.Duration(i-3) * time.Hour)
				s.release(label, "app.txt", label, "release.json", `{"title":"Change \u001b[31m`+label[:3]+`","author":"mei","released_at":"`+at.Format(time.RFC3339)+`"}`)
			}
			s.deployedAt("r42\x1b[31m\nred", now.Add(-time.Hour))
			return made(t, &providertest.Archive{}, s.settings())
		},
		Window: providers.Window{Since: now.Add(-150 * time.Minute), Until: now.Add(-30 * time.Minute)},
		Faults: map[string]providertest.Fault{
			"current is a directory": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				s := newShop(t, t.TempDir())
				s.must(os.Mkdir(filepath.Join(s.base, "current"), 0o755))
				return made(t, &providertest.Archive{}, s.settings())
			}},
			"nothing is there": {Class: providers.ClassRetryable, New: func(t *testing.T) providers.Provider {
				return made(t, &providertest.Archive{}, newShop(t, t.TempDir()).settings("path", "/nonexistent/pricing"))
			}},
		},
	})
}

func (s *shop) suite(p *Provider) rollbacktest.Suite {
	return rollbacktest.Suite{
		Reverser: p, Unit: pricing, Timeout: 20 * time.Second,
		State:   s.state,
		Foreign: func(_ context.Context, to rollback.Revision) error { return s.tryDeploy("releases/" + to.Label) },
		Relabel: func(context.Context) error {
			return os.CopyFS(s.dir("again"), os.DirFS(filepath.Join(s.base, "current")))
		},
		Kill: s.kill,
	}
}

func TestReverserKeepsThePromises(t *testing.T) {
	s := twoReleases(t)
	rollbacktest.Run(t, s.suite(s.provider()))
}

func TestReverserWithoutExchangeKeepsWhatItPromises(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	p.host.(*local).exchange = nil
	if cas := observe(t, p).Unit.CAS; cas != rollback.CASNone {
		t.Fatalf("declared %q", cas)
	}
	suite := s.suite(p)
	suite.Kill = nil // the process that is killed would exchange
	rollbacktest.Run(t, suite)
}

// A file system that hangs: the call comes back unknown, and what it does late is held to the same condition.
func TestReverserOnAFileSystemThatHangs(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	host := p.host.(*local)
	gate := make(chan struct{})
	ended := make(chan struct{}, 1)
	real := host.exchange
	hanging := false
	host.exchange = func(a, b string) error {
		if hanging {
			<-gate
			defer func() { ended <- struct{}{} }()
		}
		return real(a, b)
	}
	suite := s.suite(p)
	suite.Kill, suite.Foreign, suite.Relabel = nil, nil, nil
	if problems := rollbacktest.Check(t.Context(), suite); len(problems) > 7 {
		t.Fatal(problems)
	}
	step := way(t, p, "r41")
	hanging = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	res, err := p.Apply(ctx, rollback.Operation{ID: "op1"}, step)
	if err != nil || res.Outcome != rollback.OutcomeUnknown {
		t.Fatalf("got %v, %v", res, err)
	}
	s.deploy("r42")
	want := observe(t, p).Token
	close(gate)
	<-ended
	<-ended // exchanged, and put back
	waitFor(t, func() bool { obs := observe(t, p); return obs.InFlight == "" && obs.Token == want })
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case <-t.Context().Done():
			t.Fatal("it did not happen")
		case <-time.After(time.Millisecond):
		}
	}
}
