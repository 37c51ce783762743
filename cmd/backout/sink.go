package main

import "io"

// sink remembers that its stream could not be written, so that a result nobody got does not end with 0: a full disk below
// a redirection is the usual reason.
type sink struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (s *sink) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil && s.err == nil {
		s.err = err
	}
	return n, err
}
