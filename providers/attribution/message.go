package attribution

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/backout-dev/backout/providers"
)

var (
	footerLine  = regexp.MustCompile(`(?i)^[^a-z0-9\[]{0,24}(?:generated|created|made|built|written|authored|coded)\s+(with|by|using|via)\s+(?:the\s+)?(\[?[^\]\n]{2,60}\]?.{0,200})$`)
	aiderPrefix = regexp.MustCompile(`^aider: \S`)
	titlePrefix = regexp.MustCompile(`(?i)^\[(codex|claude|copilot|devin|jules|cursor|wip-codex)\] `)
	mergedFrom  = regexp.MustCompile(`^Merge pull request [#!]\d+ from [^/\s]+/(\S+)`)
	mergedName  = regexp.MustCompile(`^Merge (?:remote-tracking )?branch '(?:origin/)?([^']{1,200})'`)
	mergedIn    = regexp.MustCompile(`^Merged in (\S{1,200}) \(pull request`)
)

// message goes over the lines once: trailers, footers, links to sessions, and prose.
func (v *verdict) message(t text) {
	lines := t.lines
	if v.isAutomation() {
		lines = lines[min(t.final, len(lines)):] // what a bot quotes of others' histories is not about this commit
	}
	v.subject(t)
	for i, l := range lines {
		if v.trailer(l, t) {
			continue
		}
		if v.footer(l, t) || v.session(l) {
			continue
		}
		next := ""
		if i+1 < len(lines) {
			next = lines[i+1]
		}
		v.prose(l, next)
	}
}

func (v *verdict) isAutomation() bool {
	for _, f := range v.findings {
		if f.state == providers.AssistanceAutomation {
			return true
		}
	}
	return false
}

// subject looks for what tools put into the title.
func (v *verdict) subject(t text) {
	if m := subjectClaim.FindStringSubmatch(t.subject); m != nil {
		if c := v.rules.claimOf(m[1]); c.meaning == meansTool {
			v.add(finding{providers.Evidence{
				Role: roleAssisted, Strength: declared, Tool: c.tool, Model: c.model, Source: "commit.subject", Raw: t.subject,
			}, providers.AssistanceAssisted})
		}
	}
	if aiderPrefix.MatchString(t.subject) {
		v.add(finding{providers.Evidence{
			Role: roleAssisted, Strength: inferred, Tool: "aider", Source: "commit.subject", Raw: t.subject,
			Caveat: "the prefix is also an ordinary scope",
		}, providers.AssistancePossible})
	}
	for _, l := range t.lines[:min(3, len(t.lines))] {
		if m := titlePrefix.FindStringSubmatch(l); m != nil {
			v.add(finding{providers.Evidence{
				Role: roleAssisted, Strength: inferred, Tool: v.rules.word(m[1]), Source: "commit.subject", Raw: l,
			}, providers.AssistancePossible})
		}
	}
}

// footer recognises "Generated with X": at the start of a line, after an emoji or nothing. A tool that is not in the
// table counts behind the robot that such footers carry.
func (v *verdict) footer(line string, t text) bool {
	m := footerLine.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	name := strings.TrimSpace(m[2])
	f := finding{providers.Evidence{
		Role: roleAuthored, Strength: declared, Source: "footer", Raw: line, Session: v.rules.sessionIn(line),
	}, providers.AssistanceAssisted}
	if t.picked {
		f.Caveat = "copied from the change that it was cherry-picked from"
	}
	label := linkLabel(name)
	tool, rest := v.rules.leading(label)
	switch {
	case tool != "" && closes(rest):
		f.Tool = tool
		if c := v.rules.claimOf(label); c.meaning == meansTool {
			f.Model = c.model
		}
	case robot(line) && len(label) < 40 && capitalised(label) > 0:
		f.Tool = v.rules.toolOr(label, label)
	default:
		return false
	}
	v.add(f)
	return true
}

// linkLabel is the text of a Markdown link that s begins with, else s without a trailing address.
func linkLabel(s string) string {
	if strings.HasPrefix(s, "[") {
		if i := strings.IndexByte(s, ']'); i > 0 {
			return s[1:i]
		}
		return s[1:]
	}
	s, _, _ = strings.Cut(s, " (http")
	s, _, _ = strings.Cut(s, " <http")
	s, _, _ = strings.Cut(s, ": http")
	return strings.TrimRight(s, " .!")
}

// closes reports that nothing but a version, a model or punctuation follows the name: not the rest of a sentence.
func closes(rest string) bool {
	rest = strings.TrimSpace(rest)
	if rest == "" || strings.ContainsRune("([,.;!-–—&+", firstRune(rest)) {
		return true
	}
	low := strings.ToLower(firstWord(rest))
	switch low {
	case "code", "cli", "agent", "v", "and", "via", "ai", "desktop", "opus", "sonnet", "haiku", "action":
		return true
	}
	return unicode.IsDigit(firstRune(low)) || (strings.HasPrefix(low, "v") && len(low) > 1 && unicode.IsDigit(rune(low[1])))
}

// robot reports an emoji before the first letter.
func robot(line string) bool {
	for _, c := range line {
		if unicode.IsLetter(c) {
			return false
		}
		if c >= 0x1F300 && c <= 0x1FAFF && utf8.RuneLen(c) == 4 {
			return true
		}
	}
	return false
}

// session recognises a link to a recorded session that stands in the text.
func (v *verdict) session(line string) bool {
	if !strings.Contains(line, "https://") {
		return false
	}
	for _, p := range v.rules.sessions {
		if link := p.re.FindString(line); link != "" {
			v.add(finding{providers.Evidence{
				Role: roleSession, Strength: declared, Tool: p.Tool, Session: link, Source: "commit.message", Raw: line,
			}, providers.AssistanceAssisted})
			return true
		}
	}
	return false
}

func (r *Rules) sessionIn(line string) string {
	for _, p := range r.sessions {
		if link := p.re.FindString(line); link != "" {
			return link
		}
	}
	return ""
}

// branch takes the branch's name as a hint, from the forge or from a merge's title.
func (v *verdict) branch(name string, t text) {
	source := "commit.branch"
	if name == "" {
		source = "merge.branch"
		for _, re := range []*regexp.Regexp{mergedFrom, mergedName, mergedIn} {
			if m := re.FindStringSubmatch(t.subject); m != nil {
				name = m[1]
				break
			}
		}
	}
	for _, p := range v.rules.branches {
		if name != "" && p.re.MatchString(cut(name, 300)) {
			v.add(finding{providers.Evidence{
				Role: roleAssisted, Strength: inferred, Tool: p.Tool, Source: source, Raw: name, Caveat: "a branch's name is only a hint",
			}, providers.AssistancePossible})
			return
		}
	}
}
