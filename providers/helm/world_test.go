package helm_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/helm"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// world is a real control plane with the real Helm.
type world struct {
	c       *servers.Cluster
	k       *kube.Cluster // as its admin
	helm    string
	home    string
	program string
}

// One cluster for all, each test in a namespace of its own.
func TestOnARealCluster(t *testing.T) {
	w := &world{helm: servers.Need(t, "helm"), home: t.TempDir()}
	built := make(chan error, 1)
	go func() { built <- w.writer(t.Context()) }()
	w.c = servers.StartCluster(t)
	err := <-built
	if err != nil {
		t.Fatal(err)
	}
	if w.k, err = kube.Open(kube.Options{Kubeconfig: w.c.Kubeconfig}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.k.Close() })
	t.Run("contract", func(t *testing.T) {
		w.c.Do(t, "", "create", "namespace", "contract")
		(&release{world: w, namespace: "contract", name: "pay", chart: filepath.Join(t.TempDir(), "pay")}).contract(t)
	})
	all := tests()
	for _, name := range []string{"promises", "points"} { // the longest first
		w.run(t, name, all[name])
		delete(all, name)
	}
	for name, test := range all {
		w.run(t, name, test)
	}
}

func (w *world) run(t *testing.T, name string, test func(*testing.T, *release)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		w.c.Do(t, "", "create", "namespace", name)
		test(t, &release{world: w, namespace: name, name: "pay", chart: filepath.Join(t.TempDir(), "pay")})
	})
}

func tests() map[string]func(*testing.T, *release) {
	return map[string]func(*testing.T, *release){
		"history": historyIsRead, "configmaps": configMapsToo, "watch": newRecordsAreTold,
		"back": backToTheGoodOne, "never": neverReadyIsNotGood, "deletions": deletionsAreListed, "two": oneOfTwoActs,
		"killed": killedClientIsRecognised, "changed": changedObjectKeepsTheLock, "hook": failingHookLeavesNoLock, "gone": goneVersionIsMissing,
		"foreign": foreignFieldIsNamed, "immutable": immutableFieldIsMissing, "pruned": prunedHistoryIsNoEvidence,
		"rights": missingRightsAreNamed, "program": missingProgramIsNamed, "secrets": secretsStayHidden, "uninstalled": uninstalledIsNotLive,
		"kills": killedRollbackIsFinished, "points": killedAtEveryPoint, "promises": keepsThePromises,
		"half": halfRollbackIsFinished, "remains": whatAFailedUpgradeLeft, "stranger": strangersAreNotTaken, "behind": leftBehindIsTold,
		"custom": customResourcesKeepDrift, "crds": crdsStay, "sealed": secretsGoBackToo, "rotated": rotatedByHandIsSeen, "double": twoDeployed,
		"autoscaled": autoscalerIsNamed, "beside": foreignFieldsStay, "mass": massDeletion, "exact": liveIsTheTarget, "helm3": helm3sReleases,
		"health": helmsWordIsNotHealth, "collides": leftHookCollides,
	}
}

// writer builds backout-helm, a module of its own.
func (w *world) writer(ctx context.Context) error {
	w.program = filepath.Join(w.home, "backout-helm")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", w.program, ".")
	cmd.Dir = filepath.Join("..", "..", "cmd", "backout-helm")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build backout-helm: %w\n%s", err, text)
	}
	return nil
}

// release is one Helm release of a test.
type release struct {
	*world
	namespace, name, chart string
	driver                 string
	other                  string // another program than the world's
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
		if !strings.HasPrefix(name, "crds/") {
			name = filepath.Join("templates", name)
		}
		files[name] = text
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
	cmd := exec.CommandContext(t.Context(), cmp.Or(r.other, r.helm), append(args, "--namespace", r.namespace)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+r.c.Kubeconfig, "HELM_DRIVER="+r.driver, "HELM_MAX_HISTORY=0", "HELM_CACHE_HOME="+r.home, "HELM_CONFIG_HOME="+r.home, "HELM_DATA_HOME="+r.home)
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

var (
	configMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	secrets     = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// get reads an object of the namespace; nil where it is not there.
func (r *release) get(t *testing.T, kind kube.Resource, name string) *kube.Object {
	t.Helper()
	o, err := r.k.Get(t.Context(), kind, r.namespace, name)
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// value is what a ConfigMap of config holds; "-" where it is not there.
func (r *release) value(t *testing.T, name string) string {
	t.Helper()
	o := r.get(t, configMaps, name)
	if o == nil {
		return "-"
	}
	v, _, _ := unstructured.NestedString(o.Object, "data", "value")
	return v
}

// until waits for what the cluster does by itself.
func (r *release) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// image waits until a Deployment has one.
func (r *release) image(t *testing.T, name, image string) {
	t.Helper()
	r.until(t, name+" with "+image, func() bool {
		o := r.get(t, deployments, name)
		if o == nil {
			return false
		}
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		return len(containers) == 1 && containers[0].(map[string]any)["image"] == image
	})
}

// passed looks that every check passes.
func passed(t *testing.T, checks []rollback.Check) {
	t.Helper()
	for _, c := range checks {
		if c.State != rollback.CheckPass {
			t.Errorf("%s is %s: %s, wanted %s", c.Name, c.State, c.Observed, c.Goal)
		}
	}
}
