package culprit

import (
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/backout-dev/backout/providers"
)

// vocabulary holds the words of the alerts, and how rare each is among the candidates.
type vocabulary struct {
	symptom map[string]float64 // word of an alert -> its inverse document frequency among the candidates
	most    float64            // the greatest overlap that any candidate has
}

// maxWordBytes bounds the text of one change or of all alerts that is taken apart.
const maxWordBytes = 8 << 10

// newVocabulary collects the words of the alerts. For a change whose place is known the names of services are left out:
// where it is, is weighed by other terms, and must not count twice.
func newVocabulary(alerts []providers.Alert, candidates []candidate, services map[string]bool) vocabulary {
	v := vocabulary{symptom: map[string]float64{}}
	for _, w := range words(alertText(alerts)) {
		v.symptom[w] = 0
	}
	if len(v.symptom) == 0 {
		return v
	}
	names := map[string]bool{}
	for n := range services {
		for _, w := range words(n) {
			names[w] = true
		}
	}
	frequency := map[string]int{}
	for i := range candidates {
		c := &candidates[i]
		all := words(changeText(c.Change))
		c.length = len(all)
		for _, w := range all {
			if _, ok := v.symptom[w]; ok && (c.place == "" || !names[w]) {
				c.tokens = append(c.tokens, w)
				frequency[w]++
			}
		}
	}
	n := float64(len(candidates))
	for w := range v.symptom {
		v.symptom[w] = math.Log((n + 1) / (float64(frequency[w]) + 0.5))
	}
	for i := range candidates {
		v.most = max(v.most, v.overlap(&candidates[i]))
	}
	return v
}

// alertText is what the alerts say, in their order.
func alertText(alerts []providers.Alert) string {
	var b strings.Builder
	for i := range alerts {
		a := &alerts[i]
		for _, t := range []string{a.Name, a.Summary, a.Service} {
			b.WriteString(t)
			b.WriteByte(' ')
		}
		for _, k := range sortedKeys(a.Labels) {
			if k != "severity" && k != "alertname" {
				b.WriteString(a.Labels[k])
				b.WriteByte(' ')
			}
		}
		if b.Len() > maxWordBytes {
			break
		}
	}
	return b.String()
}

// overlap adds up how rare the words are that a candidate shares with the alerts, against how many words it has: a
// change that touches everything shares words with everything.
func (v *vocabulary) overlap(c *candidate) float64 {
	sum := 0.0
	for _, w := range c.tokens {
		sum += max(0, v.symptom[w])
	}
	return sum / math.Sqrt(float64(c.length+wordsFloor))
}

// wordsFloor keeps a title of two words from counting as a perfect match.
const wordsFloor = 5

func changeText(c *providers.Change) string {
	var b strings.Builder
	b.WriteString(c.Title)
	for _, t := range []string{c.Service, c.Unit} {
		b.WriteByte(' ')
		b.WriteString(t)
	}
	for _, p := range c.Paths {
		if b.Len() > maxWordBytes {
			break
		}
		b.WriteByte(' ')
		b.WriteString(p)
	}
	return b.String()
}

// words takes a text apart into distinct lower-case words, in order. A camelCase name gives its parts as well.
func words(text string) []string {
	if len(text) > maxWordBytes {
		text = text[:maxWordBytes]
	}
	seen := make(map[string]bool, 32)
	out := make([]string, 0, 32)
	add := func(w string) {
		if w = strings.ToLower(w); stopWords(w) {
			return
		}
		w = stem(w)
		if len(w) < 3 || seen[w] || stopWords(w) || strings.Trim(w, "0123456789") == "" {
			return
		}
		seen[w] = true
		out = append(out, w)
	}
	for f := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '_' || !wordRune(r) }) {
		add(f)
		if strings.IndexFunc(f[1:], unicode.IsUpper) >= 0 {
			for _, p := range camel(f) {
				add(p)
			}
		}
	}
	return out
}

// camel splits camelCase and HTTPServer at the humps.
func camel(w string) []string {
	var parts []string
	r := []rune(w)
	start := 0
	for i := 1; i < len(r); i++ {
		hump := unicode.IsUpper(r[i]) && (unicode.IsLower(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1]))
		if hump {
			parts = append(parts, string(r[start:i]))
			start = i
		}
	}
	return append(parts, string(r[start:]))
}

// stem takes the commonest English endings off, so that "certificates" meets "certificate" and "failing" meets "fail".
func stem(w string) string {
	for _, e := range []string{"ing", "ies", "es", "ed", "s", "e"} {
		if len(w) >= len(e)+4 && strings.HasSuffix(w, e) {
			return w[:len(w)-len(e)]
		}
	}
	return w
}

// weighText rewards rare words that the alerts and the change share.
func weighText(s *scene, c *candidate) (float64, string) {
	if len(s.words.symptom) == 0 {
		return 0, "unknown: the alerts carry no text"
	}
	x := s.words.overlap(c)
	if x == 0 {
		if s.words.most == 0 {
			return 0, ""
		}
		return s.textNone, "shares no word with the alerts, as others do"
	}
	shared := slices.Clone(c.tokens)
	slices.SortStableFunc(shared, func(a, b string) int {
		switch x, y := s.words.symptom[a], s.words.symptom[b]; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return strings.Compare(a, b)
	})
	if len(shared) > 4 {
		shared = shared[:4]
	}
	return s.textMax * (1 - math.Exp(-x/s.textScale)), "shares words with the alerts: " + strings.Join(shared, ", ")
}
