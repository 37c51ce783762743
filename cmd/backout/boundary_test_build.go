//go:build testboundary

package main

import (
	"os"
	"strconv"
)

// boundary is the process that runs the tests: it may itself run below an AI agent, which does not make those agents whom the tests
// play. Only programs that tests build for themselves have this.
func boundary() int {
	pid, err := strconv.Atoi(os.Getenv("TESTBOUNDARY"))
	if err != nil {
		return 0
	}
	return pid
}
