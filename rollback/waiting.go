package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// ErrWaiting says that a plan was not refused, and waits for approvals. What comes with it is a [*Waiting].
var ErrWaiting = errors.New("it waits for approval")

// States of a request.
const (
	requestOpen = "waiting"
	requestUsed = "used"
	requestVoid = "void"
)

// States of what was said of a request.
const (
	saidGiven   = "given"
	saidLate    = "late"
	saidUsed    = "used"
	saidExpired = "expired"
)

// Waiting is a plan that may run once people have approved it. It matches [ErrWaiting].
type Waiting struct {
	Request string
	Plan    string // its hash
	Answers []approval.Answer
	Asks    []string // what each need asks for, in words
}

// Error implements error: it says what is missing, and the line to send to those who may approve.
func (w *Waiting) Error() string {
	var missing []string
	for i, a := range w.Answers {
		if !a.Met {
			missing = append(missing, fmt.Sprintf("%s (rule %s: %s)", a.Missing, a.Rule, w.Asks[i]))
		}
	}
	return fmt.Sprintf("%v: %s. Send them: backout approve %s", ErrWaiting, strings.Join(missing, "; "), w.Plan[:min(12, len(w.Plan))])
}

// Is implements the matching of errors.
func (w *Waiting) Is(target error) bool { return target == ErrWaiting }

// requestDoc is what a request keeps beside its plan: what it is judged by.
type requestDoc struct {
	Plan  Plan             `json:"plan"`
	By    policy.Principal `json:"by"`
	Facts approval.Facts   `json:"facts"`
	Needs []policy.Need    `json:"needs"`
}

// permission is the approvals that a run is begun with; nil where none are needed.
type permission struct {
	request store.Request
	facts   approval.Facts
	needs   []policy.Need
}

