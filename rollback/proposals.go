package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// AskState is where a proposal stands.
type AskState string

// States of proposals. One that was taken has a run.
const (
	AskOpen     AskState = "open"
	AskTaken    AskState = "taken"
	AskRejected AskState = "rejected"
)

// Events of proposals, as the record has them.
const (
	askMade     = "made"
	askRejected = "rejected"
)

// Ask is a proposal: a plan that somebody who may not confirm it, such as an AI agent, wants a person to run. It holds no unit and
// promises nothing: whoever takes it plans anew, sees that plan, and confirms it.
type Ask struct {
	ID       string           `json:"id"`
	At       time.Time        `json:"at"`
	By       policy.Principal `json:"by"`
	Evidence string           `json:"evidence,omitempty"` // what By was recognised by
	Name     string           `json:"name"`               // the change or unit that is to be planned again
	To       string           `json:"to,omitempty"`
	Only     []string         `json:"only,omitempty"`
	PlanHash string           `json:"plan_hash"` // of the plan that was proposed
	Reason   string           `json:"reason,omitempty"`
	Incident string           `json:"incident,omitempty"`
	Units    []ledger.RunUnit `json:"units"`

	State    AskState  `json:"state"`
	Run      string    `json:"run,omitempty"`
	ClosedBy string    `json:"closed_by,omitempty"`
	ClosedAt time.Time `json:"closed_at,omitzero"`
	Why      string    `json:"why,omitempty"` // it was rejected
}

// askID names a proposal by the entry of the record that made it.
func askID(entry int64) string { return fmt.Sprintf("PROP-%d", entry) }

// Propose puts a plan on the record that a person is to run. Name, To, Only, By, Evidence and Reason of the Ask are taken; the rest is the plan's.
// The plan has to be one that a person might confirm. Nothing is done to any target.
func (e *Engine) Propose(ctx context.Context, p Plan, a Ask) (Ask, error) {
	hash, err := HashPlan(p)
	switch {
	case err != nil:
		return Ask{}, err
	case hash != p.Hash:
		return Ask{}, fmt.Errorf("%w: this plan is %.8s, not %.8s", ErrPlanChanged, hash, p.Hash)
	case a.By.ID == "" || a.Name == "":
		return Ask{}, errors.New("a proposal says who proposes what")
	}
	if err := e.mayPropose(p, a.By); err != nil {
		return Ask{}, errors.Join(err, e.recordRefusal(ctx, p, Confirmation{By: a.By, Reason: ledger.Scrub(providers.Clean(a.Reason))}, err))
	}
	reason := ledger.Scrub(providers.Clean(a.Reason))
	doc, err := json.Marshal(p)
	if err != nil {
		return Ask{}, fmt.Errorf("record the plan: %w", err)
	}
	payload, err := ledger.ScrubJSON(doc)
	if err != nil {
		return Ask{}, err
	}
	entry := e.entry(ledger.KindProposal, "", p, Confirmation{By: a.By}, fmt.Sprintf("%s proposes %s", a.By.ID, planText(p)))
	if entry.Body, err = json.Marshal(ledger.ProposalBody{
		Event: askMade, PlanHash: p.Hash, Name: a.Name, To: a.To, Only: a.Only, Reason: reason, OnBehalfOf: a.By.OnBehalfOf,
		Evidence: ledger.Scrub(providers.Clean(a.Evidence)), Units: runUnits(p),
	}); err != nil {
		return Ask{}, err
	}
	var written ledger.Entry
	err = e.journal(ctx, "propose", func(tx *store.Tx) error {
		if written, err = tx.Append(entry, payload); err != nil {
			return err
		}
		return attribute(tx, entry, p.change())
	})
	if err != nil {
		return Ask{}, fmt.Errorf("record the proposal: %w", err)
	}
	return askOf(written)
}

// mayPropose refuses what no person could confirm either, and what the rules of the policy file do not let this principal propose. Who
// takes it up is asked then what the rules want of them.
func (e *Engine) mayPropose(p Plan, by policy.Principal) error {
	d := e.decide(p, policy.Principal{ID: "anybody", Kind: policy.Human}, nil)
	if d.Allowed && e.cfg.Rules != nil {
		at := e.Situation(p, by, e.cfg.Now())
		at.Action = policy.ActionPropose
		d = policy.Decision{Allowed: true}.With(e.cfg.Rules.Answer(at))
	}
	if !d.Allowed {
		return fmt.Errorf("%w: %s", ErrRefused, strings.Join(d.Reasons, "; "))
	}
	return nil
}

// askOf reads the proposal that an entry made.
func askOf(entry ledger.Entry) (Ask, error) {
	var b ledger.ProposalBody
	if err := json.Unmarshal(entry.Body, &b); err != nil {
		return Ask{}, fmt.Errorf("read proposals: entry %d: %w", entry.Seq, err)
	}
	return Ask{
		ID: askID(entry.Seq), At: entry.At, By: policy.Principal{ID: entry.Actor, Kind: policy.PrincipalKind(entry.ActorKind), OnBehalfOf: b.OnBehalfOf},
		Evidence: b.Evidence, Name: b.Name, To: b.To, Only: b.Only, PlanHash: b.PlanHash, Reason: b.Reason, Incident: entry.Incident,
		Units: b.Units, State: AskOpen,
	}, nil
}

