package demo

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

//go:embed kubernetes
var manifests embed.FS

const (
	namespace = "shop"
	registry  = "registry.test/shop/"
	// firstVersion is the version of the oldest image.
	firstVersion = "2.38."
)

// shipped is what was last released of a service.
type shipped struct {
	service, version, commit, changeSet, title, author string
}

// byHelm are the services that are deployed as Helm releases, in the order in which they may start; the others are plain
// Deployments.
func byHelm() []string { return []string{shop.Login, shop.Storefront} }

// asks are the services that each asks.
func asks() map[string][]string {
	return map[string][]string{
		shop.Pricing: {shop.PriceDB}, shop.Orders: {shop.Pricing}, shop.Storefront: {shop.Login, shop.Pricing, shop.Orders},
	}
}

// release builds a service's image from the repository as it stands and, once the cluster runs, deploys it.
func (c *cluster) release(ctx context.Context, r *repository, service string, l landing, _ time.Time) error {
	title, _, _ := strings.Cut(l.title(), "\n")
	s := shipped{
		service: service, version: fmt.Sprintf("%s%d", firstVersion, c.builds), commit: r.head, changeSet: l.changeSet, title: title, author: account(l.author),
	}
	c.builds++
	archive, err := r.git(ctx, nil, "archive", "--format=tar", r.head+":services/"+service)
	if err == nil {
		err = c.image(s, archive)
	}
	if err != nil {
		return fmt.Errorf("build the image of %s: %w", service, err)
	}
	c.newest[service] = s
	if !c.running {
		return nil
	}
	return c.deploy(ctx, s)
}

// image writes an image: a directory with the release's files, and what starts it.
func (c *cluster) image(s shipped, archive []byte) error {
	dir := filepath.Join(c.at("images"), filepath.FromSlash(registry+s.service), s.version)
	release := filepath.Join(dir, s.version)
	if err := os.MkdirAll(release, 0o755); err != nil {
		return err
	}
	if archive != nil {
		err := errors.Join(
			unpack(bytes.NewReader(archive), release),
			os.WriteFile(filepath.Join(release, "REVISION"), []byte(s.commit+"\n"), 0o644),
			os.Symlink(s.version, filepath.Join(dir, "current")),
		)
		if err != nil {
			return err
		}
	}
	config, err := json.Marshal(map[string]any{"entrypoint": []string{c.self, ChildCommand, "service", "--name", s.service, "--dir", "."}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "image.json"), config, 0o644)
}

// annotation is one annotation by which a pipeline says what it did.
type annotation struct{ Key, Value string }

func (s shipped) annotations() []annotation {
	all := []annotation{
		{"kubernetes.io/change-cause", s.title},
		{"backout.dev/author", s.author},
		{"backout.dev/commit", s.commit},
		{"backout.dev/change-set", s.changeSet},
	}
	return slices.DeleteFunc(all, func(a annotation) bool { return a.Value == "" })
}

func (s shipped) image() string { return registry + s.service + ":" + s.version }

// deploy hands a release to the cluster, as a pipeline does that does not wait for what comes of it.
func (c *cluster) deploy(ctx context.Context, s shipped) error {
	if slices.Contains(byHelm(), s.service) {
		return c.upgrade(ctx, s)
	}
	manifest, err := s.manifest()
	if err == nil {
		_, err = c.call(ctx, manifest, "kubectl", "apply", "-f", "-")
	}
	if err != nil {
		return fmt.Errorf("deploy %s: %w", s.service, err)
	}
	return nil
}

