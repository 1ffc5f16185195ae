package secret

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDerivedReadFromMemoryTakesNoLock: it returns while every lock that it
// could take is held.
func TestDerivedReadFromMemoryTakesNoLock(t *testing.T) {
	s := Static(Options{Name: "key"})
	a := NewApp(AppOptions{Store: NewMemory(map[string]string{"$SECRET.default.key": "one"}), Refresh: -1}).Use(s)
	require.NoError(t, a.Start(context.Background()))
	d := Derive(func(docs ...*Document) (string, error) { return docs[0].Current().Text(), nil }, s)
	_, err := d.Get(context.Background())
	require.NoError(t, err)
	read := make(chan string)
	claims.Lock()
	a.mu.Lock()
	a.secrets[0].mu.Lock()
	d.derivation().mu.Lock()
	go func() {
		text, _ := d.Get(context.Background())
		read <- text
	}()
	select {
	case text := <-read:
		require.Equal(t, "one", text)
	case <-time.After(10 * time.Second):
		t.Error("the read waits for a lock")
	}
	d.derivation().mu.Unlock()
	a.secrets[0].mu.Unlock()
	a.mu.Unlock()
	claims.Unlock()
	require.NoError(t, a.Close())
}

// publishing is an App's secret that publishes next when it is asked for its
// document.
type publishing struct {
	appSecret
	s    *Secret
	next *Document
}

func (p *publishing) holding() (*Document, uint64) {
	p.s.live.Store(p.next)
	return p.next, 0
}

// TestDocumentThatIsReplacedInTheSameMoment still belongs to its App.
func TestDocumentThatIsReplacedInTheSameMoment(t *testing.T) {
	s := Static(Options{Name: "key"})
	l := newLoader(s.declaration(), nil)
	s.loader.Store(l)
	before, after := newDocument(new(document)), newDocument(new(document))
	s.live.Store(before)
	home := &publishing{s: s, next: after}
	l.owner = home
	doc, from := latest(s, nil)
	require.Same(t, after, doc)
	require.Same(t, home, from.app)
}
