package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

// Break makes the bad thing happen, once: what is to land lands and goes live, or a backing process dies. It returns
// when it has happened, which is before anybody notices.
func (w *World) Break(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.children) == 0 || w.truth.Happened {
		return errors.New("break the shop: it is not running, or is broken already")
	}
	if w.cluster != nil {
		if err := w.stick(ctx); err != nil {
			return err
		}
	}
	now := w.now().UTC()
	hashes := make([]string, len(w.scenario.comes))
	truth := Truth{Happened: true, Services: w.scenario.back}
	for i, l := range w.scenario.comes {
		hash, err := w.repo.land(ctx, l, now.Add(-l.age), "")
		if err != nil {
			return err
		}
		hashes[i] = hash
		if i == w.scenario.culprit {
			truth.Commit = hash
			truth.Title, _, _ = strings.Cut(l.message, "\n")
			truth.Cause = "the release of " + strings.Join(l.releases, " and ")
		}
	}
	if len(hashes) > 0 {
		if err := w.repo.checkout(ctx); err != nil {
			return err
		}
	}
	if err := w.goLive(ctx, hashes); err != nil {
		return err
	}
	if err := w.switchOn(ctx); err != nil {
		return err
	}
	if c := w.child(w.scenario.dies); c != nil {
		c.kill()
		truth.Cause = "the process " + c.name + " died"
	}
	w.truth, w.broken = truth, now
	return nil
}

// goLive releases what landed as these commits, the last one first, and in a cluster waits until all of it serves.
func (w *World) goLive(ctx context.Context, hashes []string) error {
	var live []string
	for i := len(hashes) - 1; i >= 0; i-- {
		for _, service := range w.scenario.comes[i].releases {
			at := w.repo.at(hashes[i])
			if err := w.migrate(ctx, at, service, w.now()); err != nil {
				return err
			}
			if err := w.ground().release(ctx, at, service, w.scenario.comes[i], w.now()); err != nil {
				return err
			}
			live = append(live, service)
		}
	}
	if w.cluster == nil {
		return nil
	}
	for _, service := range live {
		if err := w.cluster.complete(ctx, service); err != nil {
			return err
		}
	}
	return nil
}

// stick releases what does no harm, and then what never serves, and waits until that is seen.
func (w *World) stick(ctx context.Context) error {
	for _, step := range []struct {
		l    *landing
		seen func(ctx context.Context, service string) error
	}{{w.scenario.early, w.cluster.complete}, {w.scenario.stuck, w.cluster.stands}} {
		if step.l == nil {
			continue
		}
		if _, err := w.repo.land(ctx, *step.l, w.now().UTC().Add(-step.l.age), ""); err != nil {
			return err
		}
		for _, service := range step.l.releases {
			if err := w.ground().release(ctx, w.repo, service, *step.l, w.now()); err != nil {
				return err
			}
			if err := step.seen(ctx, service); err != nil {
				return err
			}
		}
	}
	return nil
}

// BrokenAt is when the bad thing began to happen; zero before.
func (w *World) BrokenAt() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// Truth is what really happened.
func (w *World) Truth() Truth {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.truth
}

// Restart starts a process of the shop again, where it was before, whether it runs or not.
func (w *World) Restart(ctx context.Context, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.child(name)
	if c == nil || w.closed {
		return fmt.Errorf("restart %s: the shop does not run it", name)
	}
	c.stop()
	return w.spawn.start(ctx, c, c.addr)
}

// Cured asks the shop itself, every service with every kind of cart, whether all is well, and says what is not.
func (w *World) Cured(ctx context.Context) (bool, string) {
	w.mu.Lock()
	ask := units(w.addr)
	w.mu.Unlock()
	return well(ctx, ask)
}

func well(ctx context.Context, services []unit) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	asked, bad, first := 0, 0, ""
	for _, u := range services {
		target, err := url.Parse(u.URL)
		if err != nil {
			return false, err.Error()
		}
		for _, cart := range shop.Carts() {
			q := target.Query()
			for k, v := range cart {
				q[k] = v
			}
			target.RawQuery = q.Encode()
			asked++
			if err := ask(ctx, client, target.String(), nil); err != nil {
				bad++
				if first == "" {
					first = u.Name + ": " + err.Error()
				}
			}
		}
	}
	if bad > 0 {
		return false, fmt.Sprintf("%d of %d requests fail, first %s", bad, asked, first)
	}
	return true, fmt.Sprintf("all of %d requests succeed", asked)
}

// Load is what the shop's customers met so far.
func (w *World) Load(ctx context.Context) (shop.Stats, error) {
	w.mu.Lock()
	addr := w.addr("load")
	w.mu.Unlock()
	var s shop.Stats
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if err := ask(ctx, client, "http://"+addr+"/stats", &s); err != nil {
		return s, fmt.Errorf("ask the shop's customers: %w", err)
	}
	return s, nil
}

// ask gets one page; any answer but 200 is an error. into may be nil.
func ask(ctx context.Context, client *http.Client, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%d %s", resp.StatusCode, strings.TrimSpace(string(body)))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}
