package etcd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/internal/slow"
)

// authority is a certificate authority for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	var a authority
	pair := a.issue(t, func(c *x509.Certificate) { c.IsCA = true })
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue makes a certificate. If the authority has none yet, it makes the
// authority's own.
func (a authority) issue(t testing.TB, set func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "made up"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	set(c)
	if a.cert == nil {
		a = authority{c, private}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &private.PublicKey, a.key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}

// trusted returns a configuration that trusts the authority and has these client
// certificates.
func (a authority) trusted(show ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, Certificates: show}
}

// write writes a certificate and its key to files in etcd's format.
func write(t testing.TB, pair tls.Certificate) (cert, private string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, private = filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: pair.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return cert, private
}

// said checks that the members cannot be reached, and that a read, a Watch and a
// login each return one of these reasons.
func said(t *testing.T, o etcd.Options, says ...string) {
	t.Helper()
	began := time.Now()
	s := openStore(t, o)
	var all sync.WaitGroup // each may take some seconds
	var read, watched, opened error
	all.Go(func() { _, read = s.Get(t.Context(), key) })
	all.Go(func() { watched = s.Watch(within(t, deadline), []secret.Address{key}, func(secret.Address) {}) })
	all.Go(func() { _, opened = etcd.OpenPublisher(t.Context(), as(o, "reader")) })
	all.Wait()
	for place, err := range map[string]error{"etcd key " + prefix(o) + key.Binding(): read, "etcd " +
		prefix(o): watched, "etcd: the user cannot be logged in": opened} {
		require.Error(t, err)
		rest, is := strings.CutPrefix(err.Error(), place+": ")
		require.True(t, is, err)
		require.Contains(t, says, rest)
	}
	require.Empty(t, redacttest.Check(opened, password))
	require.Less(t, time.Since(began), 15*time.Second)
}

// TestServerTLS: a member that has a certificate, and requires one from the
// client.
func TestServerTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	cert, private := write(t, ours.issue(t, func(c *x509.Certificate) {
		c.IPAddresses, c.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"etcd-1.internal"}
	}))
	ca, _ := write(t, tls.Certificate{Certificate: [][]byte{ours.cert.Raw}, PrivateKey: ours.key})
	// The member also listens on an address that its certificate does not have.
	plain, address, another := servers.Address(t), servers.Address(t), "127.0.0.2:"+port(servers.Address(t))
	_, o := singleAt(t, plain, []string{"https://" + address, "https://" + another}, "--cert-file",
		cert, "--key-file", private,
		"--client-cert-auth", "--trusted-ca-file", ca)
	client, stranger := ours.issue(t, func(*x509.Certificate) {}), theirs.issue(t, func(*x509.Certificate) {})

	const (
		disagree = "the members and this program cannot agree on TLS: check the certificates, and the " +
			"TLS versions of both sides"
		untrusted = "the certificate of the member is not trusted: check the endpoints and the certificates"
		unshown   = "the member requires a client certificate that it trusts, and did not get one"
		closes    = "the member closes the connection at once: if it uses TLS, give its endpoint as " +
			"https://host:port, and if it requires a client certificate, give one that it trusts"
	)
	named := func(c *tls.Config, name string) *tls.Config {
		c.ServerName = name
		return c
	}
	old := func(c *tls.Config, version uint16) *tls.Config {
		c.MaxVersion = version
		return c
	}
	insists := func(c *tls.Config) *tls.Config {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stranger, nil }
		return c
	}
	for _, tc := range []struct {
		name     string
		endpoint string
		tls      *tls.Config
		says     []string // nil: no error
	}{
		{"both are trusted", "https://" + address, ours.trusted(client), nil},
		// Without a scheme, http is used on this machine.
		{"https is meant", address[:len("127.0.0.1")] + ":" + port(plain), nil, nil},
		{"by its name", "https://" + another, named(ours.trusted(client), "etcd-1.internal"), nil},
		{"by another name", "https://" + address, named(ours.trusted(client), "etcd-2.internal"), []string{untrusted}},
		{"at an address that is not its own", "https://" + another, ours.trusted(client), []string{untrusted}},
		{"no authority is known", "https://" + address, nil, []string{untrusted}},
		{"another authority is known", "https://" + address, theirs.trusted(client), []string{untrusted}},
		{"no certificate is shown", "https://" + address, ours.trusted(), []string{unshown, closes}},
		{"no certificate is shown, TLS 1.2", "https://" + address, old(ours.trusted(), tls.VersionTLS12),
			[]string{unshown, disagree}},
		{"that of another authority is shown", "https://" + address, old(insists(ours.trusted()), tls.VersionTLS12),
			[]string{unshown}},
		{"TLS 1.1", "https://" + address, old(ours.trusted(client), tls.VersionTLS11), []string{disagree}},
		{"http where TLS is spoken", "http://" + address, nil, []string{closes}},
		{"https where it is not", "https://" + plain, ours.trusted(client), []string{"the member closes the " +
			"connection at once: if it does not use TLS, give its endpoint as http://host:port, or " +
			"enable TLS on the member"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := o
			o.Endpoints, o.TLS = []string{tc.endpoint}, tc.tls
			if tc.says != nil {
				said(t, o, tc.says...)
				return
			}
			well(t, openPublisher(t, o).Publish(t.Context(),
				[]driver.Item{{Name: key.Binding(), Text: driver.NewValue(text), Note: "note"}}))
			s := openStore(t, o)
			got, err := s.Get(t.Context(), key)
			require.NoError(t, err)
			require.True(t, got == text)
			begin(t, s, key)
		})
	}
}

