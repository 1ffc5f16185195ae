package rotate

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// scenario is the start of an exploration and its bounds.
type scenario struct {
	name string
	setting
	begins, ticks, faults, switches int
	prepare                         func(*testing.T, *world, *port)
	edits                           int
	most                            int // worlds
}

var beginning = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func specOf(secrets ...*secret.Secret) secret.Spec {
	return secret.NewApp(secret.AppOptions{}).Use(secrets...).Spec()
}

func newWorld(s *setting) *world {
	fixed := &state{Format: 1, ID: "explored", Gen: 1, FpKey: make([]byte, 32), ByKey: make([]byte, 32)}
	n := len(s.spec.Secrets)
	return &world{setting: s, at: beginning, ledger: wrapState(fixed), rev: 1, slots: make([]slot, n),
		views: make([]view, n)}
}

var (
	rotateCommand    = command{name: "rotate", op: "rotate", one: order{op: orderRotate}, always: true}
	nowCommand       = command{name: "rotate --now", op: "rotate", one: order{op: orderRotate, force: true}}
	immediateCommand = command{name: "rotate --immediate", op: "rotate", one: order{op: orderRotate, immediate: true}}
	rollbackCommand  = command{name: "rollback", op: "rollback", one: order{op: orderRollback}}
	revokeCommand    = command{name: "revoke v1", op: "revoke",
		one: order{op: orderRevoke, version: "v1", immediate: true}}
)

func setCommand(value string) command {
	return command{name: "set", op: "set", one: order{op: orderSet, value: value}}
}

func randomKey(retain secret.Retention) secret.Spec {
	return specOf(secret.Random(secret.Options{Namespace: "auth", Name: "key", Bytes: 16,
		Rotation: &secret.Rotation{EveryDays: 7, Retain: retain}}))
}

// complete runs a command without faults.
func (p *port) complete(w *world, who int, c command) error {
	if err := p.begin(w, who, c); err != nil {
		return err
	}
	return p.goToEnd(w, who)
}

type result struct {
	worlds int
	depth  int
	whole  bool // nothing was omitted within the bounds
	broken *broken
}

