package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/postgres"
	"github.com/layeron-hq/secret/layer/rotate"
)

// coded is a server's error, as drivers return it. Its text contains private
// parts.
type coded string

func (c coded) Error() string    { return "host=db password=" + password + ": " + string(c) }
func (c coded) SQLState() string { return string(c) }

// driven is a driver with scripted answers.
type driven struct {
	connect func() error
	query   func(ctx context.Context, n int, query string) (driver.Rows, error)
	queries []string

	hinders      bool         // a setting of the role may be the reason for a refusal
	transactions []string     // their beginnings and ends
	commit       func() error // the error of COMMIT; nil: COMMIT succeeds
}

// catalog answers the queries about the server that are no requests on the ledger,
// for a server with default settings. Nil: another query.
func (d *driven) catalog(query string) driver.Rows {
	query = strings.TrimSpace(query)
	switch {
	case strings.Contains(query, "pg_class"):
		return &row{[]string{"behind", "tables", "schema", "home"}, []driver.Value{false, int64(0), "", ""}}
	case strings.HasPrefix(query, "SELECT EXISTS"):
		return &row{[]string{"hinders"}, []driver.Value{d.hinders}}
	case strings.HasPrefix(query, "SELECT pg_is_in_recovery()") && !strings.Contains(query, "layer_ledger"):
		return &row{[]string{"behind"}, []driver.Value{false}}
	}
	return nil
}

func (d *driven) Connect(context.Context) (driver.Conn, error) {
	if d.connect != nil {
		if err := d.connect(); err != nil {
			return nil, err
		}
	}
	return &drivenConn{d}, nil
}
func (d *driven) Driver() driver.Driver { return nil }

type drivenConn struct{ *driven }

func (c *drivenConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not used") }
func (c *drivenConn) Begin() (driver.Tx, error)           { return nil, errors.New("not used") }
func (c *drivenConn) Close() error                        { return nil }
func (c *drivenConn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if rows := c.catalog(query); rows != nil {
		return rows, nil
	}
	c.queries = append(c.queries, query)
	return c.query(ctx, len(c.queries), query)
}
func (c *drivenConn) ExecContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	if word, _, _ := strings.Cut(query, " "); word == "BEGIN" || word == "COMMIT" || word == "ROLLBACK" {
		c.transactions = append(c.transactions, word)
		if word == "COMMIT" && c.commit != nil {
			return driver.RowsAffected(0), c.commit()
		}
		return driver.RowsAffected(0), nil
	}
	c.queries = append(c.queries, query)
	_, err := c.query(ctx, len(c.queries), query)
	return driver.RowsAffected(0), err
}

// row is an answer with one row, or with none.
type row struct {
	columns []string
	values  []driver.Value
}

func (r *row) Columns() []string { return r.columns }
func (r *row) Close() error      { return nil }
func (r *row) Next(to []driver.Value) error {
	if r.values == nil {
		return io.EOF
	}
	copy(to, r.values)
	r.values = nil
	return nil
}

func found(rev any, blob []byte) driver.Rows {
	var text driver.Value
	if blob != nil {
		text = base64.StdEncoding.EncodeToString(blob)
	}
	return &row{[]string{"behind", "rev", "encode"}, []driver.Value{false, rev, text}}
}

func written(rev int64) driver.Rows {
	return &row{[]string{"rev", "pg_notify"}, []driver.Value{rev, ""}}
}

func nothing() driver.Rows { return &row{columns: []string{"rev", "pg_notify"}} }

func writes(query string) bool {
	return strings.Contains(query, "UPDATE") || strings.Contains(query, "INSERT")
}

// drive runs a test on a ledger of revision 1, inside a synctest bubble.
func drive(t *testing.T, test func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ids := keyed(t)
		s, _, err := rotate.Commit(t.Context(), new(rotate.MemoryLedger), "",
			rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
		require.NoError(t, err)
		sealed, err := rotate.Seal(s)
		require.NoError(t, err)
		d := new(driven)
		d.query = func(_ context.Context, _ int, query string) (driver.Rows, error) {
			if writes(query) {
				return written(2), nil
			}
			return found(int64(1), sealed), nil
		}
		db := sql.OpenDB(d)
		defer db.Close()
		test(t, d, open(t, db, "x", ids), s)
	})
}

