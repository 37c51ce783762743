package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Flags is the shop's flag service. It speaks the part of Unleash's API that a switch of a flag and a look at it take, and is not
// Unleash: it has one project, one environment, and no segments, dependencies or users.
const Flags = "flags"

// The one project and the one environment of the shop's flags.
const (
	FlagProject     = "default"
	FlagEnvironment = "prod"
)

// FlagFile is all that the flag service knows, as it keeps it in a file.
type FlagFile struct {
	People map[string]string `json:"people"` // whose token it is
	SDK    string            `json:"sdk"`    // the token of those that only ask
	Flags  []*Flag           `json:"flags"`
	Events []FlagEvent       `json:"events"` // oldest first
	Last   int64             `json:"last"`   // number of an event or a strategy
}

// Flag is one flag, in the one environment.
type Flag struct {
	Name       string           `json:"name"`
	Created    time.Time        `json:"created"`
	Enabled    bool             `json:"enabled"`
	Strategies []map[string]any `json:"strategies"`
	Tags       []FlagTag        `json:"tags,omitempty"`
}

// FlagTag is a label that somebody put on a flag.
type FlagTag struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// FlagEvent is one entry of the log, in the form in which it is served.
type FlagEvent struct {
	ID          int64     `json:"id"`
	Type        string    `json:"type"`
	By          string    `json:"createdBy"`
	At          time.Time `json:"createdAt"`
	Flag        string    `json:"featureName"`
	Project     string    `json:"project"`
	Environment string    `json:"environment,omitempty"`
	Data        any       `json:"data"`
	Before      any       `json:"preData"`
	Tags        []FlagTag `json:"tags"`
}

// flagService serves a FlagFile and writes it anew after each change.
type flagService struct {
	path string
	log  *slog.Logger
	mu   sync.Mutex
	file FlagFile
}

func runFlags(ctx context.Context, o options, log *slog.Logger, stdout io.Writer) error {
	s := &flagService{path: o.flagFile, log: log.With("service", Flags)}
	data, err := os.ReadFile(s.path)
	if err == nil {
		err = json.Unmarshal(data, &s.file)
	}
	if err != nil {
		return fmt.Errorf("read the flags: %w", err)
	}
	return serveHTTP(ctx, o.addr, s.handler(), stdout)
}

func (s *flagService) handler() http.Handler {
	const admin = "/api/admin"
	feature := admin + "/projects/" + FlagProject + "/features/{flag}"
	here := feature + "/environments/" + FlagEnvironment
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/client/features", s.ask)
	for pattern, h := range map[string]func(r *http.Request, by string) (any, error){
		"GET " + admin + "/user":                                   s.user,
		"GET " + admin + "/search/features":                        s.search,
		"GET " + admin + "/search/events":                          s.events,
		"GET " + feature:                                           s.one,
		"POST " + admin + "/features/{flag}/tags":                  s.tag,
		"DELETE " + admin + "/features/{flag}/tags/simple/{value}": s.untag,
		"DELETE " + admin + "/tags/simple/{value}":                 func(*http.Request, string) (any, error) { return struct{}{}, nil },
		"POST " + here + "/on":                                     s.turn,
		"POST " + here + "/off":                                    s.turn,
		"POST " + here + "/strategies":                             s.strategy,
		"PUT " + here + "/strategies/{id}":                         s.strategy,
		"DELETE " + here + "/strategies/{id}":                      s.strategy,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			by := s.file.People[bearer(r)]
			if by == "" {
				answer(w, nil, faultf(http.StatusUnauthorized, "You must log in to use Unleash"))
				return
			}
			before := s.file.Last
			v, err := h(r, by)
			if err == nil && s.file.Last != before {
				err = s.keep()
			}
			answer(w, v, err)
		})
	}
	return mux
}

func bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// keep writes the file, in one rename.
func (s *flagService) keep() error {
	if err := WriteFlags(s.path, &s.file); err != nil {
		s.log.Error("the flags could not be kept", "error", err)
		return err
	}
	return nil
}

