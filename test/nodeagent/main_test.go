package nodeagent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

// The test binary is also what the pods run, and an agent that a test can kill.
const (
	appCommand   = "run-app"
	agentCommand = "run-agent"
)

func TestMain(m *testing.M) {
	if len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	var err error
	switch os.Args[1] {
	case appCommand:
		err = app(os.Args[2:])
	case agentCommand:
		err = Run(context.Background(), Options{
			Kubeconfig: os.Args[2], Node: os.Args[3], Images: os.Args[4], Dir: os.Args[5], Backoff: 100 * time.Millisecond,
			Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// app is what the pods run: args are where it listens and the file that makes it sick; "exit" ends it at once.
func app(args []string) error {
	if args[0] == "exit" {
		os.Exit(3)
	}
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(args[1]); err == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{
			"pid": strconv.Itoa(os.Getpid()), "host": os.Getenv("HOSTNAME"), "greeting": os.Getenv("GREETING"), "secret": os.Getenv("WORD"), "self": os.Getenv("APP_SERVICE_PORT"),
		})
	})
	return http.ListenAndServe(args[0], nil) //nolint:gosec // of a test
}

// field is a cluster with one agent.
type field struct {
	*testing.T
	c      *servers.Cluster
	images string
	agent  *exec.Cmd
	dir    string
}

func newField(t *testing.T) *field {
	f := &field{T: t, c: servers.StartWithoutNodes(t), images: t.TempDir(), dir: t.TempDir()}
	f.image("registry.test/app:v1")
	f.start()
	t.Cleanup(f.end)
	return f
}

func (f *field) image(reference string) {
	f.Helper()
	dir, err := ImagePath(f.images, reference)
	if err != nil {
		f.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{"entrypoint": []string{self, appCommand}})
	if err != nil {
		f.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ImageConfig), config, 0o600); err != nil {
		f.Fatal(err)
	}
}

// start starts the agent as a process of its own.
func (f *field) start() {
	f.Helper()
	f.agent = exec.Command(os.Args[0], agentCommand, f.c.Kubeconfig, "here", f.images, f.dir)
	f.agent.Stderr = f.Output()
	if err := f.agent.Start(); err != nil {
		f.Fatal(err)
	}
}

// end kills the agent.
func (f *field) end() {
	_ = f.agent.Process.Kill()
	_ = f.agent.Wait()
}

func (f *field) in(t *testing.T, namespace string) *field {
	t.Helper()
	g := *f
	g.T = t
	f.c.Do(t, "", "create", "namespace", namespace)
	return &g
}

// apply applies a pod template of the app as a Deployment with so many replicas.
func (f *field) apply(ns, name, image string, replicas int, more string, args ...string) {
	f.Helper()
	list, err := json.Marshal(args)
	if err != nil {
		f.Fatal(err)
	}
	f.c.Do(f.T, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[3]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: main
        image: %[2]s
        args: %[4]s
        ports: [{name: http, containerPort: 8080}]
%[5]s
`, name, image, replicas, list, more), "-n", ns, "apply", "-f", "-")
}

func (f *field) get(ns string, args ...string) string {
	f.Helper()
	return f.c.Do(f.T, "", append([]string{"-n", ns, "get"}, args...)...)
}

// until waits for a condition of the real world.
func (f *field) until(what string, holds func() bool) {
	f.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			f.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// ask asks a Service from outside; ok is whether something answered.
func (f *field) ask(address string) (answer map[string]string, ok bool) {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), http.MethodGet, "http://"+address+"/", http.NoBody)
	if err != nil {
		f.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, false
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer, err == nil && json.Unmarshal(data, &answer) == nil
}

// address is where a Service is on this machine.
func (f *field) address(ns, service string) string {
	f.Helper()
	at := ""
	f.until(service+" has an address", func() bool {
		at = f.get(ns, "service", service, "-o", `jsonpath={.metadata.annotations.test\.backout\.dev/address}`)
		return at != ""
	})
	return at
}

// waiting is why the first container of the first pod waits, and its restarts.
func (f *field) waiting(ns string) string {
	f.Helper()
	return strings.TrimSpace(f.get(ns, "pods", "-o", `jsonpath={.items[0].status.containerStatuses[0].state.waiting.reason}`))
}
