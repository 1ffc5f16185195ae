package secret_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// modelled is a folder with secrets that change in every way, and a model: the
// text that each has now.
type modelled struct {
	t     *testing.T
	path  string // as given to Dir
	real  string // where the path leads
	rand  *rand.Rand
	n     int
	names []string          // of files; the first is never written in place, the last two are links through ..data
	texts map[string]string // a secret without a file has none
	ever  map[string]bool   // the texts of all times
	held  map[string]*os.File
}

const underData = 2

func newModelled(t *testing.T, seed uint64, secrets int) *modelled {
	dir := localDir(t)
	c := &modelled{t: t, path: filepath.Join(dir, "secrets"), real: filepath.Join(dir, "folder"),
		rand: rand.New(rand.NewPCG(seed, 0)), texts: map[string]string{},
		ever: map[string]bool{}, held: map[string]*os.File{}}
	t.Cleanup(func() {
		for _, f := range c.held {
			_ = f.Close()
		}
	})
	for i := range secrets {
		c.names = append(c.names, c.secret(i).Address().Binding())
		c.texts[c.names[i]] = c.text()
	}
	c.fill(c.real)
	link(t, "folder", c.path)
	return c
}

func (c *modelled) secret(i int) *secret.Secret { return static(fmt.Sprint("n", i)) }

func (c *modelled) text() string {
	c.n++
	text := fmt.Sprintf("text %06d%s", c.n, []string{"", "", "", " is longer"}[c.rand.IntN(4)])
	c.ever[text] = true
	return text
}

func (c *modelled) at(name string) string { return filepath.Join(c.path, name) }

func (c *modelled) plain() []string { return c.names[:len(c.names)-underData] }

// fill makes a folder with the texts of the model.
func (c *modelled) fill(folder string) {
	require.NoError(c.t, os.MkdirAll(folder, 0o700))
	for _, name := range c.plain() {
		if text, is := c.texts[name]; is {
			write(c.t, filepath.Join(folder, name), text)
		}
	}
	c.publish(folder)
}

