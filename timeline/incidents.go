package timeline

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	incidentPrefix = "INC-"
	incidentDigits = 8
	// maxDecodedAlerts bounds how many indexed alerts are decoded for the incidents; the rest has what its row has.
	maxDecodedAlerts = 2000
	// maxListedAlerts bounds how many alerts all incidents hold together, newest incidents first.
	maxListedAlerts = 5000
)

// IncidentID is the id that an incident gets from its first alert: "INC-" and eight hex digits of the SHA-256 of
// provider, id and start (RFC 3339, UTC), with zero bytes between.
//
// The id stays when other alerts come, also when one comes late that began earlier: the first alert is the one that the
// store learned of first, and by start, provider and id among those that it learned of at once. In another process,
// which learns of them in another order, the same incident may show another of its alerts' ids; Snapshot.Incident finds
// it by any of them.
func IncidentID(provider, id string, start time.Time) string {
	return shortHash(incidentPrefix, incidentDigits, provider, id, start.UTC().Format(time.RFC3339Nano))
}

// incidentCell computes the incidents once for all snapshots that have the same alerts.
type incidentCell struct {
	mu    sync.Mutex
	done  bool
	now   int64 // when list was made
	until int64 // when an alert's end will come to pass; 0: never
	list  []Incident
	alias map[string]int // nil until somebody asks for an id that is not in list
}

// Incidents lists the incidents, newest first. What it gives must not be written into.
func (s *Snapshot) Incidents() []Incident {
	s.cell.mu.Lock()
	defer s.cell.mu.Unlock()
	return s.cell.incidents(s)
}

// Incident finds an incident by its id, or by the id that any of its alerts would have given it.
func (s *Snapshot) Incident(id string) (Incident, bool) {
	c := s.cell
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.incidents(s)
	for i := range list {
		if list[i].ID == id {
			return list[i], true
		}
	}
	if c.alias == nil {
		b := newBuilder(s, c.now) // the first one is not kept: it is as large as all alerts
		c.alias = b.aliases(b.build())
	}
	if i, ok := c.alias[id]; ok {
		return list[i], true
	}
	return Incident{}, false
}

func (c *incidentCell) incidents(s *Snapshot) []Incident {
	now := unixNano(s.now())
	if !c.done || (c.until != 0 && now >= c.until) {
		b := newBuilder(s, now)
		c.list, c.now, c.alias = b.build(), now, nil
		c.done, c.until = true, b.nextEnd()
	}
	return c.list
}

// group is an incident in the making.
type group struct {
	id     string
	alerts []int
	hand   bool
	title  string
	opened time.Time
	closed time.Time
	by     string
	reason string
	into   *group // merged by hand
}

type builder struct {
	s       *Snapshot
	now     int64
	forming Forming
	cures   []cure
	near    map[uint32][]uint32
	all     []symptom
	groups  []*group
	ids     map[string]int // alert by the id it would give; nil until it is needed
	decoded int
	listed  int
}

func newBuilder(s *Snapshot, now int64) *builder {
	return &builder{s: s, now: now, forming: s.forming, cures: s.cures(), near: s.neighbours(), all: s.symptoms(now)}
}

func (b *builder) build() []Incident {
	roots := form(b.all, b.forming.Gap, b.near, b.cures)
	sizes, byRoot := make(map[int]int), make(map[int]*group)
	for _, r := range roots {
		sizes[r]++
	}
	for i, r := range roots {
		g := byRoot[r]
		if g == nil {
			g = &group{alerts: make([]int, 0, sizes[r])}
			byRoot[r] = g
			b.groups = append(b.groups, g)
		}
		g.alerts = append(g.alerts, i)
	}
	b.groups = slices.DeleteFunc(b.groups, func(g *group) bool { return !b.opens(g) })
	for _, g := range b.groups {
		g.id = b.idOf(b.anchor(g.alerts))
	}
	b.byHand(b.s.ops)
	return b.list()
}

// opens reports whether alerts make an incident: one of them was not suppressed.
func (b *builder) opens(g *group) bool {
	return slices.ContainsFunc(g.alerts, func(a int) bool { return !b.all[a].suppressed })
}

// anchor is the alert that gives the id.
func (b *builder) anchor(alerts []int) int {
	return slices.MinFunc(alerts, func(x, y int) int {
		p, q := &b.all[x], &b.all[y]
		if p.suppressed != q.suppressed {
			if q.suppressed {
				return -1
			}
			return 1
		}
		if c := cmp.Compare(b.s.since(p), b.s.since(q)); c != 0 {
			return c
		}
		return b.byStart(x, y)
	})
}

// byStart orders alerts by start, id and provider.
func (b *builder) byStart(x, y int) int {
	if p, q := &b.all[x], &b.all[y]; p.at != q.at {
		return cmp.Compare(p.at, q.at)
	}
	rx, ry := b.ref(x), b.ref(y)
	return cmp.Or(cmp.Compare(rx.ID, ry.ID), cmp.Compare(rx.Provider, ry.Provider))
}

func (b *builder) ref(a int) AlertRef {
	m := &b.all[a]
	return AlertRef{b.s.names[m.c.provider[m.i]], string(m.c.id(m.row()))}
}

func (b *builder) idOf(a int) string {
	r := b.ref(a)
	return IncidentID(r.Provider, r.ID, fromNano(b.all[a].at))
}

