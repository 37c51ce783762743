package kube

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/backout-dev/backout/providers"
)

// What a write may end with beside a plain error.
var (
	// ErrConditionFailed: the object is not what the write was made for. Nothing was written.
	ErrConditionFailed = errors.New("the object is no longer what it was")
	// ErrExists: an object of that name is there already. Nothing was written.
	ErrExists = errors.New("there is one of that name already")
	// ErrRefused: the API server, a webhook or a quota refused. Nothing was written.
	ErrRefused = errors.New("refused by the cluster")
	// ErrUnknown: it is not known whether the write took effect.
	ErrUnknown = errors.New("it is not known whether it was written")
)

// wrap says what was being done and how the error is to be taken.
func (c *Cluster) wrap(err error, verb string, r Resource, namespace, name string) error {
	if err == nil {
		return nil
	}
	if why := new(providers.Error); errors.As(err, &why) {
		return why // it was never sent
	}
	if why, ok := notLoggedIn(err); ok {
		return providers.Unauthenticated(fmt.Errorf("%s %s in %s: the login of the kubeconfig failed, so nothing was asked (kubectl in a terminal shows why): %w", verb, target(r, namespace, name), c.context, why))
	}
	err = fmt.Errorf("%s %s in %s: %w", verb, target(r, namespace, name), c.context, c.told(err))
	if held := c.heldBack(err); held != nil {
		return held
	}
	after, patience := apierrors.SuggestsClientDelay(err)
	switch {
	case apierrors.IsNotFound(err):
		return providers.Permanent(errors.Join(err, providers.ErrNotFound))
	case apierrors.IsUnauthorized(err):
		return providers.Unauthenticated(fmt.Errorf("%w: log in to the cluster again", err))
	case apierrors.IsForbidden(err):
		return providers.Permanent(err)
	case apierrors.IsTooManyRequests(err) || patience:
		return providers.RateLimited(time.Duration(after)*time.Second, err)
	case apierrors.IsMethodNotSupported(err) || apierrors.IsBadRequest(err):
		return providers.Permanent(err)
	}
	return providers.Retryable(err)
}

// notLoggedIn takes out of an error that a credential plugin gave no credentials: then nothing was sent. The library tells it
// by its text alone.
func notLoggedIn(err error) (error, bool) {
	const mark = "getting credentials: "
	sent := new(url.Error)
	if !errors.As(err, &sent) || sent.Err == nil {
		return nil, false
	}
	_, why, ok := strings.Cut(sent.Err.Error(), mark)
	if errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w: %s", ErrRefused, why), ok
	}
	return errors.New(why), ok
}

// told says of a request that got no answer whom it was for, and not its whole address.
func (c *Cluster) told(err error) error {
	if sent := new(url.Error); errors.As(err, &sent) && !sent.Timeout() {
		return fmt.Errorf("no answer from %s (is it up, and the way to it?): %w", c.server, sent.Err)
	}
	return err
}

// wrapWrite also tells whether anything can have been written: only an answer of the API server itself says that it was not.
func (c *Cluster) wrapWrite(err error, verb string, r Resource, namespace, name string) error {
	if err == nil {
		return nil
	}
	var kind error
	if _, ok := notLoggedIn(err); ok {
		return c.wrap(fmt.Errorf("%w: %w", ErrRefused, err), verb, r, namespace, name)
	}
	switch {
	case apierrors.IsAlreadyExists(err):
		kind = ErrExists
	case apierrors.IsConflict(err):
		kind = ErrConditionFailed
	case apierrors.IsInvalid(err) && testFailed(err):
		kind = ErrConditionFailed
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err),
		apierrors.IsInternalError(err), apierrors.IsUnexpectedServerError(err):
		kind = ErrUnknown
	case apierrors.ReasonForError(err) != "", apierrors.IsNotFound(err):
		kind = ErrRefused
	default:
		kind = ErrUnknown
	}
	return c.wrap(fmt.Errorf("%w: %w", kind, c.told(err)), verb, r, namespace, name)
}

// testFailed tells a "test" of a JSON patch that did not hold from an object that is not valid: the API server answers
// both with 422, the first without naming a field.
func testFailed(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	d := status.Status().Details
	return d == nil || len(d.Causes) == 0
}

func target(r Resource, namespace, name string) string {
	s := r.Resource
	if name != "" {
		s += " " + name
	}
	if namespace != "" {
		s += " in namespace " + namespace
	}
	return s
}
