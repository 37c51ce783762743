package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	writesEach = 150
	asWriter   = "BACKOUT_TEST_ARCHIVE_WRITER"
)

// TestTwoProcessesLoseNoWrite starts two more processes, which add lines to the same key at once.
func TestTwoProcessesLoseNoWrite(t *testing.T) {
	if dir, name, ok := strings.Cut(os.Getenv(asWriter), "|"); ok {
		writer(t, dir, name)
		return
	}
	dir := t.TempDir()
	var all []*exec.Cmd
	var said [2]bytes.Buffer
	for i := range 2 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTwoProcessesLoseNoWrite$", "-test.timeout=60s") //nolint:gosec // this very test
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|p%d", asWriter, dir, i))
		cmd.Stdout, cmd.Stderr = &said[i], &said[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for i, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, said[i].String())
		}
	}
	a := Archive{Dir: dir}
	data, err := a.Get(t.Context(), "k8s", "lines")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(data))
	for i := range 2 {
		for n := range writesEach {
			if !slices.Contains(lines, fmt.Sprintf("p%d-%d", i, n)) {
				t.Errorf("p%d-%d is lost", i, n)
			}
		}
	}
	if len(lines) != 2*writesEach {
		t.Errorf("%d lines", len(lines))
	}
	if keys, err := a.Keys(t.Context(), "k8s", ""); err != nil || !slices.Equal(keys, []string{"lines"}) {
		t.Errorf("keys are %q, %v", keys, err)
	}
}

// writer waits until the other one has begun too, so that they really write at once.
func writer(t *testing.T, dir, name string) {
	a := Archive{Dir: dir}
	if err := a.Put(t.Context(), "begun", name, nil); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; {
		keys, err := a.Keys(t.Context(), "begun", "")
		if err != nil || time.Now().After(end) {
			t.Fatalf("the other one never began: %v", err)
		}
		if len(keys) == 2 {
			break
		}
	}
	for n := range writesEach {
		err := providers.Update(t.Context(), a, "k8s", "lines", func(old []byte) ([]byte, error) {
			return fmt.Appendf(old, "%s-%d\n", name, n), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestUpdateKeepsWhatWasThereWhenItFails(t *testing.T) {
	a := Archive{Dir: t.TempDir()}
	if err := a.Put(t.Context(), "k8s", "x", []byte("old")); err != nil {
		t.Fatal(err)
	}
	why := errors.New("no")
	for name, change := range map[string]func([]byte) ([]byte, error){
		"an error": func([]byte) ([]byte, error) { return []byte("new"), why },
		"nothing":  func([]byte) ([]byte, error) { return nil, nil },
	} {
		if err := a.Update(t.Context(), "k8s", "x", change); name == "an error" != errors.Is(err, why) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := a.Get(t.Context(), "k8s", "x"); err != nil || string(got) != "old" {
			t.Errorf("%s: %s %v", name, got, err)
		}
	}
	held, err := os.OpenFile(a.path("k8s", lockName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if ok, err := tryLock(held); !ok || err != nil {
		t.Fatal(ok, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Update(ctx, "k8s", "x", func([]byte) ([]byte, error) { return []byte("new"), nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("while another one holds it: %v", err)
	}
}
