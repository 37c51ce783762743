package rollback_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

// council is people with keys, one of whom has to approve what the bench does.
type council struct {
	keys map[string]ssh.Signer
	file map[string]string // lines of the file of signers by name; what is taken out is not known any more
}

func newCouncil(t *testing.T, names ...string) *council {
	t.Helper()
	c := &council{keys: map[string]ssh.Signer{}, file: map[string]string{}}
	for _, name := range names {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if c.keys[name], err = ssh.NewSignerFromKey(private); err != nil {
			t.Fatal(err)
		}
		c.file[name] = name + " " + string(ssh.MarshalAuthorizedKey(c.keys[name].PublicKey()))
	}
	return c
}

func (c *council) wanted(cfg *rollback.Config) {
	cfg.Needs = func(f policy.Facts) []policy.Need {
		return []policy.Need{{
			Rule: "second person", Any: []policy.Threshold{{Approve: 1}}, Not: []string{"requester", "change.author"}, ApprovalExpires: 10 * time.Minute,
		}}
	}
	cfg.People = func() (*approval.People, error) {
		var file strings.Builder
		for _, line := range c.file {
			file.WriteString(line)
		}
		signers, err := ledger.ParseSigners(strings.NewReader(file.String()))
		return approval.NewPeople(approval.Directory{Signers: signers}), err
	}
	cfg.Prove = func(_ context.Context, text []byte) ([]byte, error) {
		return ledger.Sign(c.keys["ana"], approval.Namespace, text)
	}
}

// says has somebody say a word of what waits.
func (c *council) says(t *testing.T, b *bench, name, decision string, p rollback.Plan) error {
	t.Helper()
	pending, err := b.PendingPlan(t.Context(), p.Hash)
	if err != nil {
		t.Fatal(err)
	}
	s := b.Statement(&pending, decision, policy.Principal{ID: name, Kind: policy.Human}, "")
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	blob, err := ledger.Sign(c.keys[name], approval.Namespace, text)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Say(t.Context(), approval.Signed{Statement: s, Signature: blob})
	return err
}

func (b *bench) events(t *testing.T) string {
	t.Helper()
	var out []string
	for _, e := range b.entries(t, ledger.KindApproval) {
		_, event, _ := strings.Cut(string(e.Body), `"event":"`)
		event, _, _ = strings.Cut(event, `"`)
		out = append(out, event)
	}
	return strings.Join(out, " ")
}

func TestApprovalsAreUsedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCouncil(t, "ana", "bob")
		b := newBench(t, c.wanted)
		b.pricing()
		p := b.plan(t, rollback.Request{})
		var waiting *rollback.Waiting
		if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.As(err, &waiting) || rollback.ExitCode(err) != 13 || !strings.Contains(err.Error(), "backout approve "+p.Hash[:12]) {
			t.Fatalf("without a yes: %v", err)
		}
		if err := c.says(t, b, "ana", approval.Yes, p); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrWaiting) {
			t.Fatalf("with a yes of the requester: %v", err)
		}
		if err := c.says(t, b, "bob", approval.Yes, p); err != nil {
			t.Fatal(err)
		}
		b.race(t, p)
		time.Sleep(time.Second)
		if err := c.says(t, b, "bob", approval.Yes, p); err != nil {
			t.Fatal(err)
		}
		late, err := b.PendingPlan(t.Context(), "RUN-0001")
		if last := late.Said[len(late.Said)-1]; err != nil || late.State != "used" || last.State != "late" {
			t.Errorf("after the run began: %+v %v", late.Said, err)
		}
		if got := b.events(t); got != "asked approved approved used late" {
			t.Errorf("the record says %s", got)
		}
		if _, err := b.Execute(t.Context(), "RUN-0001"); err != nil {
			t.Fatal(err)
		}
		b.sound(t)
	})
}

// race confirms a plan in four places at once, of which one may run it.
func (b *bench) race(t *testing.T, p rollback.Plan) {
	t.Helper()
	var mu sync.Mutex
	var got []error
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			_, err := b.Confirm(t.Context(), p, yes(p))
			mu.Lock()
			defer mu.Unlock()
			got = append(got, err)
		})
	}
	all.Wait()
	runs, err := b.Runs(t.Context())
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d runs, %v, %v", len(runs), err, got)
	}
}

