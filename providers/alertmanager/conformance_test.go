package alertmanager_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
)

func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Suite{
		New: func(t *testing.T) providers.Provider {
			return serve(t, &fake{
				started: noon.Add(-time.Hour),
				alerts: []map[string]any{
					firing("a1", noon), silenced("a2", noon.Add(time.Minute), "s1"), firing("a3", noon.Add(time.Hour)),
				},
				silences: []map[string]any{{"id": "s1", "createdBy": "ana", "comment": "rolling\nback"}},
			}, "poll: 5ms")
		},
		Window: providers.Window{Since: noon.Add(30 * time.Second), Until: noon.Add(30 * time.Minute)},
		Hang:   func(t *testing.T) providers.Provider { return serve(t, hang(t)) },
		Faults: faults(),
		Big: func(t *testing.T) providers.Provider {
			return serve(t, &fake{started: noon, answer: many(100_000)}, "timeout: 2m") // of memory, not of time
		},
		BigEvents: 100_000,
		BigLimit:  32 << 20,
	})
}

// hang takes a request and never answers.
func hang(t *testing.T) http.Handler {
	quit := make(chan struct{})
	t.Cleanup(func() { close(quit) })
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-quit:
		}
	})
}

func faults() map[string]providertest.Fault {
	status := func(code int, header ...string) providertest.Fault {
		f := providertest.Fault{New: func(t *testing.T) providers.Provider {
			return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for i := 0; i < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				http.Error(w, `{"message":"not today\u001b[2J"}`, code)
			}))
		}}
		return f
	}
	body := func(class providers.ErrorClass, text, contentType string) providertest.Fault {
		return providertest.Fault{Class: class, New: func(t *testing.T) providers.Provider {
			return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", contentType)
				_, _ = w.Write([]byte(text))
			}))
		}}
	}
	with := func(f providertest.Fault, class providers.ErrorClass, after time.Duration) providertest.Fault {
		f.Class, f.RetryAfter = class, after
		return f
	}
	return map[string]providertest.Fault{
		"500":             with(status(500), providers.ClassRetryable, 0),
		"503":             with(status(503), providers.ClassRetryable, 0),
		"503 with a wait": with(status(503, "Retry-After", "7"), providers.ClassRateLimited, 7*time.Second),
		"429":             with(status(429, "Retry-After", "12"), providers.ClassRateLimited, 12*time.Second),
		"429 silent":      with(status(429), providers.ClassRateLimited, 0),
		"429 with a date": with(status(429, "Date", noon.Format(http.TimeFormat), "Retry-After", noon.Add(time.Minute).Format(http.TimeFormat)), providers.ClassRateLimited, time.Minute),
		"401":             with(status(401), providers.ClassAuth, 0),
		"403":             with(status(403), providers.ClassAuth, 0),
		"404":             with(status(404), providers.ClassPermanent, 0),
		"400":             with(status(400), providers.ClassPermanent, 0),
		"html":            body(providers.ClassRetryable, "<html>sign in</html>", "text/html; charset=utf-8"),
		"html as json":    body(providers.ClassRetryable, "\n <!doctype html>", "application/json"),
		"an object":       body(providers.ClassRetryable, `{"data":[]}`, "application/json"),
		"garbage":         body(providers.ClassRetryable, `[{"fingerprint": 12`, "application/json"),
		"cut":             body(providers.ClassRetryable, `[{"fingerprint":"a"},{"finger`, "application/json"),
		"no fingerprint":  body(providers.ClassRetryable, `[{"labels":{}}]`, "application/json"),
		"elsewhere": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
			return serve(t, http.RedirectHandler("http://login.invalid/sso", http.StatusFound))
		}},
		"circle": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
			return serve(t, http.RedirectHandler("/again", http.StatusFound))
		}},
		"slow bytes": {Class: providers.ClassRetryable, New: func(t *testing.T) providers.Provider {
			return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte(`[`))
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}), "timeout: 150ms")
		}},
		"nobody": {Class: providers.ClassRetryable, New: func(t *testing.T) providers.Provider {
			srv := httptest.NewServer(http.NotFoundHandler())
			srv.Close()
			return provider(t, srv.URL)
		}},
		"unknown authority": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
			srv := httptest.NewTLSServer(&fake{})
			t.Cleanup(srv.Close)
			srv.Config.ErrorLog = nil
			return provider(t, srv.URL)
		}},
	}
}
