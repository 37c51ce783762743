//go:build unix

package nodeagent

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const readiness = `        readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1, failureThreshold: 1}
`

const appService = `
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {selector: {app: app}, ports: [{port: 80, targetPort: http}]}
`

const listen = "127.0.0.1:$(PORT_8080)"

// One control plane serves all of them, each in its own namespace.
func TestPodsAreWhatTheirProcessesAre(t *testing.T) {
	f := newField(t)
	for _, s := range []struct {
		name string
		does func(*field, string)
	}{
		{"serves", serves},
		{"fails and heals", failsAndHeals},
		{"crash-loops", crashLoops},
		{"has no image", hasNoImage},
		{"hangs", hangs},
		{"lacks configuration", lacksConfiguration},
		{"is deleted", isDeleted},
		{"survives nothing of its agent", outlivesNothing},
	} {
		t.Run(s.name, func(t *testing.T) {
			ns := strings.NewReplacer(" ", "-", "'", "").Replace(s.name)
			s.does(f.in(t, ns), ns)
		})
	}
}

func serves(f *field, ns string) {
	f.c.Do(f.T, appService, "-n", ns, "apply", "-f", "-")
	f.c.Do(f.T, "", "-n", ns, "create", "configmap", "words", "--from-literal=GREETING=hello")
	f.c.Do(f.T, "", "-n", ns, "create", "secret", "generic", "hidden", "--from-literal=word=shibboleth")
	f.apply(ns, "app", "registry.test/app:v1", 2, readiness+`        envFrom: [{configMapRef: {name: words}}]
        env: [{name: WORD, valueFrom: {secretKeyRef: {name: hidden, key: word}}}]
`, listen, filepath.Join(f.dir, "never"))
	f.c.Do(f.T, "", "-n", ns, "rollout", "status", "deployment/app", "--timeout=60s")
	at := f.address(ns, "app")
	hosts := map[string]bool{}
	f.until("both pods answer", func() bool {
		a, ok := f.ask(at)
		if !ok {
			return false // the endpoints come a little later than the pods
		}
		if a["greeting"] != "hello" || a["secret"] != "shibboleth" || !strings.HasSuffix(at, ":"+a["self"]) {
			f.Fatalf("the process was given %v", a)
		}
		hosts[a["host"]] = true
		return len(hosts) == 2
	})
	if id := f.get(ns, "pods", "-o", "jsonpath={.items[0].status.containerStatuses[0].imageID}"); !strings.HasPrefix(id, "registry.test/app@sha256:") {
		f.Errorf("imageID %q", id)
	}
}

func failsAndHeals(f *field, ns string) {
	sick := filepath.Join(f.TempDir(), "sick")
	f.c.Do(f.T, appService, "-n", ns, "apply", "-f", "-")
	f.apply(ns, "app", "registry.test/app:v1", 1, readiness, listen, sick)
	f.c.Do(f.T, "", "-n", ns, "rollout", "status", "deployment/app", "--timeout=60s")
	at := f.address(ns, "app")
	reaches := func(want bool) func() bool {
		return func() bool {
			_, ok := f.ask(at)
			return ok == want
		}
	}
	f.until("it answers", reaches(true))
	if err := os.WriteFile(sick, nil, 0o600); err != nil {
		f.Fatal(err)
	}
	f.until("nothing is passed on to a pod that is not ready", reaches(false))
	if got := f.get(ns, "pods", "-o", "jsonpath={.items[0].status.phase} {.items[0].status.containerStatuses[0].restartCount}"); got != "Running 0" {
		f.Errorf("a pod that is not ready is %q", got)
	}
	if err := os.Remove(sick); err != nil {
		f.Fatal(err)
	}
	f.until("it heals", reaches(true))
}

func crashLoops(f *field, ns string) {
	f.apply(ns, "app", "registry.test/app:v1", 1, "", "exit")
	const path = "jsonpath={.items[0].status.containerStatuses[0].restartCount} {.items[0].status.containerStatuses[0].lastState.terminated.exitCode} {.items[0].status.containerStatuses[0].state.waiting.reason}"
	f.until("it crash-loops", func() bool {
		if f.get(ns, "pods", "-o", "name") == "" {
			return false
		}
		restarts, rest, _ := strings.Cut(f.get(ns, "pods", "-o", path), " ")
		n, err := strconv.Atoi(restarts)
		return err == nil && n >= 2 && rest == "3 CrashLoopBackOff"
	})
}

