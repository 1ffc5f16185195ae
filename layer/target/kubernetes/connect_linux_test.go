package kubernetes

import (
	"encoding/pem"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/slow"
)

// Without a kubeconfig, in a Pod, the token of its service account counts, also
// if the target names a context. The test runs itself again, with a file system
// of its own in the place where a Pod has the token.
func TestRootInACluster(t *testing.T) {
	slow.Root(t)
	const folder = "/var/run/secrets/kubernetes.io/serviceaccount"
	if os.Getenv("KUBERNETES_TEST_INSIDE") == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestRootInACluster$")
		cmd.Env = append(os.Environ(), "KUBERNETES_TEST_INSIDE=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	require.NoError(t, syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	require.NoError(t, syscall.Mount("tmpfs", "/var/run", "tmpfs", 0, ""))
	f, _ := newFake(t)
	server := httptest.NewTLSServer(f)
	defer server.Close()
	address, err := url.Parse(server.URL)
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(address.Host)
	require.NoError(t, err)
	t.Setenv("KUBERNETES_SERVICE_HOST", host)
	t.Setenv("KUBERNETES_SERVICE_PORT", port)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "absent"))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(folder+"/token", []byte("of-the-pod"), 0o600))
	require.NoError(t, os.WriteFile(folder+"/ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: server.Certificate().Raw}), 0o600))
	p, err := New(Options{Object: Object{Namespace: "prod", Name: "app", Context: "of-a-laptop"}})
	require.NoError(t, err)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "text")}))
	require.Equal(t, "Bearer of-the-pod", f.asked[0].Header.Get("Authorization"))
}
