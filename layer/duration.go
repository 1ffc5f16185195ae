package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// durationVar adds a flag for a time: 24h and 90m as Go writes it, and days in front,
// 7d and 1d12h. A day has 24 hours.
func durationVar(f *pflag.FlagSet, to *time.Duration, name string, value time.Duration, usage string) {
	*to = value
	f.Var((*duration)(to), name, usage)
}

// duration is the value of a flag.
type duration time.Duration

// Set implements [pflag.Value].
func (d *duration) Set(text string) error {
	parsed, err := parseDuration(text)
	if err == nil {
		*d = duration(parsed)
	}
	return err
}

// String implements [pflag.Value].
func (d *duration) String() string {
	if *d == 0 {
		return "0" // help shows no such default
	}
	return time.Duration(*d).String()
}

// Type implements [pflag.Value]. It is a key of takes.
func (d *duration) Type() string { return "duration" }

var errDuration = errors.New("not a time")

// parseDuration parses days and the rest, which [time.ParseDuration] parses. A sign is
// for the whole.
func parseDuration(text string) (time.Duration, error) {
	number, rest, ok := strings.Cut(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	negative := strings.HasPrefix(number, "-")
	if number != "" && strings.ContainsRune("+-", rune(number[0])) {
		number = number[1:]
	}
	if strings.Trim(number, "0123456789.") != "" || strings.Trim(number, ".") == "" {
		return 0, errDuration // no exponent, no name of a number
	}
	days, err := strconv.ParseFloat(number, 64)
	if err != nil || days*24 >= math.MaxInt64/float64(time.Hour) {
		return 0, errDuration
	}
	sum := time.Duration(days * 24 * float64(time.Hour))
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		sum = time.Duration(whole) * 24 * time.Hour // exact
	}
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || strings.ContainsAny(rest[:1], "+-") || more > math.MaxInt64-sum {
			return 0, errDuration
		}
		sum += more
	}
	if negative {
		sum = -sum
	}
	return sum, nil
}
