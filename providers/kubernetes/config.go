package kubernetes

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

const configKind = "configmap"

// config is a ConfigMap as it is right now.
type config struct {
	id      rollback.UnitID
	object  *kube.Object
	setting *setting
	whole   json.RawMessage
}

func (c *config) at() place { return c.setting.place }

func (c *config) immutable() bool {
	yes, _ := c.object.Object["immutable"].(bool)
	return yes
}

// since is when its content was written, as far as the API server tells.
func (c *config) since() time.Time { return cmp.Or(c.setting.writer.at, c.setting.created) }

func (c *config) stamp() string {
	op, _, digest := stampOf(c.object.GetAnnotations())
	if digest != c.setting.Digest {
		return ""
	}
	return op
}

// isConfig takes the id of a ConfigMap's unit apart.
func (p *Provider) isConfig(id rollback.UnitID) (namespace, name string, ok bool) {
	rest, mine := strings.CutPrefix(string(id), p.name+":")
	namespace, name, found := strings.Cut(rest, "/")
	name, is := strings.CutPrefix(name, configKind+".")
	return namespace, name, mine && found && is && namespace != "" && name != ""
}

// config reads a ConfigMap. One that is not there, or that a controller writes for itself, is rollback.ErrNotFound.
func (p *Provider) config(ctx context.Context, id rollback.UnitID) (*config, error) {
	namespace, name, _ := p.isConfig(id)
	o, err := p.cluster.Get(ctx, configMaps, namespace, name)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, fmt.Errorf("unit %s: %w: %w", id, rollback.ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	if o.GetKind() != "ConfigMap" || o.GetUID() == "" {
		return nil, fmt.Errorf("%s: what the API server gave is no ConfigMap", id)
	}
	c := p.readConfig(o)
	if c == nil {
		return nil, fmt.Errorf("unit %s: %w: its controller writes it for itself", id, rollback.ErrNotFound)
	}
	return c, nil
}

func (p *Provider) readConfig(o *kube.Object) *config {
	s := p.reduceConfigMap(o)
	if s == nil {
		return nil
	}
	c := &config{id: p.unitID(configKind, o.GetNamespace(), o.GetName()), object: o, setting: s, whole: s.content}
	return c
}

// configsIn are the ConfigMaps of a namespace. That they may not be read is on the health line and hides no workload.
func (p *Provider) configsIn(ctx context.Context, namespace string, yield func(rollback.Unit, error) bool) bool {
	for o, err := range p.cluster.List(ctx, configMaps, namespace, kube.Selection{}) {
		if err != nil && providers.ClassOf(err) == providers.ClassPermanent {
			return true
		}
		if err != nil {
			return yield(rollback.Unit{}, err)
		}
		if _, _, controlled := controller(o); controlled != "" || !p.cluster.Covers(o.GetNamespace()) {
			continue
		}
		if c := p.readConfig(o); c != nil && !yield(p.describeConfig(c), nil) {
			return false
		}
	}
	return true
}

func (p *Provider) describeConfig(c *config) rollback.Unit {
	return rollback.Unit{
		ID: c.id, Kind: configKind, Service: c.setting.service, Environment: p.cluster.EnvironmentOf(c.setting.namespace), CAS: rollback.CASAtomic,
	}
}

// observeConfig is Observe for a ConfigMap: what it holds, and what it was seen to hold before.
func (p *Provider) observeConfig(ctx context.Context, id rollback.UnitID) (rollback.Observation, error) {
	c, err := p.config(ctx, id)
	if err != nil {
		return rollback.Observation{}, err
	}
	held, err := p.holdings(ctx, c)
	if err != nil {
		return rollback.Observation{}, err
	}
	lives, err := p.recent(ctx, c.setting.namespace)
	if err != nil {
		return rollback.Observation{}, err
	}
	readers, err := p.reading(ctx, c.at(), lives)
	if err != nil {
		return rollback.Observation{}, err
	}
	held = p.attest(ctx, c, held, readers)
	obs := rollback.Observation{
		Unit: p.describeConfig(c), At: p.now().UTC(), Frozen: p.frozen(c.object.GetAnnotations()), Token: configToken(c), Stamp: c.stamp(), Owners: kube.OwnerWords(kube.OwnersOf(c.object)),
	}
	for i := range held {
		until := time.Time{}
		if i < len(held)-1 {
			until = held[i+1].Since
		}
		r := p.contentRevision(&held[i], until, readers)
		if i == len(held)-1 {
			obs.Current = r
		} else {
			obs.History = append(obs.History, r)
		}
	}
	slices.Reverse(obs.History)
	if obs.Raw, err = json.Marshal(struct {
		Readers   []string          `json:"read_by"`
		Keys      map[string]string `json:"keys"` // with the digest of each value
		Immutable bool              `json:"immutable,omitempty"`
	}{names(readers), c.setting.Keys, c.immutable()}); err != nil {
		return obs, fmt.Errorf("%s: %w", id, err)
	}
	return obs, nil
}

func (p *Provider) contentRevision(c *content, until time.Time, readers []reader) rollback.Revision {
	return rollback.Revision{Digest: c.Digest, Label: short(c.Digest), Commit: c.Commit, Since: c.Since, Until: until, Good: p.contentEvidence(c, until, readers)}
}

// holdings are the contents that a ConfigMap was seen with, oldest first; the last is what it holds now.
func (p *Provider) holdings(ctx context.Context, c *config) ([]content, error) {
	held, err := p.chronicle.contents(ctx, c.at())
	if err != nil {
		return nil, err
	}
	now := content{Digest: c.setting.Digest, SeenAt: p.now().UTC(), Since: c.since(), Commit: c.setting.told.commit, Data: c.whole}
	if n := len(held); n > 0 && held[n-1].Digest == now.Digest {
		return held, nil
	}
	if err := p.chronicle.keepContent(ctx, c.at(), now); err != nil && ctx.Err() == nil {
		p.Note("what " + c.at().String() + " holds is not kept: " + err.Error())
	}
	held = slices.DeleteFunc(held, func(h content) bool { return h.Digest == now.Digest })
	return append(held, now), nil
}

// configToken is what a patch compares with: which object it is, what it holds, and any write to it since. Nobody writes a
// ConfigMap as often as a status is written, so that even what was changed and changed back within a second is seen.
func configToken(c *config) string {
	h := sha256.New()
	for _, s := range []string{string(c.object.GetUID()), c.setting.Digest, c.object.GetResourceVersion()} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}
