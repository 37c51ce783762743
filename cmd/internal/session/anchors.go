package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

const (
	// anchorWait is how long one program of an anchor may take, a push among them.
	anchorWait = 30 * time.Second
	// maxAnchored bounds what is read of an anchor: some 40,000 checkpoints.
	maxAnchored = 16 << 20

	notesRef = "refs/notes/backout-ledger"
	tagsRef  = "refs/tags/backout-ledger/"
)

// How lines in the log of a run begin that tell of its anchors.
const (
	wasAnchored = "anchored: "
	notAnchored = "not anchored in "
)

// AboutAnchor tells whether a line in the log of a run is about an anchor.
func AboutAnchor(line string) bool {
	return strings.HasPrefix(line, wasAnchored) || strings.HasPrefix(line, notAnchored)
}

// CheckpointNamespace keeps a signature over a checkpoint from being taken for one over anything else.
const CheckpointNamespace = "checkpoint@backout.dev"

// Checkpoint is the record as it is now, if it holds.
func (s *Session) Checkpoint(ctx context.Context) (ledger.Checkpoint, error) {
	report, err := s.DB.Verify(ctx)
	switch {
	case err != nil:
		return ledger.Checkpoint{}, fmt.Errorf("verify the record: %w", err)
	case !report.OK:
		return ledger.Checkpoint{}, errors.New("the record is damaged, and a checkpoint would say that it is not: see 'backout ledger verify'")
	case report.Entries == 0:
		return ledger.Checkpoint{}, errors.New("the record has no entry yet: there is nothing to keep")
	}
	return ledger.Checkpoint{Origin: report.Origin, Head: report.Head, At: s.opts.Now(), By: s.opts.Principal.ID}, nil
}

// Anchor keeps a checkpoint at an anchor.
func (s *Session) Anchor(ctx context.Context, a *config.Anchor, c ledger.Checkpoint) error {
	var err error
	switch {
	case a.File != "":
		err = appendTo(a.File, c.Text()+"\n")
	case a.GitNote != "":
		if _, err = gitAt(ctx, a.GitNote, c.Text(), "notes", "--ref="+notesRef, "append", "-F", "-", "HEAD"); err == nil && a.Push != "" {
			_, err = gitAt(ctx, a.GitNote, "", "push", "-q", "--", a.Push, notesRef)
		}
	case a.GitTag != "":
		err = s.tag(ctx, a, c)
	default:
		_, err = runProgram(ctx, a.Command, c.Text(), os.Environ())
	}
	if err != nil {
		return fmt.Errorf(notAnchored+"%s: %w", a, err)
	}
	return nil
}

// tag names the head in the tag, so that a second checkpoint of the same head is the same tag.
func (s *Session) tag(ctx context.Context, a *config.Anchor, c ledger.Checkpoint) error {
	name := fmt.Sprintf("backout-ledger/%.8s/%d-%.8s", c.Origin, c.Head.Seq, c.Head.Hash)
	if _, err := gitAt(ctx, a.GitTag, "", "rev-parse", "-q", "--verify", "refs/tags/"+name); err != nil {
		if _, err := gitAt(ctx, a.GitTag, c.Text(), "tag", "-a", "-F", "-", "--cleanup=verbatim", name); err != nil {
			return err
		}
	}
	if a.Push == "" {
		return nil
	}
	_, err := gitAt(ctx, a.GitTag, "", "push", "-q", "--", a.Push, "refs/tags/"+name)
	return err
}

// errNotRead is an anchor that only its own readers can look at.
var errNotRead = errors.New("nobody said how to read what it keeps: compare by hand with --checkpoint, or configure read")

// Anchored reads the checkpoints that an anchor keeps, also those of other ledgers.
func (s *Session) Anchored(ctx context.Context, a *config.Anchor) ([]ledger.Checkpoint, error) {
	var text string
	var err error
	switch {
	case a.File != "":
		text, err = readAtMost(a.File)
	case a.GitNote != "":
		text, err = notes(ctx, a.GitNote)
	case a.GitTag != "":
		text, err = gitAt(ctx, a.GitTag, "", "for-each-ref", "--format=%(contents)", tagsRef)
	case len(a.Read) > 0:
		text, err = runProgram(ctx, a.Read, "", os.Environ())
	default:
		err = errNotRead
	}
	if err != nil {
		return nil, err
	}
	return ledger.ParseCheckpoints(text)
}

