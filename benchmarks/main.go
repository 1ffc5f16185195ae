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
	flag.BoolVar(&o.lines, "lines", false, "print every round of this project, without peers, in the form of go test -bench")
	idle := flag.String("idle", "", "") // for the processes that this one starts
	testing.Init()
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *idle != "" {
		err = idleChild(ctx, *idle, flag.Args())
	} else if o.rows, err = regexp.Compile(*rows); err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

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
	if err != nil {
		return err
	}
	if len(results) == 0 {
		return errors.New("no row has a name that matches -rows")
	}
	if o.lines {
		return nil
	}
	fmt.Printf("%s, %d processors, %d rounds of %s each.\n\n", runtime.Version(), runtime.GOMAXPROCS(0), o.rounds, o.each)
	if kept := write(os.Stdout, results); o.check && !kept {
		return errors.New("a limit is not kept")
	}
	return nil
}
