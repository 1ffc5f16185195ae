package secret_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestWhiteSpaceIsNormalAroundPEMAndJSON: files of this kind end with a
// newline, and their readers skip white space around them.
func TestWhiteSpaceIsNormalAroundPEMAndJSON(t *testing.T) {
	const pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA==\n-----END EC PRIVATE KEY-----"
	for name, c := range map[string]struct {
		text string
		warn bool
	}{
		"PEM":                           {text: pem + "\n"},
		"PEM, white space around":       {text: "\n \t" + pem + "\r\n\v\n"},
		"PEM, CRLF":                     {text: strings.ReplaceAll(pem, "\n", "\r\n") + "\r\n"},
		"PEM, several blocks":           {text: strings.ReplaceAll(pem, "EC PRIVATE KEY", "CERTIFICATE") + "\n" + pem + "\n"},
		"PEM after text":                {text: "Bag Attributes\n    friendlyName: x\n" + pem + "\n"},
		"PEM, then text":                {text: pem + "\nsubject=x\n", warn: true},
		"PEM, cut at its end":           {text: pem[:len(pem)-1] + "\n", warn: true},
		"PEM without its beginning":     {text: pem[20:] + "\n", warn: true},
		"PEM, another label at its end": {text: strings.Replace(pem, "END EC", "END RSA", 1) + "\n", warn: true},
		"a line about PEM":              {text: "see -----BEGIN X----- and -----END X-----\n", warn: true},
		"JSON object":                   {text: `{"clientId": "a"}` + "\n"},
		"JSON object, indented":         {text: " \t\r\n{\n  \"clientId\": \"a\"\n}\n\n"},
		"JSON array":                    {text: `["a", "b"]` + "\n"},
		"JSON, cut":                     {text: `{"clientId": "a"` + "\n", warn: true},
		"JSON, then text":               {text: `{"clientId": "a"} b` + "\n", warn: true},
		"no white space of JSON":        {text: `{"clientId": "a"}` + "\v", warn: true},
		"a number may be a password":    {text: "12345678\n", warn: true},
		"a string in JSON":              {text: `"hunter2"` + "\n", warn: true},
		"a password":                    {text: "hunter2\n", warn: true},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			if c.warn {
				want = []string{"white_space "}
			}
			instant := time.Date(2005, 3, 1, 12, 0, 0, 0, time.UTC)
			require.Equal(t, want, warningsAt(t, secret.Options{}, c.text, time.Time{}, instant))
			require.Equal(t, want, warningsAt(t, secret.Options{Format: secret.FormatPlain}, c.text, time.Time{}, instant))
		})
	}
}
