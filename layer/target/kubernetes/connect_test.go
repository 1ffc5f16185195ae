package kubernetes

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// kubeconfig writes a kubeconfig for a server, whose user has these settings, and
// sets KUBECONFIG.
func kubeconfig(t *testing.T, server *httptest.Server, user string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: server.Certificate().Raw}))
	content := strings.Replace(config(server.URL, user), "cluster: {", "cluster: {certificate-authority-data: "+authority+", ", 1)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	t.Setenv("KUBECONFIG", path)
}

// A plugin of the kubeconfig gives the token. It gets the variables that it
// needs, and no credential of layer.
func TestPlugin(t *testing.T) {
	f, _ := newFake(t)
	server := httptest.NewTLSServer(f)
	defer server.Close()
	dir := t.TempDir()
	plugin := filepath.Join(dir, "plugin")
	require.NoError(t, os.WriteFile(plugin, []byte(`#!/bin/sh
env > `+dir+`/environment
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"of-the-plugin"}}'
`), 0o700))
	kubeconfig(t, server, `{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: "`+
		plugin+`"}}`)
	t.Setenv("LAYER_IDENTITY", marker)
	p, err := New(Options{Object: object0, PluginEnv: []string{"LAYER_IDENTITY=", "AWS_PROFILE=eu"}})
	require.NoError(t, err)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "text")}))
	require.Equal(t, "Bearer of-the-plugin", f.asked[0].Header.Get("Authorization"))
	environment, err := os.ReadFile(filepath.Join(dir, "environment"))
	require.NoError(t, err)
	require.False(t, strings.Contains(string(environment), marker))
	require.Contains(t, string(environment), "AWS_PROFILE=eu\n")
	require.Empty(t, redacttest.Check(p, "of-the-plugin"))

	require.NoError(t, os.WriteFile(plugin, []byte("#!/bin/sh\necho log in first >&2\nexit 3\n"), 0o700))
	p, err = New(Options{Object: object0, PluginEnv: []string{"OTHER=1"}}) // client-go keeps the credential of the same settings
	require.NoError(t, err)
	err = p.Publish(t.Context(), []driver.Item{item("B", marker)})[0]
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorContains(t, err, "the plugin of the kubeconfig gave no credential")
}

// What a plugin prints is in no error: it has the credential.
func TestErrorsShowNoOutputOfThePlugin(t *testing.T) {
	f, _ := newFake(t)
	server := httptest.NewTLSServer(f)
	defer server.Close()
	for name, output := range map[string]string{
		"a token":      marker,
		"another kind": `{"kind":"` + marker + `","apiVersion":"v1"}`,
		"no time": `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t",` +
			`"expirationTimestamp":"` + marker + `"}}`,
		"no certificate": `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{` +
			`"clientKeyData":"` + marker + `","clientCertificateData":"` + marker + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			plugin := filepath.Join(t.TempDir(), "plugin")
			require.NoError(t, os.WriteFile(plugin, []byte("#!/bin/sh\necho '"+output+"'\n"), 0o700))
			kubeconfig(t, server, `{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: "`+
				plugin+`"}}`)
			p, err := New(Options{Object: object0})
			require.NoError(t, err)
			_, err = p.Inspect(t.Context(), []string{"B"})
			require.ErrorContains(t, err, "the plugin of the kubeconfig gave no credential: ")
			require.NotContains(t, err.Error(), marker)
		})
	}
}

// A plugin may wait for a person, or hang. The end of the context ends the
// request, which is not sent later either.
func TestTheContextEndsTheWaitForAPlugin(t *testing.T) {
	f, _ := newFake(t)
	server := httptest.NewTLSServer(f)
	defer server.Close()
	what := newPatch()
	what.set(item("B", marker))
	for name, r := range map[string]request{
		"read":  {method: http.MethodGet, path: "/app"},
		"write": {method: http.MethodPatch, path: "/app", send: &what},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			started, release := filepath.Join(dir, "started"), filepath.Join(dir, "release")
			require.NoError(t, syscall.Mkfifo(started, 0o600))
			require.NoError(t, syscall.Mkfifo(release, 0o600))
			plugin := filepath.Join(dir, "plugin")
			script := "#!/bin/sh\necho > '" + started + "'\nread line < '" + release + "'\n"
			require.NoError(t, os.WriteFile(plugin, []byte(script), 0o700))
			kubeconfig(t, server, `{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: "`+
				plugin+`"}}`)
			p, err := New(Options{Object: object0})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				_, _ = os.ReadFile(started)
				cancel()
			}()
			_, err = p.do(ctx, r)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, driver.ErrNotApplied)
			require.NoError(t, os.WriteFile(release, []byte("\n"), 0o600))
		})
	}

	s := sending{Reader: bytes.NewReader([]byte(marker))}
	require.True(t, s.withdraw())
	_, err := s.Read(make([]byte, 1))
	require.Error(t, err, "a withdrawn body is not sent later")
	read := sending{Reader: bytes.NewReader([]byte(marker))}
	_, err = read.Read(make([]byte, 1))
	require.NoError(t, err)
	require.False(t, read.withdraw())
}

