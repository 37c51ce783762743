package servers

import "syscall"

// dieWithParent ends a server with this process, however that ends. It is in a group of its own so that an interrupt from the
// keyboard reaches this process alone, which stops its servers in their order.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
