// Package gitops tests that a rollback stays where a reconciler owns what is taken back: whole runs against a real Argo CD, and
// what of Flux can be tried without its controllers.
package gitops
