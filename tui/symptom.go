package tui

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Symptom is what was measured of an incident's symptom, as one series in order of time. What lies in no measure is not
// known. The zero value: nothing was measured.
type Symptom struct {
	Name      string // in a word: "errors", "latency"
	Unit      string // of the values, see the Unit constants; "" where it is not known
	Low, High float64
	Measures  []Measure // up to Low all is as it should be; the strip is full at High
}

// Measure is one value that holds over [From, Until).
type Measure struct {
	From, Until time.Time
	Value       float64
}

// Units of a symptom's values.
const (
	UnitRatio        = "ratio" // from 0 to 1
	UnitSeconds      = "s"
	UnitMilliseconds = "ms"
)

// Equal reports whether two symptoms show the same.
func (s *Symptom) Equal(o *Symptom) bool {
	return s.Name == o.Name && s.Unit == o.Unit && s.Low == o.Low && s.High == o.High && slices.EqualFunc(s.Measures, o.Measures, func(a, b Measure) bool {
		return a.From.Equal(b.From) && a.Until.Equal(b.Until) && a.Value == b.Value
	})
}

// strips are the eight heights of a strip, the lowest first.
const strips, asciiStrips = "▁▂▃▄▅▆▇█", "_.:-=+*#"

// unknownLevel is the height of a column in which nothing was measured.
const unknownLevel = -1

// symptomLane is the strip of the shown incident's symptom; false where nothing of it was measured in the window.
func (c *console) symptomLane(w providers.Window, cols int) (lane, bool) {
	s := &c.st.Symptom
	if len(s.Measures) == 0 || cols <= 0 || !s.Measures[0].From.Before(w.Until) || !w.Since.Before(s.Measures[len(s.Measures)-1].Until) {
		return lane{}, false
	}
	l := lane{name: plain(s.Name), full: s.full(), levels: s.levels(w, cols)}
	known := slices.ContainsFunc(l.levels, func(n int) bool { return n != unknownLevel })
	return l, known
}

// levels are the heights of the columns: each stands for the mean of what was measured in it.
func (s *Symptom) levels(w providers.Window, cols int) []int {
	sum, weight := make([]float64, cols), make([]float64, cols)
	span := float64(w.Until.Sub(w.Since))
	if span <= 0 {
		return nil
	}
	column := func(t time.Time) float64 { return float64(t.Sub(w.Since)) / span * float64(cols) }
	for i := range s.Measures {
		m := &s.Measures[i]
		from, until := max(column(m.From), 0), min(column(m.Until), float64(cols))
		for x := int(from); x < cols && float64(x) < until; x++ {
			part := min(until, float64(x+1)) - max(from, float64(x))
			sum[x] += part * m.Value
			weight[x] += part
		}
	}
	out := make([]int, cols)
	for x := range out {
		out[x] = unknownLevel
		if weight[x] > 0 {
			out[x] = s.level(sum[x] / weight[x])
		}
	}
	return out
}

// level is the height of a value. Whatever is more than it should be is seen, however little it is beside the rest.
func (s *Symptom) level(v float64) int {
	if v <= s.Low {
		return 0
	}
	const top = 7
	return min(max(int(math.Round((v-s.Low)/(s.High-s.Low)*top)), 1), top)
}

// full is the value at which the strip is full, in words.
func (s *Symptom) full() string {
	switch s.Unit {
	case UnitRatio:
		return short(s.High*100) + "%"
	case UnitMilliseconds:
		return short(s.High) + "ms"
	case UnitSeconds:
		if s.High < 1 {
			return short(s.High*1000) + "ms"
		}
		return short(s.High) + "s"
	default:
		return short(s.High)
	}
}

// short writes a number with two digits, or all of those before its point.
func short(v float64) string {
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// symptomName is the name of a strip, with what its full height stands for where there is room.
func (c *console) symptomName(l *lane, n int) string {
	glyph := "█"
	if c.style.ascii {
		glyph = "#"
	}
	if name := l.name + " " + glyph + "=" + l.full; width(name) < n {
		return name
	}
	return l.name
}

// symptomText draws a strip. A blank is a time of which nothing is known; what is well is faint, as in the other lanes.
func (c *console) symptomText(levels []int) string {
	glyphs := []rune(strips)
	if c.style.ascii {
		glyphs = []rune(asciiStrips)
	}
	var out strings.Builder
	for i := 0; i < len(levels); {
		j, kind := i, sign(levels[i])
		var run strings.Builder
		for ; j < len(levels) && sign(levels[j]) == kind; j++ {
			if levels[j] == unknownLevel {
				run.WriteByte(' ')
			} else {
				run.WriteRune(glyphs[levels[j]])
			}
		}
		switch kind {
		case unknownLevel:
			out.WriteString(run.String())
		case 0:
			out.WriteString(c.style.faint(run.String()))
		default:
			out.WriteString(c.style.bad(run.String()))
		}
		i = j
	}
	return out.String()
}

func sign(n int) int { return max(min(n, 1), unknownLevel) }
