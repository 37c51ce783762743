package releases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

const bodyLimit = 64 << 10

// check is one look at whether a unit serves.
type check checkSettings

// quietClient leaves no connection and no goroutine behind. The proxy is the usual environment's.
func quietClient() *http.Client {
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
}

// Verify implements rollback.Reverser: what the link points to, and the unit's checks, all at once.
func (p *Provider) Verify(ctx context.Context, id rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	u, err := p.unit(id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	out := make([]rollback.Check, len(u.checks)+1)
	var wg sync.WaitGroup
	wg.Go(func() { out[0] = p.serves(ctx, u, to) })
	for i, c := range u.checks {
		wg.Go(func() { out[i+1] = p.tried(ctx, u, c) })
	}
	wg.Wait()
	return out, nil
}

// serves checks the content behind the link.
func (p *Provider) serves(ctx context.Context, u *unit, to rollback.Revision) rollback.Check {
	c := rollback.Check{Name: u.current, Inside: true, State: rollback.CheckUnknown, Goal: cmp.Or(to.Label, to.Digest)}
	l, err := p.host.glance(ctx, u)
	if err != nil {
		c.Observed = providers.Clean(err.Error())
		return c
	}
	digest, err := p.digests.seen(ctx, p.host, u, l.label, l.print)
	switch {
	case missing(err):
		c.State, c.Observed = rollback.CheckFail, providers.Clean(l.label)+", whose directory is gone"
	case err != nil:
		c.Observed = providers.Clean(err.Error())
	case digest == to.Digest:
		c.State, c.Observed = rollback.CheckPass, providers.Clean(l.label)
	default:
		c.State, c.Observed = rollback.CheckFail, providers.Clean(l.label)
	}
	return c
}

// tried makes one check. A service that gives no answer in the check's time fails; a look that was called off, or that
// could not be made, is unknown.
func (p *Provider) tried(ctx context.Context, u *unit, c check) rollback.Check {
	call, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	out := rollback.Check{Name: c.Name}
	switch {
	case c.HTTP != "":
		start := time.Now()
		out.State, out.Observed, out.Goal = p.viaHTTP(call, c)
		out.Value, out.Limit = timed(out.State, time.Since(start), c)
	case c.TCP != "":
		start := time.Now()
		out.State, out.Observed, out.Goal = viaTCP(call, c)
		out.Value, out.Limit = timed(out.State, time.Since(start), c)
	default:
		out.State, out.Observed, out.Goal = p.viaCommand(call, u, c)
	}
	if ctx.Err() != nil {
		out.State, out.Observed = rollback.CheckUnknown, "called off"
	}
	out.Observed = providers.Clean(out.Observed)
	return out
}

func (p *Provider) viaHTTP(ctx context.Context, c check) (rollback.CheckState, string, string) {
	goal := fmt.Sprintf("%d within %s", c.ExpectStatus, c.Timeout)
	if c.ExpectBody != "" {
		goal += ", body with " + c.ExpectBody
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.HTTP, nil)
	if err != nil {
		return rollback.CheckUnknown, err.Error(), goal
	}
	start := time.Now()
	resp, err := p.client.Do(req)
	if err != nil {
		return rollback.CheckFail, err.Error(), goal
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	took := time.Since(start).Round(time.Millisecond)
	switch {
	case err != nil:
		return rollback.CheckFail, fmt.Sprintf("%d, then %v", resp.StatusCode, err), goal
	case resp.StatusCode != c.ExpectStatus:
		return rollback.CheckFail, fmt.Sprintf("%d in %s", resp.StatusCode, took), goal
	case !strings.Contains(string(body), c.ExpectBody):
		return rollback.CheckFail, fmt.Sprintf("%d in %s without that text", resp.StatusCode, took), goal
	}
	return rollback.CheckPass, fmt.Sprintf("%d in %s", resp.StatusCode, took), goal
}

func viaTCP(ctx context.Context, c check) (rollback.CheckState, string, string) {
	goal := "connects within " + c.Timeout.String()
	start := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.TCP)
	if err != nil {
		return rollback.CheckFail, err.Error(), goal
	}
	_ = conn.Close()
	return rollback.CheckPass, "connected in " + time.Since(start).Round(time.Millisecond).String(), goal
}

func (p *Provider) viaCommand(ctx context.Context, u *unit, c check) (rollback.CheckState, string, string) {
	goal := "exit code 0 within " + c.Timeout.String()
	out, err := p.host.run(ctx, u, c.Command)
	var exit *process.ExitError
	switch {
	case err == nil:
		return rollback.CheckPass, cmp.Or(out, "exit code 0"), goal
	case errors.As(err, &exit), errors.Is(err, context.DeadlineExceeded):
		return rollback.CheckFail, err.Error(), goal
	default:
		return rollback.CheckUnknown, err.Error(), goal
	}
}

// timed is how long a good answer took and may take, in seconds. How soon a bad one came says nothing.
func timed(state rollback.CheckState, took time.Duration, c check) (value, limit *float64) {
	if state != rollback.CheckPass {
		return nil, nil
	}
	v, most := took.Seconds(), c.Timeout.Seconds()
	return &v, &most
}
