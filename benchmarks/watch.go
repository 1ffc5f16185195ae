package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/viper"

	"github.com/layeron-hq/secret"
)

// This file measures how soon a program has the new value after a file in a
// folder of secrets was replaced, and what the watching costs while nothing
// changes.

var _ = register("watch", group{once: func(s *session) ([]result, error) {
	var results []result
	for _, n := range []int{1000, 10000} {
		rows, err := watchLatency(s, n)
		if err != nil {
			return results, err
		}
		results = append(results, rows...)
	}
	rows, err := watchIdle(s, []int{1000, 10000})
	return append(results, rows...), err
}})

// watched is a folder of n secrets, and a file of viper with the same secrets.
type watched struct {
	dir, file string
	n         int
	config    map[string]string
}

func newWatched(s *session, n int) (*watched, error) {
	dir, err := s.folder(false)
	if err != nil {
		return nil, err
	}
	w := &watched{dir: filepath.Join(dir, "secrets"), file: filepath.Join(dir, "config.json"), n: n,
		config: map[string]string{}}
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		return nil, err
	}
	for i := range n {
		w.config[addressOf(i).Name] = valueOf(0)
		if err := os.WriteFile(w.path(i), []byte(valueOf(0)), 0o600); err != nil {
			return nil, err
		}
	}
	return w, w.writeConfig()
}

func (w *watched) path(i int) string { return filepath.Join(w.dir, addressOf(i).Binding()) }

func (w *watched) writeConfig() error {
	text, err := json.Marshal(w.config)
	if err != nil {
		return err
	}
	return replace(w.file, string(text))
}

// replace writes a file as layer does: a temporary file is renamed.
func replace(path, text string) error {
	temporary := filepath.Join(filepath.Dir(path), ".layer-new.tmp")
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// watcher is a library that watches. open calls seen with each value that the
// program gets of secret 0.
type watcher struct {
	name string
	open func(ctx context.Context, w *watched, seen func(string)) (closes func(), err error)
	set  func(w *watched, text string) error
}

var watchers = []watcher{
	{"secret", openDir, setFile},
	{"fsnotify", openFsnotify, setFile},
	{"viper", openViper, func(w *watched, text string) error {
		w.config[addressOf(0).Name] = text
		return w.writeConfig()
	}},
}

func setFile(w *watched, text string) error { return replace(w.path(0), text) }

func openDir(ctx context.Context, w *watched, seen func(string)) (func(), error) {
	first := declared(0)
	app := newApp(secret.Dir(w.dir), w.n-1, 1).Use(first)
	if err := app.Start(ctx); err != nil {
		return nil, err
	}
	app.OnChange(func(secret.Change) {
		if text, err := first.Current().Text(); err == nil {
			seen(text)
		}
	}, first)
	return func() { _ = app.Close() }, nil
}

func openFsnotify(_ context.Context, w *watched, seen func(string)) (func(), error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	path := w.path(0)
	go func() {
		for event := range n.Events {
			if event.Name != path {
				continue
			}
			if text, err := os.ReadFile(path); err == nil {
				seen(string(text))
			}
		}
	}()
	return func() { _ = n.Close() }, n.Add(w.dir)
}

func openViper(_ context.Context, w *watched, seen func(string)) (func(), error) {
	v := viper.New()
	v.SetConfigFile(w.file)
	if err := v.ReadInConfig(); err != nil {
		return nil, err
	}
	v.OnConfigChange(func(fsnotify.Event) { seen(v.GetString(addressOf(0).Name)) })
	v.WatchConfig() // for ever
	return func() {}, nil
}

const (
	changes     = 200
	changesTime = 20 * time.Second // at most, for one watcher
)

// watchLatency returns the rows p50 and p99 for n secrets.
func watchLatency(s *session, n int) ([]result, error) {
	row := func(percentile int, peer string) string { return fmt.Sprintf("%d/p%d%s", n, percentile, peer) }
	if !s.wants(row(50, ""), row(99, ""), row(50, versus+"viper"), row(99, versus+"viper")) {
		return nil, nil
	}
	w, err := newWatched(s, n)
	if err != nil {
		return nil, err
	}
	times := map[string][]time.Duration{}
	for _, by := range watchers {
		if times[by.name], err = delays(s.ctx, w, by); err != nil {
			return nil, fmt.Errorf("%s: %w", by.name, err)
		}
	}
	var results []result
	for _, peer := range watchers[1:] {
		for _, percentile := range []int{50, 99} {
			at := func(name string) figure { return took(times[name][(len(times[name])-1)*percentile/100]) }
			suffix := map[bool]string{true: versus + peer.name}[peer.name != "fsnotify"]
			results = append(results, result{row(percentile, suffix), peer.name, at("secret"), at(peer.name)})
		}
	}
	return results, nil
}

// delays changes secret 0 again and again and returns how long each change took,
// the shortest first.
func delays(ctx context.Context, w *watched, by watcher) (times []time.Duration, err error) {
	var want atomic.Pointer[string]
	arrived := make(chan time.Time, 1)
	closes, err := by.open(ctx, w, func(text string) {
		if wanted := want.Load(); wanted != nil && *wanted == text {
			want.Store(nil)
			arrived <- time.Now()
		}
	})
	if err != nil {
		return nil, err
	}
	defer closes()
	random := rand.New(rand.NewPCG(1, 2))
	for began, i := time.Now(), 1; i <= changes && time.Since(began) < changesTime; i++ {
		time.Sleep(time.Duration(10+random.IntN(90)) * time.Millisecond)
		text := valueOf(i)
		want.Store(&text)
		from := time.Now()
		if err := by.set(w, text); err != nil {
			return nil, err
		}
		select {
		case at := <-arrived:
			times = append(times, at.Sub(from))
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(90 * time.Second):
			return nil, errors.New("a change was not seen within 90 s")
		}
	}
	slices.Sort(times)
	return times, nil
}
