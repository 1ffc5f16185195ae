package secret

import (
	"log/slog"
	"testing"
	"time"
)

// TestExpireSparesWhatWasConfirmed: a load that comes back between the clock's
// look and its verdict has the last word. No test from outside can hit that
// moment.
func TestExpireSparesWhatWasConfirmed(t *testing.T) {
	const limit = time.Minute
	s := Static(Options{Name: "key"})
	app := NewApp(AppOptions{Logger: slog.New(slog.DiscardHandler)}).Use(s)
	doc, err := Parse("text")
	if err != nil {
		t.Fatal(err)
	}
	sec := app.secrets[0]
	sec.publish(&flight{number: 1, doc: doc})
	looked := time.Now()
	sec.expire(looked, limit)
	if text, err := s.Current().Text(); err != nil || text != "text" {
		t.Fatalf("read %q, %v", text, err)
	}
	sec.expire(looked.Add(2*limit), limit)
	if _, err := s.Current().Text(); err == nil {
		t.Fatal("read what is stale")
	}
}
