package tui

import (
	"fmt"
	"time"
)

// zone is how times are shown. UTC is the default; the offset is always on the screen.
type zone int

const (
	zoneUTC zone = iota
	zoneLocal
	zoneRelative
	zones
)

// clock formats times for one frame.
type clock struct {
	zone  zone
	local *time.Location
	now   time.Time
}

func (c clock) in(t time.Time) time.Time {
	if c.zone == zoneLocal && c.local != nil {
		return t.In(c.local)
	}
	return t.UTC()
}

// offset names the zone: "UTC", "UTC+02:00".
func (c clock) offset() string {
	if c.zone != zoneLocal || c.local == nil {
		return "UTC"
	}
	_, sec := c.in(c.now).Zone()
	if sec == 0 {
		return "UTC"
	}
	sign := '+'
	if sec < 0 {
		sign, sec = '-', -sec
	}
	return fmt.Sprintf("UTC%c%02d:%02d", sign, sec/3600, sec/60%60)
}

// label heads a column of times.
func (c clock) label() string {
	if c.zone == zoneRelative {
		return "AGO"
	}
	if o := c.offset(); o != "UTC" {
		return o // a column that is wider than its times takes room from what happened
	}
	return "TIME UTC"
}

// columns is how wide a column of times is, for a window of the given span.
func (c clock) columns(span time.Duration) int {
	switch {
	case c.zone == zoneRelative:
		return max(8, len(c.label()))
	case span <= 24*time.Hour:
		return max(8, len(c.label()))
	case span <= 300*24*time.Hour:
		return max(11, len(c.label()))
	default:
		return max(16, len(c.label()))
	}
}

// row is a time in a list whose window is span long.
func (c clock) row(t time.Time, span time.Duration) string {
	switch {
	case t.IsZero():
		return "-"
	case c.zone == zoneRelative:
		return ago(c.now.Sub(t))
	case span <= 24*time.Hour:
		return c.in(t).Format("15:04:05")
	case span <= 300*24*time.Hour:
		return c.in(t).Format("01-02 15:04")
	default:
		return c.in(t).Format("2006-01-02 15:04")
	}
}

// stamp is a time with its offset, for a sentence.
func (c clock) stamp(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	if c.zone == zoneRelative {
		return ago(c.now.Sub(t)) + " ago"
	}
	layout := "15:04:05"
	if d := c.now.Sub(t); d > 20*time.Hour || d < -20*time.Hour {
		layout = "2006-01-02 15:04"
	}
	return c.in(t).Format(layout) + " " + c.offset()
}

// ago is a span in its largest unit or two, never longer than six columns.
func ago(d time.Duration) string {
	neg := ""
	if d < 0 {
		neg, d = "-", -d
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%s%ds", neg, int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%s%dm", neg, int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%s%dh%02dm", neg, int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%s%dd", neg, int(d.Hours()/24))
	}
}

// lasted is an exact span: "0.4s", "41s", "3m31s".
func lasted(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return ago(d)
	}
}

// roughly is an estimated span.
func roughly(d time.Duration) string {
	if d < time.Second {
		return "<1s"
	}
	return lasted(d.Round(time.Second))
}

// elapsed is a running clock: "0:31".
func elapsed(d time.Duration) string {
	d = max(d, 0)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// age is how old an answer is, in coarse steps, so that a source that answers every few seconds does not make the
// header change, and an idle console writes nothing.
func age(d time.Duration) string {
	for _, step := range []time.Duration{5, 10, 20, 30, 45, 60} {
		if d < step*time.Second {
			return "<" + itoa(int(step)) + "s"
		}
	}
	return ago(d)
}
