package main

import "time"

// These rows are a ledger after ten years of weekly rotations, for one of its
// secrets. The peer is the same ledger after a tenth as many.

const (
	tenYears       = 520
	historySecrets = 40 // the log of the ledger, 2,000 entries, is full after a year
)

var _ = register("history", group{once: func(s *session) ([]result, error) {
	if !s.wants("ledger", "status/cpu", "rotate/cpu") {
		return nil, nil
	}
	p, err := newProject(s, historySecrets, true)
	if err != nil {
		return nil, err
	}
	if _, err := p.declared("apply"); err != nil {
		return nil, err
	}
	var year, last history
	for i := 1; i <= tenYears; i++ {
		if _, err := p.declared("rotate", "--now", "--immediate"); err != nil {
			return nil, err
		}
		if i == tenYears/10 || i == tenYears {
			year = last
			if last, err = p.history(); err != nil {
				return nil, err
			}
		}
	}
	const peer = "after one year"
	return []result{
		{"ledger", peer, last.ledger, year.ledger},
		{"status/cpu", peer, last.status, year.status},
		{"rotate/cpu", peer, last.rotate, year.rotate},
	}, nil
}})

type history struct{ ledger, status, rotate figure }

// history measures after the old versions have expired and were pruned.
func (p *project) history() (h history, err error) {
	time.Sleep(4 * time.Second)
	if _, err := p.declared("rotate"); err != nil {
		return h, err
	}
	if h.ledger, err = p.ledger(); err != nil {
		return h, err
	}
	for _, c := range []struct {
		to   *figure
		args []string
	}{{&h.status, []string{"status"}}, {&h.rotate, []string{"rotate"}}} {
		u, err := fastestOf(10, func() (usage, error) { return p.declared(c.args...) })
		if err != nil {
			return h, err
		}
		*c.to = took(u.cpu / historySecrets)
	}
	return h, nil
}
