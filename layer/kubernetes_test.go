package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/target/kubernetes"
)

// TestServerKubernetes runs an operator's commands on the target Kubernetes, and
// a rotation under a program that reads a mounted Secret.
func TestServerKubernetes(t *testing.T) {
	k := servers.StartKubernetes(t)
	t.Run("mount", func(t *testing.T) { rotatesUnderAMount(t, k) })
	t.Run("another client", func(t *testing.T) { keepsTheKeyOfAnotherClient(t, k) })
	t.Run("manifests", func(t *testing.T) { acceptsTheManifests(t, k) })
	config := k.Kubeconfig(t, servers.KubernetesUser)
	commands := scriptCommands()
	maps.Copy(commands, map[string]func(*testscript.TestScript, bool, []string){"cluster": cmdCluster(t, k)})
	testscript.Run(t, testscript.Params{Dir: "testdata/kubernetes", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: commands,
		Setup: func(env *testscript.Env) error {
			mine := strings.ReplaceAll(strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"), "_", "-")
			kubernetesNamespace(t, k, mine)
			env.Setenv("MINE", mine)
			env.Setenv("KUBECONFIG", config)
			return setUp(env)
		}})
}

// kubernetesNamespace makes a namespace in which KubernetesUser has the Role of
// docs/kubernetes.md.
func kubernetesNamespace(t testing.TB, k *servers.Kubernetes, name string) {
	t.Helper()
	k.Namespace(t, name, servers.KubernetesRole(t, "../docs/kubernetes.md", name))
}

type kubernetesSecret struct {
	Metadata struct{ Annotations map[string]string }
	Data     map[string][]byte
}

func kubernetesObject(t testing.TB, k *servers.Kubernetes, namespace, name string) (o kubernetesSecret) {
	t.Helper()
	status, answer := k.Ask(t, "GET", "/api/v1/namespaces/"+namespace+"/secrets/"+name, "")
	if status != http.StatusNotFound {
		require.NoError(t, json.Unmarshal([]byte(answer), &o))
	}
	return o
}

// cmdCluster works on the namespace MINE of a cluster, as its administrator:
//
//	cluster keys NAME [KEY…]               the Secret has these keys
//	cluster note NAME KEY PATTERN          the annotation for the key matches
//	cluster patch NAME JSON [create]       a person writes by hand
//	cluster fill NAME SPARE                 another client fills it, up to that number of bytes
//	cluster delete NAME                    a person deletes by hand
//	cluster reads NAME ADDRESS ID [FILE]   a program with the mounted Secret reads this version
func cmdCluster(t testing.TB, k *servers.Kubernetes) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		mine := ts.Getenv("MINE")
		path := "/api/v1/namespaces/" + mine + "/secrets"
		o := kubernetesObject(t, k, mine, args[1])
		switch args[0] {
		case "keys":
			if found := slices.Sorted(maps.Keys(o.Data)); slices.Equal(found, args[2:]) == neg {
				ts.Fatalf("the keys are %q", found)
			}
		case "note":
			matches(ts, neg, args[3], o.Metadata.Annotations["secret.layeron.dev/"+args[2]])
		case "patch":
			if len(args) > 3 {
				k.Must(t, "POST", path, `{"metadata":{"name":"`+args[1]+`"}}`)
			}
			k.Must(t, "PATCH", path+"/"+args[1], args[2])
		case "fill":
			spare, err := strconv.Atoi(args[2])
			ts.Check(err)
			left := 1<<20 - spare
			for name, value := range o.Data {
				if name != "other" {
					left -= len(value)
				}
			}
			k.Must(t, "PATCH", path+"/"+args[1], `{"data":{"other":"`+base64.StdEncoding.EncodeToString(make([]byte, left))+`"}}`)
		case "delete":
			k.Must(t, "DELETE", path+"/"+args[1], "")
		case "reads":
			dir := ts.MkAbs("mounted")
			ts.Check(os.RemoveAll(dir))
			kubelet{dir}.sync(t, o.Data)
			addr, err := secret.ParseAddress("$SECRET." + args[2])
			ts.Check(err)
			v, err := secret.Static(secret.Options{Namespace: addr.Namespace, Name: addr.Name}).With(secret.Dir(dir)).
				Current().Get(context.Background())
			ts.Check(err)
			of(ts).hide(v.Text(), "a value")
			same := v.ID == args[3] && (len(args) < 5 || v.Equal(strings.TrimSuffix(ts.ReadFile(args[4]), "\n")))
			if same == neg {
				ts.Fatalf("it holds %s, with the value of the file: %v", v.ID, same)
			}
		default:
			ts.Fatalf("cluster does not %s", args[0])
		}
	}
}

