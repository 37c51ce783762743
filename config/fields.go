package config

// FieldType is the type of a setting.
type FieldType string

// The types of settings. A secret is written as {env: NAME}, {file: PATH} or {command: [ARG, ...]}, never as text.
const (
	String   FieldType = "string"
	Int      FieldType = "int"
	Float    FieldType = "float"
	Bool     FieldType = "bool"
	Duration FieldType = "duration"
	Strings  FieldType = "strings"
	Map      FieldType = "map"
	Lists    FieldType = "lists" // a list of strings by name
	Objects  FieldType = "objects"
	Object   FieldType = "object"
	Secret   FieldType = "secret"
)

// Field describes one setting: for checking a file, for the JSON schema and for the docs.
type Field struct {
	Name     string
	Type     FieldType
	Required bool
	Default  any
	Enum     []string
	Help     string
	Fields   []Field
}

// ProviderSchema describes the settings of one type of provider.
type ProviderSchema struct {
	Type   string
	Help   string
	Fields []Field
}

// Fields are the settings at the top of a file and of a context, without providers and contexts.
func Fields() []Field {
	return []Field{
		{Name: "environment", Type: String, Default: "", Help: "the environment these providers see: prod, staging, dev, ..."},
		{Name: "region", Type: String, Default: "", Help: "shown beside the environment"},
		{Name: "readonly", Type: Bool, Default: false, Help: "refuse every change to the world, in the engine"},
		{Name: "tiers", Type: Map, Help: "environment to tier (prod, staging, dev); decides how strongly a rollback is confirmed"},
		{Name: "since", Type: Duration, Default: "24h", Help: "the window that is opened at start"},
		{Name: "state_dir", Type: String, Default: "", Help: "directory of the database and the log (default: the user's state directory)"},
		{Name: "store", Type: Object, Help: "where the record is kept", Fields: storeFields()},
		{Name: "cache_dir", Type: String, Default: "", Help: "directory of what was known last (default: the user's cache directory)"},
		{Name: "log_level", Type: String, Default: "info", Enum: []string{"debug", "info", "warn", "error"}, Help: "of the log file"},
		{Name: "identity", Type: Object, Help: "who acts", Fields: identityFields()},
		{Name: "principals", Type: Objects, Help: "who there is: people, automations, AI agents", Fields: peopleFields()},
		{Name: "on_call", Type: Object, Help: "who is on call", Fields: onCallFields()},
		{Name: "tui", Type: Object, Help: "the console", Fields: []Field{
			{Name: "time_zone", Type: String, Default: "utc", Enum: []string{"utc", "local", "relative"}, Help: "T changes it"},
			{Name: "ascii", Type: Bool, Default: false, Help: "plain ASCII instead of lines and blocks"},
			{Name: "color", Type: String, Default: "auto", Enum: []string{"auto", "always", "never"}},
			{Name: "sync_output", Type: String, Default: "auto", Enum: []string{"auto", "on"}, Help: "synchronized output; auto asks the terminal, which is not done over SSH"},
		}},
		{Name: "rollback", Type: Object, Help: "how a run is verified", Fields: []Field{
			{Name: "hold", Type: Duration, Default: "60s", Help: "how long all has to be well before a run counts as verified"},
			{Name: "deadline", Type: Duration, Default: "10m", Help: "when a run stops waiting"},
			{Name: "poll", Type: Duration, Default: "1s", Help: "between two looks at the target"},
			{Name: "cap", Type: Int, Default: 3, Help: "how many units one plan may take back together"},
		}},
		{Name: "proofs", Type: Object, Help: "how long a rollback that was executed counts as a proof that going back works", Fields: []Field{
			{Name: "tier1", Type: Duration, Default: "720h", Help: "for services of tier 1, and those whose tier is not known"},
			{Name: "tier2", Type: Duration, Default: "2160h"},
			{Name: "tier3", Type: Duration, Default: "4320h"},
			{Name: "deployments", Type: Int, Default: 25, Help: "how many deployments of the unit may lie between"},
			{Name: "rotation", Type: Strings, Help: "who is on call: a proof by people of whom nobody is any more does not count; default: not looked at"},
			{Name: "probe", Type: Object, Help: "look all the time whether plans are valid: a dry run, the rights, the artifact", Fields: []Field{
				{Name: "units", Type: Strings, Help: "ids of units, or patterns such as k8s:prod/*; default: none"},
				{Name: "every", Type: Duration, Default: "1h", Help: "how often each is looked at; what was seen counts for 24h"},
				{Name: "rate", Type: Int, Default: 6, Help: "how many a minute at most"},
			}},
			{Name: "two_people", Type: Bool, Default: false, Help: "a proof counts only where two people, one of whom does not own the unit, did it within 180 days; otherwise this is only shown"},
			{Name: "owners", Type: Lists, Help: "the people behind the owner of a service: {team-web: [ana, bob]}"},
		}},
		{Name: "ledger", Type: Object, Help: "how the record is signed, and where its checkpoints are kept", Fields: ledgerFields()},
		{Name: "policy", Type: Object, Help: "who may do what, and what is asked for before it is done", Fields: policyFields()},
		{Name: "approvals", Type: Object, Help: "whose yes a rollback waits for", Fields: approvalFields()},
		{Name: "drills", Type: Object, Help: "what limits drills, and which are made by themselves", Fields: drillFields()},
		{Name: "security", Type: Object, Help: "what must not come back unseen", Fields: []Field{
			{Name: "advisories", Type: Strings, Help: "files, or patterns of them: OSV (JSON), the catalogue of exploited vulnerabilities of CISA (JSON), or a list of {id, digest or package, versions, exploited}"},
		}},
		{Name: "services", Type: Objects, Help: "the catalogue: who calls whom", Fields: []Field{
			{Name: "name", Type: String, Required: true},
			{Name: "tier", Type: String, Help: "how much depends on it: 1 the most, 2, 3"},
			{Name: "owner", Type: String},
			{Name: "environment", Type: String},
			{Name: "depends_on", Type: Strings, Help: "the services that it calls"},
		}},
		{Name: "edges", Type: Objects, Help: "what cannot serve without what", Fields: []Field{
			{Name: "from", Type: String, Required: true, Help: "a service or a unit"},
			{Name: "to", Type: String, Required: true},
			{Name: "kind", Type: String, Default: "requires", Enum: []string{"calls", "requires", "contract", "config", "owner", "order"}},
			{Name: "evidence", Type: String},
		}},
		{Name: "verify", Type: Objects, Help: "what has to be well before a rollback counts as verified, unit by unit", Fields: verifyFields()},
		{Name: "gamedays", Type: Objects, Help: "where game days may break something on purpose, and with which programs", Fields: gameDayFields()},
	}
}

// find looks a field up by its dotted key.
func find(fields []Field, key string) (Field, bool) {
	head, rest, nested := cut(key)
	for _, f := range fields {
		if f.Name != head {
			continue
		}
		if !nested {
			return f, true
		}
		return find(f.Fields, rest)
	}
	return Field{}, false
}
