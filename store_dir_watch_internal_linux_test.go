package secret

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// IsLocalPath is for the tests of package secret_test.
var IsLocalPath = isLocalPath

// Instances returns the number of inotify instances of this process.
func Instances(t *testing.T) (n int) {
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, file := range files {
		if target, _ := os.Readlink("/proc/self/fd/" + file.Name()); target == "anon_inode:inotify" {
			n++
		}
	}
	return n
}

// LocalDir returns a folder on a file system of which every change is reported.
func LocalDir(t testing.TB) string {
	dir := t.TempDir()
	if isLocalPath(dir) {
		return dir
	}
	dir, err := os.MkdirTemp("/dev/shm", "secret")
	if err != nil || !isLocalPath(dir) {
		slow.Lacks(t, "no folder on a local file system here: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Only the files of secrets, and the names that their links lead through, are
// looked at after an event.
func TestEventsOfOtherFilesAreIgnored(t *testing.T) {
	type news struct {
		files map[int32]bool
		links progress
		all   bool
	}
	var none map[int32]bool
	begun, ended := map[int32]bool{0: false}, map[int32]bool{0: true}
	for name, tc := range map[string]struct {
		events []any // masks and names in turn
		want   news
	}{
		"a temporary file": {[]any{syscall.IN_CREATE, "A.tmp", syscall.IN_MODIFY, "A.tmp", syscall.IN_CLOSE_WRITE, "A.tmp",
			syscall.IN_MOVED_FROM, "A.tmp"}, news{files: none}},
		"a note beside the file": {[]any{syscall.IN_MOVED_TO, "A.note"}, news{files: none}},
		"the next link of a mount": {[]any{syscall.IN_CREATE, "..data_tmp", syscall.IN_MOVED_FROM, "..data_tmp"},
			news{files: none}},
		"the swap of a mount":     {[]any{syscall.IN_MOVED_TO, "..data"}, news{files: none, links: changeEnded}},
		"a link is made":          {[]any{syscall.IN_CREATE, "..data"}, news{files: none, links: changeBegun}},
		"renamed":                 {[]any{syscall.IN_MOVED_TO, "A"}, news{files: ended}},
		"written":                 {[]any{syscall.IN_MODIFY, "A", syscall.IN_CLOSE_WRITE, "A"}, news{files: ended}},
		"being written":           {[]any{syscall.IN_MODIFY, "A"}, news{files: begun}},
		"created":                 {[]any{syscall.IN_CREATE, "A"}, news{files: begun}},
		"written, and once again": {[]any{syscall.IN_CLOSE_WRITE, "A", syscall.IN_MODIFY, "A"}, news{files: begun}},
		"renamed, then chmod":     {[]any{syscall.IN_MOVED_TO, "A", syscall.IN_ATTRIB, "A"}, news{files: ended}},
		"chmod":                   {[]any{syscall.IN_ATTRIB, "A"}, news{files: begun}},
		"deleted":                 {[]any{syscall.IN_DELETE, "A"}, news{files: begun}},
		"chmod of the folder":     {[]any{syscall.IN_ATTRIB | syscall.IN_ISDIR, ""}, news{files: none, all: true}},
		"the folder is renamed":   {[]any{syscall.IN_MOVE_SELF, ""}, news{files: none, all: true}},
	} {
		t.Run(name, func(t *testing.T) {
			e := &dirEvents{files: map[string]int32{"A": 0}, links: map[string]bool{"..data": true}}
			for i := 0; i < len(tc.events); i += 2 {
				e.note(uint32(tc.events[i].(int)), []byte(tc.events[i+1].(string)))
			}
			require.Equal(t, tc.want, news{e.news.files, e.news.links, e.news.all})
		})
	}
}

// dirOf returns a Watch of n files, and the addresses that it reports.
func dirOf(t testing.TB, dir string, n int) (w *dirWatch, changed *[]Address) {
	var addrs []Address
	for i := range n {
		addrs = append(addrs, Address{Namespace: "app", Name: fmt.Sprintf("n%d", i)})
		require.NoError(t, os.WriteFile(filepath.Join(dir, addrs[i].Binding()), []byte("first"), 0o600))
	}
	w = newDirWatch(t.Context(), dirStore{dir}, addrs)
	t.Cleanup(func() { w.events.close() })
	changed = new([]Address)
	w.changed = func(addr Address) { *changed = append(*changed, addr) }
	return w, changed
}

// age lets a file and its comparison be from a time in which the clock stepped
// many times in between.
func (f *dirFile) age() { f.at = f.stamp.changeTime + int64(time.Minute) }

// A change that leaves inode, size and change time as they are is found by the
// content: soon if the clock may not have stepped on, else within a minute.
func TestSameMetadataIsNotTrustedAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		old  bool
		look func(*dirWatch)
		want int
	}{
		"changed a moment ago":          {false, func(w *dirWatch) { w.compareInPass(0, false) }, 1},
		"metadata from long ago":        {true, func(w *dirWatch) { w.compareInPass(0, false) }, 0},
		"the content, once a minute":    {true, func(w *dirWatch) { w.compareInPass(0, true) }, 1},
		"a pass":                        {true, func(w *dirWatch) { w.pass() }, 1},
		"of an unknown file system":     {true, func(w *dirWatch) { w.local = false; w.pass() }, 1},
		"and its metadata is not asked": {true, func(w *dirWatch) { w.local = false; w.compareInPass(0, true) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w, changed := dirOf(t, LocalDir(t), 1)
			w.begin()
			w.compare(0, true)
			f := &w.files[0]
			require.NoError(t, os.WriteFile(f.path, []byte("other"), 0o600))
			f.stamp = stampOf(f.path)
			f.at = f.stamp.changeTime + int64(coarseClock)/2
			if tc.old {
				f.age()
			}
			tc.look(w)
			w.closeRoot()
			require.Len(t, *changed, tc.want)
			tc.look(w)
			w.closeRoot()
			require.Len(t, *changed, tc.want, "it is reported once")
		})
	}
}

// A file that is, or comes, outside the local file systems that are known is
// read each second. A pass over local files alone does not look for such files.
func TestRemoteFilesAreReadEachSecond(t *testing.T) {
	w, changed := dirOf(t, LocalDir(t), 1)
	w.begin()
	f := &w.files[0]
	write := func(text string) {
		require.NoError(t, os.WriteFile(f.path, []byte(text), 0o600))
	}
	w.pass()
	require.False(t, w.remote)

	const mounted = 1 // a device number
	w.devices[f.stamp.device] = false
	w.folder.device = mounted
	write("mounted over the file, longer")
	w.compare(0, false)
	w.later[0] = time.Time{} // a local file would wait for its event
	finds := func(text string) {
		before := len(*changed)
		write(text)
		f.stamp = stampOf(f.path)
		f.age()
		w.pass()
		w.closeRoot()
		require.Len(t, *changed, before+1, text)
	}
	finds("pass 1")
	finds("pass 2")

	w.forgetDevices()
	w.pass()
	require.False(t, w.remote, "it is local again")
	w.folder.device, w.local = f.stamp.device, false // as open finds out
	w.forgetDevices()
	finds("of another folder")
}

// A file that does not fit into the buffer is not read into it, also where its
// size is more than an int holds.
func TestContentThatDoesNotFit(t *testing.T) {
	path := filepath.Join(LocalDir(t), "file")
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	for _, tc := range []struct {
		size int64
		fits bool
	}{{7, true}, {16, true}, {17, false}, {3 << 30, false}} {
		require.NoError(t, os.Truncate(path, tc.size))
		content, ok := contentOf(path, stampOf(path), make([]byte, 16))
		require.Equal(t, tc.fits, ok, tc.size)
		want := 0
		if tc.fits {
			want = int(tc.size)
		}
		require.Equal(t, want, len(content), tc.size)
	}
}

// A reader follows a hint some time later. It may then read a state that has
// gone again before the Watch looks, so the next event is a hint even if the
// content is as before.
func TestSameContentAgainIsAHint(t *testing.T) {
	w, changed := dirOf(t, LocalDir(t), 1)
	w.begin()
	w.compareNow(0)
	f := &w.files[0]
	replace := func() {
		require.NoError(t, os.WriteFile(f.path+".new", []byte("other"), 0o600))
		require.NoError(t, os.Rename(f.path+".new", f.path))
	}
	hints := func(look func()) (n int) {
		before := len(*changed)
		look()
		w.closeRoot()
		return len(*changed) - before
	}
	replace()
	require.Equal(t, 1, hints(func() { w.compareNow(0) }))
	replace()
	require.Equal(t, 1, hints(func() { w.compare(0, false) }), "another file")
	require.Equal(t, 1, hints(func() { w.compareNow(0) }), "an event, and the clock may not have stepped on")
	require.Zero(t, hints(func() { w.compare(0, true) }), "no event")
	f.told -= int64(time.Minute)
	replace()
	require.Zero(t, hints(func() { w.compareNow(0) }), "the reader has followed the last hint")
}

// A folder that links lead into is watched only after they were compared.
func TestFilesBehindANewLinkAreComparedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // without a goroutine that waits for events
		dir := LocalDir(t)
		w, changed := dirOf(t, dir, 2)
		f := &w.files[0]
		publish := func(dated string) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, dated), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, dated, f.name), []byte(dated), 0o600))
			require.NoError(t, os.Symlink(dated, filepath.Join(dir, "..new")))
			require.NoError(t, os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
		}
		publish("first")
		require.NoError(t, os.Remove(f.path))
		require.NoError(t, os.Symlink("..data/"+f.name, f.path))
		w.begin()
		publish("other")
		w.follow(time.Now(), w.events.take())
		require.Equal(t, []Address{f.addr}, *changed)
		write := func(text string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "other", f.name), []byte(text), 0o600))
		}
		write("by no event")
		w.look(time.Now())
		require.Equal(t, []Address{f.addr, f.addr}, *changed)
		write("by an event")
		w.look(time.Now())
		require.Equal(t, []Address{f.addr, f.addr, f.addr}, *changed)
	})
}

