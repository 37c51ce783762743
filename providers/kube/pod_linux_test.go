package kube_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/test/servers"
)

const podEnv = "BACKOUT_TEST_POD"

// inCluster: in a pod there is no kubeconfig, but a service account's token below /var/run. The paths are fixed, so a process
// with a file system of its own is the pod: it needs a kernel that lets this user make one.
func inCluster(t *testing.T, c *servers.Cluster) {
	server, err := url.Parse(c.Server)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(server.Host)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca, err := os.ReadFile(filepath.Join(filepath.Dir(c.Kubeconfig), "certs", "apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "ca.crt"), string(ca))
	put(t, filepath.Join(dir, "namespace"), "default")
	put(t, filepath.Join(dir, "token"), strings.TrimSpace(c.Do(t, "", "create", "token", "default", "-n", "default")))
	c.Do(t, "", "create", "clusterrolebinding", "in-pod", "--clusterrole=view", "--serviceaccount=default:default")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{podEnv + "=" + dir, "HOME=" + dir, "KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	exit := new(exec.ExitError)
	if errors.Is(err, fs.ErrPermission) || (errors.As(err, &exit) && exit.ExitCode() == exitForbidden) {
		t.Skipf("SKIPPED: this kernel lets the user make no file system of its own: %v %s", err, out)
	}
	if err != nil || string(out) != "in-cluster "+c.Server+"\n" {
		t.Errorf("%v: %s", err, out)
	}
}

const exitForbidden = 77

// pod is the process in the pod.
func pod(dir string) int {
	run, err := filepath.EvalSymlinks("/var/run")
	if err != nil {
		return 1
	}
	err = errors.Join(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""), syscall.Mount("tmpfs", run, "tmpfs", 0, ""))
	if err != nil {
		fmt.Println(err)
		return exitForbidden
	}
	account := "/var/run/secrets/kubernetes.io/serviceaccount"
	if err := os.CopyFS(account, os.DirFS(dir)); err != nil {
		fmt.Println(err)
		return 1
	}
	k, err := kube.Open(kube.Options{})
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, err = k.Get(ctx, configMaps, "default", "kube-root-ca.crt")
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(k.Context(), k.Server())
	return 0
}
