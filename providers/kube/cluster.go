package kube

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/connrotation"

	"github.com/backout-dev/backout/providers"
)

// FieldManager is who the API server writes down as the owner of the fields that backout sets.
const FieldManager = "backout"

const (
	defaultTimeout = 15 * time.Second
	dialTimeout    = 30 * time.Second
	requestsBurst  = 100
	requestsSecond = 50
)

// Options say which cluster, as kubectl's flags do. The zero value is the cluster that kubectl would ask.
type Options struct {
	Kubeconfig string        // a path; empty: $KUBECONFIG, ~/.kube/config, or the pod's own service account
	Context    string        // empty: the current one
	Timeout    time.Duration // of one request that is no watch; zero: 15 s
	UserAgent  string
}

// Cluster is one API server. It may be used from several goroutines.
type Cluster struct {
	context string
	server  string
	timeout time.Duration
	client  dynamic.Interface
	raw     rest.Interface
	dialer  *connrotation.Dialer

	throttle throttle
}

// Open reads the configuration and asks nothing of the cluster. A configuration that names no cluster is a permanent error.
func Open(o Options) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if o.Kubeconfig != "" {
		rules.ExplicitPath = o.Kubeconfig
	}
	loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
	config, err := loaded.ClientConfig()
	if err != nil {
		return nil, providers.Permanent(fmt.Errorf("read the kubeconfig: %w", err))
	}
	raw, err := loaded.RawConfig()
	if err != nil {
		return nil, providers.Permanent(fmt.Errorf("read the kubeconfig: %w", err))
	}
	c := &Cluster{context: raw.CurrentContext, server: config.Host}
	if o.Context != "" {
		c.context = o.Context
	}
	if c.context == "" {
		c.context = "in-cluster"
	}
	c.dialer = connrotation.NewDialer((&net.Dialer{Timeout: dialTimeout, KeepAlive: dialTimeout}).DialContext)
	config.Dial = c.dialer.DialContext
	return c, c.connect(config, o)
}

// Unopened is a cluster that answers every question with why it could not be opened, for a provider that has to be there to
// tell it.
func Unopened(o Options, why error) (*Cluster, error) {
	c := &Cluster{context: o.Context, dialer: connrotation.NewDialer((&net.Dialer{}).DialContext)}
	return c, c.connect(&rest.Config{Host: "unopened.invalid", Transport: unopened{why}}, o)
}

type unopened struct{ why error }

// RoundTrip implements http.RoundTripper: nothing is ever sent.
func (u unopened) RoundTrip(*http.Request) (*http.Response, error) { return nil, u.why }

func (c *Cluster) connect(config *rest.Config, o Options) (err error) {
	if c.timeout = o.Timeout; c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	config.DisableCompression = config.DisableCompression || onLoopback(config.Host)
	config.QPS, config.Burst, config.UserAgent = requestsSecond, requestsBurst, "backout"
	if o.UserAgent != "" {
		config.UserAgent = o.UserAgent
	}
	if config.ExecProvider != nil { // the terminal is the screen's: a plugin that would ask a person says so instead
		config.ExecProvider.StdinUnavailable = true
		config.ExecProvider.StdinUnavailableMessage = "log in with kubectl first: backout has no prompt for it"
	}
	// Warnings of the API server (deprecated versions) are not for the screen that they would be printed on.
	config.WarningHandler = rest.NoWarnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return heeded{next, &c.throttle} })
	if c.client, err = dynamic.NewForConfig(config); err != nil {
		return providers.Permanent(fmt.Errorf("make a client for context %s: %w", c.context, err))
	}
	if c.raw, err = plain(config); err != nil {
		return providers.Permanent(fmt.Errorf("make a client for context %s: %w", c.context, err))
	}
	return nil
}

// onLoopback reports whether the API server, or a tunnel to it, is on this machine: then packing costs more than it saves.
func onLoopback(host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Close lets go of the connections. What is under way fails.
func (c *Cluster) Close() error {
	c.dialer.CloseAll()
	return nil
}

// Context is the name of the kubeconfig's context, "in-cluster" for a pod's own.
func (c *Cluster) Context() string { return c.context }

// Server is the address of the API server.
func (c *Cluster) Server() string { return c.server }

// Resource is a kind of object as the API server's paths name it.
type Resource = schema.GroupVersionResource
