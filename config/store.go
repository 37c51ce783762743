package config

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Store is where the record is kept.
type Store struct {
	URL      string     // a file, or postgres://...; "" is a file in the state directory
	password *yaml.Node // nil: none is named
	file     string
	line     int
}

// Password gives the password of the store's role, "" where none is configured. It may run a program, which has a deadline.
func (s Store) Password(ctx context.Context) (string, error) {
	if s.password == nil {
		return "", nil
	}
	n, err := secretNode(ctx, s.password, filepath.Dir(s.file))
	if err != nil {
		return "", fmt.Errorf("%s:%d: store.password: %w", s.file, s.line, err)
	}
	return n.Value, nil
}

func storeFields() []Field {
	return []Field{
		{Name: "url", Type: String, Default: "", Help: "postgres://USER@HOST/DATABASE for one that a team shares, or the path of a file (default: backout.db in state_dir)"},
		{Name: "password", Type: Secret, Help: "of its user; default: PGPASSWORD, ~/.pgpass, or the service that the URL names"},
	}
}

// storePassword takes the password from the strongest layer that names one.
func (c *Config) storePassword(layers []layer) {
	for _, l := range layers {
		_, section := child(l.node, "store")
		if k, v := child(section, "password"); v != nil {
			c.Store.password, c.Store.file, c.Store.line = v, l.file, k.Line
			return
		}
	}
}

// values says where the password is read from.
func (s Store) values() []Value {
	if s.password == nil {
		return nil
	}
	var from any
	_ = s.password.Decode(&from) // checked when it was loaded
	return []Value{{Key: "store.password", Value: from, Origin: fmt.Sprintf("%s:%d", s.file, s.line)}}
}

// store reports a password that stands in the URL, where everybody who may read the file or the list of processes sees it.
func (c *checker) store(n *yaml.Node, key string) {
	_, at := child(n, "url")
	if at == nil {
		return
	}
	if u, err := url.Parse(at.Value); err == nil {
		if strings.Contains(at.Value, "://") && u.Scheme != "postgres" && u.Scheme != "postgresql" {
			c.report(at, join(key, "url"), "is neither the path of a file nor postgres://USER@HOST:PORT/DATABASE")
		}
		if _, has := u.User.Password(); has || u.Query().Has("password") {
			c.report(at, join(key, "url"), "holds a password: leave it out, and give it as store.password, in PGPASSWORD or in ~/.pgpass")
		}
	}
}
