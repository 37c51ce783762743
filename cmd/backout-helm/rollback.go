package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage"
)

// rollBack checks what it was told, then rolls back once.
func rollBack(q question) answer {
	// Helm owns the fields under this name; under another one, the next helm upgrade would conflict with this rollback.
	kube.ManagedFieldsManager = cmp.Or(q.Manager, "helm")
	flags := genericclioptions.NewConfigFlags(true)
	flags.KubeConfig, flags.Context, flags.Namespace = &q.Kubeconfig, &q.Context, &q.Namespace
	// A list of kinds that an earlier process kept on disk may name some that are gone.
	cache, err := os.MkdirTemp("", "backout-helm-")
	if err != nil {
		return answer{Outcome: failed, Detail: "nothing was done: make a directory: " + err.Error()}
	}
	defer func() { _ = os.RemoveAll(cache) }()
	flags.CacheDir = &cache
	flags.WithWrapConfigFn(q.limited)
	logs := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})
	cfg := action.NewConfiguration(action.ConfigurationSetLogger(logs))
	if err := cfg.Init(flags, q.Namespace, q.Driver); err != nil {
		return answer{Outcome: failed, Detail: "reach the cluster: " + err.Error()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), q.timeout())
	defer cancel()
	if a, ok := q.unchanged(ctx, cfg); !ok {
		return a
	}
	guard := &guarded{Driver: cfg.Releases.Driver, q: q}
	guard.finish = func() error { return q.sweep(cfg) }
	cfg.Releases = storage.Init(guard)
	cfg.Releases.SetLogger(logs)
	if err := buildable(cfg, q); err != nil {
		return answer{Outcome: failed, Detail: "nothing was done: " + err.Error()}
	}
	run := action.NewRollback(cfg)
	run.Version, run.Description, run.Timeout = q.Revision, q.Stamp, q.timeout()
	// backout looks itself whether it converges: only hooks are waited for, because what follows them depends on them.
	run.WaitStrategy = kube.HookOnlyStrategy
	// MaxHistory stays 0: a rollback removes no record of what was.
	return guard.verdict(run.Run(q.Release))
}

// unchanged reports whether both records are what the plan saw. The new record's name is the real compare-and-set; this look
// says earlier and in better words what is not as expected.
func (q question) unchanged(ctx context.Context, cfg *action.Configuration) (answer, bool) {
	for _, want := range []struct {
		revision int
		sum      string
		what     string
	}{{q.Expect, q.Current, "the newest record"}, {q.Revision, q.Target, "the record to go back to"}} {
		sum, err := q.payload(ctx, cfg, want.revision)
		switch {
		case apierrors.IsNotFound(err):
			return answer{Outcome: preconditionFailed, Detail: fmt.Sprintf("%s (revision %d) is gone", want.what, want.revision)}, false
		case err != nil:
			return answer{Outcome: failed, Detail: fmt.Sprintf("nothing was done: read revision %d: %v", want.revision, err)}, false
		case sum != want.sum:
			return answer{Outcome: preconditionFailed, Detail: fmt.Sprintf("%s (revision %d) is no longer what the plan saw", want.what, want.revision)}, false
		}
	}
	return answer{}, true
}

// payload is the SHA-256 of a record as it is stored.
func (q question) payload(ctx context.Context, cfg *action.Configuration, revision int) (string, error) {
	client, err := cfg.KubernetesClientSet()
	if err != nil {
		return "", err
	}
	key := q.key(revision)
	var data []byte
	if q.Driver == "configmap" {
		o, err := client.CoreV1().ConfigMaps(q.Namespace).Get(ctx, key, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		data = []byte(o.Data["release"])
	} else {
		o, err := client.CoreV1().Secrets(q.Namespace).Get(ctx, key, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		data = o.Data["release"]
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func (q question) key(revision int) string {
	return fmt.Sprintf("%s.%s.v%d", storage.HelmStorageType, q.Release, revision)
}

// buildable reports whether both manifests can be built. Helm itself finds out only after it wrote the new record, and then
// leaves that pending for ever.
func buildable(cfg *action.Configuration, q question) error {
	for _, revision := range []int{q.Expect, q.Revision} {
		stored, err := cfg.Releases.Get(q.Release, revision)
		if err != nil {
			return fmt.Errorf("read revision %d: %w", revision, err)
		}
		r, ok := stored.(*release.Release)
		if !ok {
			return fmt.Errorf("revision %d is a record of a newer Helm: %w", revision, errors.ErrUnsupported)
		}
		if _, err := cfg.KubeClient.Build(strings.NewReader(r.Manifest), false); err != nil {
			return fmt.Errorf("the manifest of revision %d cannot be built on this cluster: %w", revision, err)
		}
	}
	return nil
}
