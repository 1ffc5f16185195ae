package secret

import "time"

const (
	// 1970-01-01T00:00:00Z: Go's zero time must not be a value, because it means
	// "never"
	firstSecond = 0
	lastSecond  = 253402300799 // 9999-12-31T23:59:59Z
)

// inRange reports whether a document may contain t.
func inRange(t time.Time) bool {
	s := t.Unix()
	return firstSecond <= s && s <= lastSecond
}

// parseTime parses RFC 3339 in its strict form: T and Z in upper case, two
// digits each, no leap second, 1 to 9 digits after a dot, an offset of at most
// 23:59, an instant from 1970 to 9999 in UTC. time.Parse accepts more.
func parseTime(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02T15:04:05Z") {
		return time.Time{}, false
	}
	// Eight characters at a time: a document has two times for each version.
	date, ok1 := pairs(eight(s, 0), eight("0000-00-", 0))
	clock, ok2 := pairs(eight(s, 8), eight("00T00:00", 0))
	year, month, day := int(date&0xff)*100+int(date>>16&0xff), int(date>>40&0xff), int(clock&0xff)
	hour, minute := int(clock>>24&0xff), int(clock>>48&0xff)
	second, nanos, offset, ok3 := 0, 0, 0, false
	if len(s) == len("2006-01-02T15:04:05.000Z") {
		var rest uint64
		if rest, ok3 = pairs(eight(s, 16), eight(":00.000Z", 0)); ok3 { // most times
			second, nanos = int(rest>>8&0xff), (int(rest>>32&0xff)*10+int(s[22]-'0'))*1e6
		}
	}
	if !ok3 {
		second, nanos, offset, ok3 = secondsOf(s[16:])
	}
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	unix := int64(daysSince1970(year, month, day))*86400 + int64(hour*3600+minute*60+second-offset)
	if unix < firstSecond || unix > lastSecond {
		return time.Time{}, false
	}
	return time.Unix(unix, int64(nanos)).UTC(), true
}

// eight returns the eight bytes from i on, the first one lowest.
func eight(s string, i int) uint64 {
	w := s[i : i+8]
	return uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
		uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
}

// pairs reads eight characters that have the given form, with a 0 for each digit.
// Each byte of the result is ten times that digit plus the next one, or is not
// of use.
func pairs(x, form uint64) (tens uint64, ok bool) {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
	)
	x ^= form // a digit is 0 to 9 now, another character of the form 0
	// Adding 0x76 to a digit, and 0x7f to another one, sets the high bit if it is more.
	digits := (form ^ '0'*ones - ones) & high >> 7 // 1 in each byte of a digit
	ok = (x|(x+0x7f*ones-9*digits))&high == 0
	return x*10 + x>>8, ok
}

// secondsOf parses the seconds after a colon, a fraction and the offset.
func secondsOf(s string) (second, nanos, offset int, ok bool) {
	second, ok1 := twoDigits(s, 1)
	nanos, rest, ok2 := fraction(s[3:])
	if s[0] != ':' || !ok1 || !ok2 {
		return 0, 0, 0, false
	}
	offset, ok = zone(rest)
	return second, nanos, offset, ok
}

// twoDigits returns the number of two digits. It is not inlined: at its four
// calls that would add to a Worker.
//
//go:noinline
func twoDigits(s string, i int) (int, bool) {
	a, b := s[i]-'0', s[i+1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

// fraction parses the nanoseconds that may follow the seconds, and returns the
// rest of s.
func fraction(s string) (nanos int, rest string, ok bool) {
	if s[0] != '.' {
		return 0, s, true
	}
	i := 1
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		nanos = nanos*10 + int(s[i]-'0')
	}
	digits := i - 1
	if digits < 1 || digits > 9 {
		return 0, "", false
	}
	return nanos * int(powers[9-digits]), s[i:], true
}

// powers are those of ten.
var powers = [...]int32{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// zone parses Z or an offset, in seconds east of UTC. Nothing may follow it.
func zone(s string) (offset int, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != len("+00:00") || (s[0] != '+' && s[0] != '-') || s[3] != ':' {
		return 0, false
	}
	hours, ok1 := twoDigits(s, 1)
	minutes, ok2 := twoDigits(s, 4)
	offset = hours*3600 + minutes*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, ok1 && ok2 && hours <= 23 && minutes <= 59
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 counts in years that begin in March, so a leap day is the last
// day of its year.
func daysSince1970(year, month, day int) int {
	if month <= 2 {
		year, month = year-1, month+12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468
}

// utc returns t in the form that a document holds: in UTC, without a monotonic
// reading.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

func formatTime(t time.Time) string { return t.Format(time.RFC3339Nano) }

const badTime = "not a time: RFC 3339 as in 2026-05-25T00:00:00.000Z, from 1970 to 9999, is allowed"

func lifeInOrder(activeFrom, expiresAt time.Time) bool {
	return activeFrom.IsZero() || expiresAt.IsZero() || activeFrom.Before(expiresAt)
}
