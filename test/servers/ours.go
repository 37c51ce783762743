package servers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// HelmWriter is backout-helm of the checkout that this process runs in, a module of its own: where it is built to, in the
// user's cache, and whether one is there, of whatever sources.
type HelmWriter struct {
	Path  string
	There bool
	dir   string
}

// FindHelmWriter looks for it.
func FindHelmWriter(ctx context.Context) (HelmWriter, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return HelmWriter{}, fmt.Errorf("find the checkout: %w", err)
	}
	w := HelmWriter{dir: filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "cmd", "backout-helm")}
	if _, err := os.Stat(filepath.Join(w.dir, "go.mod")); err != nil {
		return HelmWriter{}, errors.New("not in a checkout of backout: go there first")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return HelmWriter{}, fmt.Errorf("find the user's cache: %w", err)
	}
	which := sha256.Sum256([]byte(w.dir)) // two checkouts may differ
	w.Path = filepath.Join(cache, "backout-test", "checkout-"+hex.EncodeToString(which[:6]), program("backout-helm"))
	w.There = runs(w.Path)
	return w, nil
}

// Build builds it; where its sources are those that it was built of, that takes a second. tell is as for [Build].
func (w HelmWriter) Build(ctx context.Context, tell func(Progress)) error {
	if err := os.MkdirAll(filepath.Dir(w.Path), 0o755); err != nil {
		return err
	}
	s := Server{Name: "backout-helm", Version: "of this checkout", Package: ".", LDFlags: "-s -w"}
	b := build{Progress: Progress{Server: s}, dir: w.dir, tell: tell, flags: []string{"-buildvcs=false", "-ldflags", s.LDFlags}}
	if !w.There {
		return b.compile(ctx, w.Path)
	}
	return b.link(ctx, w.Path)
}
