package releases

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

//go:embed remote.sh
var remoteScript string

// remote is another machine, reached by the user's own ssh program with the user's own configuration, keys and agent.
//
// The command that ssh is given is always "sh -s": nothing from the configuration or from the host is ever parsed by the
// login shell over there. The script and its arguments go through standard input, each argument in single quotes.
type remote struct {
	argv []string
}

func newRemote(s settings) *remote {
	argv := []string{"ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=" + strconv.Itoa(int(s.ConnectTimeout.Seconds()))}
	argv = append(argv, s.SSHArgs...)
	return &remote{argv: append(argv, "--", s.Host, "sh -s")}
}

// cas: a plain sh cannot exchange two names, so there is only a lock, one more look and a rename.
func (r *remote) cas(*unit) rollback.CAS { return rollback.CASNone }

// quote makes one word of any text for a POSIX shell: in single quotes nothing has a meaning but the quote itself.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func script(function string, args []string) string {
	var b strings.Builder
	b.WriteString(remoteScript)
	b.WriteString("\n" + function)
	for _, a := range args {
		b.WriteString(" " + quote(a))
	}
	b.WriteString("\n")
	return b.String()
}

func (r *remote) program(in io.Reader, limit int64) process.Program {
	return process.Program{
		Argv: r.argv, Stdin: in, MaxOutput: limit,
		Env: process.Environ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY", "XDG_RUNTIME_DIR", "KRB5CCNAME"),
	}
}

// call runs one function of the script and gives its answer, which is whole: it ends with the word end.
func (r *remote) call(ctx context.Context, function string, args ...string) (*answer, error) {
	out, err := r.program(strings.NewReader(script(function, args)), 64<<20).Run(ctx)
	if err != nil {
		return nil, explainSSH(err)
	}
	a := &answer{rest: string(out)}
	if !strings.HasSuffix(a.rest, "end\x00") {
		return nil, providers.Retryable(errors.New("the host's answer is cut off"))
	}
	return a, nil
}

// explainSSH says whether the connection failed or what was run there.
func explainSSH(err error) error {
	var exit *process.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	switch {
	case exit.Code == 255 && (strings.Contains(exit.Stderr, "Permission denied") || strings.Contains(exit.Stderr, "Host key verification failed")):
		return providers.Unauthenticated(fmt.Errorf("ssh: %s: try the same ssh by hand first", exit.Stderr))
	case exit.Code == 255:
		return providers.Retryable(fmt.Errorf("ssh: %s: try the same ssh by hand", cmp.Or(strings.TrimPrefix(exit.Stderr, "ssh: "), "the connection failed")))
	default:
		return fmt.Errorf("on the host: %w", err)
	}
}

var errNonsense = errors.New("the host's answer makes no sense")

// answer reads fields that end with a NUL. After the first one that is missing, bad is set and all are empty.
type answer struct {
	rest string
	bad  bool
}

func (a *answer) next() string {
	s, rest, ok := strings.Cut(a.rest, "\x00")
	if !ok {
		a.bad, a.rest = true, ""
		return ""
	}
	a.rest = rest
	return s
}

func (a *answer) err() error {
	if a.bad {
		return providers.Permanent(errNonsense)
	}
	return nil
}

// link reads what the function show wrote.
func (a *answer) link() (link, error) {
	switch kind := a.next(); kind {
	case "link":
	case "other":
		return link{}, errNotLink
	case "none":
		return link{}, errGone
	default:
		a.bad = true
		return link{}, a.err()
	}
	l := link{target: a.next()}
	l.inode, l.made, l.changed = a.meta()
	l.physical = a.next()
	l.broken = a.next() == "broken"
	return l, a.err()
}

func (a *answer) meta() (inode string, made, changed time.Time) {
	parts := strings.Fields(a.next())
	if len(parts) != 3 {
		a.bad = true
		return "", time.Time{}, time.Time{}
	}
	return parts[0], a.time(parts[1]), a.time(parts[2])
}

func (a *answer) time(s string) time.Time {
	t, err := unixTime(s)
	if err != nil {
		a.bad = true
	}
	return t
}

// unixTime reads seconds with or without a fraction.
func unixTime(s string) (time.Time, error) {
	sec, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	ns, err2 := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	return time.Unix(n, ns).UTC(), errors.Join(err, err2)
}

func (r *remote) glance(ctx context.Context, u *unit) (link, error) {
	a, err := r.call(ctx, "glance", u.base, u.releases, u.current)
	if err != nil {
		return link{}, err
	}
	l, err := a.link()
	if err != nil {
		return l, fmt.Errorf("%s: %w", u.link(), err)
	}
	l.parse(u, a.next())
	l.print = a.next()
	return l, a.err()
}

func (r *remote) look(ctx context.Context, u *unit) (sight, error) {
	var s sight
	a, err := r.call(ctx, "look", u.base, u.releases, u.current)
	if err != nil {
		return s, err
	}
	if s.link, err = a.link(); err != nil {
		return s, fmt.Errorf("%s: %w", u.link(), err)
	}
	s.link.parse(u, a.next())
	for a.next() == "release" && !a.bad {
		rel := release{label: a.next()}
		_, rel.made, _ = a.meta()
		rel.writable = a.next() == "yes"
		rel.revision, rel.about = strings.TrimSpace(a.next()), []byte(a.next())
		for a.next() == "stamp" && !a.bad {
			rel.stamps = append(rel.stamps, stampNote{name: a.next(), marks: a.notes()})
		}
		rel.print = a.next()
		if rel.label == s.link.label {
			s.link.print = rel.print
		}
		s.releases = append(s.releases, rel)
	}
	s.log = a.next()
	s.held, _ = decodeHolder(a.next())
	if a.next() != "yes" {
		s.problems = append(s.problems, "no right to write to "+u.base+": connect as the user who deploys")
	}
	return s, a.err()
}

func (a *answer) notes() map[string]string {
	m := map[string]string{}
	for name := a.next(); name != "." && !a.bad; name = a.next() {
		m[name] = a.next()
	}
	return m
}
