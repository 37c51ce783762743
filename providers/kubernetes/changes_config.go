package kubernetes

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const maxKeys = 64 // of one ConfigMap or Secret that are told apart

// setting is what is kept of an object that has no history of its own: a ConfigMap, a Secret, a CronJob, an autoscaler, and
// the scale of a workload.
type setting struct {
	meta
	version
	always  bool // its writer wrote nothing but this, so that there was a change whatever it was before
	content json.RawMessage
}

// version is what one state of a setting is known by. Keys holds a digest of each value.
type version struct {
	Digest  string            `json:"digest"`
	Summary string            `json:"summary"`
	Keys    map[string]string `json:"keys,omitempty"`
}

// reduceConfigMap gives nil for what a controller writes for itself.
func (p *Provider) reduceConfigMap(o *kube.Object) *setting {
	if o.GetName() == "kube-root-ca.crt" || o.GetAnnotations()["control-plane.alpha.kubernetes.io/leader"] != "" {
		return nil
	}
	data, binary := object(o.Object, "data"), object(o.Object, "binaryData")
	s := &setting{meta: p.meta(o, "configmap", nil), version: p.content(nil, data, binary), always: true}
	s.writer = later(writerOf(o, "data"), writerOf(o, "binaryData"))
	if raw, err := json.Marshal(map[string]any{"data": data, "binaryData": binary}); err == nil {
		s.content = raw
	}
	return s
}

// reduceSecret keeps keyed digests alone.
func (p *Provider) reduceSecret(key []byte) func(o *kube.Object) *setting {
	return func(o *kube.Object) *setting {
		s := &setting{meta: p.meta(o, "secret", nil), version: p.content(key, object(o.Object, "data"), nil), always: true}
		s.writer = writerOf(o, "data")
		return s
	}
}

func (p *Provider) content(key []byte, parts ...map[string]any) version {
	digest := func(v any) string { return contentDigest(sha256.New(), v) }
	if key != nil {
		digest = func(v any) string { return keyedDigest(key, v) }
	}
	v := version{Digest: digest(parts), Keys: map[string]string{}}
	v.Summary = short(v.Digest)
	for _, part := range parts {
		for _, k := range slices.Sorted(maps.Keys(part)) {
			if len(v.Keys) < maxKeys {
				v.Keys[providers.Clean(k)] = short(digest(part[k]))
			}
		}
	}
	return v
}

func later(a, b writer) writer {
	if b.at.After(a.at) {
		return b
	}
	return a
}

func (p *Provider) reduceCronJob(o *kube.Object) *setting {
	template := object(o.Object, "spec", "jobTemplate", "spec", "template")
	s := &setting{meta: p.meta(o, "cronjob", template)}
	s.writer = writerOf(o, "spec")
	suspended, _ := object(o.Object, "spec")["suspend"].(bool)
	s.Summary = strings.TrimSpace(shortImages(strings.Join(imagesOf(template), " ")) + " at " + strconv.Quote(text(o.Object, "spec", "schedule")))
	if suspended {
		s.Summary += ", suspended"
	}
	s.Digest = contentDigest(sha256.New(), object(o.Object, "spec"))
	return s
}

func (p *Provider) reduceAutoscaler(o *kube.Object) *setting {
	s := &setting{meta: p.meta(o, "hpa", nil)}
	s.writer = writerOf(o, "spec")
	s.Summary = fmt.Sprintf("%d to %d replicas", number(o.Object, 1, "spec", "minReplicas"), number(o.Object, 0, "spec", "maxReplicas"))
	s.Digest = contentDigest(sha256.New(), object(o.Object, "spec"))
	s.service = p.set.ServiceLabel.Of(o.GetLabels(), text(o.Object, "spec", "scaleTargetRef", "name"))
	return s
}

// scale is how many replicas of a workload are wanted; nil where nothing says.
func (w *workload) scale() *setting {
	if w.replicas < 0 {
		return nil
	}
	s := &setting{meta: w.meta, always: w.scaler.scale}
	s.kind, s.writer, s.told = w.kind+".scale", w.scaler, told{}
	s.Digest = strconv.FormatInt(w.replicas, 10)
	s.Summary = s.Digest + " replicas"
	return s
}

// edit is the last change of a setting; false where none is known: it is as it was made.
func (p *Provider) edit(s *setting, before *version) (providers.Change, bool) {
	at := s.writer.at
	switch {
	case before != nil && before.Digest == s.Digest:
		before = nil
		fallthrough
	case before == nil:
		if !s.always || at.IsZero() || at.Sub(s.created) <= time.Second {
			return providers.Change{}, false
		}
	case at.IsZero():
		at = p.now().UTC()
	}
	kind, name, noun := providers.KindConfig, s.name, s.kind
	if owner, ok := strings.CutSuffix(s.kind, ".scale"); ok {
		kind, noun = providers.KindScale, owner
	}
	if s.kind == "hpa" {
		kind = providers.KindScale
	}
	c := providers.Change{
		ID: fmt.Sprintf("%s@%d.%s", p.settingID(s.place), at.Unix(), short(s.Digest)), Provider: p.name, Kind: kind, Service: s.service,
		Environment: p.cluster.EnvironmentOf(s.namespace), Unit: string(p.unitID(noun, s.namespace, name)), EffectiveFrom: at, To: s.Summary,
		Author: s.writer.author(s.told), Commit: s.told.commit, ChangeSet: s.told.changeSet, URL: s.told.url, Title: noun + " " + name + ": " + s.Summary,
		Within: s.within(s.writer),
	}
	if before != nil {
		c.From = before.Summary
		c.Title = noun + " " + name + ": " + before.Summary + " → " + s.Summary
	}
	s.describe(&c, before)
	if s.told.cause != "" {
		c.Title += " (" + s.told.cause + ")"
	}
	c.Assistance = s.told.assistance(at)
	providers.CleanChange(&c)
	return c, true
}

// describe says of a ConfigMap or Secret which of its keys changed.
func (s *setting) describe(c *providers.Change, before *version) {
	if s.kind != "configmap" && s.kind != "secret" {
		return
	}
	c.Title = s.kind + " " + s.name + " changed"
	if before != nil {
		c.Paths = kube.Differing(before.Keys, s.Keys)
		c.Title += ": " + strings.Join(c.Paths, ", ")
	}
	if s.kind == "configmap" { // the keyed digest of a Secret is nobody else's
		c.Artifacts = []string{s.Digest}
	}
}

func (p *Provider) settingID(at place) string {
	return string(p.unitID(at.kind, at.namespace, at.name))
}

// gone is the change that an object's deletion is.
func (p *Provider) gone(m *meta) providers.Change {
	kind := providers.KindConfig
	if m.kind == "deployment" || m.kind == "statefulset" || m.kind == "daemonset" {
		kind = providers.KindDeploy
	}
	at := p.now().UTC().Truncate(time.Second)
	c := providers.Change{
		ID: fmt.Sprintf("%s@%d.deleted", p.settingID(m.place), at.Unix()), Provider: p.name, Kind: kind, Service: m.service,
		Environment: p.cluster.EnvironmentOf(m.namespace), Unit: p.settingID(m.place), EffectiveFrom: at, Title: m.kind + " " + m.name + " was deleted",
		Status: "deleted",
	}
	providers.CleanChange(&c)
	return c
}
