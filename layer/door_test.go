package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/file"
	"github.com/layeron-hq/secret/layer/rotate"
)

// door is a proxy in front of an S3 server. It stops one of the incoming
// requests and passes it to the test.
type door struct {
	http.Handler
	come chan *visitor

	mu   sync.Mutex
	n    int // requests received since stop
	at   int // the request to stop, from 1; 0: none
	puts []int
}

// visitor is a stopped request.
type visitor struct {
	answer chan struct{} // closed: the request is applied and answered
	leave  chan struct{} // closed: the request is not answered
	serve  func()        // applies the request without an answer
}

func newDoor(t *testing.T) (*door, s3Engine) {
	d := &door{come: make(chan *visitor, 1)}
	return d, fakeS3(t, func(h http.Handler) http.Handler {
		d.Handler = h
		return d
	})
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.n++
	if r.Method == http.MethodPut && !strings.HasSuffix(r.URL.Path, "/probe") {
		d.puts = append(d.puts, d.n)
	}
	stopped := d.n == d.at
	d.mu.Unlock()
	if !stopped {
		d.Handler.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body) // the sender may have ended before the request is served
	if err != nil {
		return
	}
	serve := func(w http.ResponseWriter) {
		again := r.Clone(context.WithoutCancel(r.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		d.Handler.ServeHTTP(w, again)
	}
	v := &visitor{make(chan struct{}), make(chan struct{}), func() { serve(httptest.NewRecorder()) }}
	d.come <- v
	select {
	case <-v.answer:
		serve(w)
	case <-v.leave:
		panic(http.ErrAbortHandler)
	}
}

// stop makes the door stop the nth request from now on; 0: none.
func (d *door) stop(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n, d.at, d.puts = 0, n, nil
}

// comes waits for the stopped request.
func (s *stage) comes() *visitor {
	s.Helper()
	select {
	case v := <-s.come:
		return v
	case <-time.After(4 * patient):
		require.FailNow(s, "layer has ended, or waits for something else")
		return nil
	}
}

// counted returns the number of requests since stop, and the positions of those
// that write.
func (d *door) counted() (n int, puts []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n, d.puts
}

// stage is a folder whose ledger is, or moves to, behind the door.
type stage struct {
	*testing.T
	*door
	dir string
	env []string
	e   s3Engine
	at  string // the ledger's place
	to  string // the place that the ledger moves to; empty: it does not move

}

const doorFile = "layer.secrets.age"

func newStage(t *testing.T, move func(bucket, other string) (at, to string)) *stage {
	d, e := newDoor(t)
	s := &stage{T: t, door: d, dir: t.TempDir(), env: e.environment(), e: e}
	s.at, s.to = move(e.place(), e.place())
	declare(t, s.dir, rotating)
	if s.to != "" { // a move needs no process
		s.create()
		return s
	}
	s.layer(0, s.at, "init", "--to", "dir:secrets")
	s.layer(0, s.at, "apply", "--spec", "spec.json")
	return s
}

// create makes a ledger with some changes. The folder remembers it, as layer
// would.
func (s *stage) create() {
	s.Helper()
	key, recipient, err := ledger.NewIdentity()
	require.NoError(s, err)
	state, rev := rotate.NewState(rotate.Settings{Target: "dir:secrets",
		Recipients: []string{recipient}}), rotate.Revision("")
	require.NoError(s, ledger.WriteIdentity(filepath.Join(s.dir, "layer.identity"), key, state.ID()))
	l := s.open(s.at)
	if s.at == doorFile {
		ids, err := ledger.ParseIdentities(key.Reveal())
		require.NoError(s, err)
		l, err = openFile(filepath.Join(s.dir, s.at), "", ids)
		require.NoError(s, err)
	} else {
		l, err = ledger.Remember(l, ledger.RememberOptions{Seen: filepath.Join(s.dir, "layer.seen"), Place: s.at})
		require.NoError(s, err)
	}
	for range changesBefore {
		state, rev, err = rotate.Commit(s.Context(), l, rev, state.WithLog(rotate.LogEntry{Op: "test"}))
		require.NoError(s, err)
	}
}

// changesBefore is the number of changes in a ledger before it moves.
const changesBefore = 3

func (s *stage) layer(status int, ledger string, args ...string) (stdout, stderr string) {
	s.Helper()
	return layerIn(s.T, s.dir, append(s.env, "LAYER_LEDGER="+ledger), status, append([]string{"secret"}, args...)...)
}

// command is the command that is stopped: it moves the ledger, or rotates.
func (s *stage) command() []string {
	if s.to != "" {
		return []string{"secret", "ledger", "copy", s.at, s.to}
	}
	return []string{"secret", "rotate", "--immediate", "--spec", "spec.json"}
}

// open opens the ledger in a place without a memory of ledgers seen.
func (s *stage) open(place string) rotate.Ledger {
	s.Helper()
	ids, err := ledger.ReadIdentities(filepath.Join(s.dir, "layer.identity"))
	require.NoError(s, err)
	if !strings.Contains(place, "://") {
		l, err := openFile(filepath.Join(s.dir, place), filepath.Join(s.TempDir(), "layer.seen"), ids)
		require.NoError(s, err)
		return l
	}
	l, err := s.e.open(place, ids)
	require.NoError(s, err)
	return l
}

// finished checks the result after the next run: that run has finished all
// work.
func (s *stage) finished(values map[string]string) {
	s.Helper()
	if s.to != "" {
		s.moved()
		return
	}
	s.layer(0, s.at, "rotate", "--spec", "spec.json")
	status := statusIn(s.T, s.dir, append(s.env, "LAYER_LEDGER="+s.at))["$SECRET.auth.session-key"]
	require.Equal(s, "ok", status.State)
	remember(s.T, values, status.Address, status, stored(s.T, s.dir, nil, status, "dir:secrets"))
}

// moved checks that the old ledger contains the new place, that the new ledger
// is in use with its history, and that layer accepts it.
func (s *stage) moved() {
	s.Helper()
	old, _, err := s.open(s.at).Load(s.Context())
	require.NoError(s, err)
	require.Equal(s, s.to, old.Moved())
	state, _, err := s.open(s.to).Load(s.Context())
	require.NoError(s, err)
	require.Empty(s, state.Moved())
	log := state.Log()
	for i, e := range log[:changesBefore] {
		require.Equal(s, uint64(i+1), e.Gen)
		require.Equal(s, rotate.Op("test"), e.Op)
	}
	require.Equal(s, rotate.Op("move"), log[changesBefore].Op)
	require.Equal(s, old.Settings(), state.Settings())
	s.layer(0, s.to, "ledger", "recipients")
}

// TestCutOffElsewhere kills or interrupts rotate, and the move of a ledger, at
// each of their requests to a bucket. The request is still applied, applied
// late, or never applied. The next run finishes the work: no value is lost or
// changed, and there is one ledger.
func TestCutOffElsewhere(t *testing.T) {
	slow.Test(t)
	for name, move := range map[string]func(bucket, other string) (at, to string){
		"rotate":            func(bucket, _ string) (string, string) { return bucket, "" },
		"file to bucket":    func(bucket, _ string) (string, string) { return doorFile, bucket },
		"bucket to file":    func(bucket, _ string) (string, string) { return bucket, doorFile },
		"bucket to another": func(bucket, other string) (string, string) { return bucket, other },
	} {
		clean := newStage(t, move)
		clean.stop(0)
		layerIn(t, clean.dir, append(clean.env, "LAYER_LEDGER="+clean.at), 0, clean.command()...)
		all, puts := clean.counted()
		require.GreaterOrEqual(t, all, 4)
		for n := 1; n <= all; n++ {
			// A kill here equals a kill after the previous request was applied.
			fates := []string{"interrupted"}
			if slices.Contains(puts, n) {
				fates = []string{"killed, carried out", "killed, late",
					"interrupted, carried out", "interrupted, answered", "interrupted, late"}
			}
			for _, fate := range fates {
				t.Run(fmt.Sprintf("%s, request %d of %d, %s", name, n, all, fate), func(t *testing.T) {
					t.Parallel()
					cutOff(newStage(t, move), n, fate)
				})
			}
		}
	}
}

func cutOff(s *stage, n int, fate string) {
	values := map[string]string{}
	if s.to == "" {
		status := statusIn(s.T, s.dir, append(s.env, "LAYER_LEDGER="+s.at))["$SECRET.auth.session-key"]
		remember(s.T, values, status.Address, status, stored(s.T, s.dir, nil, status, "dir:secrets"))
	}
	s.stop(n)
	cmd, _, stderr := start(s.T, s.dir, append(s.env, "LAYER_LEDGER="+s.at), s.command()...)
	v := s.comes()
	s.stop(0)
	finished := false
	if strings.HasSuffix(fate, "carried out") {
		v.serve()
	}
	if strings.HasPrefix(fate, "killed") {
		require.NoError(s, cmd.Process.Kill())
		_ = cmd.Wait()
		close(v.leave)
	} else {
		require.NoError(s, cmd.Process.Signal(os.Interrupt))
		if strings.HasSuffix(fate, "answered") {
			close(v.answer)
		}
		_ = cmd.Wait()
		if !strings.HasSuffix(fate, "answered") {
			close(v.leave)
		}
		status := cmd.ProcessState.ExitCode()
		// An answer may come before the program notices the signal. Then it may finish
		// its work, and the next run must find nothing to do. Without an answer it
		// cannot finish.
		finished = status == 0 && strings.HasSuffix(fate, "answered")
		require.True(s, status == 130 || finished, "%d: %s", status, stderr.String())
		if status == 130 {
			require.Regexp(s, "(?m)^layer: interrupted: ", strings.TrimPrefix(stderr.String(), "layer: "+risk+"\n"))
		}
		require.Empty(s, readable(stderr.String()))
	}
	// The next run: for a move it is the same command again, for a rotation a later
	// one.
	again := s.command()
	if s.to == "" {
		again = []string{"secret", "rotate", "--spec", "spec.json"}
	}
	s.stop(0)
	layerIn(s.T, s.dir, append(s.env, "LAYER_LEDGER="+s.at), 0, again...)
	if _, puts := s.counted(); finished {
		require.Empty(s, puts, "the exit status was 0, and the next run had work to do")
	}
	s.finished(values)
	if strings.HasSuffix(fate, "late") {
		v.serve()
		s.finished(values)
	}
	require.Empty(s, leftovers(s.T, s.dir))
}

// TestMoveOfHalfARotation kills a rotation after each of its requests, also
// between publishing and recording. Then the ledger moves. A run in the new
// place finishes the rotation.
func TestMoveOfHalfARotation(t *testing.T) {
	t.Parallel()
	rotate := func(bucket, _ string) (string, string) { return bucket, "" }
	clean := newStage(t, rotate)
	clean.stop(0)
	clean.layer(0, clean.at, clean.command()[1:]...)
	_, puts := clean.counted()
	require.Len(t, puts, 2, "the intent, and its confirmation")
	for _, n := range puts {
		s := newStage(t, rotate)
		values := map[string]string{}
		at := append(s.env, "LAYER_LEDGER="+s.at)
		status := statusIn(t, s.dir, at)["$SECRET.auth.session-key"]
		remember(t, values, status.Address, status, stored(t, s.dir, nil, status, "dir:secrets"))
		s.stop(n)
		cmd, _, _ := start(t, s.dir, at, s.command()...)
		v := s.comes()
		s.stop(0)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		close(v.leave)
		if n == puts[0] {
			v.serve() // the rotation is recorded and not published
		}
		s.layer(0, s.at, "ledger", "copy", s.at, "ops.age")
		s.at = "ops.age"
		s.finished(values)
		status = statusIn(t, s.dir, append(s.env, "LAYER_LEDGER="+s.at))["$SECRET.auth.session-key"]
		require.Equal(t, "v2", *status.Current)
	}
}

// TestMoveWaits checks that a move waits while a run works on the ledger,
// prints that it waits, and can be interrupted.
func TestMoveWaits(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	ids, err := ledger.ReadIdentities(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	busy, err := file.Open(filepath.Join(dir, "layer.secrets.age"), file.Options{Identities: ids})
	require.NoError(t, err)
	unlock, err := busy.Lock(t.Context())
	require.NoError(t, err)
	person := atTerminal(t, dir, nil, 80, "secret", "ledger", "copy", "layer.secrets.age", "next.age")
	person.expect("moving the ledger …")
	person.types("\x03")
	require.Contains(t, person.ends(130), "layer: interrupted: run it again to continue")
	require.NoFileExists(t, filepath.Join(dir, "next.age"))
	require.NoError(t, unlock())
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	layerIn(t, dir, nil, 0, "secret", "ledger", "copy", "layer.secrets.age", "next.age")
}

// TestCompletionOfASilentLedger checks that a user who presses Tab gets the
// prompt back, even if the ledger's server does not answer.
func TestCompletionOfASilentLedger(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts every connection
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	dir := folder(t)
	for name, place := range map[string]string{
		"s3":       "s3://ledgers/shop?endpoint=http://" + silent.Addr().String(),
		"postgres": "postgres://layer@" + silent.Addr().String() + "/ledgers",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			stdout, stderr := layerIn(t, dir, s3Engine{}.environment(), 0, "__complete", "secret", "reveal", "--ledger", place,
				"")
			require.Equal(t, ":4\n", stdout)
			require.NotContains(t, stderr, "layer:")
			require.GreaterOrEqual(t, time.Since(began), completionTime, "it was not asked")
			require.Less(t, time.Since(began), completionTime+5*time.Second)
		})
	}
}

// openFile opens the ledger in a file as the command does. An empty seen means
// that the memory of ledgers seen is beside the ledger.
func openFile(path, seen string, ids ledger.Identities) (rotate.Ledger, error) {
	f, err := file.Open(path, file.Options{Identities: ids})
	if err != nil {
		return nil, err
	}
	return ledger.Remember(f, ledger.RememberOptions{Seen: seen, IDs: ids.Ledgers()})
}