// Proposals reads all proposals and what became of them, the oldest first.
func (e *Engine) Proposals(ctx context.Context) ([]Ask, error) {
	entries, err := e.cfg.Store.OfKinds(ctx, ledger.KindProposal, ledger.KindConfirmation)
	if err != nil {
		return nil, fmt.Errorf("read proposals: %w", err)
	}
	var out []Ask
	closed := func(id string, state AskState, by ledger.Entry) {
		if i := slices.IndexFunc(out, func(a Ask) bool { return a.ID == id }); i >= 0 && out[i].State == AskOpen {
			out[i].State, out[i].Run, out[i].ClosedBy, out[i].ClosedAt = state, by.Run, by.Actor, by.At
		}
	}
	for _, entry := range entries {
		if entry.Kind == ledger.KindConfirmation {
			var b ledger.RunBody
			if json.Unmarshal(entry.Body, &b) == nil && b.Proposal != "" {
				closed(b.Proposal, AskTaken, entry)
			}
			continue
		}
		var b ledger.ProposalBody
		if err := json.Unmarshal(entry.Body, &b); err != nil {
			return nil, fmt.Errorf("read proposals: entry %d: %w", entry.Seq, err)
		}
		if b.Event == askRejected {
			closed(askID(b.Proposal), AskRejected, entry)
			if i := slices.IndexFunc(out, func(a Ask) bool { return a.ID == askID(b.Proposal) }); i >= 0 && out[i].State == AskRejected && out[i].Why == "" {
				out[i].Why = b.Reason
			}
			continue
		}
		a, err := askOf(entry)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// ProposalOf reads one proposal; an unknown one is [ErrNotFound].
func (e *Engine) ProposalOf(ctx context.Context, id string) (Ask, error) {
	all, err := e.Proposals(ctx)
	if err != nil {
		return Ask{}, err
	}
	for i := range all {
		if strings.EqualFold(all[i].ID, id) {
			return all[i], nil
		}
	}
	return Ask{}, fmt.Errorf("no proposal %s: 'backout proposals list --all' lists them: %w", id, ErrNotFound)
}

// Reject ends a proposal that nobody took, for a reason. A person or an automation does; an AI agent may not.
func (e *Engine) Reject(ctx context.Context, id string, by policy.Principal, reason string) (Ask, error) {
	a, err := e.ProposalOf(ctx, id)
	reason = ledger.Scrub(strings.TrimSpace(providers.Clean(reason)))
	switch {
	case err != nil:
		return Ask{}, err
	case by.Kind == policy.Agent:
		return Ask{}, fmt.Errorf("%w: an AI agent may not reject a proposal: a person has to, in a terminal of their own", ErrRefused)
	case a.State != AskOpen:
		return Ask{}, fmt.Errorf("%w: %s", ErrRefused, a.closed())
	case reason == "":
		return Ask{}, errors.New("say why with --reason: it is kept with it")
	}
	entry := ledger.Entry{
		At: e.cfg.Now().UTC(), Kind: ledger.KindProposal, Actor: providers.Clean(by.ID), ActorKind: string(by.Kind), Incident: a.Incident,
		Text: providers.Clean(fmt.Sprintf("%s rejected %s: %s", by.ID, a.ID, reason)),
	}
	made, err := strconv.ParseInt(strings.TrimPrefix(a.ID, "PROP-"), 10, 64)
	if err != nil {
		return Ask{}, fmt.Errorf("reject %s: %w", a.ID, err)
	}
	if entry.Body, err = json.Marshal(ledger.ProposalBody{Event: askRejected, Proposal: made, Reason: reason}); err != nil {
		return Ask{}, err
	}
	if err := e.journal(ctx, "reject", func(tx *store.Tx) error { _, err := tx.Append(entry, nil); return err }); err != nil {
		return Ask{}, fmt.Errorf("record the rejection: %w", err)
	}
	return e.ProposalOf(ctx, a.ID)
}

// closed says what became of a proposal that is not open.
func (a *Ask) closed() string {
	text := fmt.Sprintf("%s was %s by %s", a.ID, a.State, a.ClosedBy)
	if a.Run != "" {
		text += " (" + a.Run + ")"
	}
	return text
}

// taken refuses a confirmation for a proposal by anything but a person, and for one that is not there or not open any more.
func (e *Engine) taken(ctx context.Context, id string, by policy.Principal) error {
	if id == "" {
		return nil
	}
	a, err := e.ProposalOf(ctx, id)
	switch {
	case err != nil:
		return err
	case by.Kind != policy.Human:
		return fmt.Errorf("%w: what was proposed waits for a person", ErrRefused)
	case a.State != AskOpen:
		return fmt.Errorf("%w: %s", ErrRefused, a.closed())
	}
	return nil
}
