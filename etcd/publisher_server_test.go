package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/servers"
)

func well(t testing.TB, errs []error) {
	t.Helper()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// TestServerPublisher: the written keys and values, and the result of Inspect.
func TestServerPublisher(t *testing.T) {
	t.Parallel()
	e := servers.StartEtcd(t, 3)
	others := raw(t, e.Endpoints()...)
	ctx := context.Background()

	t.Run("text and note change together, and for good", func(t *testing.T) {
		const writers, rounds = 4, 20
		o := place(t, e)
		watching, stop := context.WithCancel(ctx)
		defer stop()
		seen := others.Watch(watching, prefix(o), clientv3.WithPrefix(), clientv3.WithCreatedNotify())
		<-seen // the watch has begun
		var all sync.WaitGroup
		for w := range writers {
			p := openPublisher(t, o)
			name := fmt.Sprintf("ITEM_%d", w)
			all.Go(func() {
				for i := range rounds {
					errs := p.Publish(ctx, []driver.Item{{Name: name, Text: driver.NewValue(fmt.Sprintf("text %d", i)),
						Note: fmt.Sprintf("note %d", i)}})
					if errs != nil {
						t.Error(errs[0])
					}
				}
				if errs := p.Remove(ctx, []string{name}); errs != nil {
					t.Error(errs[0])
				}
			})
		}
		all.Wait()
		require.False(t, t.Failed())
		revisions := map[int64]map[string]*mvccpb.Event{}
		for len(revisions) < writers*(rounds+1) {
			r := <-seen
			require.NoError(t, r.Err())
			for _, event := range r.Events {
				at := event.Kv.ModRevision
				if revisions[at] == nil {
					revisions[at] = map[string]*mvccpb.Event{}
				}
				require.Zero(t, event.Kv.Lease)
				revisions[at][string(event.Kv.Key)] = (*mvccpb.Event)(event)
			}
		}
		for _, both := range revisions {
			require.Len(t, both, 2)
			for key, event := range both {
				if strings.HasSuffix(key, ".note") {
					continue
				}
				note := both[key+".note"]
				require.NotNil(t, note)
				require.Equal(t, event.Type, note.Type)
				require.Equal(t, strings.Replace(string(event.Kv.Value), "text", "note", 1), string(note.Kv.Value))
			}
		}
	})

	t.Run("many are looked at", func(t *testing.T) {
		const n = 120
		o := place(t, e)
		p := openPublisher(t, o)
		list := items(n)
		well(t, p.Publish(ctx, list))
		well(t, p.Remove(ctx, []string{list[7].Name, list[99].Name}))
		set(t, others, prefix(o)+"BY_HAND", text)
		set(t, others, prefix(o)+"NOTE_ALONE.note", "note")
		found, err := p.Inspect(ctx, append(names(list), "BY_HAND", "NOTE_ALONE", "NOBODY"))
		require.NoError(t, err)
		require.Len(t, found, n-2+1)
		modified := map[string]bool{}
		for i, item := range list {
			one, is := found[item.Name]
			require.Equal(t, i != 7 && i != 99, is, item.Name)
			if is {
				require.Equal(t, item.Note, one.Note)
				require.False(t, one.Pending)
				modified[one.Modified] = true
			}
		}
		require.Len(t, modified, n-2)
		require.Empty(t, found["BY_HAND"].Note)
		require.NotEmpty(t, found["BY_HAND"].Modified)
	})

	t.Run("edits by hand show", func(t *testing.T) {
		o := place(t, e)
		p := openPublisher(t, o)
		item := items(1)[0]
		key := prefix(o) + item.Name
		look := func() driver.Published {
			found, err := p.Inspect(ctx, []string{item.Name})
			require.NoError(t, err)
			return found[item.Name]
		}
		well(t, p.Publish(ctx, []driver.Item{item}))
		before := look()
		require.Equal(t, before, look(), "nothing was written")

		set(t, others, key, text)
		same := look()
		require.NotEqual(t, before.Modified, same.Modified, "the same text, written again")
		require.Equal(t, item.Note, same.Note)

		_, err := others.Delete(ctx, key+".note")
		require.NoError(t, err)
		require.Equal(t, driver.Published{Modified: same.Modified}, look(), "the note is gone")

		_, err = others.Delete(ctx, key)
		require.NoError(t, err)
		well(t, p.Publish(ctx, []driver.Item{item}))
		require.NotContains(t, []string{before.Modified, same.Modified}, look().Modified, "it was away meanwhile")
	})

	t.Run("the largest is taken", func(t *testing.T) {
		o := place(t, e)
		p := openPublisher(t, o)
		note := strings.Repeat("n", 200)
		size := 3<<19 - 4096 - len(note) - 2*len(prefix(o)+"LARGE")
		item := driver.Item{Name: "LARGE", Text: driver.NewValue(strings.Repeat("x", size)), Note: note}
		well(t, p.Publish(ctx, []driver.Item{item}))
		item.Text = driver.NewValue(strings.Repeat("x", size+1))
		require.ErrorIs(t, p.Publish(ctx, []driver.Item{item})[0], secret.ErrTooLarge)
	})
}

// TestServerFull: without space, Check fails, and the outcome of a write that
// fails is unknown.
func TestServerFull(t *testing.T) {
	t.Parallel()
	_, o := single(t, "--quota-backend-bytes", "4194304")
	p := openPublisher(t, o)
	require.NoError(t, p.Check(t.Context(), []string{"ITEM_0"}))
	const writers = 16
	large := text + strings.Repeat("x", 1<<16)
	names, errs := make([]string, writers), make([]error, writers)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := 0; errs[w] == nil; i++ {
				names[w] = fmt.Sprintf("LARGE_%d_%d", w, i)
				errs[w] = errors.Join(p.Publish(t.Context(),
					[]driver.Item{{Name: names[w], Text: driver.NewValue(large), Note: "note"}})...)
			}
		})
	}
	all.Wait()
	there, err := p.Inspect(t.Context(), names)
	require.NoError(t, err)
	for w, name := range names {
		require.ErrorContains(t, errs[w], "etcd key /layer/acme/shop/test/"+name+": mvcc: database space exceeded: "+
			"compact and defragment etcd, then disarm its alarm")
		if _, is := there[name]; is {
			require.NotErrorIs(t, errs[w], driver.ErrNotApplied)
		}
		require.Empty(t, redacttest.Check(errs[w], text))
	}
	t.Logf("of %d writes for which there was no space %d were carried out", writers, len(there))
	began := time.Now()
	err = p.Check(t.Context(), []string{"ITEM_0"})
	require.ErrorContains(t, err, "etcd /layer/acme/shop/test/ cannot be written: mvcc: database space exceeded")
	require.Less(t, time.Since(began), 5*time.Second)
	// Reading and removing still work.
	first := []string{"LARGE_0_0"}
	there, err = p.Inspect(t.Context(), first)
	require.NoError(t, err)
	require.Len(t, there, 1)
	well(t, p.Remove(t.Context(), first))
}
