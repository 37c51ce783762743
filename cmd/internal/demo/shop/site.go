package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// site is what every service has: the release that it follows, a client for those that it calls, and a log.
type site[T any] struct {
	current  *follower[T]
	client   *http.Client
	upstream addresses
	log      *slog.Logger
	mu       sync.Mutex
	serving  string    // label last written to the log
	failed   int       // requests since the log last had a line on failures
	said     time.Time // when that was
}

// failuresEvery is how often the log gets a line on failing requests at most.
const failuresEvery = 5 * time.Second

func newSite[T any](o options, log *slog.Logger, load func(dir string) (T, error)) *site[T] {
	return &site[T]{
		current:  &follower[T]{link: o.dir + "/current", load: load},
		client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}, Timeout: 3 * time.Second},
		upstream: o.upstream,
		log:      log.With("service", o.name),
	}
}

// page is an answer that is HTML rather than JSON.
type page []byte

// fault is an error with the status to answer.
type fault struct {
	status int
	err    error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func faultf(status int, format string, args ...any) error {
	return &fault{status: status, err: fmt.Errorf(format, args...)}
}

// endpoint makes a handler that answers with what f makes of the current release. An error without a status is a 500.
func (s *site[T]) endpoint(f func(r *http.Request, settings T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rel, err := s.current.get()
		if err != nil {
			s.note("", err)
			answer(w, nil, err)
			return
		}
		w.Header().Set("X-Release", rel.Label)
		w.Header().Set("X-Revision", rel.Commit)
		v, err := f(r, rel.settings)
		s.note(rel.Label, err)
		answer(w, v, err)
	}
}

// version answers which release serves; it works in a release that is good for nothing else.
func (s *site[T]) version(w http.ResponseWriter, _ *http.Request) {
	rel, err := s.current.get()
	if err != nil {
		answer(w, nil, err)
		return
	}
	answer(w, map[string]string{"release": rel.Label, "commit": rel.Commit}, nil)
}

// note writes to the log that another release serves and, now and then, that requests fail.
func (s *site[T]) note(label string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if label != "" && label != s.serving {
		s.serving = label
		s.log.Info("serving release", "release", label)
	}
	var f *fault
	if err == nil || (errors.As(err, &f) && f.status < http.StatusInternalServerError) {
		return
	}
	s.failed++
	if now := time.Now(); now.Sub(s.said) >= failuresEvery {
		s.log.Error("requests fail", "error", err, "count", s.failed)
		s.failed, s.said = 0, now
	}
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		status := http.StatusInternalServerError
		var f *fault
		if errors.As(err, &f) {
			status = f.status
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
		return
	}
	if p, ok := v.(page); ok {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(p)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// call asks another service and fills into from its answer. Whatever goes wrong is a 502 here: the caller did not err.
func (s *site[T]) call(ctx context.Context, timeout time.Duration, service, path string, q url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	u := url.URL{Scheme: "http", Host: s.upstream[service], Path: path, RawQuery: q.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return faultf(http.StatusBadGateway, "call %s: %w", service, err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return faultf(http.StatusBadGateway, "call %s: %w", service, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return faultf(http.StatusBadGateway, "call %s: %w", service, err)
	}
	if resp.StatusCode != http.StatusOK {
		return faultf(http.StatusBadGateway, "%s answered %d: %s", service, resp.StatusCode, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return faultf(http.StatusBadGateway, "%s answered what is not JSON: %w", service, err)
	}
	return nil
}

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }
