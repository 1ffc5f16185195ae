package postgres_test

import (
	"context"
	"database/sql/driver"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
)

// TestSettingInTheWayIsPutAside: after a refusal that a setting of the role may
// have caused, requests run in a transaction without the role's settings.
func TestSettingInTheWayIsPutAside(t *testing.T) {
	for code, refused := range map[string]bool{ // false: ended at an unknown point
		"25006": true, "42501": true, "57014": false, "55P03": false, "25P03": false, "25P04": false,
	} {
		t.Run(code, func(t *testing.T) {
			drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
				d.hinders = true
				answer := d.query
				d.query = func(ctx context.Context, n int, query string) (driver.Rows, error) {
					if n == 1 {
						return nil, coded(code)
					}
					return answer(ctx, n, query)
				}
				_, rev, err := rotate.Commit(t.Context(), l, "1", step(s, "x"))
				require.NoError(t, err)
				require.Equal(t, rotate.Revision("2"), rev)
				if refused {
					require.Len(t, d.queries, 2, "two sends")
					require.Equal(t, "BEGIN COMMIT", strings.Join(d.transactions, " "))
				} else {
					require.Len(t, d.queries, 3, "a look before the second send")
					require.Equal(t, "BEGIN COMMIT BEGIN COMMIT", strings.Join(d.transactions, " "))
				}

				d.transactions = nil
				_, _, err = rotate.Commit(t.Context(), l, "1", step(s, "y"))
				require.NoError(t, err)
				require.Equal(t, "BEGIN COMMIT", strings.Join(d.transactions, " "), "from then on")
			})
		})
	}
	t.Run("a refusal that nothing explains", func(t *testing.T) {
		drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
			d.query = func(context.Context, int, string) (driver.Rows, error) { return nil, coded("42501") }
			_, _, err := rotate.Commit(t.Context(), l, "1", step(s, "x"))
			require.ErrorContains(t, err, "42501")
			require.Len(t, d.queries, 1)
			require.Empty(t, d.transactions)
		})
	})
	t.Run("it is in the way of everything", func(t *testing.T) {
		drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
			d.hinders = true
			d.query = func(context.Context, int, string) (driver.Rows, error) { return nil, coded("42501") }
			_, _, err := rotate.Commit(t.Context(), l, "1", step(s, "x"))
			require.ErrorContains(t, err, "it cannot be written: SQLSTATE 42501: let the role")
			require.NotErrorIs(t, err, rotate.ErrUnknown)
			require.Len(t, d.queries, 2)
			require.Equal(t, "BEGIN ROLLBACK", strings.Join(d.transactions, " "))
		})
	})
	t.Run("the end of the transaction is not known", func(t *testing.T) {
		drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
			d.hinders = true
			answer := d.query
			d.query = func(ctx context.Context, n int, query string) (driver.Rows, error) {
				if n == 1 {
					return nil, coded("25006")
				}
				return answer(ctx, n, query)
			}
			lost := 0
			d.commit = func() error {
				if lost++; lost == 1 {
					return io.ErrUnexpectedEOF
				}
				return nil
			}
			_, _, err := rotate.Commit(t.Context(), l, "1", step(s, "x"))
			require.NoError(t, err)
			require.Len(t, d.queries, 4, "two sends, a look, and a send")
			require.Equal(t, "BEGIN COMMIT ROLLBACK BEGIN COMMIT BEGIN COMMIT", strings.Join(d.transactions, " "))
		})
	})
}
