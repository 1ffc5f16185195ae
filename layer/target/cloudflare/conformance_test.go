package cloudflare

import (
	"testing"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

func TestStoreIsAPublisher(t *testing.T) {
	for name, fo := range map[string]cloudflarefake.Options{
		"as it is":         {},
		"in pages of 25":   {PageCap: 25},
		"slow to activate": {Pending: 2},
	} {
		t.Run(name, func(t *testing.T) {
			drivertest.TestPublisher(t, func(t *testing.T) (driver.Publisher, func(string) (string, bool)) {
				fake, o := start(t, fo)
				s, _ := open(t, o)
				return s, fake.Value
			})
		})
	}
}
