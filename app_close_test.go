package secret_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestCallbacksMayCloseEachOthersApps: they do not wait for each other, and a
// Close from outside waits for both, whether it comes first or last. Goroutines
// that close an App at the same time all wait.
func TestCallbacksMayCloseEachOthersApps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var apps [3]*secret.App
		var puts [3]func(string)
		for i := range apps {
			apps[i], _, puts[i] = changing(t, secret.AppOptions{})
			require.NoError(t, apps[i].Start(context.Background()))
		}
		began := time.Now()
		var ended [3]time.Duration
		for i := range apps {
			apps[i].OnChange(func(secret.Change) {
				time.Sleep(time.Second)
				for n := range apps { // its own too, and twice
					require.NoError(t, apps[(i+n)%3].Close())
					require.NoError(t, apps[(i+n)%3].Close())
				}
				time.Sleep(time.Duration(i+1) * time.Second)
				ended[i] = time.Since(began)
			})
			puts[i]("current=v1;v1=text")
		}
		synctest.Wait()
		var closing sync.WaitGroup
		closeAll := func() {
			for _, app := range apps {
				closing.Go(func() { require.NoError(t, app.Close()) })
			}
		}
		closeAll()
		time.Sleep(1500 * time.Millisecond) // all are in Close or after it
		closeAll()
		closing.Wait()
		for i := range ended {
			require.NotZero(t, ended[i], "Close waits for a call that has called Close")
		}
		require.Less(t, time.Since(began), 9*time.Second, "no Close ran into its limit of 10 s")
		closeAll()
		closing.Wait()
	})
}

// TestSecondCloseWaitsToo, but not for calls that the first has left behind.
func TestSecondCloseWaitsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, _, put := changing(t, secret.AppOptions{Timeout: 7 * time.Second})
		require.NoError(t, app.Start(context.Background()))
		began := time.Now()
		app.OnChange(func(secret.Change) {
			require.NoError(t, app.Close())
			time.Sleep(3 * time.Second)
		})
		put("current=v1;v1=text")
		synctest.Wait()
		require.NoError(t, app.Close())
		require.Equal(t, 3*time.Second, time.Since(began))

		app, _, put = changing(t, secret.AppOptions{Timeout: 7 * time.Second})
		require.NoError(t, app.Start(context.Background()))
		gate := make(chan struct{})
		defer close(gate)
		for range 3 {
			app.OnChange(func(secret.Change) { <-gate })
		}
		put("current=v1;v1=text")
		synctest.Wait()
		require.ErrorContains(t, app.Close(), "a function given to OnChange has not returned")
		began = time.Now()
		require.NoError(t, app.Close())
		require.Zero(t, time.Since(began))

		p, s := newProbe(), static("key")
		p.set(s, "text")
		app = secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s)
		require.NoError(t, app.Start(context.Background()))
		p.step(until(gate))
		time.Sleep(2 * time.Minute) // a load hangs
		require.ErrorContains(t, app.Close(), "a store has not come back")
		began = time.Now()
		require.NoError(t, app.Close())
		require.Zero(t, time.Since(began))
	})
}

// TestCloseWaitsForACallInClose: a Close from outside waits for its end, and so
// does one of a function after that call has left Close.
func TestCloseWaitsForACallInClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, _, put := changing(t, secret.AppOptions{})
		require.NoError(t, app.Start(context.Background()))
		began := time.Now()
		app.OnChange(func(secret.Change) {
			time.Sleep(time.Millisecond) // the other call has begun
			require.NoError(t, app.Close())
			time.Sleep(3 * time.Second)
		})
		app.OnChange(func(secret.Change) { time.Sleep(2 * time.Second) })
		put("current=v1;v1=text")
		time.Sleep(time.Second)
		require.NoError(t, app.Close())
		require.Equal(t, 5*time.Second, time.Since(began))

		other, _, _ := changing(t, secret.AppOptions{})
		app, _, put = changing(t, secret.AppOptions{})
		require.NoError(t, app.Start(context.Background()))
		began = time.Now()
		var took time.Duration
		app.OnChange(func(secret.Change) {
			require.NoError(t, other.Close())
			time.Sleep(3 * time.Second)
		})
		app.OnChange(func(secret.Change) {
			time.Sleep(time.Second)
			require.NoError(t, app.Close())
			took = time.Since(began)
		})
		put("current=v1;v1=text")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 3*time.Second, took)
	})
}

// TestReadThatSharesALoadOfTheAppOutlivesClose: Close ends the load, and a
// read that shares it asks the store itself, with one Get and with a batch.
func TestReadThatSharesALoadOfTheAppOutlivesClose(t *testing.T) {
	for name, storeOf := range map[string]func(*probe) secret.Store{
		"single": func(p *probe) secret.Store { return p },
		"batch":  func(p *probe) secret.Store { return getsAsBatch{p} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProbe()
				app := secret.NewApp(secret.AppOptions{Store: storeOf(p), Logger: silence})
				require.NoError(t, app.Start(context.Background()))
				late := []*secret.Secret{static("one"), static("two")}
				app.Use(late...)
				for _, s := range late {
					_, err := s.Load(context.Background())
					require.ErrorIs(t, err, secret.ErrNotFound) // so the rounds load it
				}
				p.step(hang)
				asked := p.gets()
				for p.gets() < asked+2 { // until a round loads them
					time.Sleep(time.Second)
					synctest.Wait()
				}
				var reads sync.WaitGroup
				for _, s := range late {
					p.set(s, "text of "+s.Address().Name)
					reads.Go(func() {
						doc, err := s.Load(context.Background())
						require.NoError(t, err)
						require.Equal(t, "text of "+s.Address().Name, doc.Current().Text())
					})
				}
				synctest.Wait()
				require.Equal(t, asked+2, p.gets(), "the reads share the loads")
				p.step(nil)
				require.NoError(t, app.Close())
				reads.Wait()
			})
		})
	}
}

// getsAsBatch is a BatchStore that gets one secret after another at one moment.
type getsAsBatch struct{ *probe }

func (b getsAsBatch) GetAll(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
	texts := map[secret.Address]string{}
	var mu sync.Mutex
	var gets sync.WaitGroup
	for _, addr := range addrs {
		gets.Go(func() {
			if text, err := b.Get(ctx, addr); err == nil {
				mu.Lock()
				defer mu.Unlock()
				texts[addr] = text
			}
		})
	}
	gets.Wait()
	return texts, ctx.Err()
}
