//go:build !unix

package main

import "context"

// consoleMeasurements drive the real program in a pseudo-terminal, which is only known how to be had on Unix.
func consoleMeasurements(*feeds) ([]measurement, func()) {
	return []measurement{{"console in a terminal", "", func(context.Context, string) (result, error) {
		return result{skip: true, note: "needs a Unix pseudo-terminal"}, nil
	}}}, func() {}
}