// manifest is the Deployment of a service.
func (s shipped) manifest() (string, error) {
	t, err := template.New("deployment.yaml.tmpl").Funcs(template.FuncMap{"quote": quote}).ParseFS(manifests, "kubernetes/deployment.yaml.tmpl")
	if err != nil {
		return "", err
	}
	type asked struct{ Service, Variable string }
	data := struct {
		Service, Image string
		Replicas       int
		TCP            bool
		Annotations    []annotation
		Asks           []asked
	}{s.service, s.image(), 2, s.service == shop.PriceDB, s.annotations(), nil}
	if data.TCP {
		data.Replicas = 1
	}
	for _, other := range asks()[s.service] {
		data.Asks = append(data.Asks, asked{other, strings.ToUpper(other)})
	}
	var b bytes.Buffer
	err = t.Execute(&b, data)
	return b.String(), err
}

// upgrade installs or upgrades a Helm release.
func (c *cluster) upgrade(ctx context.Context, s shipped) error {
	chart := filepath.Join(c.at("charts"), s.service)
	if err := s.chart(chart); err != nil {
		return fmt.Errorf("write the chart of %s: %w", s.service, err)
	}
	args := []string{"upgrade", "--install", s.service, chart, "--namespace", namespace, "--set", "image=" + s.image()}
	for i, other := range asks()[s.service] {
		args = append(args, "--set", fmt.Sprintf("asks[%d]=%s", i, other))
	}
	if _, err := c.call(ctx, "", "helm", args...); err != nil {
		return fmt.Errorf("deploy %s: %w", s.service, err)
	}
	return nil
}

// chart writes the chart of a service, whose own file says what it is of.
func (s shipped) chart(dir string) error {
	from, err := fs.Sub(manifests, "kubernetes/chart")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.CopyFS(dir, from); err != nil {
		return err
	}
	annotations := map[string]string{}
	for _, a := range s.annotations() {
		annotations[a.Key] = a.Value
	}
	about, err := json.Marshal(map[string]any{ // YAML as well
		"apiVersion": "v2", "name": s.service, "version": s.version, "appVersion": s.version, "annotations": annotations,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "Chart.yaml"), about, 0o644)
}

// deployAll deploys the newest release of every service and waits until all of it serves.
func (c *cluster) deployAll(ctx context.Context) error {
	c.say("deploying the shop: pricedb, pricing and orders as Deployments, login and storefront with Helm")
	store := shipped{service: shop.PriceDB, version: "1.0.0", title: "The price store"}
	if err := c.image(store, nil); err != nil {
		return fmt.Errorf("build the image of %s: %w", store.service, err)
	}
	base, err := manifests.ReadFile("kubernetes/base.yaml")
	if err != nil {
		return err
	}
	if _, err := c.call(ctx, string(base), "kubectl", "apply", "-f", "-"); err != nil {
		return err
	}
	c.running = true
	for _, s := range []shipped{store, c.newest[shop.Pricing], c.newest[shop.Orders], c.newest[shop.Login], c.newest[shop.Storefront]} {
		if err := c.deploy(ctx, s); err != nil {
			return err
		}
	}
	services := []string{shop.PriceDB, shop.Pricing, shop.Orders, shop.Login, shop.Storefront}
	for _, s := range services {
		if err := c.complete(ctx, s); err != nil {
			return err
		}
	}
	return c.locate(ctx, services...)
}

// complete waits until the newest release of a service is all that serves.
func (c *cluster) complete(ctx context.Context, service string) error {
	_, err := c.call(ctx, "", "kubectl", "-n", namespace, "rollout", "status", "deployment/"+service, "--timeout=55s")
	return err
}

// stands waits until the newest release of a service has a pod that runs and is not ready.
func (c *cluster) stands(ctx context.Context, service string) error {
	image := c.newest[service].image()
	return c.until(ctx, "a pod of "+image+" is asked and not ready", func() (bool, error) {
		out, err := c.call(ctx, "", "kubectl", "-n", namespace, "get", "pods", "-l", "app="+service, "-o",
			`jsonpath={range .items[*]}{.spec.containers[0].image} {.status.phase} {.status.containerStatuses[0].ready}{"\n"}{end}`)
		return strings.Contains(string(out), image+" Running false"), err
	})
}
