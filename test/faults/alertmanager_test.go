//go:build unix

package faults

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"
)

// An alert source that answers nonsense, or not at all, holds up nobody: changes are shown, it is said what is wrong and
// what to do, and its health line and the exit codes tell it to people and scripts.
func TestAlertSourcesThatFail(t *testing.T) {
	t.Parallel()
	needGit(t)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
		code   int
	}{
		"a login page":      {status(200, "Content-Type", "text/html"), "answered with a web page .*login page", strict},
		"HTML without type": {status(200, "Content-Type", "application/json"), "answered with a web page", strict},
		"500":               {status(500, "Content-Type", "text/html"), "answered 500 Internal Server Error", strict},
		"404":               {status(404), "check url and its path prefix", strict},
		"rate limited":      {status(429, "Retry-After", "120"), `answered 429 .*again in 2m`, strict},
		"slow bytes":        {drip, `no complete answer within \S+; it may be overloaded, or raise timeout`, strict},
		"no answer":         {hang, `no complete answer within \S+`, strict},
		"half an answer":    {reset, "the answer ends in the middle", strict},
		"no answer at all":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the connection was closed before the answer was complete", strict},
		"null":              {text("null"), "answered something else than the API promises", strict},
		"an object":         {text(`{"a":1}`), "answered something else than the API promises", strict},
		"wrong credentials": {status(401), "answered 401 Unauthorized; check basic_auth or bearer_token", auth},
		"missing rights":    {status(403), "answered 403 Forbidden; check basic_auth or bearer_token", auth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := newMonitoring(t, c.answer)
			why := ".*" + c.says
			w.repository("shop", "pricing: begin")
			settings := m.settings()
			if name == "slow bytes" || name == "no answer" {
				settings = m.waiting("500ms") // they never end
			}
			w.configure(settings + "  git: {path: shop}\n")
			r := w.run("timeline", "--strict").ends(c.code).shows("pricing: begin").says("provider alerts: "+why, m.URL).quick()
			plain(t, r.what, r.stderr)
			w.run("providers", "check").ends(c.code).shows("alerts +failing +never answered +"+why, m.URL, "git +ok", "backout +ok").quick()
			w.run("doctor").ends(failed).shows("FAIL +provider alerts +failing: "+why, "ok +provider git").quick()
			w.run("timeline").ends(fine)
		})
	}
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, s)
	}
}

// A port where nobody listens is told in the words of the system, with the address.
func TestAnAlertSourceThatIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("  alerts: {type: alertmanager, url: 'http://127.0.0.1:1', timeout: 2s}\n")
	w.run("timeline", "--strict").ends(strict).says("provider alerts: .*connection refused .http://127.0.0.1:1[)]").quick()
}

// What a source said last stays, as unknown, with its age, while it fails; and goes when it answers without it.
func TestWhatASourceSaidLast(t *testing.T) {
	t.Parallel()
	needGit(t)
	w := newWorld(t)
	m := newMonitoring(t, alertmanager(2))
	w.repository("shop", "pricing: begin")
	w.configure(m.waiting("3s") + "  git: {path: shop}\n")
	w.run("timeline", "--strict").ends(fine).shows("ALERT firing +shop0", "ALERT firing +shop1")
	for name, answer := range map[string]http.HandlerFunc{"hangs": hang, "fails": status(500), "limits": status(429, "Retry-After", "60"), "talks HTML": status(200)} {
		m.set(answer)
		r := w.run("timeline").ends(fine).says("provider alerts: ").shows("pricing: begin", "ALERT unknown +shop0", "ALERT unknown +shop1").lacks("firing")
		if t.Failed() {
			t.Fatalf("while it %s: %s", name, r)
		}
	}
	w.run("providers", "check").ends(strict).shows(`alerts +failing +answered \d+s ago`)
	m.set(alertmanager(1))
	w.run("timeline", "--strict").ends(fine).shows("ALERT firing +shop0").lacks("ALERT (firing|unknown) +shop1")
}

// A source that cannot even be made any more keeps what it said, too.
func TestWhatASourceSaidBeforeItsSettingsBroke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := newMonitoring(t, alertmanager(1))
	w.configure(m.settings())
	w.run("timeline", "--strict").ends(fine).shows("ALERT firing +shop0")
	w.configure(fmt.Sprintf("  alerts: {type: alertmanager, url: %q, ca_file: gone.pem}\n", m.URL))
	w.run("timeline").ends(fine).shows("ALERT unknown +shop0").says("provider alerts: .*gone.pem")
	w.run("providers", "check").ends(strict).shows(`alerts +failing +answered \d+s ago +ca_file: .*gone.pem`)
}

// Memory and time for 100,000 alerts are bounded; the inner loop asks the same of fewer. The figures are several times what it takes, and a fraction of what it
// would take to hold everything several times over.
func TestAHundredThousandAlerts(t *testing.T) {
	t.Parallel()
	n := 15_000
	if os.Getenv("CI") == "true" {
		n = 100_000
	} else {
		t.Logf("SMALLER, for the inner loop: %d alerts; CI=true has 100,000", n)
	}
	most := int64(128<<20 + n*9000)
	w := newWorld(t)
	m := newMonitoring(t, alertmanager(n))
	w.configure(fmt.Sprintf("  alerts: {type: alertmanager, url: %q, timeout: 2m}\n", m.URL))
	for _, known := range []string{"nothing", "what was said last"} {
		r := w.run("culprit", "--strict", "--timeout", "2m").ends(fine).shows("INC-.*too many errors") // how fast that is, the benchmarks say
		if r.resident > most {
			t.Errorf("%s took %d MiB, knowing %s", r.what, r.resident>>20, known)
		}
		t.Logf("%s, knowing %s: %s, %d MiB", r.what, known, r.took.Round(time.Millisecond), r.resident>>20)
	}
}

// The clock of a source is compared with ours, and its health line says where its times mislead.
func TestAClockTenMinutesOff(t *testing.T) {
	t.Parallel()
	for off, says := range map[time.Duration]string{
		10 * time.Minute: "its clock is 10 min ahead of ours: its times mislead", -10 * time.Minute: "its clock is 10 min behind ours: its times mislead",
	} {
		w := newWorld(t)
		well := alertmanager(1)
		m := newMonitoring(t, func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			well(rw, r)
		})
		w.configure(m.settings())
		w.run("providers", "check").ends(fine).shows("alerts +ok +answered .*" + says)
		w.run("providers", "check", "--output", "json").ends(fine).shows(`"skew_ns": -?(599|60[01])\d{9}\b`)
		w.run("doctor").ends(fine).shows("warn +provider alerts +ok: " + says)
		w.run("timeline", "--strict").ends(fine).shows("ALERT firing +shop0")
	}
}
