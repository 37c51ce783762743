//go:build unix

package kubernetes_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/backout-dev/backout/test/servers"
)

// The program itself, twice at once on two state directories: a few workloads side by side, a few times each.
const (
	programLanes  = 4
	programRounds = 3
)

// signal sends one to every process of this home: the command, and the run that it started.
func (h *home) signal(s syscall.Signal) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		env, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(env, []byte("HOME="+h.Dir+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			_ = syscall.Kill(pid, s)
		}
	}
}

// programs: two processes roll the same workload back at once, and one of them is stopped as a laptop that sleeps is, at a random
// instant, until the other is over or for a while.
func programs(t *testing.T, c *servers.Cluster) {
	if runtime.GOOS != "linux" {
		t.Skip("which processes belong to a command is read from /proc")
	}
	pipeline := client(t, c)
	var manifest strings.Builder
	for i := range programLanes {
		fmt.Fprintf(&manifest, "---\n{apiVersion: v1, kind: Namespace, metadata: {name: programs-%d}}\n---%s", i, phase{}.manifest(fmt.Sprint("programs-", i)))
	}
	c.Do(t, manifest.String(), "apply", "-f", "-")
	var all sync.WaitGroup
	for i := range programLanes {
		all.Go(func() {
			t.Run(fmt.Sprint("workload ", i), func(t *testing.T) {
				ns := fmt.Sprint("programs-", i)
				d := newDesk(t, c, ns, ways{})
				kind := pipeline.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace(ns)
				homes := [2]*home{newHome(t, c.Kubeconfig, ns), newHome(t, c.Kubeconfig, ns)}
				d.good(d.unit("shop"))
				for n := range programRounds {
					atOnce(d, kind, homes, n)
				}
				for _, h := range homes {
					if out, code := h.Run("ledger", "verify"); code != 0 {
						t.Errorf("the record: %s", out)
					}
				}
			})
		})
	}
	all.Wait()
}

func atOnce(d *desk, kind dynamic.ResourceInterface, homes [2]*home, n int) {
	d.Helper()
	before := deploy(d, kind, "shop", fmt.Sprintf("v%d-broken", n+2)).GetGeneration()
	stopped, after, long := rand.IntN(2), rand.N(2*time.Second), time.Minute
	if rand.IntN(2) == 0 {
		long = rand.N(time.Second)
	}
	over := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	var said [2]string
	var code [2]int
	var both sync.WaitGroup
	for i, h := range homes {
		both.Go(func() {
			defer close(over[i])
			said[i], code[i] = h.Run("rollback", string(d.unit("shop")), "--confirm", "shop", "--reason", "errors")
		})
	}
	select {
	case <-over[stopped]:
	case <-time.After(after): // the instant is what is random here
		homes[stopped].signal(syscall.SIGSTOP)
		select {
		case <-over[1-stopped]:
		case <-time.After(long):
		}
		homes[stopped].signal(syscall.SIGCONT)
	}
	both.Wait()
	now, err := kind.Get(d.Context(), "shop", metav1.GetOptions{})
	if err != nil {
		d.Fatal(err)
	}
	how := fmt.Sprintf("round %d, console %d stopped after %s for up to %s", n, stopped, after, long)
	if effects := now.GetGeneration() - before; effects != 1 {
		d.Errorf("%s: %d effects", how, effects)
	}
	winners := 0
	for i := range homes {
		if code[i] != 0 {
			continue
		}
		winners++
		// The other: superseded or already restored, a plan that changed, or nothing to go back to any more.
		if other := code[1-i]; other != 9 && other != 6 && other != 5 {
			d.Errorf("%s: the other ended with %d: %s", how, other, said[1-i])
		}
	}
	if winners != 1 {
		d.Errorf("%s: exit codes %d\n%s\n%s", how, code, said[0], said[1])
	}
}
