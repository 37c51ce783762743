// Package kubernetes reads a Kubernetes cluster: which workload, configuration and scale changed, when, by whom and from what
// to what, what is wrong now, and what hangs together. It takes workloads back by patches that hold only while the object is
// what the plan saw. It watches and does not poll, and keeps small records of what it saw, never the objects.
package kubernetes
