package releases

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stampDir is the directory inside a release that holds one directory for each switch of backout to it. It is no part of
// the release's content.
const stampDir = ".backout"

// stamped matches the end of a target that holds an operation's stamp. The kernel resolves it to the release itself: it
// goes into the stamp's directory and back out again.
var stamped = regexp.MustCompile(`(?s)^(.*)/\.backout/([A-Za-z0-9_-]{1,80})\.([0-9]{1,9})/\.\./\.\./\.\./([^/]+)$`)

var operationID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// link is what a current link, or one left behind beside it, is at one moment.
type link struct {
	target   string // the raw text
	inode    string // with mtime it tells two links with the same text apart
	made     time.Time
	changed  time.Time
	label    string // the release that it points to
	op       string // the operation that made it, where it carries a stamp
	step     int
	inside   bool   // it points to a release of the unit
	broken   bool   // what it points to is not there
	print    string // the fingerprint of the release, where the look gave it at once
	physical string // where it leads, every link resolved; empty where that is not known
}

// token is what a compare-and-set compares: the same text in the same link, so that a switch away and back in between is
// seen as well. A rename or an exchange keeps inode and mtime.
func (l link) token() string {
	if l.inode == "" {
		return ""
	}
	return l.inode + "@" + strconv.FormatInt(l.made.UnixNano(), 10) + " " + printable(l.target)
}

func (l link) same(m link) bool { return l.inode != "" && l.token() == m.token() }

// stampedTarget is the target that switches a unit to a release and says by which operation, in one text.
func stampedTarget(releases, label, op string, step int) string {
	return fmt.Sprintf("%s/%s/%s/%s.%d/../../../%s", releases, label, stampDir, op, step, label)
}

// parse fills in what the target says. The physical paths settle what the text cannot: targets that go over other links.
func (l *link) parse(u *unit, physicalReleases string) {
	p := l.target
	if m := stamped.FindStringSubmatch(p); m != nil && path.Base(m[1]) == m[4] {
		p, l.op = m[1], m[2]
		l.step, _ = strconv.Atoi(m[3])
	}
	if !strings.HasPrefix(p, "/") {
		p = u.base + "/" + p
	}
	dir, label := path.Split(path.Clean(p))
	l.label = label
	switch {
	case path.Clean(dir) == path.Clean(u.base+"/"+u.releases):
		l.inside = true
	case l.physical != "" && physicalReleases != "" && path.Dir(l.physical) == physicalReleases:
		l.inside, l.label = true, path.Base(l.physical)
	}
}

// tempName is a name beside current for the link of one attempt of one step.
func tempName(current, op string, step int, attempt string) string {
	return "." + current + ".backout-" + op + "." + strconv.Itoa(step) + "." + attempt
}

// parseTemp is the reverse; ok is false for any other name.
func parseTemp(current, name string) (op string, step int, ok bool) {
	rest, ok := strings.CutPrefix(name, "."+current+".backout-")
	if !ok {
		return "", 0, false
	}
	parts := strings.Split(rest, ".")
	if len(parts) != 3 || !operationID.MatchString(parts[0]) {
		return "", 0, false
	}
	step, err := strconv.Atoi(parts[1])
	return parts[0], step, err == nil
}

// printable makes any bytes plain text that can be turned back and in which nothing can hide.
func printable(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func unprintable(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("%q ends in the middle of an escape", s)
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("%q holds a broken escape: %w", s, err)
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), nil
}
