// Package loopback reports which hosts are this machine: on the way to any other
// one, plain text can be read and changed.
package loopback

import (
	"net"
	"strings"
)

// Is reports whether host is localhost or a loopback address. A name that only
// leads to one is another machine.
func Is(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
