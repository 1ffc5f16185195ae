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
	if len(s) < len("2006-01-02T15:04:05Z") ||
		s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, false
	}
	var n [7]int
	valid := true
	for k, i := range [...]uint8{0, 2, 5, 8, 11, 14, 17} {
		tens, units := s[i]-'0', s[i+1]-'0'
		valid = valid && tens <= 9 && units <= 9
		n[k] = int(tens)*10 + int(units)
	}
	year, month, day, hour, minute, second := n[0]*100+n[1], n[2], n[3], n[4], n[5], n[6]
	if !valid || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	nanos, rest, ok := fraction(s[19:])
	if !ok {
		return time.Time{}, false
	}
	offset, ok := zone(rest)
	if !ok {
		return time.Time{}, false
	}
	unix := int64(daysSince1970(year, month, day))*86400 + int64(hour*3600+minute*60+second-offset)
	if unix < firstSecond || unix > lastSecond {
		return time.Time{}, false
	}
	return time.Unix(unix, int64(nanos)).UTC(), true
}

// twoDigits returns the number of two digits. It is not inlined: at its nine
// calls that would add 1 KB to a Worker.
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
	i, scale := 1, 100_000_000
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		nanos += int(s[i]-'0') * scale
		scale /= 10
	}
	digits := i - 1
	return nanos, s[i:], 1 <= digits && digits <= 9
}

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
