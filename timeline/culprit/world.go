package culprit

import (
	"slices"

	"github.com/backout-dev/backout/providers"
)

// world is who calls whom, with the hops from the services that alert.
type world struct {
	nodes   map[string]bool
	known   bool                      // there is at least one edge
	owner   map[string]string         // service -> owner
	down    map[string]map[string]int // alerting service -> services that it depends on -> hops; itself 0
	up      map[string]map[string]int // alerting service -> services that depend on it -> hops
	callers map[string][]string
}

func newWorld(services []providers.Service, edges []providers.Edge, alerting map[string]int, maxHops int) world {
	w := world{
		nodes: map[string]bool{}, owner: map[string]string{}, callers: map[string][]string{},
		down: map[string]map[string]int{}, up: map[string]map[string]int{},
	}
	callees := map[string][]string{}
	add := func(from, to string) {
		if from == "" || to == "" || from == to || slices.Contains(callees[from], to) {
			return
		}
		w.nodes[from], w.nodes[to], w.known = true, true, true
		callees[from] = append(callees[from], to)
		w.callers[to] = append(w.callers[to], from)
	}
	for i := range services {
		w.nodes[services[i].Name] = true
		w.owner[services[i].Name] = services[i].Owner
		for _, d := range services[i].DependsOn {
			add(services[i].Name, d)
		}
	}
	for _, e := range edges {
		switch e.Kind {
		case providers.EdgeCalls, providers.EdgeRequires, providers.EdgeContract, providers.EdgeConfig:
			add(e.From, e.To)
		default: // the other kinds say nothing of how symptoms spread
		}
	}
	for a := range alerting {
		w.down[a] = walk(callees, a, maxHops)
		w.up[a] = walk(w.callers, a, maxHops)
	}
	return w
}

// walk counts the hops from start, up to limit.
func walk(next map[string][]string, start string, limit int) map[string]int {
	hops := map[string]int{start: 0}
	at := []string{start}
	for d := 1; d <= limit && len(at) > 0; d++ {
		var then []string
		for _, n := range at {
			for _, m := range next[n] {
				if _, ok := hops[m]; !ok {
					hops[m] = d
					then = append(then, m)
				}
			}
		}
		at = then
	}
	return hops
}
