package policy

import (
	"slices"
	"time"
)

// Action is what somebody wants to do.
type Action string

// Actions. Stopping a run (abort, pause) is none: nothing ever stands in its way.
const (
	ActionSee      Action = "see"
	ActionPlan     Action = "plan"
	ActionPropose  Action = "propose"
	ActionApprove  Action = "approve"
	ActionRollback Action = "rollback"
	ActionForward  Action = "forward"
	ActionDrill    Action = "drill"
	ActionLift     Action = "lift"
	ActionPolicy   Action = "policy"
)

// Scope is the right that an action needs: rolling back and going forward are both run, told apart by their direction.
func (a Action) Scope() string {
	if a == ActionRollback || a == ActionForward {
		return "run"
	}
	return string(a)
}

// Direction is where an action leads.
type Direction string

// Directions. Whatever does not go forward goes back.
const (
	Back    Direction = "back"
	Forward Direction = "forward"
)

// Situation is all that the rules of a policy may read: one action, by one principal, at one moment. The rules know nothing
// else, the time included.
type Situation struct {
	Action    Action
	Direction Direction
	Actor     Principal
	Groups    []string // of the actor, beside those that the policy itself names
	Roles     []string // held now, beside those that the policy itself names
	Tier      string   // the strictest of the units' environments
	Units     []UnitFacts
	Change    ChangeFacts
	Plan      PlanFacts
	Incident  string // that it is done for, "" none
	Alerts    int    // symptoms that it is to cure
	Now       time.Time
}

// UnitFacts is one unit as a rule sees it.
type UnitFacts struct{ ID, Service, Environment string }

// ChangeFacts is the change that is taken back. AI is "unknown" where nobody looked.
type ChangeFacts struct{ ID, AI string }

// PlanFacts is what was found out about the way. Level is the lowest of the units' proofs, 0 to 4; Guarded says that every
// target compares before it sets.
type PlanFacts struct {
	Verdict     string
	Level       int
	Guarded     bool
	Seen        bool // something will look at the result from outside
	Destroys    []string
	Measures    int // temporary ones that it leaves behind
	Criticality int // of the most critical unit, 1 the most to 3; 0 is not known
}

// FactType is the type of a fact, in the words of CEL.
type FactType string

// Types of facts.
const (
	FactString FactType = "string"
	FactList   FactType = "list(string)"
	FactInt    FactType = "int"
	FactBool   FactType = "bool"
	FactTime   FactType = "timestamp"
)

// Fact describes one fact that a rule may read. Enum are all its values, nil where there is no such list.
type Fact struct {
	Path string
	Type FactType
	Enum []string
	Help string
}

// KnownFacts lists every fact that a rule may read, sorted by path.
func KnownFacts() []Fact {
	return []Fact{
		{"action", FactString, []string{"see", "plan", "propose", "approve", "rollback", "forward", "drill", "lift", "policy"}, "what is to be done"},
		{"actor.groups", FactList, nil, "groups of who acts"},
		{"actor.id", FactString, nil, "who acts"},
		{"actor.kind", FactString, []string{"human", "automation", "agent"}, "what acts"},
		{"actor.on_behalf_of", FactString, nil, "whom the actor acts for"},
		{"actor.roles", FactList, nil, "roles that the actor holds now"},
		{"change.ai", FactString, []string{"agent", "assisted", "possible", "automation", "none", "unknown"}, "what is known of AI in the change"},
		{"change.id", FactString, nil, "the change that is taken back"},
		{"direction", FactString, []string{"back", "forward"}, "where it leads"},
		{"env", FactList, nil, "environments of the units"},
		{"incident", FactString, nil, "the incident that it is done for"},
		{"now", FactTime, nil, "the moment of the decision"},
		{"plan.alerts", FactInt, nil, "how many symptoms it is to cure"},
		{"plan.criticality", FactInt, nil, "of the most critical unit: 1 the most, 3 the least, 0 not known"},
		{"plan.destroys", FactList, nil, "what it destroys"},
		{"plan.guarded", FactBool, nil, "every target compares before it sets"},
		{"plan.level", FactInt, nil, "the lowest level of the units' proofs, 0 to 4"},
		{"plan.measures", FactInt, nil, "how many temporary measures it leaves behind"},
		{"plan.seen", FactBool, nil, "something looks at the result from outside"},
		{"plan.verdict", FactString, []string{"independent", "no-op", "conditional", "coupled", "unknown", "irreversible", "blocked"}, "whether it can go back alone"},
		{"services", FactList, nil, "services of the units"},
		{"tier", FactString, []string{TierProd, TierStaging, TierDev}, "the strictest tier of the environments; what is not known counts as prod"},
		{"units", FactList, nil, "ids of the units"},
	}
}

// Facts reads a situation once; what it returns is keyed by the paths of [KnownFacts].
func (s *Situation) Facts() map[string]any {
	var ids, env, services []string
	for _, u := range s.Units {
		ids, env, services = append(ids, u.ID), appendNew(env, u.Environment), appendNew(services, u.Service)
	}
	return map[string]any{
		"action": string(s.Action), "direction": string(s.Direction), "tier": s.tier(), "incident": s.Incident, "now": s.Now.UTC(),
		"actor.id": s.Actor.ID, "actor.kind": string(s.Actor.Kind), "actor.on_behalf_of": s.Actor.OnBehalfOf,
		"actor.groups": s.Groups, "actor.roles": s.Roles,
		"change.id": s.Change.ID, "change.ai": or(s.Change.AI, "unknown"),
		"env": env, "services": services, "units": ids,
		"plan.alerts": int64(s.Alerts), "plan.criticality": int64(s.Plan.Criticality), "plan.destroys": s.Plan.Destroys,
		"plan.guarded": s.Plan.Guarded, "plan.level": int64(s.Plan.Level), "plan.measures": int64(s.Plan.Measures),
		"plan.seen": s.Plan.Seen, "plan.verdict": or(s.Plan.Verdict, "unknown"),
	}
}

// tier is prod for every word that is not known to be harmless, as in [Decide].
func (s *Situation) tier() string {
	if s.Tier == TierStaging || s.Tier == TierDev {
		return s.Tier
	}
	return TierProd
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func appendNew(list []string, text string) []string {
	if text == "" || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}
