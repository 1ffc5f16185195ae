package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/keyring"
)

// login is an issuer's key set whose answers a test controls.
type login struct {
	issuer issuer
	asked  atomic.Int64
	status int
	header http.Header
	takes  time.Duration
}

func (l *login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.asked.Add(1)
	time.Sleep(l.takes)
	if l.status != 0 {
		w.WriteHeader(l.status)
		return
	}
	answer := httptest.NewRecorder()
	l.issuer.handler().ServeHTTP(answer, r)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	for name, values := range l.header {
		w.Header()[name] = values
	}
	w.Write(answer.Body.Bytes())
}

func newLogin() (*login, *remote) {
	seed, _ := stored(seedOf("1"))
	l := &login{issuer: issuer{seed, 40 * time.Minute}} // max-age=600
	return l, newRemote("http://login"+keySetPath, responses(l))
}

func TestServiceKeepsTheSetWhileItIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, r := newLogin()
		for range 3 {
			_, err := r.find(ctx, "v1")
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, l.asked.Load())
		l.status = 500
		time.Sleep(10*time.Minute - 1)
		_, err := r.find(ctx, "v1")
		require.NoError(t, err, "an outage of the issuer shows only when the set is stale")
		require.EqualValues(t, 1, l.asked.Load())
		time.Sleep(time.Nanosecond)
		for range 3 {
			_, err = r.find(ctx, "v1")
			require.ErrorContains(t, err, "500")
			require.NotErrorIs(t, err, keyring.ErrInvalidToken)
		}
		require.EqualValues(t, 2, l.asked.Load(), "failures wait for ten seconds too")
		l.status = 0
		time.Sleep(pause)
		_, err = r.find(ctx, "v1")
		require.NoError(t, err)
		require.EqualValues(t, 3, l.asked.Load())
	})
}

func TestMadeUpIDsAskTheIssuerOnceInTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, r := newLogin()
		for i := range 600 { // five minutes
			_, err := r.find(ctx, "x"+strconv.Itoa(i))
			require.ErrorIs(t, err, keyring.ErrInvalidToken)
			_, err = r.find(ctx, "v1")
			require.NoError(t, err)
			time.Sleep(time.Second / 2)
		}
		require.EqualValues(t, 30, l.asked.Load())
		l.status = 503
		time.Sleep(pause)
		_, err := r.find(ctx, "x")
		require.Error(t, err)
		require.NotErrorIs(t, err, keyring.ErrInvalidToken, "the key may exist")
		_, err = r.find(ctx, "v1")
		require.NoError(t, err)
	})
}

func TestServiceHeedsTheCacheHeaders(t *testing.T) {
	for _, c := range []struct {
		header http.Header
		fresh  time.Duration
	}{
		{http.Header{}, 10 * time.Minute},
		{http.Header{"Age": {"590"}}, 10 * time.Second},
		{http.Header{"Age": {"601"}}, 0},
		{http.Header{"Age": {"soon"}}, 10 * time.Minute},
		{http.Header{"Cache-Control": {"no-cache"}}, 0},
		{http.Header{"Cache-Control": {"max-age=-1"}}, 0},
		{http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, 24 * time.Hour},
		{http.Header{"Cache-Control": {"max-age=1e3"}}, 0},
		{http.Header{"Cache-Control": {"private,max-age=5"}}, 5 * time.Second},
		{http.Header{"Cache-Control": nil}, 0},
	} {
		t.Run(fmt.Sprint(c.header), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, r := newLogin()
				l.header = c.header
				_, err := r.find(ctx, "v1")
				require.NoError(t, err)
				if c.fresh > 0 {
					time.Sleep(c.fresh - 1)
					_, err = r.find(ctx, "v1")
					require.NoError(t, err)
					require.EqualValues(t, 1, l.asked.Load())
					time.Sleep(time.Nanosecond)
				}
				_, err = r.find(ctx, "v1")
				require.NoError(t, err)
				require.EqualValues(t, 2, l.asked.Load())
			})
		})
	}
}

// TestCallersShareARequest: a caller that leaves ends it for no other, and no
// request takes longer than five seconds.
func TestCallersShareARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, r := newLogin()
		l.takes = time.Second
		soon, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := r.find(soon, "v1"); err != nil { // begins the request, and waits for it
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 20 {
			all.Go(func() {
				if _, err := r.find(ctx, "v1"); err != nil {
					t.Error(err)
				}
			})
		}
		_, err := r.find(soon, "v1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, keyring.ErrInvalidToken)
		all.Wait()
		require.EqualValues(t, 1, l.asked.Load())

		l.takes = time.Hour
		time.Sleep(10 * time.Minute)
		began := time.Now()
		_, err = r.find(ctx, "v1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, keyring.ErrInvalidToken)
		require.Equal(t, 5*time.Second, time.Since(began))
		time.Sleep(time.Hour)
	})
}
