package main

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
)

// The line may arrive in pieces. Input after it is read too, so that the shell
// gets none.
func TestTypedLineIsReadWhole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pieces []string
		want   string
		err    error
	}{
		"in pieces":                   {[]string{"made", "up_", "Wm29\r"}, "madeup_Wm29", nil},
		"a further line, later":       {[]string{"madeup_Wm29\r", "and more"}, "", errSeveral},
		"further lines in one piece":  {[]string{"madeup_Wm29\rand more\r"}, "", errSeveral},
		"newlines, later":             {[]string{"madeup_Wm29\r", "\n", "\r\n"}, "madeup_Wm29", nil},
		"Ctrl-D after Enter":          {[]string{"madeup_Wm29\r\x04"}, "madeup_Wm29", nil},
		"Ctrl-D after Enter, later":   {[]string{"madeup_Wm29\r", "\x04"}, "madeup_Wm29", nil},
		"both, before it was raw":     {[]string{"madeup_Wm29\n\x00"}, "madeup_Wm29", nil},
		"the end of the input":        {[]string{"madeup_Wm29"}, "", rotate.ErrInterrupted},
		"Ctrl-C after something":      {[]string{"madeup_Wm29", "\x03"}, "", rotate.ErrInterrupted},
		"the end right after Enter":   {[]string{"madeup_Wm29\r"}, "madeup_Wm29", nil},
		"a piece of a letter in each": {[]string{"h\xc3", "\xa9\r"}, "hé", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, w := io.Pipe()
				go func() {
					for _, piece := range test.pieces {
						_, _ = w.Write([]byte(piece)) // returns after it has been read
					}
					_ = w.Close()
				}()
				line, err := typed(t.Context(), r)
				require.ErrorIs(t, err, test.err)
				require.Equal(t, test.want, string(line))
				_ = r.Close()
			})
		})
	}
}

// TestTypedInterrupted checks that a signal ends the prompt.
func TestTypedInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	_, err := typed(ctx, r)
	require.ErrorIs(t, err, rotate.ErrInterrupted)
}
