package timeline

// joint is what the reports that share one commit, digest or delivery hang together by.
type joint struct {
	entries map[*entry]struct{}
	one     string         // the provider of all of them, while it is one
	by      map[string]int // how many of them each provider has, once there are several
}

func newJoint() *joint { return &joint{entries: make(map[*entry]struct{}, 1)} }

func (j *joint) add(e *entry) {
	if _, there := j.entries[e]; there {
		return
	}
	switch provider := e.key.provider; {
	case len(j.entries) == 0:
		j.one = provider
	case j.by != nil:
		j.by[provider]++
	case provider != j.one:
		j.by = map[string]int{j.one: len(j.entries), provider: 1}
	}
	j.entries[e] = struct{}{}
}

func (j *joint) remove(e *entry) {
	if _, there := j.entries[e]; !there {
		return
	}
	delete(j.entries, e)
	if j.by == nil {
		return
	}
	if j.by[e.key.provider]--; j.by[e.key.provider] == 0 {
		delete(j.by, e.key.provider)
	}
	if len(j.by) == 1 {
		for j.one = range j.by {
			j.by = nil
		}
	}
}

// links reports whether a report says anything of the others. Reports of one provider are never merged, and many may share the
// digest of a sidecar; only what is known of a commit is known of all that carry it.
func (j *joint) links(join string) bool { return join[0] == joinCommit || j.by != nil }
