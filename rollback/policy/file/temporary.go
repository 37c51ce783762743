package file

import "time"

// Temporary is one measure of a policy that has to end.
type Temporary struct {
	Name, Kind, Reason, Owner string
	Ends                      time.Time // zero: no date
	Until                     string    // the condition as it is written, "" none
}

// Temporary lists the policy's freezes and friction, in the order of the file.
func (p *Policy) Temporary() []Temporary {
	var out []Temporary
	add := func(name, kind string, e Ends) {
		t := Temporary{Name: name, Kind: kind, Reason: e.Reason, Owner: e.Owner, Ends: e.At}
		if e.Until != nil {
			t.Until = e.Until.expr.text
		}
		out = append(out, t)
	}
	for i := range p.Freezes {
		e := p.Freezes[i].Ends
		if p.Freezes[i].Cron == nil && (e.At.IsZero() || p.Freezes[i].End.Before(e.At)) {
			e.At = p.Freezes[i].End
		}
		add(p.Freezes[i].Name, "freeze", e)
	}
	for i := range p.Friction {
		add(p.Friction[i].Name, "friction", p.Friction[i].Ends)
	}
	return out
}
