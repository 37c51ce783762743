package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/backout-dev/backout/test/nodeagent"
	"github.com/backout-dev/backout/test/servers"
)

// node is the one node of a cluster whose pods are processes.
type node struct {
	ctx    context.Context // done when the node has ended, whose cause says why where nobody asked for it
	cancel context.CancelFunc
	ended  chan struct{}
	log    *os.File
}

// startNode starts it and waits until the cluster has it.
func startNode(ctx context.Context, c *servers.Cluster, images, dir string) (*node, error) {
	log, err := os.Create(filepath.Join(dir, "node.log"))
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(ctx)
	told, tell := context.WithCancelCause(ctx)
	n := &node{ctx: told, cancel: cancel, ended: make(chan struct{}), log: log}
	go func() {
		defer close(n.ended)
		err := nodeagent.Run(running, nodeagent.Options{
			Kubeconfig: c.Kubeconfig, Node: "node-1", Images: images, Dir: filepath.Join(dir, "pods"), Log: slog.New(slog.NewTextHandler(log, nil)),
		})
		if err != nil {
			err = fmt.Errorf("the node ended: %w", err)
		}
		tell(err)
	}()
	if _, err := c.Kubectl(told, "", "wait", "--for=create", "node/node-1", "--timeout=30s"); err != nil {
		n.stop()
		return nil, err
	}
	if _, err := c.Kubectl(told, "", "wait", "--for=condition=Ready", "node/node-1", "--timeout=30s"); err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

// stop ends the node and the processes of its pods.
func (n *node) stop() {
	n.cancel()
	<-n.ended
	_ = n.log.Close()
}
