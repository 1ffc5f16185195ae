package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
	"github.com/layeron-hq/secret/layer/ledger/file"
	"github.com/layeron-hq/secret/layer/ledger/postgres"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Opens the ledger in each of its places. Every command goes through
// [ledger.Remember], which refuses an older or another ledger than the one that
// this machine saw last. Only the fields of opening make exceptions.

// opening sets how a ledger is opened. The zero value is the strict way.
type opening struct {
	adopt bool // the operator accepts the ledger against layer.seen
	peek  bool // with adopt: do not remember it
	any   bool // the caller compares it with another ledger, so it needs no id
	quiet bool // ask no question
}

// open opens the ledger in a place. The place may be empty.
func (l *layer) open(ctx context.Context, p place, ids ledger.Identities, how opening) (rotate.Ledger, error) {
	o := ledger.RememberOptions{Adopt: how.adopt, Peek: how.peek}
	l.trust(&o, p, ids, how)
	var opened rotate.Ledger
	var err error
	switch p.kind {
	case inFile:
		opened, err = file.Open(l.path(p.text), file.Options{Identities: ids})
	case inBucket:
		l.progressText("opening the ledger")
		o.Seen, o.Place = l.path("layer.seen"), p.text
		opened, err = l.openBucket(ctx, p, ids)
	default:
		l.progressText("opening the ledger")
		o.Seen, o.Place = l.path("layer.seen"), p.text
		opened, err = l.openPostgres(p, ids)
	}
	if err != nil {
		return nil, err
	}
	l.tidyBeforeMemory(ctx, p, how, opened, &o)
	return ledger.Remember(opened, o)
}

func (l *layer) openBucket(ctx context.Context, p place, ids ledger.Identities) (rotate.Ledger, error) {
	o, err := l.bucketOptions(p.text, ids)
	if err != nil {
		return nil, err
	}
	if o.AccessKeyID == "" || o.SecretAccessKey.Reveal() == "" {
		return nil, errors.New("the credential for the bucket is missing: set AWS_ACCESS_KEY_ID and " +
			"AWS_SECRET_ACCESS_KEY, for R2 too")
	}
	return bucket.Open(ctx, o)
}

func (l *layer) openPostgres(p place, ids ledger.Identities) (rotate.Ledger, error) {
	config, err := l.postgresConfig(p)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*config)
	l.atEnd(db)
	return postgres.Open(db, postgres.Options{Name: p.name, Identities: ids})
}

// openLedger opens the ledger of --ledger. It returns an error if a ledger file
// is missing, before it looks for the key.
func (l *layer) openLedger(ctx context.Context, how opening) (rotate.Ledger, error) {
	p, err := l.parsePlace(l.ledger)
	if err != nil {
		return nil, err
	}
	name := l.fileName(p.text, "")
	if _, err := os.Stat(l.path(p.text)); p.kind == inFile && (errors.Is(err, fs.ErrNotExist) || name == "") {
		return nil, fmt.Errorf("there is no ledger %s: make one with `layer secret init`, or name another with --ledger",
			cmp.Or(name, "in the file that was named"))
	}
	if err := l.refuseTracked(ctx, p); err != nil {
		return nil, err
	}
	l.unattended = how.quiet
	ids, err := l.identities(p)
	if err != nil {
		return nil, err
	}
	return l.open(ctx, p, ids, how)
}

// load opens the ledger and reads it. It also returns a ledger that has moved.
// Only `log`, `ledger id`, `spec` and completion accept such a ledger; the
// other commands call current.
func (l *layer) load(ctx context.Context, how opening) (rotate.Ledger, rotate.State, error) {
	opened, err := l.openLedger(ctx, how)
	if err != nil {
		return nil, rotate.State{}, err
	}
	state, rev, err := opened.Load(ctx)
	l.rev = rev
	if err == nil {
		p, _ := l.parsePlace(l.ledger) // it was opened
		l.tidy(ctx, p, how)
	}
	return opened, state, err
}

// current opens the ledger and reads it. It refuses a ledger that has moved,
// which may be much older than the one in the new place.
func (l *layer) current(ctx context.Context, how opening) (rotate.Ledger, rotate.State, error) {
	opened, state, err := l.load(ctx, how)
	if err == nil && state.Moved() != "" && !how.adopt {
		err = rotate.MovedError(state)
	}
	return opened, state, err
}
