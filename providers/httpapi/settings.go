// Package httpapi is what providers of HTTP APIs have in common: settings for address, credentials and trust, requests with
// a deadline and a size cap, and errors that say what class they are and what the user can do.
package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// DefaultTimeout bounds one request, from the connection to the last byte.
const DefaultTimeout = 30 * time.Second

// Settings are the settings of one HTTP API. A provider embeds them inline in its own settings.
type Settings struct {
	URL         string        `yaml:"url"`
	BasicAuth   BasicAuth     `yaml:"basic_auth"`
	BearerToken string        `yaml:"bearer_token"`
	CAFile      string        `yaml:"ca_file"`
	Timeout     time.Duration `yaml:"timeout"`
}

// BasicAuth is a user with a password.
type BasicAuth struct {
	User     string `yaml:"user"`
	Password string `yaml:"password"`
}

// Fields describes [Settings] for the configuration; what names the system in the help texts.
func Fields(what string) []providers.Field {
	return []providers.Field{
		{Name: "url", Type: providers.FieldString, Required: true, Help: "address of " + what + ", with the path prefix if it has one"},
		{Name: "basic_auth", Type: providers.FieldObject, Help: "user and password", Fields: []providers.Field{
			{Name: "user", Type: providers.FieldString, Required: true, Help: "user name"},
			{Name: "password", Type: providers.FieldSecret, Required: true, Help: "password"},
		}},
		{Name: "bearer_token", Type: providers.FieldSecret, Help: "token for the Authorization header; not together with basic_auth"},
		{Name: "ca_file", Type: providers.FieldString, Help: "PEM file with the certificate authorities to trust instead of the system's"},
		{Name: "timeout", Type: providers.FieldDuration, Default: DefaultTimeout.String(), Help: "longest time for one request"},
	}
}

func (s Settings) base() (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(s.URL, "/"))
	switch {
	case err != nil:
		return nil, errors.New("url: not an address; expected https://HOST[:PORT][/PREFIX]") // the parser's error would show a password
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, fmt.Errorf("url: %q is not an address; expected https://HOST[:PORT][/PREFIX]", u.Redacted())
	case u.User != nil:
		return nil, errors.New("url: has credentials in it, which would be shown and logged; put them into basic_auth")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("url: %q has a query or a fragment; give only the address", u.Redacted())
	case s.BearerToken != "" && s.BasicAuth.User != "":
		return nil, errors.New("bearer_token and basic_auth are both set; keep one")
	case strings.ContainsAny(s.BearerToken, "\r\n"):
		return nil, errors.New("bearer_token has a line break in it")
	}
	return u, nil
}

// TLS makes a client configuration that trusts the authorities in file, or those of the system where file is empty. A
// relative file is relative to dir.
func TLS(file, dir string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return c, nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s has no certificate in PEM format", file)
	}
	return c, nil
}
