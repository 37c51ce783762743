// Package nodeagent is a node of a cluster without containers: a small agent in the kubelet's place that runs the real
// processes of the pods that the scheduler bound to it, asks their probes for real, and reports what is so. What a pod says
// of its health is what its process does.
//
// It differs from a kubelet in what a machine without containers cannot have. An image is a directory of the machine, found
// by its reference (see [Options]). Pods share the machine's network: port N of a container is a free port of 127.0.0.1,
// which the process learns from its variable PORT_N; a pod's IP is an address that only the cluster knows. In the place of
// kube-proxy each port of a Service is a port of 127.0.0.1, which passes connections on to what the endpoint controllers say
// is ready; it stands in the Service's annotation [AddressAnnotation]. Volumes and init containers are not run: a pod that
// asks for one waits and says why. The processes end with the agent, however that ends.
package nodeagent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/backout-dev/backout/providers/kube"
)

// AddressAnnotation holds where a Service can be reached from the machine: host:port of each of its ports, in their order,
// with commas between.
const AddressAnnotation = "test.backout.dev/address"

// Options say which node to be. All but Backoff and Log are required.
type Options struct {
	Kubeconfig string
	Node       string // its name; it joins the cluster if it is not there
	// Images is the directory of images. registry.test/shop/cart:v1 is the directory registry.test/shop/cart/v1 below it,
	// whose image.json holds {"entrypoint": [...]}; it is the working directory of the processes.
	Images  string
	Dir     string        // for the logs of pods, NAMESPACE_POD/CONTAINER.log below it
	Backoff time.Duration // before the first restart, doubled with each; zero: a second
	Log     *slog.Logger  // nil: none
}

// agent is a running node.
type agent struct {
	Options
	cluster  *kube.Cluster
	client   dynamic.Interface // for what kube.Cluster has no use for: the end of a pod's grace
	store    imageStore
	spawn    *spawner
	services *balancers

	mu      sync.Mutex
	workers map[string]*worker // by the pod's uid
	wg      sync.WaitGroup
	nextIP  int
}

// Run is the node until ctx is done. It returns when all processes have ended.
func Run(ctx context.Context, o Options) error {
	if o.Backoff <= 0 {
		o.Backoff = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 50, 100
	a := &agent{Options: o, store: imageStore{o.Images}, workers: map[string]*worker{}}
	if a.client, err = dynamic.NewForConfig(config); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	if a.cluster, err = kube.Open(kube.Options{Kubeconfig: o.Kubeconfig, UserAgent: "nodeagent"}); err != nil {
		return err
	}
	defer a.cluster.Close()
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fmt.Errorf("make the directory for logs: %w", err)
	}
	a.spawn = newSpawner()
	defer a.spawn.close()
	a.services = newBalancers(ctx, a)
	if err := a.register(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { a.beat(ctx) })
	wg.Go(func() { a.services.follow(ctx) })
	a.followPods(ctx)
	wg.Wait()
	a.wg.Wait()
	a.services.close()
	return nil
}

// followPods gives each pod of the node to its worker.
func (a *agent) followPods(ctx context.Context) {
	var told map[string]bool // since the last list began
	for e, err := range a.cluster.Follow(ctx, podResource, "", kube.Selection{Fields: "spec.nodeName=" + a.Node}) {
		switch {
		case err != nil:
			a.Log.Warn("follow pods", "error", err)
			told = map[string]bool{}
		case e.Complete:
			a.forget(told)
			told = nil
		default:
			var p pod
			if err := decode(e.Object, &p); err != nil {
				a.Log.Warn("read a pod", "error", err)
				continue
			}
			if told != nil {
				told[p.Metadata.UID] = true
			}
			p.gone = e.Deleted
			a.give(ctx, p)
		}
	}
}

// forget ends the pods that a new list did not name. told is nil for the first list, before which there are none.
func (a *agent) forget(told map[string]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for uid, w := range a.workers {
		if told != nil && !told[uid] {
			w.tell(pod{gone: true})
		}
	}
}

func (a *agent) give(ctx context.Context, p pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.workers[p.Metadata.UID]
	if w == nil {
		if p.gone || p.over() && p.Metadata.DeletionTimestamp == "" {
			return
		}
		a.nextIP++
		w = newWorker(a, p, fmt.Sprintf("10.244.%d.%d", a.nextIP/250, a.nextIP%250+1))
		a.workers[p.Metadata.UID] = w
		a.wg.Go(func() {
			w.run(ctx)
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.workers, p.Metadata.UID)
		})
	}
	w.tell(p)
}

// logFile is where a container's output goes.
func (a *agent) logFile(p *pod, container string) (*os.File, error) {
	dir := filepath.Join(a.Dir, p.Metadata.Namespace+"_"+p.Metadata.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, container+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// pause waits, and reports whether it waited to the end.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var errNotRun = errors.New("a node without containers does not run it")
