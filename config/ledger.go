package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Ledger holds how the record is signed, and where its checkpoints are kept. Paths are absolute; empty ones are not set.
type Ledger struct {
	SigningKey     string
	AllowedSigners string
	Anchors        []Anchor
	Require        int64 // the entry from which on each has to be signed; 0 is none
}

func ledgerFields() []Field {
	return []Field{
		{Name: "signing_key", Type: String, Default: "", Help: "the SSH key that signs what is written: a private key without a passphrase, or the public half of one that the agent holds"},
		{Name: "allowed_signers", Type: String, Default: "", Help: "the file of OpenSSH that says whose keys may sign what, for 'backout ledger verify'"},
		{Name: "require", Type: Int, Default: 0, Help: "from which entry on each has to be signed by a key of allowed_signers; 1 is all, 0 none"},
		{Name: "anchors", Type: Objects, Help: "where checkpoints are kept, out of reach of whoever can write the record", Fields: anchorFields()},
	}
}

// ledger checks what the fields alone cannot say.
func (c *checker) ledger(section *yaml.Node, key string) {
	_, anchors := child(section, "anchors")
	c.anchors(anchors, join(key, "anchors"))
	_, require := child(section, "require")
	if require == nil || require.Kind != yaml.ScalarNode {
		return
	}
	if n, err := strconv.ParseInt(require.Value, 10, 64); err == nil && n < 0 {
		c.report(require, join(key, "require"), "is the number of an entry, not %d", n)
	}
}

func ledgerOf(v *viper.Viper, layers []layer, dir string) Ledger {
	return Ledger{
		SigningKey:     pathOf("ledger.signing_key", v, layers, dir),
		AllowedSigners: pathOf("ledger.allowed_signers", v, layers, dir),
		Require:        v.GetInt64("ledger.require"),
	}
}

// pathOf is a path as a setting has it: a relative one starts at the file that it stands in, else at dir; ~/ is the home directory.
func pathOf(key string, v *viper.Viper, layers []layer, dir string) string {
	path := v.GetString(key)
	for _, l := range layers {
		n := l.node
		for part := range strings.SplitSeq(key, ".") {
			_, n = child(n, part)
		}
		if n != nil && n.Value == path {
			dir = filepath.Dir(l.file)
			break
		}
	}
	return absolute(path, dir)
}

// absolute makes a path absolute; "" stays.
func absolute(path, dir string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	if whole, err := filepath.Abs(filepath.Join(dir, path)); err == nil {
		return whole
	}
	return filepath.Join(dir, path)
}
