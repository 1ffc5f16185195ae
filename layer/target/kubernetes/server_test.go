package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
	"github.com/layeron-hq/secret/internal/servers"
)

// guided stands for the Role of docs/kubernetes.md.
const guided = "guided"

// cluster is a real API server.
type cluster struct{ *servers.Kubernetes }

func startCluster(t *testing.T) cluster { return cluster{servers.StartKubernetes(t)} }

// namespace makes a namespace in which KubernetesUser has these rules, in JSON.
func (c cluster) namespace(t *testing.T, name, rules string) {
	t.Helper()
	switch rules {
	case guided:
		c.Namespace(t, name, servers.KubernetesRole(t, "../../../docs/kubernetes.md", name))
	case "":
		c.Namespace(t, name, "")
	default:
		c.Namespace(t, name, `{"metadata":{"name":"layer"},"rules":`+rules+`}`)
	}
}

// publisher returns a Publisher for the object app of a namespace.
func (c cluster) publisher(t *testing.T, namespace, user string) *Publisher {
	t.Helper()
	t.Setenv("KUBECONFIG", c.Kubeconfig(t, user))
	p, err := New(Options{Object: Object{Namespace: namespace, Name: "app"}})
	require.NoError(t, err)
	return p
}

func secrets(namespace string) string { return "/api/v1/namespaces/" + namespace + "/secrets" }

func (c cluster) object(t *testing.T, namespace string) object {
	t.Helper()
	var o object
	require.NoError(t, json.Unmarshal([]byte(c.Must(t, "GET", secrets(namespace)+"/app", "")), &o))
	return o
}

// One server serves all of these, because it takes seconds to start.
func TestServerKubernetes(t *testing.T) {
	c := startCluster(t)
	t.Run("conformance", func(t *testing.T) {
		n := 0
		drivertest.TestPublisher(t, func(t *testing.T) (driver.Publisher, func(string) (string, bool)) {
			n++
			namespace := fmt.Sprintf("conformance-%d", n)
			c.namespace(t, namespace, guided)
			return c.publisher(t, namespace, servers.KubernetesUser), func(name string) (string, bool) {
				status, answer := c.Ask(t, "GET", secrets(namespace)+"/app", "")
				if status == http.StatusNotFound {
					return "", false
				}
				var o object
				require.NoError(t, json.Unmarshal([]byte(answer), &o))
				value, ok := o.Data[name]
				return text(value), ok
			}
		})
	})
	t.Run("rights", c.testRights)
	t.Run("others", c.testOthers)
	t.Run("server-side apply", c.testServerSideApply)
	t.Run("refused objects", c.testRefusedObjects)
	t.Run("a busy client", c.testBusyClient)
	t.Run("too many requests", c.testTooManyRequests)
	t.Run("limits", c.testLimits)
	t.Run("limit of etcd", c.testLimitOfEtcd)
	t.Run("managed fields", c.testManagedFields)
	t.Run("webhooks", c.testWebhooks)
	t.Run("context of the kubeconfig", c.testContexts)
}

// The Role of the guide is enough, and without it Check says which rights lack,
// before anything changes.
func (c cluster) testRights(t *testing.T) {
	for name, rules := range map[string]string{
		"none":   "",
		"get":    `[{"apiGroups":[""],"resources":["secrets"],"resourceNames":["app"],"verbs":["get"]}]`,
		"create": `[{"apiGroups":[""],"resources":["secrets"],"verbs":["create"]}]`,
		// resourceNames does not limit create: such a rule allows none.
		"named create": `[{"apiGroups":[""],"resources":["secrets"],"resourceNames":["app"],"verbs":["get","patch","create"]}]`,
	} {
		namespace := "rights-" + strings.ReplaceAll(name, " ", "-")
		c.namespace(t, namespace, rules)
		p := c.publisher(t, namespace, servers.KubernetesUser)
		err := p.Check(t.Context(), []string{"B"})
		require.ErrorContains(t, err, "the user needs a Role with the verbs get and patch on secret/app", name)
		require.ErrorIs(t, p.Publish(t.Context(), []driver.Item{item("B", marker)})[0], driver.ErrNotApplied, name)
		status, _ := c.Ask(t, "GET", secrets(namespace)+"/app", "")
		require.Equal(t, http.StatusNotFound, status)
	}
	// An object that exists needs no right to create.
	c.namespace(t, "rights-exists", `[{"apiGroups":[""],"resources":["secrets"],"resourceNames":["app"],"verbs":["get","patch"]}]`)
	c.Must(t, "POST", secrets("rights-exists"), `{"metadata":{"name":"app"}}`)
	p := c.publisher(t, "rights-exists", servers.KubernetesUser)
	require.NoError(t, p.Check(t.Context(), []string{"B"}))
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "text")}))
	// With resourceNames, Kubernetes allows list and watch only by the name.
	c.namespace(t, "rights-list", `[{"apiGroups":[""],"resources":["secrets"],"resourceNames":["app"],"verbs":["list","watch"]}]`)
	for query, want := range map[string]int{
		"":                                   http.StatusForbidden,
		"?fieldSelector=metadata.name%3Db":   http.StatusForbidden,
		"?labelSelector=a%3Db":               http.StatusForbidden,
		"?watch=1":                           http.StatusForbidden,
		"?fieldSelector=metadata.name%3Dapp": http.StatusOK,
		"?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dapp": http.StatusOK,
	} {
		status, _ := c.asUser(t, "GET", secrets("rights-list")+query)
		require.Equal(t, want, status, query)
	}

	t.Setenv("KUBECONFIG", c.KubeconfigOf(t, "stranger", "{token: unknown}"))
	stranger, err := New(Options{Object: Object{Namespace: "rights-exists", Name: "app"}})
	require.NoError(t, err)
	require.ErrorContains(t, stranger.Check(t.Context(), []string{"B"}), "log in again")
}

