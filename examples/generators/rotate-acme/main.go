// The command rotate-acme makes API keys of Acme for layer.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"
)

type request struct {
	Step            string
	Params          map[string]string
	Name, ID, Value string
	Names, Known    []string
}

type key struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Secret string `json:"secret"`
}

func main() {
	var r request
	var result any = struct{}{}
	err := json.NewDecoder(os.Stdin).Decode(&r)
	if err == nil {
		result, err = r.do(os.Getenv("ACME_ADMIN_TOKEN"))
	}
	if err != nil {
		result = map[string]string{"error": err.Error()}
	}
	if json.NewEncoder(os.Stdout).Encode(result) != nil {
		os.Exit(1)
	}
}

func (r request) do(admin string) (any, error) {
	done := struct{}{}
	switch r.Step {
	case "make":
		var k key
		err := r.acme(admin, http.MethodPost, "/keys", map[string]string{"name": r.Name}, &k)
		return map[string]string{"id": k.ID, "value": k.Secret}, err
	case "test":
		return done, r.acme(r.Value, http.MethodGet, "/me", nil, nil)
	case "retire":
		return done, r.acme(admin, http.MethodDelete, "/keys/"+r.ID, nil, nil)
	case "sweep":
		var keys []key
		err := r.acme(admin, http.MethodGet, "/keys", nil, &keys)
		for _, k := range keys {
			if err == nil && slices.Contains(r.Names, k.Name) && !slices.Contains(r.Known, k.ID) {
				err = r.acme(admin, http.MethodDelete, "/keys/"+k.ID, nil, nil)
			}
		}
		return done, err
	case "steps":
		return map[string][]string{"steps": {"make", "test", "retire", "sweep"}}, nil
	}
	return map[string]bool{"unsupported": true}, nil
}

// acme sends one request to Acme's API. No error contains a token.
func (r request) acme(token, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	q, err := http.NewRequest(method, r.Params["api"]+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Timeout: 20 * time.Second}
	answer, err := client.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return fmt.Errorf("the API answered %s to %s", answer.Status, method)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
