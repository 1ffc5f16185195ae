package dir

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

func batchAddress(i int) secret.Address {
	return secret.Address{Namespace: "batch", Name: "key" + strconv.Itoa(i)}
}

// batchItems returns n items of a generation. No two have the same text or
// note.
func batchItems(n, gen int) (items []driver.Item) {
	for i := range n {
		items = append(items, driver.Item{Name: batchAddress(i).Binding(),
			Text: driver.NewValue(fmt.Sprintf("text %d of %d, madeup_Wm29bHs4Ly", gen, i)),
			Note: fmt.Sprintf("sv1 gen=%d cur=v%d fp=%032x by=%016x", gen, gen, i, i)})
	}
	return items
}

func namesOf(items []driver.Item) (names []string) {
	for _, item := range items {
		names = append(names, item.Name)
	}
	return names
}

// batchPlace makes a directory with the old values, or none.
func batchPlace(t *testing.T, n int, replaced bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secrets")
	if replaced {
		require.Nil(t, New(dir).Publish(t.Context(), batchItems(n, 1)))
	}
	return dir
}

// stagesOf reads each item of a batch like a program and like the engine. The
// test fails if a value or a note is neither completely old nor completely new,
// or if a new note is beside an old value: the engine would take that value for
// the new one.
func stagesOf(t *testing.T, dir string, n int) (stages []stage) {
	t.Helper()
	was, is := batchItems(n, 1), batchItems(n, 2)
	found, err := New(dir).Inspect(t.Context(), namesOf(is))
	require.NoError(t, err)
	for i := range n {
		text, err := secret.Dir(dir).Get(t.Context(), batchAddress(i))
		p, exists := found[is[i].Name]
		require.Equal(t, err == nil, exists)
		switch {
		case !exists:
			require.ErrorIs(t, err, secret.ErrNotFound)
			stages = append(stages, before)
		case text == was[i].Text.Reveal():
			require.Equal(t, was[i].Note, p.Note, "an old value has its own note")
			stages = append(stages, before)
		default:
			require.True(t, text == is[i].Text.Reveal(), "neither the old text nor the new one")
			require.Equal(t, New(dir).ModifiedOf(is[i].Text), p.Modified)
			if p.Note == is[i].Note {
				stages = append(stages, done)
				continue
			}
			require.Contains(t, []string{"", was[i].Note}, p.Note)
			stages = append(stages, valueOnly)
		}
	}
	return stages
}

// recorded returns the steps of a publish of n new items.
func recorded(t *testing.T, n int, replaced bool) (steps []string) {
	t.Helper()
	p := New(batchPlace(t, n, replaced))
	p.step = func(what string) error { steps = append(steps, what); return nil }
	require.Nil(t, p.Publish(t.Context(), batchItems(n, 2)))
	return steps
}

// For each secret the order is that of a single one. The directory is synced
// twice for a whole batch, so a secret costs two syncs and not four.
func TestBatchSteps(t *testing.T) {
	const n = 2*batchSize + 3
	names := namesOf(batchItems(n, 2))
	want := slices.Concat(batchSteps(names[:batchSize]...), batchSteps(names[batchSize:2*batchSize]...),
		batchSteps(names[2*batchSize:]...))
	require.Equal(t, want, recorded(t, n, true))
	syncs := 0
	for _, step := range want {
		if strings.HasPrefix(step, "sync ") {
			syncs++
		}
	}
	require.Equal(t, 2*n+2*3, syncs)
}

// Without steps the files are synced at the same time, and every promise holds.
func TestBatchAtOnce(t *testing.T) {
	const n = 3*batchSize + 1
	dir := batchPlace(t, n, true)
	items := batchItems(n, 2)
	large := driver.Item{Name: items[5].Name, Text: driver.NewValue(strings.Repeat("x", maxFile+1)), Note: "n"}
	mixed := slices.Clone(items)
	mixed[5], mixed[n-2].Name = large, "no/name"
	var reports []int
	errs := New(dir).Publish(driver.WithProgress(t.Context(), func(done int) { reports = append(reports, done) }), mixed)
	require.Len(t, errs, n)
	require.Equal(t, []int{batchSize, 2 * batchSize, 3 * batchSize, n}, reports)
	for i, stage := range stagesOf(t, dir, n) {
		if i == 5 || i == n-2 {
			require.ErrorIs(t, errs[i], driver.ErrNotApplied)
			require.Equal(t, before, stage)
			continue
		}
		require.NoError(t, errs[i])
		require.Equal(t, done, stage)
	}
	require.Empty(t, temporary(t, dir))
}

