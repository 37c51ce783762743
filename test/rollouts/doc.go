// Package rollouts holds the test of a whole run on the real controller of Argo Rollouts: planned, confirmed, aborted and
// verified by the engine.
package rollouts
