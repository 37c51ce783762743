package rollback

import "slices"

// What is said of a rollback that nobody but its own target speaks for.
const (
	notSeen       = "nothing looks at it from outside, so whether it serves well is not known: configure checks for the unit or a probe"
	unseenWarning = "nothing looks at it from outside: it will end as applied, unverified; configure checks for the unit or a probe"
)

// seenFromOutside reports whether there is anything beside the targets themselves that tells how they serve.
func seenFromOutside(checks []Check, alerts []AlertRef) bool {
	return len(alerts) > 0 || slices.ContainsFunc(checks, func(c Check) bool { return !c.Inside })
}

// unseen reports that it is known beforehand that nothing will look at a plan's units from outside.
func (e *Engine) unseen(p *Plan) bool {
	if len(p.Alerts) > 0 {
		return false
	}
	acts := false
	var services []string
	for _, u := range p.Units {
		if len(u.Checks)+len(u.Declared) > 0 {
			return false
		}
		acts = acts || len(u.Steps) > 0
		services = append(services, u.Unit.Service)
	}
	switch {
	case !acts:
		return false
	case e.cfg.CheckNames != nil:
		return len(e.cfg.CheckNames(compact(services))) == 0
	default:
		return e.cfg.Checks == nil
	}
}
