package export

import (
	"slices"

	"github.com/backout-dev/backout/providers"
)

func (r *redactor) change(c providers.Change) providers.Change {
	c.ID = r.id(c.ID)
	for _, p := range []*string{
		&c.Service, &c.Environment, &c.Title, &c.From, &c.To, &c.Unit, &c.Status, &c.URL, &c.ChangeSet,
	} {
		*p = r.text(*p)
	}
	c.Author.Name = r.person(c.Author.Name, c.Author.Kind)
	c.Paths, c.Artifacts = r.texts(c.Paths), r.texts(c.Artifacts)
	c.Approvers = r.persons(c.Approvers)
	reverts := make([]string, len(c.Reverts))
	for i, id := range c.Reverts {
		reverts[i] = r.id(id)
	}
	c.Reverts = reverts
	a := c.Assistance
	a.Tools, a.Checked = r.texts(a.Tools), r.texts(a.Checked)
	a.Evidence = slices.Clone(a.Evidence)
	for i := range a.Evidence {
		e := &a.Evidence[i]
		e.Session, e.Raw, e.Caveat = r.text(e.Session), r.text(e.Raw), r.text(e.Caveat)
	}
	c.Assistance = a
	c.Sources = r.sources(c.Sources)
	c.Unknown = r.unknown(c.Unknown)
	return c
}

func (r *redactor) alert(a providers.Alert) providers.Alert {
	a.ID = r.id(a.ID)
	for _, p := range []*string{&a.Name, &a.Service, &a.Environment, &a.Severity, &a.Summary, &a.URL} {
		*p = r.text(*p)
	}
	a.Labels = r.labels(a.Labels)
	a.SilencedBy = r.persons(a.SilencedBy)
	a.Sources = r.sources(a.Sources)
	a.Unknown = r.unknown(a.Unknown)
	return a
}

func (r *redactor) sources(l []providers.Source) []providers.Source {
	out := slices.Clone(l)
	for i := range out {
		out[i].ID, out[i].URL = r.id(out[i].ID), r.text(out[i].URL)
	}
	return out
}
