package servers_test

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/backout-dev/backout/test/servers"
)

// What was written is there after a crash, and a database is made for whoever asks.
func TestPostgresKeepsWhatItAcknowledged(t *testing.T) {
	g := servers.StartPostgres(t)
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skipf("SKIPPED, a real client is missing: %v", err)
	}
	address := g.Create(t, "shop")
	ask := func(sql string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), psql, "-X", "-A", "-t", "-q", "-d", address, "-c", sql).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", sql, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	ask("CREATE TABLE prices (cents int); INSERT INTO prices VALUES (995)")
	g.Kill()
	if c, err := net.Dial("tcp", g.Addr); err == nil {
		_ = c.Close()
		t.Fatal("killed, and it still listens")
	}
	g.Start(t)
	if got := ask("SELECT cents FROM prices"); got != "995" {
		t.Fatalf("after a crash it holds %q", got)
	}
}
