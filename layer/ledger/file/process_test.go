package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

const (
	childVariable = "LAYER_TEST_CHILD"
	childLedger   = "LAYER_TEST_LEDGER"
)

// TestChildProcess is the program of the child processes that other tests start.
// Alone it does nothing.
func TestChildProcess(t *testing.T) {
	what := os.Getenv(childVariable)
	if what == "" {
		return
	}
	ids, _, err := ledger.IdentitiesFromEnv()
	require.NoError(t, err)
	f := remembered(t, os.Getenv(childLedger), ids)
	switch kind, n, _ := strings.Cut(what, " "); kind {
	case "count":
		times, err := strconv.Atoi(n)
		require.NoError(t, err)
		for range times {
			require.NoError(t, increment(f))
		}
	case "limit":
		size, err := strconv.ParseUint(n, 10, 63)
		require.NoError(t, err)
		limited(t, f, size)
	case "hold":
		_, err := f.(rotate.Locker).Lock(context.Background())
		require.NoError(t, err)
		fmt.Println("held")
		select {}
	}
}

// increment adds one to the ledger's counter and acknowledges the change on
// standard output, with the new count and the id of the write.
func increment(f rotate.Ledger) error {
	ctx := context.Background()
	for {
		s, rev, err := f.Load(ctx)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(s.Settings().Project)
		if err != nil {
			return err
		}
		stored, _, err := rotate.Commit(ctx, f, rev, tally(s, strconv.Itoa(n+1)))
		if err == nil {
			_, err = fmt.Printf("ack %d %s\n", n+1, stored.WriteID())
			return err
		}
		if !errors.Is(err, rotate.ErrConflict) {
			return err
		}
	}
}

// limited tries a change under a limit on the size of files, which has the effect
// of a full disk.
func limited(t *testing.T, f rotate.Ledger, size uint64) {
	ctx := context.Background()
	s, rev, err := f.Load(ctx)
	require.NoError(t, err)
	signal.Ignore(syscall.SIGXFSZ)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size}))
	_, _, err = rotate.Commit(ctx, f, rev, tally(s, "more"))
	fmt.Println("commit:", err)
	_, _, err = f.Load(ctx)
	fmt.Println("load:", err)
}

// child returns a command that runs a process on the same ledger.
func child(t *testing.T, path string, identity driver.Value, what string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestChildProcess$", "-test.count=1")
	cmd.Env = append(os.Environ(), childVariable+"="+what, childLedger+"="+path,
		ledger.IdentityVariable+"="+identity.Reveal(), "GOMAXPROCS=1")
	return cmd
}

func empty(s rotate.State) rotate.State { return s }

// inMemory returns a folder in memory if the system has one. A thousand changes
// take one second there.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "layer-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// remembered returns the ledger in a file with a memory, as the command opens it.
func remembered(t *testing.T, path string, ids ledger.Identities) rotate.Ledger {
	t.Helper()
	f, err := Open(path, Options{Identities: ids})
	require.NoError(t, err)
	l, err := ledger.Remember(f, ledger.RememberOptions{})
	require.NoError(t, err)
	return l
}

// With its memory, a ledger leaves three files.
const rememberedFiles = 3

// counted returns a ledger that counts from 0, and its identity.
func counted(t *testing.T, dir string, fill func(rotate.State) rotate.State) (f rotate.Ledger, path string,
	identity driver.Value) {
	t.Helper()
	identity, recipient, err := ledger.NewIdentity()
	require.NoError(t, err)
	ids, err := ledger.ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	path = filepath.Join(dir, "layer.secrets.age")
	f = remembered(t, path, ids)
	_, _, err = rotate.Commit(context.Background(), f, "",
		tally(fill(rotate.NewState(rotate.Settings{Recipients: []string{recipient}})), "0"))
	require.NoError(t, err)
	return f, path, identity
}

