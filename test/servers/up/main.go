// Command up starts the control plane that tests use, for a person:
//
//	go run ./test/servers/up [-rollouts] [-flux] [-images DIR]
//
// It builds what is missing, prints where the kubeconfig is and how to use it, runs until it is interrupted, and leaves
// nothing behind. No container runs in it: pods become ready, and fail where their image is called so. With -images pods run
// as processes of this machine, by test/nodeagent, and are what these are.
//
// With -json it is for another program: it prints one JSON document when all is ready, and runs until standard input ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

// options are what was asked for.
type options struct {
	rollouts, json    bool
	flux              bool
	images, dir, with string
}

func main() {
	var o options
	flag.BoolVar(&o.rollouts, "rollouts", false, "with the Argo Rollouts controller and its kubectl plugin")
	flag.BoolVar(&o.flux, "flux", false, "with Flux's controllers, and a git repository that they may read")
	flag.StringVar(&o.images, "images", "", "a directory of images, as test/nodeagent says: pods run as processes of this machine")
	flag.StringVar(&o.dir, "dir", "", "the directory to make it in, which is left there; default: one that is removed at the end")
	flag.StringVar(&o.with, "with", "", "programs to have beside kubectl, with commas between: helm, backout-helm")
	flag.BoolVar(&o.json, "json", false, "for a program: print JSON, and end when standard input does")
	flag.Parse()
	ctx, stop := o.signals()
	defer stop()
	if err := run(ctx, o); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted while it started; nothing is left")
		}
		fmt.Fprintln(os.Stderr, "up:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// signals says what ends it.
func (o options) signals() (context.Context, func()) {
	if !o.json {
		// SIGHUP: the terminal was closed.
		return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	}
	// A key that interrupts the program that started this one is that program's affair. Taken and dropped rather than
	// ignored, because what this one starts would ignore it as well.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return ctx, stop
}

// report is where progress is shown: a program reads standard output.
func (o options) report() *os.File {
	if o.json {
		return os.Stderr
	}
	return os.Stdout
}

func run(ctx context.Context, o options) (err error) {
	programs, writer, err := o.have(ctx)
	if err != nil {
		return err
	}
	dir, done, err := o.directory()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	began := time.Now()
	start := servers.RunCluster
	if o.images != "" {
		start = servers.RunWithoutNodes
	}
	c, err := start(ctx, programs["controlplane"], dir)
	if err != nil {
		return err
	}
	defer c.Stop()
	if o.images != "" {
		node, err := startNode(ctx, c, o.images, dir)
		if err != nil {
			return err
		}
		defer node.stop()
		ctx = node.ctx // it ends when the node does
	}
	shop, stop, err := o.controllers(ctx, c, programs, dir)
	if err != nil {
		return err
	}
	defer stop()
	bin, err := links(dir, programs)
	if err != nil {
		return err
	}
	if err := <-writer; err != nil {
		return err
	}
	if err := o.tell(c, shop, bin, time.Since(began)); err != nil {
		return err
	}
	<-ctx.Done()
	if !o.json {
		fmt.Println("\nending it …")
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// controllers starts those that were asked for; stop ends them all. The repository is one that Flux may read, nil without Flux.
func (o options) controllers(ctx context.Context, c *servers.Cluster, programs map[string]string, dir string) (shop *servers.Repository, stop func(), err error) {
	stop = func() {}
	if o.rollouts {
		r, err := servers.RunRollouts(ctx, c, programs["rollouts-controller"], programs["kubectl-argo-rollouts"])
		if err != nil {
			return nil, nil, err
		}
		stop = r.Stop
	}
	if !o.flux {
		return nil, stop, nil
	}
	f, err := servers.RunFlux(ctx, c, programs, filepath.Join(dir, "flux"))
	if err != nil {
		stop()
		return nil, nil, err
	}
	rest := stop
	stop = func() { f.Stop(); rest() }
	if shop, err = f.Repository(ctx, "shop"); err != nil {
		stop()
		return nil, nil, err
	}
	return shop, stop, nil
}

// directory is where everything is made, and what is done with it at the end.
func (o options) directory() (dir string, done func() error, err error) {
	if o.dir != "" {
		return o.dir, func() error { return nil }, os.MkdirAll(o.dir, 0o755)
	}
	dir, err = os.MkdirTemp("", "backout-cluster-*")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

// links makes a directory of the programs by the names that they are called by.
func links(dir string, programs map[string]string) (string, error) {
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return "", err
	}
	for name, path := range programs {
		if name == "controlplane" {
			name = "kubectl" // the name it is called by says what it is
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			return "", err
		}
	}
	return bin, nil
}

// have gives the paths of programs, which are built where they are missing. backout-helm may still be being built anew: the
// channel tells when it is.
func (o options) have(ctx context.Context) (map[string]string, <-chan error, error) {
	names := []string{"controlplane"}
	if o.rollouts {
		names = append(names, "rollouts-controller", "kubectl-argo-rollouts")
	}
	if o.flux {
		names = append(names, servers.FluxControllers()...)
	}
	writer := make(chan error, 1)
	paths := map[string]string{}
	wantsWriter := false
	for name := range strings.SplitSeq(o.with, ",") {
		if wantsWriter = wantsWriter || name == "backout-helm"; name != "" && name != "backout-helm" {
			names = append(names, name)
		}
	}
	for _, name := range names {
		s, err := servers.Lookup(name)
		if err != nil {
			return nil, nil, err
		}
		if paths[name], err = servers.Find(name); err == nil {
			continue
		}
		fmt.Fprintf(o.report(), "%s %s is not there yet: it is built once, which takes minutes\n", s.Name, s.Version)
		tell, done := servers.Report(o.report())
		paths[name], err = servers.Build(ctx, s, tell)
		done()
		if err != nil {
			return nil, nil, err
		}
	}
	if !wantsWriter {
		writer <- nil
		return paths, writer, nil
	}
	w, err := servers.FindHelmWriter(ctx)
	if err != nil {
		return nil, nil, err
	}
	paths["backout-helm"] = w.Path
	if w.There {
		go func() { writer <- w.Build(ctx, nil) }()
		return paths, writer, nil
	}
	fmt.Fprintln(o.report(), "backout-helm is not there yet: it is built once, which takes minutes")
	tell, done := servers.Report(o.report())
	writer <- w.Build(ctx, tell)
	done()
	return paths, writer, nil
}
