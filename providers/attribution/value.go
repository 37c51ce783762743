package attribution

import (
	"regexp"
	"strings"
	"unicode"
)

// meaning is what the value of a trailer turned out to be.
type meaning int

const (
	meansNothing meaning = iota // a placeholder, a person, a generator that is no AI
	meansMaybe                  // some word that could be a tool
	meansTool                   // a tool, a model, or AI without a name
	meansUnknown                // has the form of a claim, but nothing in it is known
)

// claim is a trailer's value taken apart.
type claim struct {
	meaning     meaning
	tool, model string
}

var (
	markdownLink = regexp.MustCompile(`\[([^\]]{1,100})\]\([^)]{0,300}\)`)
	viaForm      = regexp.MustCompile(`(?i)^(.{1,100}?) (?:via|through|in) (.{1,60})$`)
	colonForm    = regexp.MustCompile(`^([^\s:/]{1,60}):\s?([^\s/].{0,120})$`)
	slashForm    = regexp.MustCompile(`^([^\s:/]{1,60}(?: [A-Z]\w{1,20})?) ?/ ?(.{1,120})$`)
	parenForm    = regexp.MustCompile(`^(.{1,80}?) ?\(([^()]{1,100}(?:\([^()]*\))?)\)`)
	inParens     = regexp.MustCompile(`\(([^()]*(?:\([^()]*\))?[^()]*)\)$`)
	placeholders = regexp.MustCompile(`(?i)agent_?name|model_?(version|name|id)|\btool[12]\b|your[- _](name|tool|model|ai)|^<[^@<>]*>$|^\[[a-z_ -]*(name|model|tool|version)[a-z_ -]*\]|^\.\.\.$|\$\{|\{\{`)
	toolVersion  = regexp.MustCompile(`^v?\d+(\.\d+)+\s*/?\s*`)
	handle       = regexp.MustCompile(`^@[\w-]+$`)
)

// claimOf takes a value apart: A:M, A/M, A (M), M via A, A M, an address, a URL.
func (r *Rules) claimOf(value string) claim {
	value = strings.TrimSpace(markdownLink.ReplaceAllString(value, "$1"))
	if placeholders.MatchString(value) {
		return claim{}
	}
	value = unbracket(value)
	email := anyEmail.FindString(value)
	name := strings.TrimSpace(value)
	if email != "" {
		name = strings.Trim(strings.Replace(value, email, "", 1), " <>\t")
		if id := r.identify(email); id != nil && id.As != asAutomation {
			return claim{meansTool, id.Tool, modelOf(name)}
		}
	}
	if name == "" || r.notAI[strings.ToLower(firstWord(name))] || handle.MatchString(name) {
		return claim{}
	}
	if strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://") {
		if r.mentions(name) {
			return claim{meansTool, r.toolOr(name, unnamedTool), ""}
		}
		return claim{meaning: meansUnknown, tool: unnamedTool}
	}
	if r.person(name, email) {
		if email == "" && r.humanWord(name) {
			return claim{meansMaybe, r.word(name), ""} // "Claude Something": a new model, or a person
		}
		return claim{}
	}
	c := r.split(name)
	c.model = r.withoutCheckers(c.model)
	return c
}

// withoutCheckers drops the analysis tools that the kernel's form lists after the model.
func (r *Rules) withoutCheckers(model string) string {
	fields := strings.Fields(model)
	for i, f := range fields {
		if i > 0 && (strings.HasPrefix(f, "[") || r.notAI[strings.ToLower(f)]) {
			return strings.Join(fields[:i], " ")
		}
	}
	return strings.TrimSpace(model)
}

func (r *Rules) split(name string) claim {
	if m := viaForm.FindStringSubmatch(name); m != nil && r.word(m[2]) != "" {
		return claim{meansTool, r.word(m[2]), m[1]}
	}
	for _, form := range []*regexp.Regexp{parenForm, colonForm, slashForm} {
		if m := form.FindStringSubmatch(name); m != nil {
			if c := r.pair(name, m[1], m[2], form == parenForm); c.meaning != meansNothing {
				return c
			}
		}
	}
	if t, rest := r.leading(name); t != "" {
		return claim{meansTool, t, strings.Trim(rest, " ,/-")}
	}
	return r.single(name)
}

// pair judges the two sides of A:M, A/M or A (M).
func (r *Rules) pair(whole, left, right string, inParens bool) claim {
	if t := r.word(left); t != "" {
		return claim{meansTool, t, right}
	}
	if r.mentions(whole) {
		return claim{meansTool, r.toolOr(left, nameOr(left, unnamedTool)), right}
	}
	if !inParens && !strings.ContainsAny(left, " ") {
		return claim{meansUnknown, left, right}
	}
	return claim{}
}

func (r *Rules) single(name string) claim {
	switch {
	case r.mentions(name):
		model := ""
		if r.company[strings.ToLower(name)] || r.word(name) != "" {
			return claim{meansTool, r.toolOr(name, unnamedTool), ""}
		}
		if r.model(name) {
			model = name
		}
		return claim{meansTool, r.toolOr(name, unnamedTool), model}
	case strings.ContainsFunc(name, unicode.IsDigit) && len(name) < 60:
		return claim{meansUnknown, unnamedTool, name}
	case len(strings.Fields(name)) == 1:
		return claim{meansMaybe, name, ""}
	default:
		return claim{}
	}
}