// TestKilledProcessLosesNothingAcknowledged kills a thousand times a process that
// changes the ledger all the time. After each kill the ledger can be read, has
// every change that the process acknowledged, and is not refused as an older copy.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	slow.Test(t)
	kills := []int{300, 300, 300, 100} // the last on a disk, the others in memory
	var all sync.WaitGroup
	halfway := make([]int, len(kills))
	for i, times := range kills {
		dir := inMemory(t)
		if i == len(kills)-1 {
			dir = t.TempDir()
		}
		f, path, identity := counted(t, dir, empty)
		all.Go(func() { halfway[i] = killed(t, f, path, identity, times) })
	}
	all.Wait()
	if t.Failed() {
		return
	}
	t.Logf("temporary files that each ledger's kills left: %v", halfway)
	for i, n := range halfway {
		require.True(t, n > 0 || kills[i] == 0, "no kill hit a change halfway: this shows nothing")
	}
}

// killed returns how many kills left a temporary file.
func killed(t *testing.T, f rotate.Ledger, path string, identity driver.Value, kills int) (halfway int) {
	ctx := context.Background()
	dir := filepath.Dir(path)
	count, err := 0, error(nil)
	pace := 3 * time.Millisecond // duration of one change in the last process
	// If no kill has interrupted a change yet, try a few more: the test must also hold
	// on a busy machine.
	for n := 0; n < kills || kills > 0 && halfway == 0 && n < kills+1000; n++ {
		cmd := child(t, path, identity, "count 1000000")
		out, pipeErr := cmd.StdoutPipe()
		err = errors.Join(pipeErr, cmd.Start())
		if err != nil {
			break
		}
		acks := bufio.NewReader(out)
		first, readErr := acks.ReadString('\n')
		began := time.Now()
		second, secondErr := acks.ReadString('\n')
		pace = (pace + time.Since(began)) / 2
		// The delay is random, up to the duration of one change on this machine, so that
		// the kill can hit any step.
		<-time.After(rand.N(pace + time.Millisecond))
		killErr := cmd.Process.Kill()
		rest, restErr := io.ReadAll(acks)
		_ = cmd.Wait()
		if err = errors.Join(readErr, secondErr, killErr, restErr); err != nil {
			err = fmt.Errorf("%w: the process says %q", err, first+second+string(rest))
			break
		}
		if len(files(t, dir)) > rememberedFiles {
			halfway++
		}
		var s rotate.State
		if s, _, err = f.Load(ctx); err != nil {
			break
		}
		count, err = acknowledged(first+second+string(rest), s, count)
		if err != nil {
			break
		}
	}
	if err != nil {
		t.Errorf("after %d changes: %v", count, err)
		return halfway
	}
	s, rev, err := f.Load(ctx)
	if err == nil {
		_, _, err = rotate.Commit(ctx, f, rev, s)
	}
	if err != nil || len(files(t, dir)) != rememberedFiles {
		t.Errorf("the change after the kills: %v, and %q is left", err, files(t, dir))
	}
	return halfway
}

// acknowledged checks that the state has every change that a process acknowledged,
// and returns its count.
func acknowledged(lines string, s rotate.State, before int) (int, error) {
	now, err := strconv.Atoi(s.Settings().Project)
	if err != nil {
		return 0, err
	}
	last := before
	for line := range strings.Lines(lines) {
		var n int
		var id string
		if _, err := fmt.Sscanf(line, "ack %d %s\n", &n, &id); err != nil {
			return 0, fmt.Errorf("not an acknowledgement: %q", line)
		}
		// The ring records 64 writes.
		if now-n < 64 && !s.Wrote(id) {
			return 0, fmt.Errorf("change %d was acknowledged, and the ledger at %d does not have it", n, now)
		}
		if n != last+1 {
			return 0, fmt.Errorf("change %d follows %d", n, last)
		}
		last = n
	}
	// The last change may have been made without an acknowledgement.
	if now != last && now != last+1 {
		return 0, fmt.Errorf("the last acknowledged change is %d, and the ledger is at %d", last, now)
	}
	if s.Generation() != uint64(now)+1 {
		return 0, fmt.Errorf("generation %d after %d changes", s.Generation(), now)
	}
	return now, nil
}

