package nodeagent

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers/kube"
)

// service is what the agent reads of a Service.
type service struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		Type      string `json:"type"`
		ClusterIP string `json:"clusterIP"`
		Ports     []struct {
			Name string `json:"name"`
		} `json:"ports"`
	} `json:"spec"`
}

// endpointSlice is what the endpoint controller says of the pods of a Service.
type endpointSlice struct {
	Metadata metadata `json:"metadata"`
	Ports    []struct {
		Name string `json:"name"`
		Port int    `json:"port"`
	} `json:"ports"`
	Endpoints []struct {
		Addresses  []string `json:"addresses"`
		Conditions struct {
			Ready *bool `json:"ready"`
		} `json:"conditions"`
	} `json:"endpoints"`
}

// balancers are the ports of all Services on this machine.
type balancers struct {
	agent *agent

	mu     sync.Mutex
	ports  map[string]*balancer      // by namespace/service/port
	slices map[string]*endpointSlice // by namespace/name
	where  map[string]map[int]int    // by pod IP and its port: the port of this machine
	wg     sync.WaitGroup
	closed context.Context
	close  func()
}

// newBalancers makes them. They outlive ctx, because the processes that end with it may still talk to each other.
func newBalancers(ctx context.Context, a *agent) *balancers {
	b := &balancers{agent: a, ports: map[string]*balancer{}, slices: map[string]*endpointSlice{}, where: map[string]map[int]int{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.closed = ctx
	b.close = func() {
		cancel()
		b.mu.Lock()
		for _, p := range b.ports {
			_ = p.listener.Close()
		}
		b.mu.Unlock()
		b.wg.Wait()
	}
	return b
}

// follow keeps the ports and their endpoints as the cluster says.
func (b *balancers) follow(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for e, err := range b.agent.cluster.Follow(ctx, serviceResource, "", kube.Selection{}) {
			var s service
			if err == nil && !e.Complete && !e.Deleted {
				err = decode(e.Object, &s)
			}
			if err == nil && s.Metadata.Name != "" {
				_, err = b.open(ctx, &s)
			}
			if err != nil && ctx.Err() == nil {
				b.agent.Log.Warn("follow services", "error", err)
			}
		}
	})
	wg.Go(func() {
		for e, err := range b.agent.cluster.Follow(ctx, sliceResource, "", kube.Selection{}) {
			var s endpointSlice
			if err == nil && !e.Complete {
				err = decode(e.Object, &s)
			}
			if err != nil {
				b.agent.Log.Warn("follow endpoints", "error", err)
			} else if !e.Complete {
				b.put(&s, e.Deleted)
			}
		}
	})
	wg.Wait()
}

func (b *balancers) put(s *endpointSlice, deleted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := s.Metadata.Namespace + "/" + s.Metadata.Name
	if deleted {
		delete(b.slices, key)
		return
	}
	b.slices[key] = s
}

// place says where the ports of a pod are.
func (b *balancers) place(ip string, ports map[int]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.where[ip] == nil {
		b.where[ip] = map[int]int{}
	}
	for port, here := range ports {
		b.where[ip][port] = here
	}
}

func (b *balancers) unplace(ip string, ports map[int]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for port := range ports {
		delete(b.where[ip], port)
	}
}

// reachable is a Service and where its first port is.
type reachable struct{ name, address string }

// of opens the ports of all Services of a namespace and says where they are.
func (b *balancers) of(ctx context.Context, namespace string) ([]reachable, error) {
	var out []reachable
	for o, err := range b.agent.cluster.List(ctx, serviceResource, namespace, kube.Selection{}) {
		var s service
		if err == nil {
			err = decode(o, &s)
		}
		if err != nil {
			return nil, err
		}
		addresses, err := b.open(ctx, &s)
		if err != nil {
			return nil, err
		}
		if len(addresses) > 0 {
			out = append(out, reachable{s.Metadata.Name, addresses[0]})
		}
	}
	return out, nil
}