// resolve finds a group by its id, or by the id of any of its alerts.
func (b *builder) resolve(id string) *group {
	if b.ids == nil {
		b.ids = make(map[string]int, len(b.all))
		for i := range b.all {
			b.ids[b.idOf(i)] = i
		}
	}
	a, known := b.ids[id]
	var found *group
	for _, g := range b.groups {
		if g.id == id {
			found = g
			break
		}
		if known && found == nil && slices.Contains(g.alerts, a) {
			found = g
		}
	}
	for found != nil && found.into != nil {
		found = found.into
	}
	return found
}

// nextEnd is the first end that is still to come: from then on the incidents look different.
func (b *builder) nextEnd() int64 {
	next := int64(0)
	for i := range b.all {
		if end := b.all[i].c.end[b.all[i].i]; end > b.now && (next == 0 || end < next) {
			next = end
		}
	}
	return next
}

// list makes incidents of the groups, newest first.
func (b *builder) list() []Incident {
	var list []Incident
	groups := map[string]*group{}
	for _, g := range b.groups {
		if g.into == nil && (len(g.alerts) > 0 || (g.hand && !g.opened.IsZero())) {
			groups[g.id] = g
		}
	}
	for _, g := range groups {
		list = append(list, b.outline(g))
	}
	slices.SortFunc(list, func(x, y Incident) int { return cmp.Or(y.OpenedAt.Compare(x.OpenedAt), strings.Compare(x.ID, y.ID)) })
	for i := range list {
		b.detail(&list[i], groups[list[i].ID])
	}
	return list
}

// aliases finds for each id that is not an incident's own the place of the incident in the list.
func (b *builder) aliases(list []Incident) map[string]int {
	at := make(map[string]int, len(list))
	for i := range list {
		at[list[i].ID] = i
	}
	alias := make(map[string]int, len(b.all))
	for _, g := range b.groups {
		own := g.id
		if g.into != nil {
			if to := b.resolve(g.id); to != nil {
				alias[g.id] = at[to.id]
			}
			continue
		}
		for _, a := range g.alerts {
			alias[b.idOf(a)] = at[own]
		}
	}
	return alias
}

// outline fills in what the alerts' rows tell.
func (b *builder) outline(g *group) Incident {
	slices.SortFunc(g.alerts, b.byStart)
	inc := Incident{ID: g.id, Title: g.title, OpenedAt: g.opened, ClosedAt: g.closed, ByHand: g.hand, ClosedBy: g.by, Reason: g.reason}
	open, last := len(g.alerts) == 0, int64(0)
	for _, a := range g.alerts {
		m := &b.all[a]
		open = open || m.until > b.now
		last = max(last, m.until)
	}
	if len(g.alerts) > 0 {
		first := fromNano(b.all[g.alerts[0]].at)
		if inc.OpenedAt.IsZero() {
			inc.OpenedAt = first
		}
		if !first.IsZero() {
			began := max(unixNano(first.Add(-b.forming.Detection)), b.curedBefore(&b.all[g.alerts[0]]))
			inc.Onset = Onset{Earliest: fromNano(began), Latest: first}
		}
	}
	if inc.ClosedAt.IsZero() && !open {
		inc.ClosedAt = fromNano(last)
	}
	return inc
}

// detail fills in what only the decoded alerts tell.
func (b *builder) detail(inc *Incident, g *group) {
	count := map[string]int{}
	inc.AlertCount = len(g.alerts)
	n := min(len(g.alerts), max(1, maxListedAlerts-b.listed))
	b.listed += n
	for _, a := range g.alerts[:n] {
		al := b.alert(a)
		inc.Alerts = append(inc.Alerts, al)
		if severityRank(al.Severity) > severityRank(inc.Severity) {
			inc.Severity = al.Severity
		}
		if al.Service != "" {
			count[al.Service]++
		}
	}
	for sv := range count {
		inc.Services = append(inc.Services, sv)
	}
	slices.SortFunc(inc.Services, func(x, y string) int { return cmp.Or(cmp.Compare(count[y], count[x]), cmp.Compare(x, y)) })
	if inc.Title == "" && len(inc.Alerts) > 0 {
		first := &inc.Alerts[0]
		inc.Title = strings.TrimSpace(first.Service + " " + cmp.Or(first.Summary, first.Name, first.ID))
	}
}

func (b *builder) alert(a int) providers.Alert {
	m := &b.all[a]
	if m.c.item(m.row()) == nil {
		b.decoded++
	}
	if b.decoded <= maxDecodedAlerts {
		if ev, err := b.s.event(m.c, m.row()); err == nil && ev.Alert != nil {
			return *ev.Alert
		}
	}
	r := b.s.line(m.c, m.row())
	return providers.Alert{
		ID: r.ID, Provider: r.Provider, Service: r.Service, Environment: r.Environment, StartsAt: r.At, EndsAt: r.End, State: r.State,
	}
}

// severityRank orders the words that alerting systems use. A word that nobody knows is above none at all.
func severityRank(s string) int {
	switch strings.ToLower(s) {
	case "":
		return 0
	case "critical", "page", "emergency", "sev1", "p1":
		return 5
	case "error", "high", "major", "sev2", "p2":
		return 4
	case "warning", "warn", "medium", "sev3", "p3":
		return 3
	case "info", "low", "notice", "minor", "sev4", "p4":
		return 2
	default:
		return 1
	}
}
