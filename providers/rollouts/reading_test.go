package rollouts_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/test/servers"
)

// broken prepares what the contract of every provider is read from: a Rollout that went wrong twice.
func broken(t *testing.T, w *world) {
	s := w.shop(t, "reading")
	bad := []func(obj){at("progressDeadlineSeconds", 2), at("replicas", 1), strategy(obj{"canary": obj{}})}
	s.apply("cart:1", bad...)
	s.until("Healthy")
	s.apply("cart:broken", bad...)
	s.until("Degraded")
	s.await("the alert", func() (bool, string) { // seen, so that it is known later; the controller may take the word back for a moment
		alerts := alertsOf(t, s)
		return len(alerts) > 0 && alerts[len(alerts)-1].Name == "ProgressDeadlineExceeded", fmt.Sprint(alerts)
	})
	between := time.Now().UTC().Truncate(time.Second).Add(time.Second) // the API server counts in whole seconds
	s.await("the next second", func() (bool, string) { return time.Now().After(between), "" })
	s.apply("cart:badpull", bad...)
	s.await("the third revision's end", func() (bool, string) {
		o := s.observe()
		alerts := alertsOf(t, s)
		if len(alerts) < 2 {
			return false, fmt.Sprint(string(o.Raw), alerts)
		}
		last := alerts[len(alerts)-1] // the controller may call it degraded more than once
		return o.Current.Label == "rev3" && last.EndsAt.IsZero(), fmt.Sprint(string(o.Raw), alerts)
	})
	w.between = between
}

// reading: the contract of every provider. It is no parallel test: it looks for goroutines left behind.
func reading(t *testing.T, w *world) {
	if w.between.IsZero() { // it runs alone
		broken(t, w)
	}
	kept := &providertest.Archive{}
	settings := []any{"namespaces", []string{"reading"}}
	for range made(t, w.Kubeconfig, kept, settings...).Alerts(t.Context(), providers.Window{}) { // seen, so that it is known later
	}
	providertest.Run(t, providertest.Suite{
		New:    func(t *testing.T) providers.Provider { return made(t, w.Kubeconfig, kept, settings...) },
		Window: providers.Window{Until: w.between}, Empty: []string{"Alerts"}, // of alerts, only what is there now is known to a new process
		Hang: func(t *testing.T) providers.Provider {
			return made(t, servers.KubeconfigTo(t, servers.Silent(t), "admin-token"), kept)
		},
		Faults: map[string]providertest.Fault{
			"nobody": {Class: providers.ClassRetryable, New: func(t *testing.T) providers.Provider {
				return made(t, servers.KubeconfigTo(t, "https://127.0.0.1:1", "admin-token"), kept)
			}},
			"nonsense": {Class: providers.ClassRetryable, New: func(t *testing.T) providers.Provider {
				return made(t, servers.KubeconfigTo(t, servers.Nonsense(t), "admin-token"), kept)
			}},
			"no kubeconfig": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				none := filepath.Join(t.TempDir(), "none")
				return made(t, none, kept)
			}},
			"no right": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return made(t, w.Kubeconfig, kept, "context", servers.Limited)
			}},
		},
	})
}

// watching: a rollout that goes wrong is told while it does.
func watching(t *testing.T, w *world) {
	s := w.shop(t, "watching")
	s.apply("cart:1", at("progressDeadlineSeconds", 3))
	s.until("Healthy")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		// Seen or not: a watch that begins after it would tell of what follows, the deadline.
		s.apply("cart:broken", at("progressDeadlineSeconds", 3))
	}()
	told := map[string]bool{}
	for e, err := range s.p.Watch(ctx) {
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Change != nil:
			told[e.Change.To+" "+e.Change.Status] = true
		case e.Alert != nil:
			told[e.Alert.Name] = true
		}
		if told["ProgressDeadlineExceeded"] && told["rev2 ProgressDeadlineExceeded"] {
			return
		}
	}
	t.Errorf("told was only %v", told)
}

func alertsOf(t *testing.T, s *shop) (out []providers.Alert) {
	t.Helper()
	for a, err := range s.p.Alerts(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}
