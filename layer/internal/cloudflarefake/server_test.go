package cloudflarefake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// client sends requests to a fake as curl would.
type client struct {
	t     *testing.T
	base  string
	token string
}

type reply struct {
	Status  int
	Text    string
	Success bool
	Errors  []message
	Result  json.RawMessage
	Info    info `json:"result_info"`
}

func serve(t *testing.T, o Options) (*Server, client) {
	t.Helper()
	s := New(o)
	return s, client{t, s.Start(t) + "/accounts/" + Account, "Bearer " + Token}
}

func (c client) try(method, path, body string) (reply, error) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	require.NoError(c.t, err)
	r.Header.Set("Authorization", c.token)
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	got := reply{Status: res.StatusCode, Text: string(text)}
	require.NoError(c.t, json.Unmarshal(text, &got))
	return got, nil
}

func (c client) ask(method, path, body string) reply {
	c.t.Helper()
	got, err := c.try(method, path, body)
	require.NoError(c.t, err)
	return got
}

func (r reply) secrets(t *testing.T) (list []secret) {
	t.Helper()
	require.NoError(t, json.Unmarshal(r.Result, &list))
	return list
}

func one(name string) string {
	return `{"name":"` + name + `","value":"Zt9qWm4xKp7Rb2Vn","comment":"c","scopes":["workers"]}`
}