// A redirect is not followed: it would send values to another server.
func TestRedirectIsNotFollowed(t *testing.T) {
	stolen := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen++ }))
	defer other.Close()
	f, p := newFake(t)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		return true
	}
	_, err := p.Inspect(t.Context(), []string{"B"})
	require.ErrorContains(t, err, "HTTP status 307")
	require.Zero(t, stolen)
}

func TestWrongKubeconfig(t *testing.T) {
	cluster := func(setting string) string {
		return strings.Replace(config("https://192.0.2.1", "{token: "+marker+"}"), "cluster: {", "cluster: {"+setting+", ", 1)
	}
	for name, c := range map[string]struct{ config, want string }{
		"damaged":    {"users: [{name: a, user: {token: " + marker + "]", "`kubectl config view` prints the reason"},
		"no context": {"apiVersion: v1\nkind: Config\nusers: [{name: a, user: {token: " + marker + "}}]", "no usable context"},
		"plain http": {config("http://192.0.2.1", "{token: "+marker+"}"), "sent unencrypted"},
		"no address": {config("://", "{token: "+marker+"}"), "no URL"},
		"no such CA": {strings.Replace(config("https://192.0.2.1", "{token: "+marker+"}"), "cluster: {", "cluster: {certificate-authority: /absent, ", 1), "no usable context"},
		// Each of these has a credential in the place of something that an error would repeat.
		"proxy's scheme": {cluster("proxy-url: 'htp://user:" + marker + "@192.0.2.1'"), "the setting proxy-url cannot be used"},
		"no proxy":       {cluster("proxy-url: 'user:" + marker + "%zz@192.0.2.1'"), "the setting proxy-url cannot be used"},
		"key, not its file": {config("https://192.0.2.1", "{client-certificate-data: eA==, client-key: "+marker+"}"),
			"the setting client-key cannot be used"},
		"token, not its file": {config("https://192.0.2.1", "{tokenFile: "+marker+"}"), "`kubectl auth whoami` prints the reason"},
		"two logins": {config("https://192.0.2.1", "{token: "+marker+", username: u, password: "+marker+"}"),
			"more than one kind of credential"},
		"no user": {strings.Replace(config("https://192.0.2.1", "{token: "+marker+"}"), "users: [{name: a", "users: [{name: b", 1),
			"it lacks the user"},
		"no cluster": {strings.Replace(config("https://192.0.2.1", "{token: "+marker+"}"), "clusters: [{name: a", "clusters: [{name: b", 1),
			"it lacks the cluster"},
		"several faults": {strings.Replace(cluster("proxy-url: ':"+marker+"'"), "token:", "tokenFile: "+marker+", client-key:", 1),
			"the setting proxy-url cannot be used"},
		"no current context": {strings.Replace(config("https://192.0.2.1", "{token: "+marker+"}"), "current-context: a,", "", 1),
			"`kubectl config use-context`"},
		"no such current context": {strings.Replace(config("https://192.0.2.1", "{}"), "current-context: a,",
			"current-context: b,", 1), "`kubectl config use-context`"},
		"no such key": {config("https://192.0.2.1", "{client-certificate-data: eA==, client-key-data: eA==}"), "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config")
			require.NoError(t, os.WriteFile(path, []byte(c.config), 0o600))
			t.Setenv("KUBECONFIG", path)
			_, err := New(Options{Object: object0})
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), marker)
		})
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "absent"))
	_, err := New(Options{Object: object0})
	require.ErrorContains(t, err, "set KUBECONFIG to the file that kubectl uses")
	_, err = New(Options{Object: Object{Namespace: "Prod", Name: "app"}})
	require.ErrorContains(t, err, "no name of a namespace")
}

func config(server, user string) string {
	return `{apiVersion: v1, kind: Config, current-context: a, clusters: [{name: a, cluster: {server: "` + server + `"}}],
		contexts: [{name: a, context: {cluster: a, user: a}}], users: [{name: a, user: ` + user + `}]}`
}