// kubelet writes a Secret into a folder as kubelet does: the files are links into
// ..data, a link to a folder that is replaced as a whole.
type kubelet struct{ dir string }

var kubeletRuns struct {
	sync.Mutex
	n int
}

func (k kubelet) sync(t testing.TB, data map[string][]byte) {
	t.Helper()
	kubeletRuns.Lock()
	kubeletRuns.n++
	version := "..v" + strconv.Itoa(kubeletRuns.n)
	kubeletRuns.Unlock()
	link := filepath.Join(k.dir, "..data")
	old, _ := os.Readlink(link)
	require.NoError(t, os.MkdirAll(filepath.Join(k.dir, version), 0o755))
	for name, value := range data {
		require.NoError(t, os.WriteFile(filepath.Join(k.dir, version, name), value, 0o644))
	}
	require.NoError(t, os.Symlink(version, link+"_tmp"))
	require.NoError(t, os.Rename(link+"_tmp", link))
	for name := range data {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(k.dir, name)); err != nil {
			require.ErrorIs(t, err, os.ErrExist)
		}
	}
	if old != "" {
		require.NoError(t, os.RemoveAll(filepath.Join(k.dir, old)))
	}
}

// The API server accepts the manifests of the guide, without an unknown field:
// the rights, the program's Pod and the CronJob, also as the guide changes it.
func acceptsTheManifests(t *testing.T, k *servers.Kubernetes) {
	guide, err := os.ReadFile("../docs/kubernetes.md")
	require.NoError(t, err)
	job, err := os.ReadFile("../deploy/kubernetes/cronjob.yaml")
	require.NoError(t, err)
	for _, name := range []string{"shop", "secrets"} {
		k.Namespace(t, name, "")
	}
	create := func(path, manifest string) {
		t.Helper()
		k.Must(t, "POST", path+"?dryRun=All&fieldValidation=Strict", manifest)
	}
	blocks := strings.Split(string(guide), "```yaml\n")
	require.Len(t, blocks, 4)
	for i := range blocks {
		blocks[i], _, _ = strings.Cut(blocks[i], "```")
	}
	const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop"
	rights := strings.Split(blocks[1], "---\n")
	require.Len(t, rights, 3)
	create(rbac+"/roles", rights[0])
	create(rbac+"/rolebindings", rights[1])
	create("/api/v1/namespaces/secrets/serviceaccounts", rights[2])
	pod := "spec:\n" + strings.Replace(blocks[2], "- name: shop\n", "- name: shop\n          image: shop\n"+blocks[3], 1)
	create("/api/v1/namespaces/shop/pods", "metadata: {name: shop}\n"+pod)

	jobs := "/apis/batch/v1/namespaces/secrets/cronjobs"
	create(jobs, string(job))
	const automount = "automountServiceAccountToken: false"
	require.Contains(t, string(job), automount)
	create(jobs, strings.Replace(string(job), automount, "serviceAccountName: layer", 1))
}

