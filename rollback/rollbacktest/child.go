package rollbacktest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// childEnv carries the job of a process that [Command] makes.
const childEnv = "BACKOUT_TEST_CHILD"

// Child lets a test binary be a process of its own, one that is killed in the middle of an Apply: call it first in TestMain. In
// such a process do gets the job, and the process ends with it: 0, or 1 with the error on standard error. Elsewhere it does nothing.
func Child[Job any](do func(Job) error) {
	text := os.Getenv(childEnv)
	if text == "" {
		return
	}
	var job Job
	err := json.Unmarshal([]byte(text), &job)
	if err == nil {
		err = do(job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Command is this test binary as a process of its own, which is to do a job: what it is to make a provider of, and which step of
// which operation that applies.
func Command(ctx context.Context, job any) (*exec.Cmd, error) {
	text, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	return cmd, nil
}
