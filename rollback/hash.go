package rollback

import (
	"encoding/json"
	"fmt"
	"sort"

	"github.com/backout-dev/backout/rollback/ledger"
)

// The types below say what decides what a plan does. Times, ages, estimates, titles, warnings and the texts of findings
// are left out: they may differ between two looks at the same world.
type planMaterial struct {
	Kind     string         `json:"kind"`
	Slice    string         `json:"slice,omitempty"`
	Change   string         `json:"change"`
	Units    []unitMaterial `json:"units"`
	Verdict  Verdict        `json:"verdict"`
	Atomic   bool           `json:"atomic"`
	Alerts   []string       `json:"alerts"`
	Hold     int64          `json:"hold_ms"`
	Deadline int64          `json:"deadline_ms"`
}

type unitMaterial struct {
	ID          UnitID            `json:"id"`
	Kind        string            `json:"kind"`
	Environment string            `json:"environment"`
	CAS         CAS               `json:"cas"`
	From        string            `json:"from"`
	To          string            `json:"to"`
	Token       string            `json:"token"`
	InFlight    string            `json:"in_flight"`
	Owners      []string          `json:"owners"`
	References  []string          `json:"references"`
	Steps       []stepMaterial    `json:"steps"`
	Measures    []measureMaterial `json:"measures,omitempty"`
	Diff        string            `json:"diff"`
	Destroys    []string          `json:"destroys"`
	NotRestored []string          `json:"not_restored"`
	Blast       string            `json:"blast,omitempty"`
	Pace        *Pace             `json:"pace,omitempty"`
	Missing     []string          `json:"missing"`
	Verdict     Verdict           `json:"verdict"`
	Findings    []findingMaterial `json:"findings"`
	Tested      string            `json:"tested"`
	Declared    []DeclaredCheck   `json:"declared,omitempty"`
}

type stepMaterial struct {
	N      int               `json:"n"`
	Unit   UnitID            `json:"unit"`
	Action string            `json:"action"`
	From   string            `json:"from"`
	To     string            `json:"to"`
	Token  string            `json:"token"`
	Args   map[string]string `json:"args"`

	Measure  string `json:"measure,omitempty"`
	Provider string `json:"provider,omitempty"`
}

// measureMaterial is what is left behind, and for how long: whoever confirms the plan takes that on.
type measureMaterial struct {
	ID       string            `json:"id"`
	Provider string            `json:"provider"`
	What     string            `json:"what"`
	Exit     string            `json:"exit"`
	TTL      int64             `json:"ttl_ms"`
	Args     map[string]string `json:"args"`
}

type findingMaterial struct {
	Rule    string   `json:"rule"`
	Verdict Verdict  `json:"verdict"`
	Units   []UnitID `json:"units"`
}

// HashPlan is the hash of a plan: the hex SHA-256 over the canonical JSON (RFC 8785) of what decides what it does.
func HashPlan(p Plan) (string, error) {
	m := planMaterial{
		Kind: p.Kind, Slice: string(p.Slice), Change: p.Change, Verdict: p.Verdict, Atomic: p.Atomic, Alerts: []string{}, Units: []unitMaterial{},
		Hold: p.Hold.Milliseconds(), Deadline: p.Deadline.Milliseconds(),
	}
	for _, a := range p.Alerts {
		m.Alerts = append(m.Alerts, a.Provider+"\x00"+a.ID)
	}
	sort.Strings(m.Alerts)
	for _, u := range p.Units {
		m.Units = append(m.Units, material(u))
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("hash the plan: %w", err)
	}
	canon, err := ledger.Canonical(raw)
	if err != nil {
		return "", fmt.Errorf("hash the plan: %w", err)
	}
	return ledger.Hash(canon), nil
}

func material(u UnitPlan) unitMaterial {
	m := unitMaterial{
		ID: u.Unit.ID, Kind: u.Unit.Kind, Environment: u.Unit.Environment, CAS: u.Unit.CAS,
		From: u.From.Digest, To: u.To.Digest, Token: u.Observed.Token, InFlight: u.Observed.InFlight,
		Owners: sorted(u.Observed.Owners), References: sorted(u.Observed.References),
		Steps: []stepMaterial{}, Diff: ledger.Hash([]byte(u.Diff)),
		Destroys: sorted(u.Destroys), NotRestored: sorted(u.NotRestored), Blast: u.Blast, Missing: sorted(u.Missing),
		Verdict: u.Verdict, Findings: []findingMaterial{}, Tested: u.provenAs(),
		Declared: placeless(u.Declared),
	}
	if u.Pace.Of > 0 {
		m.Pace = &u.Pace
	}
	for _, s := range u.Steps {
		args := s.Args
		if args == nil {
			args = map[string]string{}
		}
		m.Steps = append(m.Steps, stepMaterial{s.N, s.Unit, s.Action, s.From, s.To, s.Token, args, s.Measure, s.Provider})
	}
	for _, t := range u.Measures {
		args := t.Args
		if args == nil {
			args = map[string]string{}
		}
		m.Measures = append(m.Measures, measureMaterial{t.ID, t.Provider, t.What, t.Exit, t.TTL.Milliseconds(), args})
	}
	for _, f := range u.Findings {
		units := append([]UnitID{}, f.Units...)
		sort.Slice(units, func(i, j int) bool { return units[i] < units[j] })
		m.Findings = append(m.Findings, findingMaterial{f.Rule, f.Verdict, units})
	}
	return m
}

// provenAs is how tested the unit's way back is, without any age.
func (u *UnitPlan) provenAs() string {
	if u.Proof == nil {
		return u.Tested
	}
	return u.Proof.Key()
}

func sorted(l []string) []string {
	out := append([]string{}, l...)
	sort.Strings(out)
	return out
}
