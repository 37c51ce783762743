package config

import (
	"regexp"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Policy names the files that say who may do what. Paths are absolute; empty ones are not set.
type Policy struct {
	File         string
	Organisation PolicyPin
}

// PolicyPin is a file that counts only with the content whose digest is named.
type PolicyPin struct{ File, Digest string }

func policyFields() []Field {
	return []Field{
		{Name: "file", Type: String, Default: "", Help: "the policy: who may do what, and what is asked for; see 'backout policy schema'"},
		{Name: "organisation", Type: Object, Help: "a policy that lies under it, which it can only tighten", Fields: []Field{
			{Name: "file", Type: String, Default: ""},
			{Name: "digest", Type: String, Default: "", Help: "sha256:<hex> of the file: with any other content it is refused"},
		}},
	}
}

var policyDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// policy checks what the fields alone cannot say.
func (c *checker) policy(section *yaml.Node, key string) {
	_, org := child(section, "organisation")
	if org == nil {
		return
	}
	_, file := child(org, "file")
	_, digest := child(org, "digest")
	key = join(key, "organisation")
	switch {
	case file == nil && digest != nil:
		c.report(digest, join(key, "file"), "is missing: the digest of which file?")
	case file != nil && digest == nil:
		c.report(file, join(key, "digest"), "is missing: pin the file by what 'sha256sum' says of it, as sha256:<hex>")
	case digest != nil && !policyDigest.MatchString(digest.Value):
		c.report(digest, join(key, "digest"), "is sha256: and 64 hexadecimal digits")
	}
}

func policyOf(v *viper.Viper, layers []layer, dir string) Policy {
	return Policy{
		File: pathOf("policy.file", v, layers, dir),
		Organisation: PolicyPin{
			File: pathOf("policy.organisation.file", v, layers, dir), Digest: v.GetString("policy.organisation.digest"),
		},
	}
}
