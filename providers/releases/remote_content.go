package releases

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers/process"
)

func (r *remote) fingerprint(ctx context.Context, u *unit, label string) (string, error) {
	a, err := r.call(ctx, "fingerprint", u.dir(label))
	if err != nil {
		return "", err
	}
	print := a.next()
	if print == "none" {
		return "", fmt.Errorf("release directory %s: %w", u.dir(label), errGone)
	}
	return print, a.err()
}

func (r *remote) manifest(ctx context.Context, u *unit, label string) ([]entry, error) {
	a, err := r.call(ctx, "manifest", u.dir(label))
	if err != nil {
		return nil, err
	}
	var out []entry
	for {
		switch kind := a.next(); kind {
		case "end":
			return out, a.err()
		case "none":
			return nil, fmt.Errorf("release directory %s: %w", u.dir(label), errGone)
		case "f", "x":
			if out, err = a.files(out, kind[0]); err != nil {
				return nil, err
			}
		case "l":
			e := entry{path: strings.TrimPrefix(a.next(), "./"), kind: 'l', size: -1}
			e.link = a.next()
			e.sum = textSum(e.link)
			out = append(out, e)
		case "o":
			out = append(out, entry{path: strings.TrimPrefix(a.next(), "./"), kind: 'o', sum: textSum(""), size: -1})
		default:
			a.bad = true
			return nil, a.err()
		}
	}
}

// files reads one batch: the count, the names, and a text with one line for each that begins with its sum. A line that
// begins with a backslash is the sum program's way to say that the name behind it is escaped.
func (a *answer) files(out []entry, kind byte) ([]entry, error) {
	n, err := strconv.Atoi(a.next())
	if err != nil || n < 0 || n > len(a.rest) {
		a.bad = true
		return nil, a.err()
	}
	first := len(out)
	for range n {
		out = append(out, entry{path: strings.TrimPrefix(a.next(), "./"), kind: kind, size: -1})
	}
	lines := strings.Split(strings.TrimSuffix(a.next(), "\n"), "\n")
	if len(lines) != n {
		return nil, fmt.Errorf("%d files and %d sums: the release changes while it is read", n, len(lines))
	}
	for i, line := range lines {
		line = strings.TrimPrefix(line, `\`)
		if len(line) < 64 || strings.Trim(line[:64], "0123456789abcdef") != "" {
			return nil, errors.New("a file of the release cannot be read")
		}
		out[first+i].sum = line[:64]
	}
	return out, a.err()
}

func (r *remote) read(ctx context.Context, u *unit, label, path string, limit int64) ([]byte, error) {
	in := strings.NewReader(script("content", []string{u.dir(label) + "/" + path, strconv.FormatInt(limit, 10)}))
	out, err := r.program(in, limit+1).Run(ctx)
	if err != nil {
		return nil, explainSSH(err)
	}
	return out, nil
}

func (r *remote) run(ctx context.Context, u *unit, argv []string) (string, error) {
	in := strings.NewReader(script("command_in", append([]string{u.base}, argv...)))
	out, err := r.program(in, 64<<10).Run(ctx)
	var exit *process.ExitError
	if errors.As(err, &exit) && exit.Code == 255 {
		err = explainSSH(err) // of the connection; what a program that itself ends with 255 means is not known
	}
	return process.Tail(string(out), nil), err
}
