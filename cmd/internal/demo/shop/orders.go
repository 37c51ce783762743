package shop

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// ordersSettings are the files of an orders release.
type ordersSettings struct {
	PricingAPI       string `json:"pricing_api"` // the one version in which it asks pricing
	PricingTimeoutMS int    `json:"pricing_timeout_ms"`
	MaxLines         int    `json:"max_lines"`
	// What it reads of a carrier's row; none: shipping.json says it all.
	CarrierColumns []string `json:"carriers"`
	WindowFlag     string   `json:"window_flag"` // the flag behind which it says the latest day
	shipping       shipping
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
	Latest  string `json:"latest,omitempty"`
}

func newOrders(o options, log *slog.Logger) (http.Handler, error) {
	s := newSite(o, log, loadOrders)
	db, err := openCarriers(o.database)
	if err != nil {
		return nil, err
	}
	flags := &asker{addr: o.upstream[Flags], client: s.client}
	if o.sdk != "" {
		token, err := os.ReadFile(o.sdk)
		if err != nil {
			return nil, fmt.Errorf("read the token for flags: %w", err)
		}
		flags.token = strings.TrimSpace(string(token))
	}
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
		out := quote{Price: p, Carrier: set.shipping.Carrier, Days: set.shipping.Days}
		if db != nil && len(set.CarrierColumns) > 0 {
			row, err := db.read(r.Context(), set.shipping.Carrier, set.CarrierColumns)
			if err != nil {
				return nil, err
			}
			if out.Days, err = strconv.Atoi(row["days"]); err != nil {
				return nil, fmt.Errorf("carriers: days of %s: %w", out.Carrier, err)
			}
			if flags.enabled(r.Context(), set.WindowFlag) {
				out.Latest = row["latest"]
			}
		}
		return out, nil
	}))
	return mux, nil
}
