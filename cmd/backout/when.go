package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// parseTime reads a moment: RFC 3339, a date, a time of day (today, UTC), or a duration before now, also in days. "" is the zero time.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.UTC().AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil {
		if d < 0 {
			d = -d
		}
		return now.Add(-d).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			day := now.UTC().Truncate(24 * time.Hour)
			return day.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2h, 7d, 14:02, or 2026-01-31T14:02:00Z", s)
}

// window is what --since and --until say; without --since it begins span ago.
func (a *app) window(span time.Duration) providers.Window {
	now := a.now().UTC()
	since, _ := parseTime(a.flags.since, now) // checked before any command runs
	until, _ := parseTime(a.flags.until, now)
	if since.IsZero() {
		end := now
		if !until.IsZero() {
			end = until
		}
		since = end.Add(-span)
	}
	return providers.Window{Since: since, Until: until}
}
