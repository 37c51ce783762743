package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// makeDir makes the world's directory, or takes an empty one.
func (w *World) makeDir(dir string) error {
	var err error
	if dir == "" {
		dir, err = os.MkdirTemp("", "backout-demo-")
		w.made = true
	} else {
		err = os.Mkdir(dir, 0o755)
		w.made = err == nil
		if errors.Is(err, fs.ErrExist) {
			var entries []os.DirEntry
			if entries, err = os.ReadDir(dir); len(entries) > 0 {
				err = errors.New("it is not empty: name one that is not there yet")
			}
		}
	}
	if err == nil {
		w.dir, err = filepath.Abs(dir)
	}
	if err == nil {
		w.dir, err = filepath.EvalSymlinks(w.dir)
	}
	if err != nil {
		return fmt.Errorf("make the demo's directory %s: %w", dir, err)
	}
	return nil
}

// remove removes what New made, and ends the sweeper, which has nothing left to do.
func (w *World) remove() error {
	err := removeMade(w.dir, w.made)
	if w.sweeper != nil {
		w.sweeper.stop()
	}
	return err
}

// removeMade removes the directory if it was made here; of one that was there before, only what is in it.
func removeMade(dir string, made bool) error {
	if made {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
