package rotate

import (
	"fmt"
	"math"
)

// This file bounds ids and generations. The same bounds hold for records and
// for notes, for writing and for reading. So every note that is written can be
// read, and a run refuses a change that needs a further id before it records
// anything.

const (
	maxID  = 2_000_000_000 // of vN; maxID+1 fits an int of 32 bits
	maxGen = math.MaxInt64
)

// inBounds reports whether a note can hold a generation and the number of an
// id.
func inBounds(gen uint64, id int) bool { return 1 <= gen && gen <= maxGen && 1 <= id && id <= maxID }

const beginAnew = ". Declare the secret under another name, give it a value there, and remove this one"

// idsLeft returns an error if the record has used the last id.
func (r *record) idsLeft() error {
	if r.Highest >= maxID {
		return fmt.Errorf("no further version can be made: v%d is the last id"+beginAnew, maxID)
	}
	return nil
}

// publishable returns an error if no note can hold the record's next generation
// or one of its ids.
func (r *record) publishable() error {
	switch {
	case r.Gen >= maxGen:
		return fmt.Errorf("no further text can be published: generation %d is the last one"+beginAnew, uint64(maxGen))
	case r.Highest > maxID, !inBounds(r.Gen+1, number(r.Current)):
		return fmt.Errorf("no further version can be made: v%d is the last id"+beginAnew, maxID)
	}
	return nil
}