func TestWhatEndsAnApproval(t *testing.T) {
	for name, tc := range map[string]struct {
		end    func(t *testing.T, c *council, b *bench, p rollback.Plan)
		is     error
		says   string
		events string
	}{
		"time":       {func(*testing.T, *council, *bench, rollback.Plan) { time.Sleep(10 * time.Minute) }, rollback.ErrWaiting, "too old: the yes of bob", "asked approved expired"},
		"a key gone": {func(_ *testing.T, c *council, _ *bench, _ rollback.Plan) { delete(c.file, "bob") }, rollback.ErrWaiting, "1 more of any person", "asked approved"},
		"the requester's key gone": {
			func(_ *testing.T, c *council, _ *bench, _ rollback.Plan) { delete(c.file, "ana") }, rollback.ErrWaiting, "ana has to prove by a key", "asked approved",
		},
		"taken back": {func(t *testing.T, c *council, b *bench, p rollback.Plan) {
			time.Sleep(time.Second)
			if err := c.says(t, b, "bob", approval.Revoke, p); err != nil {
				t.Fatal(err)
			}
		}, rollback.ErrWaiting, "1 more of any person", "asked approved revoked"},
		"refused": {func(t *testing.T, c *council, b *bench, p rollback.Plan) {
			if err := c.says(t, b, "carla", approval.No, p); err != nil {
				t.Fatal(err)
			}
		}, rollback.ErrRefused, "refused by carla", "asked approved refused"},
		"the target moved": {
			func(_ *testing.T, _ *council, b *bench, _ rollback.Plan) {
				b.target.foreign(b.target.units[pricingUnit], rev("r43", "other", 0))
			},
			rollback.ErrPlanChanged, "the approvals that it had count no more", "asked approved void",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCouncil(t, "ana", "bob", "carla")
				b := newBench(t, c.wanted)
				b.pricing()
				p := b.plan(t, rollback.Request{})
				if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrWaiting) {
					t.Fatal(err)
				}
				if err := c.says(t, b, "bob", approval.Yes, p); err != nil {
					t.Fatal(err)
				}
				tc.end(t, c, b, p)
				for range 2 { // the second time nothing more is recorded
					if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, tc.is) || !strings.Contains(fmt.Sprint(err), tc.says) && b.events(t) != "asked approved void" {
						t.Errorf("%v", err)
					}
				}
				if got := b.events(t); got != tc.events {
					t.Errorf("the record says %s, not %s", got, tc.events)
				}
				if runs, err := b.Runs(t.Context()); err != nil || len(runs) > 0 {
					t.Errorf("runs %v, %v", runs, err)
				}
				b.sound(t)
			})
		})
	}
}

func TestWhatIsNoApproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCouncil(t, "ana", "bob", "eve")
		b := newBench(t, c.wanted)
		b.pricing()
		p := b.plan(t, rollback.Request{})
		if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrWaiting) {
			t.Fatal(err)
		}
		pending, err := b.PendingPlan(t.Context(), p.Hash)
		if err != nil {
			t.Fatal(err)
		}
		delete(c.file, "eve")
		for name, alter := range map[string]func(s *approval.Statement){
			"another plan":        func(s *approval.Statement) { s.Plan = strings.Repeat("0", 64) },
			"another unit":        func(s *approval.Statement) { s.Units = []string{"fake:prod/orders"} },
			"another environment": func(s *approval.Statement) { s.Environment = "staging" },
			"another direction":   func(s *approval.Statement) { s.Direction = "forward" },
			"another request":     func(s *approval.Statement) { s.Request = "REQ" },
			"an agent":            func(s *approval.Statement) { s.By.Kind = policy.Agent },
			"an unknown person":   func(s *approval.Statement) { s.By.ID = "eve" },
			"an old one":          func(s *approval.Statement) { s.At, s.Expires = t0.Add(-2*time.Hour), t0.Add(-time.Hour) },
			"only an asking":      func(s *approval.Statement) { s.Decision = approval.Ask },
		} {
			s := b.Statement(&pending, approval.Yes, policy.Principal{ID: "bob", Kind: policy.Human}, "")
			alter(&s)
			text, err := s.Text()
			if err != nil {
				t.Fatal(err)
			}
			blob, err := ledger.Sign(c.keys[s.By.ID], approval.Namespace, text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Say(t.Context(), approval.Signed{Statement: s, Signature: blob}); !errors.Is(err, rollback.ErrRefused) && !errors.Is(err, rollback.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := b.events(t); got != "asked" {
			t.Errorf("the record says %s", got)
		}
		readOnly := b.another(t, func(cfg *rollback.Config) { cfg.ReadOnly = true })
		if _, err := readOnly.Say(t.Context(), approval.Signed{}); !errors.Is(err, rollback.ErrReadOnly) {
			t.Errorf("read-only: %v", err)
		}
	})
}

// A drill has guards of its own: neither its way back nor its way forward may hang on a person who is asked in the middle of it.
func TestADrillWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCouncil(t, "ana", "bob")
		b, _ := drillBench(t, c.wanted)
		u := b.pricing()
		d, err := b.Drive(t.Context(), b.drilled(t, nil).ID)
		if err != nil || d.State != rollback.DrillPassed || u.current.Label != "r42" {
			t.Errorf("%q %s, serves %s, %v", d.State, d.Detail, u.current.Label, err)
		}
		if got := b.events(t); got != "" {
			t.Errorf("the record says %s", got)
		}
	})
}
