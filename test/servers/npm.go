package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// installNPM puts a server that is a package of npm into the cache. Its package-lock.json pins every byte; no script of any
// package runs.
func installNPM(ctx context.Context, s Server, path string) error {
	from, err := moduleDir(ctx, s)
	if err != nil {
		return err
	}
	home := s.npmHome(path)
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return err
	}
	// An interrupted installation must not look like a finished one, and another may run at the same time.
	half, err := os.MkdirTemp(filepath.Dir(home), "installing-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(half)
	for _, name := range []string{"package.json", "package-lock.json"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(half, name), data, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund")
	cmd.Dir = half
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install %s %s: %w\n%s", s.Name, s.Version, err, out)
	}
	if err := os.RemoveAll(home); err != nil {
		return err
	}
	return os.Rename(half, home)
}

// npmHome is the directory that holds a package of npm and all that it needs.
func (s Server) npmHome(path string) string {
	return filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(path)))) // HOME/node_modules/PACKAGE/dist/server.js
}
