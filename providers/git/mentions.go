package git

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
)

const (
	mostMentions = 4 << 20 // bytes of them that are read
	mostNames    = 200
)

var hash = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// NamesIn implements providers.NameFinder: the text files of a service at a commit, by a search of git itself.
func (p *Provider) NamesIn(ctx context.Context, service, commit string, names []string) ([]string, error) {
	r, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	at := ""
	if hash.MatchString(commit) {
		if at, err = r.commit(ctx, commit); err != nil {
			return nil, r.explain(err)
		}
	}
	if at == "" {
		return nil, providers.Permanent(fmt.Errorf("commit %s: %w", providers.Clean(commit), providers.ErrNotFound))
	}
	// The whole word is asked for, and compared afterwards: new-cart is not named by new-cart-2.
	args := []string{"grep", "-I", "-o", "-E", "-z", "--no-color", "--full-name", "--no-line-number", "--no-column", "--threads=1"}
	for _, n := range names[:min(len(names), mostNames)] {
		args = append(args, "-e", `[A-Za-z0-9_.~-]*`+regexp.QuoteMeta(n)+`[A-Za-z0-9_.~-]*`)
	}
	prog := r.program(append(args, at, "--")...)
	prog.MaxOutput = mostMentions
	out, err := prog.Run(ctx)
	var exit *process.ExitError
	switch {
	case errors.As(err, &exit) && exit.Code == 1:
		return nil, nil // nothing was found
	case err != nil:
		return nil, r.explain(err)
	}
	var found []string
	for rest, more := string(out), true; more && rest != ""; {
		var where, word string
		where, rest, _ = strings.Cut(rest, "\x00") // a path may have a line break in it
		word, rest, more = strings.Cut(rest, "\n")
		_, path, _ := strings.Cut(where, ":")
		i := slices.IndexFunc(names, func(n string) bool { return n == word || n == strings.Trim(word, ".") })
		if i >= 0 && !slices.Contains(found, names[i]) && p.serviceOfPath(r, path) == service {
			found = append(found, names[i])
		}
	}
	return found, nil
}
