package export

import (
	"math"
	"regexp"
	"strings"
)

// mark stands where something was taken out.
const mark = "[redacted]"

// rule takes one sort of secret out of a text. The replacement must not match any rule again, so that redacting twice is
// the same as once.
type rule struct {
	name    string
	pattern *regexp.Regexp
	keep    func(groups []string) string // what stands in place of a match; "" leaves the match as it is
}

func whole([]string) string { return mark }

// rules in the order in which they are tried: what holds others first.
var rules = []rule{
	{"private key", regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`), whole},
	{
		"authorization", regexp.MustCompile(`(?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?)((?:(?:bearer|basic|digest|token|negotiate)\s+)?)([^\s"'\[]+)`),
		func(g []string) string {
			if g[2] == "" && scheme.MatchString(g[3]) { // what stood behind it is gone already
				return ""
			}
			return g[1] + g[2] + mark
		},
	},
	{"authorization", regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{12,}`), func(g []string) string { return g[1] + g[2] + mark }},
	{"address with password", regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@\[\]"']+@`), func(g []string) string { return g[1] + mark + "@" }},
	{"jwt", regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), whole},
	{"token", regexp.MustCompile(`gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}`), whole},
	{"token", regexp.MustCompile(`gl(?:pat|dt|rt|cbt|ptt|soat)-[A-Za-z0-9_.-]{16,}`), whole},
	{"token", regexp.MustCompile(`xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/[A-Za-z0-9/]+`), whole},
	{"token", regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}`), whole},
	{"token", regexp.MustCompile(`\bsk-[A-Za-z0-9_-]{20,}|\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}`), whole},
	{"token", regexp.MustCompile(`\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{30,}|\bdop_v1_[a-f0-9]{30,}|\bhv[sb]\.[A-Za-z0-9_-]{20,}|\bdckr_pat_[A-Za-z0-9_-]{20,}`), whole},
	{
		"password", regexp.MustCompile(`(?i)((?:password|passwd|passphrase|pwd)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,;&"'\[]+)`),
		func(g []string) string { return g[1] + mark },
	},
	{
		"secret by name", regexp.MustCompile(`(?i)((?:secret|token|key|signature)["']?\s*[:=]\s*["']?)([A-Za-z0-9+/_.=~-]{12,})`),
		func(g []string) string {
			if entropy(g[2]) < 3 {
				return ""
			}
			return g[1] + mark
		},
	},
	{
		"e-mail address", regexp.MustCompile(`([A-Za-z0-9._%+-]*[A-Za-z0-9_%+-])(@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})`),
		func(g []string) string {
			if nobody(g[1]) {
				return ""
			}
			return g[1][:1] + "***" + g[2]
		},
	},
}

var scheme = regexp.MustCompile(`(?i)^(?:bearer|basic|digest|token|negotiate)$`)

// nobody reports names before an @ that belong to no person: what tools sign with, and the user of a git address.
func nobody(local string) bool {
	local = strings.ToLower(local)
	return local == "git" || strings.HasPrefix(local, "noreply") || strings.HasPrefix(local, "no-reply")
}

// entropy is the Shannon entropy of a text, in bits a character.
func entropy(s string) float64 {
	counts := map[rune]float64{}
	n := 0.0
	for _, r := range s {
		counts[r]++
		n++
	}
	e := 0.0
	for _, c := range counts {
		e -= c / n * math.Log2(c/n)
	}
	return e
}
