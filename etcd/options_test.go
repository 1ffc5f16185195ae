package etcd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/redacttest"
)

func TestOptionsThatAreRefused(t *testing.T) {
	endpoint := func(list ...string) func(o *etcd.Options) {
		return func(o *etcd.Options) { o.Endpoints = list }
	}
	const form = "an endpoint is not of the form https://host:port"
	for _, tc := range []struct {
		name string
		set  func(o *etcd.Options)
		says string
	}{
		{"no endpoint", endpoint(), "there is no endpoint: give the address of each member"},
		{"an empty one", endpoint(""), form},
		{"no port", endpoint("https://" + password), form},
		{"no host", endpoint("https://:2379"), form},
		{"port 0", endpoint("https://etcd-1:0"), form},
		{"a port too high", endpoint("https://etcd-1:65536"), form},
		{"no number for a port", endpoint("https://etcd-1:" + password), form},
		{"two ports", endpoint("https://etcd-1:2379:" + password), form},
		{"two in one", endpoint("https://etcd-1:2379,etcd-2:2379"), form},
		{"another scheme", endpoint("unix://" + password), form},
		{"a path", endpoint("https://etcd-1:2379/" + password), form},
		{"a query", endpoint("https://etcd-1:2379?" + password), form},
		{"an empty query", endpoint("https://etcd-1:2379?"), form},
		{"a fragment", endpoint("https://etcd-1:2379#" + password), form},
		{"damaged", endpoint("https://etcd-1:2379/%zz" + password), form},
		{"white space", endpoint("https://etcd-1:2379\n" + password), form},
		{"a password", endpoint("https://me:" + password + "@etcd-1:2379"), "an endpoint names a user: an address " +
			"must not contain a credential"},
		{"a user", endpoint("https://" + password + "@etcd-1:2379"), "an endpoint names a user"},
		{"a password, and no scheme", endpoint("me:" + password + "@etcd-1:2379"), "an endpoint names a user"},
		{"the second is at fault", endpoint("https://etcd-1:2379", "me:"+password+"@etcd-2:2379"),
			"an endpoint names a user"},
		{"http and https", endpoint("https://etcd-1:2379", "http://etcd-2:2379"), "all must be of one sort"},
		{"this machine and others", endpoint("127.0.0.1:2379", "etcd-2:2379"), "all must be of one sort"},
		{"TLS over http", func(o *etcd.Options) {
			o.Endpoints, o.TLS = []string{"http://etcd-1:2379"}, &tls.Config{}
		}, "give them as https://host:port"},
		{"a workspace with a slash", func(o *etcd.Options) { o.Workspace = "a/" + password }, "the workspace must be"},
		{"a project with a newline", func(o *etcd.Options) { o.Project = "a\n" + password }, "the project must be"},
		{"an environment that is no text", func(o *etcd.Options) { o.Environment = password + "\xff" },
			"the environment must be"},
		{"a user without a password", func(o *etcd.Options) { o.Username = "reader" },
			"a user and a password belong together"},
		{"a password without a user", func(o *etcd.Options) { o.Password = driver.NewValue(password) },
			"a user and a password belong together"},
		{"a long workspace", func(o *etcd.Options) { o.Workspace = strings.Repeat(password, 9) }, "at most 200 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := etcd.Options{Endpoints: []string{"https://etcd-1:2379"}}
			tc.set(&o)
			_, err := etcd.OpenStore(t.Context(), o)
			require.ErrorContains(t, err, "etcd: ")
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, redacttest.Check(err, password))
			_, err = etcd.OpenPublisher(t.Context(), o)
			require.ErrorContains(t, err, tc.says)
		})
	}
}

