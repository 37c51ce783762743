package nodeagent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// probe is a question to a container. Without HTTP and TCP it is one that this node cannot ask.
type probe struct {
	HTTP *struct {
		Path string          `json:"path"`
		Port json.RawMessage `json:"port"`
	} `json:"httpGet"`
	TCP *struct {
		Port json.RawMessage `json:"port"`
	} `json:"tcpSocket"`
	Delay   int `json:"initialDelaySeconds"`
	Period  int `json:"periodSeconds"`
	Timeout int `json:"timeoutSeconds"`
	Success int `json:"successThreshold"`
	Failure int `json:"failureThreshold"`
}

// askable says why a probe cannot be asked; nil: it can, or there is none.
func (p *probe) askable() error {
	if p == nil || p.HTTP != nil || p.TCP != nil {
		return nil
	}
	return fmt.Errorf("a probe that is neither httpGet nor tcpSocket: %w", errNotRun)
}

// ask puts the question once. ports are those of the container, and where they are on this machine.
func (p *probe) ask(ctx context.Context, c *container, ports map[int]int) error {
	timeout := time.Duration(cmp.Or(p.Timeout, 1)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var port json.RawMessage
	if p.HTTP != nil {
		port = p.HTTP.Port
	} else {
		port = p.TCP.Port
	}
	addr, err := address(c, ports, port)
	if err != nil {
		return err
	}
	if p.TCP != nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+cmp.Or(p.HTTP.Path, "/"), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "kube-probe/nodeagent")
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d", resp.StatusCode)
	}
	return nil
}

// address is where a probe's port is on this machine. It is a number, or the name of one of the container's.
func address(c *container, ports map[int]int, port json.RawMessage) (string, error) {
	number, err := strconv.Atoi(string(port))
	if err != nil {
		var name string
		if err := json.Unmarshal(port, &name); err != nil {
			return "", fmt.Errorf("port %s is none: %w", port, err)
		}
		for _, p := range c.Ports {
			if p.Name == name {
				number = p.Port
			}
		}
	}
	here, ok := ports[number]
	if !ok {
		return "", fmt.Errorf("the container names no port %s", port)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(here)), nil
}

// follow asks until ctx is done and tells each time the verdict turns. The first verdict is that of the first threshold
// that is reached.
func (p *probe) follow(ctx context.Context, ask func(context.Context) error, tell func(well bool, why error)) {
	if !pause(ctx, time.Duration(p.Delay)*time.Second) {
		return
	}
	tick := time.NewTicker(time.Duration(cmp.Or(p.Period, 10)) * time.Second)
	defer tick.Stop()
	good, bad := 0, 0
	for {
		err := ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			good, bad = good+1, 0
			if good == cmp.Or(p.Success, 1) {
				tell(true, nil)
			}
		} else {
			good, bad = 0, bad+1
			if bad == cmp.Or(p.Failure, 3) {
				tell(false, err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
