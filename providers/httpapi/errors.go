package httpapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

var errHTML = errors.New("answered with a web page where an API answer was due; a proxy or a login page may be in front, or url may lack a path prefix")

// maxWait bounds what a server may ask for with Retry-After.
const maxWait = time.Hour

// refused turns a status other than 200 into an error with a class.
func (c *Client) refused(resp *http.Response, ans Answer) error {
	var err error = &StatusError{Code: resp.StatusCode, text: fmt.Sprintf("answered %s%s", resp.Status, reason(resp))}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests:
		return providers.RateLimited(wait(resp, ans), err)
	case code == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return providers.RateLimited(wait(resp, ans), err)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return providers.Unauthenticated(fmt.Errorf("%w; check basic_auth or bearer_token and what they may read", err))
	case code == http.StatusNotFound:
		return providers.Permanent(fmt.Errorf("%w; the API is not at this address: check url and its path prefix", err))
	case code >= 500 || code == http.StatusRequestTimeout:
		return providers.Retryable(err)
	}
	return providers.Permanent(err)
}

// reason finds the error text that APIs put into a JSON answer; a web page says nothing that fits a line.
func reason(resp *http.Response) string {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil || strings.Contains(resp.Header.Get("Content-Type"), "html") {
		return ""
	}
	var text string
	var object struct{ Error, Message string }
	switch {
	case json.Unmarshal(body, &object) == nil:
		text = object.Error + object.Message
	case json.Unmarshal(body, &text) == nil:
	default:
		text = strings.TrimSpace(string(body))
	}
	if text = providers.Clean(text); text == "" {
		return ""
	}
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return ": " + text
}

// wait reads Retry-After: seconds, or a date by the server's own clock.
func wait(resp *http.Response, ans Answer) time.Duration {
	h := resp.Header.Get("Retry-After")
	if s, err := strconv.Atoi(h); err == nil && s > 0 {
		return min(time.Duration(min(s, 3600))*time.Second, maxWait)
	}
	if at, err := http.ParseTime(h); err == nil {
		return min(max(0, at.Sub(ans.At)), maxWait)
	}
	return 0
}

// explain adds what was asked and what can be done, and finds the class of errors of transport.
func (c *Client) explain(inner context.Context, path string, took time.Duration, err error) error {
	var already *providers.Error
	if errors.As(err, &already) {
		return &providers.Error{Class: already.Class, RetryAfter: already.RetryAfter, Err: c.at(already.Class, path, already.Err)}
	}
	if errors.Is(inner.Err(), context.DeadlineExceeded) {
		return providers.Retryable(c.at(providers.ClassRetryable, path, fmt.Errorf("no complete answer within %s; it may be overloaded, or raise timeout", took.Round(100*time.Millisecond))))
	}
	var op *url.Error
	if errors.As(err, &op) {
		err = op.Err // its text repeats the address with the whole query
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return providers.Retryable(c.at(providers.ClassRetryable, path, errors.New("the connection was closed before the answer was complete; is it restarting, or overloaded?")))
	}
	if hint := tlsHint(err); hint != "" {
		return providers.Permanent(c.at(providers.ClassPermanent, "", fmt.Errorf("%w; %s", err, hint)))
	}
	return providers.Retryable(c.at(providers.ClassRetryable, path, err))
}

// at says where it went wrong, after what went wrong: a health line has room for the beginning. What is wrong with a server
// is wrong with each of its paths, so only an answer that asking again does not mend names its path.
func (c *Client) at(class providers.ErrorClass, path string, err error) error {
	if class != providers.ClassPermanent {
		path = ""
	}
	return fmt.Errorf("%w (%s%s)", err, c.base.Redacted(), path)
}

func tlsHint(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return "set ca_file to the authority that signed the server's certificate"
	case errors.As(err, &host):
		return "use the name that the certificate is made for in url"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired, or this clock is wrong"
	case errors.As(err, &verify), errors.As(err, &invalid):
		return "the server's certificate cannot be trusted; check it and ca_file"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the server does not speak TLS at this port; use http:// in url, or the right port"
	}
	return ""
}
