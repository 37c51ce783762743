package rollouts

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pace is how long a Rollout takes to bring a revision in, as far as its strategy says.
type pace struct {
	fast    string        // why its steps are skipped; "" where they are not
	pauses  time.Duration // the sum of those that end by themselves
	waits   int           // pauses that only a person ends
	judged  int           // analyses, experiments and plugins, whose time nobody knows
	weights []string
}

// paceOf works out what the way to a revision takes; to is nil where it has no ReplicaSet any more.
func (s *sight) paceOf(to *set, now time.Time) pace {
	if why := s.inWindow(to); why != "" {
		return pace{fast: why}
	}
	if bg := s.Spec.Strategy.BlueGreen; bg != nil {
		if to != nil && to.deadline.After(now) && to.replicas >= s.replicas() {
			return pace{fast: fmt.Sprintf("its pods still run until %s (scaleDownDelaySeconds)", to.deadline.Format("15:04:05 UTC"))}
		}
		p := pace{pauses: time.Duration(bg.AutoPromotionSeconds) * time.Second}
		if bg.AutoPromotion != nil && !*bg.AutoPromotion && bg.AutoPromotionSeconds == 0 {
			p.waits++
		}
		if len(bg.PrePromotion) > 0 {
			p.judged++
		}
		return p
	}
	var p pace
	if s.Spec.Strategy.Canary == nil {
		return p
	}
	for _, step := range s.Spec.Strategy.Canary.Steps {
		p.add(step)
	}
	return p
}

func (p *pace) add(s step) {
	switch {
	case s.SetWeight != nil:
		p.weights = append(p.weights, strconv.FormatInt(*s.SetWeight, 10)+"%")
	case s.Pause != nil:
		if d, ok := duration(s.Pause.Duration); ok {
			p.pauses += d
		} else {
			p.waits++
		}
	case s.Analysis != nil, s.Experiment != nil, s.Plugin != nil:
		p.judged++
	}
}

// duration reads a pause: a number of seconds, or a Go duration. None is a pause that only a person ends.
func duration(v any) (time.Duration, bool) {
	switch v := v.(type) {
	case int64:
		return time.Duration(v) * time.Second, true
	case float64:
		return time.Duration(v * float64(time.Second)), true
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return time.Duration(n) * time.Second, true
		}
		if d, err := time.ParseDuration(v); err == nil {
			return d, true
		}
	}
	return 0, false
}

// inWindow says whether rollbackWindow lets the way back skip its steps, by the controller's own rule: fewer than so many
// revisions were made between the target and the stable one.
func (s *sight) inWindow(to *set) string {
	stable, w := s.stable(), s.Spec.RollbackWindow
	if w == nil || w.Revisions <= 0 || to == nil || to.archived || stable == nil || !to.created.Before(stable.created) {
		return ""
	}
	between := int64(0)
	for _, x := range s.sets {
		if !x.archived && x.created.After(to.created) && x.created.Before(stable.created) {
			between++
		}
	}
	if between >= w.Revisions {
		return ""
	}
	return fmt.Sprintf("rollbackWindow covers it (%d of fewer than %d revisions between)", between, w.Revisions)
}

// slow reports whether anything is waited for.
func (p pace) slow() bool { return p.pauses > 0 || p.waits > 0 || p.judged > 0 || len(p.weights) > 0 }

// words say what the way takes, for a person.
func (p pace) words() string {
	switch {
	case p.fast != "":
		return "its steps are skipped: " + p.fast
	case !p.slow():
		return ""
	}
	parts := []string{"it is rolled out like any new revision"}
	if len(p.weights) > 0 {
		parts[0] += " by " + strings.Join(p.weights, ", ")
	}
	if p.pauses > 0 {
		parts = append(parts, fmt.Sprintf("pauses of %s in all", p.pauses))
	}
	if p.waits > 0 {
		parts = append(parts, fmt.Sprintf("%d times it waits until somebody promotes it", p.waits))
	}
	if p.judged > 0 {
		parts = append(parts, fmt.Sprintf("%d analyses, experiments or plugins whose time is not known", p.judged))
	}
	return strings.Join(parts, "; ")
}

// estimate is the sum of the pauses; zero where it cannot be known.
func (p pace) estimate() time.Duration {
	if p.waits > 0 || p.judged > 0 {
		return 0
	}
	return p.pauses
}