// A folder may be deleted while the Watch begins, and its successor may get its
// inode.
func TestFolderThatCouldNotBeWatchedIsTriedAtEachLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // without a goroutine that waits for events
		dir := LocalDir(t)
		w, changed := dirOf(t, dir, 1)
		f := &w.files[0]
		old := stampOf(dir)
		require.NoError(t, os.RemoveAll(dir))
		w.open(old)
		require.False(t, w.watching)
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.WriteFile(f.path, []byte("other"), 0o600))
		w.folder, w.next = stampOf(dir), time.Now().Add(lookEvery)
		w.look(time.Now())
		require.True(t, w.watching)
		require.Equal(t, []Address{f.addr}, *changed)
	})
}

// Each file has its turn, however many there are.
func TestEveryFileHasItsTurn(t *testing.T) {
	const n = 3 * statAtLeast
	w, changed := dirOf(t, LocalDir(t), n)
	w.begin()
	w.watching = true // but no event comes
	for i := range w.files {
		w.files[i].age()
		require.NoError(t, os.WriteFile(w.files[i].path, []byte("second"), 0o600))
	}
	for pass := range slowPasses {
		w.pass()
		require.LessOrEqual(t, len(*changed), (pass+1)*(statAtLeast+(n+slowPasses-1)/slowPasses))
	}
	w.closeRoot()
	require.Len(t, *changed, n)
}

