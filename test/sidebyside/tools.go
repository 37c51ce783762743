package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tool is one way to take the Deployment back.
type tool struct {
	name    string
	history func(context.Context, *world) error               // makes the three revisions
	back    func(context.Context, *world) (exit int, _ error) // the commands that are timed
	// known is when the tool itself knew that all had arrived, from its own record; nil: it keeps none.
	known func(context.Context, *world) (time.Duration, error)
}

const (
	kubectlTold  = "kubectl, told"
	backoutAlone = "backout"
)

func tools() []tool {
	return []tool{
		{name: "kubectl", history: applied, back: undo("rollout", "undo", "deployment/pay")},
		{name: kubectlTold, history: applied, back: undo("rollout", "undo", "deployment/pay", "--to-revision=1")},
		{name: "helm", history: released, back: func(ctx context.Context, w *world) (int, error) {
			_, code, err := w.command(ctx, w.helm, "rollback", "pay", "--wait", "--timeout=20s")
			return code, err
		}},
		{name: backoutAlone, history: watched, back: takenBack, known: verifying},
	}
}

// applied makes the revisions as a pipeline with kubectl does.
func applied(ctx context.Context, w *world) error {
	return w.apply(ctx, func() error { return nil })
}

// watched is applied where somebody looked with backout while the good revision served: what nobody saw is not known to it.
func watched(ctx context.Context, w *world) error {
	if err := configured(w); err != nil {
		return err
	}
	return w.apply(ctx, func() error {
		select {
		case <-time.After(2 * soak):
		case <-ctx.Done():
			return ctx.Err()
		}
		_, _, err := w.command(ctx, w.backout, "plan", w.unit()) // there is nothing to go back to yet
		return err
	})
}

// apply calls served while the good revision is all there is.
func (w *world) apply(ctx context.Context, served func() error) error {
	for _, v := range versions {
		if _, err := w.kubectl(ctx, strings.ReplaceAll(deployment, "TAG", v), "apply", "-f", "-"); err != nil {
			return err
		}
		if err := w.settled(ctx, v); err != nil {
			return err
		}
		if v == good {
			if err := served(); err != nil {
				return err
			}
		}
	}
	return nil
}

// released makes them as Helm releases.
func released(ctx context.Context, w *world) error {
	chart := filepath.Join(w.home, "chart")
	for name, text := range map[string]string{
		"Chart.yaml": "{apiVersion: v2, name: pay, version: 1.0.0}", "values.yaml": "{tag: v1}",
		"templates/pay.yaml": strings.ReplaceAll(deployment, "TAG", "{{ .Values.tag }}"),
	} {
		path := filepath.Join(chart, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, v := range versions {
		out, code, err := w.command(ctx, w.helm, "upgrade", "--install", "pay", chart, "--namespace", w.namespace, "--set=tag="+v, "--wait", "--timeout=10s")
		if err != nil {
			return err
		}
		if (code == 0) == strings.HasSuffix(v, "broken") {
			return fmt.Errorf("helm upgrade to %s: exit code %d: %s", v, code, out)
		}
		if err := w.settled(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// undo is kubectl's, followed by its wait for the end.
func undo(args ...string) func(context.Context, *world) (int, error) {
	return func(ctx context.Context, w *world) (int, error) {
		kubectl := filepath.Join(w.home, "kubectl")
		out, code, err := w.command(ctx, kubectl, args...)
		if err == nil && code != 0 {
			err = fmt.Errorf("kubectl %v: exit code %d: %s", args, code, out)
		}
		if err != nil {
			return code, err
		}
		_, code, err = w.command(ctx, kubectl, "rollout", "status", "deployment/pay", "--timeout=40s")
		return code, err
	}
}

// hold is how long backout watches afterwards before it calls a rollback verified.
const hold = 2 * time.Second

// verifying is when a run of backout began to verify, which it does when all has arrived.
func verifying(ctx context.Context, w *world) (time.Duration, error) {
	var list struct{ Items []struct{ ID string } }
	out, _, err := w.command(ctx, w.backout, "runs", "list", "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &list)
	}
	if err != nil || len(list.Items) == 0 {
		return 0, fmt.Errorf("list the runs: %w: %s", err, out)
	}
	var run struct {
		Log []struct {
			At   time.Time
			Text string
		}
	}
	if out, _, err = w.command(ctx, w.backout, "runs", "show", list.Items[0].ID, "-o", "json"); err == nil {
		err = json.Unmarshal([]byte(out), &run)
	}
	for _, line := range run.Log {
		if strings.HasPrefix(line.Text, "verifying") || strings.HasPrefix(line.Text, unverifiedText) {
			return line.At.Sub(w.started), err
		}
	}
	return 0, fmt.Errorf("it never began to verify: %w: %s", err, out)
}

const unverifiedText = "applied, unverified"

// soak is how long a revision must have served to count as good here, where the whole history takes half a minute.
const soak = time.Second

// configured gives backout its configuration.
func configured(w *world) error {
	text := fmt.Sprintf("environment: test\nrollback: {hold: %[4]s}\nproviders:\n  k8s: {type: kubernetes, kubeconfig: %[1]q, namespaces: [%[2]s], min_soak: %[3]s}\n", w.kubeconfig, w.namespace, soak, hold)
	return os.WriteFile(filepath.Join(w.home, "backout.yaml"), []byte(text), 0o600)
}

func (w *world) unit() string { return "k8s:" + w.namespace + "/pay" }

// unverified is the exit code for what was applied and converged, where nothing looks at it from outside, as here.
const unverified = 4

// takenBack is one command, as kubectl's is: it plans, confirms, and starts the run. In production, where the plan has to be
// seen before, that took its time while somebody read.
func takenBack(ctx context.Context, w *world) (int, error) {
	unit := w.unit()
	out, code, err := w.command(ctx, w.backout, "rollback", unit, "--yes", "--reason", "side by side")
	if err == nil && code != 0 && code != unverified {
		err = fmt.Errorf("rollback %s: exit code %d: %s", unit, code, out)
	}
	return code, err
}