// TestProcessesCountTogether lets eight processes count at the same time, while
// others read.
func TestProcessesCountTogether(t *testing.T) {
	slow.Test(t)
	t.Parallel()
	const processes, each = 8, 20
	f, path, identity := counted(t, t.TempDir(), empty)
	running, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		for last := uint64(0); running.Err() == nil; {
			s, _, err := f.Load(context.Background())
			if err != nil || s.Generation() < last {
				t.Errorf("while others write: generation %d after %d, error %v", s.Generation(), last, err)
				return
			}
			last = s.Generation()
		}
	})
	acks := make([]string, processes)
	for i := range processes {
		cmd := child(t, path, identity, fmt.Sprint("count ", each))
		writers.Go(func() {
			out, err := cmd.Output()
			acks[i] = string(out)
			if err != nil {
				t.Errorf("process %d: %v, it says %s", i, err, out)
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	s, _, err := f.Load(context.Background())
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(processes*each), s.Settings().Project)
	seen := map[int]bool{}
	for line := range strings.Lines(strings.Join(acks, "")) {
		var n int
		if _, err := fmt.Sscanf(line, "ack %d", &n); err == nil {
			require.False(t, seen[n], "count %d was acknowledged twice", n)
			seen[n] = true
		}
	}
	require.Len(t, seen, processes*each)
}

// TestFullDiskLeavesTheLedgerAsItWas changes a ledger on a disk without space for
// the ledger, or for its memory.
func TestFullDiskLeavesTheLedgerAsItWas(t *testing.T) {
	for name, size := range map[string]int{"not a byte": 0, "no room for layer.seen": 100,
		"no room for the ledger": 5000} {
		t.Run(name, func(t *testing.T) {
			f, path, identity := counted(t, t.TempDir(), hundred)
			before, rev, err := f.Load(context.Background())
			require.NoError(t, err)
			out, err := child(t, path, identity, fmt.Sprint("limit ", size)).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Regexp(t,
				`commit: ledger .*: cannot be written|commit: ledger .*layer\.seen cannot be written|commit: ledger .*: it cannot be written`, string(out))
			require.Contains(t, string(out), "file too large. The ledger is as it was; free some space")
			require.Contains(t, string(out), "load: <nil>")
			after, now, err := f.Load(context.Background())
			require.NoError(t, err)
			require.True(t, after.Equal(before))
			require.Equal(t, rev, now)
			require.Equal(t, []string{"layer.secrets.age", "layer.secrets.age.lock", "layer.seen"},
				files(t, filepath.Dir(path)))
		})
	}
}

// TestLockOfAnotherProcess: waiting for the lock fails with an error that names
// the holder. After the holder is killed, the lock is free.
func TestLockOfAnotherProcess(t *testing.T) {
	f, path, identity := counted(t, t.TempDir(), empty)
	cmd := child(t, path, identity, "hold")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)

	s, rev, err := f.Load(context.Background())
	require.NoError(t, err, "reading needs no lock")
	brief, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, _, err = rotate.Commit(brief, f, rev, s)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, fmt.Sprintf("locked by another run: process %d on ", cmd.Process.Pid))
	require.NotErrorIs(t, err, rotate.ErrUnknown)

	// The error is right, too, if the time is over before the first try.
	<-brief.Done()
	for range 20 {
		_, err = f.(rotate.Locker).Lock(brief)
		require.ErrorContains(t, err, fmt.Sprintf("locked by another run: process %d on ", cmd.Process.Pid))
	}

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	_, _, err = rotate.Commit(context.Background(), f, rev, s)
	require.NoError(t, err)
}
