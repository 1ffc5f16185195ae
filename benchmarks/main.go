// Command benchmarks measures this project beside other libraries and prints
// one table of ratios: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"testing"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 50, "how often a pair is measured; the fastest round is shown")
	flag.DurationVar(&o.each, "time", 10*time.Millisecond, "how long one measurement of a pair takes")
	rows := flag.String("rows", ".", "measure only rows whose name matches this regular expression")
	flag.BoolVar(&o.check, "check", false, "exit with 1 if a limit is not kept")
	flag.BoolVar(&o.lines, "lines", false, "print the figures of this project, without peers, as lines of go test -bench")
	idle := flag.String("idle", "", "") // for the processes that this one starts
	testing.Init()
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *idle != "" && child != nil {
		err = child(ctx, *idle, flag.Args())
	} else if o.rows, err = regexp.Compile(*rows); err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

// child is the main function of the processes that this one starts.
var child func(ctx context.Context, name string, args []string) error

type options struct {
	rows         *regexp.Regexp
	rounds       int
	each         time.Duration
	check, lines bool
}

func run(ctx context.Context, o options) error {
	if o.rounds < 1 {
		return errors.New("-rounds must be at least 1")
	}
	if err := flag.Set("test.benchtime", o.each.String()); err != nil {
		return err
	}
	defer func() {
		for _, f := range atExit {
			f()
		}
	}()
	results, err := measureAll(ctx, o)
	if len(results) == 0 || o.lines {
		return errors.Join(err, noRows(results))
	}
	fmt.Printf("%s, %d processors, %d rounds of %s each.\n\n", runtime.Version(), runtime.GOMAXPROCS(0), o.rounds, o.each)
	if kept := write(os.Stdout, results); o.check && !kept {
		err = errors.Join(err, errors.New("a limit is not kept"))
	}
	return err
}

func noRows(results []result) error {
	if len(results) > 0 {
		return nil
	}
	return errors.New("no row was measured: -rows selects by the names that the table shows")
}
