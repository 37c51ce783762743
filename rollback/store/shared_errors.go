package store

import (
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	readOnlyTransaction = "25006"
	lockNotAvailable    = "55P03"
)

var classified = [...]error{ErrAway, ErrUncertain, ErrStandby, ErrRole, ErrLogin, ErrTLS, ErrBusy, ErrFull, ErrCorrupt, ErrNewer, ErrForeign}

// classifyShared is the typed error for what PostgreSQL or the way to it says; nil where it is neither, or has one already.
func classifyShared(err error) error {
	for _, is := range classified {
		if errors.Is(err, is) {
			return nil
		}
	}
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return classifyCode(said.Code)
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) || strings.Contains(err.Error(), "server refused TLS connection") {
		return ErrTLS // it answers, so that waiting for it helps nobody
	}
	var lost *pgconn.ConnectError
	var network *net.OpError // and not any net.Error: the end of the caller's own time is one, too
	if errors.Is(err, errSilent) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &lost) || errors.As(err, &network) || strings.Contains(err.Error(), "conn closed") {
		return ErrAway
	}
	return nil
}

// classifyCode goes by the code of an error (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func classifyCode(code string) error {
	switch code {
	case readOnlyTransaction:
		return ErrStandby
	case "42501", "0LP01":
		return ErrRole
	case lockNotAvailable, "40001", "40P01":
		return ErrBusy
	case "53100":
		return ErrFull
	case "XX001", "XX002":
		return ErrCorrupt
	case "3D000":
		return ErrLogin
	}
	switch {
	case strings.HasPrefix(code, "28"):
		return ErrLogin
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"), strings.HasPrefix(code, "53"), code == "25P03":
		return ErrAway
	}
	return nil
}

// brief is an error of the driver in one line: it tells of each address and each way in a line of its own, of which the last one says
// as much as all of them.
type brief struct{ err error }

func (b *brief) Error() string {
	lines := strings.Split(strings.TrimSpace(b.err.Error()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

func (b *brief) Unwrap() error { return b.err }
