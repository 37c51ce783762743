package releases

import "golang.org/x/sys/unix"

// exchangeNames swaps what two names point to, in one step.
var exchangeNames = func(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// canExchange reports whether the file system of dir is one that is known to swap names. A network file system may take
// the call and not be alone in doing so, hence the list and no trial.
func canExchange(dir string) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false, err
	}
	switch uint32(st.Type) { //nolint:gosec // the numbers are 32 bits wide by definition
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.F2FS_SUPER_MAGIC, unix.OVERLAYFS_SUPER_MAGIC:
		return true, nil
	default:
		return false, nil
	}
}

func unsupported(err error) bool {
	return err == unix.ENOSYS || err == unix.EINVAL || err == unix.EOPNOTSUPP //nolint:errorlint // the raw answer of one system call
}
