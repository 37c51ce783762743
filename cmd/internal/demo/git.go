package demo

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// commit is one commit of a fast-import stream.
type commit struct {
	ref                 string
	mark                int
	author, committer   person
	authored, committed time.Time
	message             string
	parent, merged      string
	files               map[string]string
}

func writeCommit(w *bytes.Buffer, c commit) {
	fmt.Fprintf(w, "commit %s\nmark :%d\nauthor %s %d +0000\ncommitter %s %d +0000\ndata %d\n%s\n",
		c.ref, c.mark, c.author, c.authored.Unix(), c.committer, c.committed.Unix(), len(c.message), c.message)
	if c.parent != "" {
		fmt.Fprintf(w, "from %s\n", c.parent)
	}
	if c.merged != "" {
		fmt.Fprintf(w, "merge %s\n", c.merged)
	}
	for _, path := range slices.Sorted(maps.Keys(c.files)) {
		fmt.Fprintf(w, "M 100644 inline %s\ndata %d\n%s\n", path, len(c.files[path]), c.files[path])
	}
	w.WriteByte('\n')
}

// git runs the git program in the repository, with nothing of the user's settings.
func (r *repository) git(ctx context.Context, in *bytes.Buffer, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, gitDeadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.dir
	cmd.WaitDelay = time.Second
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GIT_") || strings.HasPrefix(kv, "GIT_EXEC_PATH=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	if in != nil {
		cmd.Stdin = in
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
