package shop

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// pricingSettings are the files of a pricing release.
type pricingSettings struct {
	Serves           []string `json:"serves"` // API versions, oldest first
	PriceDBTimeoutMS int      `json:"pricedb_timeout_ms"`
	currencies       map[string]currency
	discounts        discounts
	limits           limits
}

// currency says how an amount in euro cents becomes one in this currency. Version 2 of the API gives amounts in minor
// units and needs MinorUnits; version 1 gives text with Digits decimals.
type currency struct {
	RateMillionths int64  `json:"rate_millionths"`
	Digits         int    `json:"digits"`
	MinorUnits     *int   `json:"minor_units"`
	Rounding       string `json:"rounding"`
}

type discounts struct {
	Bulk struct {
		FromQuantity int   `json:"from_quantity"`
		Percent      int64 `json:"percent"`
	} `json:"bulk"`
}

// limits guard against totals that can only be a mistake, in minor units.
type limits struct {
	MaxCartTotal map[string]int64 `json:"max_cart_total"`
}

func loadPricing(dir string) (pricingSettings, error) {
	var s pricingSettings
	err := errors.Join(
		readJSON(dir, "service.json", &s),
		readJSON(dir, "currencies.json", &s.currencies),
		readJSON(dir, "discounts.json", &s.discounts),
		readJSON(dir, "limits.json", &s.limits),
	)
	return s, err
}

// priced is the answer of both versions of the API; a caller checks API before it reads an amount.
type priced struct {
	API        string `json:"api"`
	Currency   string `json:"currency"`
	Total      string `json:"total,omitempty"`       // v1: "88.95"
	TotalMinor *int64 `json:"total_minor,omitempty"` // v2: 8895
}

type pricing struct {
	*site[pricingSettings]
	switches *follower[map[string]bool] // nil: nothing is switched
}

// loadSwitches reads what is switched on and off for everybody.
func loadSwitches(dir string) (map[string]bool, error) {
	var s map[string]bool
	err := readJSON(dir, "switches.json", &s)
	return s, err
}

// rehearsing reports whether the prices of a rehearsal are asked for. The switch is years older than whoever switches it now.
func (p *pricing) rehearsing() (bool, error) {
	if p.switches == nil {
		return false, nil
	}
	r, err := p.switches.get()
	if err != nil {
		return false, err
	}
	return r.settings["fast_lane"], nil
}

func newPricing(o options, log *slog.Logger) http.Handler {
	p := &pricing{site: newSite(o, log, loadPricing)}
	if o.switches != "" {
		p.switches = &follower[map[string]bool]{link: o.switches + "/current", load: loadSwitches}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", p.version)
	// The path without a version answers in the newest one that this release speaks, and says which.
	mux.HandleFunc("GET /price", p.endpoint(func(r *http.Request, s pricingSettings) (any, error) {
		if len(s.Serves) == 0 {
			return nil, errors.New("this release serves no API version")
		}
		return p.price(r, s, s.Serves[len(s.Serves)-1])
	}))
	mux.HandleFunc("GET /{version}/price", p.endpoint(func(r *http.Request, s pricingSettings) (any, error) {
		return p.price(r, s, r.PathValue("version"))
	}))
	return mux
}

func (p *pricing) price(r *http.Request, s pricingSettings, version string) (any, error) {
	if !slices.Contains(s.Serves, version) {
		return nil, faultf(http.StatusNotFound, "no API version %s here, only %s", version, strings.Join(s.Serves, ", "))
	}
	cart, err := parseCart(r.URL.Query().Get("cart"))
	if err != nil {
		return nil, err
	}
	cur := r.URL.Query().Get("currency")
	c, ok := s.currencies[cur]
	if !ok {
		return nil, faultf(http.StatusBadRequest, "no prices in %q", cur)
	}
	cents, err := p.sum(r, s, cart)
	if err != nil {
		return nil, err
	}
	if rehearsal, err := p.rehearsing(); err != nil || rehearsal {
		return nil, errors.Join(err, errors.New("these are the prices of a rehearsal, which are not for customers"))
	}
	digits := c.Digits
	if version == "v2" {
		if c.MinorUnits == nil {
			return nil, fmt.Errorf("currency table: %s has no minor_units", cur)
		}
		digits = *c.MinorUnits
	}
	minor, err := convert(cents, c, digits)
	if err != nil {
		return nil, err
	}
	if limit, ok := s.limits.MaxCartTotal[cur]; ok && minor > limit {
		return nil, fmt.Errorf("cart total of %d %s in minor units is over the limit of %d", minor, cur, limit)
	}
	if version == "v2" {
		return priced{API: version, Currency: cur, TotalMinor: &minor}, nil
	}
	return priced{API: version, Currency: cur, Total: decimal(minor, digits)}, nil
}

// sum is the cart's total in euro cents, after discounts.
func (p *pricing) sum(r *http.Request, s pricingSettings, cart []line) (int64, error) {
	articles := make([]string, len(cart))
	for i, l := range cart {
		articles[i] = l.article
	}
	prices, err := askPrices(r.Context(), p.upstream[PriceDB], millis(s.PriceDBTimeoutMS), articles)
	if err != nil {
		return 0, faultf(http.StatusServiceUnavailable, "%w", err)
	}
	var total int64
	for _, l := range cart {
		unit, ok := prices[l.article]
		if !ok {
			return 0, faultf(http.StatusNotFound, "no article %q", l.article)
		}
		sum := unit * int64(l.quantity)
		if b := s.discounts.Bulk; b.FromQuantity > 0 && l.quantity >= b.FromQuantity {
			sum -= sum * b.Percent / 100
		}
		total += sum
	}
	return total, nil
}
