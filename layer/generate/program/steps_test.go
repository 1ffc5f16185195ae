//go:build unix

package program_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// A program says whether it can end a value. One that does not know the question
// leaves that open.
func TestProgramListsItsSteps(t *testing.T) {
	for script, c := range map[string]struct {
		can  bool
		want string
	}{
		`echo '{"steps":["make","retire"]}'`:          {true, ""},
		`echo '{"steps":["make","test","sweep"]}'`:    {false, ""},
		`echo '{"steps":["make","reload","retire"]}'`: {true, ""},
		`echo '{"steps":[]}'`:                         {false, ""},
		`echo '{"unsupported":true}'`:                 {false, "the program does not say which steps it can do"},
		`echo '{}'`:                                   {false, "the answer has no member steps"},
		`echo '{"steps":null}'`:                       {false, "the member steps is not a list of texts"},
		`echo '{"steps":"retire"}'`:                   {false, "the member steps is not a list of texts"},
		`echo '{"steps":["retire",null]}'`:            {false, "the member steps is not a list of texts"},
		`echo '{"error":"no such step"}'`:             {false, "no such step"},
		`echo '{"steps":["make","retire"]}'; exit 1`:  {false, "exit status 1"},
		`cat >&2`: {false, "the program wrote no answer"},
		`echo '{"id":"k","value":"` + hidden + `"}'`:    {false, "the answer has no member steps"},
		`echo '{"steps":["` + hidden + `"],"x":["m"]}'`: {false, ""},
	} {
		b := newBench(t, script)
		can, err := b.steps().(driver.Limited).CanRetire(t.Context())
		require.Equal(t, c.can, can && err == nil, script)
		if c.want == "" {
			require.NoError(t, err, script)
			continue
		}
		require.ErrorContains(t, err, "./make.sh, step steps: ", script)
		require.ErrorContains(t, err, c.want, script)
		require.Empty(t, redacttest.Check(err, hidden), script)
	}
}

// The names of steps are no values, and stay in the lines on stderr.
func TestNamesOfStepsAreShown(t *testing.T) {
	for script, want := range map[string]string{
		`echo 'can retire' >&2; echo '{"steps":["make","retire"]}'`:             "make.sh: can retire",
		`echo '` + hidden + `' >&2; echo '{"steps":["make","` + hidden + `"]}'`: "make.sh: •••",
	} {
		b := newBench(t, script)
		_, err := b.steps().(driver.Limited).CanRetire(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{want}, b.shown)
	}
}
