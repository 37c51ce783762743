package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// counter is a proxy before the API server that counts the calls of one tool.
type counter struct {
	server *http.Server
	addr   string

	mu     sync.Mutex
	since  time.Time
	asked  []string
	writes []string
}

// insecure is a client for the API server that this process started, whose certificate that made itself.
func insecure() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 20}} //nolint:gosec // see above
}

func count(server string) (*counter, error) {
	to, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a loopback port, at once
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1 // a watch is told at once
	proxy.Transport = insecure().Transport
	c := &counter{addr: l.Addr().String()}
	c.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // on loopback, for this process alone
		c.saw(r)
		r.Header.Set("Authorization", "Bearer admin-token") // clients send none to a server without TLS
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = c.server.Serve(l) }() // it ends with close
	return c, nil
}

func (c *counter) saw(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, fmt.Sprintf("%6.2f s  %s %s", time.Since(c.since).Seconds(), r.Method, r.URL.RequestURI()))
	// A review asks what one may do, and a dry run is none.
	if r.Method == http.MethodGet || strings.Contains(r.URL.Path, "accessreviews") || strings.Contains(r.URL.Path, "selfsubject") || r.URL.Query().Has("dryRun") {
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	c.writes = append(c.writes, r.Method+" "+strings.Join(parts[max(0, len(parts)-2):], "/"))
}

func (c *counter) seen() (calls, writes []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked, append([]string(nil), c.writes...)
}

// reset forgets what was counted.
func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.writes, c.since = nil, nil, time.Now()
}

func (c *counter) close() { _ = c.server.Close() }
