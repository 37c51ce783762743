// Package kubernetes holds tests of whole rollbacks on a real control plane: from the plan to what is journaled in the end.
package kubernetes
