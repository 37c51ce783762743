package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// maxBody is how much of an answer is searched for the expected text.
const maxBody = 1 << 20

// outcome is one attempt of a check.
type outcome struct {
	at      time.Time // when it began
	latency time.Duration
	ok      bool
	seen    string // "200 in 12ms", "connection refused"
	right   bool   // the answer was right, in whatever time
	err     error  // why there was no right answer
}

// asker makes attempts. Each one is a connection of its own: a kept one would not notice that nobody listens any more.
type asker struct {
	http *http.Client
	dial net.Dialer
	now  func() time.Time
}

func newAsker(trust *tls.Config, now func() time.Time) *asker {
	return &asker{now: now, http: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, DisableKeepAlives: true, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// attempt asks once. It reports false when ctx ended first, so that nothing is known.
func (a *asker) attempt(ctx context.Context, c *checkSettings) (outcome, bool) {
	start := a.now()
	inner, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	seen, err := a.ask(inner, c)
	o := outcome{at: start.UTC(), latency: a.now().Sub(start), err: err}
	switch {
	case ctx.Err() != nil:
		return o, false
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		o.seen = "no answer within " + c.Timeout.String()
	case err != nil:
		o.seen = brief(err)
	case c.MaxLatency > 0 && o.latency > c.MaxLatency:
		o.right, o.seen = true, fmt.Sprintf("%s in %s, which is too slow", seen, o.latency.Round(time.Millisecond))
	default:
		o.ok, o.right, o.seen = true, true, fmt.Sprintf("%s in %s", seen, o.latency.Round(time.Millisecond))
	}
	return o, true
}

func (a *asker) ask(ctx context.Context, c *checkSettings) (string, error) {
	if c.TCP != "" {
		conn, err := a.dial.DialContext(ctx, "tcp", c.TCP)
		if err != nil {
			return "", err
		}
		return "connected", conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, c.Method, c.HTTP, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", "backout")
	for k, v := range c.Headers {
		req.Header.Set(k, v)
	}
	if c.SecretHeader.Name != "" {
		req.Header.Set(c.SecretHeader.Name, c.SecretHeader.Value)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return "", fmt.Errorf("%d, and then: %w", resp.StatusCode, err)
	}
	return c.judge(resp.StatusCode, body)
}

func (c *checkSettings) judge(status int, body []byte) (string, error) {
	good := status >= 200 && status < 400
	if c.ExpectStatus != 0 {
		good = status == c.ExpectStatus
	}
	switch {
	case !good:
		return "", fmt.Errorf("answered %d", status)
	case c.ExpectBody != "" && !bytes.Contains(body, []byte(c.ExpectBody)):
		return "", fmt.Errorf("answered %d without the expected text", status)
	}
	return fmt.Sprint(status), nil
}

// goal says in words what passes.
func (c *checkSettings) goal() string {
	s := "a connection"
	switch {
	case c.ExpectStatus != 0:
		s = fmt.Sprint(c.ExpectStatus)
	case c.HTTP != "":
		s = "200 to 399"
	}
	if c.ExpectBody != "" {
		s += " with the expected text"
	}
	if c.MaxLatency > 0 {
		s += " within " + c.MaxLatency.String()
	}
	return s
}

// brief leaves out what the operating system repeats: method, address, and the names of its own calls.
func brief(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err.Error()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "look up " + dns.Name + ": " + dns.Err
	}
	return err.Error()
}