// open opens the ports of a Service that are not open yet, and writes where they are into it.
func (b *balancers) open(ctx context.Context, s *service) ([]string, error) {
	m := &s.Metadata
	if s.Spec.ClusterIP == "None" || s.Spec.Type == "ExternalName" || m.Namespace == "default" && m.Name == "kubernetes" {
		return nil, nil
	}
	var addresses []string
	for _, p := range s.Spec.Ports {
		key := m.Namespace + "/" + m.Name + "/" + p.Name
		b.mu.Lock()
		if b.ports[key] == nil {
			l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				b.mu.Unlock()
				return nil, fmt.Errorf("open a port for service %s: %w", m.Name, err)
			}
			one := &balancer{all: b, listener: l, namespace: m.Namespace, service: m.Name, port: p.Name}
			b.ports[key] = one
			b.wg.Go(one.serve)
		}
		addresses = append(addresses, b.ports[key].listener.Addr().String())
		b.mu.Unlock()
	}
	text := strings.Join(addresses, ",")
	if m.Annotations[AddressAnnotation] == text {
		return addresses, nil
	}
	if m.Annotations == nil {
		m.Annotations = map[string]string{}
	}
	m.Annotations[AddressAnnotation] = text
	_, err := b.agent.cluster.Patch(ctx, serviceResource, m.Namespace, m.Name, annotate(m.Annotations, text), kube.Write{})
	return addresses, err
}

// annotate is the patch that sets the address. There may be no annotation yet to add one to.
func annotate(there map[string]string, text string) []kube.Operation {
	if len(there) == 1 {
		return []kube.Operation{{Op: "add", Path: "/metadata/annotations", Value: raw(map[string]string{AddressAnnotation: text})}}
	}
	return []kube.Operation{{Op: "add", Path: "/metadata/annotations/" + strings.ReplaceAll(AddressAnnotation, "/", "~1"), Value: raw(text)}}
}

// balancer is one port of a Service.
type balancer struct {
	all                      *balancers
	listener                 net.Listener
	namespace, service, port string
	turn                     int
}

// ready are the addresses of the endpoints that are ready, the next one in turn first.
func (b *balancer) ready() []string {
	b.all.mu.Lock()
	defer b.all.mu.Unlock()
	var out []string
	for _, s := range b.all.slices {
		if s.Metadata.Namespace != b.namespace || s.Metadata.Labels["kubernetes.io/service-name"] != b.service {
			continue
		}
		for _, p := range s.Ports {
			if p.Name != b.port {
				continue
			}
			for _, e := range s.Endpoints {
				if e.Conditions.Ready != nil && !*e.Conditions.Ready || len(e.Addresses) == 0 {
					continue
				}
				if here, ok := b.all.where[e.Addresses[0]][p.Port]; ok {
					out = append(out, net.JoinHostPort("127.0.0.1", strconv.Itoa(here)))
				}
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	slices.Sort(out)
	b.turn++
	n := b.turn % len(out)
	return append(out[n:], out[:n]...)
}

func (b *balancer) serve() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.all.wg.Go(func() { b.pass(c) })
	}
}

// pass connects one client to one ready endpoint: the next one that takes the connection.
func (b *balancer) pass(c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(b.all.closed, func() { _ = c.Close() })
	defer stop()
	d := net.Dialer{Timeout: time.Second}
	for _, addr := range b.ready() {
		up, err := d.DialContext(b.all.closed, "tcp", addr)
		if err != nil {
			continue
		}
		defer up.Close()
		stop := context.AfterFunc(b.all.closed, func() { _ = up.Close() })
		defer stop()
		splice(c, up)
		return
	}
}

// splice passes bytes both ways until both sides are done; the end of one direction is passed on as such.
func splice(a, b net.Conn) {
	var wg sync.WaitGroup
	one := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		if half, ok := to.(*net.TCPConn); ok && err == nil {
			_ = half.CloseWrite()
			return
		}
		_ = to.Close()
		_ = from.Close()
	}
	wg.Go(func() { one(a, b) })
	wg.Go(func() { one(b, a) })
	wg.Wait()
}