func TestEndpointsAreNormalized(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://etcd-1:2379":        "https://etcd-1:2379",
		"https://etcd-1:2379/":       "https://etcd-1:2379",
		"http://etcd-1:2379":         "http://etcd-1:2379",
		"HTTPS://etcd-1:2379":        "https://etcd-1:2379",
		"etcd-1:2379":                "https://etcd-1:2379",
		"127.0.0.1:2379":             "http://127.0.0.1:2379",
		"127.8.8.8:2379":             "http://127.8.8.8:2379",
		"localhost:2379":             "http://localhost:2379",
		"[::1]:2379":                 "http://[::1]:2379",
		"10.0.0.1:2379":              "https://10.0.0.1:2379",
		"https://localhost:2379":     "https://localhost:2379",
		"https://[2001:db8::1]:2379": "https://[2001:db8::1]:2379",
		// Unescaped, clientv3 could not parse the address, and would use no TLS.
		"https://[fe80::1%25eth0]:2379": "https://[fe80::1%25eth0]:2379",
	} {
		list, err := etcd.Endpoints(etcd.Options{Endpoints: []string{endpoint}})
		require.NoError(t, err, endpoint)
		require.Equal(t, []string{want}, list)
		openStore(t, etcd.Options{Endpoints: []string{endpoint}})
	}
	list, err := etcd.Endpoints(etcd.Options{Endpoints: []string{"127.0.0.1:2379"}, TLS: &tls.Config{}})
	require.NoError(t, err)
	require.Equal(t, []string{"https://127.0.0.1:2379"}, list, "TLS is given")
}

// TestOpenAsksNobody: a program without a user starts even if etcd is down. With a
// user, opening sends a request and ends with its context.
func TestOpenAsksNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	o := etcd.Options{Endpoints: []string{l.Addr().String()}}
	openStore(t, o)
	openPublisher(t, o)

	ended, end := context.WithCancelCause(t.Context())
	end(errOver)
	_, err = etcd.OpenStore(ended, o)
	require.Equal(t, errOver, err)

	before := runtime.NumGoroutine()
	for name, within := range map[string]func() (context.Context, error){
		"cancelled": func() (context.Context, error) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(50*time.Millisecond, func() { cancel(errOver) })
			return ctx, errOver
		},
		"in time": func() (context.Context, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			t.Cleanup(cancel)
			return ctx, context.DeadlineExceeded
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cause := within()
			began := time.Now()
			_, err = etcd.OpenStore(ctx, as(o, "reader"))
			require.ErrorIs(t, err, cause)
			require.ErrorContains(t, err, "etcd: the user cannot be logged in: ")
			require.Less(t, time.Since(began), 3*time.Second)
			require.Empty(t, redacttest.Check(err, password))
		})
	}
	until(t, "every connection is closed again", 10*time.Second,
		func() bool { return runtime.NumGoroutine() <= before })
}

// TestLoginIsBounded: a live member that does not answer a login.
func TestLoginIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := (&fake{login: func(ctx context.Context) (*pb.AuthenticateResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}).connect(t)
		began := time.Now()
		err := etcd.LogIn(t.Context(), conn, "reader", driver.NewValue(password))
		require.EqualError(t, err, "the user cannot be logged in: no answer in time: check the "+
			"endpoints and the network")
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

// TestStoreOpensWhileEtcdIsDown: an App starts from its cache then. The first
// read that etcd answers logs the user in. A wrong password is reported at once.
func TestStoreOpensWhileEtcdIsDown(t *testing.T) {
	var up, in, wrong atomic.Bool
	down := status.Error(codes.Unavailable, "connection refused")
	f := &fake{login: func(context.Context) (*pb.AuthenticateResponse, error) {
		switch {
		case !up.Load():
			return nil, down
		case wrong.Load():
			return nil, rpctypes.ErrGRPCAuthFailed
		}
		in.Store(true)
		return &pb.AuthenticateResponse{Token: "token"}, nil
	}, get: func(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
		switch {
		case !up.Load():
			return nil, down
		case !in.Load():
			return nil, rpctypes.ErrGRPCUserEmpty
		}
		return &pb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Value: []byte("v1=a")}}}, nil
	}}
	o := as(f.start(t), "reader")
	s := openStore(t, o)
	_, err := etcd.OpenPublisher(t.Context(), o)
	require.ErrorContains(t, err, "the user cannot be logged in")
	up.Store(true)
	text, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, "v1=a", text)

	wrong.Store(true)
	_, err = etcd.OpenStore(t.Context(), o)
	require.ErrorContains(t, err, "the user cannot be logged in")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = etcd.OpenStore(ended, o)
	require.ErrorIs(t, err, context.Canceled)
}

