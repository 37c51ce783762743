package git

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

// mostPushes is how often a push is made again because somebody landed something on other services in between.
const mostPushes = 10

// Apply implements [rollback.Reverser]: it pushes one commit on top of the branch, on the condition that the branch is
// where it was looked at and that the unit's files are the step's. Where somebody landed something that leaves these
// files as they are, it builds anew on top of that.
func (v *Reverter) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (res rollback.Result, err error) {
	if !operationID.MatchString(op.ID) {
		return failed("operation %q: the id is letters, digits, _ and -", providers.Clean(op.ID)), nil
	}
	if step.Action != actionRevert && step.Action != actionPropose {
		return failed("%q is no step of this provider: make a new plan", providers.Clean(step.Action)), nil
	}
	ctx, cancel := bounded(ctx, v.ApplyTimeout())
	defer cancel()
	for range mostPushes {
		again := false
		err := v.looked(ctx, func(ctx context.Context, s *sight) error {
			var err error
			res, again, err = v.try(ctx, s, op, step)
			return err
		})
		switch {
		case err != nil && res.Outcome == "":
			// Only looks come before the push: this attempt sent nothing, and those before it were refused.
			return failed("%s", providers.Clean(err.Error())), nil
		case !again:
			return res, nil
		}
	}
	return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: fmt.Sprintf("%s moved on %d times while this was pushed: nothing was pushed", v.set.Revert.shown(), mostPushes)}, nil
}

func failed(format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: rollback.Failed, Detail: "nothing was pushed: " + fmt.Sprintf(format, args...)}
}

func refused(format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: fmt.Sprintf(format, args...)}
}

// try makes one attempt. Again: the branch moved and the unit did not, as far as is known.
func (v *Reverter) try(ctx context.Context, s *sight, op rollback.Operation, step rollback.Step) (res rollback.Result, again bool, err error) {
	service, err := v.service(s, step.Unit)
	if errors.Is(err, rollback.ErrNotFound) {
		return refused("%v", err), false, nil
	}
	if res, over, err := v.judge(ctx, s, s.now(service), op, step); err != nil || over {
		return res, false, err
	}
	w, ok, err := v.wayTo(ctx, s, service, step.To)
	switch {
	case err != nil:
		return res, false, err
	case !ok || len(w.conflicts) > 0 || strings.Join(w.hashes(), " ") != step.Args["commits"]:
		return refused("what would be reverted is not what the plan says: make a new plan"), false, nil
	case step.Args["ref"] != v.step(w, rollback.Observation{}).Args["ref"]:
		return failed("the plan is for %s, and the configuration says something else: make a new plan", providers.Clean(step.Args["ref"])), false, nil
	}
	tree, err := v.build(ctx, s, w)
	if errors.Is(err, errMixed) {
		return failed("%v", err), false, nil
	}
	if err != nil {
		return res, false, err
	}
	commit, err := v.commit(ctx, s, w, tree, op)
	if err != nil {
		return failed("%v", err), false, nil //nolint:nilerr // it is in the outcome, and it is known that nothing happened
	}
	v.at("built")
	return v.push(ctx, s, step, commit, w.digest)
}

// judge tells what needs no push any more: it was made already, or the files are not what the plan saw.
func (v *Reverter) judge(ctx context.Context, s *sight, now standing, op rollback.Operation, step rollback.Step) (res rollback.Result, over bool, err error) {
	switch {
	case now.op == op.ID && now.digest == step.To:
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: now.token(), Detail: "it is on " + v.set.Revert.shown() + " as " + abbreviated(now.commit)}, true, nil
	case now.token() != step.Token:
		return refused("%s brought something else to these files: %s", now.label(), now.subject), true, nil
	case step.Action == actionPropose:
		return v.proposed(ctx, s, op, step)
	default:
		return res, false, nil
	}
}