func (c cluster) asUser(t *testing.T, method, path string) (int, string) {
	t.Helper()
	p := c.publisher(t, "default", servers.KubernetesUser)
	req, err := http.NewRequest(method, strings.Split(p.collection, "/api/")[0]+path, nil)
	require.NoError(t, err)
	res, err := p.client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(answer)
}

// Keys, labels and managers of others stay, and a label changes no Modified.
func (c cluster) testOthers(t *testing.T) {
	c.namespace(t, "others", guided)
	c.Must(t, "POST", secrets("others"), `{"metadata":{"name":"app","labels":{"team":"a"},"annotations":{"n":"1"}},
		"type":"example.com/kind","data":{"other":"b2xk"}}`)
	p := c.publisher(t, "others", servers.KubernetesUser)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "text"), item("C", "text\n")}))
	before, err := p.Inspect(t.Context(), []string{"B", "C"})
	require.NoError(t, err)
	require.Len(t, before, 2)

	c.Must(t, "PATCH", secrets("others")+"/app", `{"metadata":{"labels":{"team":"b"}},"data":{"other":"bmV3"}}`)
	after, err := p.Inspect(t.Context(), []string{"B", "C"})
	require.NoError(t, err)
	require.Equal(t, before, after)

	// The values survive an update by hand, and a hand edit is visible.
	c.Must(t, "PATCH", secrets("others")+"/app", `{"data":{"B":"aGFuZA=="}}`)
	after, err = p.Inspect(t.Context(), []string{"B"})
	require.NoError(t, err)
	require.NotEqual(t, before["B"].Modified, after["B"].Modified)

	require.Nil(t, p.Remove(t.Context(), []string{"B", "C"}))
	o := c.object(t, "others")
	require.Equal(t, map[string][]byte{"other": []byte("new")}, o.Data)
	require.Equal(t, map[string]string{"n": "1"}, o.Metadata.Annotations)
}

// A server-side apply by others removes no key of ours, also not when it drops
// keys of its own, and a request of ours removes none of theirs.
func (c cluster) testServerSideApply(t *testing.T) {
	c.namespace(t, "applied", guided)
	p := c.publisher(t, "applied", servers.KubernetesUser)
	apply := func(content string) {
		t.Helper()
		status, answer := c.AskAs(t, "PATCH", secrets("applied")+"/app?fieldManager=theirs", "application/apply-patch+yaml",
			`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"app"},"data":`+content+`}`)
		require.Equal(t, 2, status/100, answer)
	}
	want := func(keys ...string) {
		t.Helper()
		o := c.object(t, "applied")
		require.ElementsMatch(t, keys, slices.Collect(maps.Keys(o.Data)))
		for _, name := range keys {
			if name < "a" {
				require.Equal(t, noteText, o.Metadata.Annotations[annotation(name)])
			}
		}
	}
	apply(`{"one":"MQ==","two":"Mg=="}`)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "text")}))
	want("one", "two", "B")
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("C", "text")}))
	want("one", "two", "B", "C")
	before, err := p.Inspect(t.Context(), []string{"B", "C"})
	require.NoError(t, err)
	apply(`{"one":"MQ=="}`)
	want("one", "B", "C")
	after, err := p.Inspect(t.Context(), []string{"B", "C"})
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Nil(t, p.Remove(t.Context(), []string{"B"}))
	want("one", "C")
	apply(`{}`)
	want("C")
}

