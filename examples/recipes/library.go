package recipes

import "net/http"

// recipe: library

// In the library:

type mailer struct {
	key interface{ Text() (string, error) }
}

func (m mailer) authorize(r *http.Request) error {
	key, err := m.key.Text() // for each request
	if err != nil {
		return err
	}
	r.Header.Set("X-Api-Key", key)
	return nil
}

// fixedKey is for programs that have the key as a string.
type fixedKey string

func (k fixedKey) Text() (string, error) { return string(k), nil }

// end
