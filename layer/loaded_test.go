package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// ledgerReads is a server for a ledger that counts the reads of the ledger, and
// calls after once, behind the next answer.
type ledgerReads struct {
	s3Engine
	mu    sync.Mutex
	reads int
	after func()
}

func newLedgerReads(t *testing.T) *ledgerReads {
	t.Helper()
	e := &ledgerReads{}
	e.s3Engine = fakeS3(t, func(server http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/ledger.age") {
				server.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, r)
			defer func() {
				maps.Copy(w.Header(), answer.Header())
				w.WriteHeader(answer.Code)
				_, _ = w.Write(answer.Body.Bytes())
			}()
			e.mu.Lock()
			e.reads++
			after := e.after
			e.after = nil
			e.mu.Unlock()
			if after != nil {
				after()
			}
		})
	})
	return e
}

func (e *ledgerReads) counted(run func()) int {
	e.mu.Lock()
	e.reads = 0
	e.mu.Unlock()
	run()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reads
}

// atTheNextRead sets the function that runs behind the next answer, before the
// reader has it.
func (e *ledgerReads) atTheNextRead(do func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.after = do
}

// remoteLedger returns a folder whose ledger is on the server, and its flags.
func (e *ledgerReads) remoteLedger(t *testing.T, secrets ...string) (dir string, flags []string) {
	t.Helper()
	dir = t.TempDir()
	declare(t, dir, secrets...)
	flags = []string{"--ledger", e.place()}
	layerIn(t, dir, e.environment(), 0, append([]string{"secret", "init", "--to", "dir:secrets"}, flags...)...)
	flags = append(flags, "--spec", "spec.json")
	layerIn(t, dir, e.environment(), 0, append([]string{"secret", "apply"}, flags...)...)
	return dir, flags
}

func TestReadingCommandsLoadTheLedgerOnce(t *testing.T) {
	e := newLedgerReads(t)
	dir, flags := e.remoteLedger(t, rotating)
	for _, command := range []string{"status", "status --json", "status auth.session-key", "timeline", "plan",
		"rotate --dry-run", "rotate --now --dry-run", "log", "bindings --store 0123456789abcdef0123456789abcdef",
		"doctor", "export --format json --yes",
		"reveal auth.session-key --yes", "run -- true", "target", "ledger id", "ledger recipients"} {
		t.Run(command, func(t *testing.T) {
			args := slices.Concat([]string{"secret"}, flags, strings.Fields(command))
			require.Equal(t, 1, e.counted(func() { layerIn(t, dir, e.environment(), 0, args...) }))
		})
	}
}

// The state of the first read may be seconds old when the target is asked. The
// status is still that of one moment: a contradiction is checked with the ledger of
// that time.
func TestStatusBesideAnotherRun(t *testing.T) {
	status := []string{"status"}
	two := []string{"--spec", "two.json"}
	for name, tt := range map[string]struct {
		command []string
		other   []string // runs after the command has read the ledger
		want    string
	}{
		"removed": {status, []string{"remove", "auth.session-key", "--yes", "--spec", "without.json"},
			"\tunpublished\t"},
		"rotated":             {status, []string{"rotate", "--immediate"}, "\tok\tv2\t"},
		"announced":           {status, []string{"rotate", "--now"}, "\tpending\tv1\t"},
		"created":             {append(status, two...), append([]string{"apply"}, two...), "auth.second\trandom\tok\tv1\t"},
		"created, a plan":     {append([]string{"plan"}, two...), append([]string{"apply"}, two...), "nothing to do"},
		"rotated, a dry run":  {[]string{"rotate", "--dry-run"}, []string{"rotate", "--immediate"}, "nothing to do"},
		"rotated, a timeline": {[]string{"timeline"}, []string{"rotate", "--immediate"}, "v2"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newLedgerReads(t)
			dir, flags := e.remoteLedger(t, rotating)
			for file, secrets := range map[string]string{"without.json": "",
				"two.json": rotating + "," + strings.Replace(rotating, "session-key", "second", 1)} {
				text := `{"secrets": [` + secrets + `]}`
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			e.atTheNextRead(func() {
				layerIn(t, dir, e.environment(), 0, slices.Concat([]string{"secret"}, flags, tt.other)...)
			})
			stdout, stderr := layerIn(t, dir, e.environment(), 0, slices.Concat([]string{"secret"}, flags, tt.command)...)
			require.Contains(t, stdout+stderr, tt.want)
		})
	}
}

// A contradiction costs one more load, which shows that it is certain.
func TestContradictionIsCheckedOnce(t *testing.T) {
	e := newLedgerReads(t)
	dir, flags := e.remoteLedger(t, rotating)
	files, err := filepath.Glob(filepath.Join(dir, "secrets", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		require.NoError(t, os.Remove(file))
	}
	require.Equal(t, 2, e.counted(func() {
		stdout, _ := layerIn(t, dir, e.environment(), 1, append([]string{"secret", "status"}, flags...)...)
		require.Contains(t, stdout, "\tmissing\tv1\t")
	}))
}

// The target has a note that the ledger contains, so the ledger is genuine.
func TestStatusRemembersTheConfirmedLedger(t *testing.T) {
	e := newLedgerReads(t)
	dir, flags := e.remoteLedger(t, rotating)
	seen := filepath.Join(dir, "layer.seen")
	require.NoError(t, os.Remove(seen))
	layerIn(t, dir, e.environment(), 0, append([]string{"secret", "status"}, flags...)...)
	require.FileExists(t, seen)
}
