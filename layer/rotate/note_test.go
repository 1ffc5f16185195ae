package rotate

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

var noteRule = regexp.MustCompile(`^sv1 gen=[0-9]+ cur=v[0-9]+ fp=[0-9a-f]{32} by=[0-9a-f]{16}$`)

func TestNoteIsReadBack(t *testing.T) {
	st := NewState(Settings{}).state()
	note := st.newNote("KEY", 17, "v3", "the text")
	require.Regexp(t, noteRule, note)
	require.True(t, strings.HasPrefix(note, "sv1 gen=17 cur=v3 fp="))
	got, ok := st.readNote("KEY", note)
	require.True(t, ok)
	require.Equal(t, uint64(17), got.gen)
	require.Equal(t, "v3", got.cur)
	require.True(t, got.ours, "known for ours without the text it came with")
	require.LessOrEqual(t, len(st.newNote("KEY", math.MaxInt64, "v999999999", strings.Repeat("x", 70_000))), 200)
}

// fp depends on name, generation, text and the ledger's key; by depends on
// name, the note before it and another key.
func TestNotesDependOnAllOfIt(t *testing.T) {
	st, other := NewState(Settings{}).state(), NewState(Settings{}).state()
	fp := func(note string) string { return note[strings.Index(note, "fp="):strings.Index(note, " by=")] }
	base := st.newNote("KEY", 17, "v3", "the text")
	require.Equal(t, base, st.newNote("KEY", 17, "v3", "the text"), "byte for byte the same again")
	for name, note := range map[string]string{
		"name": st.newNote("KEZ", 17, "v3", "the text"), "generation": st.newNote("KEY", 18, "v3", "the text"),
		"text": st.newNote("KEY", 17, "v3", "the texu"), "ledger": other.newNote("KEY", 17, "v3", "the text"),
		"boundary": st.newNote("KEY1", 7, "v3", "the text"),
	} {
		require.NotEqual(t, fp(base), fp(note), name)
		require.NotEqual(t, base[len(base)-16:], note[len(note)-16:], name)
	}
	mixed := *st
	mixed.FpKey = other.FpKey
	n, ok := st.readNote("KEY", mixed.newNote("KEY", 17, "v3", "the text"))
	require.True(t, ok && n.ours, "by has a key of its own")
	require.NotContains(t, base, "the text")
}

func TestNotesThatAreNotOurs(t *testing.T) {
	st := NewState(Settings{}).state()
	note := st.newNote("KEY", 17, "v3", "the text")
	for name, c := range map[string]struct {
		name, note string
		form       bool
	}{
		"another name":            {"KEZ", note, true},
		"another generation":      {"KEY", strings.Replace(note, "gen=17", "gen=18", 1), true},
		"another current":         {"KEY", strings.Replace(note, "cur=v3", "cur=v4", 1), true},
		"another fp":              {"KEY", strings.Replace(note, "fp=", "fp=0", 1)[:len(note)+1], false},
		"another ledger's":        {"KEY", NewState(Settings{}).state().newNote("KEY", 17, "v3", "the text"), true},
		"cut off":                 {"KEY", note[:len(note)-1], false},
		"something before":        {"KEY", " " + note, false},
		"something after":         {"KEY", note + "\n", false},
		"upper case":              {"KEY", strings.ToUpper(note), false},
		"generation 0":            {"KEY", strings.Replace(note, "gen=17", "gen=0", 1), false},
		"a leading zero":          {"KEY", strings.Replace(note, "gen=17", "gen=017", 1), false},
		"a negative generation":   {"KEY", strings.Replace(note, "gen=17", "gen=-1", 1), false},
		"a generation past 2^64":  {"KEY", strings.Replace(note, "gen=17", "gen=99999999999999999999", 1), false},
		"the next format":         {"KEY", strings.Replace(note, "sv1", "sv2", 1), false},
		"an id that is no number": {"KEY", strings.Replace(note, "cur=v3", "cur=latest", 1), false},
		"empty":                   {"KEY", "", false},
	} {
		n, ok := st.readNote(c.name, c.note)
		require.Equal(t, c.form, ok, name)
		require.False(t, n.ours, name)
	}
}

// Every generation has one text: the stored text equals the ledger's byte for
// byte.
func TestEveryPublishedNoteIsRecordedFirst(t *testing.T) {
	key := aRandom("key", retained(2))
	s := newScene(t, key)
	notes := map[string]bool{}
	s.shop.publish = func(i driver.Item) (bool, error) {
		r := s.record(key)
		require.NotNil(t, r.Intent, "in the ledger before it leaves")
		require.Equal(t, r.Intent.Note, i.Note)
		require.Equal(t, r.Intent.Text, i.Text.Reveal())
		require.False(t, notes[i.Note])
		notes[i.Note] = true
		n, ok := s.state().readNote(i.Name, i.Note)
		require.True(t, ok && n.ours)
		require.Equal(t, r.Gen, n.gen)
		require.Equal(t, r.Current, n.cur)
		return true, nil
	}
	s.flip(key)
	s.did(s.rollback(key, false))
	s.did(s.revoke(key, "v2"))
	s.pass(10 * day)
	s.did(s.rotate())
	require.Len(t, notes, 6)
}
