package keyring_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/keyring"
)

// requireNoSuchKey is the case for 401: one sentinel is enough to recognise it.
func requireNoSuchKey(t *testing.T, err, reason error) {
	t.Helper()
	require.ErrorIs(t, err, keyring.ErrInvalidToken)
	require.ErrorIs(t, err, reason)
}

// requireStoreDown is the case for 503: nothing in the error blames the id.
func requireStoreDown(t *testing.T, err, reason error) {
	t.Helper()
	require.ErrorIs(t, err, reason)
	for _, judgement := range []error{keyring.ErrInvalidToken, secret.ErrVersionNotFound, secret.ErrNotActive} {
		require.NotErrorIs(t, err, judgement)
	}
}

// TestFindReturnsTheVersionsToAccept: old, current and announced, whatever the
// form of their ids, and none whose life has ended.
func TestFindReturnsTheVersionsToAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		announced := time.Now().Add(time.Hour)
		doc, err := secret.NewDocument("v2",
			secret.NewVersion("v1", hexKey(1), time.Time{}, time.Now()),
			secret.NewVersion("2026.05/a b", hexKey(2), time.Time{}, time.Now().Add(time.Hour)),
			secret.NewVersion("v2", hexKey(3), time.Time{}, time.Time{}),
			secret.NewVersion("v3", hexKey(4), announced, time.Time{}))
		require.NoError(t, err)
		text, err := doc.Encode(secret.FormatJSON)
		require.NoError(t, err)
		store, _ := newStore(text)
		m := newMachine(t, store, -1)
		defer m.app.Close()
		began := store.gets.Load()
		for id, b := range map[string]byte{"2026.05/a b": 2, "v2": 3, "v3": 4} {
			v, err := keyring.Find(ctx, m.secret, id)
			require.NoError(t, err, id)
			require.Equal(t, id, v.ID)
			key, err := v.Bytes()
			require.NoError(t, err)
			require.Equal(t, rawKey(b), key)
		}
		_, err = keyring.Find(ctx, m.secret, "v1")
		requireNoSuchKey(t, err, secret.ErrNotActive)
		require.NotErrorIs(t, err, secret.ErrVersionNotFound)
		_, err = keyring.Find(ctx, m.secret, "")
		requireNoSuchKey(t, err, secret.ErrVersionNotFound)
		require.Equal(t, began, store.gets.Load(), "no version can have the empty id, so the store is not asked")
		_, err = keyring.Find(ctx, m.secret, "V2")
		requireNoSuchKey(t, err, secret.ErrVersionNotFound)
		time.Sleep(time.Hour)
		_, err = keyring.Find(ctx, m.secret, "2026.05/a b")
		requireNoSuchKey(t, err, secret.ErrNotActive)
	})
}

// TestFindAsksForANewerVersion: a version that `--immediate` made current is
// found at once, and made-up ids ask the store once in ten seconds.
func TestFindAsksForANewerVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		began := store.gets.Load()
		texts.Set("$SECRET.auth.session-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
		v, err := keyring.Find(ctx, m.secret, "v2")
		require.NoError(t, err)
		require.Equal(t, hexKey(2), v.Text())
		require.Equal(t, began+1, store.gets.Load())

		for i := range 999 { // 9.99 s
			_, err := keyring.Find(ctx, m.secret, "v"+strconv.Itoa(i+3))
			requireNoSuchKey(t, err, secret.ErrVersionNotFound)
			time.Sleep(10 * time.Millisecond)
		}
		require.Equal(t, began+1, store.gets.Load())
		texts.Set("$SECRET.auth.session-key", "current=v3;v3="+hexKey(3))
		time.Sleep(10 * time.Millisecond)
		_, err = keyring.Find(ctx, m.secret, "v3")
		require.NoError(t, err)
		require.Equal(t, began+2, store.gets.Load())
		_, err = keyring.Find(ctx, m.secret, "v1") // pruned or revoked
		requireNoSuchKey(t, err, secret.ErrVersionNotFound)
	})
}