// The outcome of the first send decides whether the ledger is read before the next
// send.
func TestUnknownOutcomeIsLookedUp(t *testing.T) {
	for _, tc := range []struct {
		err     error
		want    string // sends and reads; the second send is answered
		refused bool
	}{
		{coded("08000"), "write read write", false},
		{coded("08006"), "write read write", false},
		{coded("57014"), "write read write", false},
		{coded("57P01"), "write read write", false},
		{coded("57P03"), "write read write", false},
		{coded("40001"), "write read write", false},
		{coded("40P01"), "write read write", false},
		{coded("40003"), "write read write", false},
		{io.ErrUnexpectedEOF, "write read write", false},
		{errors.New(password), "write read write", false},
		{driver.ErrBadConn, "write read write", false}, // by itself, database/sql would send again
		{coded("42501"), "write", true},
		{coded("40002"), "write", true},
		{coded("53100"), "write", true},
		{coded("25006"), "write", true},
		{coded("XX000"), "write", true},
	} {
		t.Run(tc.err.Error()[strings.LastIndexByte(tc.err.Error(), ' ')+1:], func(t *testing.T) {
			drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
				answer := d.query
				d.query = func(ctx context.Context, n int, query string) (driver.Rows, error) {
					if n == 1 {
						return nil, tc.err
					}
					return answer(ctx, n, query)
				}
				_, rev, err := rotate.Commit(t.Context(), l, "1", step(s, "x"))
				var sent []string
				for _, q := range d.queries {
					if writes(q) {
						sent = append(sent, "write")
					} else {
						sent = append(sent, "read")
					}
				}
				require.Equal(t, tc.want, strings.Join(sent, " "))
				if !tc.refused {
					require.NoError(t, err)
					require.Equal(t, rotate.Revision("2"), rev)
					return
				}
				require.ErrorContains(t, err, "ledger postgres:x: it cannot be written: SQLSTATE ")
				require.NotErrorIs(t, err, rotate.ErrUnknown)
				require.NotErrorIs(t, err, rotate.ErrConflict)
				require.Empty(t, redacttest.Check(err, password))
			})
		})
	}
}

// TestRefusedAfterAnUnknownSend: a refusal after an unknown outcome stays unknown.
func TestRefusedAfterAnUnknownSend(t *testing.T) {
	drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
		answer := d.query
		d.query = func(ctx context.Context, n int, query string) (driver.Rows, error) {
			switch {
			case n == 1:
				return nil, io.ErrUnexpectedEOF
			case writes(query):
				return nil, coded("42501")
			}
			return answer(ctx, n, query)
		}
		_, _, err := rotate.Commit(t.Context(), l, "1", step(s, "x"))
		require.ErrorIs(t, err, rotate.ErrUnknown)
		require.ErrorContains(t, err, "42501")
		require.Len(t, d.queries, 16, "eight sends, and a look after each")
	})
}

// TestNoConnection: a change that was never sent does not have an unknown outcome.
func TestNoConnection(t *testing.T) {
	drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
		tries := 0
		d.connect = func() error {
			tries++
			return errors.New("dial postgres://u:" + password + "@db")
		}
		_, _, err := rotate.Commit(t.Context(), l, "1", step(s, "x"))
		require.ErrorContains(t, err, "there is none: check its address")
		require.NotErrorIs(t, err, rotate.ErrUnknown)
		require.Equal(t, 8, tries)
		require.Empty(t, redacttest.Check(err, password))
		_, _, err = l.Load(t.Context())
		require.ErrorContains(t, err, "there is none: check its address")
		require.Equal(t, 16, tries, "connecting is tried again, and that is not tried again")

		d.connect = func() error { return coded("28P01") }
		_, _, err = l.Load(t.Context())
		require.ErrorContains(t, err, "the user or the password is refused")

		failed := 0
		d.connect = func() error {
			if failed++; failed < 4 {
				return io.EOF
			}
			return nil
		}
		_, _, err = rotate.Commit(t.Context(), l, "1", step(s, "x"))
		require.NoError(t, err)
	})
}