// Another client creates a key after the inspection, and before the values are
// published. Its value stays, and the other secret is published.
func keepsTheKeyOfAnotherClient(t *testing.T, k *servers.Kubernetes) {
	kubernetesNamespace(t, k, "raced")
	t.Setenv("KUBECONFIG", k.Kubeconfig(t, servers.KubernetesUser))
	publisher, err := kubernetes.New(kubernetes.Options{Object: kubernetes.Object{Namespace: "raced", Name: "app"}})
	require.NoError(t, err)
	taken := secret.Random(secret.Options{Namespace: "auth", Name: "taken"})
	free := secret.Random(secret.Options{Namespace: "auth", Name: "free"})
	ledger := &rotate.MemoryLedger{}
	_, _, err = rotate.Commit(t.Context(), ledger, "", rotate.NewState(rotate.Settings{}))
	require.NoError(t, err)
	created := false
	operator := &rotate.Operator{Ledger: ledger, Publisher: publisher,
		Spec: secret.NewApp(secret.AppOptions{}).Use(taken, free).Spec(),
		Progress: func(e rotate.Event) {
			if e.Stage == rotate.StagePublish && !created {
				created = true
				k.Must(t, "POST", "/api/v1/namespaces/raced/secrets",
					`{"metadata":{"name":"app"},"data":{"LAYERON_SECRET_AUTH_TAKEN":"dGhlaXJz"}}`)
			}
		}}
	for range 2 {
		result, err := operator.Apply(t.Context())
		require.NoError(t, err)
		require.False(t, result.OK() && result.Settled())
		for _, one := range result.Secrets {
			if one.Address == free.Address() {
				require.Equal(t, rotate.StateOK, one.State)
				continue
			}
			require.Equal(t, rotate.StateDrifted, one.State)
			require.ErrorIs(t, one.Problem, rotate.Drifted)
		}
		o := kubernetesObject(t, k, "raced", "app")
		require.Equal(t, "theirs", string(o.Data["LAYERON_SECRET_AUTH_TAKEN"]))
		require.Empty(t, o.Metadata.Annotations["secret.layeron.dev/LAYERON_SECRET_AUTH_TAKEN"])
		require.Contains(t, o.Data, "LAYERON_SECRET_AUTH_FREE")
	}
	result, err := operator.Rotate(t.Context(), rotate.RotateOptions{Adopt: true})
	require.NoError(t, err)
	require.True(t, result.OK() && result.Settled())
}

// Two programs mount a Secret, and kubelet updates each at another time. Through
// five rotations, the version that one signs with is always among the
// active versions of the other.
func rotatesUnderAMount(t *testing.T, k *servers.Kubernetes) {
	kubernetesNamespace(t, k, "mount")
	t.Setenv("KUBECONFIG", k.Kubeconfig(t, servers.KubernetesUser))
	publisher, err := kubernetes.New(kubernetes.Options{Object: kubernetes.Object{Namespace: "mount", Name: "app"}})
	require.NoError(t, err)
	declare := func() *secret.Secret {
		return secret.Random(secret.Options{Namespace: "auth", Name: "key"})
	}
	ledger := &rotate.MemoryLedger{}
	_, _, err = rotate.Commit(t.Context(), ledger, "", rotate.NewState(rotate.Settings{}))
	require.NoError(t, err)
	operator := &rotate.Operator{Ledger: ledger, Publisher: publisher,
		Spec: secret.NewApp(secret.AppOptions{}).Use(declare()).Spec(), Window: 8 * time.Second, Margin: time.Second}
	run := func(o rotate.RotateOptions) {
		t.Helper()
		result, err := operator.Rotate(t.Context(), o)
		require.NoError(t, err)
		require.True(t, result.OK())
	}
	run(rotate.RotateOptions{})

	ctx, end := context.WithCancel(t.Context())
	var programs []*secret.Secret
	var work sync.WaitGroup
	for _, delay := range []time.Duration{100 * time.Millisecond, 2 * time.Second} {
		mounted := kubelet{t.TempDir()}
		mounted.sync(t, kubernetesObject(t, k, "mount", "app").Data)
		work.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case <-time.After(delay):
					mounted.sync(t, kubernetesObject(t, k, "mount", "app").Data)
				}
			}
		})
		program := declare()
		app := secret.NewApp(secret.AppOptions{Store: secret.Dir(mounted.dir), Logger: slog.New(slog.DiscardHandler)}).
			Use(program)
		require.NoError(t, app.Start(ctx))
		t.Cleanup(func() { require.NoError(t, app.Close()) })
		programs = append(programs, program)
	}
	check := func() string {
		v, err := programs[0].Current().Get(ctx)
		require.NoError(t, err)
		w, err := programs[1].Current().Get(ctx)
		require.NoError(t, err)
		for i, signed := range []secret.Version{w, v} {
			accepted, err := programs[i].ActiveVersion(signed.ID).Get(ctx)
			require.NoError(t, err, "program %d refuses %s", i, signed.ID)
			require.True(t, accepted.Equal(signed.Text()))
		}
		if v.ID == w.ID {
			return v.ID
		}
		return ""
	}
	for n := range 5 {
		run(rotate.RotateOptions{Now: true})
		want := "v" + strconv.Itoa(n+2)
		for began := time.Now(); check() != want; time.Sleep(5 * time.Millisecond) {
			require.Less(t, time.Since(began), time.Minute)
			if time.Since(began)%(100*time.Millisecond) < 10*time.Millisecond {
				run(rotate.RotateOptions{})
			}
		}
	}
	end()
	work.Wait()
}
