package cloudflarefake

import (
	"net/http"
	"strings"
)

// Fault is an error that the fake produces for chosen requests.
type Fault struct {
	// Method and Path choose the requests. Path is a part of the path after the
	// account's id. Empty: any.
	Method, Path string
	// Skip is the number of chosen requests that succeed first.
	Skip int
	// Times is the number of requests that fail. 0: one. Below zero: all.
	Times int

	// Applied sets whether the request is still applied.
	Applied Applied
	// Drop closes the connection without an answer.
	Drop bool
	// Status, Code, Message and Header are the answer; "success" is false. Status
	// 0: the real answer. For a request that is applied twice, that is the answer
	// to the second one.
	Status, Code int
	Message      string
	Header       http.Header
	// Raw is the body of the answer, verbatim.
	Raw string
	// Shorten limits the result of a successful answer to that many entries. 0: no
	// limit.
	Shorten int
	// Before is called when the fault happens, with the lock held. A test can
	// cancel a context in it.
	Before func()
}

// Applied is when a request is applied.
type Applied int

// Values of [Applied].
const (
	Never Applied = iota
	Now
	Twice
	Late // by [Server.Release]
)

// Fail adds a fault. If several faults fit a request, the first one is used.
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

// Release applies the late requests.
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
