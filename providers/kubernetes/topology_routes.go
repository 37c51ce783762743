package kubernetes

import "github.com/backout-dev/backout/providers/kube"

// route is what is kept of a Service: which pods it leads to.
type route struct {
	meta
	selector map[string]string
}

// reduceRoute gives nil for a Service that selects no pods.
func (p *Provider) reduceRoute(o *kube.Object) *route {
	r := &route{meta: p.meta(o, "service", nil), selector: texts(o.Object, "spec", "selector")}
	if len(r.selector) == 0 {
		return nil
	}
	return r
}

// leadsTo reports whether pods with these labels are behind the route.
func (r *route) leadsTo(labels map[string]string) bool {
	for k, v := range r.selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}
