package unleash

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
	"github.com/backout-dev/backout/rollback"
)

// permission is something that whoever has the token may do; Project and Environment are "" where it holds in all of them.
type permission struct {
	Permission  string `json:"permission"`
	Project     string `json:"project"`
	Environment string `json:"environment"`
}

// What Unleash asks for.
const (
	mayAll    = "ADMIN"
	mayTag    = "UPDATE_FEATURE"
	maySwitch = "UPDATE_FEATURE_ENVIRONMENT"
	mayAdd    = "CREATE_FEATURE_STRATEGY"
	mayAlter  = "UPDATE_FEATURE_STRATEGY"
	mayRemove = "DELETE_FEATURE_STRATEGY"
)

// needs are the permissions that the calls from one configuration to another take, and the tag that says who makes them.
func needs(from, to configuration) []string {
	out := []string{mayTag}
	for _, c := range calls(from, to) {
		need := maySwitch
		if strings.HasPrefix(c.path, "/strategies") {
			need = map[string]string{http.MethodPost: mayAdd, http.MethodPut: mayAlter, http.MethodDelete: mayRemove}[c.method]
		}
		if !slices.Contains(out, need) {
			out = append(out, need)
		}
	}
	return out
}

// ProbePlan implements rollback.Prober: a plan asks only for what it reads, this asks whether the token may write, and alters nothing.
func (p *Provider) ProbePlan(ctx context.Context, obs rollback.Observation, to rollback.Revision) ([]rollback.Look, error) {
	s, err := p.look(ctx, obs.Unit.ID)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", obs.Unit.ID, err)
	}
	target, ok := s.find(to)
	if !ok {
		return []rollback.Look{rollback.NotThere(rollback.LostArtifact, "the configuration to go back to", "Unleash's event log does not tell any more what "+to.Label+" was")}, nil
	}
	there := rollback.There(rollback.LostArtifact, "the configuration to go back to")
	const what = "whether the token may do it"
	var mine struct {
		Permissions []permission `json:"permissions"`
	}
	_, err = p.api.Aside(ctx, "/api/admin/user", nil, func(body io.Reader) error { return httpapi.JSON(body, &mine) })
	switch {
	case err != nil && providers.ClassOf(err) == providers.ClassAuth:
		return []rollback.Look{there, rollback.NotThere(rollback.LostRight, what, providers.Clean(err.Error()))}, nil
	case err != nil:
		return []rollback.Look{there, rollback.NotSeen(rollback.LostRight, what, providers.Clean(err.Error()))}, nil
	}
	var missing []string
	for _, need := range needs(s.now, target) {
		if !slices.ContainsFunc(mine.Permissions, func(has permission) bool { return has.covers(need, s.project, s.env) }) {
			missing = append(missing, need)
		}
	}
	if len(missing) > 0 {
		text := fmt.Sprintf("no permission %s in %s of project %s: use a token that has it", strings.Join(missing, ", "), s.env, s.project)
		return []rollback.Look{there, rollback.NotThere(rollback.LostRight, what, providers.Clean(text))}, nil
	}
	return []rollback.Look{there, rollback.There(rollback.LostRight, what)}, nil
}

func (has permission) covers(need, project, environment string) bool {
	return has.Permission == mayAll || has.Permission == need &&
		(has.Project == "" || has.Project == "*" || has.Project == project) && (has.Environment == "" || has.Environment == environment)
}
