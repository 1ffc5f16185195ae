package rotate

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/slow"
)

// mutant is the engine with one rule removed.
type mutant struct {
	name  string
	where string // the scenario that detects it
	judge func(verdict, sighting, *record) verdict
	amend func(*desk, secret.SpecSecret, *record, *decision)
	step  func(*run) // before each step
	first bool       // sends before it records
}

// becomes replaces one verdict with another.
func becomes(from, to verdict) func(verdict, sighting, *record) verdict {
	return func(v verdict, _ sighting, _ *record) verdict {
		if v == from {
			return to
		}
		return v
	}
}

// change lets a mutant change the record before the decision, and publish the
// result.
func change(f func(d *desk, old, next *record)) func(*desk, secret.SpecSecret, *record, *decision) {
	return func(d *desk, spec secret.SpecSecret, old *record, dec *decision) {
		if dec.next == nil {
			return
		}
		if old == nil {
			old = &record{}
		}
		next := dec.next.clone()
		f(d, old, next)
		dec.next = next
		if next.Intent == nil || !dec.send {
			return
		}
		in := *next.Intent
		next.Intent = &in
		if text, err := next.render(spec, d.policy.limit); err == nil && text != in.Text {
			in.Text, in.Note = text, d.state.newNote(next.Name, next.Gen, next.Current, text)
		}
	}
}