func TestPermissionsAreAChange(t *testing.T) {
	dir := LocalDir(t)
	w, changed := dirOf(t, dir, 1)
	w.begin()
	require.NoError(t, os.Chmod(w.files[0].path, 0o644))
	w.compare(0, false)
	w.compare(0, false)
	w.closeRoot()
	require.LessOrEqual(t, len(*changed), 1, "the first comparison does not know the content")
	w.files[0].age()
	before := len(*changed)
	require.NoError(t, os.Remove(w.files[0].path))
	w.compare(0, false)
	require.Len(t, *changed, before+1)
	w.compare(0, true)
	require.Len(t, *changed, before+1, "a missing file is no news")
	w.closeRoot()
}

func TestLocalFileSystems(t *testing.T) {
	dir := LocalDir(t)
	for path, want := range map[string]bool{dir: true, filepath.Join(dir, "no", "such", "folder"): true,
		"/proc/self": false, "/sys": false, "": false} {
		if path != "" {
			require.Equal(t, want, isLocalPath(path), path)
		}
	}
}

// A Watch sleeps while nothing happens, and does not in a bubble.
func TestPeriodOfLooks(t *testing.T) {
	waiting := &dirEvents{wake: make(chan struct{}, 1)}
	for name, tc := range map[string]struct {
		w    dirWatch
		want time.Duration
	}{
		"no events":            {dirWatch{local: true}, lookEvery},
		"in a bubble":          {dirWatch{events: &dirEvents{}}, pollEvery},
		"local":                {dirWatch{events: waiting, local: true}, folderEvery},
		"not local":            {dirWatch{events: waiting}, lookEvery},
		"a file is written":    {dirWatch{events: waiting, later: map[int32]time.Time{0: time.Now()}}, pollEvery},
		"a link is being made": {dirWatch{events: waiting, linked: time.Now()}, pollEvery},
	} {
		require.Equal(t, tc.want, tc.w.period(), name)
	}
}

// inotifyOf returns an instance that watches a folder with a secret named A, and
// the events for it.
func inotifyOf(t *testing.T, dir string) (*inotify, *dirEvents) {
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	require.NoError(t, err)
	n := &inotify{fd: fd, folders: map[int32][]*dirEvents{}, buf: make([]byte, 4<<10), done: make(chan struct{}), users: 1}
	e := &dirEvents{in: n, files: map[string]int32{"A": 0}, wake: make(chan struct{}, 1)}
	require.True(t, e.watch(dir))
	t.Cleanup(func() { _ = syscall.Close(fd) })
	return n, e
}