func (c cluster) testRefusedObjects(t *testing.T) {
	c.namespace(t, "immutable", guided)
	c.Must(t, "POST", secrets("immutable"), `{"metadata":{"name":"app"},"immutable":true,"data":{"other":"b2xk"}}`)
	p := c.publisher(t, "immutable", servers.KubernetesUser)
	require.ErrorContains(t, p.Check(t.Context(), []string{"B"}), "it is immutable")
	require.ErrorIs(t, p.Publish(t.Context(), []driver.Item{item("B", marker)})[0], driver.ErrNotApplied)

	// It became immutable after the look at it: the server refuses the change.
	_, err := p.do(t.Context(), request{method: "PATCH", path: "/app", send: &patch{APIVersion: "v1", Kind: "Secret",
		Data: map[string][]byte{"B": []byte(marker)}}})
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorContains(t, err, "immutable")
	require.NotContains(t, err.Error(), marker)

	c.namespace(t, "deleted", guided)
	c.Must(t, "POST", secrets("deleted"), `{"metadata":{"name":"app","finalizers":["example.com/wait"]}}`)
	c.Must(t, "DELETE", secrets("deleted")+"/app", "")
	p = c.publisher(t, "deleted", servers.KubernetesUser)
	require.ErrorContains(t, p.Check(t.Context(), []string{"B"}), "it is being deleted")

	// Without controllers, the namespace stays in this phase.
	c.namespace(t, "ending", guided)
	c.Must(t, "DELETE", "/api/v1/namespaces/ending", "")
	p = c.publisher(t, "ending", servers.KubernetesUser)
	err = p.Check(t.Context(), []string{"B"})
	require.ErrorContains(t, err, "the namespace is being deleted")
	require.ErrorIs(t, p.Publish(t.Context(), []driver.Item{item("B", marker)})[0], driver.ErrNotApplied)

	p = c.publisher(t, "absent", servers.KubernetesAdmin)
	require.ErrorContains(t, p.Check(t.Context(), []string{"B"}), `namespaces "absent" not found: create it, `+
		"`kubectl create namespace absent`")
}

// The limits are those of the server: values that room allows are stored, and
// one byte more is not.
func (c cluster) testLimits(t *testing.T) {
	c.namespace(t, "limits", guided)
	p := c.publisher(t, "limits", servers.KubernetesUser)
	half := strings.Repeat("x", maxValues/2)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("A", half), item("B", half)}))
	status, _ := c.Ask(t, "PATCH", secrets("limits")+"/app", `{"data":{"C":"eA=="}}`)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.ErrorContains(t, p.Publish(t.Context(), []driver.Item{item("C", "x")})[0], "publish to several objects")
	require.Nil(t, p.Remove(t.Context(), []string{"A", "B"}))

	// The numbers of the guide: 1,500 secrets of 650 bytes with usual names fit, and each
	// can rotate at the same time. Of more, only those without room are refused.
	var many []driver.Item
	sizes := map[string]int{}
	for i := range 2000 {
		text := strings.Repeat("x", 650)
		if i >= 1500 {
			text = "x"
		}
		many = append(many, item(fmt.Sprintf("LAYERON_SECRET_NAMESPACE_NAME_OF_SECRET_%d", i), text))
		sizes[many[i].Name] = len(text)
	}
	var without driver.NoRoom
	require.ErrorAs(t, p.Fits(t.Context(), sizes), &without)
	require.Empty(t, c.object(t, "limits").Data)
	require.Nil(t, p.Publish(t.Context(), many[:1500]))
	for _, i := range many[1500:] {
		delete(sizes, i.Name)
	}
	require.NoError(t, p.Fits(t.Context(), sizes))
	require.Nil(t, p.Publish(t.Context(), many[:1500]))
	errs := p.Publish(t.Context(), many[1500:])
	require.NoError(t, errs[0])
	last := errs[len(errs)-1]
	require.ErrorIs(t, last, driver.ErrNotApplied)
	require.ErrorContains(t, last, "an object may have 256 KiB")
	require.ErrorContains(t, last, "several objects")
	// The server counts the same.
	left := maxAnnotations - p.mustGet(t).size().annotations
	for extra, want := range map[int]int{left: 2, left + 1: 4} {
		status, answer := c.Ask(t, "PATCH", secrets("limits")+"/app?dryRun=All",
			`{"metadata":{"annotations":{"a":"`+strings.Repeat("x", extra-1)+`"}}}`)
		require.Equal(t, want, status/100, answer)
	}
}

func (p *Publisher) mustGet(t *testing.T) object {
	t.Helper()
	o, err := p.get(t.Context())
	require.NoError(t, err)
	return o
}

