// Package loopback reports which hosts are this machine. On the way to any
// other host, plain text can be read and changed.
package loopback

import (
	"net"
	"strings"
)

// Is reports whether host is localhost or a loopback address. A name that only
// resolves to a loopback address counts as another machine.
func Is(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
