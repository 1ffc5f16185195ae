package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/servers"
)

// overtaken: a run whose request was late must not replace the password of the run
// that took over.
func overtaken(t *testing.T, w world) {
	d := w.declare(t)
	d.make()
	late := d.name()
	d.make()
	d.inUse = d.inUse[1:] // the late run does not know the second value
	_, err := d.tryMake(late)
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorContains(t, err, "another run is at work, or was interrupted")
	d.works()
}

// waits: a run sees the changes of the one that it waited for, also if the
// administrator's transactions would not.
func waits(t *testing.T, w world) {
	d := w.declare(t)
	base, holder := d.params["role"], w.admin(t)
	run(t, holder, "CREATE ROLE dba_"+base+" SUPERUSER LOGIN PASSWORD '"+adminPassword+"'",
		"ALTER ROLE dba_"+base+" SET default_transaction_isolation = 'serializable'")
	d.dsn = fmt.Sprintf("postgres://dba_%s:%s@%s/postgres?sslmode=disable", base, adminPassword, w.server.Address)
	d.make()
	d.make()
	d.retire()
	run(t, holder, "BEGIN", "SELECT pg_advisory_xact_lock(1818326629, 1)", "COMMENT ON ROLE "+base+"_a IS "+
		"'layer secret: in use by "+d.name()+" since "+time.Now().UTC().Format("2006-01-02T15:04:05Z")+"'")
	admin := w.admin(t) // in a transaction, the holder would see the same activity each time
	failed := make(chan error)
	go func() {
		_, err := d.generator(d.ids()...).Make(t.Context(), "layer 01234567 $SECRET.shop."+base+" late", d.params)
		failed <- err
	}()
	require.Eventually(t, func() bool {
		return one(t, admin, "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'layer' AND "+
			"wait_event = 'advisory'") == "1"
	}, 10*time.Second, 5*time.Millisecond)
	run(t, holder, "COMMIT")
	err := <-failed
	require.ErrorIs(t, d.clean(err), driver.ErrNotApplied)
	require.ErrorContains(t, err, "another run is at work, or was interrupted")
}

// crashes: after any last statement, the values in use work, and after a
// sweep the next value can be made.
func crashes(t *testing.T, w world) {
	d := w.declare(t, "terminate", "true")
	d.make()
	d.make()
	admin := w.admin(t)
	proxy, direct := servers.StartPostgresProxy(t, w.server.Address), d.dsn
	through := func(cut int, fault servers.Fault, do func() error) (err error, more bool) {
		d.dsn = strings.Replace(direct, w.server.Address, proxy.Address, 1)
		defer func() { d.dsn = direct }()
		proxy.Stop(cut, fault, nil)
		err = d.clean(do())
		return err, proxy.Seen() >= cut
	}
	quiet := func() { // the server has ended the sessions that were cut off
		require.Eventually(t, func() bool {
			return one(t, admin, "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'layer'") == "0"
		}, 10*time.Second, 5*time.Millisecond)
	}
	times := 0
	for _, fault := range []servers.Fault{servers.Cut, servers.Lost} {
		for cut, more := 1, true; more; cut++ {
			d.works()
			oldest := d.inUse[1]
			var err error
			if err, more = through(cut, fault, func() error {
				return d.generator().Retire(t.Context(), oldest.ID)
			}); more {
				require.Error(t, err)
				times++
			}
			quiet()
			require.NoError(t, d.test(d.inUse[0]))
			require.NoError(t, d.generator().Retire(t.Context(), oldest.ID), "again")
			require.Error(t, d.test(oldest))
			d.inUse = d.inUse[:1]

			name := d.name()
			made := driver.Made{}
			err, again := through(cut, fault, func() (err error) {
				made, err = d.tryMake(name)
				return err
			})
			quiet()
			d.works()
			if again {
				require.Error(t, err)
				require.Empty(t, made)
				times++
				more = true
			}
			// The value was not recorded: the run that takes over sweeps its name.
			require.NoError(t, d.generator().Sweep(t.Context(), []string{name}, d.ids()))
			d.works()
			if made.ID != "" {
				require.Error(t, d.test(made))
			}
			d.make()
		}
	}
	require.GreaterOrEqual(t, times, 2*(8+10))
	d.works()
}

func contextEnds(t *testing.T, w world) {
	d := w.declare(t)
	d.make()
	holder := w.admin(t)
	run(t, holder, "BEGIN", "SELECT pg_advisory_xact_lock(1818326629, 1)")
	ctx, cancel := context.WithCancelCause(t.Context())
	end := errors.New("the operator pressed ^C")
	time.AfterFunc(300*time.Millisecond, func() { cancel(end) })
	_, err := d.generator(d.ids()...).Make(ctx, d.name(), d.params)
	require.ErrorIs(t, d.clean(err), end)
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorIs(t, d.generator().Retire(ctx, d.ids()[0]), end)
	require.ErrorIs(t, d.generator().Sweep(ctx, []string{"x"}, nil), end)
	require.ErrorIs(t, d.generator().(driver.Tester).Test(ctx, d.inUse[0]), end)
	run(t, holder, "SET LOCAL lock_timeout = 0", "COMMIT")
	d.works()
}
