package rollback

import (
	"strconv"
	"testing"
)

// The protocol as a model: two units go back in order, B (bad) to A (good), two executors work on the run. Any
// executor may crash at any point, a lease may run out under a holder that is only slow, a request may be answered too
// late, and somebody else may switch a unit to A, B or C at any moment. Every interleaving is explored. What a look means
// is judged by the engine's own see.
//
// A pause has no step of its own here: it is an executor that takes its time between a look and an intent, and looks again
// before it goes on. Any executor here may stand still there for as long as everybody else does anything, without even
// looking again.
//
// A temporary measure has no step of its own here either. It is written in the transaction of the intent of the step that sets
// it, and settled in that of the step's result: there is no moment in which one of the two is there without the other, so what
// holds for steps holds for measures. That step is an ordinary one, except that its goal cannot be seen in the content: it is
// handed in again under the same operation, and the target says that it was done. Lifting is one more such step, of an
// operation that ends only with a look. TestMeasureFailpoints stops processes at each of these writes.

// protections can be taken away one by one, to show that each of them matters.
// Memory: what a look finds is no answer to an attempt whose outcome nobody knows.
type protections struct{ lease, fence, observe, stamp, intent, cas, memory bool }

var full = protections{true, true, true, true, true, true, true}

const (
	contentB = iota
	contentA
	contentC
)

type modelUnit struct {
	content, stamp, version uint8 // stamp: 0 none, 1 this run, 2 somebody else
	effects                 uint8 // of this run
	newer                   bool  // switched by somebody else since this run's first intent
}

const (
	stepPending = iota
	stepIntended
	stepDone
)

const (
	runOpen = iota
	runDone
	runSuperseded
	runRestored
)

const (
	atStart = iota
	atLook
	atIntent
	atSend
	atWait
	atResult
	atEnding // what was seen is journaled, the end of the run is not yet
	atEnd
)

type modelExecutor struct {
	at, step, version, token uint8
	landed                   bool // what the answer says
	resumed                  bool
	ending                   uint8 // how the run is about to end
}

// request is on its way to the target; by is the executor that still waits for the answer, or none.
type request struct {
	live          bool
	step, version uint8
	by            uint8
}

type model struct {
	units                                [2]modelUnit
	steps                                [2]uint8
	versions                             [2]uint8 // the condition of the last intent
	run                                  uint8
	holder, token                        uint8 // 0 nobody
	ex                                   [2]modelExecutor
	wire                                 [3]request
	crashes, expiries, foreign, timeouts uint8
	foreignEver                          bool
}

type violations struct{ double, overwrote, falseDone, falseConflict, stuck int }

func explore(p protections, crashes, expiries, foreign, timeouts uint8) (states int, v violations) {
	first := model{crashes: crashes, expiries: expiries, foreign: foreign, timeouts: timeouts}
	seen := map[model]struct{}{first: {}}
	queue := []model{first}
	for len(queue) > 0 {
		m := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		states++
		m.judge(&v)
		progress := false
		m.next(p, func(n model, fault bool) {
			progress = progress || !fault
			if _, ok := seen[n]; !ok {
				seen[n] = struct{}{}
				queue = append(queue, n)
			}
		})
		if !progress && m.run == runOpen {
			v.stuck++
		}
	}
	return states, v
}

// judge counts what is wrong with a state. The effects are counted where they happen, in land.
func (m *model) judge(v *violations) {
	for _, u := range m.units {
		if u.effects > 1 {
			v.double++
		}
		if u.newer && u.stamp == 1 {
			v.overwrote++
		}
	}
	if m.run == runDone && (m.units[0].effects == 0 || m.units[1].effects == 0) {
		v.falseDone++
	}
	if (m.run == runSuperseded || m.run == runRestored) && !m.foreignEver {
		v.falseConflict++
	}
}