// approved looks whether what the policy asks for is there. Where it is not, the plan waits from then on, for people to say yes.
func (e *Engine) approved(ctx context.Context, p Plan, c Confirmation, needs []policy.Need) (*permission, error) {
	if len(needs) == 0 || p.Kind == kindDrill || c.Drill != "" {
		return nil, nil
	}
	people, err := e.people()
	if err != nil {
		return nil, err
	}
	row, err := e.waits(ctx, p, c, needs)
	if err != nil {
		return nil, err
	}
	perm := &permission{request: row, facts: approvalFacts(p, c, row.ID), needs: needs}
	if err := e.ask(ctx, perm, p, c, people); err != nil {
		return nil, err
	}
	if err := e.stale(ctx, perm, p, c, people); err != nil {
		return nil, err
	}
	rows, err := e.cfg.Store.Approvals(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	w, err := e.unmet(perm, rows, people)
	switch {
	case err != nil:
		return nil, err
	case w == nil:
		return perm, nil
	}
	if i := slices.IndexFunc(w.Answers, func(a approval.Answer) bool { return a.Refused }); i >= 0 {
		return nil, fmt.Errorf("%w: approval was %s (rule %s)", ErrRefused, w.Answers[i].Missing, w.Answers[i].Rule)
	}
	return nil, w
}

func (e *Engine) people() (*approval.People, error) {
	if e.cfg.People == nil {
		return approval.NewPeople(approval.Directory{}), nil
	}
	people, err := e.cfg.People()
	if err != nil {
		return nil, fmt.Errorf("who may approve: %w", err)
	}
	return people, nil
}

// approvalFacts is what approvals of a plan are judged by.
func approvalFacts(p Plan, c Confirmation, request string) approval.Facts {
	f := approval.Facts{Request: request, Plan: p.Hash, Requester: c.By.ID, OnBehalfOf: c.By.OnBehalfOf}
	if ch := p.change(); ch != nil {
		f.Author = ch.Author.Name
	}
	return f
}

// waits gives the open request for the plan, and makes it where there is none.
func (e *Engine) waits(ctx context.Context, p Plan, c Confirmation, needs []policy.Need) (row store.Request, err error) {
	find := func(all []store.Request) bool {
		i := slices.IndexFunc(all, func(r store.Request) bool { return r.PlanHash == p.Hash && r.State == requestOpen })
		if i >= 0 {
			row = all[i]
		}
		return i >= 0
	}
	all, err := e.cfg.Store.Requests(ctx, requestOpen)
	if err != nil || find(all) {
		return row, err
	}
	row = store.Request{ID: e.cfg.NewID(), PlanHash: p.Hash, State: requestOpen, AskedAt: e.cfg.Now().UTC()}
	made := row
	if made.Doc, err = json.Marshal(requestDoc{Plan: p, By: c.By, Facts: approvalFacts(p, c, row.ID), Needs: needs}); err != nil {
		return row, fmt.Errorf("keep the plan that waits: %w", err)
	}
	err = e.journal(ctx, "wait", func(tx *store.Tx) error {
		all, err := tx.Requests(requestOpen)
		if err != nil || find(all) {
			return err // somebody else asked in between
		}
		for _, u := range unitIDs(p) { // or was quicker: what runs already waits for nobody
			if run, err := tx.Holder(u); err != nil {
				return err
			} else if run != "" {
				return lockedBy(u, run)
			}
		}
		row = made
		if err := tx.SaveRequest(made); err != nil {
			return err
		}
		body := ledger.ApprovalBody{Request: made.ID, PlanHash: p.Hash, Event: "asked", Reason: c.Reason, Units: runUnits(p)}
		return e.sayApproval(tx, p, c, "", fmt.Sprintf("%s asks for approval of plan %.8s", c.By.ID, p.Hash), body)
	})
	return row, err
}

// ask has the requester sign that it is they who ask, where they have a key that is known and have not done so.
func (e *Engine) ask(ctx context.Context, perm *permission, p Plan, c Confirmation, people *approval.People) error {
	if e.cfg.Prove == nil {
		return nil
	}
	rows, err := e.cfg.Store.Approvals(ctx, perm.request.ID)
	if err != nil {
		return err
	}
	given, err := e.given(rows, people)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(given, func(g approval.Given) bool { return g.Decision == approval.Ask && g.By.ID == c.By.ID }) {
		return nil
	}
	s := e.statement(&Pending{ID: perm.request.ID, Plan: p}, approval.Ask, c.By, "", 0)
	text, err := s.Text()
	if err != nil {
		return err
	}
	blob, err := e.cfg.Prove(ctx, text)
	if err != nil {
		e.cfg.Log.Warn("the request for approval is not signed", "error", err)
		return nil // what is missing then says so
	}
	signed := approval.Signed{Statement: s, Signature: blob}
	if _, err := people.Verify(signed, e.cfg.Now()); err != nil {
		e.cfg.Log.Warn("the request for approval is signed by a key that is not known", "error", err)
		return nil
	}
	return e.cfg.Store.Update(ctx, func(tx *store.Tx) error { return tx.AddApproval(e.approvalRow(&signed, text, saidGiven)) })
}

// unmet judges all needs; nil: they are met.
func (e *Engine) unmet(perm *permission, rows []store.Approval, people *approval.People) (*Waiting, error) {
	given, err := e.given(rows, people)
	if err != nil {
		return nil, err
	}
	w := &Waiting{Request: perm.request.ID, Plan: perm.facts.Plan}
	open := false
	for _, n := range perm.needs {
		a := approval.Judge(n, perm.facts, given, people, e.cfg.Now())
		w.Answers, w.Asks = append(w.Answers, a), append(w.Asks, approval.Asks(n))
		open = open || !a.Met
	}
	if !open {
		return nil, nil
	}
	return w, nil
}

// stale records, once, which words were too old when somebody wanted to run.
func (e *Engine) stale(ctx context.Context, perm *permission, p Plan, c Confirmation, people *approval.People) error {
	rows, err := e.cfg.Store.Approvals(ctx, perm.request.ID)
	if err != nil {
		return err
	}
	given, err := e.given(rows, people)
	if err != nil {
		return err
	}
	var old []approval.Given
	for i := range given {
		if g := &given[i]; g.Decision == approval.Yes && !g.Stale && !g.Late && g.Run == "" && !e.cfg.Now().Before(g.Expires) {
			old = append(old, *g)
		}
	}
	if len(old) == 0 {
		return nil // the common case writes nothing, or those who follow the store would look again for ever
	}
	return e.journal(ctx, "expired", func(tx *store.Tx) error {
		for i := range old {
			g := &old[i]
			body := ledger.ApprovalBody{Request: perm.request.ID, PlanHash: p.Hash, Event: saidExpired, Nonce: g.Nonce, Key: g.Key, Expires: g.Expires}
			text := fmt.Sprintf("the yes of %s to plan %.8s was too old when %s wanted to run", g.By.ID, p.Hash, c.By.ID)
			if err := errors.Join(tx.MarkApproval(g.Nonce, saidExpired), e.sayApproval(tx, p, c, "", text, body)); err != nil {
				return err
			}
		}
		return nil
	})
}

// use judges once more, in the transaction that makes the run, and binds the words that count to it: nobody can use them again, and
// what was taken back a moment ago does not count.
func (e *Engine) use(tx *store.Tx, perm *permission, runID string, p Plan, c Confirmation) error {
	if perm == nil {
		return nil
	}
	people, err := e.people()
	if err != nil {
		return err
	}
	all, err := tx.Requests(requestOpen)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all, func(r store.Request) bool { return r.ID == perm.request.ID }); i < 0 {
		return fmt.Errorf("%w: its approvals were used or have become void in between: ask again", ErrRefused)
	}
	rows, err := tx.Approvals(perm.request.ID)
	if err != nil {
		return err
	}
	given, err := e.given(rows, people)
	if err != nil {
		return err
	}
	var by []string
	for _, n := range perm.needs {
		a := approval.Judge(n, perm.facts, given, people, e.cfg.Now())
		if !a.Met {
			return &Waiting{Request: perm.request.ID, Plan: p.Hash, Answers: []approval.Answer{a}, Asks: []string{approval.Asks(n)}}
		}
		for _, nonce := range a.Count {
			if err := tx.MarkApproval(nonce, saidUsed); err != nil {
				return err
			}
		}
		by = append(by, a.By...)
	}
	row := perm.request
	row.State, row.Run = requestUsed, runID
	if err := tx.SaveRequest(row); err != nil {
		return err
	}
	slices.Sort(by)
	who := strings.Join(slices.Compact(by), ", ")
	if err := tx.Log(runID, "approved by "+who); err != nil {
		return err
	}
	body := ledger.ApprovalBody{Request: row.ID, PlanHash: p.Hash, Event: saidUsed}
	return e.sayApproval(tx, p, c, runID, fmt.Sprintf("%s runs plan %.8s, approved by %s", runID, p.Hash, who), body)
}