// person reports names of people: two or more capitalised words, or a personal address, and nothing that belongs to a
// tool. A tool that is called like a person needs more than that one word.
func (r *Rules) person(name, email string) bool {
	if strings.ContainsFunc(name, unicode.IsDigit) || strings.ContainsAny(name, ":/(") {
		return email != "" && !r.mentions(name)
	}
	_, rest := r.leading(name)
	t := r.words[strings.ToLower(name)]
	switch {
	case t != nil && (!t.Human || email == "" || strings.ContainsAny(name, " -")):
		return false
	case t != nil:
		return !genericNoReply.MatchString(email)
	case r.humanWord(name) && !r.mentions(rest):
		return rest != "" && unicode.IsUpper(firstRune(strings.TrimSpace(rest)))
	case r.mentions(name):
		return false
	}
	return email != "" || capitalised(name) >= 2
}

// humanWord reports whether the only tool words in name are also people's names.
func (r *Rules) humanWord(name string) bool {
	found := false
	for _, w := range splitWords(name) {
		if r.company[w] {
			return false
		}
		if t := r.words[w]; t != nil {
			if !t.Human {
				return false
			}
			found = true
		}
	}
	return found
}

// leading finds the tool that s begins with, as a whole phrase, and what follows.
func (r *Rules) leading(s string) (name, rest string) {
	low := strings.ToLower(s)
	for _, p := range r.phrases {
		if strings.HasPrefix(low, p) && len(low) == len(s) && (len(s) == len(p) || !isWordByte(s[len(p)])) {
			return r.words[p].Name, s[len(p):]
		}
	}
	return "", s
}

// word is the tool that s names: exactly, at its beginning, or anywhere as a whole word.
func (r *Rules) word(s string) string {
	s = strings.TrimSpace(s)
	if t := r.words[strings.ToLower(s)]; t != nil {
		return t.Name
	}
	if t, _ := r.leading(s); t != "" {
		return t
	}
	for _, w := range splitWords(s) {
		if t := r.words[w]; t != nil {
			return t.Name
		}
	}
	return ""
}

func (r *Rules) toolOr(s, otherwise string) string {
	if t := r.word(s); t != "" {
		return t
	}
	return otherwise
}

// mentions reports any word of a tool, a model or AI in general.
func (r *Rules) mentions(s string) bool {
	for _, w := range splitWords(s) {
		if r.company[w] || r.words[w] != nil || r.modelWord(w) {
			return true
		}
	}
	return false
}

func (r *Rules) model(s string) bool {
	for _, w := range splitWords(s) {
		if r.modelWord(w) {
			return true
		}
	}
	return false
}

// modelWord also takes a model with its number grown on: qwen3, gpt5, opus4.
func (r *Rules) modelWord(w string) bool {
	bare := strings.TrimRightFunc(w, func(c rune) bool { return unicode.IsDigit(c) || c == '.' })
	if len(bare) < 3 || bare == w {
		return false
	}
	return r.company[bare] || r.words[bare] != nil
}

// modelOf reads the model from the display name that goes with a known address.
func modelOf(name string) string {
	name = strings.Trim(strings.TrimSpace(name), `"'`)
	low := strings.ToLower(name)
	if i := strings.Index(name, " / "); i > 0 {
		return strings.TrimSpace(name[i+3:])
	}
	if i := strings.Index(low, " via "); i > 0 {
		return strings.TrimSpace(name[:i])
	}
	if strings.ContainsFunc(name, unicode.IsDigit) {
		if m := inParens.FindStringSubmatch(name); m != nil && strings.ContainsFunc(m[1], unicode.IsDigit) && !strings.Contains(m[1], "context") {
			return m[1]
		}
		if rest := strings.TrimPrefix(low, "claude code "); rest != low && toolVersion.MatchString(rest) {
			return ""
		}
		if !strings.Contains(name, "[bot]") {
			return name
		}
	}
	return ""
}

func nameOr(s, otherwise string) string {
	if s = strings.TrimSpace(s); s != "" && !strings.EqualFold(s, "ai") && !strings.EqualFold(s, "llm") {
		return s
	}
	return otherwise
}

func unbracket(s string) string {
	s = strings.Trim(strings.TrimSpace(s), "`*_\"")
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	return strings.TrimSpace(s)
}

func firstWord(s string) string {
	for w := range strings.FieldsFuncSeq(s, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(":/(,", c) }) {
		return w
	}
	return ""
}

func firstRune(s string) rune {
	for _, c := range s {
		return c
	}
	return 0
}

func capitalised(s string) int {
	n := 0
	for _, w := range strings.Fields(s) {
		if unicode.IsUpper(firstRune(w)) {
			n++
		}
	}
	return n
}

func isWordByte(b byte) bool {
	return b >= 0x80 || b == '_' || (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')
}

// splitWords gives the lower-case words of s; a hyphen or a dot inside a word stays, and its parts follow it.
func splitWords(s string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(strings.ToLower(cut(s, maxLine)), func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '-' && c != '.' && c != '_'
	}) {
		w = strings.Trim(w, "-._")
		if w == "" {
			continue
		}
		out = append(out, w)
		if parts := strings.FieldsFunc(w, func(c rune) bool { return c == '-' || c == '.' || c == '_' }); len(parts) > 1 {
			out = append(out, parts...)
		}
	}
	return out
}
