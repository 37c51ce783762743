package shop

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestConvertRoundsAsTheCurrencySays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cents  int64
		cur    currency
		digits int
		want   int64
	}{
		{12795, currency{RateMillionths: 1_000_000, Rounding: "half-even"}, 2, 12795},
		{50, currency{RateMillionths: 1_000_000, Rounding: "half-even"}, 0, 0},
		{150, currency{RateMillionths: 1_000_000, Rounding: "half-even"}, 0, 2},
		{50, currency{RateMillionths: 1_000_000, Rounding: "half-up"}, 0, 1},
		{199, currency{RateMillionths: 1_000_000, Rounding: "down"}, 0, 1},
		{850, currency{RateMillionths: 163_200_000, Rounding: "down"}, 0, 1387},
		{495, currency{RateMillionths: 11_430_000, Rounding: "half-even"}, 2, 5658},
	} {
		if got, err := convert(c.cents, c.cur, c.digits); err != nil || got != c.want {
			t.Errorf("convert(%d, %+v, %d) = %d, %v, want %d", c.cents, c.cur, c.digits, got, err, c.want)
		}
	}
	if _, err := convert(1, currency{RateMillionths: 1, Rounding: "up-ish"}, 2); err == nil {
		t.Error("an unknown rounding rule is taken")
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for minor, want := range map[int64]string{0: "0.00", 5: "0.05", 95: "0.95", 12795: "127.95"} {
		if got := decimal(minor, 2); got != want {
			t.Errorf("decimal(%d) = %q, want %q", minor, got, want)
		}
	}
	if got := decimal(1387, 0); got != "1387" {
		t.Errorf("decimal without digits = %q", got)
	}
}

func TestParseCartRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "lamp", "lamp:", ":1", "lamp:0", "lamp:-1", "lamp:1001", "la mp:1", "lamp\n:1", strings.Repeat("lamp:1,", 60) + "lamp:1"} {
		var f *fault
		if _, err := parseCart(bad); !errors.As(err, &f) || f.status != http.StatusBadRequest {
			t.Errorf("parseCart(%q): %v, want a 400", bad, err)
		}
	}
}

// cut makes a login release whose sessions last the given minutes.
func cut(t *testing.T, base, label string, minutes int) {
	t.Helper()
	dir := filepath.Join(base, "releases", label)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(map[string]int{"session_minutes": minutes})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"REVISION": "commit-" + label + "\n", "service.json": string(settings), "users.json": `{"ada":{"name":"Ada"}}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func point(t *testing.T, base, target string) {
	t.Helper()
	next := filepath.Join(base, "next")
	if err := os.Symlink(target, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(base, "current")); err != nil {
		t.Fatal(err)
	}
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, http.NoBody))
	return w
}

func TestServiceFollowsCurrentHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	cut(t, base, "r1", 30)
	cut(t, base, "r2", 60)
	point(t, base, "releases/r1")
	if err := os.MkdirAll(filepath.Join(base, "releases", "r2", ".backout", "01J.1"), 0o755); err != nil {
		t.Fatal(err)
	}
	h := newLogin(options{name: Login, dir: base}, slog.New(slog.DiscardHandler))
	for _, c := range []struct{ target, label, want string }{
		{"releases/r1", "r1", `"minutes":30`},
		{"releases/r2", "r2", `"minutes":60`},
		{"releases/./r1/.", "r1", `"minutes":30`}, // a link may carry more than the path
		{"releases/r2/.backout/01J.1/../../../r2", "r2", `"minutes":60`},
		{filepath.Join(base, "releases", "r1"), "r1", `"minutes":30`},
	} {
		point(t, base, c.target)
		w := get(h, "/session?user=ada")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), c.want) || w.Header().Get("X-Release") != c.label || w.Header().Get("X-Revision") != "commit-"+c.label {
			t.Errorf("%s: %d %s %v", c.target, w.Code, w.Body, w.Header())
		}
	}
	point(t, base, "releases/gone")
	if w := get(h, "/session?user=ada"); w.Code != http.StatusInternalServerError {
		t.Errorf("a release that is not there answers %d", w.Code)
	}
	point(t, base, "releases/r1")
	if w := get(h, "/session?user=ada"); w.Code != http.StatusOK {
		t.Errorf("after the switch to one that is there: %d %s", w.Code, w.Body)
	}
}

// Every answer is of one release: the header and the settings never come from two.
func TestAnswersAreOfOneReleaseWhileItIsSwitched(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	cut(t, base, "r1", 30)
	cut(t, base, "r2", 60)
	point(t, base, "releases/r1")
	h := newLogin(options{name: Login, dir: base}, slog.New(slog.DiscardHandler))
	minutes := map[string]string{"r1": `"minutes":30`, "r2": `"minutes":60`}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				w := get(h, "/session?user=ada")
				if w.Code == http.StatusOK && !strings.Contains(w.Body.String(), minutes[w.Header().Get("X-Release")]) {
					t.Errorf("release %s answers %s", w.Header().Get("X-Release"), w.Body)
				}
			}
		})
	}
	for i := range 200 {
		point(t, base, []string{"releases/r1", "releases/r2"}[i%2])
	}
	wg.Wait()
}

func TestRunRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"dance"}, {"service", "--name", "kitchen"}, {"service", "--upstream", "x"}, {"load", "--rate", "0"}} {
		var out bytes.Buffer
		if err := Run(t.Context(), args, strings.NewReader(""), &out, io.Discard); err == nil {
			t.Errorf("Run(%q) is content", args)
		}
	}
}
