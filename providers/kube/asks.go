package kube

import (
	"strings"

	"github.com/backout-dev/backout/providers"
)

// AsksPrefix begins the annotations by which an object asks for how a rollback of it is verified.
const AsksPrefix = "backout.dev/verify"

// Asks are those annotations of an object, cleaned, by their whole names; nil where it has none. Whoever may annotate the
// object wrote them.
func Asks(annotations map[string]string) map[string]string {
	var asks map[string]string
	for key, text := range annotations {
		if key != AsksPrefix && !strings.HasPrefix(key, AsksPrefix+"-") {
			continue
		}
		if asks == nil {
			asks = map[string]string{}
		}
		asks[providers.Clean(key)] = providers.Clean(text)
	}
	return asks
}