// publish swaps ..data, as Kubernetes does.
func (c *modelled) publish(folder string) {
	c.n++
	dated := fmt.Sprint("..dated-", c.n)
	for _, name := range c.names[len(c.plain()):] {
		write(c.t, filepath.Join(folder, dated, name), c.texts[name])
		if _, err := os.Lstat(filepath.Join(folder, name)); err != nil {
			link(c.t, filepath.Join("..data", name), filepath.Join(folder, name))
		}
	}
	old, _ := os.Readlink(filepath.Join(folder, "..data"))
	link(c.t, dated, filepath.Join(folder, "..data_tmp"))
	require.NoError(c.t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
	if old != "" {
		require.NoError(c.t, os.RemoveAll(filepath.Join(folder, old)))
	}
}

// put gives a file a text by a rename.
func (c *modelled) put(name, text string) {
	write(c.t, c.at(name+".tmp"), text)
	require.NoError(c.t, os.Rename(c.at(name+".tmp"), c.at(name)))
	c.texts[name] = text
}

func (c *modelled) open(name string) *os.File {
	f, err := os.OpenFile(c.at(name), os.O_WRONLY|os.O_CREATE, 0o600)
	require.NoError(c.t, err)
	return f
}

// over writes a text over the content of a file.
func (c *modelled) over(f *os.File, name, text string) {
	_, err := f.WriteAt([]byte(text), 0)
	require.NoError(c.t, err)
	require.NoError(c.t, f.Truncate(int64(len(text))))
	c.texts[name] = text
}

func (c *modelled) another(folder string) {
	c.fill(folder)
	for name, f := range c.held { // its file is in another folder
		_ = f.Close()
		delete(c.held, name)
	}
}

var dirChanges = []struct {
	name string
	make func(c *modelled, name string)
}{
	{"rename", func(c *modelled, name string) { c.put(name, c.text()) }},
	{"truncate and write", func(c *modelled, name string) {
		text := c.text()
		write(c.t, c.at(name), text)
		c.texts[name] = text
	}},
	{"in place", func(c *modelled, name string) {
		f := c.open(name)
		c.over(f, name, c.text())
		require.NoError(c.t, f.Close())
	}},
	{"in place, and the file stays open", func(c *modelled, name string) {
		if old := c.held[name]; old != nil {
			_ = old.Close()
		}
		c.held[name] = c.open(name)
		c.over(c.held[name], name, c.text())
	}},
	{"delete", func(c *modelled, name string) {
		_ = os.Remove(c.at(name))
		delete(c.texts, name)
	}},
	{"link", func(c *modelled, name string) {
		text := c.text()
		target := []string{"", "down/"}[c.rand.IntN(2)] + "target-" + fmt.Sprint(c.n)
		write(c.t, c.at(target), text)
		link(c.t, target, c.at(name+".tmp"))
		require.NoError(c.t, os.Rename(c.at(name+".tmp"), c.at(name)))
		c.texts[name] = text
	}},
	{"hard link", func(c *modelled, name string) {
		text := c.text()
		write(c.t, c.at(name+".tmp"), text)
		_ = os.Remove(c.at(name))
		require.NoError(c.t, os.Link(c.at(name+".tmp"), c.at(name)))
		require.NoError(c.t, os.Remove(c.at(name+".tmp")))
		c.texts[name] = text
	}},
	{"and back", func(c *modelled, name string) {
		old, is := c.texts[name]
		c.put(name, c.text())
		if c.pause(); is {
			c.put(name, old)
		}
	}},
	{"in place and back", func(c *modelled, name string) {
		old, is := c.texts[name]
		for _, text := range []string{c.text(), old} {
			if is {
				f := c.open(name)
				c.over(f, name, text)
				require.NoError(c.t, f.Close())
				c.pause()
			}
		}
	}},
	{"..data", func(c *modelled, _ string) {
		for _, name := range c.names[len(c.plain()):] {
			c.texts[name] = c.text()
		}
		c.publish(c.path)
	}},
	{"another folder", func(c *modelled, name string) {
		c.texts[name] = c.text()
		c.another(c.real + ".new")
		require.NoError(c.t, os.Rename(c.real, fmt.Sprint(c.real, c.n)))
		require.NoError(c.t, os.Rename(c.real+".new", c.real))
	}},
	{"link to another folder", func(c *modelled, name string) {
		c.texts[name] = c.text()
		c.n++
		c.real = fmt.Sprint(filepath.Dir(c.real), "/folder-", c.n)
		c.another(c.real)
		link(c.t, filepath.Base(c.real), c.path+".new")
		require.NoError(c.t, os.Rename(c.path+".new", c.path))
	}},
	{"the folder is deleted and made", func(c *modelled, name string) {
		c.texts[name] = c.text()
		require.NoError(c.t, os.RemoveAll(c.real))
		c.pause()
		c.another(c.real + ".new")
		require.NoError(c.t, os.Rename(c.real+".new", c.real))
	}},
	{"other files", func(c *modelled, name string) {
		for i := range c.rand.IntN(20) {
			write(c.t, c.at(fmt.Sprint("other-", i)), c.text())
		}
	}},
	{"permissions", func(c *modelled, name string) {
		if c.texts[name] != "" {
			require.NoError(c.t, os.Chmod(c.at(name), 0o640))
		}
	}},
}

func (c *modelled) pause() {
	if c.rand.IntN(2) == 0 {
		time.Sleep(time.Duration(c.rand.IntN(30_000)) * time.Microsecond)
	}
}

// TestDirWatchOfManyChanges makes changes of all kinds at random moments. A
// moment after the last one, an App returns the last text of each secret, and
// no read ever returns a text that was renamed into place in part.
func TestDirWatchOfManyChanges(t *testing.T) {
	const secrets = 8
	run := func(t *testing.T, c *modelled, bursts int) {
		var all []*secret.Secret
		for i := range secrets {
			all = append(all, c.secret(i))
		}
		requireStart(t, secret.NewApp(secret.AppOptions{Store: secret.Dir(c.path), Refresh: time.Hour, Logger: silence}).
			Use(all...))
		var took []time.Duration
		for range bursts {
			var made []string
			for range 1 + c.rand.IntN(5) {
				change := dirChanges[c.rand.IntN(len(dirChanges))]
				name := c.plain()[c.rand.IntN(len(c.plain()))]
				if strings.Contains(change.name, "in place") || strings.Contains(change.name, "write") {
					name = c.plain()[1+c.rand.IntN(len(c.plain())-1)]
				}
				change.make(c, name)
				made = append(made, change.name+" of "+name)
				c.pause()
			}
			began := time.Now()
			for {
				wrong := ""
				for i, s := range all {
					got, err := s.Current().Text()
					require.NoError(t, err)
					if i == 0 || i >= len(c.plain()) {
						require.True(t, c.ever[got], "a part of a text: %q", got)
					}
					if want, is := c.texts[c.names[i]]; is && got != want {
						wrong = fmt.Sprintf("%s is %q instead of %q", c.names[i], got, want)
					}
				}
				if wrong == "" {
					break
				}
				require.Less(t, time.Since(began), 5*time.Second, "%s after %q", wrong, made)
				time.Sleep(200 * time.Microsecond)
			}
			since := time.Since(began)
			took = append(took, since)
			if since > 200*time.Millisecond {
				t.Logf("%v after %q", since, made)
			}
		}
		slices.Sort(took)
		t.Logf("p50 %v, p99 %v, longest %v", took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
		require.LessOrEqual(t, took[len(took)*99/100], 200*time.Millisecond)
		require.LessOrEqual(t, took[len(took)-1], time.Second)
	}
	t.Run("in a bubble", func(t *testing.T) {
		c := newModelled(t, 1, secrets)
		synctest.Test(t, func(t *testing.T) { run(t, c, 150) })
	})
	t.Run("in real time", func(t *testing.T) {
		slow.Test(t)
		slow.Timed(t)
		run(t, newModelled(t, 2, secrets), 700)
	})
}