// Each step of a batch fails in turn. Every item's error reports whether that
// item may have been applied, an item without an error is there, and no
// temporary file is left.
func TestBatchFailingAtEachStep(t *testing.T) {
	const n = 3
	for _, replaced := range []bool{false, true} {
		steps := recorded(t, n, replaced)
		seen := map[string]bool{}
		for fail, what := range steps {
			t.Run(strconv.FormatBool(replaced)+" "+strconv.Itoa(fail)+" "+what, func(t *testing.T) {
				dir, at := batchPlace(t, n, replaced), -1
				p := New(dir)
				p.step = func(string) error {
					if at++; at == fail {
						return syscall.EIO
					}
					return nil
				}
				errs := p.Publish(t.Context(), batchItems(n, 2))
				require.Len(t, errs, n)
				stages := stagesOf(t, dir, n)
				for i, stage := range stages {
					if errs[i] == nil {
						require.Equal(t, done, stage)
						continue
					}
					require.ErrorIs(t, errs[i], syscall.EIO)
					require.ErrorContains(t, errs[i], dir)
					require.Equal(t, stage == before, errors.Is(errs[i], driver.ErrNotApplied), "item %d, %v", i, errs[i])
				}
				failed := 0
				for _, err := range errs {
					if err != nil {
						failed++
					}
				}
				if strings.HasSuffix(what, " folder") {
					require.Equal(t, n, failed)
				} else {
					require.Equal(t, 1, failed, "a step of one file fails that item alone")
				}
				require.Empty(t, temporary(t, dir))
				seen[fmt.Sprint(stages)] = true
			})
		}
		require.Greater(t, len(seen), 4)
	}
}

// The process is killed before each step of a batch. No value is half written,
// no note precedes its value, and the next run finishes the batch.
func TestBatchKilledAtEachStep(t *testing.T) {
	const dirVar, stepVar, n = "ROTATE_TEST_DIR", "ROTATE_TEST_STEP", 2
	if dir := os.Getenv(dirVar); dir != "" {
		left, _ := strconv.Atoi(os.Getenv(stepVar))
		p := New(dir)
		p.step = func(string) error {
			if left--; left < 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
			return nil
		}
		require.Nil(t, p.Publish(t.Context(), batchItems(n, 2)))
		return
	}
	for _, replaced := range []bool{false, true} {
		steps, last, seen := recorded(t, n, replaced), make([]stage, n), map[string]bool{}
		for step := range len(steps) + 1 {
			dir := batchPlace(t, n, replaced)
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBatchKilledAtEachStep$")
			child.Env = append(os.Environ(), dirVar+"="+dir, stepVar+"="+strconv.Itoa(step))
			out, err := child.CombinedOutput()
			require.Equal(t, step == len(steps), err == nil, "step %d: %s", step, out)
			now := stagesOf(t, dir, n)
			for i := range now {
				require.GreaterOrEqual(t, now[i], last[i], "step %d", step)
			}
			last, seen[fmt.Sprint(now)] = now, true

			require.Nil(t, New(dir).Publish(t.Context(), batchItems(n, 2)))
			require.Equal(t, []stage{done, done}, stagesOf(t, dir, n))
			require.Empty(t, temporary(t, dir), "step %d", step)
		}
		require.Len(t, seen, 5, "each value and each note comes into place separately")
	}
}

// disk is a disk that loses power. It keeps the content of a file that was
// synced, and a name that was given before the folder was synced. Of the names
// that were given later it keeps any.
type disk struct {
	synced  map[string]bool // temporary files, by the name of the file that they replace
	kept    map[string]bool // names that point to the new content for certain
	pending []string        // names that were given since the last sync of the folder
}

func (d *disk) step(what string) {
	verb, name, _ := strings.Cut(what, " ")
	switch {
	case what == "sync folder":
		for _, name := range d.pending {
			d.kept[name] = true
		}
		d.pending = nil
	case verb == "sync":
		d.synced[name] = true
	case verb == "rename":
		d.pending = append(d.pending, name)
	}
}

