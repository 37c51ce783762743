package shop

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
)

// ordersSettings are the files of an orders release.
type ordersSettings struct {
	PricingAPI       string `json:"pricing_api"` // the one version in which it asks pricing
	PricingTimeoutMS int    `json:"pricing_timeout_ms"`
	MaxLines         int    `json:"max_lines"`
	shipping         shipping
}

type shipping struct {
	Carrier string `json:"carrier"`
	Days    int    `json:"days"`
}

func loadOrders(dir string) (ordersSettings, error) {
	var s ordersSettings
	err := errors.Join(readJSON(dir, "service.json", &s), readJSON(dir, "shipping.json", &s.shipping))
	return s, err
}

// quote is what an order would cost and when it would come.
type quote struct {
	Price   priced `json:"price"`
	Carrier string `json:"carrier"`
	Days    int    `json:"days"`
}

func newOrders(o options, log *slog.Logger) http.Handler {
	s := newSite(o, log, loadOrders)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", s.version)
	mux.HandleFunc("GET /quote", s.endpoint(func(r *http.Request, set ordersSettings) (any, error) {
		cart, err := parseCart(r.URL.Query().Get("cart"))
		if err != nil {
			return nil, err
		}
		if len(cart) > set.MaxLines {
			return nil, faultf(http.StatusUnprocessableEntity, "an order holds at most %d lines", set.MaxLines)
		}
		q := url.Values{"cart": r.URL.Query()["cart"], "currency": r.URL.Query()["currency"]}
		var p priced
		if err := s.call(r.Context(), millis(set.PricingTimeoutMS), Pricing, "/"+set.PricingAPI+"/price", q, &p); err != nil {
			return nil, err
		}
		if p.API != set.PricingAPI || (p.API == "v2") != (p.TotalMinor != nil) {
			return nil, faultf(http.StatusBadGateway, "pricing answered in %q, not in %q", p.API, set.PricingAPI)
		}
		return quote{Price: p, Carrier: set.shipping.Carrier, Days: set.shipping.Days}, nil
	}))
	return mux
}
