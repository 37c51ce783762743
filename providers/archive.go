package providers

import (
	"context"
	"errors"
)

// Updater is the extra ability of an [Archive] that several processes may write to at once.
type Updater interface {
	// Update calls change with what is kept under key, nil where nothing is, and keeps what it gives; nil keeps what was
	// there. Nobody else updates a key of that provider meanwhile, in whatever process, so change has to be quick and must
	// not use the archive. An error of change is given back and keeps what was there.
	Update(ctx context.Context, provider, key string, change func(old []byte) ([]byte, error)) error
}

// Update changes what an archive keeps under key as [Updater] says. Of an archive that is none, what two write at once is lost
// for one of them.
func Update(ctx context.Context, a Archive, provider, key string, change func(old []byte) ([]byte, error)) error {
	if u, ok := a.(Updater); ok {
		return u.Update(ctx, provider, key, change)
	}
	old, err := a.Get(ctx, provider, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	data, err := change(old)
	if err != nil || data == nil {
		return err
	}
	return a.Put(ctx, provider, key, data)
}
