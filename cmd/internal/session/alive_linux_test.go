package session

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// A process that was killed and not collected yet holds nothing any more.
func TestAProcessThatEndedIsNotAlive(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Skipf("no program to start: %v", err)
	}
	holder := host + ":" + strconv.Itoa(cmd.Process.Pid)
	if holderDead(holder) {
		t.Error("a process that runs is called dead")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !holderDead(holder); time.Sleep(time.Millisecond) { // between two looks at another process
		if time.Now().After(deadline) {
			t.Fatal("a process that was killed and not collected counts as alive")
		}
	}
	_ = cmd.Wait()
	if !holderDead(holder) {
		t.Error("a process that is gone counts as alive")
	}
}
