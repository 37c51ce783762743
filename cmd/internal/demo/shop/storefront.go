package shop

import (
	"bytes"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
)

// storefrontSettings are the files of a storefront release.
type storefrontSettings struct {
	TimeoutMS int    `json:"timeout_ms"`
	Pictures  string `json:"pictures"`
	page      *template.Template
}

func loadStorefront(dir string) (storefrontSettings, error) {
	var s storefrontSettings
	if err := readJSON(dir, "service.json", &s); err != nil {
		return s, err
	}
	t, err := template.ParseFiles(filepath.Join(dir, "cart.html"))
	if err != nil {
		return s, fmt.Errorf("read page: %w", err)
	}
	s.page = t
	return s, nil
}

func newStorefront(o options, log *slog.Logger) http.Handler {
	s := newSite(o, log, loadStorefront)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", s.version)
	mux.HandleFunc("GET /cart", s.endpoint(func(r *http.Request, set storefrontSettings) (any, error) {
		in := r.URL.Query()
		cart := url.Values{"cart": in["cart"], "currency": in["currency"]}
		var view struct {
			Session session
			Price   priced
			Quote   quote
			Total   string
			Picture string
		}
		timeout := millis(set.TimeoutMS)
		if err := s.call(r.Context(), timeout, Login, "/session", url.Values{"user": in["user"]}, &view.Session); err != nil {
			return nil, err
		}
		if err := s.call(r.Context(), timeout, Pricing, "/price", cart, &view.Price); err != nil {
			return nil, err
		}
		if err := s.call(r.Context(), timeout, Orders, "/quote", cart, &view.Quote); err != nil {
			return nil, err
		}
		// The page shows either form of an amount, so the storefront can go live before or after pricing.
		view.Total, view.Picture = view.Price.Total, set.Pictures
		if view.Price.TotalMinor != nil {
			view.Total = fmt.Sprintf("%d (minor units)", *view.Price.TotalMinor)
		}
		var b bytes.Buffer
		if err := set.page.Execute(&b, view); err != nil {
			return nil, fmt.Errorf("make the page: %w", err)
		}
		return page(b.Bytes()), nil
	}))
	return mux
}
