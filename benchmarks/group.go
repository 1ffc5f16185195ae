package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// order is the order of the groups in the table.
var order = []string{"read", "parse", "keyring", "watch", "start", "command", "history", "size"}

// group is a part of the table. Each is in one file and registers itself, so
// that the script compare can leave out a file that an old commit cannot
// compile.
type group struct {
	// pairs returns the rows that are measured in rounds.
	pairs func(*session) ([]pair, error)
	// once measures and returns the other rows.
	once func(*session) ([]result, error)
}

// versus is in the name of a row that compares what another row measures with a
// further peer.
const versus = "/vs-"

// pair is a row of two functions, which are measured alternately.
type pair struct {
	name         string // under the name of the group
	peer         string
	ours, theirs func(*testing.B)
}

// result is a measured row.
type result struct {
	name, peer   string
	ours, theirs figure // theirs is zero if there is no peer
}

var groups = map[string]group{}

func register(name string, g group) bool {
	if !slices.Contains(order, name) {
		panic("order lacks the group " + name)
	}
	groups[name] = g
	return true
}

// session is the measurement of one group.
type session struct {
	ctx    context.Context
	group  string
	rows   *regexp.Regexp
	closes []func()
}

// wants reports whether a row, or one of several, is to be measured.
func (s *session) wants(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return s.rows.MatchString(path.Join(s.group, name)) })
}

func (s *session) cleanup(f func()) { s.closes = append(s.closes, f) }

func (s *session) close() {
	for _, f := range slices.Backward(s.closes) {
		f()
	}
}

// folder returns an empty folder for the session, in memory if possible: then a
// time is not that of a disk.
func (s *session) folder(inMemory bool) (string, error) {
	parent := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && inMemory {
		parent = "/dev/shm"
	}
	dir, err := os.MkdirTemp(parent, "benchmarks")
	if err == nil {
		s.cleanup(func() { _ = os.RemoveAll(dir) })
	}
	return dir, err
}

// measureAll returns the rows of all groups. If one fails, it returns the rest
// and the error.
func measureAll(ctx context.Context, o options) (all []result, err error) {
	for _, name := range order {
		if g, ok := groups[name]; ok {
			if !o.lines {
				fmt.Fprintf(os.Stderr, "%s …\n", name)
			}
			results, failed := measureGroup(&session{ctx: ctx, group: name, rows: o.rows}, g, o)
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", name, failed))
			}
			all = append(all, results...)
		}
	}
	return all, err
}

func measureGroup(s *session, g group, o options) (results []result, err error) {
	defer s.close()
	show := func(r result) {
		r.name = path.Join(s.group, r.name)
		if o.lines && !strings.Contains(r.name, versus) {
			r.writeLine(os.Stdout)
		}
		results = append(results, r)
	}
	if g.once != nil {
		rows, err := g.once(s)
		for _, r := range rows {
			if s.wants(r.name) {
				show(r)
			}
		}
		return results, err
	}
	rows, err := g.pairs(s)
	for _, p := range rows {
		if err != nil || s.ctx.Err() != nil {
			return results, cmp.Or(err, context.Cause(s.ctx))
		}
		if !s.wants(p.name) || o.lines && strings.Contains(p.name, versus) {
			continue
		}
		if o.lines {
			p.theirs = nil
		}
		var r result
		if r, err = p.measure(o.rounds, testing.Benchmark, nil); err == nil {
			show(r)
		}
	}
	return results, err
}

// writeLine writes a result as a line of go test -bench, for benchstat.
func (r result) writeLine(w io.Writer) {
	name := "Benchmark" + strings.ToUpper(r.name[:1]) + r.name[1:]
	unit := map[string]string{"ns": "ns/op", "B": "B"}[r.ours.unit]
	fmt.Fprintf(w, "%s 1 %.6g %s", name, r.ours.value, unit)
	if r.ours.counted {
		fmt.Fprintf(w, " %d allocs/op", r.ours.allocs)
	}
	fmt.Fprintln(w)
}
