package culprit

import (
	"fmt"
	"math"
)

// weighSize hardly counts: what is taken back is not larger than what is not.
func weighSize(s *scene, c *candidate) (float64, string) {
	if c.Lines <= 0 {
		return 0, "unknown: how many lines"
	}
	text := fmt.Sprintf("%d lines", c.Lines)
	if c.Lines == 1 {
		text = "1 line"
	}
	switch {
	case c.Files == 1:
		text += " in 1 file"
	case c.Files > 1:
		text += fmt.Sprintf(" in %d files", c.Files)
	}
	return min(s.sizeMax, s.sizePerLog*math.Log1p(float64(c.Lines))), text
}
