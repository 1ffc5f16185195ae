package servers

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Kubernetes is an API server with an etcd behind it, without nodes and without
// controllers: objects are stored, and nothing else happens.
type Kubernetes struct {
	*Process
	Address string // host:port
	dir     string
	client  http.Client
}

// Users of a Kubernetes, each with the token of the same name. KubernetesAdmin
// may do everything, KubernetesUser only the verbs that roles allow.
const (
	KubernetesAdmin = "admin"
	KubernetesUser  = "layer"
)

// StartKubernetes starts a server until the test ends, and returns when it is
// ready. It skips or fails the test as Find does.
func StartKubernetes(t testing.TB) *Kubernetes {
	t.Helper()
	program := Find(t, "kube-apiserver")
	etcd := StartEtcd(t, 1)
	k := &Kubernetes{Address: Address(t), dir: t.TempDir()}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	accounts := k.write(t, "accounts.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY",
		Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	tokens := k.write(t, "tokens.csv", KubernetesAdmin+",admin,1,system:masters\n"+KubernetesUser+",layer,2\n")
	host, port, err := net.SplitHostPort(k.Address)
	require.NoError(t, err)
	k.Process = Start(t, k.Address, nil, program, "--etcd-servers=http://"+etcd.Endpoints()[0], "--secure-port="+port,
		"--bind-address="+host, "--cert-dir="+k.dir, "--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+accounts,
		"--service-account-signing-key-file="+accounts, "--authorization-mode=RBAC", "--token-auth-file="+tokens,
		"--disable-admission-plugins=ServiceAccount")
	roots := x509.NewCertPool()
	authority, err := os.ReadFile(k.Authority())
	require.NoError(t, err)
	require.True(t, roots.AppendCertsFromPEM(authority))
	k.client = http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(k.client.CloseIdleConnections)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		status, answer, err := k.ask(http.MethodGet, "/readyz", "", "")
		if err == nil && status == http.StatusOK {
			return k
		}
		require.True(t, time.Now().Before(deadline), "the API server does not get ready: %v %s", err, answer)
	}
}

// Authority returns the path of the certificate that signs the server's.
func (k *Kubernetes) Authority() string { return filepath.Join(k.dir, "apiserver.crt") }

func (k *Kubernetes) write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(k.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// Kubeconfig writes a kubeconfig with one context, named like its user, and
// returns its path.
func (k *Kubernetes) Kubeconfig(t testing.TB, user string) string {
	t.Helper()
	return k.KubeconfigOf(t, user, "{token: "+user+"}")
}

// KubeconfigOf writes a kubeconfig with one context of that name, whose user has
// these settings in YAML.
func (k *Kubernetes) KubeconfigOf(t testing.TB, context, settings string) string {
	t.Helper()
	return k.write(t, context+".kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: %[1]s
clusters:
- {name: test, cluster: {server: "https://%[2]s", certificate-authority: %[3]q}}
contexts:
- {name: %[1]s, context: {cluster: test, user: %[1]s}}
users:
- {name: %[1]s, user: %[4]s}
`, context, k.Address, k.Authority(), settings))
}

// Ask sends a request as KubernetesAdmin, and returns status and answer. The
// body of a PATCH is a JSON merge patch.
func (k *Kubernetes) Ask(t testing.TB, method, path, body string) (int, string) {
	t.Helper()
	kind := "application/yaml" // and so JSON
	if method == http.MethodPatch {
		kind = "application/merge-patch+json"
	}
	return k.AskAs(t, method, path, kind, body)
}

// AskAs sends a request whose body has this media type as KubernetesAdmin, and
// returns status and answer.
func (k *Kubernetes) AskAs(t testing.TB, method, path, kind, body string) (int, string) {
	t.Helper()
	status, answer, err := k.ask(method, path, kind, body)
	require.NoError(t, err)
	return status, answer
}

// Must sends a request as Ask does, and requires success.
func (k *Kubernetes) Must(t testing.TB, method, path, body string) string {
	t.Helper()
	status, answer := k.Ask(t, method, path, body)
	require.Equal(t, 2, status/100, "%s %s: %d %s", method, path, status, answer)
	return answer
}

func (k *Kubernetes) ask(method, path, kind, body string) (int, string, error) {
	req, err := http.NewRequest(method, "https://"+k.Address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+KubernetesAdmin)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := k.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(bytes.TrimSpace(answer)), err
}

// Namespace makes a namespace, in which KubernetesUser has this Role, in YAML or
// JSON. Empty: none.
func (k *Kubernetes) Namespace(t testing.TB, name, role string) {
	t.Helper()
	k.Must(t, http.MethodPost, "/api/v1/namespaces", `{"metadata":{"name":"`+name+`"}}`)
	if role == "" {
		return
	}
	path := "/apis/rbac.authorization.k8s.io/v1/namespaces/" + name
	k.Must(t, http.MethodPost, path+"/roles", role)
	k.Must(t, http.MethodPost, path+"/rolebindings", `{"metadata":{"name":"layer"},
		"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"layer"},
		"subjects":[{"kind":"User","name":"layer","apiGroup":"rbac.authorization.k8s.io"}]}`)
	// The server applies roles a moment after it has stored them.
	for deadline := time.Now().Add(30 * time.Second); strings.Contains(role, "get"); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(k.Must(t, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews",
			`{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"layer","resourceAttributes":{
			"namespace":"`+name+`","verb":"get","resource":"secrets","name":"app"}}}`), `"allowed":true`) {
			return
		}
		require.True(t, time.Now().Before(deadline), "the role of %s is not applied", name)
	}
}

// KubernetesRole returns the Role of the guide at path, docs/kubernetes.md, for
// a namespace.
func KubernetesRole(t testing.TB, path, namespace string) string {
	t.Helper()
	guide, err := os.ReadFile(path)
	require.NoError(t, err)
	_, role, found := strings.Cut(string(guide), "```yaml\n")
	require.True(t, found)
	role, _, found = strings.Cut(role, "---\n")
	require.True(t, found)
	require.Contains(t, role, "kind: Role\n")
	return strings.Replace(role, "namespace: shop}", "namespace: "+namespace+"}", 1)
}
