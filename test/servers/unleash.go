package servers

import (
	"context"
	"net"
	"net/http"
	"testing"
)

// Tokens of every Unleash that a test starts.
const (
	UnleashAdminToken  = "*:*.backout-admin-token"               // may do anything
	UnleashClientToken = "default:production.backout-sdk-token"  // reads what SDKs in production read
	UnleashDevToken    = "default:development.backout-sdk-token" // the same in development
	UnleashPassword    = "unleash4all"                           // of the user admin
)

// Unleash is a running Unleash with the project default, and the environments development and production.
type Unleash struct {
	URL string
	p   *process
}

// StartUnleash starts one for the test, on a PostgreSQL of its own.
func StartUnleash(t testing.TB) *Unleash {
	t.Helper()
	server, node := Need(t, "unleash"), needInstalled(t, "node")
	database := StartPostgres(t).Create(t, "unleash")
	var err error
	for range 3 { // somebody else may take the port between the look and the start
		p := &process{name: "unleash", path: node, dir: t.TempDir(), args: []string{server}}
		if p.addr, err = freeAddr(t.Context()); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(p.addr)
		p.env = []string{
			"DATABASE_URL=" + database, "DATABASE_SSL=false", "HTTP_HOST=" + host, "HTTP_PORT=" + port,
			"INIT_ADMIN_API_TOKENS=" + UnleashAdminToken, "INIT_BACKEND_API_TOKENS=" + UnleashClientToken + "," + UnleashDevToken,
			"UNLEASH_DEFAULT_ADMIN_PASSWORD=" + UnleashPassword,
			// It asks nobody outside, and tells nobody.
			"CHECK_VERSION=false", "SEND_TELEMETRY=false", "LOG_LEVEL=warn",
			// Its own way to end waits for work of its own that never ends.
			"GRACEFUL_SHUTDOWN_ENABLE=false", "NODE_OPTIONS=--max-old-space-size=512",
		}
		p.well = func(ctx context.Context) bool { return ok(ctx, http.DefaultClient, "http://"+p.addr+"/health") }
		if err = p.start(t.Context()); err == nil {
			t.Cleanup(p.stop)
			return &Unleash{URL: "http://" + p.addr, p: p}
		}
		p.stop()
	}
	t.Fatal(err)
	return nil
}

// Stop ends it.
func (u *Unleash) Stop() { u.p.stop() }

// Start starts it again after Stop, at the same address and with what it held.
func (u *Unleash) Start(t testing.TB) {
	t.Helper()
	if err := u.p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}
