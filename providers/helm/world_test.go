package helm_test

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/helm"
	"github.com/backout-dev/backout/test/servers"
)

// world is a real control plane with the real Helm.
type world struct {
	c       *servers.Cluster
	helm    string
	home    string
	program string
}

// One cluster for all, each test in a namespace of its own.
func TestOnARealCluster(t *testing.T) {
	w := &world{helm: servers.Need(t, "helm"), home: t.TempDir()}
	w.writer(t)
	w.c = servers.StartCluster(t)
	t.Run("contract", func(t *testing.T) {
		w.c.Do(t, "", "create", "namespace", "contract")
		(&release{world: w, namespace: "contract", name: "pay", chart: filepath.Join(t.TempDir(), "pay")}).contract(t)
	})
	for name, test := range tests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.c.Do(t, "", "create", "namespace", name)
			test(t, &release{world: w, namespace: name, name: "pay", chart: filepath.Join(t.TempDir(), "pay")})
		})
	}
}

func tests() map[string]func(*testing.T, *release) {
	return map[string]func(*testing.T, *release){
		"history": historyIsRead, "configmaps": configMapsToo, "watch": newRecordsAreTold,
		"back": backToTheGoodOne, "never": neverReadyIsNotGood, "deletions": deletionsAreListed, "two": oneOfTwoActs,
		"killed": killedClientIsRecognised, "changed": changedObjectKeepsTheLock, "hook": failingHookLeavesNoLock, "gone": goneVersionIsMissing,
		"foreign": foreignFieldIsNamed, "immutable": immutableFieldIsMissing, "pruned": prunedHistoryIsNoEvidence,
		"rights": missingRightsAreNamed, "program": missingProgramIsNamed, "secrets": secretsStayHidden, "uninstalled": uninstalledIsNotLive,
		"kills": killedRollbackIsFinished, "promises": keepsThePromises,
	}
}

// writer builds backout-helm, a module of its own.
func (w *world) writer(t *testing.T) {
	t.Helper()
	w.program = filepath.Join(w.home, "backout-helm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", w.program, ".")
	cmd.Dir = filepath.Join("..", "..", "cmd", "backout-helm")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build backout-helm: %v\n%s", err, text)
	}
}

// release is one Helm release of a test.
type release struct {
	*world
	namespace, name, chart string
	driver                 string
}

func (r *release) id() string { return "helm:" + r.namespace + "/" + r.name }

// write makes the chart as it is to be: templates by file name.
func (r *release) write(t *testing.T, version string, templates map[string]string) {
	t.Helper()
	if err := os.RemoveAll(r.chart); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\nappVersion: app-%[2]s\nannotations:\n  backout.dev/author: ana\n", r.name, version)}
	for name, text := range templates {
		files[filepath.Join("templates", name)] = text
	}
	for name, text := range files {
		path := filepath.Join(r.chart, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// command is the helm program, not yet started.
func (r *release) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), r.helm, append(args, "--namespace", r.namespace)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+r.c.Kubeconfig, "HELM_DRIVER="+r.driver, "HELM_CACHE_HOME="+r.home, "HELM_CONFIG_HOME="+r.home, "HELM_DATA_HOME="+r.home)
	return cmd
}

func (r *release) try(t *testing.T, args ...string) error {
	t.Helper()
	if out, err := r.command(t, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (r *release) do(t *testing.T, args ...string) {
	t.Helper()
	if err := r.try(t, args...); err != nil {
		t.Fatal(err)
	}
}

// deploy installs or upgrades, and waits until it is ready.
func (r *release) deploy(t *testing.T, version string, templates map[string]string) {
	t.Helper()
	r.write(t, version, templates)
	r.do(t, "upgrade", "--install", r.name, r.chart, "--wait", "--timeout", "30s")
}

// provider is a fresh one; more settings are lines of YAML.
func (r *release) provider(t *testing.T, change func(map[string]any)) *helm.Provider {
	t.Helper()
	values := map[string]any{"kubeconfig": r.c.Kubeconfig, "namespaces": []string{r.namespace}, "min_soak": "1ms"}
	if r.driver != "" {
		values["driver"] = r.driver
	}
	if change != nil {
		change(values)
	}
	p, err := helm.Factory().New(providers.Environment{
		Name: "helm", Environment: "prod", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}, decoder(values))
	if err != nil {
		t.Fatal(err)
	}
	return p.(*helm.Provider)
}

func deployment(name, image string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %s
spec:
  replicas: 2
  progressDeadlineSeconds: 600
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: main, image: "%s"}]}
`, name, image)
}

func config(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n  value: %q\n", name, value)
}
