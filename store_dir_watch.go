package secret

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

const (
	// pollEvery is the period of the looks while a change is under way, and in a
	// test with a clock of its own.
	pollEvery = 20 * time.Millisecond
	// folderEvery is the period in which Watch looks whether another folder is at
	// the path: a mount gives no event.
	folderEvery = 150 * time.Millisecond
	// settleFor is how long Watch waits after an event that does not end a change,
	// such as the first of several writes. It does not begin anew with each event.
	settleFor = 50 * time.Millisecond
	// lookEvery is the period of the slow pass, which finds changes without an event.
	lookEvery = time.Second
	// statAtLeast is the number of files whose metadata each slow pass compares
	// beside inotify. If there are more, each one's turn comes in slowPasses.
	statAtLeast = 256
	// slowPasses is the number of slow passes in which the content of each file is
	// compared once, although its metadata is as before.
	slowPasses = 60
	// coarseClock is the longest step of the clock that change times are taken
	// from. Two changes within one step may have one change time.
	coarseClock = 20 * time.Millisecond
	// restPerFile bounds the rest after a look in a storm.
	restPerFile = 200 * time.Microsecond
	// followFor is how long a reader may take to follow a hint. If the file changes
	// until then, the reader may get a content that a comparison does not see.
	followFor = time.Minute
)

// Watch implements [Watcher].
func (s dirStore) Watch(ctx context.Context, addrs []Address, changed func(Address)) error {
	w := newDirWatch(ctx, s, addrs)
	w.changed = changed
	defer func() { w.events.close() }()
	w.begin()
	for _, addr := range addrs {
		changed(addr)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		every, wake := w.period(), w.events.woken()
		// A storm of events does not keep a core busy. A look at few files took long
		// only because another process had the core.
		if rest := min(4*w.took, time.Duration(len(w.files))*restPerFile, lookEvery); rest > pollEvery {
			every, wake = rest, nil
		}
		timer.Reset(every)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wake:
		case <-timer.C:
		}
		w.look(time.Now())
	}
}

// dirWatch is one Watch of a directory.
type dirWatch struct {
	store   dirStore
	ctx     context.Context
	changed func(Address)
	files   []dirFile
	byName  map[string]int32 // index of files; never changes
	also    map[int32][]Address

	events   *dirEvents // nil: the system has none, or no more
	folder   stamp      // of the path, at the last look
	local    bool       // the folder is on a local file system that is known
	watching bool       // events of the folder come
	devices  map[uint64]bool
	remote   bool // a file may be on a file system that is not local, or not known

	later  map[int32]time.Time // files to compare after a pause
	linked time.Time           // when to compare all links; zero: not due
	relink bool                // the links must be read again
	took   time.Duration       // for the events of the last look

	next           time.Time // the next slow pass
	passes         int
	statAt, readAt int // where the next pass goes on

	root    *os.Root // open during a look
	rootErr error
	buf     []byte
}

func newDirWatch(ctx context.Context, s dirStore, addrs []Address) *dirWatch {
	w := &dirWatch{store: s, ctx: ctx, files: make([]dirFile, 0, len(addrs)), byName: make(map[string]int32, len(addrs)),
		also: map[int32][]Address{}, devices: map[uint64]bool{}, later: map[int32]time.Time{}}
	for _, addr := range addrs {
		full := addr.withDefault()
		if !validName(full.Namespace) || !validName(full.Name) {
			continue // Get always returns the same error
		}
		name := BindingOf(ctx, full)
		if i, ok := w.byName[name]; ok {
			w.also[i] = append(w.also[i], addr)
			continue
		}
		w.byName[name] = int32(len(w.files))
		w.files = append(w.files, dirFile{addr: addr, name: name, path: s.path + string(filepath.Separator) + name})
	}
	return w
}

// period returns the time until the next look if no event comes.
func (w *dirWatch) period() time.Duration {
	switch {
	case w.events == nil:
		return lookEvery
	case w.events.woken() == nil || len(w.later) > 0 || !w.linked.IsZero():
		return pollEvery
	case w.local:
		return folderEvery
	}
	return lookEvery
}

// begin records the first state of all files. A file that has not changed for a
// while is not read: its metadata is enough to detect the next change.
func (w *dirWatch) begin() {
	now := time.Now()
	w.next = now.Add(lookEvery)
	w.open(stampOf(w.store.path))
	defer w.closeRoot()
	for i := range w.files {
		if w.ctx.Err() != nil {
			return
		}
		f := &w.files[i]
		f.stamp, f.at = stampOf(f.path), time.Now().UnixNano()
		f.told = f.at
		if f.doubtful() || !w.isLocal(f) {
			f.state, f.known = w.read(f), true
		}
	}
	w.readLinks()
}

// look follows the events, and makes a slow pass if one is due.
func (w *dirWatch) look(now time.Time) {
	defer w.closeRoot()
	pass := !now.Before(w.next)
	if pass {
		w.next = now.Add(lookEvery)
	}
	news := w.events.take()
	// For a remote file system each stat may be a request.
	if pass || w.local || news.moved || news.lost {
		w.lookAtFolder(news.lost)
	}
	w.follow(now, news)
	w.took = time.Since(now)
	if pass {
		w.pass()
	}
	if w.relink {
		w.readLinks()
		w.compareLinks(false) // a change before their folders were watched has no event
	}
}

