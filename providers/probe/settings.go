// Package probe is for those who have no alerting system: it asks services over HTTP and TCP, and opens and closes alerts.
// One lost request is no alert: it takes several failures in a row to open one, and several successes to close it.
package probe

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

type settings struct {
	Checks []checkSettings `yaml:"checks"`
	CAFile string          `yaml:"ca_file"`
}

type checkSettings struct {
	Name         string            `yaml:"name"`
	Service      string            `yaml:"service"`
	Environment  string            `yaml:"environment"`
	Severity     string            `yaml:"severity"`
	HTTP         string            `yaml:"http"`
	TCP          string            `yaml:"tcp"`
	Method       string            `yaml:"method"`
	ExpectStatus int               `yaml:"expect_status"`
	ExpectBody   string            `yaml:"expect_body"`
	MaxLatency   time.Duration     `yaml:"max_latency"`
	Interval     time.Duration     `yaml:"interval"`
	Timeout      time.Duration     `yaml:"timeout"`
	FailAfter    int               `yaml:"fail_after"`
	RecoverAfter int               `yaml:"recover_after"`
	Headers      map[string]string `yaml:"headers"`
	SecretHeader headerSettings    `yaml:"secret_header"`
}

type headerSettings struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// Factory makes providers of type "probe".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "probe",
		Help: "HTTP and TCP checks that open and close alerts, for those who have no alerting system",
		Fields: []providers.Field{
			{Name: "checks", Type: providers.FieldObjects, Required: true, Help: "what to ask", Fields: checkFields()},
			{Name: "ca_file", Type: providers.FieldString, Help: "PEM file with the certificate authorities to trust instead of the system's"},
		},
		New: build,
	}
}

func checkFields() []providers.Field {
	return []providers.Field{
		{Name: "name", Type: providers.FieldString, Required: true, Help: "name of the check and of its alert; unique"},
		{Name: "service", Type: providers.FieldString, Required: true, Help: "the service that is asked"},
		{Name: "environment", Type: providers.FieldString, Help: "the environment, where it is another than the context's"},
		{Name: "severity", Type: providers.FieldString, Default: "page", Help: "severity of its alert"},
		{Name: "http", Type: providers.FieldString, Help: "address to ask over HTTP; redirects are an answer and are not followed"},
		{Name: "tcp", Type: providers.FieldString, Help: "host:port to connect to, instead of http"},
		{Name: "method", Type: providers.FieldString, Default: http.MethodGet, Enum: []string{"GET", "HEAD", "OPTIONS"}, Help: "HTTP method"},
		{Name: "expect_status", Type: providers.FieldInt, Help: "the status that is good; without it 200 to 399"},
		{Name: "expect_body", Type: providers.FieldString, Help: "text that the first MiB of the answer must contain"},
		{Name: "max_latency", Type: providers.FieldDuration, Help: "a slower answer is a failure"},
		{Name: "interval", Type: providers.FieldDuration, Default: "5s", Help: "how often to ask"},
		{Name: "timeout", Type: providers.FieldDuration, Default: "5s", Help: "longest time for one answer"},
		{Name: "fail_after", Type: providers.FieldInt, Default: 3, Help: "failures in a row that open an alert"},
		{Name: "recover_after", Type: providers.FieldInt, Default: 2, Help: "successes in a row that close it"},
		{Name: "headers", Type: providers.FieldMap, Help: "HTTP headers to send"},
		{Name: "secret_header", Type: providers.FieldObject, Help: "one more header, with a secret value", Fields: []providers.Field{
			{Name: "name", Type: providers.FieldString, Required: true, Help: "such as Authorization"},
			{Name: "value", Type: providers.FieldSecret, Required: true, Help: "its whole value"},
		}},
	}
}

func (s *settings) check() error {
	if len(s.Checks) == 0 {
		return errors.New("checks: there are none")
	}
	seen := map[string]bool{}
	for i := range s.Checks {
		c := &s.Checks[i]
		c.defaults()
		if err := c.check(); err != nil {
			return fmt.Errorf("checks: %s: %w", c.label(i), err)
		}
		if seen[c.Name] {
			return fmt.Errorf("checks: %s: another check has this name", c.label(i))
		}
		seen[c.Name] = true
	}
	return nil
}

func (c *checkSettings) label(i int) string {
	if c.Name == "" {
		return fmt.Sprintf("number %d", i+1)
	}
	return c.Name
}

func (c *checkSettings) defaults() {
	if c.Severity == "" {
		c.Severity = "page"
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.Interval == 0 {
		c.Interval = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.FailAfter == 0 {
		c.FailAfter = 3
	}
	if c.RecoverAfter == 0 {
		c.RecoverAfter = 2
	}
}

func (c *checkSettings) check() error {
	switch {
	case c.Name == "" || c.Name != providers.Clean(c.Name):
		return errors.New("name: missing, or with characters that cannot be shown")
	case c.Service == "":
		return errors.New("service: missing")
	case (c.HTTP == "") == (c.TCP == ""):
		return errors.New("give http or tcp, and not both")
	case min(c.Interval, c.Timeout, c.MaxLatency) < 0, min(c.FailAfter, c.RecoverAfter) < 0:
		return errors.New("times and counts must not be negative")
	case c.ExpectStatus != 0 && (c.ExpectStatus < 100 || c.ExpectStatus > 599):
		return fmt.Errorf("expect_status: %d is not an HTTP status", c.ExpectStatus)
	}
	if c.TCP != "" {
		if _, _, err := net.SplitHostPort(c.TCP); err != nil {
			return fmt.Errorf("tcp: %w; expected host:port", err)
		}
		return nil
	}
	return c.checkHTTP()
}

func (c *checkSettings) checkHTTP() error {
	u, err := url.Parse(c.HTTP)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("http: not an address; expected https://HOST[:PORT]/PATH")
	}
	if u.User != nil {
		return errors.New("http: has credentials in it, which would be shown and logged; put them into secret_header")
	}
	for k, v := range c.Headers {
		if strings.ContainsAny(k+v, "\r\n") {
			return fmt.Errorf("headers: %q has a line break in it", k)
		}
	}
	return nil
}
