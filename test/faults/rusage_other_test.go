//go:build unix && !linux

package faults

import "os"

// resident is not known here: systems count in different units.
func resident(*os.ProcessState) int64 { return 0 }