// lookAtFolder begins to watch another folder if one is at the path now, and
// the same one if that has failed: a folder that was deleted after its stamp was
// taken may be followed by one with the same inode.
func (w *dirWatch) lookAtFolder(lost bool) {
	s := stampOf(w.store.path)
	w.watching = w.watching && !lost
	if s.sameFile(w.folder) && !lost && (w.watching || s.fault != "" || !w.subscribe()) {
		return
	}
	moved, blind := !s.sameFile(w.folder), !w.watching
	w.open(s)
	if moved || blind && w.watching {
		w.compareAll()
	}
}

// subscribe reports whether events of the folder come.
func (w *dirWatch) subscribe() bool {
	if w.events == nil {
		w.events = subscribe(w.store.path, w.byName)
	}
	return w.events.watch(w.store.path)
}

// open begins to watch the folder that is at the path now.
func (w *dirWatch) open(s stamp) {
	w.closeRoot()
	w.folder, w.local = s, isLocalPath(w.store.path)
	w.forgetDevices()
	w.watching = w.subscribe()
	w.relink = w.events != nil
}

// follow compares the files that have events.
func (w *dirWatch) follow(now time.Time, news dirNews) {
	for i, ended := range news.files {
		if ended {
			delete(w.later, i)
			w.compareNow(i)
		} else if _, waits := w.later[i]; !waits {
			w.later[i] = now.Add(settleFor)
		}
	}
	switch {
	case news.links == changeEnded:
		w.linked = now
	case news.links == changeBegun && w.linked.IsZero():
		w.linked = now.Add(settleFor)
	}
	for i, at := range w.later {
		if !now.Before(at) {
			delete(w.later, i)
			w.compareNow(i)
		}
	}
	if news.all {
		w.linked, w.relink = time.Time{}, true
		w.compareAll()
	}
	if !w.linked.IsZero() && !now.Before(w.linked) {
		w.linked, w.relink = time.Time{}, true
		w.compareLinks(true)
	}
}

func (w *dirWatch) compareLinks(content bool) {
	for i := range w.files {
		if w.files[i].link {
			w.compare(i, content)
		}
	}
}

// compareNow compares a file that has an event. It may have become a link.
func (w *dirWatch) compareNow(i int32) {
	f := &w.files[i]
	w.compareFile(int(i), true, true)
	if f.link || isLink(f.path) {
		w.relink = true
	}
}

func (w *dirWatch) compareAll() {
	for i := range w.files {
		w.compare(i, false)
	}
}

// pass is the slow pass.
func (w *dirWatch) pass() {
	w.passes++
	if w.passes%slowPasses == 0 {
		w.forgetDevices()
	}
	all := len(w.files)
	stats, reads := all, (all+slowPasses-1)/slowPasses
	if w.watching {
		stats = min(all, max(statAtLeast, reads))
	}
	for range stats {
		w.compareInPass(w.statAt, false)
		w.statAt = (w.statAt + 1) % all
	}
	for range reads {
		w.compareInPass(w.readAt, true)
		w.readAt = (w.readAt + 1) % all
	}
	if w.remote {
		w.remote = false // isLocal finds out
		for i := range w.files {
			if !w.isLocal(&w.files[i]) {
				w.compare(i, true)
			}
		}
	}
}

// compareInPass compares a file on a local file system, unless it is being
// written: an event has come, and the comparison follows after a pause.
func (w *dirWatch) compareInPass(i int, content bool) {
	if _, waits := w.later[int32(i)]; !waits && w.isLocal(&w.files[i]) {
		w.compare(i, content)
	}
}

// compare calls changed if a file differs from the last comparison: in its
// metadata, and then in its content.
func (w *dirWatch) compare(i int, content bool) { w.compareFile(i, content, false) }

func (w *dirWatch) compareFile(i int, content, event bool) {
	if w.ctx.Err() != nil {
		return
	}
	f := &w.files[i]
	if content && !event && w.unchanged(f) {
		return
	}
	s := stampOf(f.path) // before the content: a change in between is found next time
	same := s.valid && s == f.stamp
	if same && (s.fault != "" || !content && !f.doubtful()) {
		return
	}
	at := time.Now().UnixNano()
	state := w.read(f)
	news := f.known && state != f.state
	if s.valid && (event || !same) {
		news = news || !f.known || at-f.told < int64(followFor)
	}
	if !same && (f.link || isLink(f.path)) {
		w.relink = true
	}
	f.stamp, f.at, f.state, f.known = s, at, state, true
	w.isLocal(f) // notes a remote file
	if !news {
		return
	}
	f.told = at
	w.changed(f.addr)
	for _, addr := range w.also[int32(i)] {
		w.changed(addr)
	}
}

// dirNews are the events of a folder since the last look.
type dirNews struct {
	files map[int32]bool // by index of the file; true: the change has ended
	links progress       // of names that links lead through
	all   bool           // any file may have changed
	lost  bool           // a watched folder is gone
	moved bool           // another folder may be at the path
}

// progress is how far a change is after an event.
type progress uint8

const (
	noChange progress = iota
	changeBegun
	changeEnded
)
