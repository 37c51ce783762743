//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// consoleMeasurements drive the real program in a pseudo-terminal. The function ends it.
func consoleMeasurements(f *feeds) ([]measurement, func()) {
	b := &built{}
	full := &million{feeds: f, built: b}
	what := fmt.Sprintf("console at %d events: ", f.events)
	return append([]measurement{
		{"console, every provider unreachable: exec to first frame", "100 ms", func(ctx context.Context, dir string) (result, error) {
			return firstFrame(ctx, b, dir)
		}},
		{what + "exec to all of them on screen", "1 s", full.onScreen},
		{what + "key to first output byte", "20 ms", func(ctx context.Context, _ string) (result, error) {
			t, err := full.open(ctx)
			if err != nil {
				return result{}, err
			}
			return keys(ctx, t)
		}},
		{what + "written in 5 s of idling", "0 bytes", func(ctx context.Context, _ string) (result, error) {
			t, err := full.open(ctx)
			if err != nil {
				return result{}, err
			}
			return idle(ctx, t)
		}},
		{what + "resident memory", "150 MB", func(ctx context.Context, _ string) (result, error) {
			t, err := full.open(ctx)
			if err != nil {
				return result{}, err
			}
			peak, now := memory(fmt.Sprint(t.cmd.Process.Pid))
			if peak == 0 {
				return result{skip: true, note: "this system does not say"}, nil
			}
			return result{value: mb(peak), within: peak <= 150<<20, note: "the most there was; " + mb(now) + " at the end"}, nil
		}},
	}, clusterMeasurements(f.settings, b)...), func() { full.close(); b.remove() }
}

// built is the real program, built once for all measurements.
type built struct{ dir, path string }

func (b *built) program(ctx context.Context) (string, error) {
	if b.path != "" {
		return b.path, nil
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "backout-built-*"); err != nil {
		return "", err
	}
	b.path, err = program(ctx, b.dir)
	return b.path, err
}

func (b *built) remove() { _ = os.RemoveAll(b.dir) } // a temporary directory: what stays is swept by the system

// firstFrame takes the time from exec until the header is on screen, where no provider ever answers: one of each, on an
// address that refuses, on one that accepts and stays silent, or with a path that is not there.
func firstFrame(ctx context.Context, b *built, dir string) (result, error) {
	program, err := b.program(ctx)
	if err != nil {
		return result{}, err
	}
	dead, silent, closeBoth, err := addresses(ctx)
	if err != nil {
		return result{}, err
	}
	defer closeBoth()
	if err := os.WriteFile(filepath.Join(dir, "backout.yaml"), []byte(unreachable(dead, silent)), 0o600); err != nil {
		return result{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, "kubeconfig"), []byte(strings.NewReplacer("DEAD", dead, "SILENT", silent).Replace(clusters)), 0o600); err != nil {
		return result{}, err
	}
	var first time.Duration
	var took []time.Duration
	for i := range 8 {
		t, err := run(ctx, program, dir)
		if err != nil {
			return result{}, err
		}
		at, err := t.text(ctx, 0, "[PROD]")
		if err := errors.Join(err, t.stop()); err != nil {
			return result{}, err
		}
		if i == 0 {
			first = at.Sub(t.start) // it makes the database, and is told apart
			continue
		}
		took = append(took, at.Sub(t.start))
	}
	d := median(took)
	note := fmt.Sprintf("median of %d, most %s; the very first start, which makes the database: %s", len(took), ms(slices.Max(took)), ms(first))
	return result{value: ms(d), within: d <= 100*time.Millisecond, note: note}, nil
}

// addresses are a loopback address where nobody listens, and one where connections are taken and never answered.
func addresses(ctx context.Context) (dead, silent string, stop func(), err error) {
	var lc net.ListenConfig
	gone, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", nil, err
	}
	dead = gone.Addr().String()
	if err := gone.Close(); err != nil {
		return "", "", nil, err
	}
	mute, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", nil, err
	}
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	return dead, mute.Addr().String(), func() { _ = mute.Close() }, nil
}

func unreachable(dead, silent string) string {
	_, port, _ := strings.Cut(silent, ":")
	return strings.NewReplacer("DEAD", dead, "SILENT", silent, "PORT", port).Replace(`environment: prod
state_dir: state
cache_dir: cache
providers:
  alertmanager: {url: "http://DEAD"}
  alerts-silent: {type: alertmanager, url: "http://SILENT"}
  prometheus: {url: "http://SILENT"}
  git: {path: not-there}
  file: {paths: [not-there.jsonl]}
  probe: {checks: [{name: up, service: shop, http: "http://SILENT/"}, {name: port, service: shop, tcp: "DEAD"}]}
  releases: {units: [{name: shop, path: not-there}]}
  releases-ssh:
    type: releases
    host: 127.0.0.1
    ssh_args: [-F, none, -p, "PORT", -o, StrictHostKeyChecking=no, -o, UserKnownHostsFile=/dev/null]
    units: [{name: far, path: /not-there}]
  exec: {commands: {changes: [sleep, "60"]}}
  kubernetes: {kubeconfig: kubeconfig, context: dead}
  kubernetes-silent: {type: kubernetes, kubeconfig: kubeconfig, context: silent}
  helm: {kubeconfig: kubeconfig, context: silent}
  argo-rollouts: {kubeconfig: kubeconfig, context: silent}
  gitops: {kubeconfig: kubeconfig, context: silent}
`)
}

