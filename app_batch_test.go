package secret_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// many is a probe that is a BatchStore. A test may replace its answer.
type many struct {
	*probe

	mu     sync.Mutex
	answer func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error)
	calls  [][]secret.Address
}

func newMany() *many {
	m := &many{probe: newProbe()}
	m.answer = m.present
	return m
}

// present is the answer of a good store.
func (m *many) present(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
	found := map[secret.Address]string{}
	for _, addr := range addrs {
		text, err := m.texts.Get(ctx, addr)
		switch {
		case err == nil:
			found[addr] = text
		case !errors.Is(err, secret.ErrNotFound):
			return found, err
		}
	}
	return found, nil
}

func (m *many) GetAll(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
	m.mu.Lock()
	m.calls = append(m.calls, slices.Clone(addrs))
	answer := m.answer
	m.mu.Unlock()
	return answer(ctx, addrs)
}

func (m *many) answers(answer func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = answer
}

// asked returns the number of addresses in each GetAll since the last call.
func (m *many) asked() (sizes []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, addrs := range m.calls {
		sizes = append(sizes, len(addrs))
	}
	m.calls = nil
	return sizes
}

// declared returns n secrets with the text "one" in m.
func (m *many) declared(n int) []*secret.Secret {
	secrets := make([]*secret.Secret, n)
	for i := range secrets {
		secrets[i] = static("n" + strconv.Itoa(i))
		m.set(secrets[i], "one")
	}
	return secrets
}

// watched is a many whose changes are reported.
type watched struct{ *many }

func (w watched) Watch(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
	return w.texts.Watch(ctx, addrs, changed)
}

// functionStore is a BatchStore that Go cannot compare.
type functionStore struct {
	*many
	_ func()
}

// TestBatchIsLoadedByOneRequest: Start, Refresh and each round make one request
// to each BatchStore, of AppOptions and of Options.
func TestBatchIsLoadedByOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, other, plain := newMany(), newMany(), newProbe()
		incomparable := functionStore{many: newMany()}
		secrets := m.declared(300)
		own := func(name string, store secret.Store, set func(*secret.Secret, string)) *secret.Secret {
			s := secret.Static(secret.Options{Namespace: "own", Name: name, Store: store})
			set(s, "one")
			return s
		}
		secrets = append(secrets, own("a", other, other.set), own("b", other, other.set), own("c", plain, plain.set),
			own("d", incomparable, incomparable.set), own("e", incomparable, incomparable.set))
		app := secret.NewApp(secret.AppOptions{Store: m, Logger: silence}).Use(secrets...)
		requireStart(t, app)
		requireAsked := func(times int, when string) {
			t.Helper()
			require.Equal(t, slices.Repeat([]int{300}, times), m.asked(), when)
			require.Equal(t, slices.Repeat([]int{2}, times), other.asked(), when)
		}
		requireAsked(1, "Start")
		for _, s := range secrets {
			requireRead(t, "one", s)
		}
		require.NoError(t, app.Refresh(t.Context()))
		requireAsked(1, "Refresh")
		m.set(secrets[7], "two")
		other.set(secrets[301], "two")
		time.Sleep(67 * time.Second)
		requireAsked(1, "a round")
		requireRead(t, "two", secrets[7])
		requireRead(t, "two", secrets[301])
		require.Zero(t, m.gets()+other.gets(), "no Get")
		require.Equal(t, 3, plain.gets())
		require.Equal(t, 6, incomparable.gets(), "a store that Go cannot compare")
		require.Empty(t, incomparable.asked())

		one := app.Status().Secrets[0]
		require.EqualValues(t, 3, one.Loads)
		require.Zero(t, one.FailedLoads)
	})
}

// TestOneSecretOfABatch: a read before Start, and a Refresh of one secret, use
// Get. An unchanged text is not parsed again.
func TestOneSecretOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(3)
		app := secret.NewApp(secret.AppOptions{Store: m, Logger: silence}).Use(secrets...)
		before, err := secrets[0].Load(t.Context())
		require.NoError(t, err)
		require.Empty(t, m.asked())
		requireStart(t, app)
		time.Sleep(5 * time.Minute)
		after, err := secrets[0].Load(t.Context())
		require.NoError(t, err)
		require.Same(t, before, after)
		m.asked()
		require.NoError(t, secrets[1].Refresh(t.Context()))
		require.Empty(t, m.asked())
		require.Equal(t, 2, m.gets())
	})
}

var errDenied = errors.New("permission denied")

