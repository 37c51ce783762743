package nodeagent

import (
	"context"
	"fmt"
	"net"
	"time"
)

// The longest wait before a restart, and how long a process must have run for its waits to begin anew.
const (
	maxBackoff = 30 * time.Second
	ranWell    = time.Minute
	// retryConfig is how often a container is tried again that lacks what it is configured with.
	retryConfig = 2 * time.Second
)

// runContainer runs one container until ctx is done, or until it has ended and is not to be started again.
func (w *worker) runContainer(ctx context.Context, i int) {
	c := &w.pod.Spec.Containers[i]
	wait := w.agent.Backoff
	again := func(reason, message string, d time.Duration) bool {
		w.report(i, func(s *containerStatus) {
			s.State = state{Waiting: &waiting{Reason: reason, Message: message}}
			s.Ready, s.Started = false, false
		})
		return pause(ctx, d)
	}
	for ctx.Err() == nil {
		img, err := w.agent.store.pull(c.Image)
		if err != nil {
			if !again("ErrImagePull", err.Error(), w.agent.Backoff/2) ||
				!again("ImagePullBackOff", fmt.Sprintf("Back-off pulling image %q: %v", c.Image, err), wait) {
				return
			}
			wait = min(2*wait, maxBackoff)
			continue
		}
		p, ports, err := w.start(ctx, c, img)
		if err != nil {
			if !again("CreateContainerConfigError", err.Error(), retryConfig) {
				return
			}
			continue
		}
		began := time.Now()
		code := w.watch(ctx, i, p, ports, img)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > ranWell {
			wait = w.agent.Backoff
		}
		if policy := w.pod.Spec.RestartPolicy; policy == "Never" || policy == "OnFailure" && code == 0 {
			return
		}
		if !again("CrashLoopBackOff", fmt.Sprintf("back-off %s restarting failed container", wait), wait) {
			return
		}
		wait = min(2*wait, maxBackoff)
		w.report(i, func(s *containerStatus) { s.RestartCount++ })
	}
}

// start starts a container's process, each of its ports on a free one of this machine.
func (w *worker) start(ctx context.Context, c *container, img image) (*process, map[int]int, error) {
	for _, q := range []*probe{c.Readiness, c.Liveness, c.Startup} {
		if err := q.askable(); err != nil {
			return nil, nil, err
		}
	}
	ports := map[int]int{}
	for _, p := range c.Ports {
		free, err := freePort(ctx)
		if err != nil {
			return nil, nil, err
		}
		ports[p.Port] = free
	}
	env, err := w.environment(ctx, c, ports)
	if err != nil {
		return nil, nil, err
	}
	argv := append([]string{}, img.config.Entrypoint...)
	if len(c.Command) > 0 {
		argv = append([]string{}, c.Command...)
	}
	argv = append(argv, c.Args...)
	for i := range argv {
		argv[i] = env.expand(argv[i])
	}
	log, err := w.agent.logFile(&w.pod, c.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("open its log: %w", err)
	}
	defer log.Close()
	p, err := w.agent.spawn.start(argv, env.list(), img.dir, log)
	if err != nil {
		return nil, nil, err
	}
	w.agent.services.place(w.ip, ports)
	return p, ports, nil
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// watch asks the probes of a running process until it ends, and gives its exit code. One that is to be stopped is.
func (w *worker) watch(ctx context.Context, i int, p *process, ports map[int]int, img image) int {
	c := &w.pod.Spec.Containers[i]
	began := stampOf(time.Now())
	w.report(i, func(s *containerStatus) {
		s.ImageID, s.ContainerID = img.id, fmt.Sprintf("process://%d", p.cmd.Process.Pid)
		s.State = state{Running: &running{StartedAt: began}}
		s.Started, s.Ready = c.Startup == nil, c.Startup == nil && c.Readiness == nil
	})
	probing, endProbes := context.WithCancel(ctx)
	defer endProbes()
	sick, asked := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(asked)
		w.probes(probing, i, ports, sick)
	}()
	select {
	case <-p.ended:
	case err := <-sick:
		w.agent.Log.Info("a container is restarted", "pod", w.pod.Metadata.Name, "container", c.Name, "error", err)
		p.stop(context.WithoutCancel(ctx), w.grace())
	case <-ctx.Done():
		p.stop(context.WithoutCancel(ctx), w.grace())
	}
	endProbes()
	<-asked // its last verdict must not be told of the next process
	ended := state{Terminated: &terminated{ExitCode: p.code, Reason: "Error", StartedAt: began, FinishedAt: stampOf(time.Now())}}
	if p.code == 0 {
		ended.Terminated.Reason = "Completed"
	}
	_ = p.stdin.Close()
	w.agent.services.unplace(w.ip, ports)
	w.report(i, func(s *containerStatus) { s.State, s.LastState, s.Ready, s.Started = ended, ended, false, false })
	return p.code
}

// probes asks what a container is to be asked: first whether it has started, then the others.
func (w *worker) probes(ctx context.Context, i int, ports map[int]int, sick chan<- error) {
	c := &w.pod.Spec.Containers[i]
	asking := func(p *probe) func(context.Context) error {
		return func(ctx context.Context) error { return p.ask(ctx, c, ports) }
	}
	ails := func(why error) {
		select {
		case sick <- why:
		default:
		}
	}
	if c.Startup != nil {
		started, cancel := context.WithCancel(ctx)
		up := false
		c.Startup.follow(started, asking(c.Startup), func(well bool, why error) {
			if up = well; !well {
				ails(fmt.Errorf("startup probe: %w", why))
			}
			cancel()
		})
		cancel()
		if !up {
			return
		}
		w.report(i, func(s *containerStatus) { s.Started, s.Ready = true, c.Readiness == nil })
	}
	if c.Liveness != nil {
		go c.Liveness.follow(ctx, asking(c.Liveness), func(well bool, why error) {
			if !well {
				ails(fmt.Errorf("liveness probe: %w", why))
			}
		})
	}
	if c.Readiness != nil {
		c.Readiness.follow(ctx, asking(c.Readiness), func(well bool, _ error) {
			w.report(i, func(s *containerStatus) { s.Ready = well && s.State.Running != nil })
		})
	}
}
