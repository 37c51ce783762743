package httpapi

import (
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
)

func client(t *testing.T, dir string, s Settings) (*Client, *providers.Vitals) {
	t.Helper()
	v := providers.NewVitals("api", time.Now, 0)
	c, err := New(providers.Environment{Name: "api", Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler)}, s, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, v
}

func get(t *testing.T, c *Client, path string) (string, error) {
	t.Helper()
	var body []byte
	_, err := c.Get(t.Context(), path, url.Values{"q": {"a b"}}, func(r io.Reader) (err error) {
		body, err = io.ReadAll(r)
		return err
	})
	return string(body), err
}

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	_, _ = io.WriteString(w, strings.Join([]string{r.URL.RequestURI(), r.Header.Get("User-Agent"), user, password, r.Header.Get("Authorization")}, "|"))
}

func TestWhatIsSent(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(srv.Close)
	for name, c := range map[string]struct {
		set  Settings
		want string
	}{
		"nothing":    {Settings{URL: srv.URL}, "/api?q=a+b|backout|||"},
		"prefix":     {Settings{URL: srv.URL + "/team/am/"}, "/team/am/api?q=a+b|backout|||"},
		"basic auth": {Settings{URL: srv.URL, BasicAuth: BasicAuth{"ana", "s3cret"}}, "/api?q=a+b|backout|ana|s3cret|Basic YW5hOnMzY3JldA=="},
		"bearer":     {Settings{URL: srv.URL, BearerToken: "t0ken"}, "/api?q=a+b|backout|||Bearer t0ken"},
	} {
		cl, _ := client(t, "", c.set)
		if got, err := get(t, cl, "/api"); err != nil || got != c.want {
			t.Errorf("%s: the server saw %q (%v), want %q", name, got, err, c.want)
		}
	}
}

func TestAPrivateAuthorityIsTrustedWhereItIsConfigured(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), block, 0o600); err != nil {
		t.Fatal(err)
	}
	trusting, _ := client(t, dir, Settings{URL: srv.URL, CAFile: "ca.pem"})
	if _, err := get(t, trusting, "/api"); err != nil {
		t.Fatal(err)
	}
	doubting, v := client(t, dir, Settings{URL: srv.URL})
	_, err := get(t, doubting, "/api")
	if providers.ClassOf(err) != providers.ClassPermanent || !strings.Contains(err.Error(), "ca_file") {
		t.Fatalf("error %v", err)
	}
	if h := v.Health(); h.State != providers.HealthFailing || !strings.Contains(h.Detail, "ca_file") {
		t.Fatalf("health %+v", h)
	}
	plain, _ := client(t, "", Settings{URL: "https://" + plainServer(t)})
	if _, err = get(t, plain, "/api"); err == nil || !strings.Contains(err.Error(), "does not speak TLS") {
		t.Fatalf("error %v", err)
	}
}

func plainServer(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func TestCredentialsDoNotFollowARedirectToAnotherServer(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(other.Close)
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	t.Cleanup(srv.Close)
	c, _ := client(t, "", Settings{URL: srv.URL, BearerToken: "t0ken"})
	_, err := get(t, c, "/api")
	if err == nil || !strings.Contains(err.Error(), "another server") || strings.Contains(err.Error(), "t0ken") {
		t.Fatalf("error %v", err)
	}
	if asked {
		t.Fatal("the other server was asked")
	}
}

func TestATooLongAnswerIsAnErrorAndNotAShortOne(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `["`+strings.Repeat("x", 100)+`"]`)
	}))
	t.Cleanup(srv.Close)
	c, _ := client(t, "", Settings{URL: srv.URL})
	c.maxBody = 50
	if _, err := get(t, c, "/api"); providers.ClassOf(err) != providers.ClassPermanent || !strings.Contains(err.Error(), "larger than") {
		t.Fatalf("error %v", err)
	}
}

func TestAHugeElementIsNotKept(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(`[{"a":"`), io.LimitReader(zeros{}, 1<<30))
	err := Array(endless, func(struct{ A string }) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "element") {
		t.Fatalf("error %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func FuzzArray(f *testing.F) {
	f.Add(`[{"a":"b"},{"a":"c"}]`)
	f.Add(" <html>")
	f.Add(`[[`)
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		if err := Array(strings.NewReader(text), func(map[string]string) error { n++; return nil }); err == nil && n > len(text) {
			t.Fatalf("%d elements in %d bytes", n, len(text))
		}
	})
}

// An answer to a question aside makes nothing fresh that is old; that it fails is known all the same.
func TestAQuestionAside(t *testing.T) {
	code := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	t.Cleanup(srv.Close)
	c, v := client(t, "", Settings{URL: srv.URL})
	read := func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	if _, err := c.Aside(t.Context(), "/api", nil, read); err != nil || !v.Health().LastOK.IsZero() {
		t.Errorf("answered aside: %v, %+v", err, v.Health())
	}
	code = http.StatusInternalServerError
	if _, err := c.Aside(t.Context(), "/api", nil, read); err == nil || v.Health().State != providers.HealthFailing {
		t.Errorf("failed aside: %v, %+v", err, v.Health())
	}
}

func TestAConnectionThatEndsTooSoonIsSaidInWords(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(srv.Close)
	c, _ := client(t, "", Settings{URL: srv.URL})
	if _, err := get(t, c, "/api"); err == nil || !strings.Contains(err.Error(), "the connection was closed before the answer was complete") {
		t.Errorf("error %v", err)
	}
}

// What was sent is known to be not done only where the server itself says so.
func TestWhatIsKnownOfWhatWasSent(t *testing.T) {
	code := http.StatusCreated
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.EscapedPath() + " " + r.Header.Get("Authorization") + " " + string(body)
		w.WriteHeader(code)
	}))
	t.Cleanup(srv.Close)
	c, v := client(t, "", Settings{URL: srv.URL, BearerToken: "t0ken"})
	if err := c.Send(t.Context(), http.MethodPut, "/api/a b", map[string]int{"n": 1}); err != nil || got != `PUT /api/a%20b Bearer t0ken {"n":1}` {
		t.Errorf("the server saw %q (%v)", got, err)
	}
	for status, refused := range map[int]bool{400: true, 403: true, 404: true, 408: false, 409: true, 500: false, 502: false} {
		code = status
		err := c.Send(t.Context(), http.MethodDelete, "/api", nil)
		if err == nil || Refused(err) != refused || NotThere(err) != (status == 404) || v.Health().State != providers.HealthFailing {
			t.Errorf("%d: %v, refused %v, health %+v", status, err, Refused(err), v.Health())
		}
	}
	srv.CloseClientConnections()
	srv.Close()
	if err := c.Send(t.Context(), http.MethodPost, "/api", nil); err == nil || Refused(err) {
		t.Errorf("nobody answers: %v", err)
	}
}