// void ends the requests for what a plan was, where the target is not any more what that plan saw. It says how many.
func (e *Engine) void(ctx context.Context, p Plan, c Confirmation) (n int, err error) {
	if len(c.PlanHash) < 6 {
		return 0, nil
	}
	err = e.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		all, err := tx.Requests(requestOpen)
		if err != nil {
			return err
		}
		for _, r := range all {
			var doc requestDoc
			if r.State != requestOpen || !strings.HasPrefix(r.PlanHash, strings.ToLower(c.PlanHash)) || json.Unmarshal(r.Doc, &doc) != nil || !slices.Equal(unitIDs(doc.Plan), unitIDs(p)) {
				continue
			}
			r.State = requestVoid
			body := ledger.ApprovalBody{Request: r.ID, PlanHash: r.PlanHash, Event: requestVoid}
			text := fmt.Sprintf("the approvals of plan %.8s count no more: what it saw has changed", r.PlanHash)
			if err := errors.Join(tx.SaveRequest(r), e.sayApproval(tx, p, c, "", text, body)); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

func (e *Engine) sayApproval(tx *store.Tx, p Plan, c Confirmation, run, text string, body ledger.ApprovalBody) error {
	entry := e.entry(ledger.KindApproval, run, p, c, text)
	var err error
	if entry.Body, err = json.Marshal(body); err != nil {
		return err
	}
	_, err = tx.Append(entry, nil)
	return err
}

// given are the words whose signatures hold, as this store knows them. One whose key is not known any more is none.
func (e *Engine) given(rows []store.Approval, people *approval.People) ([]approval.Given, error) {
	var out []approval.Given
	for i := range rows {
		s, err := approval.Parse(rows[i].Statement)
		if err != nil {
			return nil, fmt.Errorf("approval %s: %w", rows[i].Nonce, err)
		}
		g, err := people.Verify(approval.Signed{Statement: s, Signature: rows[i].Signature}, e.cfg.Now())
		if err != nil {
			continue
		}
		g.Recorded, g.Late, g.Stale = rows[i].RecordedAt, rows[i].State == saidLate, rows[i].State == saidExpired
		if rows[i].State == saidUsed {
			g.Run = rows[i].Request
		}
		out = append(out, g)
	}
	return out, nil
}

func (e *Engine) approvalRow(s *approval.Signed, text []byte, state string) store.Approval {
	return store.Approval{
		Nonce: s.Statement.Nonce, Request: s.Statement.Request, Decision: s.Statement.Decision, State: state,
		Statement: text, Signature: s.Signature, RecordedAt: e.cfg.Now().UTC().Truncate(time.Microsecond),
	}
}
