package secret

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var strictTime = regexp.MustCompile(
	`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// Each byte of a time matters: parseTime and package time agree about all texts
// that differ from a good one in one byte.
func TestTimesThatDifferInOneByte(t *testing.T) {
	for _, good := range []string{
		"2026-05-25T00:00:00.000Z", "2026-12-31T23:59:59.987Z", "2024-02-29T10:11:12Z", "1970-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z", "2026-05-25T12:34:56.123456789+02:30", "2026-05-25T12:34:56-23:59",
		"2026-05-25T12:34:56.1Z", "2026-05-25T12:34:56.12345+00:00", "2026-11-30T19:08:07.0605Z",
	} {
		require.True(t, sameAsPackageTime(t, good), good)
		for i := range len(good) + 1 {
			for c := range 256 {
				b := string([]byte{byte(c)})
				sameAsPackageTime(t, good[:i]+b+good[i:])
				if i < len(good) {
					sameAsPackageTime(t, good[:i]+b+good[i+1:])
				}
			}
			if i < len(good) {
				sameAsPackageTime(t, good[:i]+good[i+1:])
				sameAsPackageTime(t, good[:i])
			}
		}
	}
}

// sameAsPackageTime fails the test if parseTime and package time differ about a
// text. It reports whether the text is a time.
func sameAsPackageTime(t *testing.T, text string) bool {
	want, err := time.Parse(time.RFC3339Nano, text)
	valid := err == nil && strictTime.MatchString(text) && inRange(want)
	got, ok := parseTime(text)
	if ok != valid || ok && (!got.Equal(want) || got.Location() != time.UTC) {
		require.Failf(t, "parseTime", "%q: %v %v, want %v %v", text, got, ok, want, valid)
	}
	return ok
}