// TestAnswersOfABatchStore: the meaning of each answer for a secret that is in the
// map, and for one that is not.
func TestAnswersOfABatchStore(t *testing.T) {
	in, out := static("in"), static("out")
	addrIn, addrOut := in.Address(), out.Address()
	present := map[secret.Address]string{addrIn: "two"}
	for _, tc := range []struct {
		name   string
		answer func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error)
		in     string // "": it fails, too
		fails  error  // which the error of out wraps
		says   string // its error after the address
	}{
		{"absent", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return present, nil
		}, "two", secret.ErrNotFound, ": not found: LAYERON_SECRET_APP_OUT does not exist"},
		{"a nil map", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return nil, nil
		}, "", secret.ErrNotFound, ": not found: LAYERON_SECRET_APP_OUT does not exist"},
		{"more than was asked for", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return map[secret.Address]string{addrIn: "two", static("foreign").Address(): "x", {Name: "out"}: "x", {}: "x"}, nil
		}, "two", secret.ErrNotFound, ": not found: LAYERON_SECRET_APP_OUT does not exist"},
		{"a map and an error", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return present, errDenied
		}, "two", errDenied, ": permission denied"},
		{"an error", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return nil, errDenied
		}, "", errDenied, ": permission denied"},
		{"not found", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return present, fmt.Errorf("the file /run/x: %w", secret.ErrNotFound)
		}, "two", secret.ErrNotFound, ": the file /run/x: not found"},
		{"an error of its own", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return present, &secret.Error{Op: "load", Address: addrOut, Err: errDenied}
		}, "two", errDenied, ": permission denied"},
		{"an error each", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return nil, errors.Join(&secret.Error{Op: "load", Address: addrIn, Err: secret.ErrNotFound},
				errors.Join(&secret.Error{Op: "load", Address: addrOut, Err: errDenied}))
		}, "", errDenied, ": permission denied"},
		{"the error of another", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return nil, &secret.Error{Op: "load", Address: addrIn, Err: errDenied}
		}, "", errDenied, ": secret: load $SECRET.app.in: permission denied"},
		{"a text and an error of its own", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return present, errors.Join(&secret.Error{Address: addrIn, Err: secret.ErrNotFound}, errDenied)
		}, "two", errDenied, ": permission denied"},
		{"an empty text", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return map[secret.Address]string{addrIn: "two", addrOut: ""}, nil
		}, "two", secret.ErrEmpty, ""},
		{"malformed", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return map[secret.Address]string{addrIn: "two", addrOut: "current=v1"}, nil
		}, "two", secret.ErrMalformed, ""},
		{"too large", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return map[secret.Address]string{addrIn: "two", addrOut: string(make([]byte, 1<<20+1))}, nil
		}, "two", secret.ErrTooLarge, ""},
		{"a panic", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			panic("Jx5Vq2Lm9Zt")
		}, "", nil, ": the store panicked with a value of type string, not shown since it may hold a secret"},
		{"the end of its goroutine", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			runtime.Goexit()
			return present, nil
		}, "", nil, ": the store ended its goroutine"},
		{"an error that is nil", func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return present, (*secret.Error)(nil)
		}, "two", nil, ": the store panicked with a value of type runtime.errorString, not shown since it may hold a secret"},
		{"nothing until its context ends", func(ctx context.Context, _ []secret.Address) (map[secret.Address]string, error) {
			<-ctx.Done()
			return present, ctx.Err()
		}, "two", context.DeadlineExceeded, ": no answer from the store within 10s"},
		{"nothing for one until its context ends", func(ctx context.Context,
			_ []secret.Address) (map[secret.Address]string, error) {
			<-ctx.Done()
			return present, &secret.Error{Address: addrOut, Err: ctx.Err()}
		}, "two", context.DeadlineExceeded, ": no answer from the store within 10s"},
		{"in another order", func(_ context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
			for i := range addrs {
				addrs[i] = secret.Address{}
			}
			return present, nil
		}, "two", secret.ErrNotFound, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, in, out := newMany(), static("in"), static("out")
				m.set(in, "one")
				m.set(out, "one")
				app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: silence}).Use(in, out)
				m.answers(tc.answer)
				err := app.Start(t.Context())
				require.ErrorContains(t, err, "$SECRET.app.out")
				require.Equal(t, tc.in == "", strings.Contains(err.Error(), "\n  $SECRET.app.in"), "%v", err)
				m.answers(m.present)
				requireStart(t, app)

				m.answers(tc.answer)
				err = app.Refresh(t.Context())
				if tc.fails != nil {
					require.ErrorIs(t, err, tc.fails)
				}
				require.NotContains(t, err.Error(), "Jx5Vq2Lm9Zt")
				want := "one"
				if tc.in != "" {
					want = tc.in
				}
				requireRead(t, want, in)
				requireRead(t, "one", out)
				st := app.Status()
				require.Contains(t, st.Secrets[1].LastError, "secret: load $SECRET.app.out"+tc.says)
				require.Equal(t, tc.in == "", st.Secrets[0].LastError != "", st.Secrets[0].LastError)
				require.EqualValues(t, 3, st.Secrets[1].Loads)
				require.EqualValues(t, 2, st.Secrets[1].FailedLoads)
				require.Zero(t, m.gets())

				m.answers(m.present)
				require.NoError(t, app.Refresh(t.Context()))
				requireRead(t, "one", in)
			})
		})
	}
}

// TestErrorWithoutAnAddress is the error of every address, with what it wraps.
func TestErrorWithoutAnAddress(t *testing.T) {
	m := newMany()
	secrets := m.declared(3)
	m.answers(func(context.Context, []secret.Address) (map[secret.Address]string, error) {
		return nil, &secret.Error{Op: "load", Err: fs.ErrPermission}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		err := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: silence}).Use(secrets...).Start(ctx)
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, "3 problems")
		require.Zero(t, time.Since(began), "a refused access is not tried again")
	})
}
