package timeline

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/backout-dev/backout/providers"
)

// prompt is how long after a delivery began what it brings does at the latest. Hooks may hold it up for longer: then the two
// stay apart, which hides nothing.
const prompt = 2 * time.Minute

// slack is how much earlier than what delivered it a change may be told: the clocks of two systems differ, and some write
// their own record last.
const slack = 5 * time.Second

// delivered puts what was delivered by another change into that change: the rollout that a release made is the release. A
// delivery may bring several changes of one provider. Of deliveries by the same hand the last one before a change brought it.
func delivered(groups [][]*entry) [][]*entry {
	heads := headsOf(groups)
	hosts := hostsOf(groups, heads)
	stand(groups, heads, hosts)
	brought := map[int][]*entry{}
	for i, g := range groups {
		if at := rootOf(i, hosts); at != i {
			brought[at] = append(brought[at], g...)
		}
	}
	var out [][]*entry
	for i, g := range groups {
		if _, ok := hosts[i]; ok {
			continue
		}
		slices.SortFunc(brought[i], compareEntries)
		out = append(out, append(g, brought[i]...))
	}
	return out
}

// headsOf are the reports that name themselves as a delivery, by the group that they stand in.
func headsOf(groups [][]*entry) map[int]*entry {
	heads := map[int]*entry{}
	for i, g := range groups {
		for _, e := range g {
			if heads[i] == nil && e.event.Change.Delivers != "" {
				heads[i] = e
			}
		}
	}
	return heads
}

// hostsOf says which group brought which other one, as far as the reports tell.
func hostsOf(groups [][]*entry, heads map[int]*entry) map[int]int {
	hosts := map[int]int{}
	for i, g := range groups {
		for j, head := range heads {
			// What delivers something itself may have been brought by what stands before it: so nothing goes in circles.
			if i == j || (heads[i] != nil && j > i) || !delivers(head, g) {
				continue
			}
			if h, ok := hosts[i]; !ok || closer(g[0], head, heads[h]) {
				hosts[i] = j
			}
		}
	}
	return hosts
}

// stand takes out of hosts what no delivery has brought or may hide. Once was the delivery, twice was somebody else as well.
// And a delivery that is no unit itself goes back by what it brought, which must be one unit to be named by it.
func stand(groups [][]*entry, heads map[int]*entry, hosts map[int]int) {
	seen := map[string]bool{}
	units := map[int]map[string]bool{}
	for i, g := range groups {
		h, ok := hosts[i]
		if !ok {
			continue
		}
		if seen[unitIn(h, g)] {
			delete(hosts, i)
			continue
		}
		seen[unitIn(h, g)] = true
		if units[h] == nil {
			units[h] = map[string]bool{}
		}
		units[h][g[0].event.Change.Unit] = true
	}
	for i := range groups {
		if h, ok := hosts[i]; ok && heads[h].event.Change.Unit == "" && len(units[h]) > 1 {
			delete(hosts, i)
		}
	}
}

// unitIn names what a change was made to within a delivery.
func unitIn(host int, g []*entry) string {
	c := g[0].event.Change
	return strconv.Itoa(host) + " " + string(c.Kind) + " " + cmp.Or(c.Unit, c.ID)
}

// closer reports whether a rather than b brought what e tells of: the last one before it did, else the first one after it.
func closer(e, a, b *entry) bool {
	at := e.event.Change.At()
	afterA, afterB := a.event.Change.At().After(at), b.event.Change.At().After(at)
	if afterA != afterB {
		return afterB
	}
	if afterA {
		a, b = b, a
	}
	return compareEntries(a, b) > 0
}

// rootOf follows deliveries to the first one: the release that brought a rollout may have been brought by a reconciler.
func rootOf(i int, hosts map[int]int) int {
	for {
		h, ok := hosts[i]
		if !ok {
			return i
		}
		i = h
	}
}

// delivers reports whether a delivery is told to have brought what the reports of a change tell of, and that at the time.
func delivers(head *entry, g []*entry) bool {
	by := head.event.Change
	return slices.ContainsFunc(g, func(e *entry) bool {
		c := e.event.Change
		d := c.At().Sub(by.At())
		return e.key.provider != head.key.provider && slices.Contains(c.Within, by.Delivers) &&
			!c.At().IsZero() && !by.At().IsZero() && d >= -slack && d <= prompt && agree(by.Environment, c.Environment)
	})
}

// wentTo is what a delivery changed where that was one thing: its own name for itself may say nothing of the content.
func wentTo(all []*providers.Change) (from, to string, ok bool) {
	for _, c := range all {
		if len(c.Within) == 0 || c.Kind != providers.KindDeploy || c.To == "" {
			continue
		}
		if ok && (c.From != from || c.To != to) {
			return "", "", false
		}
		from, to, ok = c.From, c.To, true
	}
	return from, to, ok && len(all) > 1
}
