package kubernetes

import (
	"cmp"
	"errors"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const (
	defaultSoak     = 10 * time.Minute
	defaultNotReady = time.Minute
)

type settings struct {
	kube.Scope   `yaml:",inline"`
	ServiceLabel kube.ServiceLabel `yaml:"service_label"`
	Annotations  annotations       `yaml:"annotations"`
	Secrets      *bool             `yaml:"secrets"`
	NotReady     time.Duration     `yaml:"not_ready_after"`
	MinSoak      time.Duration     `yaml:"min_soak"`
	Hold         time.Duration     `yaml:"hold"`
}

// annotations are the keys, of annotations and labels alike, by which a pipeline says what it did; the first that an object has counts.
type annotations struct {
	Author    []string `yaml:"author"`
	Commit    []string `yaml:"commit"`
	ChangeSet []string `yaml:"change_set"`
	URL       []string `yaml:"url"`
	Assisted  []string `yaml:"assisted_by"`
	Cause     []string `yaml:"cause"`
}

func fields() []providers.Field {
	return kube.Fields(systemNamespaces(), []providers.Field{
		kube.ServiceLabel{}.Field(),
		{Name: "annotations", Type: providers.FieldObject, Help: "annotations or labels by which pipelines say what they did; the first that an object or its pod template has counts", Fields: []providers.Field{
			{Name: "author", Type: providers.FieldStrings, Default: defaultAnnotations().Author, Help: "who made the change"},
			{Name: "commit", Type: providers.FieldStrings, Default: defaultAnnotations().Commit, Help: "the commit that was built"},
			{Name: "change_set", Type: providers.FieldStrings, Default: defaultAnnotations().ChangeSet, Help: "what was released together, such as a pull request"},
			{Name: "url", Type: providers.FieldStrings, Default: defaultAnnotations().URL, Help: "a page about the change"},
			{Name: "assisted_by", Type: providers.FieldStrings, Default: defaultAnnotations().Assisted, Help: "which AI tool had a part in it, as in an Assisted-by trailer"},
			{Name: "cause", Type: providers.FieldStrings, Default: defaultAnnotations().Cause, Help: "why, in words"},
		}},
		{Name: "secrets", Type: providers.FieldBool, Default: true, Help: "tell when a Secret's content changed; only a keyed digest of it is kept"},
		{Name: "not_ready_after", Type: providers.FieldDuration, Default: defaultNotReady.String(), Help: "how long a pod may be not ready before it is an alert"},
		{Name: "min_soak", Type: providers.FieldDuration, Default: defaultSoak.String(), Help: "how long a revision must have served to count as known good"},
		{Name: "hold", Type: providers.FieldDuration, Help: "how long all pods must have been ready before that counts at all, beside the hold of the run (default: not at all)"},
	}...)
}

// systemNamespaces are left out unless the settings say what is.
func systemNamespaces() []string { return []string{"kube-system", "kube-public", "kube-node-lease"} }

func defaultAnnotations() annotations {
	return annotations{
		Author:    []string{"backout.dev/author", "app.kubernetes.io/deployed-by", "deploy.author"},
		Commit:    kube.CommitKeys(),
		ChangeSet: []string{"backout.dev/change-set"},
		URL:       []string{"backout.dev/url"},
		Assisted:  []string{"backout.dev/assisted-by"},
		Cause:     []string{"kubernetes.io/change-cause"},
	}
}

func (s *settings) check() error {
	for _, d := range []time.Duration{s.NotReady, s.MinSoak, s.Hold} {
		if d < 0 {
			return errors.New("not_ready_after, min_soak and hold must not be negative")
		}
	}
	def := defaultAnnotations()
	for _, f := range []struct {
		set       *[]string
		otherwise []string
	}{
		{&s.Annotations.Author, def.Author},
		{&s.Annotations.Commit, def.Commit},
		{&s.Annotations.ChangeSet, def.ChangeSet},
		{&s.Annotations.URL, def.URL},
		{&s.Annotations.Assisted, def.Assisted},
		{&s.Annotations.Cause, def.Cause},
	} {
		if len(*f.set) == 0 {
			*f.set = f.otherwise
		}
	}
	if s.Exclude == nil {
		s.Exclude = systemNamespaces()
	}
	s.NotReady, s.MinSoak = cmp.Or(s.NotReady, defaultNotReady), cmp.Or(s.MinSoak, defaultSoak)
	return nil
}
