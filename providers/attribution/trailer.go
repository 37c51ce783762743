package attribution

import (
	"regexp"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// claimKind says how much a trailer's key promises about its value.
type claimKind int

const (
	keyPerson  claimKind = iota + 1 // names people as a rule: only an identity or a complete display name counts
	keyAssist                       // names help: anything counts that is no person and no known generator
	keyAI                           // speaks of AI by itself: any value counts
	keyNamed                        // used by all sorts of programs: only what is known counts
	keyBool                         // yes or no
	keyList                         // a list of tools
	keySuspect                      // a misspelled assisted-by
)

type trailerKey struct {
	kind claimKind
	role string
}

var trailerKeys = map[string]trailerKey{
	"co-authored-by":    {keyPerson, roleCoAuthored},
	"co-author-by":      {keyPerson, roleCoAuthored},
	"coauthored-by":     {keyPerson, roleCoAuthored},
	"co-developed-by":   {keyPerson, roleCoAuthored},
	"signed-off-by":     {keyPerson, roleAssisted},
	"reviewed-by":       {keyPerson, roleReviewed},
	"tested-by":         {keyPerson, roleReviewed},
	"assisted-by":       {keyAssist, roleAssisted},
	"ai-assisted-by":    {keyAI, roleAssisted},
	"co-authored-by-ai": {keyAI, roleCoAuthored},
	"ai-co-authored-by": {keyAI, roleCoAuthored},
	"ai-generated-by":   {keyAI, roleAuthored},
	"ai-assistant":      {keyAI, roleAssisted},
	"ai-agent":          {keyAI, roleAssisted},
	"generated-by":      {keyNamed, roleAuthored},
	"generated-with":    {keyNamed, roleAuthored},
	"made-with":         {keyNamed, roleAssisted},
	"made-by":           {keyNamed, roleAssisted},
	"written-by":        {keyNamed, roleAuthored},
	"authored-by":       {keyNamed, roleAuthored},
	"implemented-by":    {keyNamed, roleAuthored},
	"ai-assisted":       {keyBool, roleAssisted},
	"ai-generated":      {keyBool, roleAuthored},
	"ai-tools":          {keyList, roleAssisted},
	"ai-tool":           {keyList, roleAssisted},
	"ai-model":          {keyList, roleAssisted},
}

var (
	trailerLine   = regexp.MustCompile(`^[ \t]{0,3}([A-Za-z][A-Za-z-]{2,40})[ \t]*:[ \t]*(\S.*)$`)
	subjectClaim  = regexp.MustCompile(`(?i)[,;(\[] ?assisted-by: ?([^\s,;)\]]{2,80})`)
	negativeValue = regexp.MustCompile(`(?i)^\W*(no|none|not|false|0|n/?a|nothing|never|nobody|human|manual(ly)?)\b`)
	positiveValue = regexp.MustCompile(`(?i)^\W*(yes|true|1|partial(ly)?|full(y)?|some)\b`)
	hexOrID       = regexp.MustCompile(`^[0-9A-Za-z_:/.?=&#-]{6,400}$`)
)

// trailer looks at one line, whether it stands in a trailer block or not: merges and squashes put trailers anywhere.
func (v *verdict) trailer(line string, t text) bool {
	m := trailerLine.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	key, value := strings.ToLower(m[1]), unescape(m[2])
	f := finding{
		state: providers.AssistanceAssisted,
		Evidence: providers.Evidence{
			Strength: declared, Source: "trailer:" + key, Raw: strings.TrimSpace(line),
		},
	}
	if t.picked {
		f.Caveat = "copied from the change that it was cherry-picked from"
	}
	if vendor, ok := v.rules.trailers[key]; ok {
		v.vendorTrailer(f, vendor, value)
		return true
	}
	k, ok := trailerKeys[key]
	if !ok {
		if len(key) < 9 || !withinOneEdit(key, "assisted-by") {
			return false
		}
		k = trailerKey{keySuspect, roleAssisted}
	}
	f.Role = k.role
	switch k.kind {
	case keyPerson:
		v.personTrailer(f, value)
	case keyBool:
		v.boolTrailer(f, value)
	case keyList:
		for part := range strings.SplitSeq(value, ",") {
			v.claimTrailer(f, keyAI, part)
		}
	default:
		v.claimTrailer(f, k.kind, value)
	}
	return true
}

// personTrailer takes only what a known address or a complete display name says: these trailers are for people.
func (v *verdict) personTrailer(f finding, value string) {
	emails := anyEmail.FindAllString(value, 8)
	for _, e := range emails {
		id := v.rules.identify(e)
		if id == nil || id.As == asAutomation {
			continue
		}
		name := strings.Trim(value[:strings.Index(value, e)], " <,&\t")
		g := f
		g.Tool, g.Model, g.Caveat = id.Tool, modelOf(name), join(f.Caveat, id.doubt(v.when))
		if id.doubt(v.when) != "" {
			g.state = providers.AssistancePossible
		}
		if id.As == asSuggestion && g.Role == roleCoAuthored {
			g.Role, g.Caveat = roleAssisted, join(g.Caveat, "an accepted suggestion, not the whole change")
		}
		v.addPerson(g)
		return
	}
	name, email := value, ""
	if len(emails) > 0 {
		email = emails[0]
		name = value[:strings.Index(value, email)]
	}
	name = strings.Trim(name, " <>[]`\t")
	t := v.rules.named(name)
	if t == nil {
		if f.Role == roleCoAuthored && v.principal == "" {
			v.principal = cut(name, 100)
		}
		return
	}
	f.Tool, f.Model = t.Name, modelOf(name)
	if email != "" && !genericNoReply.MatchString(strings.ToLower(email)) {
		if strings.EqualFold(name, t.Name) {
			return // somebody of that name
		}
		f.state, f.Strength, f.Caveat = providers.AssistancePossible, inferred, join(f.Caveat, "named like the tool, but the address is not the tool's")
	}
	v.addPerson(f)
}

func (v *verdict) addPerson(f finding) {
	switch {
	case f.Role == roleReviewed:
		f.state = ""
	case f.Source == "trailer:signed-off-by":
		f.Caveat = join(f.Caveat, "a tool cannot sign off")
	}
	v.add(f)
}

func (v *verdict) boolTrailer(f finding, value string) {
	if negativeValue.MatchString(value) {
		return
	}
	if positiveValue.MatchString(value) {
		f.Tool = v.rules.toolOr(positiveValue.ReplaceAllString(value, ""), unnamedTool)
		v.add(f)
		return
	}
	v.claimTrailer(f, keyAI, value)
}

// claimTrailer judges a value that stands for help.
func (v *verdict) claimTrailer(f finding, kind claimKind, value string) {
	if negativeValue.MatchString(value) {
		return
	}
	c := v.rules.claimOf(value)
	f.Tool, f.Model = c.tool, c.model
	if f.Tool == "" {
		f.Tool = unnamedTool
	}
	switch {
	case c.meaning == meansNothing,
		c.meaning != meansTool && kind == keyNamed && !strings.HasPrefix(value, "http"):
		return
	case c.meaning == meansMaybe && kind != keyAI, c.meaning == meansUnknown && kind == keyNamed:
		f.state, f.Caveat = providers.AssistancePossible, join(f.Caveat, "the value names nothing that is known")
	case kind == keySuspect:
		f.state, f.Caveat = providers.AssistancePossible, join(f.Caveat, "the key is misspelled")
	}
	v.add(f)
}

// vendorTrailer is a trailer that one tool alone writes.
func (v *verdict) vendorTrailer(f finding, t vendorTrailer, value string) {
	f.Tool, f.Role = t.Tool, t.Role
	if len(t.Values) > 0 && !contains(t.Values, strings.TrimSpace(value)) {
		return
	}
	if t.Role == roleSession {
		if !hexOrID.MatchString(strings.TrimSpace(value)) || placeholders.MatchString(value) {
			return
		}
		if strings.HasPrefix(value, "https://") {
			f.Session = cut(strings.TrimSpace(value), maxRaw)
		}
		v.add(f)
		return
	}
	if m := parenForm.FindStringSubmatch(value); m != nil {
		f.Model = strings.TrimPrefix(m[2], "cli/")
		f.Model, _, _ = strings.Cut(f.Model, "=")
	}
	v.add(f)
}

func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", "&quot;", `"`).Replace(s)
}

// withinOneEdit reports whether one inserted, dropped, changed or swapped letter makes a of b.
func withinOneEdit(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	return a[i+1:] == b[i+1:] || (i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:])
}
