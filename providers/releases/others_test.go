//go:build unix

package releases

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
)

// A unit that vanished takes nothing of the others away, and is told of.
func TestAUnitThatVanishedHidesNoOther(t *testing.T) {
	s := twoReleases(t)
	gone := filepath.Join(t.TempDir(), "orders")
	p := made(t, &providertest.Archive{}, obj{"units": []obj{{"name": "orders", "path": gone}, {"name": "pricing", "path": s.base}}})
	var labels []string
	var last error
	for c, err := range p.Changes(t.Context(), providers.Window{}) {
		if last = err; err == nil {
			labels = append(labels, c.Service+" "+c.To)
		}
	}
	if strings.Join(labels, ", ") != "pricing r42" {
		t.Errorf("changes: %v", labels)
	}
	if last == nil || !strings.Contains(last.Error(), gone) || providers.ClassOf(last) != providers.ClassRetryable {
		t.Errorf("error %v", last)
	}
	if h := p.Health(); h.State != providers.HealthFailing || !strings.Contains(h.Detail, "is path "+gone+" right?") {
		t.Errorf("health %+v", h)
	}
}

// That nothing is left behind a link is no fault of the source, and somebody has to know it.
func TestALinkToNothingIsOnTheHealthLine(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	s.must(os.RemoveAll(s.dir("r42")))
	read := func() {
		t.Helper()
		for _, err := range p.Changes(t.Context(), providers.Window{}) {
			s.must(err)
		}
	}
	read()
	if h := p.Health(); h.State != providers.HealthOK || !strings.Contains(h.Detail, "current points to r42, which is gone") {
		t.Errorf("health %+v", h)
	}
	s.deploy("r41")
	read()
	if h := p.Health(); h.State != providers.HealthOK || h.Detail != "" {
		t.Errorf("health %+v", h)
	}
}

// Nobody loses the other units because one is not what it should be: that may be put right at any time.
func TestWhatIsWrongWithSomeUnitsIsWorthAskingAgain(t *testing.T) {
	permanent, auth, other := providers.Permanent(errors.New("b")), providers.Unauthenticated(errors.New("c")), errors.New("a")
	for _, c := range []struct {
		units int
		wrong []error
		text  string
		class providers.ErrorClass
	}{
		{1, []error{permanent}, "b", providers.ClassPermanent},
		{2, []error{permanent}, "b", providers.ClassRetryable},
		{2, []error{permanent, permanent}, "b", providers.ClassPermanent},
		{3, []error{permanent, other, permanent}, "a; b", providers.ClassRetryable},
		{2, []error{auth, auth}, "c", providers.ClassAuth},
	} {
		p := &Provider{units: make([]*unit, c.units)}
		if err := p.together(c.wrong...); err.Error() != c.text || providers.ClassOf(err) != c.class {
			t.Errorf("%d units: %q %s, want %q %s", c.units, err, providers.ClassOf(err), c.text, c.class)
		}
	}
}
