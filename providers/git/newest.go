package git

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Newest is when the last change landed on the branch that a provider without settings follows in dir; the zero time in
// a repository without commits. It is for whoever has to choose a window for a repository that may have been quiet for long.
func Newest(ctx context.Context, dir string) (time.Time, error) {
	p := &Provider{env: providers.Environment{Dir: dir}}
	if err := p.defaults(); err != nil {
		return time.Time{}, err
	}
	r, err := p.open(ctx)
	if err != nil || r.head == "" {
		return time.Time{}, err
	}
	out, err := r.text(ctx, "show", "--no-patch", "--format=%ct", r.head)
	if err != nil {
		return time.Time{}, r.explain(err)
	}
	seconds, err := strconv.ParseInt(out, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("git says %q for the date of %s: %w", providers.Clean(out), r.head, err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