func hasNoImage(f *field, ns string) {
	f.apply(ns, "app", "registry.test/app:v2", 1, "", listen, "none")
	f.until("it waits for its image", func() bool {
		return f.get(ns, "pods", "-o", "name") != "" && f.waiting(ns) == "ImagePullBackOff"
	})
	f.image("registry.test/app:v2")
	f.c.Do(f.T, "", "-n", ns, "rollout", "status", "deployment/app", "--timeout=60s")
}

func hangs(f *field, ns string) {
	sick := filepath.Join(f.TempDir(), "sick")
	f.apply(ns, "app", "registry.test/app:v1", 1, `        livenessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1, failureThreshold: 1}
`, listen, sick)
	f.c.Do(f.T, "", "-n", ns, "rollout", "status", "deployment/app", "--timeout=60s")
	if err := os.WriteFile(sick, nil, 0o600); err != nil {
		f.Fatal(err)
	}
	f.until("it is restarted", func() bool {
		return f.get(ns, "pods", "-o", "jsonpath={.items[0].status.containerStatuses[0].restartCount}") != "0"
	})
}

func lacksConfiguration(f *field, ns string) {
	f.apply(ns, "app", "registry.test/app:v1", 1, `        envFrom: [{configMapRef: {name: later}}]
`, listen, "none")
	f.until("it waits for its configuration", func() bool {
		return f.get(ns, "pods", "-o", "name") != "" && f.waiting(ns) == "CreateContainerConfigError"
	})
	f.c.Do(f.T, "", "-n", ns, "create", "configmap", "later", "--from-literal=GREETING=late")
	f.c.Do(f.T, "", "-n", ns, "rollout", "status", "deployment/app", "--timeout=60s")
}

// pid is the process of the one pod.
func (f *field) pid(ns string) int {
	f.Helper()
	text := ""
	f.until("a process is named", func() bool {
		if f.get(ns, "pods", "-o", "name") != "" {
			text = f.get(ns, "pods", "-o", "jsonpath={.items[0].status.containerStatuses[0].containerID}")
		}
		return text != ""
	})
	pid, err := strconv.Atoi(strings.TrimPrefix(text, "process://"))
	if err != nil {
		f.Fatal(err)
	}
	return pid
}

// alive reports whether a process runs. One that ended but was not yet collected by whoever inherited it does not.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	if stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")); err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	return true
}

func isDeleted(f *field, ns string) {
	f.apply(ns, "app", "registry.test/app:v1", 1, readiness, listen, "none")
	f.c.Do(f.T, "", "-n", ns, "rollout", "status", "deployment/app", "--timeout=60s")
	pid := f.pid(ns)
	if !alive(pid) {
		f.Fatal("it does not run, so that its end would show nothing")
	}
	f.c.Do(f.T, "", "-n", ns, "scale", "deployment/app", "--replicas=0")
	f.c.Do(f.T, "", "-n", ns, "wait", "--for=delete", "pods", "--all", "--timeout=60s")
	if alive(pid) {
		f.Error("the pod is gone from the cluster and its process runs")
	}
}

func outlivesNothing(f *field, ns string) {
	f.apply(ns, "app", "registry.test/app:v1", 1, readiness, listen, "none")
	f.c.Do(f.T, "", "-n", ns, "rollout", "status", "deployment/app", "--timeout=60s")
	pid := f.pid(ns)
	if !alive(pid) {
		f.Fatal("it does not run, so that its end would show nothing")
	}
	f.end()
	f.until("its process ended with the agent", func() bool { return !alive(pid) })
	f.start()
	defer f.end()
	f.until("another agent runs it again", func() bool {
		now := f.pid(ns)
		return now != pid && alive(now) && f.get(ns, "pods", "-o", "jsonpath={.items[0].status.containerStatuses[0].ready}") == "true"
	})
}