// WriteFlags writes what a flag service begins with.
func WriteFlags(path string, f *FlagFile) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the flags: %w", err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep the flags: %w", err)
	}
	return os.Rename(next, path)
}

// Note adds an entry to the log; at is when.
func (f *FlagFile) Note(of *Flag, kind, by string, at time.Time, environment string, data, before any) {
	f.Last++
	f.Events = append(f.Events, FlagEvent{
		ID: f.Last, Type: kind, By: by, At: at.UTC().Truncate(time.Millisecond), Flag: of.Name, Project: FlagProject,
		Environment: environment, Data: data, Before: before, Tags: append([]FlagTag{}, of.Tags...),
	})
}

func (s *flagService) find(r *http.Request) (*Flag, error) {
	name := r.PathValue("flag")
	if i := slices.IndexFunc(s.file.Flags, func(f *Flag) bool { return f.Name == name }); i >= 0 {
		return s.file.Flags[i], nil
	}
	return nil, faultf(http.StatusNotFound, "Could not find feature %s", name)
}

func (s *flagService) user(*http.Request, string) (any, error) {
	return map[string]any{"permissions": []map[string]string{{"permission": "ADMIN"}}}, nil
}

// shown is a flag as the admin API gives it.
func shown(f *Flag) map[string]any {
	return map[string]any{
		"name": f.Name, "project": FlagProject, "createdAt": f.Created, "stale": false, "archived": false, "tags": f.Tags,
		"dependencies": []any{}, "children": []string{},
		"environments": []map[string]any{{"name": FlagEnvironment, "enabled": f.Enabled, "strategies": f.Strategies}},
	}
}

func (s *flagService) one(r *http.Request, _ string) (any, error) {
	f, err := s.find(r)
	if err != nil {
		return nil, err
	}
	return shown(f), nil
}

func (s *flagService) search(r *http.Request, _ string) (any, error) {
	all := []map[string]any{}
	for _, f := range s.file.Flags {
		if strings.Contains(f.Name, r.FormValue("query")) {
			all = append(all, shown(f))
		}
	}
	return map[string]any{"features": portion(all, r), "total": len(all)}, nil
}

// portion is the part of a list that limit and offset ask for.
func portion[T any](all []T, r *http.Request) []T {
	from, _ := strconv.Atoi(r.FormValue("offset"))
	n, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || n < 0 {
		n = 50
	}
	from = min(max(from, 0), len(all))
	return all[from:min(from+n, len(all))]
}

// events gives the log, the newest first, as its filters ask: feature=IS:NAME, type=IS_ANY_OF:A,B, from and to=IS:DAY.
func (s *flagService) events(r *http.Request, _ string) (any, error) {
	values := func(name string) []string {
		_, list, ok := strings.Cut(r.FormValue(name), ":")
		if !ok {
			return nil
		}
		return strings.Split(list, ",")
	}
	flags, kinds, from, to := values("feature"), values("type"), values("from"), values("to")
	all := []FlagEvent{}
	for _, e := range slices.Backward(s.file.Events) {
		day := e.At.Format(time.DateOnly)
		if (flags == nil || slices.Contains(flags, e.Flag)) && (kinds == nil || slices.Contains(kinds, e.Type)) &&
			(from == nil || day >= from[0]) && (to == nil || day <= to[0]) {
			all = append(all, e)
		}
	}
	return map[string]any{"events": portion(all, r), "total": len(all)}, nil
}

// ask is what the shop's services ask: which flags are on.
func (s *flagService) ask(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bearer(r) != s.file.SDK {
		answer(w, nil, faultf(http.StatusUnauthorized, "no token of an SDK"))
		return
	}
	all := []map[string]any{}
	for _, f := range s.file.Flags {
		if strings.HasPrefix(f.Name, r.FormValue("namePrefix")) {
			all = append(all, map[string]any{"name": f.Name, "type": "release", "project": FlagProject, "enabled": f.Enabled, "strategies": f.Strategies})
		}
	}
	answer(w, map[string]any{"version": 2, "features": all}, nil)
}
