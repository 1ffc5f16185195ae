package cloudflarefake

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// answer is a response of the API.
type answer struct {
	Status int
	Header http.Header
	Drop   bool   // no answer at all
	Raw    string // instead of the members below
	body
}

type body struct {
	Success  bool      `json:"success"`
	Errors   []message `json:"errors"`
	Messages []message `json:"messages"`
	Result   any       `json:"result"`
	Info     *info     `json:"result_info,omitempty"`
}

type message struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type info struct {
	Count      int `json:"count"`
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	TotalCount int `json:"total_count,omitempty"`
	TotalPages int `json:"total_pages,omitempty"`
}

func accept(status int, result any) answer {
	return answer{Status: status, body: body{Success: true, Errors: []message{}, Messages: []message{}, Result: result}}
}

func refuse(status, code int, text string) answer {
	return answer{Status: status, body: body{Errors: []message{{code, text}}, Messages: []message{}}}
}

// page returns the answer with the page of a list that a request asks for.
func page[T any](s *Server, r *http.Request, all []T, largest int) answer {
	number, size := 1, 20
	for name, n := range map[string]*int{"page": &number, "per_page": &size} {
		if text := r.URL.Query().Get(name); text != "" {
			var err error
			if *n, err = strconv.Atoi(text); err != nil || *n < 1 {
				return refuse(http.StatusBadRequest, 1001, "invalid_"+name)
			}
		}
	}
	if size > largest {
		return refuse(http.StatusBadRequest, 1001, "invalid_per_page")
	}
	if s.o.PageCap > 0 {
		size = min(size, s.o.PageCap)
	}
	from := min((number-1)*size, len(all))
	part := append([]T{}, all[from:min(from+size, len(all))]...)
	a := accept(http.StatusOK, part)
	a.Info = &info{Count: len(part), Page: number, PerPage: size, TotalCount: len(all),
		TotalPages: (len(all) + size - 1) / size}
	if s.o.NoTotals {
		a.Info.TotalCount, a.Info.TotalPages = 0, 0
	}
	return a
}

// answer writes a to w, and the request to the log.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, a answer) {
	path := r.URL.Path
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	if a.Drop {
		s.requests = append(s.requests, Request{r.Method, path, 0})
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
	s.requests = append(s.requests, Request{r.Method, path, a.Status})
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	text := []byte(a.Raw)
	if a.Raw == "" {
		text, _ = json.Marshal(a.body)
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(text)
}
