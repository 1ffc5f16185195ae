package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/layeron-hq/secret"
)

var _ = register("read", group{pairs: func(s *session) ([]pair, error) {
	p, err := newPeers(s.ctx)
	if err != nil {
		return nil, err
	}
	s.cleanup(p.close)
	var rows []pair
	for _, n := range []int{1, 3, 50, 1000} {
		rows = append(rows, p.reads(n)...)
	}
	return append(rows, p.others()...), nil
}})

func check(b *testing.B, text string) {
	if len(text) != valueLength {
		b.Fatal("another value was read")
	}
}

// updater is what the reads are compared with.
const updater = "setec Updater.Get"

func (p *peers) readUpdater(b *testing.B) {
	for b.Loop() {
		check(b, p.updater.Get())
	}
}

func (p *peers) readCurrent(b *testing.B) {
	own := p.own[3]
	for b.Loop() {
		text, _ := own.Current().Text()
		check(b, text)
	}
}

// reads returns the rows of warm reads among n versions. The calls are written
// out in full: a function value in between would be measured with them.
func (p *peers) reads(n int) []pair {
	own, ctx, id, at := p.own[n], context.Background(), idOf(middle(n)), since(middle(n)).Add(1)
	current := idOf(n)
	var rows []pair
	for _, r := range []struct {
		name string
		run  func(*testing.B)
	}{
		{"Current", func(b *testing.B) {
			for b.Loop() {
				text, _ := own.Current().Text()
				check(b, text)
			}
		}},
		{"Current.Get", func(b *testing.B) {
			for b.Loop() {
				v, _ := own.Current().Get(ctx)
				check(b, v.Text())
			}
		}},
		{"Version", func(b *testing.B) {
			for b.Loop() {
				text, _ := own.Version(id).Text()
				check(b, text)
			}
		}},
		{"At", func(b *testing.B) {
			for b.Loop() {
				text, _ := own.At(at).Text()
				check(b, text)
			}
		}},
		{"ActiveVersion", func(b *testing.B) {
			for b.Loop() {
				text, _ := own.ActiveVersion(current).Text()
				check(b, text)
			}
		}},
		{"ActiveVersion/middle", func(b *testing.B) { // expires, unless it is the only one
			for b.Loop() {
				text, _ := own.ActiveVersion(id).Text()
				check(b, text)
			}
		}},
		{"Active", func(b *testing.B) {
			for b.Loop() {
				if active, _ := own.Active(); len(active) != n {
					b.Fatal("other versions are active")
				}
			}
		}},
	} {
		rows = append(rows, pair{fmt.Sprintf("%d/%s", n, r.name), updater, r.run, p.readUpdater})
	}
	return rows
}

// others returns the rows that compare Current among 3 versions with other
// peers, and with one reader a processor.
func (p *peers) others() []pair {
	ctx := context.Background()
	return []pair{
		{"3/Current/vs-atomic", "atomic.Pointer load", p.readCurrent, func(b *testing.B) {
			for b.Loop() {
				check(b, *p.atomic.Load())
			}
		}},
		{"3/Current/vs-getenv", "os.Getenv", p.readCurrent, func(b *testing.B) {
			for b.Loop() {
				check(b, os.Getenv(variable))
			}
		}},
		{"3/Current/vs-setec-store", "setec Store Secret.Get", p.readCurrent, func(b *testing.B) {
			for b.Loop() {
				if len(p.setec.Get()) != valueLength {
					b.Fatal("another value was read")
				}
			}
		}},
		{"3/Current/vs-runtimevar", "runtimevar file Latest", p.readCurrent, func(b *testing.B) {
			for b.Loop() {
				snapshot, _ := p.file.Latest(ctx)
				check(b, snapshot.Value.(string))
			}
		}},
		{"3/Current/vs-aws", "aws caching GetSecretString", p.readCurrent, func(b *testing.B) {
			for b.Loop() {
				text, _ := p.aws.GetSecretString(variable)
				check(b, text)
			}
		}},
		{"3/Current/parallel", updater + ", parallel", func(b *testing.B) {
			own := p.own[3]
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					text, _ := own.Current().Text()
					check(b, text)
				}
			})
		}, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					check(b, p.updater.Get())
				}
			})
		}},
	}
}

// openOwn starts an App with secrets of 1, 3, 50 and 1,000 versions.
func (p *peers) openOwn(ctx context.Context) error {
	texts := map[string]string{}
	p.own = map[int]*secret.Secret{}
	for _, n := range []int{1, 3, 50, 1000} {
		s := secret.Static(secret.Options{Name: fmt.Sprintf("versions-%d", n)})
		texts[s.Binding()], _ = documents(n)
		p.own[n] = s
	}
	app := secret.NewApp(secret.AppOptions{Store: secret.NewMemory(texts)})
	app.Use(slices.Collect(maps.Values(p.own))...)
	if err := app.Start(ctx); err != nil {
		return err
	}
	p.closers = append(p.closers, app.Close)
	return nil
}