// TestFindSharesTheTenSeconds: with the Signers and Sealers of the secret and
// its copies, and the wait for the answer too.
func TestFindSharesTheTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		texts.Set("$SECRET.auth.session-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
		slowly(store, 3*time.Second)
		began := store.gets.Load()
		token := tokenOf(rawKey(2), "session cookie", "v2", 0, "ann")
		sealed := sealedOf(t, rawKey(2), "record", "v2", make([]byte, 24), nil, nil)
		start := time.Now()
		var all sync.WaitGroup
		for i := range 90 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				var err error
				switch i % 3 {
				case 0:
					_, err = keyring.Find(ctx, m.secret, "v2")
				case 1:
					_, err = m.tokens.Verify(ctx, token)
				case 2:
					_, err = m.records.Open(ctx, sealed, nil)
				}
				requireNil(t, err)
			})
		}
		all.Wait()
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, began+1, store.gets.Load())

		other := m.secret.With(secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "current=v1;v1=" + hexKey(1)}))
		_, err := keyring.Find(ctx, other, "v9")
		requireNoSuchKey(t, err, secret.ErrVersionNotFound)
		_, err = keyring.Find(ctx, m.secret, "v9")
		requireNoSuchKey(t, err, secret.ErrVersionNotFound)
		require.Equal(t, began+1, store.gets.Load())
		time.Sleep(7 * time.Second)
		_, err = m.tokens.Verify(ctx, tokenOf(rawKey(2), "session cookie", "v8", 0, ""))
		require.ErrorIs(t, err, secret.ErrVersionNotFound)
		_, err = keyring.Find(ctx, m.secret, "v9")
		requireNoSuchKey(t, err, secret.ErrVersionNotFound)
		require.Equal(t, began+2, store.gets.Load())
	})
}

// TestFindTellsAnOutageFromAnUnknownID: while the store is down, an unknown id
// may belong to a key, and a known one is found.
func TestFindTellsAnOutageFromAnUnknownID(t *testing.T) {
	down := errors.New("no route to the store")
	for name, c := range map[string]struct {
		fault func(*secret.Memory)
		want  error
	}{
		"unreachable": {func(texts *secret.Memory) { texts.Fail(down) }, down},
		"deleted":     {func(texts *secret.Memory) { texts.Delete("$SECRET.auth.session-key") }, secret.ErrNotFound},
		"malformed": {func(texts *secret.Memory) { texts.Set("$SECRET.auth.session-key", "current=v2;v1=a;v1=b") },
			secret.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, texts := newStore("current=v1;v1=" + hexKey(1))
				m := newMachine(t, store, -1)
				defer m.app.Close()
				began := store.gets.Load()
				c.fault(texts)
				for range 3 { // the second and third come within the ten seconds
					_, err := keyring.Find(ctx, m.secret, "v2")
					requireStoreDown(t, err, c.want)
					require.ErrorContains(t, err, "$SECRET.auth.session-key")
				}
				require.Equal(t, began+1, store.gets.Load())
				v, err := keyring.Find(ctx, m.secret, "v1")
				require.NoError(t, err)
				require.Equal(t, hexKey(1), v.Text())

				_, err = keyring.Find(ctx, stored("").With(texts), "v1") // no App, no copy
				requireStoreDown(t, err, c.want)

				texts.Fail(nil)
				texts.Set("$SECRET.auth.session-key", "current=v2;v2="+hexKey(2))
				time.Sleep(10 * time.Second)
				_, err = keyring.Find(ctx, m.secret, "v2")
				require.NoError(t, err)
				_, err = keyring.Find(ctx, m.secret, "v1")
				requireNoSuchKey(t, err, secret.ErrVersionNotFound)
			})
		})
	}
}

// TestFindDoesNotJudgeByTheStoresErrors: a store may log in with a secret of
// its own, whose version is unknown or has expired.
func TestFindDoesNotJudgeByTheStoresErrors(t *testing.T) {
	for _, inner := range []error{secret.ErrVersionNotFound, secret.ErrNotActive} {
		synctest.Test(t, func(t *testing.T) {
			store, texts := newStore("current=v1;v1=" + hexKey(1))
			m := newMachine(t, store, -1)
			defer m.app.Close()
			texts.Fail(inner)
			_, err := keyring.Find(ctx, m.secret, "v2")
			require.NotErrorIs(t, err, keyring.ErrInvalidToken)
			require.ErrorIs(t, err, inner)
			began := store.gets.Load()
			_, err = keyring.Find(ctx, m.secret.With(store), "v1")
			require.NotErrorIs(t, err, keyring.ErrInvalidToken)
			require.ErrorIs(t, err, inner)
			require.Equal(t, began+1, store.gets.Load(), "a failed read causes no second request")
		})
	}
}

