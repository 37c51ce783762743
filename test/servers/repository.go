package servers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tree is the working tree of a repository that a reconciler reads; its path.
type tree string

// begin makes the repository.
func (w tree) begin(ctx context.Context) error {
	if err := os.MkdirAll(string(w), 0o700); err != nil {
		return err
	}
	return w.git(ctx, "init", "-q", "-b", "main")
}

// push writes files, commits them on main, and gives the commit.
func (w tree) push(t testing.TB, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		to := filepath.Join(string(w), filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", "change"}} {
		if err := w.git(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "git", "-C", string(w), "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (w tree) git(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", string(w), "-c", "user.name=test", "-c", "user.email=test@example.test", "-c", "commit.gpgsign=false"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %v: %w: %s", args, err, out)
	}
	return nil
}

// serveGit answers git over HTTP for the repositories below a directory, by git's own program for that, until done is called.
func serveGit(ctx context.Context, dir string) (url string, done func(), err error) {
	core, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return "", nil, fmt.Errorf("find git's own programs: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{
		ReadHeaderTimeout: startTimeout,
		Handler: &cgi.Handler{
			Path: filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"), InheritEnv: []string{"PATH", "HOME"},
			Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
		},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l) // it ends when it is closed
	}()
	return "http://" + l.Addr().String(), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			_ = s.Close()
		}
		<-ended
	}, nil
}
