package secret

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	// endEvents end a change: the file has its new content.
	endEvents = syscall.IN_CLOSE_WRITE | syscall.IN_MOVED_TO
	// beginEvents begin a change, which more events follow.
	beginEvents = syscall.IN_CREATE | syscall.IN_MODIFY
	// otherEvents change what a read returns without a new content.
	otherEvents = syscall.IN_DELETE | syscall.IN_MOVED_FROM | syscall.IN_ATTRIB
	// nameEvents are those of a parent folder that matter.
	nameEvents = syscall.IN_CREATE | syscall.IN_MOVED_TO | syscall.IN_ONLYDIR
	// folderEvents are about the watched folder itself.
	folderEvents = syscall.IN_DELETE_SELF | syscall.IN_MOVE_SELF | syscall.IN_UNMOUNT | syscall.IN_IGNORED

	wanted = endEvents | beginEvents | otherEvents | syscall.IN_DELETE_SELF | syscall.IN_MOVE_SELF |
		syscall.IN_ONLYDIR | syscall.IN_EXCL_UNLINK
)

// inotify is an inotify instance. The system allows a user only 128, so all
// Watches of the process share one. It is open while there is a Watch.
type inotify struct {
	fd      int
	gate    *os.File               // see run
	done    chan struct{}          // closed at the end of run; nil: each Watch reads the events from time to time
	users   int                    // zero: it is closed
	folders map[int32][]*dirEvents // by watch descriptor
	// Its size bounds the work of one read. If events come faster for long, the
	// queue of the system overflows, which costs a pass.
	buf []byte
}

// instances are the open ones. The lock guards them and all dirEvents.
//
// A goroutine that waits for events keeps the clock of a testing/synctest bubble
// from moving, so the Watches in bubbles have an instance without one. Outside,
// a timer for each Watch would cost more than all its other work: 0.7 % of a
// core for 20 ms, measured on two busy cores.
var instances struct {
	sync.Mutex
	waiting, polled *inotify
}

// dirEvents are the events for one Watch.
type dirEvents struct {
	in      *inotify
	wake    chan struct{}    // signals events; nil: take finds them
	files   map[string]int32 // by name; never changes
	base    string           // the name of the folder itself
	links   map[string]bool  // the names that links lead through
	own     int32            // watch descriptor of the folder of the secrets; 0: none
	folders []int32          // watch descriptors of all folders
	news    dirNews          // not taken yet
}

// inBubble reports whether the caller is in a testing/synctest bubble: the time
// there, and only there, has no monotonic part. TestInBubble fails if a release
// of Go changes that.
func inBubble() bool {
	now := time.Now()
	return now == now.Round(0)
}

// subscribe returns nil if the system has no instance left.
func subscribe(path string, files map[string]int32) *dirEvents {
	e := &dirEvents{files: files, base: filepath.Base(path)}
	at := &instances.polled
	if !inBubble() {
		at, e.wake = &instances.waiting, make(chan struct{}, 1)
	}
	instances.Lock()
	defer instances.Unlock()
	if *at == nil {
		fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
		if err != nil {
			return nil
		}
		n := &inotify{fd: fd, folders: map[int32][]*dirEvents{}, buf: make([]byte, 32<<10)}
		if e.wake != nil {
			n.gate, n.done = gateOf(fd), make(chan struct{})
			go n.run()
		}
		*at = n
	}
	e.in = *at
	e.in.users++
	return e
}

func (e *dirEvents) close() {
	if e == nil {
		return
	}
	n := e.in
	instances.Lock()
	n.keep(e, nil)
	n.users--
	last := n.users == 0
	switch {
	case !last:
	case n.done == nil:
		instances.polled = nil
	default:
		instances.waiting = nil
	}
	instances.Unlock()
	if !last {
		return
	}
	if n.done != nil {
		_ = n.gate.Close()
		<-n.done
	}
	_ = syscall.Close(n.fd)
}

// readEvery is the shortest time between two reads of events.
const readEvery = 5 * time.Millisecond

// run reads events and wakes their Watches, until the instance is closed. The
// scheduler of Go would wake up for each event of a descriptor that it waits
// for, also during the pause. So it waits for an epoll descriptor, the gate,
// which reports one event and then none until it is armed again.
func (n *inotify) run() {
	defer close(n.done)
	for {
		err := n.wait()
		began := time.Now()
		instances.Lock()
		closed := n.users == 0
		if !closed {
			n.read()
		}
		instances.Unlock()
		if closed {
			return
		}
		time.Sleep(restAfter(time.Since(began), err != nil))
	}
}

const armed = syscall.EPOLLIN | syscall.EPOLLONESHOT

// gateOf returns nil, which cannot wait, if the system has no descriptor left.
func gateOf(fd int) *os.File {
	gate, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err = syscall.SetNonblock(gate, true); err == nil { // the mark of a descriptor that the scheduler waits for
		err = syscall.EpollCtl(gate, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: armed})
	}
	if err != nil {
		_ = syscall.Close(gate)
		return nil
	}
	return os.NewFile(uintptr(gate), "inotify")
}

// wait returns nil when there are events. An error is that of a gate that is
// closed or cannot wait.
func (n *inotify) wait() error {
	conn, err := n.gate.SyscallConn()
	if err != nil {
		return err
	}
	err = conn.Control(func(gate uintptr) {
		_ = syscall.EpollCtl(int(gate), syscall.EPOLL_CTL_MOD, n.fd, &syscall.EpollEvent{Events: armed})
	})
	if err != nil {
		return err
	}
	var events [1]syscall.EpollEvent
	return conn.Read(func(gate uintptr) bool {
		got, _ := syscall.EpollWait(int(gate), events[:], 0)
		return got > 0
	})
}

