package demo

import (
	"bytes"
	_ "embed" // the configuration is a file of its own
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"text/template"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

//go:embed backout.yaml.tmpl
var configText string

//go:embed kubernetes/backout.yaml.tmpl
var clusterConfigText string

// unit is a service that has releases, with what somebody outside asks it.
type unit struct{ Name, Check, URL string }

// units are the services that have releases, with the question that its probe and its check after a rollback ask.
func units(addr func(service string) string) []unit {
	cart := shop.Carts()[0].Encode()
	ask := func(service, path, query string) string {
		return (&url.URL{Scheme: "http", Host: addr(service), Path: path, RawQuery: query}).String()
	}
	user := url.Values{"user": {"ada"}}.Encode()
	return []unit{
		{shop.Storefront, "storefront cart page", ask(shop.Storefront, "/cart", user+"&"+cart)},
		{shop.Login, "login session", ask(shop.Login, "/session", user)},
		{shop.Orders, "orders quote", ask(shop.Orders, "/quote", cart)},
		{shop.Pricing, "pricing price", ask(shop.Pricing, "/price", cart)},
	}
}

// writeConfig writes the backout.yaml of a shop that can be reached.
func writeConfig(path string, s scenario, addr func(service string) string) error {
	text := configText
	if s.clustered {
		text = clusterConfigText
	}
	t, err := template.New("backout.yaml").Funcs(template.FuncMap{"quote": quote}).Parse(text)
	if err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	since := harmless()[0].age + s.quiet + 10*time.Minute
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Since   time.Duration
		Edges   []edge
		Units   []unit
		Extra   []string // units that nobody asks
		PriceDB string
		Flags   string // where the flag service is; "" there is none, and no database
	}{since, s.edges, units(addr), s.extra(), addr(shop.PriceDB), addr(shop.Flags)})
	if err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	return nil
}

// quote writes a string as JSON does, which YAML reads as well.
func quote(s string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return "", fmt.Errorf("quote: %w", err)
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}
