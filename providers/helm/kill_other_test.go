//go:build !linux

package helm_test

import "testing"

func killedRollbackIsFinished(t *testing.T, _ *release) {
	t.Skip("SKIPPED: only Linux ends a child with its parent by itself, and shows what runs below /proc")
}
