// Command up starts the control plane that tests use, for a person:
//
//	go run ./test/servers/up [-rollouts]
//
// It builds what is missing, prints where the kubeconfig is and how to use it, runs until it is interrupted, and leaves
// nothing behind. No container runs in it: pods become ready, and fail where their image is called so.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

func main() {
	rollouts := flag.Bool("rollouts", false, "with the Argo Rollouts controller and its kubectl plugin")
	flag.Parse()
	// SIGHUP: the terminal was closed.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *rollouts); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted while it started; nothing is left")
		}
		fmt.Fprintln(os.Stderr, "up:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, rollouts bool) (err error) {
	names := []string{"controlplane"}
	if rollouts {
		names = append(names, "rollouts-controller", "kubectl-argo-rollouts")
	}
	programs, err := have(ctx, names)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "backout-cluster-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	began := time.Now()
	c, err := servers.RunCluster(ctx, programs["controlplane"], dir)
	if err != nil {
		return err
	}
	defer c.Stop()
	if rollouts {
		r, err := servers.RunRollouts(ctx, c, programs["rollouts-controller"], programs["kubectl-argo-rollouts"])
		if err != nil {
			return err
		}
		defer r.Stop()
	}
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	programs["kubectl"] = programs["controlplane"] // the name it is called by says what it is
	delete(programs, "controlplane")
	for name, path := range programs {
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	fmt.Printf(`
A Kubernetes control plane runs at %s, after %s. In another terminal:

  export KUBECONFIG=%s
  export PATH=%s:$PATH    # kubectl of the same version
  kubectl create deployment shop --image=registry.test/shop:v1 --replicas=3
  kubectl set image deployment/shop shop=registry.test/shop:v2-broken

Its contexts are admin (may do everything) and limited (may do nothing until you bind it a role). No container runs: a pod
becomes ready within two seconds; one whose image is called broken or badpull never does, and one called crash crash-loops.
Interrupt (Ctrl-C) ends it and removes all it had.
`, c.Server, time.Since(began).Round(100*time.Millisecond), c.Kubeconfig, bin)
	<-ctx.Done()
	fmt.Println("\nending it …")
	return nil
}

// have gives the paths of programs, which are built where they are missing.
func have(ctx context.Context, names []string) (map[string]string, error) {
	paths := map[string]string{}
	for _, name := range names {
		s, err := servers.Lookup(name)
		if err != nil {
			return nil, err
		}
		if paths[name], err = servers.Find(name); err == nil {
			continue
		}
		fmt.Printf("%s %s is not there yet: it is built once, which takes minutes\n", s.Name, s.Version)
		tell, done := servers.Report(os.Stdout)
		paths[name], err = servers.Build(ctx, s, tell)
		done()
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}
