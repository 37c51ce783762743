package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	maxVersions = 20      // of one ConfigMap
	maxContents = 2 << 20 // bytes of one ConfigMap's versions together
)

func splitPlace(s string) []string { return strings.Split(s, "/") }

// content is one content of a ConfigMap, whole, so that it can be put back: the cluster keeps none but the newest.
type content struct {
	Digest string          `json:"digest"`
	SeenAt time.Time       `json:"seen_at"`
	Since  time.Time       `json:"since,omitzero"` // when it was last written, as the API server says
	Commit string          `json:"commit,omitempty"`
	Data   json.RawMessage `json:"content"` // {"data": {...}, "binaryData": {...}}

	// How long it was seen to serve with every workload that reads it well, when last, and which those were.
	Served time.Duration `json:"served_ns,omitempty"`
	WellAt time.Time     `json:"well_at,omitzero"`
	Users  []string      `json:"users,omitempty"`
}

// parts are what a ConfigMap holds.
func (c *content) parts() (data, binary map[string]any) {
	var whole map[string]map[string]any
	if json.Unmarshal(c.Data, &whole) != nil {
		return nil, nil
	}
	return whole["data"], whole["binaryData"]
}

// keys are the names under which a content holds something.
func (c *content) keys() map[string]bool {
	out := map[string]bool{}
	data, binary := c.parts()
	for _, part := range []map[string]any{data, binary} {
		for key := range part {
			out[key] = true
		}
	}
	return out
}

func (m *chronicle) contentKey(at place) string {
	return m.prefix + "content/" + at.String()
}

// contents are the contents that a ConfigMap was seen with, oldest first.
func (m *chronicle) contents(ctx context.Context, at place) ([]content, error) {
	data, err := m.archive.Get(ctx, m.provider, m.contentKey(at))
	if errors.Is(err, providers.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what %s once held: %w", at, err)
	}
	return contentsOf(data), nil
}

func contentsOf(data []byte) []content {
	var out []content
	if json.Unmarshal(data, &out) != nil {
		return nil // a file that is damaged is no memory
	}
	for i := range out {
		if out[i].Since.IsZero() {
			out[i].Since = out[i].SeenAt
		}
	}
	return out
}

// keepContent adds a content, newest last, and drops the oldest where they become too many. What is known of how it served
// earlier stays with it.
func (m *chronicle) keepContent(ctx context.Context, at place, c content) error {
	if len(c.Data) > maxContents {
		return nil
	}
	return m.changeContents(ctx, at, func(held []content) []content {
		if n := len(held); n > 0 && held[n-1].Digest == c.Digest {
			return nil
		}
		if i := slices.IndexFunc(held, func(h content) bool { return h.Digest == c.Digest }); i >= 0 {
			c.Served, c.WellAt, c.Users = held[i].Served, held[i].WellAt, held[i].Users
			held = slices.Delete(held, i, i+1)
		}
		held = append(held, c)
		size := 0
		for i := len(held) - 1; i >= 0; i-- {
			if size += len(held[i].Data); size > maxContents || len(held)-i > maxVersions {
				return held[i+1:]
			}
		}
		return held
	})
}

// changeContents changes what is kept of a ConfigMap; nil leaves it as it is.
func (m *chronicle) changeContents(ctx context.Context, at place, change func([]content) []content) error {
	err := providers.Update(ctx, m.archive, m.provider, m.contentKey(at), func(old []byte) ([]byte, error) {
		held := change(contentsOf(old))
		if held == nil {
			return nil, nil
		}
		return json.Marshal(held)
	})
	if err != nil {
		return fmt.Errorf("keep what %s holds: %w", at, err)
	}
	return nil
}
