package main

import (
	"context"
	"os"
	"testing"
)

// reads returns the benchmarks of a warm read, by one goroutine and by many at
// once. The calls are written out in full: a function value in between would be
// measured with them.
func (p *peers) reads() (one, many []benchmark) {
	ctx := context.Background()
	check := func(b *testing.B, n int) {
		if n != valueLength {
			b.Fatal("another value was read")
		}
	}
	one = []benchmark{
		{name: "atomic.Pointer load", run: func(b *testing.B) {
			for b.Loop() {
				check(b, len(*p.atomic.Load()))
			}
		}},
		{name: "os.Getenv", run: func(b *testing.B) {
			for b.Loop() {
				check(b, len(os.Getenv(variable)))
			}
		}},
		{name: "setec Updater.Get", base: true, run: func(b *testing.B) {
			for b.Loop() {
				check(b, len(p.updater.Get()))
			}
		}},
		{name: "setec Store Secret.Get", run: func(b *testing.B) {
			for b.Loop() {
				check(b, len(p.setec.Get()))
			}
		}},
		{name: "runtimevar file Latest", run: func(b *testing.B) {
			for b.Loop() {
				snapshot, _ := p.file.Latest(ctx)
				check(b, len(snapshot.Value.(string)))
			}
		}},
		{name: "aws caching GetSecretString", run: func(b *testing.B) {
			for b.Loop() {
				text, _ := p.aws.GetSecretString(variable)
				check(b, len(text))
			}
		}},
		{name: "**secret** Current().Text()", most: 0.6, run: func(b *testing.B) {
			for b.Loop() {
				text, _ := p.own.Current().Text()
				check(b, len(text))
			}
		}},
		{name: "**secret** Version(id).Text()", most: 2, run: func(b *testing.B) {
			for b.Loop() {
				text, _ := p.own.Version("v2").Text()
				check(b, len(text))
			}
		}},
		{name: "**secret** At(t).Text()", most: 4, run: func(b *testing.B) {
			for b.Loop() {
				text, _ := p.own.At(inForce).Text()
				check(b, len(text))
			}
		}},
	}
	many = []benchmark{
		{name: "atomic.Pointer load", run: func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					check(b, len(*p.atomic.Load()))
				}
			})
		}},
		{name: "os.Getenv", run: func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					check(b, len(os.Getenv(variable)))
				}
			})
		}},
		{name: "setec Updater.Get", base: true, run: func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					check(b, len(p.updater.Get()))
				}
			})
		}},
		{name: "setec Store Secret.Get", run: func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					check(b, len(p.setec.Get()))
				}
			})
		}},
		{name: "runtimevar file Latest", run: func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					snapshot, _ := p.file.Latest(ctx)
					check(b, len(snapshot.Value.(string)))
				}
			})
		}},
		{name: "aws caching GetSecretString", run: func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					text, _ := p.aws.GetSecretString(variable)
					check(b, len(text))
				}
			})
		}},
		{name: "**secret** Current().Text()", most: 0.6, run: func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					text, _ := p.own.Current().Text()
					check(b, len(text))
				}
			})
		}},
		{name: "**secret** Version(id).Text()", most: 2, run: func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					text, _ := p.own.Version("v2").Text()
					check(b, len(text))
				}
			})
		}},
		{name: "**secret** At(t).Text()", most: 4, run: func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					text, _ := p.own.At(inForce).Text()
					check(b, len(text))
				}
			})
		}},
	}
	return one, many
}