// TestServerCertificates: if a certificate names the user, there is no login, and
// the user has the same permissions as with a password.
func TestServerCertificates(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	cert, private := write(t,
		ours.issue(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }))
	ca, _ := write(t, tls.Certificate{Certificate: [][]byte{ours.cert.Raw}, PrivateKey: ours.key})
	plain, address := servers.Address(t), servers.Address(t)
	_, o := singleAt(t, plain, []string{"https://" + address}, "--cert-file", cert, "--key-file", private,
		"--client-cert-auth", "--trusted-ca-file", ca)
	root := guard(t, &servers.Etcd{Members: []*servers.Member{{Address: plain}}}, o)
	set(t, root(), prefix(o)+own.Binding(), text)
	named := func(user string) etcd.Options {
		o := o
		o.Endpoints = []string{"https://" + address}
		o.TLS = ours.trusted(ours.issue(t, func(c *x509.Certificate) { c.Subject.CommonName = user }))
		return o
	}

	s := openStore(t, named("reader"))
	got, err := s.Get(t.Context(), own)
	require.NoError(t, err)
	require.True(t, got == text)
	w := begin(t, s, own)
	well(t, openPublisher(t, named("writer")).Publish(t.Context(),
		[]driver.Item{{Name: own.Binding(), Text: driver.NewValue("v2"), Note: "note"}}))
	until(t, "a change is reported", deadline, func() bool { return w.count(own) > 1 })
	_, err = s.Get(t.Context(), foreign)
	require.ErrorContains(t, err, "permission denied: let the user's role read this key")
	err = s.Watch(within(t, deadline), []secret.Address{own, foreign}, func(secret.Address) {})
	require.ErrorContains(t, err, "permission denied: let the user's role read this key")
	errs := openPublisher(t, named("reader")).Publish(t.Context(),
		[]driver.Item{{Name: own.Binding(), Text: driver.NewValue("v3"), Note: "note"}})
	require.ErrorIs(t, errs[0], driver.ErrNotApplied)
	_, err = openStore(t, named("nobody")).Get(t.Context(), own)
	require.ErrorContains(t, err, "permission denied")
	require.NotErrorIs(t, err, secret.ErrNotFound)
	require.Empty(t, redacttest.Check(err, text))
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// TestServerTLS and TestServerWatch test other reasons why a member cannot be
// reached.
func TestUnreachableMembersAreExplained(t *testing.T) {
	t.Parallel()
	listen := func(t *testing.T) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	for name, tc := range map[string]struct {
		endpoint func(t *testing.T) string
		says     string
	}{
		"nobody listens": {func(t *testing.T) string { return servers.Address(t) }, "connection refused: no member " +
			"listens at the endpoints"},
		"it has frozen": {func(t *testing.T) string {
			slow.Test(t)
			return listen(t).Addr().String()
		}, "the member takes the connection and answers nothing"},
		"it has frozen, over TLS": {func(t *testing.T) string {
			slow.Test(t)
			return "https://" + listen(t).Addr().String()
		}, "the member takes the connection and answers nothing"},
		"it speaks another language": {func(t *testing.T) string {
			return "https://" +
				(&fake{}).start(t).Endpoints[0]
		},
			"the member does not use TLS there: give its endpoint as http://host:port, or enable TLS on the member"},
		"it takes no connection": {func(t *testing.T) string {
			slow.Test(t)
			// A listener with a full backlog: connections that it has not accepted block
			// others.
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
			require.NoError(t, err)
			t.Cleanup(func() { _ = syscall.Close(fd) })
			require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
			require.NoError(t, syscall.Listen(fd, 0))
			at, err := syscall.Getsockname(fd)
			require.NoError(t, err)
			address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: at.(*syscall.SockaddrInet4).Port}).String()
			for {
				c, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
				if err != nil {
					return address
				}
				t.Cleanup(func() { _ = c.Close() })
			}
		}, "no member could be reached in time"},
		"its name is unknown": {func(t *testing.T) string {
			var dns *net.DNSError
			if _, err := net.DefaultResolver.LookupHost(t.Context(), "etcd.invalid"); !errors.As(err, &dns) ||
				!dns.IsNotFound {
				slow.Lacks(t, "no name server here says that a name does not exist")
			}
			return "https://etcd.invalid:2379"
		}, "no such host: check the endpoints"},
		"no way leads there": {func(t *testing.T) string {
			// No network accepts a TCP connection to its broadcast address.
			const everywhere = "255.255.255.255:2379"
			if _, err := net.DialTimeout("tcp", everywhere, time.Second); !errors.Is(err, syscall.ENETUNREACH) &&
				!errors.Is(err, syscall.EHOSTUNREACH) {
				slow.Lacks(t, "this machine has a way to every address")
			}
			return "http://" + everywhere
		}, "no member can be reached: check the network"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said(t, etcd.Options{Endpoints: []string{tc.endpoint(t)}, Workspace: "acme", Project: "shop",
				Environment: "test"}, tc.says)
		})
	}
}
