package shop

import (
	"errors"
	"log/slog"
	"net/http"
)

// loginSettings are the files of a login release.
type loginSettings struct {
	SessionMinutes int `json:"session_minutes"`
	users          map[string]struct {
		Name string `json:"name"`
	}
}

func loadLogin(dir string) (loginSettings, error) {
	var s loginSettings
	err := errors.Join(readJSON(dir, "service.json", &s), readJSON(dir, "users.json", &s.users))
	return s, err
}

// session is who is logged in, and for how long.
type session struct {
	User    string `json:"user"`
	Name    string `json:"name"`
	Minutes int    `json:"minutes"`
}

func newLogin(o options, log *slog.Logger) http.Handler {
	s := newSite(o, log, loadLogin)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", s.version)
	mux.HandleFunc("GET /session", s.endpoint(func(r *http.Request, set loginSettings) (any, error) {
		user := r.URL.Query().Get("user")
		u, ok := set.users[user]
		if !ok {
			return nil, faultf(http.StatusUnauthorized, "no user %q", user)
		}
		return session{User: user, Name: u.Name, Minutes: set.SessionMinutes}, nil
	}))
	return mux
}