// TestAnswersNeverHoldAValue takes a secret from its creation to its end.
func TestAnswersNeverHoldAValue(t *testing.T) {
	s, c := serve(t, Options{Pending: 1})
	at := "/secrets_store/stores/" + s.StoreID() + "/secrets"
	texts := []string{}
	do := func(status int, method, path, body string) reply {
		t.Helper()
		got := c.ask(method, path, body)
		require.Equal(t, status, got.Status, got.Text)
		require.Equal(t, status < 300, got.Success)
		texts = append(texts, got.Text)
		return got
	}
	made := do(200, "POST", at, "["+one("a")+","+one("b")+"]").secrets(t)
	require.Len(t, made, 2)
	require.Equal(t, "pending", made[0].Status)
	id := at + "/" + made[0].ID
	do(200, "GET", id, "")
	require.Contains(t, do(200, "GET", id, "").Text, `"status":"active"`)
	changed := do(200, "PATCH", id, `{"value":"Zt9qWm4xKp7R-new","comment":"d","scopes":["access"]}`).Text
	require.NotContains(t, changed, string(made[0].Modified), "modified is another")
	value, _ := s.Value("a")
	require.Equal(t, "Zt9qWm4xKp7R-new", value)
	require.Equal(t, "d", s.Comment("a"))
	require.Equal(t, []string{"access"}, s.Scopes("a"))
	do(200, "PATCH", id, `{}`)
	do(200, "POST", id+"/duplicate", `{"name":"copy","scopes":["workers"]}`)
	copied, _ := s.Value("copy")
	require.Equal(t, value, copied)
	require.Contains(t, do(200, "GET", "/secrets_store/quota", "").Text, `{"quota":100,"usage":3}`)
	do(202, "DELETE", id, "")
	do(404, "DELETE", id, "")
	do(404, "PATCH", id, `{}`)
	do(202, "DELETE", at, `{"ids":["`+made[1].ID+`"]}`)
	require.Equal(t, []string{"copy"}, s.Names())
	list := do(200, "GET", at, "").secrets(t)
	require.Equal(t, []string{"copy", "b", "a"}, []string{list[0].Name, list[1].Name, list[2].Name}, "the latest first")
	require.Equal(t, "deleted", list[2].Status)
	do(200, "POST", at, "["+one("a")+"]")
	_, ok := s.Value("b")
	require.False(t, ok)
	for _, text := range texts {
		require.NotContains(t, text, "Zt9qWm4x")
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	s, c := serve(t, Options{Quota: 3})
	s.Put("stands", "x", "")
	s.Allow("reader", ReadSecrets)
	at := "/secrets_store/stores/" + s.StoreID() + "/secrets"
	for _, tc := range []struct {
		token, method, path, body string
		status                    int
		message                   string
	}{
		{"", "GET", at, "", 400, "Invalid request headers"},
		{"Bearer nobody", "GET", at, "", 401, "Invalid API Token"},
		{"Bearer reader", "POST", at, "[" + one("n") + "]", 403, "Authentication error"},
		{"Bearer reader", "GET", "/tokens", "", 403, "Authentication error"},
		{"Bearer reader", "GET", at, "", 200, ""},
		{"", "GET", "/../other/x", "", 404, "Could not route"},
		{"Bearer reader", "GET", "/nothing", "", 404, "Could not route"},
		{"Bearer reader", "GET", "/secrets_store/stores/x/secrets", "", 404, "store_not_found"},
		{"Bearer reader", "GET", at + "/x", "", 404, "secret_not_found"},
		{"Bearer reader", "GET", at + "?per_page=101", "", 400, "invalid_per_page"},
		{"Bearer " + Token, "POST", "/secrets_store/stores", `{"name":"x"}`, 400, "maximum_stores_exceeded"},
		{"Bearer " + Token, "POST", at, one("n"), 400, "invalid_json_body"},
		{"Bearer " + Token, "POST", at, "[]", 400, "invalid_json_body"},
		{"Bearer " + Token, "POST", at, "[" + one("stands") + "]", 400, "secret_name_already_exists: stands"},
		{"Bearer " + Token, "POST", at, "[" + one("n") + "," + one("n") + "]", 400, "secret_name_already_exists: n"},
		{"Bearer " + Token, "POST", at, "[" + one("n") + "," + one("m") + "," + one("o") + "]", 400,
			"maximum_secrets_exceeded"},
		{"Bearer " + Token, "POST", at, "[" + one("") + "]", 400, "secret_name_empty"},
		{"Bearer " + Token, "POST", at, "[" + one("a b") + "]", 400, "secret_name_invalid"},
		{"Bearer " + Token, "POST", at, `[{"name":"n","value":"x"}]`, 400, "secret_scopes_empty"},
		{"Bearer " + Token, "POST", at, `[{"name":"n","value":"x","scopes":["worker"]}]`, 400, "secret_scope_invalid"},
		{"Bearer " + Token, "POST", at, `[{"name":"n","scopes":["workers"]}]`, 400, "secret_value_empty"},
		{"Bearer " + Token, "POST", at, `[{"name":"n","scopes":["workers"],"value":"` + strings.Repeat("é", 32_769) + `"}]`,
			400, "secret_value_too_long"},
		{"Bearer " + Token, "GET", "/tokens?per_page=51", "", 400, "invalid_per_page"},
		{"Bearer " + Token, "POST", "/tokens", `{"name":"n","policies":[]}`, 400, "invalid_token"},
		{"Bearer " + Token, "DELETE", "/tokens/x", "", 404, "Invalid API Token"},
	} {
		c.token = tc.token
		got := c.ask(tc.method, tc.path, tc.body)
		require.Equal(t, tc.status, got.Status, "%s %s: %s", tc.method, tc.path, got.Text)
		if tc.message != "" {
			require.Len(t, got.Errors, 1)
			require.Contains(t, got.Errors[0].Message, tc.message)
			require.False(t, got.Success)
		}
		require.Equal(t, []string{"stands"}, s.Names())
	}
}

func TestPartialBatchKeepsTheFirst(t *testing.T) {
	s, c := serve(t, Options{Partial: true})
	got := c.ask("POST", "/secrets_store/stores/"+s.StoreID()+"/secrets", "["+one("a")+","+one("b b")+","+one("c")+"]")
	require.Equal(t, 400, got.Status)
	require.Equal(t, []string{"a"}, s.Names())
}

func TestPagesHoldEveryName(t *testing.T) {
	s, c := serve(t, Options{PageCap: 25})
	for i := range 60 {
		s.Put(fmt.Sprint("n", i), "x", "")
	}
	at := "/secrets_store/stores/" + s.StoreID() + "/secrets?direction=asc&per_page=100&page="
	var names []string
	for page, n := range []int{25, 25, 10, 0} {
		got := c.ask("GET", fmt.Sprint(at, page+1), "")
		require.Equal(t, info{Count: n, Page: page + 1, PerPage: 25, TotalCount: 60, TotalPages: 3}, got.Info)
		for _, sec := range got.secrets(t) {
			names = append(names, sec.Name)
		}
	}
	require.Equal(t, s.Names(), names)
}

func TestTokenShowsOnlyWhenItIsMade(t *testing.T) {
	s, c := serve(t, Options{})
	policy := func(group, resource string) string {
		return `{"name":"n","policies":[{"effect":"allow","permission_groups":[{"id":"` + group + `"}],"resources":{"` +
			resource + `":"*"}}]}`
	}
	bucket := "com.cloudflare.edge.r2.bucket." + Account + "_default_b"
	require.Equal(t, 400, c.ask("POST", "/tokens", policy("x", bucket)).Status)
	require.Equal(t, 400, c.ask("POST", "/tokens", policy(BucketRead, "com.cloudflare.api.account.x")).Status)
	require.Empty(t, s.Tokens())
	made := c.ask("POST", "/tokens", policy(BucketRead, bucket))
	require.Equal(t, 200, made.Status)
	token := s.Tokens()[0]
	require.Contains(t, made.Text, token.Value)
	require.NotContains(t, c.ask("GET", "/tokens", "").Text, token.Value)
	require.NotContains(t, c.ask("GET", "/tokens/"+token.ID, "").Text, token.Value)
	require.Equal(t, 200, c.ask("DELETE", "/tokens/"+token.ID, "").Status)
	require.Empty(t, s.Tokens())
}

func TestFaultsHitChosenRequests(t *testing.T) {
	s, c := serve(t, Options{})
	at := "/secrets_store/stores/" + s.StoreID() + "/secrets"
	s.Fail(Fault{Method: "POST", Path: "/secrets", Skip: 1, Times: 2, Status: 500, Code: 7, Message: "m"})
	for i, status := range []int{200, 500, 500, 200} {
		require.Equal(t, status, c.ask("POST", at, "["+one(fmt.Sprint("n", i))+"]").Status)
		require.Equal(t, 200, c.ask("GET", at, "").Status)
	}
	require.Equal(t, []string{"n0", "n3"}, s.Names())
	require.Len(t, s.Requests(), 8)
	require.Equal(t, Request{"POST", at, 500}, s.Requests()[2])
	require.True(t, s.Requests()[2].Writes())
	s.Forget()
	require.Empty(t, s.Requests())

	lost := func(f Fault, name string) {
		t.Helper()
		f.Drop = true
		s.Fail(f)
		_, err := c.try("POST", at, "["+one(name)+"]")
		require.Error(t, err)
	}
	lost(Fault{}, "never")
	require.NotContains(t, s.Names(), "never")
	lost(Fault{Applied: Now}, "now")
	require.Contains(t, s.Names(), "now")
	lost(Fault{Applied: Late}, "late")
	require.NotContains(t, s.Names(), "late")
	s.Release()
	s.Release()
	require.Contains(t, s.Names(), "late")

	s.Fail(Fault{Applied: Twice})
	require.Contains(t, c.ask("POST", at, "["+one("twice")+"]").Text, "secret_name_already_exists")
	require.Contains(t, s.Names(), "twice")
	s.Fail(Fault{Applied: Now, Shorten: 1})
	require.Len(t, c.ask("POST", at, "["+one("s1")+","+one("s2")+"]").secrets(t), 1)
	require.Contains(t, s.Names(), "s2")
	s.Fail(Fault{Status: 429, Header: http.Header{"Retry-After": {"3"}}})
	require.Equal(t, 429, c.ask("GET", at, "").Status)
}
