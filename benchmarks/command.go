package main

import (
	"fmt"
	"strings"
	"time"
)

// These rows are commands of layer with a ledger and a target on disk. Each
// figure is for one secret, and the peer is the same command with a tenth of the
// secrets: the ratio is the growth.

var _ = register("command", group{once: func(s *session) ([]result, error) {
	results, err := smallCommands(s)
	if err != nil {
		return nil, err
	}
	var smaller map[string]figure
	for _, n := range []int{10, 100, 1000, 10000} {
		var names []string
		for _, row := range commandRows {
			names = append(names, fmt.Sprintf("%d/%s", n, row), fmt.Sprintf("%d/%s", 10*n, row))
		}
		if n == 10000 {
			names = names[:0]
			for _, row := range commandRows {
				names = append(names, fmt.Sprintf("%d/%s", n, row))
			}
		}
		if !s.wants(names...) {
			continue
		}
		figures, err := commands(s, n)
		if err != nil {
			return results, err
		}
		for _, row := range commandRows {
			if figures[row].zero() {
				continue
			}
			r := result{name: fmt.Sprintf("%d/%s", n, row), ours: figures[row], theirs: smaller[row]}
			if !r.theirs.zero() {
				r.peer = fmt.Sprintf("with %d", n/10)
			}
			results = append(results, r)
		}
		smaller = figures
	}
	return results, nil
}})

var commandRows = []string{"apply/wall", "apply/cpu", "status/wall", "status/cpu", "announce/wall", "announce/cpu",
	"ledger", "flip+prune/wall", "flip+prune/cpu"}

// commands returns the figures of all rows with n secrets.
func commands(s *session, n int) (map[string]figure, error) {
	p, err := newProject(s, n, false)
	if err != nil {
		return nil, err
	}
	figures := map[string]figure{}
	add := func(row string, u usage) {
		figures[row+"/wall"], figures[row+"/cpu"] = took(u.wall/time.Duration(n)), took(u.cpu/time.Duration(n))
	}
	u, err := p.declared("apply")
	if err != nil {
		return nil, err
	}
	add("apply", u)
	u, err = fastestOf(5, func() (usage, error) { return p.declared("status") })
	if err != nil {
		return nil, err
	}
	add("status", u)
	if u, err = p.declared("rotate", "--now"); err != nil {
		return nil, err
	}
	add("announce", u)
	if figures["ledger"], err = p.ledger(); err != nil || n > mostFlips {
		return figures, err
	}
	if u, err = p.finish(); err != nil {
		return nil, err
	}
	add("flip+prune", u)
	return figures, nil
}

// mostFlips is the largest number of secrets that are flipped here. A flip that
// is not confirmed within a minute is published again with fresh times, since the
// window of these rows is short. More secrets may need that minute.
const mostFlips = 1000

// finish flips and prunes, and returns the time of the runs that did so. The
// window and the margin are a second, so an old version ends some seconds after
// its flip.
func (p *project) finish() (total usage, err error) {
	for pruned := 0; pruned < p.n; {
		select {
		case <-p.ctx.Done():
			return total, p.ctx.Err()
		case <-time.After(4 * time.Second):
		}
		u, err := p.declared("rotate")
		if err != nil {
			return total, err
		}
		if done := strings.Count(u.text, "is now current") + strings.Count(u.text, "is deleted"); done == 0 {
			return total, fmt.Errorf("neither flipped nor pruned: %q", u.text)
		}
		pruned += strings.Count(u.text, "is deleted")
		total.wall, total.cpu = total.wall+u.wall, total.cpu+u.cpu
	}
	return total, nil
}

// smallCommands are commands that need no ledger: every call of a shell pays for
// them.
func smallCommands(s *session) (results []result, err error) {
	for _, c := range []struct {
		name string
		args []string
	}{{"help", []string{"--help"}}, {"completion", []string{"__complete", "secret", ""}}} {
		if !s.wants(c.name+"/wall", c.name+"/cpu") {
			continue
		}
		program, err := buildLayer()
		if err != nil {
			return nil, err
		}
		p := &project{ctx: s.ctx, program: program}
		u, err := fastestOf(20, func() (usage, error) { return p.run(c.args...) })
		if err != nil {
			return nil, err
		}
		results = append(results, result{name: c.name + "/wall", ours: took(u.wall)},
			result{name: c.name + "/cpu", ours: took(u.cpu)})
	}
	return results, nil
}

// fastestOf returns the shortest times of several runs.
func fastestOf(runs int, run func() (usage, error)) (best usage, err error) {
	for i := range runs {
		u, err := run()
		if err != nil {
			return usage{}, err
		}
		if i == 0 {
			best = u
		}
		best.wall, best.cpu = min(best.wall, u.wall), min(best.cpu, u.cpu)
	}
	return best, nil
}
