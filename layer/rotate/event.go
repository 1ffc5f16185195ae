package rotate

// Event tells how a run gets on, for whoever shows it.
type Event struct {
	// Stage is what the run does next: "load", "inspect", "check", "record" (the ledger), "make", "publish", "wait", "clean".
	Stage string
	// Secrets is how many secrets that concerns; 0 where it concerns all or none.
	Secrets int
	// Actions are those that the run goes on to carry out; they stand in the event of stage "record".
	Actions []Action
}
