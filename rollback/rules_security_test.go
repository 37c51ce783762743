package rollback_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
)

func TestWhatWasMendedDoesNotComeBackUnseen(t *testing.T) {
	image := func(version, digest string) []rollback.Part {
		return []rollback.Part{{Name: "registry.test/shop", Version: version, Digest: digest}}
	}
	for name, c := range map[string]struct {
		advisory rollback.Advisory
		now, to  []rollback.Part
		want     rollback.Verdict
		text     string
	}{
		"exploited":              {rollback.Advisory{Package: "shop", Versions: "< 1.4.2", Exploited: true}, image("1.4.2", ""), image("1.4.1", ""), rollback.Blocked, "r41 brings CVE-1 back, which is known to be exploited, and which r42 is without"},
		"not exploited":          {rollback.Advisory{Package: "shop", Versions: "< 1.4.2"}, image("1.4.2", ""), image("1.4.1", ""), rollback.Conditional, "somebody who answers for security"},
		"by its whole name":      {rollback.Advisory{Package: "registry.test/shop", Versions: "< 1.4.2"}, image("1.4.2", ""), image("1.4.1", ""), rollback.Conditional, "CVE-1"},
		"one version":            {rollback.Advisory{Package: "shop", Exact: []string{"1.4.1"}}, image("1.4.2", ""), image("1.4.1", ""), rollback.Conditional, "CVE-1"},
		"a version that is fine": {rollback.Advisory{Package: "shop", Versions: "< 1.4.0"}, image("1.4.2", ""), image("1.4.1", ""), "", ""},
		"open already":           {rollback.Advisory{Package: "shop", Versions: "< 1.5", Exploited: true}, image("1.4.2", ""), image("1.4.1", ""), "", ""},
		"another package":        {rollback.Advisory{Package: "workshop", Versions: "< 1.5"}, image("1.6", ""), image("1.4.1", ""), "", ""},
		"a part of a name":       {rollback.Advisory{Package: "op", Versions: "< 1.5"}, image("1.6", ""), image("1.4.1", ""), "", ""},
		"no version":             {rollback.Advisory{Package: "shop", Versions: "< 1.4.2"}, image("1.4.2", ""), image("latest", ""), rollback.Unknown, "its version is not known"},
		"a digest":               {rollback.Advisory{Digest: "sha256:bad", Exploited: true}, image("1.4.2", "sha256:ok"), image("1.4.1", "sha256:bad"), rollback.Blocked, "CVE-1"},
		"another digest":         {rollback.Advisory{Digest: "sha256:bad"}, image("1.4.2", "sha256:ok"), image("1.4.1", "sha256:fine"), "", ""},
		"a digest nobody noted":  {rollback.Advisory{Digest: "sha256:bad", Package: "shop"}, image("1.4.2", "sha256:ok"), image("1.4.1", ""), rollback.Unknown, "cannot be told"},
		"the revision itself":    {rollback.Advisory{Digest: digest("r41")}, nil, nil, rollback.Conditional, "r41 brings"},
		"the service":            {rollback.Advisory{Package: "pricing", Exact: []string{"r41"}}, nil, nil, rollback.Conditional, "r41 brings"},
		"all of a unit":          {rollback.Advisory{Package: "fake:prod/pricing"}, nil, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.pricing()
				b.target.proposal = func(p *rollback.Proposal) { p.Runs, p.RunsNow = c.to, c.now }
				c.advisory.ID, c.advisory.Source, c.advisory.At = "CVE-1", "advisories a.json", t0.Add(-time.Hour)
				u := b.plan(t, rollback.Request{Advisories: []rollback.Advisory{c.advisory}}).Units[0]
				i := slices.IndexFunc(u.Findings, func(f rollback.Finding) bool { return f.Rule == "O security" })
				if i < 0 != (c.want == "") {
					t.Fatalf("%+v", u.Findings)
				}
				if i < 0 {
					return
				}
				if f := u.Findings[i]; f.Verdict != c.want || !strings.Contains(f.Text, c.text) || f.Source != "advisories a.json" || !f.SeenAt.Equal(c.advisory.At) || f.Evidence == "" {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}

func TestAReplacedCredentialAndManyAdvisories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.target.proposal = func(p *rollback.Proposal) {
			p.Exposes = []rollback.Exposure{{What: "r41 reads Secret db-1 again\x1b[2J", Evidence: "Secret db-1"}}
		}
		var many []rollback.Advisory
		for range 40 {
			many = append(many, rollback.Advisory{ID: "A", Package: "pricing", Exact: []string{"r41"}})
		}
		many = append(many, rollback.Advisory{ID: "WORST", Package: "pricing", Exact: []string{"r41"}, Exploited: true})
		p := b.plan(t, rollback.Request{Advisories: many})
		var texts []string
		for _, f := range p.Units[0].Findings {
			if f.Rule == "O security" {
				texts = append(texts, f.Text)
			}
		}
		all := strings.Join(texts, "\n")
		if len(texts) != 7 || p.Verdict != rollback.Blocked || strings.Contains(all, "\x1b") || !strings.Contains(all, "Secret db-1 again: somebody who answers for security has to agree") ||
			!strings.Contains(all, "WORST") || !strings.Contains(all, "36 more advisories") {
			t.Errorf("%s, %d:\n%s", p.Verdict, len(texts), all)
		}
	})
}
