// Package gitops tests that a rollback stays where a reconciler owns what is taken back: whole runs against a real Argo CD and
// the real controllers of Flux.
package gitops
