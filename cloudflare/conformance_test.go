package cloudflare

import (
	"testing"

	"github.com/layeron-hq/secret/internal/cloudflarefake"
	"github.com/layeron-hq/secret/rotate"
	"github.com/layeron-hq/secret/rotate/rotatetest"
)

func TestConformance(t *testing.T) {
	for name, fo := range map[string]cloudflarefake.Options{
		"as it is":         {},
		"in pages of 25":   {PageCap: 25},
		"slow to activate": {Pending: 2},
	} {
		t.Run(name, func(t *testing.T) {
			rotatetest.TestPublisher(t, func(t *testing.T) (rotate.Publisher, func(string) (string, bool)) {
				fake, o := start(t, fo)
				s, _ := open(t, o)
				return s, fake.Value
			})
		})
	}
}
