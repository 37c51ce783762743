package export

import (
	"net/url"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// md makes outside text safe inside a line, a list item or a table cell of GitHub-flavoured Markdown: no markup, no HTML,
// no new cell or line, and no mention of anybody.
func md(s string) string {
	s = providers.Clean(s)
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i, r := range s {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '|':
			b.WriteString("&#124;")
		case '`':
			b.WriteString("&#96;")
		case '@':
			b.WriteString("@&#8288;") // a word joiner: nobody is mentioned by an old commit message
		case '\\', '*', '_', '[', ']', '~', '$', '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '#', '-', '+', '=':
			if i == 0 {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		case '.', ')':
			if allDigits(s[:i]) { // "1. x" would begin a list
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// mdLink writes a link with a fixed text, or "" where the address is not one for a browser.
func mdLink(text, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	escape := strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", "`", "%60", "\\", "%5C", " ", "%20", "\"", "%22", "\n", "", "\r", "", "(", "%28", ")", "%29")
	return "[" + text + "](" + escape.Replace(u.String()) + ")"
}

// orDash keeps a cell from being empty, which some renderers fold.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
