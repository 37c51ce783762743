package demo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrNeeds is what a scenario ends with before anything was made where this machine lacks what it needs; the text says what.
var ErrNeeds = errors.New("this scenario needs")

// checkout is the directory of the checkout of backout that dir is in.
func checkout(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && bytes.HasPrefix(mod, []byte("module github.com/backout-dev/backout\n")) {
			if _, err := os.Stat(filepath.Join(at, "test", "servers", "up")); err == nil {
				return at, nil
			}
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%w a checkout of backout with the Go toolchain: it builds a control plane there and runs the shop as processes "+
				"of this machine. git clone https://github.com/backout-dev/backout, go there, and start it again", ErrNeeds)
		}
	}
}

// toolchain looks whether what builds the control plane is here.
func toolchain() error {
	for _, program := range []string{"go", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w the %s program: %w", ErrNeeds, program, err)
		}
	}
	return nil
}
