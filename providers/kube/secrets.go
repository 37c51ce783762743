package kube

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// What holds secrets more often than not. Rather too much is hidden than too little.
const secretWords = `(?:pass(?:word|wd|phrase)?|pwd|secret|token|(?:api|access|private|signing|encryption|master|auth)[._-]?key|authorization|bearer|credentials?|cookie|dsn|jwt)`

var (
	secretName = regexp.MustCompile(`(?i)` + secretWords)
	secretFlag = regexp.MustCompile(`(?i)^--?[a-z0-9._-]*` + secretWords + `[a-z0-9._-]*$`)
	// What is secret is always the second group.
	secretParts = []*regexp.Regexp{
		regexp.MustCompile(`(?s)()(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))`),
		regexp.MustCompile(`(?i)(` + secretWords + `[a-z0-9._-]*["']?[ \t]*[:=][ \t]*)([^\s].*)`),
		regexp.MustCompile(`(://[^/\s:@]*:)([^/\s]+)@`),
		regexp.MustCompile(`()\b(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|gl(?:pat|dt|rt)-[A-Za-z0-9_-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|xox[abeprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)`),
	}
)

// lastApplied is the whole object once more, as text.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Cover is a copy of an object, or of a part of one, in which as(secret) stands for every text that looks like a secret: the
// content of a Secret, the value of a variable, field or flag whose name says so, a password in an address, a well-known form
// of key. The names of secrets are none. It is a net and no promise: a secret that looks like nothing is not found. The order
// in which it asks is the same for the same content.
func Cover(v any, as func(secret string) string) any {
	switch v := v.(type) {
	case string:
		return coverText(v, as)
	case []any:
		return coverList(v, as)
	case map[string]any:
		return coverFields(v, as)
	}
	return v
}

func coverFields(fields map[string]any, as func(string) string) map[string]any {
	out := make(map[string]any, len(fields))
	name, _ := fields["name"].(string)
	sealed := fields["kind"] == "Secret" && fields["apiVersion"] == "v1"
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		plain, isText := fields[key].(string)
		inner, _ := fields[key].(map[string]any)
		switch {
		case sealed && inner != nil && (key == "data" || key == "stringData"):
			out[key] = coverAll(inner, as)
		case isText && plain != "" && (secretField(key) || key == "value" && secretName.MatchString(name)):
			out[key] = as(plain)
		default:
			out[key] = Cover(fields[key], as)
		}
	}
	return out
}

// secretField reports whether what a field holds is a secret, and not the name of one.
func secretField(key string) bool {
	switch key {
	case lastApplied:
		return true
	case "name", "secretName":
		return false
	}
	return secretName.MatchString(key)
}

func coverAll(data map[string]any, as func(string) string) map[string]any {
	out := make(map[string]any, len(data))
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if text, ok := data[key].(string); ok {
			out[key] = as(text)
		}
	}
	return out
}

// coverList also knows a flag whose value is the next argument.
func coverList(items []any, as func(string) string) []any {
	out := make([]any, len(items))
	flag := false
	for i, item := range items {
		text, isText := item.(string)
		if flag && isText && text != "" && !strings.HasPrefix(text, "-") {
			out[i] = as(text)
		} else {
			out[i] = Cover(item, as)
		}
		flag = isText && secretFlag.MatchString(text)
	}
	return out
}

func coverText(text string, as func(string) string) string {
	var spans [][2]int
	for _, re := range secretParts {
		for _, at := range re.FindAllStringSubmatchIndex(text, -1) {
			spans = append(spans, [2]int{at[4], at[5]})
		}
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return cmp.Or(a[0]-b[0], a[1]-b[1]) })
	var b strings.Builder
	last := 0
	for i := 0; i < len(spans); {
		start, end := spans[i][0], spans[i][1]
		for i++; i < len(spans) && spans[i][0] <= end; i++ {
			end = max(end, spans[i][1])
		}
		b.WriteString(text[last:start] + as(text[start:end]))
		last = end
	}
	return b.String() + text[last:]
}
