// Package postgres stores ledgers in a table of a Postgres database, for a team
// that needs more than a file. It uses database/sql; the program imports the
// driver, such as pgx:
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	…
//	ledger, err := postgres.Open(db, postgres.Options{Name: "shop", Identities: identities})
//
// A ledger is one row, encrypted with age. If the table is missing, the creation
// of the first ledger creates it. If the role may not create tables, the
// administrator runs this once, and grants the role select, insert and update on
// the table:
//
//	CREATE TABLE layer_ledger (name text PRIMARY KEY, rev bigint NOT NULL, blob bytea NOT NULL)
//
// Every change sends a notification on the channel layer_ledger: the ledger's
// name, a space, and the revision. The database must be the primary. A replica is
// refused, since it may return an older state. A database or server that is
// read-only is refused, too.
//
// # Settings
//
// The settings of a role have no effect: neither its search_path, its time limits
// and its transactions' defaults, nor its formats for bytes, dates and texts. If a
// setting refuses or ends a request, the request is repeated in a transaction
// without the settings. The table is searched in the search_path first, then in
// every schema of the database. So two roles use the same table. If the database
// has several such tables, the connection must select one with its own
// search_path.
//
// # Poolers
//
// The connection may use a pooler such as PgBouncer, which pools by session or by
// transaction. Then pgx needs default_query_exec_mode=exec. Otherwise it prepares
// statements, and the next statement runs on another connection.
package postgres
