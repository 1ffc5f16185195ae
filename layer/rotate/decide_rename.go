package rotate

// This file renames: it publishes the versions of one record under another
// address, or under another name in the target. The old value stays until it is
// removed, because readers still use it: see state_names.go. No id may be used twice under either
// name, so the new record takes the higher generation and the higher id of
// both.

// renaming prepares a rename: it returns the record under the new address for
// reconcile, and the order with the record that has the versions. The order is
// empty, so that the run only settles the secret, if an earlier run did the
// rename.
func (s *state) renaming(to *record, o order, name string) (*record, order, error) {
	from := s.find(o.source)
	switch {
	case from.empty() && from != nil && from.Removed && !to.empty() && to.Name == from.Name:
		return to, order{}, nil // an earlier run renamed it, under the same name in the target
	case from.empty():
		return nil, o, problemf(Refused, "the ledger holds no value of %s: look for a typing error. "+
			"Nothing was changed", o.source).of(o.source)
	case to.empty():
		o.from = from
		return to, o, nil
	case to == from && from.Name != name:
		o.from = from
		return from.renamed(name), o, nil // only its name in the target changes
	case to == from:
		return nil, o, problemf(Refused, "%s has that name already", o.source).of(o.source)
	case to.Current == from.Current && to.version(to.Current).Value == from.version(from.Current).Value:
		return to, order{}, nil // an earlier run renamed it
	}
	return nil, o, problemf(Refused, "%s has a value of its own: it would be lost. Nothing was changed",
		to.Address).of(to.Address)
}

// rename moves the versions of another record to the new address or name.
func (w *work) rename() {
	if w.order.from.Name != w.name && (w.out.verdict == verdictBound || w.order.from.edited(w.name, w.found)) {
		w.problem(Refused, "under the new name the target holds a value that `layer` did not make: "+
			"it would be overwritten")
		return
	}
	moved := w.order.from.clone()
	switch {
	case w.order.from.Name == w.name: // the values under former names go with it
	case w.order.from.Address == w.spec.Address:
		moved.leave()
		moved.Left = moved.without(w.name)
	default:
		moved.Left = w.r.without(w.name) // the old record keeps its own
	}
	moved.Address, moved.Kind, moved.Name, moved.Binding = w.spec.Address, w.spec.Kind, w.name, w.r.Binding
	moved.Gen, moved.Highest = max(w.r.Gen, w.order.from.Gen), max(w.r.Highest, w.order.from.Highest)
	moved.Making = nil
	w.act(OpRename, moved.Current)
	w.r, w.out.done = moved, true
	if w.order.from.Name == w.name {
		// The value keeps its name in the target. Only its address in the ledger
		// changes.
		w.out.next, w.out.also = moved, w.order.from.clone()
		w.out.also.Versions, w.out.also.Current, w.out.also.Announced = nil, "", ""
		w.out.also.Intent, w.out.also.Published, w.out.also.Removed, w.out.also.Left = nil, nil, true, nil
		return
	}
	moved.Published, moved.Intent, moved.Ready = nil, nil, noTime
	op := OpRename
	if w.order.from.Intent != nil {
		// The old text was not confirmed: its readers may use the text before it, and
		// its lives may count from long ago.
		moved.repair(w.spec.Rotation, w.desk.policy)
		op = OpRepair
	}
	w.publish(op, op == OpRepair, "")
}
