package releases

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"github.com/backout-dev/backout/providers"
)

const (
	diffFile  = 128 << 10 // a larger file is named, not compared
	diffLines = 200       // of one file
	diffTotal = 64 << 10  // of all files
	diffFiles = 200
)

// differ compares two releases. The result goes into a record that many read, so it leaves out what looks like a secret.
type differ struct {
	ctx      context.Context
	host     host
	u        *unit
	from, to string
	err      error
}

// Names and lines that hold secrets more often than not.
var (
	secretName = regexp.MustCompile(`(?i)(^|[._-])(env|pem|key|p12|pfx|jks|kdbx|secrets?|credentials?|htpasswd|id_(rsa|ecdsa|ed25519))([._-]|$)`)
	secretLine = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|private[_-]?key|authorization|credentials?|dsn)["']?\s*[:=]\s*)\S.*`)
	inAddress  = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)
)

// diff describes every file that differs, until there is enough to read.
func (d *differ) diff(before, after []entry) string {
	var b strings.Builder
	files := 0
	for old, now := range pairs(before, after) {
		if old != nil && now != nil && old.sum == now.sum && old.kind == now.kind {
			continue
		}
		if files++; files > diffFiles || b.Len() > diffTotal {
			continue
		}
		b.WriteString(d.file(old, now))
		if d.err != nil {
			return ""
		}
	}
	if files > diffFiles || b.Len() > diffTotal {
		fmt.Fprintf(&b, "... cut: %d files differ in all\n", files)
	}
	return b.String()
}

// pairs walks two manifests that are sorted by path; nil is what is not there.
func pairs(before, after []entry) iter.Seq2[*entry, *entry] {
	return func(yield func(old, now *entry) bool) {
		for i, j := 0, 0; i < len(before) || j < len(after); {
			var old, now *entry
			if i < len(before) && (j == len(after) || before[i].path <= after[j].path) {
				old = &before[i]
			}
			if j < len(after) && (i == len(before) || after[j].path <= before[i].path) {
				now = &after[j]
			}
			if old != nil {
				i++
			}
			if now != nil {
				j++
			}
			if !yield(old, now) {
				return
			}
		}
	}
}

// file compares one file of both; nil is one that is not there.
func (d *differ) file(old, now *entry) string {
	name := providers.Clean(cmp.Or(pathOf(old), pathOf(now)))
	switch {
	case old != nil && now != nil && old.sum == now.sum:
		return fmt.Sprintf("mode of %s: %s, then %s\n", name, kindName(old), kindName(now))
	case secretName.MatchString(path.Base(name)):
		return fmt.Sprintf("%s differs; its content is not shown, as the name says that it is secret\n", name)
	case !readable(old) || !readable(now):
		return fmt.Sprintf("%s: %s, then %s\n", name, kindName(old), kindName(now))
	}
	a, b := d.text(d.from, old), d.text(d.to, now)
	if d.err != nil {
		return ""
	}
	if binary(a) || binary(b) {
		return fmt.Sprintf("binary %s differs: %s, then %s\n", name, kindName(old), kindName(now))
	}
	labelA, labelB := "a/"+name, "b/"+name
	if old == nil {
		labelA = "/dev/null"
	}
	if now == nil {
		labelB = "/dev/null"
	}
	return tidy(udiff.Unified(labelA, labelB, string(a), string(b)))
}

func pathOf(e *entry) string {
	if e == nil {
		return ""
	}
	return e.path
}

// readable reports whether a side of a comparison is text that may be read: a small file, or none.
func readable(e *entry) bool {
	return e == nil || ((e.kind == 'f' || e.kind == 'x') && e.size <= diffFile)
}

func kindName(e *entry) string {
	switch {
	case e == nil:
		return "not there"
	case e.kind == 'l':
		return "link to " + providers.Clean(e.link)
	case e.kind == 'o':
		return "neither file nor link"
	case e.size < 0:
		return map[byte]string{'f': "file", 'x': "executable file"}[e.kind]
	default:
		return fmt.Sprintf("%s of %d bytes", map[byte]string{'f': "file", 'x': "executable file"}[e.kind], e.size)
	}
}

func (d *differ) text(label string, e *entry) []byte {
	if e == nil || d.err != nil {
		return nil
	}
	b, err := d.host.read(d.ctx, d.u, label, e.path, diffFile+1)
	d.err = err
	return b
}

func binary(b []byte) bool {
	return len(b) > diffFile || bytes.IndexByte(b, 0) >= 0 || !utf8.Valid(b)
}

// tidy makes every line safe to show, and cuts what is long.
func tidy(diff string) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(diff) {
		if n++; n > diffLines {
			continue
		}
		line = strings.TrimRight(line, "\r\n")
		mark, rest := "", line
		if line != "" {
			mark, rest = line[:1], line[1:]
		}
		rest = providers.Clean(strings.ReplaceAll(rest, "\t", "    "))
		rest = inAddress.ReplaceAllString(secretLine.ReplaceAllString(rest, "${1}(not shown)"), "${1}(not shown)@")
		if len(rest) > 500 {
			rest = strings.ToValidUTF8(rest[:500], "") + " ..."
		}
		b.WriteString(mark + rest + "\n")
	}
	if n > diffLines {
		fmt.Fprintf(&b, "... %d more lines\n", n-diffLines)
	}
	return b.String()
}
