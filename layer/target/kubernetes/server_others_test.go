package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/servers"
)

// A client that changes labels all the time delays a change, and each client's
// changes stay. A key that it creates after the inspection stays, too.
func (c cluster) testBusyClient(t *testing.T) {
	c.namespace(t, "busy", guided)
	c.Must(t, "POST", secrets("busy"), `{"metadata":{"name":"app"}}`)
	p := c.publisher(t, "busy", servers.KubernetesUser)
	busy, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	labels := 0
	work.Go(func() {
		for ; busy.Err() == nil; labels++ {
			c.Must(t, "PATCH", secrets("busy")+"/app", fmt.Sprintf(`{"metadata":{"labels":{"n":"%d"}}}`, labels))
		}
	})
	const rounds = 20
	for i := range rounds {
		_, err := p.Inspect(t.Context(), []string{"B", "C"})
		require.NoError(t, err)
		text := fmt.Sprint("text ", i)
		require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", text), item("C", text)}))
		require.Nil(t, p.Remove(t.Context(), []string{"C"}))
		found, err := p.Inspect(t.Context(), []string{"B", "C"})
		require.NoError(t, err)
		require.Equal(t, map[string]driver.Published{"B": {Note: noteText, Modified: p.ModifiedOf(driver.NewValue(text))}},
			found)
	}
	stop()
	work.Wait()
	require.Greater(t, labels, 2*rounds, "the other client was busy")

	_, err := p.Inspect(t.Context(), []string{"B", "NEW"})
	require.NoError(t, err)
	c.Must(t, "PATCH", secrets("busy")+"/app", `{"data":{"NEW":"dGhlaXJz"}}`)
	errs := p.Publish(t.Context(), []driver.Item{item("B", "last"), item("NEW", marker)})
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], driver.ErrNotApplied)
	require.ErrorContains(t, errs[1], "another client changed NEW")
	o := c.object(t, "busy")
	require.Equal(t, map[string][]byte{"B": []byte("last"), "NEW": []byte("theirs")}, o.Data)

	// The API server refuses a patch that was made for an earlier version.
	old := newPatch()
	old.Metadata.Version = "1"
	old.set(item("B", marker))
	_, err = p.once(t.Context(), request{method: http.MethodPatch, path: "/app", send: &old})
	require.True(t, is(err, http.StatusConflict))
	require.ErrorIs(t, err, driver.ErrNotApplied)
}

// A server without capacity for the user answers 429 with a time, and the
// request has success when there is capacity again.
func (c cluster) testTooManyRequests(t *testing.T) {
	const flow = "/apis/flowcontrol.apiserver.k8s.io/v1"
	c.namespace(t, "throttled", guided)
	p := c.publisher(t, "throttled", servers.KubernetesUser)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "1")}))
	c.Must(t, "POST", flow+"/prioritylevelconfigurations", `{"metadata":{"name":"none"},"spec":{"type":"Limited",
		"limited":{"nominalConcurrencyShares":0,"lendablePercent":0,"borrowingLimitPercent":0,"limitResponse":{"type":"Reject"}}}}`)
	c.Must(t, "POST", flow+"/flowschemas", `{"metadata":{"name":"none"},"spec":{"matchingPrecedence":2,
		"priorityLevelConfiguration":{"name":"none"},"rules":[{"subjects":[{"kind":"User","user":{"name":"layer"}}],
		"resourceRules":[{"verbs":["*"],"apiGroups":[""],"resources":["secrets"],"namespaces":["throttled"]}]}]}}`)
	defer c.Must(t, "DELETE", flow+"/prioritylevelconfigurations/none", "")
	defer c.Must(t, "DELETE", flow+"/flowschemas/none", "")
	// The level has no capacity, and then the server takes one request at a time.
	busy, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for busy.Err() == nil {
				_, _ = p.once(busy, request{method: http.MethodGet, path: "/app"})
			}
		})
	}
	var waits []time.Duration
	p.pause = func(ctx context.Context, d time.Duration) error {
		if d >= time.Second { // the server asked for it
			waits = append(waits, d)
			stop()
			work.Wait()
		}
		return wait(ctx, d) // the server needs it
	}
	for began, i := time.Now(), 0; waits == nil; i++ {
		require.Less(t, time.Since(began), time.Minute, "the server has enough capacity")
		require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", fmt.Sprint(i))}))
		require.Equal(t, fmt.Sprint(i), string(c.object(t, "throttled").Data["B"]))
	}
	require.Equal(t, time.Second, waits[0])
	stop()
	work.Wait()
}

// etcd counts keys and annotations too. Values that fit are stored, and the
// server's own refusal of a larger request is certain.
func (c cluster) testLimitOfEtcd(t *testing.T) {
	c.namespace(t, "etcd", guided)
	p := c.publisher(t, "etcd", servers.KubernetesUser)
	name := func(i int) string { return fmt.Sprintf("N%04d%s", i, strings.Repeat("x", 248)) }
	var items []driver.Item
	for i := range 1500 {
		items = append(items, item(name(i), strings.Repeat("v", 690)))
	}
	errs := p.Publish(t.Context(), items)
	require.Len(t, errs, len(items))
	stored := 0
	for i, err := range errs {
		if err == nil {
			stored++
			continue
		}
		require.ErrorIs(t, err, driver.ErrNotApplied, i)
		require.ErrorContains(t, err, "with its keys and annotations, and etcd takes at most")
		require.ErrorContains(t, err, "publish to several objects")
	}
	require.Len(t, c.object(t, "etcd").Data, stored)
	require.Greater(t, stored, 1350)

	// The server itself takes little more.
	more := newPatch()
	for i := range 40 {
		more.Data[name(9000+i)] = []byte(strings.Repeat("v", 690))
	}
	_, err := p.once(t.Context(), request{method: http.MethodPatch, path: "/app", send: &more})
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorContains(t, err, "etcdserver: request is too large: etcd behind the API server takes a smaller request: "+
		"publish to several objects")
	require.True(t, refusesContent(err))
	require.Len(t, c.object(t, "etcd").Data, stored)
}

// The managed fields of this client do not grow with its changes.
func (c cluster) testManagedFields(t *testing.T) {
	c.namespace(t, "managed", guided)
	p := c.publisher(t, "managed", servers.KubernetesUser)
	sizes := map[int]bool{}
	for i := range 12 {
		require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", fmt.Sprint(i%10)), item("C", "1")}))
		require.Nil(t, p.Remove(t.Context(), []string{"C"}))
		o, err := p.get(t.Context())
		require.NoError(t, err)
		sizes[len(o.Metadata.Managed)] = true
	}
	require.Len(t, sizes, 1)
}
