package helm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Statuses of a release that decide something here; Helm's pkg/release/common has them all.
const (
	statusDeployed     = "deployed"
	statusSuperseded   = "superseded"
	statusFailed       = "failed"
	statusUninstalled  = "uninstalled"
	statusUninstalling = "uninstalling"
	pendingPrefix      = "pending-"
)

// stampPrefix begins the description of a record that backout had made; what follows it up to a blank or a colon is operation and step.
const stampPrefix = "backout op="

var (
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// record is what is kept of one release record. The manifest is not: it is read again where it is needed.
type record struct {
	coordinates
	object   string // the name of the Secret or ConfigMap
	uid      string
	version  string // of the object
	payload  string // hex SHA-256 of what is stored
	revision int
	status   string
	broken   error // why the rest is not known
	digest   string
	title    string
	chart    string
	chartVer string
	appVer   string
	about    string // Helm's description, cleaned
	stamp    string // the operation and step of backout that made it, "OPERATION.STEP"
	at       time.Time
	deleted  time.Time
	backTo   int // the revision that it is a rollback to; 0: it is none, or Helm did not say
	hints    map[string]string
}

func (r *record) pending() bool {
	return strings.HasPrefix(r.status, pendingPrefix) || r.status == statusUninstalling
}

// operation is that of the stamp: a plan has one step for a release.
func (r *record) operation() string {
	op, _, _ := strings.Cut(r.stamp, ".")
	return op
}

func (r *record) key() string { return r.namespace + "/" + r.release }

// label is what people call a revision.
func (r *record) label() string { return "v" + strconv.Itoa(r.revision) }

// resource is where the records are.
func (p *Provider) resource() kube.Resource {
	if p.s.Driver == inConfigMaps {
		return configMaps
	}
	return secrets
}

// payload is what Helm stored, as Helm's own drivers see it.
func (p *Provider) payload(o *kube.Object) ([]byte, error) {
	text, _, err := unstructured.NestedString(o.Object, "data", "release")
	switch {
	case err != nil || text == "":
		return nil, fmt.Errorf("%s/%s holds no release", o.GetNamespace(), o.GetName())
	case p.s.Driver == inConfigMaps:
		return []byte(text), nil
	}
	return base64.StdEncoding.DecodeString(text)
}

// read makes a record of an object; nil where it is none of Helm's, or not to be looked at. An object that did not change is not unpacked again.
func (p *Provider) read(o *kube.Object) *record {
	labels := o.GetLabels()
	revision, err := strconv.Atoi(labels["version"])
	if !p.cluster.Covers(o.GetNamespace()) || labels["owner"] != "helm" || labels["name"] == "" || err != nil || revision < 1 {
		return nil
	}
	p.mu.Lock()
	known := p.records[string(o.GetUID())]
	p.mu.Unlock()
	if known != nil && known.version == o.GetResourceVersion() {
		return known
	}
	r := &record{
		coordinates: coordinates{o.GetNamespace(), labels["name"]}, object: o.GetName(), uid: string(o.GetUID()),
		version: o.GetResourceVersion(), revision: revision, status: providers.Clean(labels["status"]), at: o.GetCreationTimestamp().UTC(), hints: labels,
	}
	if full, err := p.full(o, r); err != nil {
		r.broken = err
	} else {
		r.fill(full)
	}
	p.mu.Lock()
	p.records[r.uid] = r
	p.mu.Unlock()
	return r
}

// full unpacks a record.
func (p *Provider) full(o *kube.Object, r *record) (*release, error) {
	payload, err := p.payload(o)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(payload)
	r.payload = hex.EncodeToString(sum[:])
	full, err := unpack(payload)
	if err != nil {
		return nil, fmt.Errorf("release record %s/%s: %w", o.GetNamespace(), o.GetName(), err)
	}
	if r.digest, err = full.digest(); err != nil {
		return nil, err
	}
	return full, nil
}

func (r *record) fill(full *release) {
	m := &full.Chart.Metadata
	r.status = providers.Clean(full.Info.Status)
	r.title, r.about = providers.Clean(full.title()), providers.Clean(full.Info.Description)
	r.chart, r.chartVer, r.appVer = providers.Clean(m.Name), providers.Clean(m.Version), providers.Clean(m.AppVersion)
	r.backTo, r.deleted = full.Info.RollbackRevision, full.Info.Deleted.Time
	if !full.Info.LastDeployed.IsZero() {
		r.at = full.Info.LastDeployed.Time
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(r.about, "Rollback to ")); err == nil && r.backTo == 0 {
		r.backTo = n // of Helm 3
	}
	if rest, ours := strings.CutPrefix(r.about, stampPrefix); ours {
		r.stamp, _, _ = strings.Cut(strings.ReplaceAll(rest, ":", " "), " ")
	}
	hints := map[string]string{}
	for k, v := range m.Annotations {
		hints[k] = v
	}
	for k, v := range r.hints {
		hints[k] = v
	}
	r.hints = hints
}

// history reads every record of one release, the newest first.
func (p *Provider) history(ctx context.Context, c coordinates) ([]*record, error) {
	var out []*record
	for o, err := range p.cluster.List(ctx, p.resource(), c.namespace, kube.Selection{Labels: "owner=helm,name=" + c.release}) {
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", p.id(c), err)
		}
		if r := p.read(o); r != nil {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w: there is no such Helm release in %s", p.id(c), rollback.ErrNotFound, p.cluster.Context())
	}
	newestFirst(out)
	return out, nil
}

func newestFirst(records []*record) {
	slices.SortFunc(records, func(a, b *record) int { return cmp.Compare(b.revision, a.revision) })
}

// all reads every record that may be read, by release, the newest first.
func (p *Provider) all(ctx context.Context) (map[string][]*record, error) {
	out := map[string][]*record{}
	for _, namespace := range p.cluster.Namespaces() {
		for o, err := range p.cluster.List(ctx, p.resource(), namespace, kube.Selection{Labels: "owner=helm"}) {
			if err != nil {
				return nil, p.hint(err)
			}
			if r := p.read(o); r != nil {
				out[r.key()] = append(out[r.key()], r)
			}
		}
	}
	for _, records := range out {
		newestFirst(records)
	}
	p.forget(out)
	return out, nil
}

// hint says what a user without the right to see everything can do.
func (p *Provider) hint(err error) error {
	if providers.ClassOf(err) == providers.ClassPermanent && !p.cluster.Limited() {
		return providers.Permanent(fmt.Errorf("%w: name the namespaces that you may read in the setting namespaces", err))
	}
	return err
}

// forget drops what was kept of records that are gone.
func (p *Provider) forget(there map[string][]*record) {
	known := map[string]bool{}
	for _, records := range there {
		for _, r := range records {
			known[r.uid] = true
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for uid := range p.records {
		if !known[uid] {
			delete(p.records, uid)
		}
	}
}

// content reads one record whole. It must still be what it was.
func (p *Provider) content(ctx context.Context, r *record) (*release, error) {
	o, err := p.cluster.Get(ctx, p.resource(), r.namespace, r.object)
	if err != nil {
		return nil, fmt.Errorf("read revision %d: %w", r.revision, err)
	}
	var now record
	full, err := p.full(o, &now)
	if err != nil {
		return nil, err
	}
	if now.digest != r.digest {
		return nil, fmt.Errorf("revision %d of %s changed while it was looked at: plan anew", r.revision, p.id(r.coordinates))
	}
	return full, nil
}
