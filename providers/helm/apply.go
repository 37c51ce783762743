package helm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

const (
	programName = "backout-helm"
	protocol    = 2 // of the two documents that the program reads and writes
)

// question and answer are the documents of that protocol.
type question struct {
	Protocol       int      `json:"protocol"`
	Kubeconfig     string   `json:"kubeconfig"`
	Context        string   `json:"context"`
	Namespace      string   `json:"namespace"`
	Release        string   `json:"release"`
	Driver         string   `json:"driver"`
	Revision       int      `json:"revision"`
	Target         string   `json:"target"`
	Expect         int      `json:"expect"`
	Current        string   `json:"current"`
	Begun          int      `json:"begun"`
	Deletes        []string `json:"deletes"`
	Manager        string   `json:"manager,omitempty"` // empty: Helm's own
	Stamp          string   `json:"stamp"`
	TimeoutSeconds int      `json:"timeout_seconds"`
}

type answer struct {
	Protocol int    `json:"protocol"`
	Outcome  string `json:"outcome"`
	Revision int    `json:"revision"`
	Detail   string `json:"detail"`
	Helm     string `json:"helm"`
}

// program finds the writer: the setting, beside this executable, on PATH.
func (p *Provider) program() (string, error) {
	if p.s.Program != "" {
		path := p.s.Program
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.dir, path)
		}
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("the program %s of the setting program: %w", path, err)
		}
		return path, nil
	}
	name := programName
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if self, err := os.Executable(); err == nil {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), name)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("the program %s, which comes with backout and makes Helm rollbacks: put it beside backout or on PATH", programName)
	}
	return path, nil
}

var operationID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// Apply implements rollback.Reverser. The program creates the record that follows the one the plan saw; that name can be given
// out once only. A record of this operation that is there already is its effect; one that was left half done is gone over again.
func (p *Provider) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	failed := func(err error) (rollback.Result, error) {
		return rollback.Result{Outcome: rollback.Failed, Detail: "nothing was done: " + err.Error()}, nil
	}
	c, err := p.locate(step.Unit)
	if err != nil {
		return failed(err)
	}
	revision, err := strconv.Atoi(step.Args["revision"])
	if err != nil || step.Action != actionRollback || !operationID.MatchString(op.ID) {
		return failed(fmt.Errorf("step %q to revision %q of operation %q is none of this provider's", step.Action, step.Args["revision"], op.ID))
	}
	records, err := p.history(ctx, c)
	if err != nil {
		return failed(err)
	}
	newest, stamp := records[0], op.ID+"."+strconv.Itoa(step.N)
	if res, over := stands(newest, step, stamp); over {
		return res, nil
	}
	i := slices.IndexFunc(records, func(r *record) bool {
		return r.revision == revision && r.digest == step.To && r.digest != ""
	})
	if i < 0 {
		return failed(fmt.Errorf("revision v%d is gone or is no longer what the plan saw", revision))
	}
	begun := records[0] // what the operation began from, where an earlier attempt of it was cut off
	for _, r := range records {
		if begun = r; r.stamp != stamp {
			break
		}
	}
	deletes, err := p.consented(ctx, c, begun, records[i], step.Args[argDeletes])
	if err != nil {
		return failed(err)
	}
	return p.write(ctx, c, question{
		Protocol: protocol, Kubeconfig: p.cluster.Kubeconfig(), Context: p.s.Context, Namespace: c.namespace, Release: c.release, Driver: p.s.Driver,
		Revision: revision, Target: records[i].payload, Expect: newest.revision, Current: newest.payload, Begun: begun.revision, Deletes: deletes, Manager: step.Args[argManager],
		Stamp: stampPrefix + stamp, TimeoutSeconds: int(max(p.s.HookTimeout, time.Second).Seconds()),
	})
}

// stands reports what the newest record means for a step: done already, no longer what the plan saw, or still to do.
func stands(newest *record, step rollback.Step, stamp string) (rollback.Result, bool) {
	ours := newest.stamp == stamp && newest.digest == step.To
	switch {
	case ours && newest.status == statusDeployed:
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: newest.token(), Detail: "revision " + newest.label() + " is of this operation"}, true
	case ours: // it was cut off, or failed half way
		return rollback.Result{}, false
	case newest.token() != step.Token:
		return rollback.Result{Outcome: rollback.PreconditionFailed, Token: newest.token(), Detail: fmt.Sprintf("the newest revision is %s (%s)", newest.label(), newest.status)}, true
	}
	return rollback.Result{}, false
}

// write runs the program. Its standard input stays open as long as this process wants it: when that ends, it dies.
func (p *Provider) write(ctx context.Context, c coordinates, q question) (rollback.Result, error) {
	none := func(err error) (rollback.Result, error) {
		return rollback.Result{Outcome: rollback.Failed, Detail: "nothing was done: " + err.Error()}, nil
	}
	path, err := p.program()
	if err != nil {
		return none(fmt.Errorf("it needs %w", err))
	}
	in, hold, err := os.Pipe()
	if err != nil {
		return none(err)
	}
	defer func() { _, _ = hold.Close(), in.Close() }()
	if err := json.NewEncoder(hold).Encode(q); err != nil {
		return none(err)
	}
	ctx, cancel := context.WithTimeout(ctx, p.s.HookTimeout+20*time.Second)
	defer cancel()
	out, err := process.Program{Argv: []string{path}, Env: environment(), Stdin: in, MaxOutput: 1 << 20}.Run(ctx)
	var start *process.StartError
	if errors.As(err, &start) {
		return none(fmt.Errorf("start %s: %w", path, err))
	}
	var a answer
	if err == nil {
		err = json.Unmarshal(out, &a)
	}
	if err == nil && a.Protocol != protocol {
		err = fmt.Errorf("it speaks protocol %d", a.Protocol)
	}
	res := rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: providers.Clean(a.Detail)}
	switch o := rollback.Outcome(a.Outcome); {
	case err != nil:
		res.Detail = "what " + programName + " did is not known: " + providers.Clean(err.Error())
	case o == rollback.Applied || o == rollback.PreconditionFailed || o == rollback.Failed:
		res.Outcome = o
	}
	if records, err := p.history(ctx, c); err == nil && records[0].stamp == strings.TrimPrefix(q.Stamp, stampPrefix) {
		res.Token = records[0].token()
	}
	return res, nil
}

// environment is what a kubeconfig's credential plugin may need, beside the proxies and certificates of the connection.
func environment() []string {
	prefixes := []string{"AWS_", "AZURE_", "ARM_", "GOOGLE_", "CLOUDSDK_", "GKE_", "USE_GKE_", "OCI_", "KUBE", "XDG_", "LC_", "SSL_CERT_"}
	names := []string{
		"PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSH_AUTH_SOCK",
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			names = append(names, name)
		}
	}
	return process.Environ(names...)
}
