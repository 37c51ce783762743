package kube

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/backout-dev/backout/providers"
)

// withheldMark stands in an archived object where the cluster's has a secret: its digest with the key of the archive, by
// which it is found again where it still stands in the cluster, and by which two are told apart.
var withheldMark = regexp.MustCompile(`\(withheld-[0-9a-f]{64}\)`)

const archiveKeyLen = 32

// ArchiveKey is the secret of an archive, kept under a name in it and made once, also where two look for it at the same time.
// An archive that keeps nothing gives a new one each time.
func ArchiveKey(ctx context.Context, archive providers.Archive, provider, name string) ([]byte, error) {
	var key []byte
	err := providers.Update(ctx, archive, provider, name, func(old []byte) ([]byte, error) {
		if len(old) == archiveKeyLen {
			key = old
			return nil, nil
		}
		key = make([]byte, archiveKeyLen)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
		return key, nil
	})
	if err != nil {
		return nil, fmt.Errorf("the archive's key: %w", err)
	}
	return key, nil
}

// Seal takes secrets out of what is archived, and puts those back that still stand in the cluster. It is for one use, by one
// goroutine.
type Seal struct {
	key   []byte
	known map[string]string // by their marks: the secrets that stand in the cluster
}

// NewSeal makes one with the key of an archive, which is as secret as what it keeps.
func NewSeal(key []byte) *Seal { return &Seal{key, map[string]string{}} }

func (s *Seal) mark(secret string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(secret))
	mark := "(withheld-" + hex.EncodeToString(h.Sum(nil)) + ")"
	s.known[mark] = secret
	return mark
}

// Withhold is an object as it may be kept: a copy without what looks like a secret.
func (s *Seal) Withhold(template map[string]any) map[string]any {
	kept, _ := Cover(template, s.mark).(map[string]any)
	return kept
}

// Restore puts back what Withhold took out, as far as it is known, and names what is not.
func (s *Seal) Restore(kept map[string]any) (template map[string]any, lacking []string) {
	missing := map[string]bool{}
	var walk func(v any, called string) any
	walk = func(v any, called string) any {
		switch v := v.(type) {
		case string:
			return withheldMark.ReplaceAllStringFunc(v, func(mark string) string {
				if secret, ok := s.known[mark]; ok {
					return secret
				}
				missing[called] = true
				return mark
			})
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = walk(v[i], called)
			}
			return out
		case map[string]any:
			out := make(map[string]any, len(v))
			name, _ := v["name"].(string)
			for key, e := range v {
				under := key
				if key == "value" && name != "" {
					under = name
				}
				out[key] = walk(e, under)
			}
			return out
		}
		return v
	}
	template, _ = walk(kept, "").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		lacking = append(lacking, providers.Clean(name))
	}
	return template, lacking
}
