// Package postgres makes passwords for two Postgres roles that take turns. It is
// the generator named [Name].
//
//	secret.Generated(secret.Options{
//		Namespace: "shop", Name: "database",
//		Generator: "postgres/role",
//		Params: map[string]string{"dsn_env": "DATABASE_ADMIN_URL", "role": "app", "grant": "app_rights"},
//		Rotation:  &secret.Rotation{EveryDays: 30},
//	})
//
// The roles app_a and app_b have the rights of app_rights. Each value is a
// connection string for one of them. A new value gets the role that no value in
// use has, so the current and the previous password work at the same time. Two
// roles hold two values: the engine makes no third one before the older one has
// ended.
//
// The administrator's connection string is in the environment variable that
// dsn_env names. The values have its hosts, its database and its sslmode. The
// login needs the right to create roles and to grant the role in grant.
//
// # Marks
//
// The comment on each role is its mark. It contains the name of the role's value,
// which the ledger holds too. A role without a mark is never changed, and neither
// is a role that holds a value of another ledger or another secret. The mark also
// contains the role that layer granted: after a change of the param grant, the
// next value revokes it. A grant of others stays.
//
// # Passwords
//
// A password has 256 random bits. The server receives a SCRAM-SHA-256 verifier,
// which is computed here. So no password is in the server's log, and the server's
// password_encryption has no effect. When a value ends, its role gets the verifier
// of a random password that is discarded. The role, its rights and its objects
// stay.
//
// # Poolers
//
// All statements use the simple protocol, without prepared statements, so the
// administrator may connect through PgBouncer, which pools by session or by
// transaction. docs/postgres.md has its limits.
package postgres