func (m model) next(p protections, yield func(model, bool)) {
	for k := range m.ex {
		m.executor(p, k, yield)
		if m.ex[k].at != atStart && m.ex[k].at != atEnd && m.crashes > 0 {
			n := m
			n.crashes--
			n.forget(k)
			n.ex[k] = modelExecutor{resumed: true}
			yield(n, true)
		}
	}
	// A dead holder's lease always runs out; that of a slow one is a fault.
	if m.holder != 0 {
		n := m
		n.holder = 0
		if m.ex[m.holder-1].at == atStart || m.ex[m.holder-1].at == atEnd {
			yield(n, false)
		} else if m.expiries > 0 {
			n.expiries--
			yield(n, true)
		}
	}
	for i := range m.wire {
		if m.wire[i].live {
			yield(m.land(p, i), false)
		}
	}
	if m.foreign > 0 {
		for u := range m.units {
			for content := range uint8(3) {
				n := m
				n.foreign--
				n.foreignEver = true
				n.units[u].content, n.units[u].stamp = content, 2
				n.units[u].version++
				n.units[u].newer = m.steps[u] != stepPending
				yield(n, true)
			}
		}
	}
}

func (m *model) forget(k int) {
	for i := range m.wire {
		if m.wire[i].live && m.wire[i].by == uint8(k+1) {
			m.wire[i].by = 0
		}
	}
}

// land is the moment in which a request reaches the target.
func (m model) land(p protections, i int) model {
	r := m.wire[i]
	m.wire[i] = request{}
	u := &m.units[r.step]
	ok := !p.cas || u.version == r.version
	if ok {
		if u.content != contentB {
			u.newer = u.newer || u.stamp == 2
		}
		u.content, u.stamp = contentA, 1
		u.version++
		u.effects++
	}
	if r.by != 0 {
		m.ex[r.by-1].at, m.ex[r.by-1].landed = atResult, ok
	}
	return m
}

// fenced reports whether executor k may write to the journal.
func (m *model) fenced(p protections, k int) bool {
	return p.fence && p.lease && m.token != m.ex[k].token
}

func (m model) executor(p protections, k int, yield func(model, bool)) {
	e := &m.ex[k]
	switch e.at {
	case atStart:
		if m.run != runOpen || (p.lease && m.holder != 0) {
			return
		}
		m.holder = uint8(k + 1)
		m.token++
		*e = modelExecutor{at: atLook, token: m.token, resumed: true}
		if !p.lease {
			m.holder, m.token, e.token = 0, 0, 0
		}
		yield(m, false)
	case atLook:
		m.look(p, k, yield)
	case atIntent:
		yield(m.intend(p, k), false)
	case atSend:
		m.send(k, yield)
	case atWait:
		if m.timeouts > 0 {
			m.timeouts--
			m.forget(k)
			e.at = atLook
			yield(m, true)
		}
	case atResult:
		m.result(p, k, yield)
	case atEnding:
		yield(m.end(p, k), false)
	case atEnd:
	}
}

func (m model) intend(p protections, k int) model {
	e := &m.ex[k]
	if p.intent && (m.fenced(p, k) || m.run != runOpen) {
		m.restart(k)
		return m
	}
	if p.intent {
		m.steps[e.step], m.versions[e.step] = stepIntended, e.version
	}
	e.at = atSend
	return m
}

func (m model) send(k int, yield func(model, bool)) {
	e := &m.ex[k]
	for i := range m.wire {
		if !m.wire[i].live {
			m.wire[i] = request{live: true, step: e.step, version: e.version, by: uint8(k + 1)}
			e.at = atWait
			yield(m, false)
			return
		}
	}
}

// restart lets a fenced executor begin again from nothing.
func (m *model) restart(k int) { m.ex[k] = modelExecutor{at: atStart} }

func (m model) result(p protections, k int, yield func(model, bool)) {
	e := &m.ex[k]
	switch {
	case m.fenced(p, k) || m.run != runOpen:
		m.restart(k)
	case e.landed:
		m.steps[e.step] = stepDone
		e.at = atLook
	case !p.observe:
		m.run, e.at = runSuperseded, atEnd
	default:
		e.at = atLook
	}
	e.landed = false
	yield(m, false)
}

