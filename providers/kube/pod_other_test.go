//go:build !linux

package kube_test

import (
	"testing"

	"github.com/backout-dev/backout/test/servers"
)

const podEnv = "BACKOUT_TEST_POD"

func pod(string) int { return 1 }

func inCluster(t *testing.T, _ *servers.Cluster) {
	t.Skip("SKIPPED: the files of a service account have a fixed path, which only Linux lets one process have of its own")
}
