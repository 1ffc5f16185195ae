package secret

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// hanging is a store whose Gets hang until their context ends.
type hanging struct{ asked, ended *int }

func (h hanging) Get(ctx context.Context, _ Address) (string, error) {
	*h.asked++
	<-ctx.Done()
	*h.ended++
	return "", ctx.Err()
}

// A refresh in the background may begin its load in the moment in which Close
// begins. Close ends that load too, and waits for it.
func TestCloseEndsALoadOfThatMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := hanging{new(int), new(int)}
		s := Static(Options{Name: "key"})
		app := NewApp(AppOptions{Store: store, Refresh: -1, Concurrency: 1, Logger: slog.New(slog.DiscardHandler)}).Use(s)
		app.healthy <- struct{}{} // another load takes the only place
		app.mu.Lock()
		app.dispatch(app.lifetime, request{secrets: app.secrets[:1]}, false)
		app.mu.Unlock()
		app.release(appClosed) // as Close does first
		<-app.healthy
		synctest.Wait()
		require.Equal(t, 1, *store.asked)
		require.NoError(t, app.Close())
		require.Equal(t, 1, *store.ended)
	})
}
