package rotate

import "github.com/layeron-hq/secret"

// Action is one thing that a run does or would do to a secret.
type Action struct {
	Address secret.Address `json:"address"`
	// Action is one of the constants below.
	Action string `json:"action"`
	// Version is the id that it is about; empty where it is about the whole document.
	Version string `json:"version,omitempty"`
}

// What an Action can be.
const (
	opCreate   = "create"   // the first value
	opSet      = "set"      // a value from outside, in force at once
	opAdd      = "add"      // a new version announced: the first phase of a rotation
	opFlip     = "flip"     // the announced version comes into use: the second phase
	opPrune    = "prune"    // an expired version leaves
	opExtend   = "extend"   // a version lives longer, since the declaration retains longer
	opRepair   = "repair"   // lives begin anew after a stray request
	opRefresh  = "refresh"  // lives begin anew, since what was sent was not confirmed in time
	opPublish  = "publish"  // the same bytes again
	opConfirm  = "confirm"  // the store was found to hold what an earlier run sent
	opAdopt    = "adopt"    // published over what was found there, on a person's word
	opWithdraw = "withdraw" // an announced version is taken back
	opRevoke   = "revoke"   // a version is gone everywhere
	opRename   = "rename"   // the versions under a new address or name
	opRemove   = "remove"   // gone from ledger and store
	opKeep     = "keep"     // in the ledger only: somebody's value stands in the store
)

// What else stands in a ledger's log: no action on a secret.
const (
	opMove   = "move"   // the ledger has moved to another place
	opResume = "resume" // and has not, after all
)
