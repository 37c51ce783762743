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

const (
	actionRevert  = "revert"
	actionPropose = "propose"
	longestDiff   = 256 << 10
)

// Plan implements [rollback.Reverser]: one commit, pushed on the condition that the files are still what was seen. What
// cannot be taken back without a conflict is missing, with the files named.
func (v *Reverter) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (prop rollback.Proposal, err error) {
	err = v.looked(ctx, func(ctx context.Context, s *sight) error {
		service, err := v.service(s, obs.Unit.ID)
		if err != nil {
			return err
		}
		w, ok, err := v.wayTo(ctx, s, service, to.Digest)
		switch {
		case err != nil:
			return err
		case !ok:
			prop.Missing = []string{fmt.Sprintf("nothing on %s leads to %s any more: look again", v.set.Revert.shown(), providers.Clean(to.Label))}
			prop.LookedAt(rollback.LostArtifact, "the commit to go back to", 0)
			return nil
		case len(w.conflicts) > 0:
			prop.Missing = []string{fmt.Sprintf("%s cannot be taken out from between: later changes touch the same lines of %s; go back to before it, or revert it by hand",
				abbreviated(w.commits[0].commit), listed(w.conflicts))}
			prop.LookedAt(rollback.LostArtifact, "the revert as git makes it, without a conflict", 0)
			return nil
		}
		return v.propose(ctx, s, w, obs, &prop)
	})
	return prop, err
}

func (v *Reverter) propose(ctx context.Context, s *sight, w way, obs rollback.Observation, prop *rollback.Proposal) error {
	tree, err := v.build(ctx, s, w)
	if errors.Is(err, errMixed) {
		prop.Missing = []string{err.Error()}
		prop.LookedAt(rollback.LostArtifact, "the revert as git makes it", 0)
		return nil
	}
	if err != nil {
		return err
	}
	prop.Steps = []rollback.Step{v.step(w, obs)}
	if prop.Diff, err = v.diff(ctx, s, tree); err != nil {
		return err
	}
	prop.Blast = counted(len(w.files()), "file")
	prop.LookedAt(rollback.LostArtifact, "the revert as git makes it, without a conflict", 0)
	prop.Missing, prop.Warnings = v.hindrances(ctx, s, w)
	prop.LookedAt(rollback.LostRight, "a push that changes nothing (push --dry-run)", 0)
	if v.set.Revert.reviews() {
		prop.Warnings = append(prop.Warnings, "it only proposes: "+v.set.Revert.shown()+" stays as it is until the branch is merged")
	}
	prop.NotRestored = []string{"what runs: it changes when " + v.set.Revert.shown() + " is deployed"}
	var also []string
	migrates := false
	for _, c := range w.commits {
		also, migrates = append(also, c.also...), migrates || c.moves
	}
	slices.Sort(also)
	if also = slices.Compact(also); len(also) > 0 {
		prop.NotRestored = append(prop.NotRestored, "what the same commits changed in "+providers.Clean(listed(also)))
	}
	if migrates {
		prop.NotRestored = append(prop.NotRestored, "the database: a migration leaves the branch, and what it did stays")
	}
	return nil
}

// step is the one effect. Its arguments name the commits, so that what is confirmed is what is done.
func (v *Reverter) step(w way, obs rollback.Observation) rollback.Step {
	set, commits := v.set.Revert, w.hashes()
	st := rollback.Step{
		N: 1, Unit: obs.Unit.ID, Action: actionRevert, From: obs.Current.Digest, To: w.digest, Token: obs.Token,
		Title: fmt.Sprintf("push a revert of %s to %s", named(commits), set.shown()),
		Args:  map[string]string{"commits": strings.Join(commits, " "), "ref": set.ref()},
	}
	if set.reviews() {
		branch := set.review(w.service, commits)
		st.Action, st.Args["ref"] = actionPropose, "refs/heads/"+branch
		st.Title = fmt.Sprintf("propose a revert of %s: push the review branch %s to %s, to be merged into %s", named(commits), branch, set.Remote, set.Branch)
	}
	return st
}

// hindrances are what would keep the push from being made or taken.
func (v *Reverter) hindrances(ctx context.Context, s *sight, w way) (missing, warnings []string) {
	set := v.set.Revert
	if _, err := s.room.run(ctx, "var", "GIT_COMMITTER_IDENT"); err != nil {
		missing = append(missing, "git knows no committer: set user.name and user.email with `git config`")
	}
	if set.reviews() {
		ref := "refs/heads/" + set.review(w.service, w.hashes())
		at, err := s.repo.heads(ctx, s.pushTo, ref)
		switch {
		case err != nil:
			missing = append(missing, "whether "+short(ref)+" is there already is not known: "+providers.Clean(err.Error()))
		case at[ref] != "":
			missing = append(missing, fmt.Sprintf("%s is on %s already: have it merged, or delete it", short(ref), set.Remote))
		}
	}
	// Asking changes nothing: it pushes what is there to where it is.
	p := s.repo.reaching(ctx, pushArgs("--dry-run", s.pushTo, s.tip+":"+set.ref())...)
	p.Env = append(p.Env, s.room.vars...)
	_, err := p.Run(ctx)
	var exit *process.ExitError
	switch {
	case errors.As(err, &exit) && strings.Contains(exit.Stderr, "rejected"):
		warnings = append(warnings, set.shown()+" moved on while this was planned")
	case err != nil:
		missing = append(missing, fmt.Sprintf("no way to push to %s: %s", set.Remote, providers.Clean(err.Error())))
	}
	return missing, warnings
}

// pushArgs is a push without anything that a user's configuration may add to it.
func pushArgs(how, address, refspec string) []string {
	return []string{
		"-c", "push.useForceIfIncludes=false", "push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-recurse-submodules",
		"--no-signed", how, address, refspec,
	}
}

func (v *Reverter) diff(ctx context.Context, s *sight, tree string) (string, error) {
	out, err := s.room.run(ctx, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-indent-heuristic", s.tip, tree)
	if err != nil {
		return "", s.repo.explain(err)
	}
	cut := len(out) > longestDiff
	if cut {
		out = out[:strings.LastIndexByte(out[:longestDiff], '\n')+1]
	}
	var b strings.Builder
	for line := range strings.Lines(out) {
		text := strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(text, "index ") {
			continue
		}
		b.WriteString(cleanLine(text) + "\n")
	}
	if cut {
		b.WriteString("... cut: it is longer\n")
	}
	return b.String(), nil
}

// cleanLine keeps the first column, which says what a line of a diff is, and its indentation.
func cleanLine(line string) string {
	body := strings.TrimLeft(line, " \t+-")
	return strings.ReplaceAll(line[:len(line)-len(body)], "\t", "    ") + providers.Clean(body)
}

func named(commits []string) string {
	const most = 4
	var short []string
	for _, c := range commits {
		short = append(short, abbreviated(c))
	}
	if len(short) > most {
		return fmt.Sprintf("%d commits, %s to %s", len(short), short[0], short[len(short)-1])
	}
	return strings.Join(short, ", ")
}

// listed names the first few.
func listed(names []string) string {
	const most = 10
	clean := make([]string, 0, most)
	for _, n := range names[:min(len(names), most)] {
		clean = append(clean, providers.Clean(n))
	}
	text := strings.Join(clean, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
