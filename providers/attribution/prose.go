package attribution

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// prosePatterns find what people write about AI in their own words. That is never more than a hint: it is shown as it
// stands, and nothing is computed from it.
type prosePatterns struct {
	quick  map[string]bool  // the first part of every word that the patterns look for, lower case
	used   []*regexp.Regexp // group 1 is the tool
	review *regexp.Regexp
}

var (
	disclosure = regexp.MustCompile(`(?i)^\W*(?:(?:generative|gen)[ -]?)?(?:AI|LLM)s?[ -](?:disclosure|usage|assistance|use|statement|notice|involvement)(?:[ -](?:disclosure|statement))?\W{0,4}[:：]\W*(.*)$`)
	labelled   = regexp.MustCompile(`(?i)^\W*(?:AI|LLM)[- ](?:assisted|generated|written|authored)\b`)
	nothing    = regexp.MustCompile(`(?i)^\W*(none|no|n/?a|not|nothing|never|false|nope|zero|0)\b`)
	limited    = regexp.MustCompile(`(?i)\b(except|but|only|apart|besides|other than|limited)\b`)
	negation   = regexp.MustCompile(`(?i)(\b(no|not|none|never|without|nor|neither|rather than|instead of)\b|n't\b)`)
	product    = regexp.MustCompile(`(?i)^['’]?\W{0,2}(sdk|api|apis|metrics|usage|settings?|session|sessions|user|users|icon|provider|model|models|client|plugin|integration|support|button|config|adapter|backend|extension|server|tools?|hooks?|parser|output|endpoint|position|movement|style|blink|token|tokens|key|keys)\b`)
	bareAnswer = regexp.MustCompile(`(?i)^\W*\[[ x]?\]`)
)

const (
	wroteVerbs = `(?:written|generated|created|made|implemented|authored|drafted|coded|produced|patched|developed|built|refactored|fixed|assisted|vibe[- ]?coded|done|prepared|translated|debugged)`
	helpNouns  = `(?:help|assistance|aid|support|assist)`
)

func (r *Rules) compileProse() (prosePatterns, error) {
	var always, capital []string
	for i := range r.tools {
		t := &r.tools[i]
		if t.Human && t.Name != "Claude" {
			continue // prose about Devin or Jules is about a colleague
		}
		for _, w := range append([]string{t.Name}, t.Words...) {
			if t.Everyday {
				capital = append(capital, regexp.QuoteMeta(strings.ToUpper(w[:1])+w[1:]))
			} else {
				always = append(always, regexp.QuoteMeta(w))
			}
		}
	}
	x := `(?:an? |the |my )?(?:(?i:` + strings.Join(always, "|") + `)|(?-i:` + strings.Join(capital, "|") + `)|(?-i:AI|LLMs?|an? agent|GenAI))`
	var p prosePatterns
	var err error
	compile := func(format string) *regexp.Regexp {
		re, e := regexp.Compile(fmt.Sprintf(format, `\b(`+x+`)\b`))
		if e != nil && err == nil {
			err = fmt.Errorf("attribution table: words of the tools: %w", e)
		}
		return re
	}
	p.quick = map[string]bool{"ai": true, "llm": true, "llms": true, "agent": true, "genai": true}
	for w := range r.words {
		part, _ := nextPart(w)
		p.quick[part] = true
	}
	p.used = []*regexp.Regexp{
		compile(`(?i)\b` + wroteVerbs + `(?: \w+)?(?: in part| entirely| mostly| partly)? (?:by|with|using|via|through) (?:(?:some |the )?` + helpNouns + ` (?:of|from|by) )?%s`),
		compile(`(?i)\b(?:with|had|got|using)(?: (?:some|the|a lot of|a little|much))? ` + helpNouns + ` (?:of|from|by) %s`),
		compile(`(?i)\b(?:I|we|I've|we've|was|were) (?:have )?(?:also )?used? %s`),
		compile(`(?i)\b(?:using|used|asked|let|had) %s to (?:write|generate|implement|help|create|draft|refactor|debug|fix|find|do)`),
		compile(`(?i)%s(?: \S+){0,3}? (?:basically |mostly |also |has |had )?(?:wrote|helped|generated|implemented|authored|drafted|came up with|did most|did the|assisted|was used)`),
	}
	p.review = compile(`(?i)(?:review(?:ed)?(?: feedback| comments?| suggestions?| findings)?|feedback|flagged|reported|caught|found|spotted) (?:by|from|of) %s`)
	return p, err
}

// prose looks at one line of text; next is the line after it, for a heading whose answer stands below.
func (v *verdict) prose(line, next string) {
	f := finding{providers.Evidence{
		Role: roleAssisted, Strength: inferred, Source: "prose", Raw: line, Caveat: "somebody's own words, shown as they stand",
	}, providers.AssistancePossible}
	if m := disclosure.FindStringSubmatch(line); m != nil {
		answer := m[1]
		if strings.Trim(answer, " *_") == "" {
			answer = next
			f.Raw = line + " " + next
		}
		if strings.TrimSpace(answer) == "" || bareAnswer.MatchString(answer) || (nothing.MatchString(answer) && !limited.MatchString(answer)) {
			return
		}
		f.Tool = v.rules.toolOr(answer, unnamedTool)
		v.add(f)
		return
	}
	if labelled.MatchString(line) && len(strings.Fields(line)) <= 6 {
		f.Tool = unnamedTool
		v.add(f)
		return
	}
	v.sentence(f, line)
}

func (v *verdict) sentence(f finding, line string) {
	p := &v.rules.prose
	if !p.mentioned(line) {
		return
	}
	if m := p.review.FindStringSubmatch(line); m != nil {
		f.Role, f.state, f.Tool, f.Caveat = roleReviewed, "", v.rules.toolOr(m[1], unnamedTool), "a review is not authorship"
		v.add(f)
		return
	}
	for _, re := range p.used {
		at := re.FindStringSubmatchIndex(line)
		if len(at) < 4 || at[2] < 0 {
			continue
		}
		before, after := line[:at[0]], line[at[3]:]
		if i := strings.LastIndexAny(before, ".;!?"); i >= 0 {
			before = before[i+1:]
		}
		if negation.MatchString(before) || negation.MatchString(line[at[0]:at[2]]) || product.MatchString(after) {
			continue
		}
		f.Tool = v.rules.toolOr(line[at[2]:at[3]], unnamedTool)
		v.add(f)
		return
	}
}

// mentioned is the cheap question before the patterns: most lines of most messages name no tool.
func (p *prosePatterns) mentioned(line string) bool {
	var buf [24]byte
	for line != "" {
		var part string
		part, line = nextPart(line)
		if len(part) < 2 || len(part) > len(buf) {
			continue
		}
		low := buf[:len(part)]
		for i := range len(part) {
			low[i] = part[i]
			if c := part[i]; c >= 'A' && c <= 'Z' {
				low[i] = c + 'a' - 'A'
			}
		}
		if p.quick[string(low)] {
			return true
		}
	}
	return false
}

// nextPart gives the first run of ASCII letters and digits in s and what follows it.
func nextPart(s string) (part, rest string) {
	ordinary := func(c byte) bool { return c < 0x80 && c != '_' && isWordByte(c) }
	i := 0
	for i < len(s) && !ordinary(s[i]) {
		i++
	}
	j := i
	for j < len(s) && ordinary(s[j]) {
		j++
	}
	return s[i:j], s[j:]
}
