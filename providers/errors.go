package providers

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotFound is what an Archive or a lookup by id returns for something that is not there.
var ErrNotFound = errors.New("not found")

// ErrorClass says what a caller may do about a provider's error.
type ErrorClass string

// The classes of errors. An error without a class is retryable.
const (
	ClassRetryable   ErrorClass = "retryable"
	ClassPermanent   ErrorClass = "permanent"
	ClassRateLimited ErrorClass = "rate-limited"
	ClassAuth        ErrorClass = "authentication"
)

// Error is a provider's error with its class. RetryAfter is only set for ClassRateLimited; zero: the source did not say.
type Error struct {
	Class      ErrorClass
	RetryAfter time.Duration
	Err        error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Class == ClassRateLimited && e.RetryAfter > 0 {
		return fmt.Sprintf("%v (rate limited, again in %s)", e.Err, e.RetryAfter)
	}
	return e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent marks an error that trying again will not mend, such as a wrong address or a missing right. It is asked again all the
// same, slowly, because somebody may mend it.
func Permanent(err error) error { return classed(ClassPermanent, 0, err) }

// Retryable marks an error that may pass by itself.
func Retryable(err error) error { return classed(ClassRetryable, 0, err) }

// RateLimited marks an error of a source that asks for patience; after is 0 where it did not say how long.
func RateLimited(after time.Duration, err error) error { return classed(ClassRateLimited, after, err) }

// Unauthenticated marks an error of missing or refused credentials.
func Unauthenticated(err error) error { return classed(ClassAuth, 0, err) }

func classed(c ErrorClass, after time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Class: c, RetryAfter: after, Err: err}
}

// ClassOf is the class of an error; ClassRetryable for one that has none.
func ClassOf(err error) ErrorClass {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ClassRetryable
}

// RetryAfter is how long the source asked to be left alone; 0 where it did not say.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
