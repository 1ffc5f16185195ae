package cloudflarefake

import (
	"net/http"
	"strings"
)

// Fault is what happens to requests instead of what should.
type Fault struct {
	// Method and Path choose the requests; Path is a part of what follows the account's id. Empty: any.
	Method, Path string
	// Skip lets that many of them pass first.
	Skip int
	// Times is how many of them it happens to. 0: one. Below zero: all.
	Times int

	// Applied says whether the request is carried out all the same.
	Applied Applied
	// Drop closes the connection without an answer.
	Drop bool
	// Status, Code, Message and Header are the answer; "success" is false. Status 0: the real answer, or that to the second
	// try of a request that is carried out twice.
	Status, Code int
	Message      string
	Header       http.Header
	// Raw is the answer's body, as it is.
	Raw string
	// Shorten leaves out of a successful answer's result all but that many. 0: none.
	Shorten int
	// Before is called when it happens, with the lock held: end a context in it, say.
	Before func()
}

// Applied says when a request is carried out.
type Applied int

// When.
const (
	Never Applied = iota
	Now
	Twice
	Late // by [Server.Release]
)

// Fail adds a fault. Of several that fit a request, the first one happens.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// Heal ends all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Release carries out what is late.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, act := range s.late {
		act()
	}
	s.late = nil
}

func (s *Server) fault(r *http.Request) *Fault {
	for _, f := range s.faults {
		if f.Times == 0 || f.Method != "" && f.Method != r.Method || !strings.Contains(r.URL.Path, f.Path) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Times--
		return f
	}
	return nil
}

func (f *Fault) meet(s *Server, act func() answer) answer {
	if f.Before != nil {
		f.Before()
	}
	var a answer
	switch f.Applied {
	case Now:
		a = act()
	case Twice:
		act()
		a = act()
	case Late:
		s.late = append(s.late, func() { act() })
	}
	if list, ok := a.Result.([]secret); ok && f.Shorten > 0 {
		a.Result = list[:min(f.Shorten, len(list))]
	}
	if f.Status != 0 {
		a = refuse(f.Status, f.Code, f.Message)
		a.Header = f.Header
		if f.Code == 0 {
			a.Errors = []message{}
		}
	}
	if f.Raw != "" {
		a.Raw = f.Raw
	}
	a.Drop = f.Drop
	return a
}
