package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/backout-dev/backout/rollback/ledger"
)

// Bounds of what is indexed of one entry, and of what is asked for.
const (
	maxWords = 8 << 10
	maxTerms = 32
)

func entryOf(line []byte) (e ledger.Entry, err error) {
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("an entry is damaged, see backout ledger verify: %w", err)
	}
	return e, nil
}

// long is a digest: nobody types more of one than its beginning.
var long = regexp.MustCompile(`\b[0-9a-f]{40,}\b`)

// wordsOf is the text that an entry is found by: its sentence, what it names, and the texts of its body.
func wordsOf(e *ledger.Entry) string {
	parts := []string{e.Text, e.Actor, e.Run, e.Unit, e.Change, e.Incident}
	var body any
	if len(e.Body) > 0 && json.Unmarshal(e.Body, &body) == nil {
		parts = textsOf(body, parts)
	}
	seen := map[string]bool{}
	parts = slices.DeleteFunc(parts, func(p string) bool {
		again := p == "" || seen[p]
		seen[p] = true
		return again
	})
	text := long.ReplaceAllStringFunc(strings.Join(parts, "\n"), func(digest string) string { return digest[:12] })
	return strings.ToValidUTF8(text[:min(len(text), maxWords)], "")
}

func textsOf(v any, into []string) []string {
	switch v := v.(type) {
	case string:
		return append(into, v)
	case []any:
		for _, one := range v {
			into = textsOf(one, into)
		}
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names) // the same every time: to take an entry out, the same words are needed
		for _, name := range names {
			into = textsOf(v[name], into)
		}
	}
	return into
}

// traits are what an entry can be filtered by, beside its words and its time.
type traits struct {
	actor, kind, assistance string
	units, outcomes         []string
}

func traitsOf(e *ledger.Entry) traits {
	var body struct {
		State      string          `json:"state"`
		Outcome    string          `json:"outcome"`
		Unit       string          `json:"unit"`
		Assistance json.RawMessage `json:"assistance"`
		Units      []struct {
			Unit string `json:"unit"`
		} `json:"units"`
	}
	if len(e.Body) > 0 {
		_ = json.Unmarshal(e.Body, &body) // one of another shape keeps what could be read of it
	}
	t := traits{actor: e.Actor, kind: string(e.Kind), units: []string{e.Unit, body.Unit}, outcomes: []string{body.State, body.Outcome}}
	for _, u := range body.Units {
		t.units = append(t.units, u.Unit)
	}
	t.assistance = assistanceIn(body.Assistance)
	if e.Kind == ledger.KindAttribution { // its state is what it found, and no outcome
		t.assistance, t.outcomes = body.State, nil
	}
	return t
}

// assistanceIn reads what an entry says of AI: the word alone, or a verdict with what it rests on.
func assistanceIn(raw json.RawMessage) string {
	var word string
	var verdict struct {
		State string `json:"state"`
	}
	switch {
	case len(raw) == 0:
		return ""
	case json.Unmarshal(raw, &word) == nil:
		return word
	case json.Unmarshal(raw, &verdict) == nil:
		return verdict.State
	default:
		return ""
	}
}

// keys are the traits as words that stand in no text: one for each, whatever characters it has.
func (t *traits) keys() string {
	out := []string{key("actor", t.actor), key("kind", t.kind), key("assistance", t.assistance)}
	for _, u := range t.units {
		out = append(out, key("unit", u))
	}
	for _, o := range t.outcomes {
		out = append(out, key("outcome", o))
	}
	slices.Sort(out)
	return strings.TrimSpace(strings.Join(slices.Compact(out), " "))
}

// key is "" for nothing: what an entry does not say it cannot be found by.
func key(name, value string) string {
	if value == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(name + "\x00" + value))
	return "k" + hex.EncodeToString(sum[:8])
}

// term is one thing that has to be in an entry's words: a word, or several in this order.
type term struct {
	text   string
	prefix bool // the last word only begins like that
}

// termsOf takes what a person typed apart: words, "several in this order", beginnings*. Nothing of it has any other meaning.
func termsOf(text string) ([]term, error) {
	var terms []term
	add := func(t string) {
		word := strings.TrimRight(t, "*")
		t = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(word, " ")+t[len(word):])
		if strings.ContainsFunc(t, sayable) {
			terms = append(terms, term{text: strings.TrimRight(t, "*"), prefix: strings.HasSuffix(t, "*")})
		}
	}
	rest := text
	for rest != "" {
		before, after, quoted := strings.Cut(rest, `"`)
		for _, word := range strings.Fields(before) {
			add(word)
		}
		if !quoted {
			break
		}
		phrase, after, closed := strings.Cut(after, `"`)
		if closed && strings.HasPrefix(after, "*") {
			phrase, after = phrase+"*", after[1:]
		}
		add(phrase)
		rest = after
	}
	switch {
	case len(terms) == 0 && strings.TrimSpace(text) != "":
		return nil, fmt.Errorf("%w: %q holds no letter and no digit", ErrQuery, text)
	case len(terms) > maxTerms:
		return nil, fmt.Errorf("%w: more than %d words", ErrQuery, maxTerms)
	}
	return terms, nil
}

// sayable is what words are made of.
func sayable(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Co, r)
}
