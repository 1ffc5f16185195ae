package secret_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestCommentEndsAtItsOwnEnd: a version document after a comment is refused, and
// a text whose comment does not end before the document is a plain value.
func TestCommentEndsAtItsOwnEnd(t *testing.T) {
	for begin, ends := range map[string]bool{
		"/**/": true, "/***/": true, "/* */": true, "/* / */": true, "/*\n*/": true, "#\n": true, "//\n": true,
		"# /* */\n": true, "/*/": false, "/*": false, "/* *": false, "/* * /": false, "/*\n": false, "#": false,
		"# */": false, "//": false, "/": false, "/\n": false,
	} {
		doc, err := secret.Parse(begin + `{"current":"v1","versions":{"v1":{"value":"made-up"}}}`)
		if ends {
			require.ErrorIs(t, err, secret.ErrMalformed, begin)
			continue
		}
		require.NoError(t, err, begin)
		require.Equal(t, secret.FormatPlain, doc.StoredAs(), begin)
	}
}
