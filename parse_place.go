package secret

import "hash/maphash"

// place combines a hash of a name with the offset of the name in the text, in
// the bits that an offset below maxText takes.
type place uint64

const placeBits = 20

func placeOf(name string, at int) place {
	return place(maphash.String(indexSeed, name)>>placeBits<<placeBits | uint64(at))
}

func (p place) at() int { return int(p & (1<<placeBits - 1)) }

// like reports whether the names of p and o may be equal.
func (p place) like(o place) bool { return p>>placeBits == o>>placeBits }

// sortPlaces sorts p so that places of equal names are adjacent. It is a
// heapsort: package slices would add 2 KB to a Worker.
func sortPlaces(p []place) {
	for n, top := len(p), len(p)/2; n > 1; {
		if top > 0 {
			top-- // the heap is not complete yet
		} else {
			n--
			p[0], p[n] = p[n], p[0]
		}
		for i, child := top, 2*top+1; child < n; i, child = child, 2*child+1 {
			if child+1 < n && p[child] < p[child+1] {
				child++
			}
			if p[i] >= p[child] {
				break
			}
			p[i], p[child] = p[child], p[i]
		}
	}
}
