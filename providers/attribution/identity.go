package attribution

import (
	"regexp"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	asAutomation = "automation"
	asSuggestion = "suggestion"
)

var (
	noreplyAddress = regexp.MustCompile(`^(?:(\d{1,12})\+)?([^@\s]{1,100})@users\.noreply\.github\.com$`)
	genericNoReply = regexp.MustCompile(`^(no-?reply|do-?not-?reply|bot|ai|agent)@`)
	anyEmail       = regexp.MustCompile(`[^\s<>&;,"'()]{1,120}@[^\s<>&;,"'()]{1,120}`)
	agentWord      = regexp.MustCompile(`(?i)(^|[-_ (\[])(ai[-_ ]?)?agent($|[-_ )\]])`)
	nameSuffix     = regexp.MustCompile(`^(.+?) ?\(([^()]{2,60})\)$`)
	botName        = regexp.MustCompile(`(?i)(^|[-_ ])(ro)?bot$|\[bot\]$`)
	plusAddress    = regexp.MustCompile(`(?i)^[^@]*\+([a-z-]{3,20})@`)
)

// identify finds the identity behind an address: by the numeric id of a forge account, by the login of an app, by the
// address itself. Nothing else decides.
func (r *Rules) identify(email string) *identity {
	email = strings.ToLower(strings.Trim(strings.TrimSpace(email), "<>"))
	if email == "" {
		return nil
	}
	if id := r.emails[email]; id != nil {
		return id
	}
	m := noreplyAddress.FindStringSubmatch(email)
	if m == nil {
		return nil
	}
	for _, id := range r.ids[m[1]] {
		if !id.Strict || contains(id.Logins, m[2]) {
			return id
		}
	}
	if id := r.logins[m[2]]; id != nil && strings.HasSuffix(m[2], "[bot]") && (!id.Strict || m[1] == "") {
		return id
	}
	return nil
}

// named finds the tool whose complete display name this is.
func (r *Rules) named(name string) *tool {
	name = strings.TrimSpace(name)
	for i := range r.tools {
		for _, re := range r.tools[i].names {
			if re.MatchString(name) {
				return &r.tools[i]
			}
		}
	}
	return nil
}

// doubt says why a hit on this identity at that time may be wrong, "" for no reason.
func (id *identity) doubt(when time.Time) string {
	if when.IsZero() {
		return ""
	}
	if (!id.Since.IsZero() && when.Before(id.Since.Time)) || (!id.Until.IsZero() && !when.Before(id.Until.AddDate(0, 0, 1))) {
		return "outside the time in which this identity was the tool's"
	}
	for _, s := range id.Unreliable {
		if !when.Before(s.From.Time) && when.Before(s.To.AddDate(0, 0, 1)) {
			return join("declared in an unreliable period: written without the tool's use", s.Ref)
		}
	}
	return ""
}

// author judges who wrote the commit.
func (v *verdict) author(in Commit, merge bool) {
	raw := in.AuthorName + " <" + in.AuthorEmail + ">"
	f := finding{Evidence: providers.Evidence{Role: roleAuthored, Strength: recorded, Source: "commit.author", Raw: raw}}
	if id := v.rules.identify(in.AuthorEmail); id != nil {
		f.Tool = id.Tool
		switch {
		case id.As == asAutomation:
			f.state = providers.AssistanceAutomation
		case merge:
			f.state, f.Role, f.Caveat = providers.AssistancePossible, roleCommitted, "the agent merged; who wrote the change is in what was merged"
		default:
			f.state, f.Model, f.Caveat = providers.AssistanceAgent, modelOf(in.AuthorName), id.doubt(in.When)
			if id.As == asSuggestion {
				f.Caveat = join(f.Caveat, "a reviewer's automatic fix")
			}
		}
		v.add(f)
		return
	}
	v.authorName(in, f)
}

// authorName is for authors without a known address: what aider appends is a record, everything else only a hint.
func (v *verdict) authorName(in Commit, f finding) {
	name := strings.TrimSpace(in.AuthorName)
	f.state, f.Strength = providers.AssistancePossible, inferred
	if m := nameSuffix.FindStringSubmatch(name); m != nil {
		if strings.EqualFold(m[2], "aider") {
			f.state, f.Strength, f.Tool = providers.AssistanceAssisted, recorded, "aider"
			v.add(f)
			return
		}
		if t := v.rules.word(m[2]); t != "" {
			f.Tool, f.Caveat = t, "a name that somebody chose, not an identity of the tool"
			v.add(f)
			return
		}
	}
	aiTool := v.rules.likeTool(name)
	switch {
	case aiTool != "":
		f.Tool, f.Caveat = aiTool, "named like the tool, but the address is not the tool's"
	case v.rules.isAutomation(name, in.AuthorEmail):
		f.state, f.Strength, f.Tool = providers.AssistanceAutomation, recorded, strings.ToLower(strings.TrimSuffix(name, "[bot]"))
	case agentWord.MatchString(name):
		f.Caveat = "an account that calls itself an agent; which one is not known"
	default:
		m := plusAddress.FindStringSubmatch(in.AuthorEmail)
		if m == nil || v.rules.word(m[1]) == "" || noreplyAddress.MatchString(in.AuthorEmail) {
			return
		}
		f.Tool, f.Caveat = v.rules.word(m[1]), "an address that names the tool"
	}
	v.add(f)
}

// likeTool finds the tool that a display name poses as: the complete name of one, the login of its app, or a bot or agent
// that carries its name.
func (r *Rules) likeTool(name string) string {
	if t := r.named(name); t != nil && (!t.Human || !strings.EqualFold(name, t.Name)) {
		return t.Name
	}
	if id := r.logins[strings.ToLower(name)]; id != nil && id.As != asAutomation {
		return id.Tool
	}
	if !botName.MatchString(name) {
		return ""
	}
	return r.word(strings.TrimSpace(botName.ReplaceAllString(name, "")))
}

// isAutomation reports deterministic bots: apps of a forge and names that only bots have.
func (r *Rules) isAutomation(name, email string) bool {
	if m := noreplyAddress.FindStringSubmatch(strings.ToLower(email)); m != nil && (strings.HasSuffix(m[2], "[bot]") || r.automation[m[2]]) {
		return true
	}
	return r.automation[strings.ToLower(name)] || botName.MatchString(name)
}

// committer: an agent in the committer's seat made the commit, but did not need to write it. aider commits what it
// finds changed, so there it is known that somebody else wrote it.
func (v *verdict) committer(in Commit) {
	f := finding{Evidence: providers.Evidence{
		Role: roleCommitted, Strength: recorded, Source: "commit.committer", Raw: in.CommitterName + " <" + in.CommitterEmail + ">",
	}}
	aider := func(s string) bool { return strings.HasSuffix(strings.ToLower(s), "(aider)") }
	if aider(in.CommitterName) {
		if !aider(in.AuthorName) {
			f.Tool, f.Caveat = "aider", "the tool only committed what it found"
			v.add(f)
		}
		return
	}
	id := v.rules.identify(in.CommitterEmail)
	if id == nil || id.As == asAutomation || strings.EqualFold(in.CommitterEmail, in.AuthorEmail) {
		return
	}
	f.Tool, f.state, f.Caveat = id.Tool, providers.AssistancePossible, "the tool made the commit; the author is somebody else"
	v.add(f)
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if strings.EqualFold(l, s) {
			return true
		}
	}
	return false
}
