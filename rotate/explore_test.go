package rotate

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// scenario is where an exploration begins and how far it goes.
type scenario struct {
	name string
	setting
	begins, ticks, faults, switches int
	prepare                         func(*testing.T, *world, *port)
	most                            int // worlds
}

var beginning = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func specOf(secrets ...*secret.Secret) secret.Spec {
	return secret.NewApp(secret.AppOptions{}).Use(secrets...).Spec()
}

func newWorld(s *setting) *world {
	fixed := &state{Format: 1, ID: "explored", Gen: 1, FpKey: make([]byte, 32), ByKey: make([]byte, 32)}
	n := len(s.spec.Secrets)
	return &world{setting: s, at: beginning, ledger: hold(fixed), rev: 1, slots: make([]slot, n), views: make([]view, n)}
}

var (
	rotateCommand    = command{name: "rotate", op: "rotate", one: order{op: orderRotate}, always: true}
	nowCommand       = command{name: "rotate --now", op: "rotate", one: order{op: orderRotate, force: true}}
	immediateCommand = command{name: "rotate --immediate", op: "rotate", one: order{op: orderRotate, immediate: true}}
	applyCommand     = command{name: "apply", op: "apply", one: order{op: orderApply}}
	rollbackCommand  = command{name: "rollback", op: "rollback", one: order{op: orderRollback}}
	revokeCommand    = command{name: "revoke v1", op: "revoke", one: order{op: orderRevoke, version: "v1", immediate: true}}
	setCommand       = command{name: "set", op: "set", one: order{op: orderSet, value: "AAAAAAAAAAAAAAAAAAAAAA"}}
)

func randomKey(retain secret.Retention) secret.Spec {
	return specOf(secret.Random(secret.Options{Namespace: "auth", Name: "key", Bytes: 16,
		Rotation: &secret.Rotation{EveryDays: 7, Retain: retain}}))
}

// complete carries a command out, with no faults.
func (p *port) complete(w *world, who int, c command) error {
	if err := p.begin(w, who, c); err != nil {
		return err
	}
	return p.goToEnd(w, who)
}

type result struct {
	worlds int
	depth  int
	whole  bool // nothing was left out within the bounds
	broken *broken
}

// explore goes through everything that can come of a scenario, breadth first.
func explore(t *testing.T, s *scenario) result {
	t.Helper()
	const workers = 2
	w := newWorld(&s.setting)
	p := newPort(&s.setting)
	if s.prepare != nil {
		s.prepare(t, w, p)
	}
	w.begins, w.ticks, w.faults, w.switches, w.last = s.begins, s.ticks, s.faults, s.switches, nil
	w.runs = [2]*run{}
	seen := map[print]struct{}{new(printer).world(w): {}}
	frontier := []*world{w}
	var walkers [workers]*walker
	for i := range walkers {
		walkers[i] = newWalker(&s.setting)
	}
	res := result{worlds: 1, whole: true}
	type found struct {
		w *world
		p print
	}
	for ; len(frontier) > 0; res.depth++ {
		var parts [workers][]found
		var bad [workers]*broken
		var wait sync.WaitGroup
		for i := range workers {
			wait.Go(func() {
				k := walkers[i]
				half := frontier[len(frontier)*i/workers : len(frontier)*(i+1)/workers]
				for _, w := range half {
					k.next = k.next[:0]
					k.moves(w)
					if k.bad != nil {
						bad[i] = k.bad
						return
					}
					for _, n := range k.next {
						parts[i] = append(parts[i], found{n, k.printer.world(n)})
					}
				}
			})
		}
		wait.Wait()
		for _, b := range bad {
			if b != nil {
				res.broken = b
				return res
			}
		}
		frontier = frontier[:0:0]
		for _, part := range parts {
			for _, f := range part {
				if _, ok := seen[f.p]; ok {
					continue
				}
				if s.most > 0 && res.worlds >= s.most {
					res.whole = false
					return res
				}
				seen[f.p] = struct{}{}
				res.worlds++
				frontier = append(frontier, f.w)
			}
		}
	}
	return res
}

// The states that explorations begin from.

// due: created long ago, and to be rotated now.
func due(t *testing.T, w *world, p *port) {
	require.NoError(t, p.complete(w, 0, rotateCommand))
	s := w.spec.Secrets[0]
	w.at = nextRotation(s.Rotation, s.Address, w.at, w.at).Add(time.Minute)
}

// ready: announced a window ago.
func ready(t *testing.T, w *world, p *port) {
	due(t, w, p)
	require.NoError(t, p.complete(w, 0, rotateCommand))
	w.at = w.at.Add(w.window + time.Minute)
}

// flipped: in use, and the older version still accepted.
func flipped(t *testing.T, w *world, p *port) {
	ready(t, w, p)
	require.NoError(t, p.complete(w, 0, rotateCommand))
	require.Equal(t, "v2", w.ledger.state().Secrets[0].Current)
}

// expired: the older version may be pruned.
func expired(t *testing.T, w *world, p *port) {
	flipped(t, w, p)
	w.at = w.ledger.state().Secrets[0].Versions[0].ExpiresAt.Add(time.Minute)
}

func TestExplore(t *testing.T) {
	base := setting{window: day, margin: day, lag: day * 3 / 4, late: day - 3*time.Minute, skew: [2]time.Duration{30 * time.Second, -30 * time.Second},
		readerSkew: time.Minute, instants: 3, commands: []command{rotateCommand}}
	none := base
	none.spec = randomKey(secret.Retention{})
	total := 0
	same := none
	same.skew = [2]time.Duration{}
	var list []*scenario
	for _, b := range [][4]int{{4, 3, 1, 1}} {
		for _, r := range []struct {
			name string
			f    func(*testing.T, *world, *port)
		}{{"empty", nil}, {"due", due}, {"ready", ready}, {"flipped", flipped}, {"expired", expired}} {
			list = append(list, &scenario{name: fmt.Sprint("skewed/", r.name, b), setting: none, begins: b[0], ticks: b[1], faults: b[2], switches: b[3], prepare: r.f})
			list = append(list, &scenario{name: fmt.Sprint("same/", r.name, b), setting: same, begins: b[0], ticks: b[1], faults: b[2], switches: b[3], prepare: r.f})
		}
	}
	for _, s := range list {
		t.Run(s.name, func(t *testing.T) {
			s.most = 100000
			start := time.Now()
			r := explore(t, s)
			total += r.worlds
			t.Logf("%-30s %d worlds, depth %d, whole %v, %s", s.name, r.worlds, r.depth, r.whole, time.Since(start).Round(time.Millisecond))
			if r.broken != nil {
				t.Fatalf("%v\nafter\n%s", r.broken.err, r.broken.w.last)
			}
		})
	}
	fmt.Printf("explored %d interleavings\n", total)
}