func mutants() []mutant {
	return []mutant{
		// The rows of the state table.
		{name: "intent, older in the target: settled", where: "faults/due", judge: becomes(verdictResend, verdictWaiting)},
		{name: "intent, too late: the same bytes", where: "faults/ready",
			judge: func(v verdict, s sighting, r *record) verdict {
				switch {
				case v == verdictFresh && s.Note == r.Intent.Note:
					return verdictConfirm
				case v == verdictFresh:
					return verdictResend
				}
				return v
			}},
		{name: "intent in the target: not confirmed", where: "faults/due", judge: becomes(verdictConfirm, verdictWaiting)},
		{name: "published, older in the target: settled", where: "faults/ready",
			judge: becomes(verdictRepair, verdictSettled)},
		{name: "published, older in the target: drifted", where: "faults/ready",
			judge: becomes(verdictRepair, verdictDrifted)},
		{name: "replaced for a while by a late request: drifted", where: "faults/due",
			judge: func(v verdict, s sighting, r *record) verdict {
				if v == verdictRepair && r.Published != nil && s.Note == r.Published.Note {
					return verdictDrifted
				}
				return v
			}},
		{name: "another writer's change: repaired", where: "edited/ready", judge: becomes(verdictDrifted, verdictRepair)},
		{name: "ahead: repaired", where: "edited/ready", judge: becomes(verdictAhead, verdictRepair)},
		{name: "another writer's value: nothing in the target", where: "bound", judge: becomes(verdictBound, verdictNothing)},
		{name: "missing: settled", where: "edited/ready", judge: becomes(verdictMissing, verdictSettled)},
		{name: "not readable yet: confirmed", where: "both/ready", judge: becomes(verdictWaiting, verdictConfirm)},

		// The two phases.
		{name: "current when it is announced", where: "faults/due", amend: change(func(_ *desk, _, next *record) {
			if next.Announced != "" && next.Intent != nil {
				next.Current = next.Announced
			}
		})},
		{name: "flip without a window", where: "faults/due", amend: change(func(d *desk, _, next *record) {
			if !next.Ready.IsZero() {
				next.Ready = d.policy.now
			}
		})},
		{name: "window from the announcement, not its confirmation", where: "faults/due",
			amend: change(func(d *desk, _, next *record) {
				if next.Announced != "" && !next.Ready.IsZero() {
					next.Ready = next.Rotated.Add(d.policy.window).UTC()
				}
			})},
		{name: "flip before late requests have arrived", where: "short/due", amend: change(func(d *desk, old, next *record) {
			if old.Ready.IsZero() && !next.Ready.IsZero() {
				next.Ready = d.policy.now.Add(d.policy.window).UTC()
			}
		})},
		{name: "no window in a life", where: "faults/ready", amend: change(func(d *desk, old, next *record) {
			for i := range next.Versions {
				v := &next.Versions[i]
				if was := old.version(v.ID); was != nil && v.ExpiresAt.After(was.ExpiresAt) ||
					was != nil && was.ExpiresAt.IsZero() && !v.ExpiresAt.IsZero() {
					v.ExpiresAt, v.Base = v.ExpiresAt.Add(-d.policy.window), v.Base.Add(-d.policy.window)
				}
			}
		})},
		{name: "no margin in a life", where: "short/ready", amend: change(func(d *desk, old, next *record) {
			for i := range next.Versions {
				v := &next.Versions[i]
				if was := old.version(v.ID); was != nil && v.ExpiresAt.After(was.ExpiresAt) ||
					was != nil && was.ExpiresAt.IsZero() && !v.ExpiresAt.IsZero() {
					v.ExpiresAt, v.Base = v.ExpiresAt.Add(-d.policy.margin), v.Base.Add(-d.policy.margin)
				}
			}
		})},
		{name: "no retention in a life", where: "month/ready", amend: change(func(_ *desk, old, next *record) {
			for i := range next.Versions {
				v := &next.Versions[i]
				if was := old.version(v.ID); was != nil && was.ExpiresAt.IsZero() && !v.ExpiresAt.IsZero() {
					v.ExpiresAt, v.Base = v.ExpiresAt.Add(-30*day), v.Base.Add(-30*day)
				}
			}
		})},
		{name: "pruned before it has expired", where: "faults/flipped", amend: change(func(_ *desk, _, next *record) {
			for i := range next.Versions {
				if v := &next.Versions[i]; v.Gone == "" && !v.ExpiresAt.IsZero() {
					v.leave(GonePruned)
				}
			}
		})},
		{name: "ids count only the versions in the text", where: "rollback/ready",
			amend: change(func(_ *desk, _, next *record) {
				for next.Highest > 0 && (next.version("v"+strconv.Itoa(next.Highest)) == nil ||
					next.version("v"+strconv.Itoa(next.Highest)).Gone != "") {
					next.Versions = next.Versions[:len(next.Versions)-1]
					next.Highest--
				}
			})},

		{name: "a repair gives no new lives", where: "immediate/due", amend: change(func(_ *desk, old, next *record) {
			if next.Intent == nil || next.Intent.Op != OpRepair {
				return
			}
			for i := range next.Versions {
				if was := old.version(next.Versions[i].ID); was != nil && !was.ExpiresAt.IsZero() {
					next.Versions[i].ExpiresAt, next.Versions[i].Base = was.ExpiresAt, was.Base
				}
			}
		})},
		{name: "no window and no hold after a repair", where: "faults/due", amend: change(func(_ *desk, old, next *record) {
			next.Hold = noTime
			if old.Announced != "" && next.Announced == old.Announced && next.Ready.IsZero() {
				next.Ready = old.Ready
			}
		})},
		{name: "a lost answer is not recorded", where: "faults/due",
			amend: change(func(_ *desk, old, next *record) { next.Stray = old.Stray })},

		// The bare value.
		{name: "the bare value gets its ledger id", where: "bare, then a document/set",
			amend: change(func(_ *desk, old, next *record) {
				if old.Bare && !next.Bare {
					next.version(next.Current).ID, next.Current = old.Current, old.Current
				}
			})},
		{name: "bare without the operator", where: "a document, then bare/set", step: func(r *run) {
			o := *r.Operator
			o.LosesIDs = true
			r.Operator = &o
		}},

		// Generators with a test.
		{name: "published untested", where: "tested/empty", step: func(r *run) {
			if t := r.pass.trial; r.stage == stageTest && !t.older {
				r.mine.made[t.addr], r.pass.trial, r.stage = t.value, nil, stageMake
			}
		}},

		// Generators.
		{name: "made under a name that is not recorded", where: "generated/empty", step: func(r *run) {
			if r.stage == stageMake && len(r.pass.minting) > 0 {
				st := *r.loaded.state.state()
				rec, m := st.find(r.pass.minting[0]).clone(), *st.find(r.pass.minting[0]).Making
				m.Name += " too"
				rec.Making = &m
				r.loaded.state = wrapState(st.with(rec))
			}
		}},
		{name: "made while all places are taken", where: "tested/due", step: func(r *run) {
			r.asIf(func(l loginPort) driver.Generator { return unbounded{l} })
		}},
		{name: "made before the remains of a crash are swept", where: "tested/empty", step: func(r *run) {
			r.asIf(func(l loginPort) driver.Generator { return unswept{l} })
		}},
		{name: "ended before a text without it is confirmed", where: "generated, revoke/due", step: func(r *run) {
			for _, rec := range r.loaded.state.state().Secrets {
				for _, v := range rec.Versions {
					if r.stage == stagePublish && v.Gone != "" && v.Resource != nil {
						_ = r.generator(v.Resource.Generator, driver.Request{}).Retire(context.Background(), v.Resource.ID)
					}
				}
			}
		}},

		// Crashes and concurrent runs.
		{name: "sent before it is in the ledger", where: "faults/due", first: true},
		{name: "sending again is not recorded", where: "held/due", amend: change(func(_ *desk, old, next *record) {
			next.Stray = old.Stray
			if next.Intent != nil {
				next.Intent.Taken = false
			}
		})},
		{name: "the ledger is not loaded again", where: "held/due", step: func(r *run) { r.loaded.certain = true }},
		{name: "sent later than P", where: "held/due", step: func(r *run) { r.pass.recorded = r.now() }},
		{name: "decided later than P", where: "both/ready", step: func(r *run) { r.target.at = r.now() }},
	}
}