func (m model) look(p protections, k int, yield func(model, bool)) {
	e := &m.ex[k]
	if m.fenced(p, k) || m.run != runOpen {
		m.restart(k)
		if m.run != runOpen {
			m.ex[k].at = atEnd
		}
		yield(m, false)
		return
	}
	e.step = 0
	if m.steps[0] == stepDone {
		e.step = 1
	}
	if m.steps[e.step] == stepDone {
		m.run, e.at = runDone, atEnd
		yield(m, false)
		return
	}
	u, attempted := m.units[e.step], m.steps[e.step] == stepIntended
	if attempted && !p.observe {
		e.version, e.at = m.versions[e.step], atSend
		yield(m, false)
		return
	}
	switch m.see(p, u, e.step, attempted) {
	case sightReady:
		e.version, e.at = u.version, atIntent
	case sightOurs:
		m.steps[e.step] = stepDone
	case sightForeign, sightUndecidable:
		e.ending, e.at = runRestored, atEnding
	case sightSuperseded, sightBusy:
		e.ending, e.at = runSuperseded, atEnding
		if !p.memory {
			m.steps[e.step] = stepPending
		}
	}
	yield(m, false)
}

// end journals how the run ended, in a transaction of its own after that of what was seen.
func (m model) end(p protections, k int) model {
	e := &m.ex[k]
	if m.fenced(p, k) || m.run != runOpen {
		m.restart(k)
		return m
	}
	m.run, e.at, e.ending = e.ending, atEnd, 0
	return m
}

// see asks the engine. Without stamps a model of a careless engine takes every goal for its own work.
func (m *model) see(p protections, u modelUnit, step uint8, attempted bool) sight {
	names := [...]string{contentB: "B", contentA: "A", contentC: "C"}
	o := Observation{Current: Revision{Digest: names[u.content]}, Token: strconv.Itoa(int(u.version))}
	s := Step{From: "B", To: "A", Token: strconv.Itoa(int(m.versions[step]))}
	if p.stamp {
		o.Stamp = [...]string{"", "run", "else"}[u.stamp]
	} else if u.content == contentA && attempted {
		return sightOurs
	}
	return see(o, s, "run", attempted)
}

func TestProtocolModel(t *testing.T) {
	t.Parallel()
	states, v := explore(full, 2, 2, 1, 1)
	t.Logf("full protocol: %d states, %+v", states, v)
	if v != (violations{}) {
		t.Errorf("the protocol allows %+v", v)
	}
	if states < 10_000 {
		t.Errorf("only %d states: the model does not explore", states)
	}
}

// Without each protection something goes wrong that the full protocol prevents.
func TestProtocolModelAblations(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		without func(*protections)
		shows   func(violations) int
	}{
		"target compare-and-set":       {func(p *protections) { p.cas = false }, func(v violations) int { return min(v.double, v.overwrote) }},
		"operation stamp":              {func(p *protections) { p.stamp = false }, func(v violations) int { return v.falseDone }},
		"intent record":                {func(p *protections) { p.intent = false }, func(v violations) int { return v.falseConflict + v.double + v.overwrote }},
		"observe on resume":            {func(p *protections) { p.observe = false }, func(v violations) int { return v.falseConflict }},
		"memory of an unknown attempt": {func(p *protections) { p.memory = false }, func(v violations) int { return min(v.double, v.overwrote) }},
		"compare-and-set, lease held":  {func(p *protections) { p.cas, p.observe = false, false }, func(v violations) int { return v.double }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := full
			c.without(&p)
			crashes := uint8(1)
			if !p.memory {
				crashes = 2 // of the process that acted, and of the one that looked
			}
			states, v := explore(p, crashes, 1, 1, 1)
			t.Logf("without %s: %d states, %+v", name, states, v)
			if c.shows(v) == 0 {
				t.Errorf("nothing goes wrong without it: %+v", v)
			}
		})
	}
}
