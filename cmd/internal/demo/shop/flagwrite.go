package shop

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The types of event that the flag service writes down, as Unleash calls them.
const (
	FlagCreated   = "feature-created"
	FlagOn        = "feature-environment-enabled"
	FlagOff       = "feature-environment-disabled"
	StrategyAdded = "feature-strategy-add"
	strategyAlter = "feature-strategy-update"
	strategyGone  = "feature-strategy-remove"
	flagTagged    = "feature-tagged"
	flagUntagged  = "feature-untagged"
)

// turn switches a flag on or off. What is so already is no event.
func (s *flagService) turn(r *http.Request, by string) (any, error) {
	f, err := s.find(r)
	if err != nil {
		return nil, err
	}
	on, kind := strings.HasSuffix(r.URL.Path, "/on"), FlagOff
	if on {
		kind = FlagOn
	}
	if f.Enabled != on {
		f.Enabled = on
		s.file.Note(f, kind, by, time.Now(), FlagEnvironment, nil, nil)
	}
	return struct{}{}, nil
}

// strategy adds, alters or takes away one rule of a flag. A flag that has none left is off, as in Unleash.
func (s *flagService) strategy(r *http.Request, by string) (any, error) {
	f, err := s.find(r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	i := slices.IndexFunc(f.Strategies, func(g map[string]any) bool { return g["id"] == id })
	if id != "" && i < 0 {
		return nil, faultf(http.StatusNotFound, "no strategy %s", id)
	}
	if r.Method == http.MethodDelete {
		was := f.Strategies[i]
		f.Strategies = slices.Delete(f.Strategies, i, i+1)
		s.file.Note(f, strategyGone, by, time.Now(), FlagEnvironment, nil, was)
		if len(f.Strategies) == 0 && f.Enabled {
			f.Enabled = false
			s.file.Note(f, FlagOff, by, time.Now(), FlagEnvironment, nil, nil)
		}
		return struct{}{}, nil
	}
	var now map[string]any
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10)).Decode(&now); err != nil || now["name"] == nil {
		return nil, faultf(http.StatusBadRequest, "a strategy has a name")
	}
	if r.Method == http.MethodPost {
		now["id"] = "strategy-" + strconv.FormatInt(s.file.Last+1, 10)
		f.Strategies = append(f.Strategies, now)
		s.file.Note(f, StrategyAdded, by, time.Now(), FlagEnvironment, now, nil)
		return now, nil
	}
	was := f.Strategies[i]
	now["id"] = id
	f.Strategies[i] = now
	s.file.Note(f, strategyAlter, by, time.Now(), FlagEnvironment, now, was)
	return now, nil
}

func (s *flagService) tag(r *http.Request, by string) (any, error) {
	f, err := s.find(r)
	if err != nil {
		return nil, err
	}
	var t FlagTag
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10)).Decode(&t); err != nil || t.Type != "simple" || t.Value == "" {
		return nil, faultf(http.StatusBadRequest, "a tag is of type simple and has a value")
	}
	if !slices.Contains(f.Tags, t) {
		f.Tags = append(f.Tags, t)
		s.file.Note(f, flagTagged, by, time.Now(), "", t, nil)
	}
	return t, nil
}

func (s *flagService) untag(r *http.Request, by string) (any, error) {
	f, err := s.find(r)
	if err != nil {
		return nil, err
	}
	t := FlagTag{Type: "simple", Value: r.PathValue("value")}
	if i := slices.Index(f.Tags, t); i >= 0 {
		f.Tags = slices.Delete(f.Tags, i, i+1)
		s.file.Note(f, flagUntagged, by, time.Now(), "", nil, t)
	}
	return struct{}{}, nil
}
