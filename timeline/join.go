package timeline

import (
	"slices"

	"github.com/backout-dev/backout/providers"
)

// merged makes one line of the reports of one change, which stand in the order of compareEntries. The first report that
// knows a field gives it, with three exceptions: a landing time that is exact goes before one that is not, a finding of
// assistance before "none found", and from what to what the unit went before what the repository calls it.
func merged(members []*entry) *item {
	first := members[0]
	it := &item{event: first.event, members: members, seq: first.seq, fired: first.fired}
	for _, e := range members[1:] {
		it.seq, it.fired = min(it.seq, e.seq), it.fired || e.fired
	}
	if c := first.event.Change; c != nil && len(members) > 1 {
		all := make([]*providers.Change, len(members))
		for i, e := range members {
			all[i] = e.event.Change
		}
		it.event = providers.Event{Change: union(all)}
	}
	it.title = titleOf(it.event)
	return it
}

// attribute takes over what is known of AI in a commit from another change that carries the same one: a commit that is
// released in two places was written once.
func attribute(it *item, group [][]*entry) {
	c := it.event.Change
	if c == nil || c.Commit == "" || c.Assistance.State != "" {
		return
	}
	var best providers.Assistance
	for _, members := range group {
		for _, e := range members {
			if o := e.event.Change; o.Commit == c.Commit && rankOf(o.Assistance.State) > rankOf(best.State) {
				best = o.Assistance
			}
		}
	}
	if best.State != "" {
		own := *c
		own.Assistance = best
		it.event = providers.Event{Change: &own}
	}
}

func titleOf(ev providers.Event) string {
	switch {
	case ev.Change != nil:
		return ev.Change.Title
	case ev.Alert.Summary != "" && ev.Alert.Name != "" && ev.Alert.Name != ev.Alert.Summary:
		return ev.Alert.Name + ": " + ev.Alert.Summary
	case ev.Alert.Summary != "":
		return ev.Alert.Summary
	default:
		return ev.Alert.Name
	}
}

func union(all []*providers.Change) *providers.Change {
	c := *all[0]
	c.Sources = nil
	for i, o := range all {
		for _, src := range sourcesOf(o) {
			if !slices.Contains(c.Sources, src) {
				c.Sources = append(c.Sources, src)
			}
		}
		if i > 0 {
			fill(&c, o)
		}
	}
	for _, o := range all {
		if o.Unit != "" && o.To != "" { // what a person sees on the host, rather than what was merged
			c.From, c.To = o.From, o.To
			break
		}
	}
	if from, to, ok := wentTo(all); ok {
		c.From, c.To = from, to
	}
	for _, o := range all {
		if o.Kind == providers.KindDrill { // whoever only saw the switch does not know what it was for
			c.Kind, c.Title, c.ChangeSet, c.Author = o.Kind, o.Title, o.ChangeSet, o.Author
		}
	}
	return &c
}

// sourcesOf is the report itself, or what it was merged from before it was written to a file.
func sourcesOf(c *providers.Change) []providers.Source {
	if len(c.Sources) > 0 {
		return c.Sources
	}
	return []providers.Source{{Provider: c.Provider, ID: c.ID, URL: c.URL}}
}

// fill takes from o what c does not know.
func fill(c, o *providers.Change) {
	for _, f := range []struct {
		to   *string
		from string
	}{
		{(*string)(&c.Kind), string(o.Kind)},
		{&c.Service, o.Service},
		{&c.Environment, o.Environment},
		{&c.Title, o.Title},
		{&c.From, o.From},
		{&c.To, o.To},
		{&c.Unit, o.Unit},
		{&c.Status, o.Status},
		{&c.URL, o.URL},
		{&c.Commit, o.Commit},
		{&c.ChangeSet, o.ChangeSet},
	} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if c.Author.Name == "" && (c.Author.Kind == "" || o.Author.Name != "") {
		c.Author = o.Author
	}
	if c.Files == 0 && c.Lines == 0 && len(c.Paths) == 0 {
		c.Files, c.Lines, c.Paths = o.Files, o.Lines, o.Paths
	}
	fillLists(c, o)
	fillTimes(c, o)
	if rankOf(o.Assistance.State) > rankOf(c.Assistance.State) {
		c.Assistance = o.Assistance
	}
	if len(c.Unknown) == 0 {
		c.Unknown = o.Unknown
	}
}

// rankOf sets a finding above "none found", and that above nobody having looked.
func rankOf(s providers.AssistanceState) int {
	switch s {
	case "":
		return 0
	case providers.AssistanceNone:
		return 1
	default:
		return 2
	}
}

func fillLists(c, o *providers.Change) {
	if len(c.Approvers) == 0 {
		c.Approvers = o.Approvers
	}
	if len(c.Reverts) == 0 {
		c.Reverts = o.Reverts
	}
	if len(c.Rollout) == 0 {
		c.Rollout = o.Rollout
	}
	c.Artifacts = slices.Clone(c.Artifacts)
	for _, a := range o.Artifacts {
		if !slices.Contains(c.Artifacts, a) {
			c.Artifacts = append(c.Artifacts, a)
		}
	}
}

func fillTimes(c, o *providers.Change) {
	if c.LandedAt.IsZero() || (c.LandedApproximate && !o.LandedApproximate && !o.LandedAt.IsZero()) {
		c.LandedAt, c.LandedApproximate = o.LandedAt, o.LandedApproximate
	}
	if c.EffectiveFrom.IsZero() {
		c.EffectiveFrom = o.EffectiveFrom
	}
	if c.EffectiveTo.IsZero() {
		c.EffectiveTo = o.EffectiveTo
	}
	if c.VerifiedAt.IsZero() {
		c.VerifiedAt = o.VerifiedAt
	}
}