// proposed looks at the review branch: by this operation it was pushed already, by anybody else it stays theirs.
func (v *Reverter) proposed(ctx context.Context, s *sight, op rollback.Operation, step rollback.Step) (res rollback.Result, over bool, err error) {
	ref := step.Args["ref"]
	at, err := s.repo.heads(ctx, s.pushTo, ref)
	if err != nil || at[ref] == "" {
		return res, false, err
	}
	if err := s.room.bring(ctx, s.pushTo, ref, at[ref]); err != nil {
		return res, false, err
	}
	message, err := s.room.run(ctx, "log", "-n", "1", "--no-show-signature", "--format=%B", at[ref], "--")
	if err != nil {
		return res, false, err
	}
	if operationIn(message) == op.ID {
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: step.Token, Detail: v.next(short(ref))}, true, nil
	}
	return refused("%s is on %s already, and not by this operation: have it merged, or delete it", short(ref), v.set.Revert.Remote), true, nil
}

// next says what a person has to do with a review branch.
func (v *Reverter) next(branch string) string {
	text := fmt.Sprintf("proposed on %s and not restored: open a pull request of it into %s and have it merged", branch, v.set.Revert.Branch)
	v.mu.Lock()
	page := v.web.request(v.set.Revert.Branch, branch)
	v.mu.Unlock()
	if page != "" {
		text += ": " + page
	}
	return text
}

// push sends the commit on the condition that the ref is where it was. What the remote did not say is unknown: then it
// is asked once more whether the commit is there.
func (v *Reverter) push(ctx context.Context, s *sight, step rollback.Step, commit, digest string) (rollback.Result, bool, error) {
	set, ref, expected := v.set.Revert, step.Args["ref"], s.tip
	done := rollback.Result{Outcome: rollback.Applied, Token: commit + " " + digest, Detail: "pushed to " + set.shown() + " as " + abbreviated(commit)}
	if step.Action == actionPropose {
		expected = "" // it must not be there
		done = rollback.Result{Outcome: rollback.Applied, Token: step.Token, Detail: v.next(short(ref))}
	}
	if err := ctx.Err(); err != nil {
		return failed("the time was up before: %v", err), false, nil //nolint:nilerr // it is in the outcome
	}
	p := s.repo.reaching(ctx, pushArgs("--force-with-lease="+ref+":"+expected, s.pushTo, commit+":"+ref)...)
	p.Env = append(p.Env, s.room.vars...)
	out, err := p.Run(ctx)
	v.at("pushed")
	var never *process.StartError
	switch {
	case err == nil:
		return done, false, nil
	case errors.As(err, &never):
		return failed("%v", err), false, nil
	}
	switch said := verdictOf(string(out), ref); {
	case strings.HasPrefix(said, "[rejected]"), lostRace(said):
		return refused("somebody was quicker: %s", said), true, nil
	case strings.HasPrefix(said, "[remote rejected]"):
		return failed("%s refused it: %s%s", set.Remote, said, remarks(err)), false, nil
	}
	if at, lookErr := s.repo.heads(ctx, s.pushTo, ref); lookErr == nil && at[ref] == commit {
		return done, false, nil
	}
	return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: "whether the push arrived is not known: " + providers.Clean(err.Error())}, false, nil
}

// verdictOf is what the remote said of the ref, as --porcelain prints it: flag, refs and summary between tabs.
func verdictOf(out, ref string) string {
	for line := range strings.Lines(out) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(f) == 3 && f[0] == "!" && strings.HasSuffix(f[1], ":"+ref) {
			return providers.Clean(f[2])
		}
	}
	return ""
}

// lostRace knows the words of a server that found the ref moved, or held by somebody else's push, when it was to take ours.
func lostRace(said string) bool {
	return strings.HasPrefix(said, "[remote rejected]") && slices.ContainsFunc(
		[]string{"cannot lock ref", "failed to update ref", "failed to lock", "incorrect old value", "already exists", "fetch first", "non-fast-forward"},
		func(words string) bool { return strings.Contains(said, words) },
	)
}

// remarks are what a server's hook said.
func remarks(err error) string {
	var exit *process.ExitError
	if !errors.As(err, &exit) {
		return ""
	}
	var said []string
	for line := range strings.Lines(exit.Stderr) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "remote:"); ok && strings.TrimSpace(text) != "" {
			said = append(said, strings.TrimSpace(text))
		}
	}
	if len(said) == 0 {
		return ""
	}
	return ": " + providers.Clean(strings.Join(said, " "))
}
