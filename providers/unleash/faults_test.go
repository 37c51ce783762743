package unleash_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
)

// What stands here is no Unleash: it has the faults and the size that a real one does not show on demand.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// silent takes a request and never answers.
func silent(t *testing.T) string {
	quit := make(chan struct{})
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-quit:
		}
	})
	t.Cleanup(func() { close(quit) })
	return url
}

func faults() map[string]providertest.Fault {
	answer := func(class providers.ErrorClass, after time.Duration, code int, text string, header ...string) providertest.Fault {
		return providertest.Fault{Class: class, RetryAfter: after, New: func(t *testing.T) providers.Provider {
			return provider(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				for i := 0; i < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				w.WriteHeader(code)
				_, _ = w.Write([]byte(text))
			}))
		}}
	}
	no := `{"message": "not today\u001b[2J"}`
	return map[string]providertest.Fault{
		"500":     answer(providers.ClassRetryable, 0, 500, no),
		"429":     answer(providers.ClassRateLimited, 12*time.Second, 429, no, "Retry-After", "12"),
		"401":     answer(providers.ClassAuth, 0, 401, no),
		"403":     answer(providers.ClassAuth, 0, 403, no),
		"404":     answer(providers.ClassPermanent, 0, 404, no),
		"html":    answer(providers.ClassRetryable, 0, 200, "<html>sign in</html>", "Content-Type", "text/html"),
		"garbage": answer(providers.ClassRetryable, 0, 200, `{"events": [{"id": 12`),
		"other":   answer(providers.ClassRetryable, 0, 200, `{"status": "success"}`),
		"text":    answer(providers.ClassRetryable, 0, 200, `{"events": [{"id": "twelve"}]}`),
	}
}

// many has a long log.
func many(t *testing.T, n int) string {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		list := []map[string]any{}
		for i := offset; i < min(offset+limit, n); i++ {
			list = append(list, map[string]any{
				"id": n - i, "type": "feature-environment-enabled", "createdBy": "ana", "createdAt": start.Add(-time.Duration(i) * time.Second),
				"featureName": fmt.Sprintf("flag-%d", i), "project": "default", "environment": "production", "data": nil, "preData": nil, "tags": []any{},
			})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"events": list, "total": n})
	})
}