const clusters = `apiVersion: v1
kind: Config
current-context: silent
contexts:
- {name: dead, context: {cluster: dead, user: nobody}}
- {name: silent, context: {cluster: silent, user: nobody}}
clusters:
- {name: dead, cluster: {server: "https://DEAD"}}
- {name: silent, cluster: {server: "https://SILENT"}}
users: [{name: nobody, user: {}}]
`

// million is one console that has a million events before it, shared by the measurements.
type million struct {
	feeds *feeds
	built *built
	home  string
	t     *terminal
}

// start starts a console on the feeds, and waits until it tells that all events are there.
func (m *million) start(ctx context.Context) (*terminal, time.Duration, error) {
	program, err := m.built.program(ctx)
	if err != nil {
		return nil, 0, err
	}
	feeds, err := m.feeds.write()
	if err != nil {
		return nil, 0, err
	}
	if m.home == "" {
		if m.home, err = os.MkdirTemp("", "backout-home-*"); err != nil {
			return nil, 0, err
		}
	}
	since := time.Since(firstEvent).Truncate(time.Hour) + 24*time.Hour
	text := fmt.Sprintf("environment: prod\nsince: %s\nproviders:\n  feed: {type: file, paths: [%q]}\n", since, filepath.Join(feeds, "*.jsonl"))
	if err := os.WriteFile(filepath.Join(m.home, "backout.yaml"), []byte(text), 0o600); err != nil {
		return nil, 0, err
	}
	t, err := run(ctx, program, m.home)
	if err != nil {
		return nil, 0, err
	}
	at, err := t.text(ctx, 0, " "+grouped(m.feeds.events)+" in ")
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("the console does not show all events: %w", err), t.stop())
	}
	return t, at.Sub(t.start), nil
}

// onScreen takes the time from exec until the console shows how many events there are, which it knows when all are read,
// merged and in order.
func (m *million) onScreen(ctx context.Context, _ string) (result, error) {
	var took []time.Duration
	for range 7 {
		t, d, err := m.start(ctx)
		if err != nil {
			return result{}, err
		}
		if err := t.stop(); err != nil {
			return result{}, err
		}
		took = append(took, d)
	}
	d := median(took)
	return result{value: ms(d), within: d <= time.Second, note: fmt.Sprintf("median of %d, best %s", len(took), ms(slices.Min(took)))}, nil
}

// open is the console that stays, once it is quiet, with all events in its window.
func (m *million) open(ctx context.Context) (*terminal, error) {
	if m.t != nil {
		return m.t, nil
	}
	t, _, err := m.start(ctx)
	if err != nil {
		return nil, err
	}
	m.t = t
	for _, key := range strings.Split(":window all\r", "") {
		if err := t.press(key); err != nil {
			return nil, err
		}
		if err := sleep(ctx, gap); err != nil {
			return nil, err
		}
	}
	return t, t.quiet(ctx, 3*time.Second)
}

func (m *million) close() {
	if m.t != nil {
		_ = m.t.stop() // it was killed; there is nothing to learn
	}
	_ = os.RemoveAll(m.home)
}

// keys moves the cursor and takes the time until the terminal gets the first byte of the answer.
func keys(ctx context.Context, t *terminal) (result, error) {
	took := make([]time.Duration, 0, 100)
	for i := range cap(took) {
		if err := sleep(ctx, gap); err != nil {
			return result{}, err
		}
		offset, start := t.written(), time.Now()
		key := "j"
		if i%3 == 2 {
			key = "k"
		}
		if err := t.press(key); err != nil {
			return result{}, err
		}
		at, err := t.after(ctx, offset)
		if err != nil {
			return result{}, err
		}
		took = append(took, at.Sub(start))
	}
	p95 := percentile(took, 95)
	note := fmt.Sprintf("p95 of %d keys; p50 %s, most %s", len(took), ms(median(took)), ms(slices.Max(took)))
	return result{value: ms(p95), within: p95 <= 20*time.Millisecond, note: note}, nil
}

// idle counts what is written while nothing happens. How old an answer is stands on the screen in steps (5, 10, 20, 30, 45 s,
// then each minute), and time does not stand still: the five seconds begin after the next of these steps.
func idle(ctx context.Context, t *terminal) (result, error) {
	offset := t.written()
	if _, err := t.after(ctx, offset); err != nil {
		return result{}, err
	}
	if err := t.quiet(ctx, 500*time.Millisecond); err != nil {
		return result{}, err
	}
	before := t.written()
	if err := sleep(ctx, 5*time.Second); err != nil {
		return result{}, err
	}
	n := t.written() - before
	note := fmt.Sprintf("an age on screen that goes on a step takes %d bytes", before-offset)
	return result{value: fmt.Sprintf("%d bytes", n), within: n == 0, note: note}, nil
}
