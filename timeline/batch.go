package timeline

import (
	"reflect"

	"github.com/backout-dev/backout/providers"
)

// batch collects what one call changes, so that each chunk is copied once and one snapshot is published.
type batch struct {
	s       *Store
	touched []*entry // whose line must be made anew
	remove  []row
	insert  []row
	hits    []loc
	forms   bool // what incidents are made of changed
}

func (b *batch) put(k key, ev providers.Event) {
	s := b.s
	e := s.entries[k]
	if e != nil {
		e.said = s.seq
	}
	if e != nil && reflect.DeepEqual(e.event, ev) {
		return
	}
	known := e != nil
	if !known {
		e = &entry{key: k, seq: s.seq, said: s.seq}
		s.entries[k] = e
		h := s.hash.of(s.dict.code(k.provider), []byte(k.id), alertFlag(k.alert))
		s.byHash[h] = e
		known = b.takeIndexed(h, e)
	}
	b.leave(e)
	e.event, e.joins = ev, joinsOf(ev)
	if a := ev.Alert; a != nil {
		b.forms = true
		e.fires(a.State, known, s.seq)
	}
	for _, j := range e.joins {
		if s.joins[j] == nil {
			s.joins[j] = newJoint()
		}
		s.joins[j].add(e)
		if len(s.joins[j].entries) == maxJoined+1 {
			b.touchAll(j)
		}
		b.hits = append(b.hits, s.indexedJoins(j, e)...)
	}
	b.touched = append(b.touched, e)
}

func alertFlag(alert bool) uint8 {
	if alert {
		return flagAlert
	}
	return 0
}

// takeIndexed removes the indexed row of the same key, and reports whether there was one: the decoded report stands in its
// place from now on.
func (b *batch) takeIndexed(h uint64, e *entry) bool {
	at, ok := b.s.table.get(h)
	if !ok {
		return false
	}
	r, ok := b.s.locate(at, h)
	if !ok {
		return false
	}
	b.remove = append(b.remove, r)
	e.seq = b.s.sources[r.src].seq
	e.fired = flagState(r.flags) != providers.AlertSuppressed
	return true
}

// leave takes an entry out of its line and out of the sets it is joined by. The others of that line get a new one.
func (b *batch) leave(e *entry) {
	for _, j := range e.joins {
		at := b.s.joins[j]
		linked := at.links(j)
		at.remove(e)
		if len(at.entries) == 0 {
			delete(b.s.joins, j)
		}
		if linked && len(at.entries) <= maxJoined {
			b.touchAll(j)
		}
	}
	b.drop(e.item)
}

func (b *batch) touchAll(join string) {
	if at := b.s.joins[join]; at != nil {
		for o := range at.entries {
			b.touched = append(b.touched, o)
		}
	}
}

// drop removes the line of an item, once.
func (b *batch) drop(it *item) {
	if it == nil || it.members[0].item != it {
		return
	}
	b.remove = append(b.remove, b.s.encode(it))
	b.forms = b.forms || (it.event.Change != nil && it.event.Change.Cured())
	for _, m := range it.members {
		if m.item == it {
			m.item = nil
			b.touched = append(b.touched, m)
		}
	}
}

func (b *batch) retract(k key) {
	s := b.s
	h := s.hash.of(s.dict.code(k.provider), []byte(k.id), alertFlag(k.alert))
	if e := s.entries[k]; e != nil {
		b.forms = b.forms || k.alert
		b.leave(e)
		e.event = providers.Event{}
		delete(s.entries, k)
		delete(s.byHash, h)
		return
	}
	if at, ok := s.table.get(h); ok {
		if r, ok := s.locate(at, h); ok {
			b.remove, b.forms = append(b.remove, r), b.forms || k.alert
		}
	}
}

// commit makes the lines of everything that was touched and publishes.
func (b *batch) commit() {
	done := map[*entry]bool{}
	for i := 0; i < len(b.touched); i++ {
		e := b.touched[i]
		if done[e] || e.event == (providers.Event{}) {
			continue
		}
		group := b.s.changesAround(e, done)
		for _, members := range group {
			b.line(members, group)
		}
	}
	if len(b.remove) == 0 && len(b.insert) == 0 {
		return
	}
	b.s.chunks = edit(b.s.dict.names, b.s.chunks, b.remove, b.insert)
	if b.forms {
		b.s.cell = &incidentCell{}
	}
	b.s.publish()
}

// line puts one change or alert on the timeline in place of the lines that its reports had. Group is everything that
// hangs together with it.
func (b *batch) line(members []*entry, group [][]*entry) {
	for _, m := range members {
		b.drop(m.item)
	}
	it := merged(members)
	if len(group) > 1 {
		attribute(it, group)
	}
	for _, m := range members {
		m.item = it
	}
	b.forms = b.forms || (it.event.Change != nil && it.event.Change.Cured())
	b.insert = append(b.insert, b.s.encode(it))
}

// changesAround finds everything that hangs together with e by commits and digests, marks it done, and divides it.
func (s *Store) changesAround(e *entry, done map[*entry]bool) [][]*entry {
	done[e] = true
	group := []*entry{e}
	seen := map[*joint]bool{}
	for i := 0; i < len(group); i++ {
		for _, j := range group[i].joins {
			at := s.joins[j]
			if seen[at] || !at.links(j) || len(at.entries) > maxJoined {
				continue
			}
			seen[at] = true
			for o := range at.entries {
				if !done[o] {
					done[o] = true
					group = append(group, o)
				}
			}
		}
	}
	if len(group) == 1 {
		return [][]*entry{group}
	}
	return s.Merging.orDefaults().clusters(group)
}