func TestNothingIsShown(t *testing.T) {
	const held = "token-of-kT7qZw2mXv9RbL4n"
	pair := newAuthority(t).issue(t, func(*x509.Certificate) {})
	private, err := pair.PrivateKey.(*ecdsa.PrivateKey).Bytes()
	require.NoError(t, err)
	o := as((&fake{login: func(context.Context) (*pb.AuthenticateResponse, error) {
		return &pb.AuthenticateResponse{Token: held}, nil
	}}).start(t), "reader")
	s, p := openStore(t, o), openPublisher(t, o)
	o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	type inside struct {
		o etcd.Options
		s *etcd.Store
		p *etcd.Publisher
	}
	for _, shown := range []any{
		o, &o, s, *s, p, *p, []any{o, s, p}, map[string]any{"o": o, "s": s, "p": p},
		inside{o, s, p}, &inside{o, s, p}, struct{ S etcd.Store }{*s}, struct{ s etcd.Store }{*s},
		struct{ p etcd.Publisher }{*p},
		struct{ S secret.Store }{s}, struct{ P driver.Publisher }{p}, secret.AppOptions{Store: s},
		secret.Options{Store: s},
	} {
		require.Empty(t, redacttest.Check(shown, password, held, string(private)), "%T", shown)
	}
	require.Equal(t, "etcd /layer/acme/shop/test/", s.String())
	require.Equal(t, "etcd /layer/acme/shop/test/", p.String())
	require.Equal(t, "etcd key /layer/acme/shop/test/LAYERON_SECRET_AUTH_KEY", s.Locate(key))
	b, err := s.MarshalText()
	require.NoError(t, err)
	require.Equal(t, s.String(), string(b))
}

