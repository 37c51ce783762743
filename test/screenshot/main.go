// Command screenshot turns a terminal's screen, as "tmux capture-pane -e -p" prints it, into an SVG picture on an exact
// grid of cells. docs/screenshots/record.sh uses it for the pictures in the docs.
package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// The grid: DejaVu Sans Mono at 14 px is 8.43 px wide.
const (
	cellWidth  = 8.43
	cellHeight = 17.0
	margin     = 12.0
	fontSize   = 14
	ink        = "#d7dce2"
	paper      = "#14171c"
)

// palette is how the sixteen colours look in the pictures; in a terminal they are the user's own.
var palette = [...]string{
	"#2b3038", "#f0707b", "#8fce7f", "#e6c35c", "#6fb1f0", "#c78ae0", "#62c9c4", "#d7dce2",
	"#6c7480", "#ff8a94", "#a9e29a", "#f5d77c", "#92c6f7", "#d9a8ee", "#86dcd7", "#ffffff",
}

// look is how a cell is drawn.
type look struct {
	fg, bg                       string
	bold, faint, reverse, struck bool
}

func main() {
	if err := draw(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

func draw(in io.Reader, out io.Writer) error {
	var back, text strings.Builder
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 1<<20)
	now, rows, cols := look{}, 0, 0
	for ; scanner.Scan(); rows++ {
		cols = max(cols, row(scanner.Text(), rows, &now, &back, &text))
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read the screen: %w", err)
	}
	w, h := 2*margin+float64(cols)*cellWidth, 2*margin+float64(rows)*cellHeight
	_, err := fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" font-family="DejaVu Sans Mono, monospace" font-size="%d">`+
		`<rect width="100%%" height="100%%" rx="6" fill="%s"/>%s%s</svg>`+"\n", w, h, fontSize, paper, back.String(), text.String())
	return err
}

// row draws one line and returns its width in cells.
func row(line string, y int, now *look, back, text *strings.Builder) (x int) {
	var state byte
	for len(line) > 0 {
		seq, width, n, next := ansi.DecodeSequence(line, state, nil)
		line, state = line[n:], next
		if width == 0 {
			if body, ok := strings.CutPrefix(seq, "\x1b["); ok && strings.HasSuffix(body, "m") {
				now.set(strings.TrimSuffix(body, "m"))
			}
			continue
		}
		now.cell(seq, x, y, width, back, text)
		x += width
	}
	return x
}

// set applies the parameters of one SGR sequence.
func (l *look) set(params string) {
	for _, p := range strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' }) {
		n, err := strconv.Atoi(p)
		switch {
		case err != nil:
		case n == 1:
			l.bold = true
		case n == 2:
			l.faint = true
		case n == 7:
			l.reverse = true
		case n == 9:
			l.struck = true
		case n >= 30 && n < 38:
			l.fg = palette[n-30]
		case n >= 40 && n < 48:
			l.bg = palette[n-40]
		case n >= 90 && n < 98:
			l.fg = palette[n-90+8]
		default:
			l.reset(n)
		}
	}
	if params == "" {
		*l = look{}
	}
}

func (l *look) reset(n int) {
	switch n {
	case 0:
		*l = look{}
	case 22:
		l.bold, l.faint = false, false
	case 27:
		l.reverse = false
	case 29:
		l.struck = false
	case 39:
		l.fg = ""
	case 49:
		l.bg = ""
	}
}

func (l *look) cell(s string, x, y, width int, back, text *strings.Builder) {
	fg, bg := l.fg, l.bg
	if fg == "" {
		fg = ink
	}
	if l.reverse {
		if bg == "" {
			bg = paper
		}
		fg, bg = bg, fg
	}
	px, py := margin+float64(x)*cellWidth, margin+float64(y)*cellHeight
	if bg != "" {
		fmt.Fprintf(back, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`, px, py, float64(width)*cellWidth+0.3, cellHeight+0.3, bg)
	}
	if s == " " {
		return
	}
	extra := ""
	if l.bold {
		extra += ` font-weight="bold"`
	}
	if l.faint {
		extra += ` opacity="0.6"`
	}
	if l.struck {
		extra += ` text-decoration="line-through"`
	}
	fmt.Fprintf(text, `<text x="%.2f" y="%.2f" fill="%s"%s>%s</text>`, px, py+fontSize-1, fg, extra, html.EscapeString(s))
}
