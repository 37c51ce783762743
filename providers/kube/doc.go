// Package kube is the shared way to reach a Kubernetes cluster: the configuration that kubectl would use, lists by page,
// watches that go on, writes on a condition, and what went wrong in words that a person can act on. It knows no particular
// kind of object, and decides nothing.
package kube