// explore visits every world that a scenario can reach, breadth first.
func explore(t *testing.T, s *scenario) result {
	t.Helper()
	const workers = 2
	w := newWorld(&s.setting)
	sound := s.setting
	sound.mutant = nil
	w.setting = &sound
	p := newPort(&sound)
	if s.prepare != nil {
		s.prepare(t, w, p)
	}
	w.setting = &s.setting
	w.begins, w.ticks, w.faults, w.switches, w.last = s.begins, s.ticks, s.faults, s.switches, nil
	w.runs, w.edits, w.agreed = [2]*run{}, s.edits, false
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

// The initial states of the explorations.

// due: created long ago, and due now.
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

// flipped: the new version is current, and the older one is still accepted.
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

func staticKey(retain secret.Retention) secret.Spec {
	return specOf(secret.Static(secret.Options{Namespace: "mail", Name: "password",
		Rotation: &secret.Rotation{EveryDays: 7, Retain: retain}}))
}

func generatedKey() secret.Spec {
	return specOf(secret.Generated(secret.Options{Namespace: "r2", Name: "token", Generator: "fake",
		Rotation: &secret.Rotation{EveryDays: 7}}))
}

// loginKey is like generatedKey, with a generator that tests its values.
func loginKey() secret.Spec {
	return specOf(secret.Generated(secret.Options{Namespace: "r2", Name: "token", Generator: "logins",
		Params: map[string]string{"bucket": "media"}, Rotation: &secret.Rotation{EveryDays: 7}}))
}

// times returns a setting with this window and margin. Readers are three
// quarters of the window behind, as rotation.md requires. The margin covers the
// clocks, a run that is delayed between ledger and store, and late requests.
func times(window, margin, skew time.Duration) setting {
	return setting{window: window, margin: margin, lag: window * 3 / 4,
		late: margin - 2*skew - 2*policy{margin: margin}.prompt(),
		skew: [2]time.Duration{skew / 2, -skew / 2}, readerSkew: skew, instants: 3, commands: []command{rotateCommand}}
}

func (s setting) of(spec secret.Spec, commands ...command) setting {
	s.spec = spec
	s.commands = append(commands, rotateCommand)
	return s
}

// stated: set, and set again, so that v2 is current.
func stated(t *testing.T, w *world, p *port) {
	require.NoError(t, p.complete(w, 0, setCommand("first")))
	w.at = w.at.Add(day)
	require.NoError(t, p.complete(w, 0, setCommand("second")))
	require.Equal(t, "v2", w.ledger.state().Secrets[0].Current)
}

// by returns the command with another variant.
func (c command) by(variant int) command {
	c.name, c.as = fmt.Sprintf("%s, variant %d", c.name, variant), variant
	return c
}

// bareKey is staticKey without its Rotation: its text is the bare value.
func bareKey() secret.Spec {
	return specOf(secret.Static(secret.Options{Namespace: "mail", Name: "password"}))
}

// forms returns a setting in which two declarations of a static secret take
// turns: spec, and as variants the other one, without and with consent.
func (s setting) forms(spec, other secret.Spec, commands ...command) setting {
	s = s.of(spec, commands...)
	s.variants = []variant{{other, false}, {other, true}, {spec, true}}
	return s
}

// statedBy: stated, under the first variant.
func statedBy(t *testing.T, w *world, p *port) {
	require.NoError(t, p.complete(w, 0, setCommand("first").by(1)))
	w.at = w.at.Add(day)
	require.NoError(t, p.complete(w, 0, setCommand("second").by(1)))
	require.Equal(t, "v2", w.ledger.state().Secrets[0].Current)
}

// turned: a document, then a bare value by consent, in the first variant.
func turned(t *testing.T, w *world, p *port) {
	stated(t, w, p)
	require.NoError(t, p.complete(w, 0, rotateCommand.by(2)))
	require.True(t, w.ledger.state().Secrets[0].Bare)
}

func scenarios() []*scenario {
	usual, same := times(day, day, time.Minute), times(day, day, 0)
	short, long := times(6*time.Hour, day, time.Minute), times(48*time.Hour, day, time.Minute)
	tiny := times(8*time.Minute, 8*time.Minute, 0)
	none, month := randomKey(secret.Retention{}), randomKey(secret.Retention{Mode: secret.RetainFor, Days: 30})
	forever := randomKey(secret.Retention{Mode: secret.RetainForever})
	static := staticKey(secret.Retention{})
	var list []*scenario
	add := func(name string, s setting, prepare func(*testing.T, *world, *port), begins, ticks, faults, switches int) {
		list = append(list, &scenario{name, s, begins, ticks, faults, switches, prepare, 0, 0})
	}
	for _, root := range []struct {
		name    string
		prepare func(*testing.T, *world, *port)
	}{{"empty", nil}, {"due", due}, {"ready", ready}, {"flipped", flipped}, {"expired", expired}} {
		add("clocks/"+root.name, usual.of(none), root.prepare, 3, 3, 1, 0)
		add("held/"+root.name, usual.of(none), root.prepare, 3, 2, 0, 2)
		add("faults/"+root.name, same.of(none), root.prepare, 3, 3, 2, 0)
		add("both/"+root.name, same.of(none), root.prepare, 3, 2, 1, 1)
		add("month/"+root.name, same.of(month), root.prepare, 3, 3, 1, 0)
		add("forever/"+root.name, same.of(forever), root.prepare, 3, 3, 1, 0)
		add("short/"+root.name, short.of(none), root.prepare, 3, 3, 1, 0)
		add("long/"+root.name, long.of(none), root.prepare, 3, 3, 1, 0)
		add("tiny/"+root.name, tiny.of(none), root.prepare, 3, 3, 2, 0)
		add("generated/"+root.name, same.of(generatedKey()), root.prepare, 3, 2, 1, 0)
		add("generated, held/"+root.name, same.of(generatedKey()), root.prepare, 3, 2, 0, 2)
		add("tested/"+root.name, same.of(loginKey()), root.prepare, 3, 2, 1, 0)
		add("tested, held/"+root.name, same.of(loginKey()), root.prepare, 3, 2, 0, 2)
		add("now/"+root.name, same.of(none, nowCommand), root.prepare, 3, 2, 1, 0)
		if root.prepare != nil {
			add("immediate/"+root.name, same.of(none, immediateCommand), root.prepare, 3, 2, 1, 0)
			add("rollback/"+root.name, same.of(none, rollbackCommand), root.prepare, 3, 2, 1, 0)
			add("revoke/"+root.name, same.of(none, revokeCommand), root.prepare, 3, 2, 1, 0)
			add("tested, revoke/"+root.name, same.of(loginKey(), revokeCommand, rollbackCommand), root.prepare, 2, 2, 1, 0)
			add("generated, revoke/"+root.name, same.of(generatedKey(), revokeCommand), root.prepare, 2, 2, 1, 0)
		}
	}
	add("tested, faults/due", same.of(loginKey()), due, 3, 2, 2, 0)
	add("static/empty", same.of(static, setCommand("one")), nil, 3, 2, 1, 1)
	add("static/set", same.of(static, setCommand("one"), rollbackCommand), stated, 3, 2, 1, 0)
	add("static/revoke", same.of(static, setCommand("one"), revokeCommand), stated, 3, 2, 1, 0)
	bare := bareKey()
	once := func(c command) command { c.always = false; return c }
	turns := []command{setCommand("one"), setCommand("two").by(1), once(rotateCommand).by(1), once(rotateCommand).by(2)}
	add("bare, then a document/empty", same.forms(static, bare, turns...), nil, 4, 2, 1, 0)
	add("bare, then a document/set", same.forms(static, bare, turns...), statedBy, 3, 2, 1, 0)
	add("bare, then a document, held/set", same.forms(static, bare, turns...), statedBy, 3, 1, 0, 2)
	add("bare, then a document/turned", same.forms(static, bare, append(turns, rollbackCommand)...), turned, 3, 2, 1, 0)
	add("a document, then bare/empty", same.forms(bare, static, turns...), nil, 4, 2, 1, 0)
	add("a document, then bare/set", same.forms(bare, static, append(turns, once(rotateCommand).by(3))...), statedBy,
		3, 2, 1, 0)
	add("a document, then bare, held/set", same.forms(bare, static, append(turns, once(rotateCommand).by(3))...),
		statedBy, 3, 1, 0, 2)
	for _, root := range []struct {
		name    string
		prepare func(*testing.T, *world, *port)
	}{{"due", due}, {"ready", ready}, {"flipped", flipped}} {
		add("edited/"+root.name, same.of(none), root.prepare, 3, 2, 0, 0)
		list[len(list)-1].edits = 1
	}
	add("bound", same.of(none), bound, 2, 1, 0, 0)
	return list
}

// bound: the store has a value that layer did not send, and the ledger has
// none.
func bound(_ *testing.T, w *world, _ *port) {
	w.slots[0], w.edited = slot{true, "by hand", "", 1}, true
}

// most returns the number of worlds to explore in each scenario. The default
// run makes the first steps of each.
func most() int {
	switch {
	case !slow.All():
		return 500
	case slow.Raced:
		return 2000
	}
	return 400_000
}

func TestEveryInterleavingIsSafe(t *testing.T) {
	// The collector counts this memory, which is never touched, as in use, so it
	// runs rarely while the worlds are few: a fifth of the CPU time.
	ballast := make([]byte, 256<<20)
	defer runtime.KeepAlive(ballast)
	defer debug.SetGCPercent(debug.SetGCPercent(300))
	total := 0
	for _, s := range scenarios() {
		s.most = most()
		t.Run(s.name, func(t *testing.T) {
			start := time.Now()
			r := explore(t, s)
			total += r.worlds
			bound := "all"
			if !r.whole {
				bound = "the first"
			}
			t.Logf("%s: %s %d worlds, %d moves deep, %s", s.name, bound, r.worlds, r.depth,
				time.Since(start).Round(time.Millisecond))
			if r.broken != nil {
				t.Fatalf("%v\nafter\n%s", r.broken.err, r.broken.w.last)
			}
		})
	}
	fmt.Printf("explored %d interleavings\n", total)
	if slow.All() && !slow.Raced && !t.Failed() {
		require.Greater(t, total, 100_000)
	}
}
