// Package servers finds, builds and starts the real servers that tests run against, and the programs that tests need beside
// them. Nothing of it is in the product.
//
// A server is taken from the directory that BACKOUT_TEST_SERVERS names, from PATH, or from the user's cache, where
//
//	go run ./test/servers/get
//
// puts the pinned versions, built as Go modules. A test whose server is missing is skipped on a laptop and fails where
// the environment has CI=true.
//
// A test on a cluster takes a minute or more, and several at once all the memory that a laptop has. So go test leaves them
// out, loudly, unless CI=true or BACKOUT_TEST_CLUSTERS=true.
package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// Server is one program that tests need.
type Server struct {
	Name    string
	Version string   // pinned in its module
	In      string   // the directory of its module below this one; empty: Name
	Package string   // its main package
	Module  string   // the module that Version is of, where Package is our own; empty: that of Package
	Tags    string   // build tags
	LDFlags string   // for the linker
	OnPath  []string // what distributions call it; empty: only the pinned version will do
	Files   []string // what tests need of Module beside the program: it is put into FilesDir
	NPM     string   // the package of npm that it is, where it is one; Package is the file in it that node runs
}

// All lists the servers that can be built.
func All() []Server {
	return []Server{
		{
			Name: "alertmanager", Version: "v0.31.1", Package: "github.com/prometheus/alertmanager/cmd/alertmanager",
			OnPath: []string{"prometheus-alertmanager", "alertmanager"},
		},
		{
			Name: "argocd", Version: argocdVersion, Package: argocdModule + "/cmd", Module: argocdModule,
			// It puts a v before the version itself.
			LDFlags: "-s -w -X " + argocdModule + "/common.version=" + argocdVersion[1:], Files: argocdFiles,
		},
		{
			Name: "controlplane", Version: "v1.37.2", Package: ".", Module: "k8s.io/kubernetes",
			// Without these the API server says that it is v0.0.0-master.
			LDFlags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37",
		},
		fluxServer("helm-controller", "v1.6.1", "helm.toolkit.fluxcd.io_helmreleases.yaml"),
		fluxServer("kustomize-controller", "v1.9.1", "kustomize.toolkit.fluxcd.io_kustomizations.yaml"),
		fluxServer("source-controller", "v1.9.1", fluxSources...),
		{
			Name: "golang-migrate", In: "migrate", Version: "v4.20.1", Package: "github.com/golang-migrate/migrate/v4/cmd/migrate",
			Tags: "pgx5", LDFlags: "-s -w -X main.Version=4.20.1",
		},
		{
			Name: "helm", Version: "v4.3.1", Package: "helm.sh/helm/v4/cmd/helm",
			LDFlags: "-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1",
		},
		{
			// Whose records many clusters still hold.
			Name: "helm3", Version: "v3.22.0", Package: "helm.sh/helm/v3/cmd/helm",
			LDFlags: "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0",
		},
		{
			Name: "kubectl-argo-rollouts", In: "rollouts", Version: rolloutsVersion, Package: rolloutsModule + "/cmd/kubectl-argo-rollouts",
			LDFlags: "-s -w -X " + rolloutsModule + "/utils/version.version=" + rolloutsVersion,
		},
		{
			// Without the tag, every service discovery is linked, some of which cannot be had as modules.
			Name: "prometheus", Version: "v0.316.0", Package: "github.com/prometheus/prometheus/cmd/prometheus",
			Tags: "remove_all_sd", OnPath: []string{"prometheus"},
		},
		{
			Name: "rollouts-controller", In: "rollouts", Version: rolloutsVersion, Package: rolloutsModule + "/cmd/rollouts-controller",
			LDFlags: "-s -w -X " + rolloutsModule + "/utils/version.version=" + rolloutsVersion,
			Module:  rolloutsModule, Files: rolloutsKinds,
		},
		{Name: "unleash", Version: "v7.5.1", NPM: "unleash-server", Package: "dist/server.js"},
	}
}

// Lookup finds a server by name.
func Lookup(name string) (Server, error) {
	i := slices.IndexFunc(All(), func(s Server) bool { return s.Name == name })
	if i < 0 {
		return Server{}, fmt.Errorf("no server %q is known here", name)
	}
	return All()[i], nil
}

// Cached is where the pinned version is, once it was built.
func (s Server) Cached() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache: %w", err)
	}
	if s.NPM != "" {
		return filepath.Join(cache, "backout-test", s.Version, s.Name, "node_modules", s.NPM, filepath.FromSlash(s.Package)), nil
	}
	return filepath.Join(cache, "backout-test", s.Version, program(s.Name)), nil
}

// FilesDir is where the Files are of a server whose program is at path.
func (s Server) FilesDir(path string) string {
	return filepath.Join(filepath.Dir(path), s.Name+"-files")
}

// Find gives the path of a server's program, or an error that says how to get it.
func Find(name string) (string, error) {
	s, err := Lookup(name)
	if err != nil {
		return "", err
	}
	if dir := os.Getenv("BACKOUT_TEST_SERVERS"); dir != "" {
		for _, n := range append([]string{s.Name}, s.OnPath...) {
			if path := filepath.Join(dir, program(n)); runs(path) {
				return path, nil
			}
		}
	}
	for _, n := range s.OnPath {
		if path, err := exec.LookPath(n); err == nil {
			return path, nil
		}
	}
	path, err := s.Cached()
	if err != nil {
		return "", err
	}
	if !s.there(path) {
		where := "neither on PATH nor in the cache"
		if len(s.OnPath) == 0 {
			where = "not in the cache, as " + s.Version
		}
		return "", fmt.Errorf("%s is %s: go run ./test/servers/get %s", name, where, name)
	}
	return path, nil
}

// pinned reports whether what Find gives is the version that All names.
func pinned(name string) (bool, error) {
	s, err := Lookup(name)
	if err != nil {
		return false, err
	}
	cached, err := s.Cached()
	if err != nil {
		return false, err
	}
	path, err := Find(name)
	return err == nil && path == cached, nil // whoever needs it says what is missing
}

// Need is Find for a test: it skips the test, or fails it where CI=true, when the server is missing.
func Need(t testing.TB, name string) string {
	t.Helper()
	path, err := Find(name)
	if err == nil {
		return path
	}
	lacks(t, err)
	return ""
}

// NeedCluster is Need for what runs on a cluster of its own: it skips the test also where only the inner loop was asked for.
func NeedCluster(t testing.TB) string {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("BACKOUT_TEST_CLUSTERS") != "true" {
		t.Skip("SKIPPED, too long for the inner loop: BACKOUT_TEST_CLUSTERS=true runs it, make race runs all")
	}
	return Need(t, "controlplane")
}

// needInstalled is Need for a program that is installed by the system's packages.
func needInstalled(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	lacks(t, fmt.Errorf("%w: install it", err))
	return ""
}

func lacks(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("under CI nothing is skipped: %v", err)
	}
	t.Skipf("SKIPPED, a real server is missing: %v", err)
}

func program(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// there reports whether a server's program is at path. What node runs needs no right to be executed.
func (s Server) there(path string) bool {
	if s.NPM == "" {
		return runs(path)
	}
	_, err := os.Stat(path)
	return err == nil
}

func runs(path string) bool {
	path, err := exec.LookPath(path)
	return err == nil || (errors.Is(err, exec.ErrDot) && path != "")
}
