package kube

import (
	"context"
	"iter"
	"sync"
)

// Merge reads several watches at once and hands on what each brings as it comes, errors too, in the order within each. It ends
// with ctx or with its reader, and leaves no goroutine.
func Merge[T any](ctx context.Context, watches ...func(context.Context) iter.Seq2[T, error]) iter.Seq2[T, error] {
	type news struct {
		what T
		err  error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		came := make(chan news)
		for _, watch := range watches {
			all.Go(func() {
				for what, err := range watch(ctx) {
					select {
					case came <- news{what, err}:
					case <-ctx.Done():
						return
					}
				}
			})
		}
		for {
			select {
			case <-ctx.Done():
				return
			case n := <-came:
				if !yield(n.what, n.err) {
					return
				}
			}
		}
	}
}
