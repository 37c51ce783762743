//go:build !linux

package servers

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }

// asUser changes nothing here: whoever is not root on these systems runs servers as himself.
func asUser(uint32, uint32) *syscall.SysProcAttr { return nil }