// A storm of events wakes the process once for each read.
func TestEventsDoNotWakeDuringAPause(t *testing.T) {
	dir := LocalDir(t)
	n, _ := inotifyOf(t, dir)
	n.gate = gateOf(n.fd)
	require.NotNil(t, n.gate)
	defer n.gate.Close()
	write := func(text string) { require.NoError(t, os.WriteFile(filepath.Join(dir, "A"), []byte(text), 0o600)) }
	for range 3 {
		write("text")
		require.NoError(t, n.wait())
		write("other")
		var events [1]syscall.EpollEvent
		got, err := syscall.EpollWait(int(n.gate.Fd()), events[:], 0)
		require.NoError(t, err)
		require.Zero(t, got)
		require.NoError(t, n.wait(), "the events of the pause are not lost")
		n.read()
	}
}

// Events come also if the system has no descriptor left for the gate.
func TestEventsWithoutAGate(t *testing.T) {
	dir := LocalDir(t)
	n, e := inotifyOf(t, dir)
	go n.run()
	for range 3 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "A"), []byte("text"), 0o600))
		<-e.wake
		e.take()
	}
	instances.Lock()
	n.users = 0
	instances.Unlock()
	<-n.done
}

func TestReadingOfEventsRests(t *testing.T) {
	for _, tc := range []struct {
		took, want time.Duration
		failed     bool
	}{
		{0, readEvery, false},
		{3 * time.Millisecond, 12 * time.Millisecond, false},
		{time.Second, pollEvery, false}, // another process had the core
		{0, pollEvery, true},
	} {
		require.Equal(t, tc.want, restAfter(tc.took, tc.failed))
	}
}

// A bubble is one, and its clock does not matter.
func TestInBubble(t *testing.T) {
	real := time.Now()
	require.False(t, inBubble())
	synctest.Test(t, func(t *testing.T) {
		require.True(t, inBubble())
		time.Sleep(time.Until(real.Round(0))) // the clock of the bubble shows about the real time
		require.WithinDuration(t, real.Round(0), time.Now(), time.Minute)
		require.True(t, inBubble())
		within := make(chan bool)
		go func() { within <- inBubble() }()
		require.True(t, <-within)
		time.Sleep(200 * 365 * 24 * time.Hour)
		require.True(t, inBubble())
	})
	require.False(t, inBubble())
}

// TestIdleWatchCostsLittle compares a minute of a Watch of 10,000 files with
// reading each file once a second. The bound of 0.3 % of a core is 1.4 % of
// that; this bound leaves room for a loaded machine.
func TestIdleWatchCostsLittle(t *testing.T) {
	slow.Test(t)
	slow.Timed(t)
	w, changed := dirOf(t, LocalDir(t), 10_000)
	w.begin()
	require.True(t, w.watching)
	for i := range w.files {
		w.files[i].age() // as files that are older than a moment
	}
	const idleBound = 0.03
	best := 1.0
	for range 5 {
		reading := cpu(func() {
			for i := range w.files {
				_, _ = w.store.Get(context.Background(), w.files[i].addr)
			}
		})
		watching := cpu(func() { w.second() })
		if best = min(best, float64(watching)/float64(reading)); best < idleBound {
			break
		}
	}
	require.Empty(t, *changed)
	require.Less(t, best, idleBound)
}

// second makes the looks of a second.
func (w *dirWatch) second() {
	for range int(lookEvery / folderEvery) {
		w.look(w.next.Add(-folderEvery))
	}
	w.look(w.next)
}

// cpu returns the time of a core that f takes in this thread.
func cpu(f func()) time.Duration {
	var before, after syscall.Rusage
	_ = syscall.Getrusage(1, &before) // RUSAGE_THREAD
	f()
	_ = syscall.Getrusage(1, &after)
	return time.Duration(after.Utime.Nano()+after.Stime.Nano()) - time.Duration(before.Utime.Nano()+before.Stime.Nano())
}

func TestIdleLookAllocatesLittle(t *testing.T) {
	w, _ := dirOf(t, LocalDir(t), 100)
	w.begin()
	for i := range w.files {
		w.files[i].state, w.files[i].known = w.read(&w.files[i]), true
		w.files[i].age()
	}
	w.closeRoot()
	w.look(w.next)
	looks := func(next time.Duration) float64 {
		return testing.AllocsPerRun(100, func() {
			for i := range w.files {
				w.files[i].age() // the files of this test are new
			}
			w.look(w.next.Add(next))
		})
	}
	require.LessOrEqual(t, looks(-folderEvery), 1.0, "a look at the folder")
	require.LessOrEqual(t, looks(0), 120.0, "a pass: one for each file, and the content of two")
}

func BenchmarkDirWatch(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		w, _ := dirOf(b, LocalDir(b), n)
		w.begin()
		for i := range w.files {
			w.files[i].age()
		}
		b.Run(fmt.Sprintf("idle second/secrets=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.second()
			}
		})
		b.Run(fmt.Sprintf("reading all/secrets=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for i := range w.files {
					_, _ = w.store.Get(context.Background(), w.files[i].addr)
				}
			}
		})
	}
}
