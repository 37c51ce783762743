package kube

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/cenkalti/backoff/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/backout-dev/backout/providers"
)

// Event is one thing that a Follow saw. Either Object is set, or Complete is.
type Event struct {
	Object  *Object
	Deleted bool
	// Complete: everything that was there has been told. It comes once after each list: after the first, and after each that
	// followed a time that the API server does not remember. What was told before such a list and not in it is gone.
	Complete bool
}

// Follow lists the objects of a namespace ("" is all) and then watches them, with bookmarks, until ctx is done. It goes on
// by itself when the connection breaks, and lists anew when the API server no longer knows where it was (410 Gone). An
// error that it yields is for the health line; it goes on after it, more slowly each time, also after a permanent one.
func (c *Cluster) Follow(ctx context.Context, r Resource, namespace string, s Selection) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := follower{c: c, r: r, namespace: namespace, selection: s, yield: yield}
		pause := backoff.NewExponentialBackOff()
		pause.InitialInterval, pause.MaxInterval = 500*time.Millisecond, time.Minute
		for ctx.Err() == nil {
			begun := time.Now()
			err := f.once(ctx)
			switch {
			case f.enough || ctx.Err() != nil:
				return
			case err == nil && time.Since(begun) > time.Second: // the server ends each watch after some minutes
				pause.Reset()
				continue
			case gone(err):
				f.version = ""
			}
			if err != nil && !yield(Event{}, err) {
				return
			}
			wait := max(pause.NextBackOff(), providers.RetryAfter(err))
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	}
}

type follower struct {
	c         *Cluster
	r         Resource
	namespace string
	selection Selection
	yield     func(Event, error) bool
	version   string // up to where everything was told; "" where a list is needed
	enough    bool
}

// once lists where that is needed and follows one watch to its end, which is no error when the server ended it in order.
func (f *follower) once(ctx context.Context) error {
	if f.version == "" {
		version, err := f.c.list(ctx, f.r, f.namespace, f.selection, func(o *Object) bool { return f.tell(Event{Object: o}) })
		if err != nil || f.enough {
			return err
		}
		if f.version = version; !f.tell(Event{Complete: true}) {
			return nil
		}
	}
	w, err := f.c.in(f.r, f.namespace).Watch(ctx, metav1.ListOptions{
		LabelSelector: f.selection.Labels, FieldSelector: f.selection.Fields, ResourceVersion: f.version, AllowWatchBookmarks: true,
	})
	if err != nil {
		return f.c.wrap(err, "watch", f.r, f.namespace, "")
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, open := <-w.ResultChan():
			if !open {
				return nil
			}
			if err := f.take(e); err != nil || f.enough {
				return err
			}
		}
	}
}

func (f *follower) take(e watch.Event) error {
	if e.Type == watch.Error {
		return f.c.wrap(apierrors.FromObject(e.Object), "watch", f.r, f.namespace, "")
	}
	o, ok := e.Object.(*Object)
	if !ok {
		return nil
	}
	f.version = o.GetResourceVersion()
	if e.Type != watch.Bookmark {
		f.tell(Event{Object: o, Deleted: e.Type == watch.Deleted})
	}
	return nil
}

func (f *follower) tell(e Event) bool {
	f.enough = !f.yield(e, nil)
	return !f.enough
}

// gone reports whether the API server no longer knows the version that was asked for.
func gone(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && (apierrors.IsGone(err) || apierrors.IsResourceExpired(err))
}
