package dir

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/slow"
)

// Another run publishes before each step of a run. Neither run's sweep removes the
// temporary file of the other.
func TestSweepSparesFilesOfAnotherRunAtEachStep(t *testing.T) {
	other := driver.Item{Name: stepsBinding + "_2", Text: driver.NewValue("other"), Note: "other"}
	for _, replaced := range []bool{false, true} {
		for at, what := range stepsOf(replaced) {
			t.Run(strconv.FormatBool(replaced)+" "+strconv.Itoa(at)+" "+what, func(t *testing.T) {
				dir, n := place(t, replaced), -1
				p := New(dir)
				p.step = func(string) error {
					if n++; n == at {
						require.Nil(t, New(dir).Publish(t.Context(), []driver.Item{other}))
					}
					return nil
				}
				require.Nil(t, p.Publish(t.Context(), []driver.Item{newItem}))
				require.Equal(t, done, stageOf(t, dir, replaced))
				require.Equal(t, "other", dirContent(t, dir, other.Name))
				require.Equal(t, "other", dirContent(t, dir, noteFile(other.Name)))
				require.Empty(t, temporary(t, dir))
			})
		}
	}
}

// publishOften publishes its own value again and again, like a run of a shared
// ledger.
func publishOften(dir string, run, times int) error {
	item := driver.Item{Name: fmt.Sprintf("%s_%d", stepsBinding, run), Text: driver.NewValue(newText), Note: newNote}
	for i := range times {
		if errs := New(dir).Publish(context.Background(), []driver.Item{item}); errs != nil {
			return fmt.Errorf("run %d, time %d: %w", run, i, errs[0])
		}
	}
	return nil
}

func TestRunsInOneFolderAtOnce(t *testing.T) {
	dir := t.TempDir()
	errs := make([]error, 4)
	var runs sync.WaitGroup
	for i := range errs {
		runs.Go(func() { errs[i] = publishOften(dir, i, 100) })
	}
	runs.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Len(t, dirFiles(t, dir), 2*len(errs), "values and notes, no temporary file")
}

// TestProcessesInOneFolderAtOnce does the same with processes. Again and again,
// one process is killed while it has a temporary file.
func TestProcessesInOneFolderAtOnce(t *testing.T) {
	const dirVar, runVar = "ROTATE_TEST_DIR", "ROTATE_TEST_RUN"
	if dir := os.Getenv(dirVar); dir != "" {
		run, _ := strconv.Atoi(os.Getenv(runVar))
		require.NoError(t, publishOften(dir, run, 200))
		return
	}
	slow.Test(t)
	dir := filepath.Join(t.TempDir(), "secrets")
	child := func(run int) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessesInOneFolderAtOnce$")
		cmd.Env = append(os.Environ(), dirVar+"="+dir, runVar+"="+strconv.Itoa(run))
		return cmd
	}
	const whole = 3
	out := make([][]byte, whole)
	errs := make([]error, whole)
	var runs sync.WaitGroup
	for i := range whole {
		runs.Go(func() { out[i], errs[i] = child(i).CombinedOutput() })
	}
	ended := make(chan struct{})
	go func() { runs.Wait(); close(ended) }()
	isEnded := func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}
	killed := 0
	for !isEnded() {
		cmd := child(whole)
		require.NoError(t, cmd.Start())
		own := fmt.Sprintf("_%d.", whole)
		for !isEnded() && !slices.ContainsFunc(temporary(t, dir),
			func(temp string) bool { return strings.Contains(temp, own) }) {
			runtime.Gosched()
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		killed++
	}
	t.Logf("%d runs were killed", killed)
	for i, err := range errs {
		require.NoError(t, err, string(out[i]))
	}
	require.Nil(t, New(dir).Publish(t.Context(), []driver.Item{newItem}))
	require.Empty(t, temporary(t, dir), "a killed run's files are swept")
	text, err := secret.Dir(dir).Get(t.Context(), stepsAddress)
	require.NoError(t, err)
	require.True(t, text == newText)
}
