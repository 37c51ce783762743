package probe

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// What the checks measured is kept beside their alerts, so that every process ranks an incident by the same calls. It is
// bounded: the newest calls of each check, all checks together, and how long they say anything.
const (
	callsFile    = "calls"
	callsFormat  = "backout.probe-calls/v1"
	callsFor     = 2 * time.Hour
	callsEvery   = 5 * time.Second // while somebody watches
	maxKeptCalls = 100_000         // of all checks; a call is at most 30 bytes of the file
	maxKeptOf    = 500             // checks
	maxCallsFile = 4 << 20         // bytes; what is larger was not written by this program
)

// keptCalls is the file. A check is named by its archive key, which holds what is asked and for which environment, and by
// what is taken for a success.
type keptCalls struct {
	Format string               `json:"format"`
	Checks map[string]keptCheck `json:"checks"`
}

// keptCheck is the calls of one check, oldest first: each the milliseconds since the one before it, 1 for a success or 0,
// and the microseconds it took.
type keptCheck struct {
	From  int64      `json:"from_ms"` // Unix time of the first
	Calls [][3]int64 `json:"calls"`
}

func (c *check) callsKey() string {
	rule := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s\x00%d", c.set.Method, c.set.ExpectStatus, c.set.ExpectBody, c.set.MaxLatency))
	return c.key() + " " + hex.EncodeToString(rule[:4])
}

// packed makes the form that is kept.
func packed(points []point) keptCheck {
	k := keptCheck{From: points[0].at, Calls: make([][3]int64, 0, len(points))}
	last := k.From
	for _, p := range points {
		k.Calls = append(k.Calls, [3]int64{p.at - last, p.ok, p.took})
		last = p.at
	}
	return k
}

// unpacked gives the calls back that were made in the last hours and not later than now.
func (k keptCheck) unpacked(now time.Time) ([]point, error) {
	oldest, newest := now.Add(-callsFor).UnixMilli(), now.UnixMilli()
	var out []point
	at := k.From
	for _, c := range k.Calls {
		if c[0] < 0 || c[1] < 0 || c[1] > 1 || c[2] < 0 {
			return nil, errors.New("it holds what no check measured")
		}
		if at += c[0]; at > newest {
			break
		}
		if at >= oldest {
			out = append(out, point{at: at, ok: c[1], took: c[2]})
		}
	}
	return out, nil
}

// archivedCalls reads what some process kept, by check. What cannot be read is as if it were not there.
func (p *Provider) archivedCalls(ctx context.Context) map[string][]point {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookLimit)
	defer cancel()
	data, err := p.env.Archive.Get(ctx, p.env.Name, callsFile)
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	var doc keptCalls
	switch {
	case err != nil:
	case len(data) > maxCallsFile:
		err = fmt.Errorf("it is larger than %d bytes", maxCallsFile)
	default:
		err = json.Unmarshal(data, &doc)
	}
	if err == nil && doc.Format != callsFormat {
		err = fmt.Errorf("its format is %q, not %q", providers.Clean(doc.Format), callsFormat)
	}
	all, now := map[string][]point{}, p.env.Now()
	for key, k := range doc.Checks {
		points, bad := k.unpacked(now)
		if err = cmp.Or(err, bad); err != nil {
			break
		}
		if len(points) > 0 {
			all[key] = points
		}
	}
	if newly(&p.unreadCalls, err) {
		p.env.Log.Warn("calls that were measured earlier are ignored", "error", err)
	}
	if err != nil {
		return nil
	}
	return all
}

// learnCalls takes over what other processes measured, and gives all that is known by now, by check. The caller holds shelf.
func (p *Provider) learnCalls(ctx context.Context) map[string][]point {
	all := p.archivedCalls(ctx)
	if all == nil {
		all = map[string][]point{}
	}
	recent := providers.Window{Since: p.env.Now().Add(-callsFor)}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.checks {
		c.series.merge(all[c.callsKey()])
		if points := c.series.within(recent); len(points) > 0 {
			all[c.callsKey()] = points
		}
	}
	return all
}

// syncCalls takes over what other processes measured.
func (p *Provider) syncCalls(ctx context.Context) {
	p.shelf.Lock()
	defer p.shelf.Unlock()
	p.learnCalls(ctx)
}

// keepCalls writes what was measured, together with what others wrote since. One that writes at the same instant loses
// nothing: what it knows is written again with its next call.
func (p *Provider) keepCalls(ctx context.Context) {
	p.shelf.Lock()
	defer p.shelf.Unlock()
	p.mu.Lock()
	measured := p.measured
	p.mu.Unlock()
	if measured == p.kept {
		return
	}
	all := p.learnCalls(ctx)
	own := map[string]bool{}
	for _, c := range p.checks {
		own[c.callsKey()] = true
	}
	data, err := json.Marshal(keptCalls{Format: callsFormat, Checks: boundCalls(all, own)})
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookLimit)
		defer cancel()
		err = p.env.Archive.Put(ctx, p.env.Name, callsFile, data)
	}
	if err == nil {
		p.kept = measured
	}
	if newly(&p.unkeptCalls, err) {
		p.env.Log.Warn("calls cannot be kept: the next process will rank without them", "error", err)
	}
}

// boundCalls drops the checks of other configurations that nobody asked for longest, and the oldest calls of each check.
func boundCalls(all map[string][]point, own map[string]bool) map[string]keptCheck {
	keys := slices.Collect(maps.Keys(all))
	slices.SortFunc(keys, func(a, b string) int {
		if own[a] != own[b] {
			return map[bool]int{true: -1, false: 1}[own[a]]
		}
		return cmp.Or(cmp.Compare(all[b][len(all[b])-1].at, all[a][len(all[a])-1].at), cmp.Compare(a, b))
	})
	keys = keys[:min(len(keys), maxKeptOf)]
	out := make(map[string]keptCheck, len(keys))
	for _, key := range keys {
		points := all[key]
		out[key] = packed(points[max(0, len(points)-maxKeptCalls/len(keys)):])
	}
	return out
}

// newly reports that something goes wrong that went well the last time, so that the log says it once.
func newly(wrong *bool, err error) bool {
	first := err != nil && !*wrong
	*wrong = err != nil
	return first
}

// shelve keeps what is measured while somebody watches.
func (p *Provider) shelve(ctx context.Context) {
	for pause(ctx, callsEvery, nil) {
		p.keepCalls(ctx)
	}
}
