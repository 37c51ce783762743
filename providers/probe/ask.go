package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/backout-dev/backout/providers"
)

// maxHeader is how much of an answer's header is read where somebody else chose the address.
const maxHeader = 64 << 10

// Question is an address that is asked once in a while, outside of any configured check.
type Question struct {
	URL        string
	Status     int    // that is good; 0 is 200 to 399
	Contains   string // "" is any text
	MaxLatency time.Duration
	Timeout    time.Duration // of one answer; 0 is 5 s
	Samples    int           // answers in a row that have to be good; 0 is 1
	// Guest: the address was read from somewhere that others may write to. It is asked without a proxy, and not where it
	// would reach what only this machine can: the machine itself and the addresses of its links, such as a cloud's metadata.
	Guest bool
}

// Goal says in words what passes.
func (q Question) Goal() string {
	goal := q.check().goal()
	if q.Samples > 1 {
		goal += fmt.Sprintf(", %d times in a row", q.Samples)
	}
	return goal
}

func (q Question) check() *checkSettings {
	c := &checkSettings{HTTP: q.URL, ExpectStatus: q.Status, ExpectBody: q.Contains, MaxLatency: q.MaxLatency, Timeout: q.Timeout}
	c.defaults()
	return c
}

// Ask asks now, with GET and without any credential; redirects are an answer. An answer that is not good is asked for once
// more, so that one lost request is no failure. What there was no time for is unknown.
func Ask(ctx context.Context, q Question, now func() time.Time) providers.CheckResult {
	c := q.check()
	r := providers.CheckResult{State: providers.CheckUnknown, Observed: "there was no time to ask", Goal: q.Goal()}
	if err := c.checkHTTP(); err != nil {
		r.Observed = providers.Clean(err.Error())
		return r
	}
	a := newAsker(nil, now)
	if q.Guest {
		a.http.Transport = guarded()
	}
	defer a.http.CloseIdleConnections()
	var slowest outcome
	samples := max(q.Samples, 1)
	for n := range samples {
		o, ok := a.attempt(ctx, c)
		if ok && !o.ok && !errors.Is(o.err, errNotAsked) {
			o, ok = a.attempt(ctx, c)
		}
		switch {
		case !ok:
			return r
		case errors.Is(o.err, errNotAsked):
			r.Observed = providers.Clean(o.seen)
			return r
		case !o.ok:
			r.State, r.Observed = providers.CheckFail, providers.Clean(o.seen)
			if samples > 1 {
				r.Observed += fmt.Sprintf(" (%d of %d)", n+1, samples)
			}
			r.Value, r.Limit = c.measured(o)
			return r
		}
		if n == 0 || o.latency > slowest.latency {
			slowest = o
		}
	}
	r.State, r.Observed = providers.CheckPass, providers.Clean(slowest.seen)
	r.Value, r.Limit = c.measured(slowest)
	return r
}

// errNotAsked is what an address gives that is not asked on behalf of others.
var errNotAsked = errors.New("is not asked for an annotation")

// guarded is the way to addresses that others chose. The address is looked at when the connection is made, after its name
// was looked up, so that no name can lead elsewhere.
func guarded() *http.Transport {
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%s: %w", address, errNotAsked)
		}
		if why := refused(at.Addr()); why != "" {
			return fmt.Errorf("%s is %s: it %w; configure the check instead", at.Addr(), why, errNotAsked)
		}
		return nil
	}}
	return &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxHeader}
}

// metadata are the addresses under which clouds tell a machine its own credentials and that are not link-local.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("192.0.0.192"),
	netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("fd20:ce::254"),
}

// refused says what an address is that must not be asked on behalf of others, "" nothing of the kind.
func refused(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if sixToFour := netip.MustParsePrefix("64:ff9b::/96"); sixToFour.Contains(a) { // an IPv4 address behind a translator
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case a.IsLoopback() || a.IsUnspecified():
		return "this machine itself"
	case a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast():
		return "a link-local address"
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "no single machine"
	}
	for _, m := range metadata {
		if a == m {
			return "a cloud's metadata"
		}
	}
	return ""
}
