package gitops

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// stampKey is the annotation by which a reconciler that backout holds back says so: who did, why, since when, and what was set
// before, so that it can be put back also by somebody who has no backout.
const stampKey = "backout.dev/suspended"

// stamp is its value. It has a holder for each measure that needs the reconciler to stay where it is; the last one that goes
// puts back what was there.
type stamp struct {
	Was     json.RawMessage `json:"was"` // null: the field was not there
	Holders []holder        `json:"holders"`
}

type holder struct {
	Op     string    `json:"op"`
	Step   int       `json:"step"`
	For    string    `json:"for,omitempty"` // the application that an ApplicationSet leaves alone
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// stamp reads what backout wrote; nil where it holds nothing back there, or somebody altered that beyond recognition.
func (n *node) stamp() *stamp {
	text, there := n.object.GetAnnotations()[stampKey]
	s := &stamp{}
	if !there || json.Unmarshal([]byte(text), s) != nil || len(s.Holders) == 0 {
		return nil
	}
	return s
}

// token names a holder in a measure.
func (h holder) token() string { return h.Op + "/" + strconv.Itoa(h.Step) }

// of finds the holder of a measure; -1 where there is none.
func (s *stamp) of(m rollback.Measure) int {
	if s == nil {
		return -1
	}
	return slices.IndexFunc(s.Holders, func(h holder) bool {
		if m.Token != "" {
			return h.token() == m.Token
		}
		return h.Op == m.Op && h.For == m.Args[argFor] // the answer that had the token was lost
	})
}

// forSame counts the holders beside one that need the same to stay.
func (s *stamp) others(i int) int {
	n := 0
	for j := range s.Holders {
		if j != i && s.Holders[j].For == s.Holders[i].For {
			n++
		}
	}
	return n
}

// credit says who holds it back.
func (s *stamp) credit(now time.Time) string {
	var parts []string
	for _, h := range s.Holders {
		who := h.By
		if who == "" {
			who = "operation " + h.Op
		}
		parts = append(parts, fmt.Sprintf("%s since %s (%s)", who, providers.Clock(h.At, now), h.Reason))
	}
	return providers.Clean(strings.Join(parts, ", "))
}
