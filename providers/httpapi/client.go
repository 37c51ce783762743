package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// MaxBody is the most bytes of one answer that are read, after decompression.
const MaxBody = 256 << 20

// ErrStop is what a reader given to [Client.Get] returns when it has enough. Get passes it on, and health does not change.
var ErrStop = errors.New("reader has enough")

// Client asks one HTTP API. It is safe for use by several goroutines.
type Client struct {
	env     providers.Environment
	base    *url.URL
	set     Settings
	http    *http.Client
	vitals  *providers.Vitals
	maxBody int64
}

// New makes a client; it reads ca_file and does no other I/O. Calls are recorded in vitals. Proxies are taken from the
// usual environment variables.
func New(env providers.Environment, s Settings, vitals *providers.Vitals) (*Client, error) {
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	trust, err := TLS(s.CAFile, env.Dir)
	if err != nil {
		return nil, err
	}
	if s.Timeout <= 0 {
		s.Timeout = DefaultTimeout
	}
	c := &Client{env: env, base: base, set: s, vitals: vitals, maxBody: MaxBody}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     trust,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second,
		},
		CheckRedirect: c.redirect,
	}
	return c, nil
}

// Close lets go of idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Timeout is the bound of one request.
func (c *Client) Timeout() time.Duration { return c.set.Timeout }

// redirect follows a few redirects on the same host. Another host is most likely a login page, and never gets credentials.
func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	if req.URL.Host != c.base.Host || (c.base.Scheme == "https" && req.URL.Scheme != "https") {
		return providers.Permanent(fmt.Errorf("%s redirects to %s, which is another server (a login page?); set url to the API itself",
			c.base.Redacted(), req.URL.Scheme+"://"+req.URL.Host))
	}
	if len(via) > 3 {
		return providers.Permanent(fmt.Errorf("%s redirects more than 3 times; set url to the API itself", c.base.Redacted()))
	}
	return nil
}

// Answer is what is known of an answer beside its body. At is the time by the server's clock (whole seconds, from the Date
// header), or by ours where it did not say.
type Answer struct{ At time.Time }

// Get asks for path, which is relative to the configured address, and gives the body of an answer with status 200 to
// read. The whole exchange, reading included, has the configured timeout. Errors have a class.
func (c *Client) Get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) (Answer, error) {
	return c.ask(ctx, path, query, read, false)
}

// Aside is Get for a question beside the one that the source is there for: that it fails is recorded, and that it is
// answered is not, because what the source is there for may be as old as ever.
func (c *Client) Aside(ctx context.Context, path string, query url.Values, read func(io.Reader) error) (Answer, error) {
	return c.ask(ctx, path, query, read, true)
}

func (c *Client) ask(ctx context.Context, path string, query url.Values, read func(io.Reader) error, aside bool) (Answer, error) {
	start := c.env.Now()
	inner, cancel := context.WithTimeout(ctx, c.set.Timeout)
	defer cancel()
	ans, err := c.get(inner, path, query, read)
	switch {
	case errors.Is(err, ErrStop):
		return ans, ErrStop
	case errors.Is(ctx.Err(), context.Canceled):
		return ans, ctx.Err() // the caller gave up; that says nothing about the source
	case err != nil:
		err = c.explain(inner, path, c.env.Now().Sub(start), err)
	}
	if err != nil || !aside {
		c.vitals.Done(start, err)
	}
	return ans, err
}

func (c *Client) get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) (Answer, error) {
	u := *c.base
	u.Path += path
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return Answer{}, providers.Permanent(err)
	}
	c.identify(req)
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	ans := c.clock(resp)
	if resp.StatusCode != http.StatusOK {
		return ans, c.refused(resp, ans)
	}
	if strings.Contains(resp.Header.Get("Content-Type"), "html") {
		return ans, errHTML
	}
	return ans, read(&capped{r: resp.Body, left: c.maxBody, limit: c.maxBody})
}

// identify says who asks.
func (c *Client) identify(req *http.Request) {
	req.Header.Set("User-Agent", "backout")
	req.Header.Set("Accept", "application/json")
	if c.set.BearerToken != "" {
		req.Header.Set("Authorization", "Bearer "+c.set.BearerToken)
	} else if c.set.BasicAuth.User != "" {
		req.SetBasicAuth(c.set.BasicAuth.User, c.set.BasicAuth.Password)
	}
}

// clock compares the server's clock with ours. The header has whole seconds, so less than two are no skew.
func (c *Client) clock(resp *http.Response) Answer {
	now := c.env.Now().UTC()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return Answer{At: now}
	}
	skew := date.Sub(now)
	if skew.Abs() < 2*time.Second {
		skew = 0
	}
	c.vitals.Skew(skew)
	return Answer{At: date.UTC()}
}

// capped refuses to go on past a limit, where io.LimitReader would make a long answer look complete.
type capped struct {
	r           io.Reader
	left, limit int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, providers.Permanent(fmt.Errorf("the answer is larger than %d MiB; ask for less, for example with a filter", c.limit>>20))
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	return n, err
}
