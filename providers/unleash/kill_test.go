package unleash_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
)

const childEnv = "BACKOUT_TEST_UNLEASH_APPLY"

// job is what the process that is killed has to do.
type job struct {
	URL  string
	Op   rollback.Operation
	Step rollback.Step
}

// TestMain lets this binary be the process that applies and is killed.
func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(child(text))
	}
	os.Exit(m.Run())
}

func child(text string) int {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return 2
	}
	p, err := tryMake(settings(j.URL))
	if err != nil {
		return 2
	}
	if _, err := p.Apply(context.Background(), j.Op, j.Step); err != nil {
		return 2
	}
	return 0
}

// applyAndKill applies in a process of its own, which takes some 200 ms, and kills that at a random instant.
func applyAndKill(ctx context.Context, url string, op rollback.Operation, step rollback.Step) error {
	text, err := json.Marshal(job{url, op, step})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(20+rand.IntN(300))*time.Millisecond)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	_ = cmd.Run() // killed, or through
	return nil
}
