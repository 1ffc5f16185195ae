package ledger

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
)

func TestDamagedMemoryIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "layer.seen")
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "",
			"it is damaged. Make sure that the ledger is that of the latest commit (`git log`) or backup, then delete this " +
				"file"},
		{"not JSON", "<<<<<<< HEAD", "it is damaged"},
		{"no format", "{}", "it is damaged"},
		{"from the future", `{"format":2,"places":7}`, "it is damaged"},
		{"from the future, as far as one can tell", `{"format":2}`, "a newer version of layer " +
			"(format 2): update layer"},
		{"huge", `{"format":1}` + string(bytes.Repeat([]byte(" "), maxSeen)), "more than 1048576 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(tc.text), 0o600))
			_, err := readSeen(path)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func FuzzSeen(f *testing.F) {
	for _, in := range []string{"", "{}",
		`{"format":1,"places":{"a":"b"},"ledgers":{"b":{"generation":3,"fingerprint":"c","write":"d"}}}`,
		`{"format":1,"ledgers":null}`} {
		f.Add([]byte(in))
	}
	s := stamped(rotate.NewState(rotate.Settings{}), 1)
	f.Fuzz(func(t *testing.T, in []byte) {
		known, err := parseSeen("layer.seen", in)
		if err != nil {
			return
		}
		next, err := parseSeen("layer.seen", known.with(at("a"), s).encode())
		if err != nil || !next.knows(at("a"), s) || next.check("a", s) != nil {
			t.Fatal("a state that was just remembered is not known")
		}
	})
}