func TestParseURL(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string // with scheme
		says string
	}{
		{text: "etcd://etcd-1:2379", want: []string{"https://etcd-1:2379"}},
		{text: "etcd://etcd-1:2379/", want: []string{"https://etcd-1:2379"}},
		{text: "etcd://etcd-1:2379,etcd-2:2379,10.0.0.3:2379", want: []string{"https://etcd-1:2379",
			"https://etcd-2:2379", "https://10.0.0.3:2379"}},
		{text: "etcd://etcd-1:2379?tls=on", want: []string{"https://etcd-1:2379"}},
		{text: "etcd://etcd-1:2379,etcd-2:2379/?tls=off", want: []string{"http://etcd-1:2379", "http://etcd-2:2379"}},
		{text: "etcd://127.0.0.1:2379", want: []string{"http://127.0.0.1:2379"}},
		{text: "etcd://127.0.0.1:2379,127.0.0.1:22379?tls=on", want: []string{"https://127.0.0.1:2379",
			"https://127.0.0.1:22379"}},
		{text: "etcd://[::1]:2379", want: []string{"http://[::1]:2379"}},
		{text: "etcd://[2001:db8::1]:2379", want: []string{"https://[2001:db8::1]:2379"}},
		{text: "", says: "not of the form etcd://HOST:PORT,HOST:PORT"},
		{text: password, says: "not of the form etcd://"},
		{text: "https://" + password, says: "not of the form etcd://"},
		{text: "etcd:etcd-1:2379", says: "not of the form etcd://"},
		{text: "etcd://", says: "not of the form https://host:port"},
		{text: "etcd://" + password, says: "not of the form https://host:port"},
		{text: "etcd://etcd-1:2379,", says: "not of the form https://host:port"},
		{text: "etcd://etcd-1:2379,," + password + ":1", says: "not of the form https://host:port"},
		{text: "etcd://etcd-1:70000", says: "not of the form https://host:port"},
		{text: "etcd://etcd-1:2379/" + password, says: "not of the form etcd://"},
		{text: "etcd://https://etcd-1:2379", says: "not of the form etcd://"},
		{text: "etcd://etcd-1:2379#" + password, says: "not of the form https://host:port"},
		{text: "etcd://me:" + password + "@etcd-1:2379", says: "an address must not contain a credential, because " +
			"logs and lists of processes show addresses. Give the credential in ETCDCTL_USER and ETCDCTL_PASSWORD"},
		{text: "etcd://" + password + "@etcd-1:2379", says: "an address must not contain a credential, because logs " +
			"and lists of processes show addresses. Give the credential in ETCDCTL_USER and ETCDCTL_PASSWORD"},
		{text: "etcd://etcd-1:2379,me:" + password + "@etcd-2:2379", says: "an address must not contain a credential"},
		{text: "etcd://etcd-1:2379?password=" + password, says: "tls=on or tls=off, and nothing else"},
		{text: "etcd://etcd-1:2379?tls=" + password, says: "tls=on or tls=off, and nothing else"},
		{text: "etcd://etcd-1:2379?tls=on&tls=off", says: "tls=on or tls=off, and nothing else"},
		{text: "etcd://etcd-1:2379?tls=on;" + password, says: "is damaged"},
		{text: "etcd://etcd-1:2379?%zz" + password, says: "is damaged"},
		{text: "etcd://127.0.0.1:2379,etcd-2:2379", says: "all must be of one sort"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			o, err := etcd.ParseURL(tc.text)
			if tc.says == "" {
				require.NoError(t, err)
				list, err := etcd.Endpoints(o)
				require.NoError(t, err)
				require.Equal(t, tc.want, list)
				o.Endpoints = nil
				require.Equal(t, etcd.Options{}, o)
				return
			}
			require.ErrorContains(t, err, "etcd: ")
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, redacttest.Check(err, password))
			require.Equal(t, etcd.Options{}, o)
		})
	}
}

// FuzzParseURL: a URL that is accepted gives complete addresses to connect to. The
// error for any other URL repeats no part of the text.
func FuzzParseURL(f *testing.F) {
	words := map[string]bool{}
	for _, text := range []string{"", "etcd://", "etcd://h:1/x", "etcd://u:p@h:1", "etcd://h:1?%zz", "etcd://h:1?x=y",
		"etcd://h:1,127.0.0.1:1"} {
		_, err := etcd.ParseURL(text)
		require.Error(f, err)
		words[err.Error()] = true
		f.Add(text)
	}
	for _, text := range []string{"etcd://etcd-1:2379,etcd-2:2379?tls=off",
		"etcd://[::1%25x]:1,[fe80::1]:65535/?tls=on", "etcd://h%C3%BC:1", "etcd://127.0.0.1:1,localhost:2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := etcd.ParseURL(text)
		if err != nil {
			require.True(t, words[err.Error()], "an error of its own words")
			return
		}
		list, err := etcd.Endpoints(o)
		require.NoError(t, err)
		again, err := etcd.Endpoints(etcd.Options{Endpoints: list})
		require.NoError(t, err)
		require.Equal(t, list, again)
		for _, endpoint := range list {
			u, err := url.Parse(endpoint)
			require.NoError(t, err)
			require.Equal(t, endpoint, u.Scheme+"://"+(&url.URL{Host: u.Host}).String()[2:])
			require.Contains(t, []string{"http", "https"}, u.Scheme)
			host, port, err := net.SplitHostPort(u.Host)
			require.NoError(t, err)
			require.NotEmpty(t, host)
			n, err := strconv.ParseUint(port, 10, 16)
			require.NoError(t, err)
			require.Positive(t, n)
		}
		s, err := etcd.OpenStore(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
}
