package rotate

import "slices"

// This file has the formats of a state. An earlier layer drops the members that
// it does not know. So a state with a member that must survive has a format that
// an earlier layer refuses.

// The formats of a state. stateFormat is the usual one. Formats 1 to 3 are read
// too. Format 1 has no sums and no place. Formats 1 and 2 have no anchor and no
// reach of former keys. Format 3 does not record which texts are bare values,
// and keeps no reports. A program refuses a later format, because it would drop
// fields.
//
// A state with the request of a driver.RequestGenerator has requestFormat: an
// earlier layer would drop the parameters, and no value could be ended then. A
// state without one keeps the earlier format.
const (
	stateFormat   = 4
	requestFormat = 5
)

// format returns the format of the state.
func (s *state) format() int {
	asked := slices.ContainsFunc(s.Retire, func(r resource) bool { return r.Address != "" }) ||
		slices.ContainsFunc(s.Sweep, func(x sweep) bool { return x.Address != "" }) ||
		slices.ContainsFunc(s.Secrets, func(r *record) bool {
			return r.Making != nil && r.Making.Address != "" || slices.ContainsFunc(r.Versions,
				func(v version) bool { return v.Resource != nil && v.Resource.Address != "" })
		})
	if asked {
		return requestFormat
	}
	return stateFormat
}