// A frozen server is detected after a minute, or earlier if ctx ends.
func TestFrozenServerIsNoticed(t *testing.T) {
	drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
		answer := d.query
		d.query = func(ctx context.Context, n int, query string) (driver.Rows, error) {
			if n > 1 {
				return answer(ctx, n, query)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		began := time.Now()
		_, _, err := rotate.Commit(t.Context(), l, "1", step(s, "x"))
		require.NoError(t, err)
		require.WithinDuration(t, began.Add(time.Minute), time.Now(), time.Second)
		require.Len(t, d.queries, 3)

		d.queries = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err = rotate.Commit(ctx, l, "1", step(s, "x"))
		require.ErrorIs(t, err, rotate.ErrUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestAnswersAreUnderstood(t *testing.T) {
	t.Run("no row", func(t *testing.T) {
		drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
			d.query = func(context.Context, int, string) (driver.Rows, error) { return found(nil, nil), nil }
			_, rev, err := l.Load(t.Context())
			require.ErrorIs(t, err, rotate.ErrNotFound)
			require.Empty(t, rev)
		})
	})
	t.Run("nothing changed", func(t *testing.T) {
		drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
			answer := d.query
			d.query = func(ctx context.Context, n int, query string) (driver.Rows, error) {
				if writes(query) {
					return nothing(), nil
				}
				return answer(ctx, n, query)
			}
			for _, old := range []rotate.Revision{"7", ""} {
				_, _, err := rotate.Commit(t.Context(), l, old, step(s, "x"))
				require.ErrorIs(t, err, rotate.ErrConflict)
				require.NotErrorIs(t, err, rotate.ErrUnknown)
			}
		})
	})
	t.Run("no revision of Postgres", func(t *testing.T) {
		drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
			for _, old := range []rotate.Revision{"made up", "01", "+1", " 1", "1.0", "99999999999999999999"} {
				d.queries = nil
				_, _, err := rotate.Commit(t.Context(), l, old, step(s, "x"))
				require.ErrorIs(t, err, rotate.ErrConflict)
				require.Len(t, d.queries, 1, "a look, and no write")
				require.False(t, writes(d.queries[0]))
			}
		})
	})
	t.Run("the table is made once", func(t *testing.T) {
		for _, code := range []string{"", "42P07", "42710", "23505"} {
			drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
				answer, made := d.query, false
				d.query = func(ctx context.Context, n int, query string) (driver.Rows, error) {
					switch {
					case strings.HasPrefix(query, "CREATE TABLE") && code == "":
						made = true
						return nil, nil
					case strings.HasPrefix(query, "CREATE TABLE"):
						made = true
						return nil, coded(code)
					case !made:
						return nil, coded("42P01")
					}
					return answer(ctx, n, query)
				}
				_, _, err := rotate.Commit(t.Context(), l, "", step(s, "x"))
				require.NoError(t, err)
				require.Len(t, d.queries, 3)
			})
		}
	})
	t.Run("the table cannot be made", func(t *testing.T) {
		drive(t, func(t *testing.T, d *driven, l rotate.Ledger, s rotate.State) {
			d.query = func(_ context.Context, _ int, query string) (driver.Rows, error) {
				if strings.HasPrefix(query, "CREATE TABLE") {
					return nil, coded("42501")
				}
				return nil, coded("42P01")
			}
			_, _, err := rotate.Commit(t.Context(), l, "", step(s, "x"))
			require.ErrorContains(t, err, "it cannot be created: SQLSTATE 42501: let the role")
			require.NotErrorIs(t, err, rotate.ErrUnknown)
		})
	})
}

func TestOptionsThatAreRefused(t *testing.T) {
	db := sql.OpenDB(new(driven))
	defer db.Close()
	for name, says := range map[string]string{
		"":                       "there is no name",
		strings.Repeat("a", 201): "at most 200 bytes",
		"a\nb":                   "control characters",
		"a\x00b":                 "control characters",
		"\xff":                   "UTF-8",
	} {
		_, err := postgres.Open(db, postgres.Options{Name: name})
		require.ErrorContains(t, err, says)
	}
	_, err := postgres.Open(nil, postgres.Options{Name: "x"})
	require.ErrorContains(t, err, "there is no database")
}

func TestNothingIsShown(t *testing.T) {
	identity, _, err := ledger.NewIdentity()
	require.NoError(t, err)
	ids, err := ledger.ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	db := connect(t, "postgres://me:"+password+"@127.0.0.1:1/x", nil)
	o := postgres.Options{Name: "x", Identities: ids}
	l, err := postgres.Open(db, o)
	require.NoError(t, err)
	for _, shown := range []any{o, l, struct{ l rotate.Ledger }{l}, struct{ L rotate.Ledger }{l}, []rotate.Ledger{l}} {
		require.Empty(t, redacttest.Check(shown, password, identity.Reveal()[16:]))
	}
	require.Equal(t, "ledger postgres:x", fmt.Sprint(l))
}
