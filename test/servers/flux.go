package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"testing"
)

const fluxModules = "github.com/fluxcd/"

// fluxSources are the kinds of object that the source controller is for. It wants the cluster to know all of them.
var fluxSources = []string{
	"source.toolkit.fluxcd.io_buckets.yaml", "source.toolkit.fluxcd.io_externalartifacts.yaml", "source.toolkit.fluxcd.io_gitrepositories.yaml",
	"source.toolkit.fluxcd.io_helmcharts.yaml", "source.toolkit.fluxcd.io_helmrepositories.yaml", "source.toolkit.fluxcd.io_ocirepositories.yaml",
}

// fluxServer is one of Flux's controllers, with the kinds of object that it is for. The three belong to one release of Flux.
func fluxServer(name, version string, kinds ...string) Server {
	s := Server{Name: name, In: "flux", Version: version, Package: fluxModules + name, Module: fluxModules + name, LDFlags: "-s -w"}
	for _, k := range kinds {
		s.Files = append(s.Files, "config/crd/bases/"+k)
	}
	return s
}

// FluxControllers are the names of the servers that RunFlux wants.
func FluxControllers() []string {
	return []string{"source-controller", "kustomize-controller", "helm-controller"}
}

// Flux is a running Flux on a cluster: its controllers for sources, Kustomizations and Helm releases, and git repositories that it
// may read. Its objects may be in any namespace.
type Flux struct {
	dir   string
	git   string // where its repositories are served
	done  func() // ends that
	parts []*process
}

// Repository is a git repository that a reconciler may read.
type Repository struct {
	URL string // what a source says
	Dir string // its working tree
}

// StartFlux starts it for the test, once for a cluster.
func StartFlux(t testing.TB, c *Cluster) *Flux {
	t.Helper()
	programs := map[string]string{}
	for _, name := range FluxControllers() {
		programs[name] = Need(t, name)
	}
	f, err := RunFlux(t.Context(), c, programs, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range f.parts {
				t.Logf("%s:\n%s", p.name, p.log())
			}
		}
	})
	return f
}

// RunFlux is StartFlux outside a test, below dir, with the programs that [Find] gives. It must be stopped before the cluster.
func RunFlux(ctx context.Context, c *Cluster, programs map[string]string, dir string) (*Flux, error) {
	if err := fluxKnown(ctx, c, programs); err != nil {
		return nil, fmt.Errorf("make the cluster know Flux: %w", err)
	}
	f := &Flux{dir: dir}
	for _, d := range []string{"artifacts", "tmp", "repositories"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	var err error
	if f.git, f.done, err = serveGit(ctx, filepath.Join(dir, "repositories")); err != nil {
		return nil, err
	}
	for range 3 { // somebody else may take a port between the look and the start
		if err = f.start(ctx, c, programs); err == nil {
			return f, nil
		}
		f.halt()
	}
	f.Stop()
	return nil, err
}

// fluxKnown makes a cluster know Flux's kinds of object, as its modules define them.
func fluxKnown(ctx context.Context, c *Cluster, programs map[string]string) error {
	apply, wait := []string{"apply", "--server-side"}, []string{"wait", "--for=condition=Established", "--timeout=30s"}
	for _, name := range FluxControllers() {
		s, err := Lookup(name)
		if err != nil {
			return err
		}
		for _, f := range s.Files {
			file := filepath.Join(s.FilesDir(programs[name]), path.Base(f))
			apply, wait = append(apply, "-f", file), append(wait, "-f", file)
		}
	}
	_, err := c.Kubectl(ctx, "", apply...)
	if err == nil {
		_, err = c.Kubectl(ctx, "", wait...)
	}
	return err
}

func (f *Flux) start(ctx context.Context, c *Cluster, programs map[string]string) error {
	artifacts, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	for _, name := range FluxControllers() {
		var at [2]string
		for i := range at {
			if at[i], err = freeAddr(ctx); err != nil {
				return err
			}
		}
		p := &process{
			name: name, path: programs[name], dir: f.dir, well: answers("http://" + at[1] + "/readyz"),
			env:  []string{"KUBECONFIG=" + c.Kubeconfig, "TMPDIR=" + filepath.Join(f.dir, "tmp")},
			args: []string{"--metrics-addr=" + at[0], "--health-addr=" + at[1], "--events-addr=", "--enable-leader-election=false", "--log-level=info"},
		}
		switch name {
		case "source-controller":
			// The others fetch from here what it read.
			p.args = append(p.args, "--storage-path="+filepath.Join(f.dir, "artifacts"), "--storage-addr="+artifacts, "--storage-adv-addr="+artifacts)
			ready, serves := p.well, listens(artifacts)
			p.well = func(ctx context.Context) bool { return ready(ctx) && serves(ctx) }
		case "helm-controller":
			p.args = append(p.args, "--graceful-shutdown-timeout=5s") // ten minutes otherwise
		}
		f.parts = append(f.parts, p)
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Repository makes an empty one.
func (f *Flux) Repository(ctx context.Context, name string) (*Repository, error) {
	r := &Repository{URL: f.git + "/" + name + "/.git", Dir: filepath.Join(f.dir, "repositories", name)}
	return r, tree(r.Dir).begin(ctx)
}

// Push writes files, commits them on main, and gives the commit.
func (r *Repository) Push(t testing.TB, files map[string]string) string {
	t.Helper()
	return tree(r.Dir).push(t, files)
}

// Pause ends one of the controllers as a crash would, and resume starts it again.
func (f *Flux) Pause(name string) (resume func(context.Context) error) {
	for _, p := range f.parts {
		if p.name == name {
			p.kill()
			return p.start
		}
	}
	return func(context.Context) error { return errors.New("Flux has no " + name) }
}

func (f *Flux) halt() {
	for i := len(f.parts) - 1; i >= 0; i-- {
		f.parts[i].stop()
	}
	f.parts = nil
}

// Stop ends it.
func (f *Flux) Stop() {
	f.halt()
	f.done()
}
