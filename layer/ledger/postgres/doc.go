// Package postgres keeps ledgers in a table of a Postgres database, for a team that has outgrown a file. It works through
// database/sql; the program brings the driver, such as pgx:
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	…
//	ledger, err := postgres.Open(db, postgres.Options{Name: "shop", Identities: identities})
//
// A ledger is one row, encrypted with age. Where the table is missing, the first ledger's creation makes it; a role that may not
// create tables needs somebody to run this once, and select, insert and update on it:
//
//	CREATE TABLE layer_ledger (name text PRIMARY KEY, rev bigint NOT NULL, blob bytea NOT NULL)
//
// Every change notifies the channel layer_ledger with the ledger's name and revision, a space between them, for whoever
// listens. The database must be the primary: a replica is refused, since it may answer with what was true a while ago.
// A database or server that is read-only is refused, too.
//
// # Settings
//
// The settings of a role change nothing: neither its search_path, its time limits
// and its transactions' defaults, nor how it writes bytes, dates and texts. A
// request that a setting refuses or ends is made once more in a transaction
// without them. The table is looked for in the search_path first, and then in
// every schema of the database. So two roles use one table, and where there are
// several, the connection must choose one by a search_path of its own.
//
// # Poolers
//
// A pooler such as PgBouncer may be between, by session or by transaction. pgx
// needs default_query_exec_mode=exec there: it prepares statements otherwise, and
// the next one runs on another connection.
package postgres
