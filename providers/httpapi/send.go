package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/backout-dev/backout/providers"
)

// StatusError is an answer that is none of success. Of one below 500 the server itself says that it did not do what was asked.
type StatusError struct {
	Code int
	text string
}

// Error implements error.
func (e *StatusError) Error() string { return e.text }

// Refused reports whether the server answered that it did not do what was asked. Any other error leaves open what it did.
func Refused(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code >= 400 && status.Code < 500 && status.Code != http.StatusRequestTimeout
}

// NotThere reports whether the server answered that it has nothing of that name.
func NotThere(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotFound
}

// Send sends body as JSON (nil: nothing) and takes any status of success for one. It has the promises of [Client.Get], and is
// never tried again by itself: an error that is not [Refused] leaves open whether it was done.
func (c *Client) Send(ctx context.Context, method, path string, body any) error {
	start := c.env.Now()
	inner, cancel := context.WithTimeout(ctx, c.set.Timeout)
	defer cancel()
	err := c.send(inner, method, path, body)
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err() // the caller gave up; that says nothing about the source
	default:
		err = c.explain(inner, path, c.env.Now().Sub(start), err)
	}
	c.vitals.Done(start, err)
	return err
}

func (c *Client) send(ctx context.Context, method, path string, body any) error {
	var content io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return providers.Permanent(fmt.Errorf("write the request: %w", err))
		}
		content = bytes.NewReader(data)
	}
	u := *c.base
	u.Path += path
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return providers.Permanent(err)
	}
	c.identify(req)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	ans := c.clock(resp)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.refused(resp, ans)
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, c.maxBody)); err != nil {
		return err
	}
	return nil
}