// restAfter returns the pause after a read, so that reading takes at most a
// fifth of a core. Without a gate the events are read on a timer.
func restAfter(took time.Duration, failed bool) time.Duration {
	if failed {
		return pollEvery
	}
	return min(max(readEvery, 4*took), pollEvery)
}

// watch watches the folder of the secrets, and reports whether its events come.
func (e *dirEvents) watch(path string) (ok bool) {
	if e == nil {
		return false
	}
	instances.Lock()
	defer instances.Unlock()
	e.own, ok = e.in.add(e, path, wanted)
	return ok
}

// follow watches the parent folder and these, beside the folder of the secrets,
// and no others, and reports events of these names as events of links. The watch
// of the folder itself stays: it works on without a permission to begin one.
func (e *dirEvents) follow(links map[string]bool, parent string, paths []string) {
	if e == nil {
		return
	}
	instances.Lock()
	defer instances.Unlock()
	e.links = links
	now := []int32{e.own}
	add := func(path string, mask uint32) {
		if folder, ok := e.in.add(e, path, mask); ok {
			now = append(now, folder)
		}
	}
	add(parent, nameEvents)
	for _, path := range paths {
		add(path, wanted)
	}
	e.in.keep(e, now)
}

// add begins to watch a folder. The system returns the same descriptor for the
// same folder.
func (n *inotify) add(e *dirEvents, path string, mask uint32) (folder int32, ok bool) {
	mask |= syscall.IN_MASK_ADD // a folder may be the parent folder of another
	got, err := syscall.InotifyAddWatch(n.fd, path, mask)
	for err == syscall.EINTR {
		got, err = syscall.InotifyAddWatch(n.fd, path, mask)
	}
	if err != nil {
		return 0, false
	}
	folder = int32(got)
	if !slices.Contains(e.folders, folder) {
		e.folders = append(e.folders, folder)
		n.folders[folder] = append(n.folders[folder], e)
	}
	return folder, true
}

// keep stops watching all folders but these.
func (n *inotify) keep(e *dirEvents, now []int32) {
	e.folders = slices.DeleteFunc(e.folders, func(folder int32) bool {
		if slices.Contains(now, folder) {
			return false
		}
		others := slices.DeleteFunc(n.folders[folder], func(o *dirEvents) bool { return o == e })
		n.folders[folder] = others
		if len(others) == 0 {
			delete(n.folders, folder)
			_, _ = syscall.InotifyRmWatch(n.fd, uint32(folder))
		}
		return true
	})
}

// take returns the events since the last call.
func (e *dirEvents) take() dirNews {
	if e == nil {
		return dirNews{}
	}
	instances.Lock()
	defer instances.Unlock()
	if e.wake == nil {
		e.in.read()
	}
	news := e.news
	e.news = dirNews{}
	return news
}

// read reads events that have come, without waiting.
func (n *inotify) read() {
	if got, err := syscall.Read(n.fd, n.buf); err == nil { // EAGAIN: there is none
		n.handOutAll(n.buf[:got])
	}
}

// handOutAll hands events to their Watches, and wakes those.
func (n *inotify) handOutAll(buf []byte) {
	for len(buf) >= syscall.SizeofInotifyEvent {
		event := (*syscall.InotifyEvent)(unsafe.Pointer(&buf[0]))
		buf = buf[syscall.SizeofInotifyEvent:]
		name := buf[:event.Len]
		buf = buf[event.Len:]
		if end := slices.Index(name, 0); end >= 0 {
			name = name[:end]
		}
		n.handOut(event.Wd, event.Mask, name)
	}
	for _, all := range n.folders {
		for _, e := range all {
			if e.wake != nil && !e.news.none() {
				select {
				case e.wake <- struct{}{}:
				default:
				}
			}
		}
	}
}

func (n *inotify) handOut(folder int32, mask uint32, name []byte) {
	if mask&syscall.IN_Q_OVERFLOW != 0 {
		for _, all := range n.folders {
			for _, e := range all {
				e.news.all = true
			}
		}
		return
	}
	for _, e := range n.folders[folder] {
		e.note(mask, name)
	}
	if mask&syscall.IN_IGNORED != 0 { // the folder is gone
		for _, e := range n.folders[folder] {
			e.folders = slices.DeleteFunc(e.folders, func(f int32) bool { return f == folder })
		}
		delete(n.folders, folder)
	}
}

// note records an event. Files of other names cost nothing more.
func (e *dirEvents) note(mask uint32, name []byte) {
	switch {
	case mask&folderEvents != 0:
		e.news.all, e.news.lost = true, true
		return
	case len(name) == 0: // such as the permissions of the folder
		e.news.all = true
		return
	}
	if string(name) == e.base {
		e.news.moved = true
	}
	if e.links[string(name)] {
		if mask&endEvents != 0 {
			e.news.links = changeEnded
		} else {
			e.news.links = max(e.news.links, changeBegun)
		}
	}
	if i, ok := e.files[string(name)]; ok {
		if e.news.files == nil { // the Watch has taken the last ones
			e.news.files = map[int32]bool{}
		}
		switch ended, known := e.news.files[i]; {
		case mask&endEvents != 0:
			e.news.files[i] = true
		case mask&beginEvents != 0 || !known:
			e.news.files[i] = false
		default:
			e.news.files[i] = ended
		}
	}
}

func (n dirNews) none() bool {
	return len(n.files) == 0 && n.links == noChange && !n.all && !n.lost && !n.moved
}

// woken returns the channel that signals events. Nil: take finds them.
func (e *dirEvents) woken() <-chan struct{} {
	if e == nil {
		return nil
	}
	return e.wake
}