// asIf gives the run another generator in place of loginPort.
func (r *run) asIf(other func(loginPort) driver.Generator) {
	if l, ok := r.Generators["logins"].(loginPort); ok {
		o := *r.Operator
		o.Generators = map[string]driver.Generator{"logins": other(l)}
		r.Operator = &o
	}
}

// unbounded is loginPort whose bound the engine does not know. It sweeps by itself.
type unbounded struct{ l loginPort }

func (u unbounded) For(r driver.Request) driver.Generator { return unbounded{loginPort{u.l.port, r}} }

func (u unbounded) Make(ctx context.Context, name string, params map[string]string) (driver.Made, error) {
	st := u.l.w.runs[u.l.who].loaded.state.state()
	_ = u.l.Sweep(ctx, namesOf(st.Sweep), st.known("logins", u.l.asked.Address))
	return u.l.Make(ctx, name, params)
}
func (u unbounded) Test(ctx context.Context, made driver.Made) error { return u.l.Test(ctx, made) }
func (u unbounded) Retire(ctx context.Context, id string) error      { return u.l.Retire(ctx, id) }
func (u unbounded) Sweep(ctx context.Context, names, known []string) error {
	return u.l.Sweep(ctx, names, known)
}

// unswept is loginPort that does not sweep before it makes a value.
type unswept struct{ loginPort }

func (u unswept) For(r driver.Request) driver.Generator { return unswept{loginPort{u.port, r}} }

func (u unswept) Sweep(ctx context.Context, names, known []string) error {
	if u.w.runs[u.who].stage == stageMake {
		return nil
	}
	return u.loginPort.Sweep(ctx, names, known)
}

// TestEveryRuleIsNeeded removes the rules, one at a time, and checks that an
// invariant breaks. With -v it prints the shortest path.
func TestEveryRuleIsNeeded(t *testing.T) {
	slow.Test(t)
	if slow.Raced {
		t.Skip("without the race detector only: it takes many worlds to find some breaks")
	}
	all := map[string]*scenario{}
	for _, s := range scenarios() {
		all[s.name] = s
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := *all[m.where]
			s.mutant = &m
			s.most = 150_000
			start := time.Now()
			r := explore(t, &s)
			require.NotNil(t, r.broken, "nothing breaks in %d worlds", r.worlds)
			t.Logf("%s: %d worlds, %s: %v\nafter\n%s", m.name, r.worlds, time.Since(start).Round(time.Millisecond), r.broken.err,
				r.broken.w.last)
		})
	}
}