// An admission webhook may refuse a request, change it, or support no dry run.
func (c cluster) testWebhooks(t *testing.T) {
	response := make(chan func(body string) string, 1)
	review := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var asked struct{ Request struct{ UID string } }
		_ = json.Unmarshal(body, &asked)
		answer := <-response
		response <- answer
		fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,%s}}`,
			asked.Request.UID, answer(string(body)))
	}))
	defer review.Close()
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: review.Certificate().Raw}))
	register := func(kind, sideEffects string) {
		c.Must(t, "POST", "/apis/admissionregistration.k8s.io/v1/"+strings.ToLower(kind)+"s",
			`{"metadata":{"name":"w"},"webhooks":[{"name":"w.example.com","admissionReviewVersions":["v1"],"sideEffects":"`+
				sideEffects+`","clientConfig":{"url":"`+review.URL+`","caBundle":"`+authority+`"},
			"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"webhooks"}},
			"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE","UPDATE"],"resources":["secrets"]}]}]}`)
	}
	forget := func(kind string) {
		c.Must(t, "DELETE", "/apis/admissionregistration.k8s.io/v1/"+strings.ToLower(kind)+"s/w", "")
	}
	c.namespace(t, "webhooks", guided)
	p := c.publisher(t, "webhooks", servers.KubernetesUser)
	// The server reads the configurations a moment later.
	eventually := func(want string, try func() error) {
		t.Helper()
		var err error
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			if err = try(); err != nil && strings.Contains(err.Error(), want) {
				require.NotContains(t, err.Error(), marker)
				return
			}
		}
		require.ErrorContains(t, err, want)
	}
	publish := func() error {
		if errs := p.Publish(t.Context(), []driver.Item{item("B", marker)}); errs != nil {
			return errs[0]
		}
		return nil
	}

	response <- func(string) string { return `"allowed":false,"status":{"message":"labels are missing"}` }
	register("ValidatingWebhookConfiguration", "None")
	eventually("labels are missing", func() error { return p.Check(t.Context(), []string{"B"}) })
	eventually("labels are missing", publish)
	require.ErrorIs(t, publish(), driver.ErrNotApplied)
	<-response
	response <- func(string) string { return `"allowed":false,"status":{"message":"` + marker + ` is too weak"}` }
	eventually("HTTP status", publish)
	<-response
	// One value is refused, the others are published.
	response <- func(body string) string {
		if strings.Contains(body, `"BAD":`) {
			return `"allowed":false,"status":{"message":"no"}`
		}
		return `"allowed":true`
	}
	errs := p.Publish(t.Context(), []driver.Item{item("A", "1"), item("BAD", "2"), item("C", "3")})
	require.Len(t, errs, 3)
	require.NoError(t, errs[0])
	require.ErrorContains(t, errs[1], "denied the request: no")
	require.NoError(t, errs[2])
	<-response
	forget("ValidatingWebhookConfiguration")

	response <- func(string) string { return `"allowed":true` }
	register("MutatingWebhookConfiguration", "NoneOnDryRun")
	<-response
	change := base64.StdEncoding.EncodeToString([]byte(`[{"op":"replace","path":"/data/B","value":"b3RoZXI="}]`))
	response <- func(string) string { return `"allowed":true,"patchType":"JSONPatch","patch":"` + change + `"` }
	eventually("the cluster changed the value or its note", publish)
	found, err := p.Inspect(t.Context(), []string{"B"})
	require.NoError(t, err)
	require.NotEqual(t, p.ModifiedOf(driver.NewValue(marker)), found["B"].Modified, "the engine does not confirm it")
	<-response
	forget("MutatingWebhookConfiguration")
}

// The context of the target is used, not the current one.
func (c cluster) testContexts(t *testing.T) {
	c.namespace(t, "contexts", guided)
	admin, user := c.Kubeconfig(t, servers.KubernetesAdmin), c.Kubeconfig(t, servers.KubernetesUser)
	t.Setenv("KUBECONFIG", admin+":"+user)
	for context, status := range map[string]int{"": http.StatusOK, "admin": http.StatusOK, "layer": http.StatusForbidden} {
		p, err := New(Options{Object: Object{Namespace: "contexts", Name: "app", Context: context}})
		require.NoError(t, err)
		req, err := http.NewRequest("GET", strings.Split(p.collection, "/api/")[0]+"/api/v1/namespaces", nil)
		require.NoError(t, err)
		res, err := p.client.Do(req)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, status, res.StatusCode, context)
	}
	_, err := New(Options{Object: Object{Namespace: "contexts", Name: "app", Context: "absent"}})
	require.ErrorContains(t, err, "`kubectl config get-contexts`")
}
