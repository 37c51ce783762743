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
	Data   json.RawMessage `json:"content"` // {"data": {...}, "binaryData": {...}}
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
	var out []content
	if json.Unmarshal(data, &out) != nil {
		return nil, nil // a file that is damaged is no memory
	}
	return out, nil
}

// keepContent adds a content, newest last, and drops the oldest where they become too many.
func (m *chronicle) keepContent(ctx context.Context, at place, digest string, seen time.Time, data json.RawMessage) error {
	held, err := m.contents(ctx, at)
	if err != nil {
		return err
	}
	if len(data) > maxContents || (len(held) > 0 && held[len(held)-1].Digest == digest) {
		return nil
	}
	held = slices.DeleteFunc(held, func(c content) bool { return c.Digest == digest })
	held = append(held, content{Digest: digest, SeenAt: seen, Data: data})
	size := 0
	for i := len(held) - 1; i >= 0; i-- {
		if size += len(held[i].Data); size > maxContents || len(held)-i > maxVersions {
			held = held[i+1:]
			break
		}
	}
	raw, err := json.Marshal(held)
	if err == nil {
		err = m.archive.Put(ctx, m.provider, m.contentKey(at), raw)
	}
	if err != nil {
		return fmt.Errorf("keep what %s holds: %w", at, err)
	}
	return nil
}
