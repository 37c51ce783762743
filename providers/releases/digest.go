package releases

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"

	"github.com/backout-dev/backout/providers"
)

// entry is one file of a release. Sum is the hex SHA-256 of the content, of a link's target, or of nothing for what is
// neither a file nor a link. Directories are no content. Size is -1 where it is not known.
type entry struct {
	path string
	kind byte // f file, x executable file, l link, o other
	sum  string
	size int64
	link string // a link's target
}

// digestOf is the identity of a release's content: the SHA-256 of a version line and then one line for each entry in the
// order of the paths' bytes: kind, sum, length of the path, path. Modes beyond "executable", owners and times are not
// content.
func digestOf(entries []entry) string {
	byPath(entries)
	h := sha256.New()
	h.Write([]byte("backout release v1\n"))
	for _, e := range entries {
		fmt.Fprintf(h, "%c %s %d:%s\n", e.kind, e.sum, len(e.path), e.path)
	}
	return "sha256:" + hexSum(h)
}

func byPath(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

func textSum(s string) string {
	h := sha256.New()
	h.Write([]byte(s))
	return hexSum(h)
}

// fingerprinted is a digest and the fingerprint of the files that it was computed from.
type fingerprinted struct {
	Fingerprint string `json:"fingerprint"`
	Digest      string `json:"digest"`
}

// digestCache keeps digests, in the archive too, so that a release is hashed once and not at every look.
type digestCache struct {
	provider string
	archive  providers.Archive
	mu       sync.Mutex
	known    map[string]fingerprinted
}

// digest is the content digest of a release. A release that changes while it is read is an error.
func (c *digestCache) digest(ctx context.Context, h host, u *unit, label string) (string, error) {
	print, err := h.fingerprint(ctx, u, label)
	if err != nil {
		return "", err
	}
	return c.printed(ctx, h, u, label, print)
}

// seen is the digest of a release whose fingerprint came with a look, if it did.
func (c *digestCache) seen(ctx context.Context, h host, u *unit, label, print string) (string, error) {
	if print == "" {
		return c.digest(ctx, h, u, label)
	}
	return c.printed(ctx, h, u, label, print)
}

func (c *digestCache) printed(ctx context.Context, h host, u *unit, label, print string) (string, error) {
	key := "digest/" + printable(u.name) + "/" + printable(label)
	if f, ok := c.lookup(ctx, key); ok && print != "" && f.Fingerprint == print {
		return f.Digest, nil
	}
	entries, err := h.manifest(ctx, u, label)
	if err != nil {
		return "", err
	}
	again, err := h.fingerprint(ctx, u, label)
	if err != nil {
		return "", err
	}
	if again != print {
		return "", fmt.Errorf("release %s changes while it is read; look again when it is complete", providers.Clean(label))
	}
	f := fingerprinted{Fingerprint: print, Digest: digestOf(entries)}
	c.mu.Lock()
	c.known[key] = f
	c.mu.Unlock()
	if data, err := json.Marshal(f); err == nil && print != "" {
		// The archive only saves work; without it the release is hashed again by the next process.
		_ = c.archive.Put(ctx, c.provider, key, data)
	}
	return f.Digest, nil
}

func (c *digestCache) lookup(ctx context.Context, key string) (fingerprinted, bool) {
	c.mu.Lock()
	f, ok := c.known[key]
	c.mu.Unlock()
	if ok {
		return f, true
	}
	data, err := c.archive.Get(ctx, c.provider, key)
	if err != nil || json.Unmarshal(data, &f) != nil {
		return fingerprinted{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[key] = f
	return f, true
}

// missing reports an error that says that a release is gone.
func missing(err error) bool { return errors.Is(err, errGone) }
