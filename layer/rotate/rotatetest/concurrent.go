package rotatetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/layeron-hq/secret/layer/rotate"
)

const writers = 8

func checkCreation(ctx context.Context, s subject) error {
	type outcome struct {
		st  rotate.State
		rev rotate.Revision
		err error
	}
	outcomes := make([]outcome, writers)
	together(writers, func(i int) {
		o := &outcomes[i]
		o.st, o.rev, o.err = rotate.Commit(ctx, s.open(), "", step(s.fresh(), strconv.Itoa(i)))
	})
	won := -1
	for i, o := range outcomes {
		switch {
		case o.err == nil && won >= 0:
			return errors.New("two concurrent creations both returned no error")
		case o.err == nil:
			won = i
		case !errors.Is(o.err, rotate.ErrConflict):
			return fmt.Errorf("a concurrent creation fails with an error other than %q: %w", rotate.ErrConflict, o.err)
		}
	}
	if won < 0 {
		return errors.New("none of the concurrent creations succeeded")
	}
	return holds(ctx, s.open(), outcomes[won].st, outcomes[won].rev)
}

// together calls do n times, concurrently.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	all.Wait()
}

func checkConcurrent(ctx context.Context, s subject) error {
	const each = 10
	first, _, _, err := s.begin(ctx)
	if err != nil {
		return err
	}
	problems := make([]error, writers+1)
	writing, stop := context.WithCancel(ctx)
	var reader sync.WaitGroup
	reader.Go(func() { problems[writers] = neverBack(ctx, writing, s.open()) })
	together(writers, func(i int) {
		l := s.open()
		for n := range each {
			if err := change(ctx, l, fmt.Sprintf("%d/%d", i, n)); err != nil {
				problems[i] = err
				return
			}
		}
	})
	stop()
	reader.Wait()
	if err := errors.Join(problems...); err != nil {
		return err
	}
	st, _, err := first.Load(ctx)
	if err != nil {
		return err
	}
	times := map[string]int{}
	for _, e := range st.Log() {
		times[e.By]++
	}
	for i := range writers {
		for n := range each {
			if by := fmt.Sprintf("%d/%d", i, n); times[by] != 1 {
				return fmt.Errorf("change %s was acknowledged, but is stored %d times", by, times[by])
			}
		}
	}
	if want := uint64(writers*each + 1); st.Generation() != want {
		return fmt.Errorf("after %d changes the generation is %d", want, st.Generation())
	}
	return nil
}

// change repeats a change until it is stored, as a run does.
func change(ctx context.Context, l rotate.Ledger, by string) error {
	for {
		st, rev, err := l.Load(ctx)
		if err != nil {
			return fmt.Errorf("load during concurrent changes: %w", err)
		}
		_, _, err = rotate.Commit(ctx, l, rev, step(st, by))
		if err == nil || errors.Is(err, rotate.ErrSuperseded) {
			return nil
		}
		if !errors.Is(err, rotate.ErrConflict) {
			return fmt.Errorf("change during concurrent changes: %w", err)
		}
	}
}

func neverBack(ctx, writing context.Context, l rotate.Ledger) error {
	last := uint64(0)
	for writing.Err() == nil {
		st, _, err := l.Load(ctx)
		if err != nil {
			return fmt.Errorf("load during concurrent changes: %w", err)
		}
		if st.Generation() < last {
			return fmt.Errorf("load returns generation %d after generation %d", st.Generation(), last)
		}
		last = st.Generation()
	}
	return nil
}

// short is the limit of a wait that must fail.
const short = 50 * time.Millisecond

func checkLock(ctx context.Context, s subject) error {
	l, st, rev, err := s.begin(ctx)
	if err != nil {
		return err
	}
	first, is := l.(rotate.Locker)
	if !is {
		return nil
	}
	second := s.open().(rotate.Locker)
	inVain := func(who string, l rotate.Locker) error {
		brief, cancel := context.WithTimeout(ctx, short)
		defer cancel()
		unlock, err := l.Lock(brief)
		if err == nil {
			return fmt.Errorf("%s got the lock although it was held: %w", who, unlock())
		}
		return mustBe("waiting for the lock", err, context.DeadlineExceeded)
	}
	unlock, err := first.Lock(ctx)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := errors.Join(inVain("another handle", second), inVain("the same handle", first)); err != nil {
		return err
	}
	if st, rev, err = rotate.Commit(ctx, l, rev, step(st, "holder")); err != nil {
		return fmt.Errorf("a change by the holder of the lock: %w", err)
	}
	if err := holds(ctx, s.open(), st, rev); err != nil {
		return fmt.Errorf("while the lock is held: %w", err)
	}
	if err := unlock(); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	again, err := second.Lock(ctx)
	if err != nil {
		return fmt.Errorf("lock after it was released: %w", err)
	}
	_ = unlock() // a second call must not release another holder's lock
	if err := errors.Join(inVain("a third handle", s.open().(rotate.Locker)), again()); err != nil {
		return err
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if unlock, err := first.Lock(over); err == nil {
		return fmt.Errorf("lock after its context has ended succeeds: %w", unlock())
	}
	_, _, err = rotate.Commit(ctx, l, rev, step(st, "after"))
	return err
}
