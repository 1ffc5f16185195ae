package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/rotate"
)

// `layer secret set` accepts a value from outside. The value is never taken
// from the command line, which other processes can read, and no message repeats
// it.

func (l *layer) setCommand() *cobra.Command {
	var env, file string
	stdin := false
	c := &cobra.Command{Use: "set ADDRESS", Short: "Set a secret to a value from outside", Args: count(1, 1),
		ValidArgsFunction: l.completeAddresses(1),
		Long: `Set a secret to a value from a prompt that shows nothing, from the environment, from stdin or from a
file. The value is never taken from the command line, which other processes can read. Input that is
typed before the prompt is not shown and is discarded. One newline at the value's end is dropped. A
byte order mark, a whole stored document, and a value that programs would read as another value are
refused. Other likely mistakes give a warning.

The value of a static secret becomes current at once. With a Rotation, the old value stays active as
long as the declaration retains it. Without one, the target has only the value itself. A value of a
random or generated secret is announced first.`,
		Example: `  layer secret set billing.stripe-secret
  layer secret set billing.stripe-secret --value-env STRIPE_SECRET
  pass show stripe | layer secret set billing.stripe-secret --from-stdin`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkName(args[0]); err != nil {
				return err
			}
			if n := c.Flags(); countTrue(n.Changed("value-env"), n.Changed("from-stdin"), n.Changed("from-file")) > 1 {
				return usagef("give the value with only one of --from-file, --from-stdin, --value-env")
			}
			if stdin && l.spec == "-" {
				return usagef("--spec - and --from-stdin cannot both read stdin")
			}
			if n := c.Flags(); countTrue(n.Changed("value-env"), stdin, n.Changed("from-file")) == 0 {
				l.hush()
			}
			o, _, addrs, err := l.operatorOn(c.Context(), false, args)
			if err != nil {
				return err
			}
			addr := addrs[0]
			if err := declared(o.Spec, addr); err != nil {
				return err
			}
			l.err.clear()
			spec, _ := find(o.Spec, addr)
			value, err := l.value(c.Context(), spec, c.Flags().Changed("value-env"), env, stdin, c.Flags().Changed("from-file"),
				file)
			if err != nil {
				return err
			}
			r, err := o.Set(c.Context(), addr, value)
			if err != nil {
				return l.failed(o, r, err)
			}
			return l.report(o, r, true)
		}}
	c.Flags().StringVar(&env, "value-env", "", "the `NAME` of the environment variable with the value")
	c.Flags().BoolVar(&stdin, "from-stdin", false, "read the value from stdin")
	c.Flags().StringVar(&file, "from-file", "", "the `FILE` with the value")
	l.thenFlags(c)
	return c
}

func countTrue(list ...bool) (n int) {
	for _, b := range list {
		if b {
			n++
		}
	}
	return n
}

// value reads the value from the source that the flags name.
func (l *layer) value(ctx context.Context, spec secret.SpecSecret, fromEnv bool, env string, stdin, fromFile bool,
	file string) (driver.Value, error) {
	var text string
	var err error
	switch {
	case fromEnv:
		var ok bool
		if text, ok = l.lookup(env); !ok {
			// The name is not repeated: it may be the value.
			return driver.Value{}, usagef("the environment has no variable with the name that --value-env gives: give the " +
				"variable's name, and export the variable")
		}
	case stdin:
		text, err = readAll(ctx, l.in)
	case fromFile:
		var f *os.File
		if f, err = os.Open(l.path(file)); err == nil {
			text, err = readAll(ctx, f)
			_ = f.Close()
		}
		if err != nil && !l.exists(file) { // operators paste the value itself here
			return driver.Value{}, errors.New("--from-file: there is no such file: give the name of a file that contains " +
				"the value. Nothing was changed")
		}
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("the value cannot be read from %s: %w. Nothing was changed", file, cause(err))
		}
	default:
		return l.prompt(ctx, spec)
	}
	if err != nil {
		return driver.Value{}, err
	}
	return l.checked(spec, text)
}

// checked drops one newline at the end, returns an error if the text cannot be
// a value, and warns of probable mistakes.
func (l *layer) checked(spec secret.SpecSecret, text string) (driver.Value, error) {
	if cut, ok := strings.CutSuffix(text, "\n"); ok {
		text = strings.TrimSuffix(cut, "\r")
		l.say("the newline at the value's end was dropped")
	}
	if err := checkValue(spec, text); err != nil {
		return driver.Value{}, err
	}
	for _, warning := range warnings(text) {
		l.say("%s", warning)
	}
	return driver.NewValue(text), nil
}

// readAll reads a value until the end of input, or until ctx is cancelled.
func readAll(ctx context.Context, r io.Reader) (string, error) { return readUpTo(ctx, r, maxValue+3) }

// readUpTo is readAll with another limit in bytes.
func readUpTo(ctx context.Context, r io.Reader, limit int64) (string, error) {
	type read struct {
		data []byte
		err  error
	}
	c := make(chan read, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(r, limit))
		c <- read{data, err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("%w: nothing was changed", rotate.ErrInterrupted)
	case got := <-c:
		return string(got.data), got.err
	}
}
