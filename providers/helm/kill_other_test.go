//go:build !linux

package helm_test

import "testing"

const onlyLinux = "SKIPPED: only Linux ends a child with its parent by itself, and shows what runs below /proc"

func killedRollbackIsFinished(t *testing.T, _ *release) { t.Skip(onlyLinux) }

func killedAtEveryPoint(t *testing.T, _ *release) { t.Skip(onlyLinux) }
