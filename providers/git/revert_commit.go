package git

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

var operationID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// commit writes the revert commit: its author is who confirmed it, its committer as git is configured.
func (v *Reverter) commit(ctx context.Context, s *sight, w way, tree string, op rollback.Operation) (string, error) {
	ident, err := s.room.run(ctx, "var", "GIT_COMMITTER_IDENT")
	if err != nil {
		return "", fmt.Errorf("git knows no committer: set user.name and user.email with `git config`: %w", err)
	}
	name, email := author(op.By, ident)
	ctx, cancel := context.WithTimeout(ctx, s.room.timeout)
	defer cancel()
	p := s.room.local(ctx, "commit-tree", tree, "-p", s.tip, "-F", "-")
	p.Env = append(p.Env, "GIT_AUTHOR_NAME="+name, "GIT_AUTHOR_EMAIL="+email)
	p.Stdin = strings.NewReader(message(w, op))
	out, err := p.Run(ctx)
	if err != nil {
		return "", fmt.Errorf("write the revert commit: %w", err)
	}
	commit := strings.TrimSpace(string(out))
	if !isHash(commit) {
		return "", fmt.Errorf("git commit-tree says %q, which is no commit", providers.Clean(commit))
	}
	return commit, nil
}

// message has git's own words for each commit that is taken back, so that forges and people find what it reverts.
func message(w way, op rollback.Operation) string {
	var b strings.Builder
	switch last := w.commits[len(w.commits)-1]; {
	case len(w.commits) == 1:
		fmt.Fprintf(&b, "Revert %q\n\n", last.subject)
	default:
		fmt.Fprintf(&b, "Revert %q and %s after it\n\n", last.subject, counted(len(w.commits)-1, "change"))
	}
	for _, c := range w.commits {
		if len(c.parents) > 1 {
			fmt.Fprintf(&b, "This reverts commit %s, reversing\nchanges made to %s.\n", c.commit, c.parents[0])
		} else {
			fmt.Fprintf(&b, "This reverts commit %s.\n", c.commit)
		}
	}
	also := false
	for _, c := range w.commits {
		also = also || len(c.also) > 0
	}
	if also {
		fmt.Fprintf(&b, "\nOnly the files of %s go back.\n", providers.Clean(w.service))
	}
	if why := providers.Clean(strings.Join(strings.Fields(op.Reason), " ")); why != "" {
		b.WriteString("\n" + why + "\n")
	}
	fmt.Fprintf(&b, "\nBackout-Op: %s\n", op.ID)
	return b.String()
}

var identLine = regexp.MustCompile(`^(.*) <(.*)> \d+ [+-]\d{4}$`)

// author is the name and address of who confirmed. Somebody who is known by the name of this computer's account is who git
// is configured for here. An address that is not known stays empty: a guess would put the commit on somebody else.
func author(by, ident string) (name, email string) {
	who := identLine.FindStringSubmatch(ident)
	by = strings.TrimSpace(strings.NewReplacer("\n", " ", "\x00", " ").Replace(providers.Clean(by)))
	if who != nil && (by == "" || by == who[1] || by == who[2] || local(by)) {
		return who[1], who[2]
	}
	if open := strings.LastIndex(by, "<"); open > 0 && strings.HasSuffix(by, ">") {
		name, email = strings.TrimSpace(by[:open]), by[open+1:len(by)-1]
	} else if at := strings.Index(by, "@"); at > 0 && !strings.Contains(by, " ") {
		name, email = by[:at], by
	} else {
		name = by
	}
	strip := strings.NewReplacer("<", "", ">", "")
	if name = strings.Trim(strip.Replace(name), " .,;:\"'\\"); name == "" {
		name = "unknown"
	}
	return name, strip.Replace(email)
}

// local reports whether somebody is named as the account of this computer is, with or without the host.
func local(by string) bool {
	u, err := user.Current()
	if err != nil {
		return false
	}
	host, err := os.Hostname()
	return by == u.Username || (err == nil && by == u.Username+"@"+host)
}
