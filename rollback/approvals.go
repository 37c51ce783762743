package rollback

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// approvalLasts is how long a yes counts where nobody asks for less.
const approvalLasts = time.Hour

// Pending is a plan that waits for approval, or waited, with what was said of it.
type Pending struct {
	ID      string            `json:"id"`
	State   string            `json:"state"` // waiting, used, void
	Run     string            `json:"run,omitempty"`
	Plan    Plan              `json:"plan"`
	By      policy.Principal  `json:"by"`
	Needs   []policy.Need     `json:"needs"`
	Answers []approval.Answer `json:"answers"`
	Said    []Said            `json:"said"`
	AskedAt time.Time         `json:"asked_at"`

	facts approval.Facts
}

// Said is what somebody said of a plan. State is given, late (after its run had begun), used, or expired; why a word that was once
// recorded does not hold any more stands in Invalid.
type Said struct {
	By       string    `json:"by"`
	Decision string    `json:"decision"`
	State    string    `json:"state"`
	Key      string    `json:"key,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
	Expires  time.Time `json:"expires"`
	Recorded time.Time `json:"recorded_at"`
	Nonce    string    `json:"nonce"`
	Invalid  string    `json:"invalid,omitempty"`
}

// Met reports whether all that the plan waits for is there.
func (p *Pending) Met() bool {
	for i := range p.Answers {
		if !p.Answers[i].Met {
			return false
		}
	}
	return true
}

// Pendings are the plans that wait, or all that ever waited, the newest first.
func (e *Engine) Pendings(ctx context.Context, all bool) ([]Pending, error) {
	state := requestOpen
	if all {
		state = ""
	}
	rows, err := e.cfg.Store.Requests(ctx, state)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	people, err := e.people()
	if err != nil {
		return nil, err
	}
	out := make([]Pending, len(rows))
	for i := range rows {
		if out[i], err = e.pending(ctx, &rows[i], people); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// PendingPlan finds one by its plan's hash (6 digits or more of it), by its own id, or by the run that it became. One that waits comes
// before those that are over.
func (e *Engine) PendingPlan(ctx context.Context, name string) (Pending, error) {
	rows, err := e.cfg.Store.Requests(ctx, "")
	if err != nil {
		return Pending{}, err
	}
	found, err := requestOf(rows, name)
	if err != nil {
		return Pending{}, err
	}
	people, err := e.people()
	if err != nil {
		return Pending{}, err
	}
	return e.pending(ctx, found, people)
}

func requestOf(rows []store.Request, name string) (*store.Request, error) {
	found := -1
	for i := range rows {
		r := &rows[i]
		byHash := len(name) >= 6 && strings.HasPrefix(r.PlanHash, strings.ToLower(name))
		if !byHash && r.ID != name && (r.Run == "" || r.Run != name) {
			continue
		}
		switch {
		case found < 0:
			found = i
		case rows[found].State != requestOpen && r.State == requestOpen:
			found = i
		case rows[found].State == requestOpen && r.State == requestOpen && r.PlanHash != rows[found].PlanHash:
			return nil, fmt.Errorf("more than one plan that waits begins with %s: give more of its hash", name)
		}
	}
	if found < 0 {
		return nil, fmt.Errorf("no plan %s waits for approval in this store ('backout approvals list'): %w", name, ErrNotFound)
	}
	return &rows[found], nil
}

func (e *Engine) pending(ctx context.Context, row *store.Request, people *approval.People) (Pending, error) {
	var doc requestDoc
	if err := json.Unmarshal(row.Doc, &doc); err != nil {
		return Pending{}, fmt.Errorf("read the plan that waits as %s: %w", row.ID, err)
	}
	if hash, err := HashPlan(doc.Plan); err != nil || hash != row.PlanHash {
		return Pending{}, errors.Join(fmt.Errorf("the plan that waits as %s is not the one whose hash it has: the store was altered", row.ID), err)
	}
	p := Pending{ID: row.ID, State: row.State, Run: row.Run, Plan: doc.Plan, By: doc.By, Needs: doc.Needs, AskedAt: row.AskedAt, facts: doc.Facts}
	rows, err := e.cfg.Store.Approvals(ctx, row.ID)
	if err != nil {
		return Pending{}, err
	}
	given, err := e.given(rows, people)
	if err != nil {
		return Pending{}, err
	}
	for i := range rows {
		p.Said = append(p.Said, e.said(&rows[i], people))
	}
	for _, n := range p.Needs {
		p.Answers = append(p.Answers, approval.Judge(n, p.facts, given, people, e.cfg.Now()))
	}
	return p, nil
}

func (e *Engine) said(row *store.Approval, people *approval.People) Said {
	s, _ := approval.Parse(row.Statement) // given has read it
	g, err := people.Verify(approval.Signed{Statement: s, Signature: row.Signature}, e.cfg.Now())
	out := Said{
		By: s.By.ID, Decision: s.Decision, State: row.State, Key: g.Key, Reason: s.Reason, At: s.At, Expires: s.Expires,
		Recorded: row.RecordedAt, Nonce: s.Nonce,
	}
	if err != nil {
		out.Invalid = err.Error()
	}
	return out
}

// Seen looks whether the targets of a plan are still what it saw; an error that matches [ErrPlanChanged] says what is not.
func (e *Engine) Seen(ctx context.Context, p Plan) error {
	for i := range p.Units {
		u := &p.Units[i]
		obs, err := e.observe(ctx, u.Unit.ID)
		if err != nil {
			return fmt.Errorf("look at the target: %w", err)
		}
		if what := difference(u.Observed, obs); what != "" {
			return fmt.Errorf("%w: %s %s", ErrPlanChanged, u.Unit.ID, what)
		}
	}
	return nil
}

// Statement is what somebody would say of a plan that waits, for them to sign. A yes counts for as long as the needs let it.
func (e *Engine) Statement(p *Pending, decision string, by policy.Principal, reason string) approval.Statement {
	return e.statement(p, decision, by, reason, 0)
}

func (e *Engine) statement(p *Pending, decision string, by policy.Principal, reason string, lasts time.Duration) approval.Statement {
	if lasts == 0 {
		lasts = approvalLasts
		for _, n := range p.Needs {
			if n.ApprovalExpires > 0 {
				lasts = min(lasts, n.ApprovalExpires)
			}
		}
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // it never fails
	at := e.cfg.Now().UTC().Truncate(time.Microsecond)
	s := approval.Statement{
		Version: 1, Request: p.ID, Plan: p.Plan.Hash, Units: unitIDs(p.Plan), Environment: p.Plan.Units[0].Unit.Environment,
		Direction: p.Plan.direction(), Change: providers.Clean(p.Plan.Change), Decision: decision, By: by, At: at, Expires: at.Add(max(lasts, time.Second)),
		Reason: ledger.Scrub(providers.Clean(reason)), Nonce: hex.EncodeToString(nonce[:]),
	}
	if decision == approval.No || decision == approval.Ask {
		s.Expires = at.Add(24 * time.Hour)
	}
	return s
}

func (p *Plan) direction() string {
	if p.Kind == kindForward {
		return "forward"
	}
	return "back"
}

// Say records what somebody signed of a plan that waits. It is refused where the signature does not hold, where it is of another plan, or
// was recorded already. What comes after the run has begun is recorded as late, and never counts.
func (e *Engine) Say(ctx context.Context, s approval.Signed) (Pending, error) {
	if e.cfg.ReadOnly {
		return Pending{}, ErrReadOnly
	}
	people, err := e.people()
	if err != nil {
		return Pending{}, err
	}
	g, err := people.Verify(s, e.cfg.Now())
	if err != nil {
		return Pending{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	st := &s.Statement
	if st.Decision == approval.Ask {
		return Pending{}, fmt.Errorf("%w: this only says who asks, and approves nothing", ErrRefused)
	}
	p, err := e.PendingPlan(ctx, st.Request)
	if err != nil {
		return Pending{}, err
	}
	if !st.Same(e.statement(&p, st.Decision, st.By, "", 0)) {
		return Pending{}, fmt.Errorf("%w: it is of another plan than the one that waits as %s", ErrRefused, st.Request)
	}
	if st.Decision == approval.Yes && !e.cfg.Now().Before(st.Expires) {
		return Pending{}, fmt.Errorf("%w: the yes of %s ended at %s: ask for a new one", ErrRefused, st.By.ID, st.Expires.Format(time.RFC3339))
	}
	text, err := st.Text()
	if err != nil {
		return Pending{}, err
	}
	err = e.journal(ctx, "approval", func(tx *store.Tx) error { return e.say(tx, &s, text, &p, g.Key) })
	if errors.Is(err, store.ErrHeld) {
		return Pending{}, fmt.Errorf("%w: it is recorded already, and counts once", ErrRefused)
	}
	if err != nil {
		return Pending{}, err
	}
	return e.PendingPlan(ctx, st.Request)
}

func (e *Engine) say(tx *store.Tx, s *approval.Signed, text []byte, p *Pending, key string) error {
	rows, err := tx.Requests("")
	if err != nil {
		return err
	}
	st := &s.Statement
	row := e.approvalRow(s, text, saidGiven)
	event := map[string]string{approval.Yes: "approved", approval.No: "refused", approval.Revoke: "revoked"}[st.Decision]
	words := map[string]string{approval.Yes: "approves plan %.8s", approval.No: "refuses plan %.8s", approval.Revoke: "takes back what they said of plan %.8s"}[st.Decision]
	sentence := fmt.Sprintf("%s "+words, st.By.ID, st.Plan)
	run := ""
	for _, r := range rows {
		switch {
		case r.ID != st.Request:
		case r.State == requestUsed:
			row.State, event, run = saidLate, saidLate, r.Run
			sentence += fmt.Sprintf(" LATE: %s had begun without it", r.Run)
		case r.State == requestVoid:
			return fmt.Errorf("%w: what the plan saw has changed, so it does not wait any more", ErrPlanChanged)
		}
	}
	if err := tx.AddApproval(row); err != nil {
		return err
	}
	body := ledger.ApprovalBody{
		Request: st.Request, PlanHash: st.Plan, Event: event, Nonce: st.Nonce, Key: key, Reason: st.Reason, Expires: st.Expires, Units: runUnits(p.Plan),
		Statement: base64.StdEncoding.EncodeToString(text), Signature: base64.StdEncoding.EncodeToString(s.Signature),
	}
	return e.sayApproval(tx, p.Plan, Confirmation{By: st.By}, run, sentence, body)
}
