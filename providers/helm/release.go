package helm

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// largest bounds an unpacked record. The API server takes no object above 1.5 MiB, and text packs about ten to one.
const largest = 64 << 20

// release is the part of a stored release that is needed here. The format is that of Helm's pkg/release/v1, which Helm 3
// and Helm 4 share.
type release struct {
	Name        string         `json:"name"`
	Namespace   string         `json:"namespace"`
	Version     int            `json:"version"`
	Info        info           `json:"info"`
	Chart       chart          `json:"chart"`
	Config      map[string]any `json:"config"`
	Manifest    string         `json:"manifest"`
	Hooks       []hook         `json:"hooks"`
	ApplyMethod string         `json:"apply_method"` // ssa or csa; empty, of Helm 3: csa
}

type info struct {
	LastDeployed     moment `json:"last_deployed"`
	Deleted          moment `json:"deleted"`
	Description      string `json:"description"`
	Status           string `json:"status"`
	RollbackRevision int    `json:"rollback_revision"` // of Helm 4
}

type chart struct {
	Metadata struct {
		Name        string            `json:"name"`
		Version     string            `json:"version"`
		AppVersion  string            `json:"appVersion"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Templates []struct {
		Name string `json:"name"`
		Data []byte `json:"data"`
	} `json:"templates"`
	Values map[string]any `json:"values"`
	Files  []struct {
		Name string `json:"name"`
	} `json:"files"`
}

type hook struct {
	Name           string   `json:"name"`
	Kind           string   `json:"kind"`
	Path           string   `json:"path"`
	Manifest       string   `json:"manifest"`
	Events         []string `json:"events"`
	Weight         int      `json:"weight"`
	DeletePolicies []string `json:"delete_policies"`
}

// moment is a time that Helm 3 may also have written as "".
type moment struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(b []byte) error {
	if string(b) == `""` || string(b) == "null" {
		return nil
	}
	if err := m.Time.UnmarshalJSON(b); err != nil {
		return err
	}
	m.Time = m.UTC()
	return nil
}

// unpack reads a record's payload: base64 of gzip of JSON. Very old ones are not compressed.
func unpack(payload []byte) (*release, error) {
	data, err := base64.StdEncoding.DecodeString(string(payload))
	if err != nil {
		return nil, fmt.Errorf("not base64: %w", err)
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b, 0x08}) {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		if data, err = io.ReadAll(io.LimitReader(z, largest+1)); err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		if len(data) > largest {
			return nil, fmt.Errorf("more than %d MiB unpacked", largest>>20)
		}
	}
	var r release
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if r.Name == "" || r.Version < 1 || r.Info.Status == "" {
		return nil, errors.New("it holds no release")
	}
	return &r, nil
}

// digest identifies what a revision is, whatever its number: the rendered manifest and hooks, the chart, and the values. A
// rollback makes a record with the same digest.
func (r *release) digest() (string, error) {
	sum := func(v any) (string, error) {
		data, err := json.Marshal(v)
		s := sha256.Sum256(data)
		return hex.EncodeToString(s[:]), err
	}
	type named struct{ Name, Sum string }
	var templates []named
	for _, t := range r.Chart.Templates {
		s := sha256.Sum256(t.Data)
		templates = append(templates, named{t.Name, hex.EncodeToString(s[:])})
	}
	slices.SortFunc(templates, func(a, b named) int { return strings.Compare(a.Name, b.Name) })
	type hooked struct {
		Path, Manifest string
		Events         []string
		Weight         int
	}
	var hooks []hooked
	for _, h := range r.Hooks {
		hooks = append(hooks, hooked{h.Path, h.Manifest, h.Events, h.Weight})
	}
	slices.SortStableFunc(hooks, func(a, b hooked) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Manifest, b.Manifest))
	})
	m := &r.Chart.Metadata
	var parts []string
	for _, part := range []any{
		r.Manifest, hooks, []any{m.Name, m.Version, m.AppVersion, templates}, orEmpty(r.Chart.Values), orEmpty(r.Config),
	} {
		s, err := sum(part)
		if err != nil {
			return "", fmt.Errorf("identify revision %d: %w", r.Version, err)
		}
		parts = append(parts, s)
	}
	whole, err := sum(parts)
	return "sha256:" + whole, err
}

func orEmpty(values map[string]any) map[string]any {
	if values == nil {
		return map[string]any{}
	}
	return values
}

// title is the chart with the version of what it deploys: "shop-1.4.0 (app 2.3)".
func (r *release) title() string {
	m := &r.Chart.Metadata
	s := m.Name + "-" + m.Version
	if m.AppVersion != "" {
		s += " (app " + m.AppVersion + ")"
	}
	return s
}
