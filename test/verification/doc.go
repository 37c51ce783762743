// Package verification tries what was declared for a unit on the real thing: a control plane, a Prometheus that scrapes a shop
// over HTTP, and the program itself. The shop's pages stand for its pods, because no containers run here: it serves what its
// Deployment's image says, and so is cured by nothing but a rollback.
package verification
