package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/backout-dev/backout/providers"
)

// throttle remembers when the API server last held a request back. The library waits as long as it is told and asks again, ten
// times, so that a request which ran out of time meanwhile would otherwise not say why.
type throttle struct {
	at    atomic.Int64 // Unix nanoseconds of the last answer 429; 0 never
	after atomic.Int64 // how long it asked to wait
}

// heeded passes requests on and notes the answers.
type heeded struct {
	next http.RoundTripper
	t    *throttle
}

// RoundTrip implements http.RoundTripper.
func (h heeded) RoundTrip(q *http.Request) (*http.Response, error) {
	res, err := h.next.RoundTrip(q)
	if err == nil && res.StatusCode == http.StatusTooManyRequests {
		seconds, parseErr := strconv.Atoi(res.Header.Get("Retry-After"))
		if parseErr != nil {
			seconds = 1
		}
		h.t.after.Store(int64(time.Duration(max(seconds, 1)) * time.Second))
		h.t.at.Store(time.Now().UnixNano())
	}
	return res, err
}

// WrappedRoundTripper lets the library find the transport below.
func (h heeded) WrappedRoundTripper() http.RoundTripper { return h.next }

// heldBack is the error for a request that ran out of time while the API server held requests back; nil for another one.
func (c *Cluster) heldBack(err error) error {
	at := c.throttle.at.Load()
	if at == 0 || !errors.Is(err, context.DeadlineExceeded) || time.Since(time.Unix(0, at)) > c.timeout {
		return nil
	}
	after := time.Duration(c.throttle.after.Load())
	return providers.RateLimited(after, fmt.Errorf("%w: the API server holds requests back (429, again after %s): it gets too many, from here or from others", err, after))
}
