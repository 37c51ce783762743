package servers

import "syscall"

// dieWithParent ends a server with this process, however that ends. It is in a group of its own so that an interrupt from the
// keyboard reaches this process alone, which stops its servers in their order.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// asUser is dieWithParent as another user.
func asUser(uid, gid uint32) *syscall.SysProcAttr {
	attr := dieWithParent()
	attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	return attr
}