// TestFindWaitsForItsContext: a caller that leaves has learnt nothing about the
// id, and ends no load.
func TestFindWaitsForItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		texts.Set("$SECRET.auth.session-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
		slowly(store, 5*time.Second)
		began := store.gets.Load()
		gone, leave := context.WithCancel(ctx)
		leave()
		_, err := keyring.Find(gone, m.secret, "v2")
		requireStoreDown(t, err, context.Canceled)
		require.Equal(t, began, store.gets.Load(), "a caller that has left begins no load")
		_, err = keyring.Find(gone, m.secret, "v1")
		require.NoError(t, err, "a known key needs no store")

		soon, cancel := context.WithTimeoutCause(ctx, time.Second, errors.New("the user has left"))
		defer cancel()
		start := time.Now()
		_, err = keyring.Find(soon, m.secret, "v2")
		requireStoreDown(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "the user has left")
		require.Equal(t, time.Second, time.Since(start))
		_, err = keyring.Find(ctx, m.secret, "v2")
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Equal(t, began+1, store.gets.Load())
	})
}

// TestFindReportsTheDeclaration: a wrong one, and one that no constructor made.
func TestFindReportsTheDeclaration(t *testing.T) {
	for name, s := range map[string]*secret.Secret{"nil": nil, "zero": new(secret.Secret),
		"wrong": secret.Random(secret.Options{Name: "No Name"})} {
		_, err := keyring.Find(ctx, s, "v1")
		requireStoreDown(t, err, secret.ErrInvalid)
		require.ErrorContains(t, err, "keyring: find", name)
	}
}

// TestFindShowsNoValue: neither does a kid that a client made up fill the log.
func TestFindShowsNoValue(t *testing.T) {
	const text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	raw, err := hex.DecodeString(text)
	require.NoError(t, err)
	s := stored("current=v1;v1=" + text)
	_, err = keyring.Find(ctx, s, "v9\n"+strings.Repeat("x", 10_000))
	requireNoSuchKey(t, err, secret.ErrVersionNotFound)
	require.Less(t, len(err.Error()), 300)
	require.NotContains(t, err.Error(), "\n")
	require.Empty(t, redacttest.Check(err, text, string(raw)))
	_, err = keyring.Find(ctx, s, "v9")
	require.EqualError(t, err, "keyring: find under $SECRET.auth.session-key: invalid token: "+
		"secret: active version $SECRET.auth.session-key, version v9: version not found")
}

// TestWarmFindAllocatesNothing: a handler may call it for each request.
func TestWarmFindAllocatesNothing(t *testing.T) {
	s := started(t)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := keyring.Find(ctx, s, "v1"); err != nil {
			t.Fatal(err)
		}
	}))
}

// TestFindWithoutAnApp: each call asks the store, and an unknown id twice more
// at most once in ten seconds. If the store fails meanwhile, Find reports the
// outage, and Verify refuses the token.
func TestFindWithoutAnApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := newStore("current=v1;v1=" + hexKey(1))
		s := secret.Random(secret.Options{Namespace: "auth", Name: "session-key"}).With(store)
		asks := func(want int64, id string) {
			t.Helper()
			began := store.gets.Load()
			_, err := keyring.Find(ctx, s, id)
			require.Equal(t, id == "v1", err == nil)
			require.Equal(t, want, store.gets.Load()-began)
		}
		asks(1, "v1")
		asks(3, "v2") // its read, the request of the ten seconds, and a read of the answer
		asks(1, "v3")
		asks(1, "v1")
		time.Sleep(10 * time.Second)
		asks(3, "v2")
	})

	down := errors.New("no route to the store")
	for name, check := range map[string]func(*testing.T, *secret.Secret){
		"Find": func(t *testing.T, s *secret.Secret) {
			_, err := keyring.Find(ctx, s, "v2")
			requireStoreDown(t, err, down)
		},
		"Verify": func(t *testing.T, s *secret.Secret) {
			_, err := keyring.NewSigner(s, "p").Verify(ctx, tokenOf(rawKey(2), "p", "v2", 0, ""))
			requireNoSuchKey(t, err, secret.ErrVersionNotFound)
			require.ErrorIs(t, err, down)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &failing{text: "current=v1;v1=" + hexKey(1), good: 2, err: down}
			check(t, secret.Random(secret.Options{Name: "k"}).With(store))
		})
	}
}

// failing is a store that is down after some reads.
type failing struct {
	text string
	good int // reads
	err  error
}

func (f *failing) Get(context.Context, secret.Address) (string, error) {
	if f.good--; f.good < 0 {
		return "", f.err
	}
	return f.text, nil
}