// The power fails after each step of a batch, and the disk keeps any part of the
// writes that were not synced. Whatever remains is a value with its own note, or
// with the note before it: never a torn value, and never a note ahead of its
// value. After the last step, everything remains.
func TestBatchSurvivesLostWrites(t *testing.T) {
	const n = 3
	for _, replaced := range []bool{false, true} {
		steps := recorded(t, n, replaced)
		files := map[string]string{}
		for _, item := range batchItems(n, 2) {
			files[item.Name], files[noteFile(item.Name)] = stored(item.Text.Reveal()), stored(item.Note)
		}
		dirs := 0
		for end := range len(steps) + 1 {
			d := disk{synced: map[string]bool{}, kept: map[string]bool{}}
			for _, what := range steps[:end] {
				d.step(what)
			}
			for subset := range 1 << len(d.pending) {
				survived := maps.Clone(d.kept)
				for i, name := range d.pending {
					if subset>>i&1 == 1 {
						survived[name] = true
					}
				}
				dir := t.TempDir()
				if replaced {
					require.Nil(t, New(dir).Publish(t.Context(), batchItems(n, 1)))
				}
				for name := range survived {
					content := files[name]
					if !d.synced[name] {
						content = ""
					}
					require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
				}
				stages := stagesOf(t, dir, n)
				if end == len(steps) {
					require.Equal(t, []stage{done, done, done}, stages)
				}
				dirs++
			}
		}
		require.Greater(t, dirs, 1<<n)
	}
}

// After a stop, the batch that has begun is finished, and no other begins. The
// context of the call goes on, so that no request is left without an outcome.
func TestBatchStops(t *testing.T) {
	const n = 3 * batchSize
	for what, begun := range map[string]int{
		"create " + batchAddress(0).Binding():           1,
		"create " + batchAddress(batchSize+4).Binding(): batchSize + 5,
		"sync " + batchAddress(batchSize).Binding():     2 * batchSize,
		"rename " + batchAddress(batchSize).Binding():   2 * batchSize,
	} {
		t.Run(what, func(t *testing.T) {
			dir := batchPlace(t, n, true)
			stop, end := context.WithCancel(t.Context())
			p := New(dir)
			p.step = func(step string) error {
				if step == what {
					end()
				}
				return nil
			}
			errs := p.Publish(driver.WithStop(t.Context(), stop), batchItems(n, 2))
			for i, stage := range stagesOf(t, dir, n) {
				if i < begun {
					require.NoError(t, errs[i])
					require.Equal(t, done, stage)
					continue
				}
				require.ErrorIs(t, errs[i], context.Canceled)
				require.ErrorIs(t, errs[i], driver.ErrNotApplied)
				require.Equal(t, before, stage)
			}
			require.Empty(t, temporary(t, dir))
		})
	}
}

// A file system without locks lets another run sweep the temporary files. They
// are written again.
func TestBatchIsWrittenAgainWhenSwept(t *testing.T) {
	const n = 3
	for _, file := range []string{batchAddress(1).Binding(), noteFile(batchAddress(1).Binding())} {
		dir, swept := batchPlace(t, n, true), false
		p := New(dir)
		p.step = func(what string) error {
			if what == "rename "+file && !swept {
				swept = true
				for _, temp := range temporary(t, dir) {
					if strings.HasPrefix(filepath.Base(temp), ".layer-"+file+".") {
						require.NoError(t, os.Remove(temp))
					}
				}
			}
			return nil
		}
		require.Nil(t, p.Publish(t.Context(), batchItems(n, 2)))
		require.True(t, swept)
		require.Equal(t, []stage{done, done, done}, stagesOf(t, dir, n))
		require.Empty(t, temporary(t, dir))
	}
}

// Inspect reads no further value after the end of its context.
func TestInspectEndsWithItsContext(t *testing.T) {
	dir, last := batchPlace(t, 5, true), 0
	ctx, end := context.WithCancel(t.Context())
	found, err := New(dir).Inspect(driver.WithProgress(ctx, func(done int) {
		if last = done; done == 2 {
			end()
		}
	}), namesOf(batchItems(5, 1)))
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, found)
	require.Equal(t, 2, last)
}