// notes are the texts of all notes, one after another.
func notes(ctx context.Context, repo string) (string, error) {
	list, err := gitAt(ctx, repo, "", "notes", "--ref="+notesRef, "list")
	if err != nil || list == "" {
		return "", err
	}
	var blobs strings.Builder
	for l := range strings.Lines(list) {
		blob, _, _ := strings.Cut(l, " ")
		blobs.WriteString(blob + "\n")
	}
	return gitAt(ctx, repo, blobs.String(), "cat-file", "--batch")
}

// AnchorRun keeps a checkpoint at every anchor that is configured for that, after a run. What became of it stands in the log of
// the run; the run is over, and nothing of it is altered by an anchor that fails.
func (s *Session) AnchorRun(ctx context.Context, runID string) {
	var told []string
	var c ledger.Checkpoint
	var err error
	for i := range s.opts.Config.Ledger.Anchors {
		a := &s.opts.Config.Ledger.Anchors[i]
		if a.When != "run" {
			continue
		}
		if c.Origin == "" && err == nil {
			if c, err = s.Checkpoint(ctx); err == nil {
				c.Signature = s.signedOrNot(ctx, runID, c)
			}
		}
		failed := err
		if failed == nil {
			failed = s.Anchor(ctx, a, c)
		} else {
			failed = fmt.Errorf(notAnchored+"%s: %w", a, failed)
		}
		if failed != nil {
			s.opts.Log.Error("the record is not anchored", "run", runID, "error", failed)
			told = append(told, failed.Error())
			continue
		}
		told = append(told, fmt.Sprintf(wasAnchored+"%d entries in %s", c.Head.Seq, a))
	}
	if len(told) == 0 {
		return
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		for _, line := range told {
			if err := tx.Log(runID, line); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.opts.Log.Error("what became of the anchors is not in the log of the run", "run", runID, "error", err)
	}
}

// signedOrNot is the signature of a checkpoint after a run, which waits for no key.
func (s *Session) signedOrNot(ctx context.Context, runID string, c ledger.Checkpoint) string {
	signature, err := s.SignCheckpoint(ctx, c.Body())
	if err != nil {
		s.opts.Log.Warn("the checkpoint stays unsigned", "run", runID, "error", err)
	}
	return signature
}

// SignCheckpoint signs by the configured key where that answers at once; "" is unsigned, also where no key is configured.
func (s *Session) SignCheckpoint(ctx context.Context, body string) (string, error) {
	if s.signing == nil {
		return "", nil
	}
	key, err := openKey(ctx, s.signing.path, s.signing.sock, agentWait)
	if err != nil {
		return "", err
	}
	blob, err := ledger.Sign(key, CheckpointNamespace, []byte(body))
	if err = errors.Join(err, key.Close()); err != nil {
		return "", err
	}
	return ledger.Armored(blob), nil
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func readAtMost(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAnchored+1))
	if err == nil && len(data) > maxAnchored {
		err = fmt.Errorf("it is longer than %d bytes", maxAnchored)
	}
	return string(data), err
}

// gitAt runs git in a repository. It never asks for anything.
func gitAt(ctx context.Context, repo, in string, args ...string) (string, error) {
	env := process.Environ("PATH", "HOME", "USER", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
		"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "SYSTEMROOT")
	env = append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_SSH_COMMAND="+cmp.Or(os.Getenv("GIT_SSH_COMMAND"), "ssh -o BatchMode=yes"))
	return runProgram(ctx, append([]string{"git", "-C", repo}, args...), in, env)
}

func runProgram(ctx context.Context, argv []string, in string, env []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, anchorWait)
	defer cancel()
	out, err := process.Program{Argv: argv, Env: env, Stdin: strings.NewReader(in), MaxOutput: maxAnchored}.Run(ctx)
	return string(out), err
}
