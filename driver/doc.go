// Package driver defines the interfaces that targets and generators implement,
// as [database/sql/driver] does for databases. A target is a place where the
// command layer publishes values for programs to read; a generator makes the
// values of generated secrets.
//
// Most code does not need this package: programs read secrets with package
// secret, and operators use the command. It imports the standard library alone.
// Package drivertest tests an implementation.
//
// A target implements [Publisher], and as many of the optional interfaces as it
// can: [Namer], [Checker], [Recognizer], [Remover]. A generator implements
// [Generator], and may implement [RequestGenerator], [Tester], [Bounded] and
// [Limited].
package driver
