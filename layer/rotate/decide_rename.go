package rotate

// renaming prepares a rename: it returns the record under the new address as reconcile is to see it.
func (s *state) renaming(to *record, o order, name string) (*record, order, error) {
	from := s.find(o.source)
	switch {
	case from.empty() && from != nil && from.Removed && !to.empty() && to.Name == from.Name:
		return to, order{}, nil // renamed by an earlier run, under the same name in the store
	case from.empty():
		return nil, o, problemf(Refused, "the ledger holds no value of %s: look for a typing error. Nothing was changed", o.source).of(o.source)
	case to.empty():
		o.from = from
		return to, o, nil
	case to == from && from.Name != name:
		o.from = from
		return nil, o, nil // only its name in the store changes
	case to == from:
		return nil, o, problemf(Refused, "%s has that name already", o.source).of(o.source)
	case to.Current == from.Current && to.version(to.Current).Value == from.version(from.Current).Value:
		return to, order{}, nil // renamed by an earlier run
	}
	return nil, o, problemf(Refused, "%s has a value of its own: it would be lost. Nothing was changed", to.Address).of(to.Address)
}

// rename takes over the versions of another record, for the new address or name.
func (w *work) rename() {
	if w.out.verdict == verdictBound && w.order.from.Name != w.name {
		w.problem(Refused, "a value that `layer` did not make stands in the store under the new name: it would be overwritten")
		return
	}
	moved := w.order.from.clone()
	moved.Address, moved.Kind, moved.Name = w.spec.Address, w.spec.Kind, w.name
	moved.Gen, moved.Highest = max(w.r.Gen, w.order.from.Gen), max(w.r.Highest, w.order.from.Highest)
	moved.Making = nil
	w.act(OpRename, moved.Current)
	w.r, w.out.done = moved, true
	if w.order.from.Name == w.name {
		// The value stays where it is; only its address in the ledger is another.
		w.out.next, w.out.also = moved, w.order.from.clone()
		w.out.also.Versions, w.out.also.Current, w.out.also.Announced = nil, "", ""
		w.out.also.Intent, w.out.also.Published, w.out.also.Removed = nil, nil, true
		return
	}
	moved.Published, moved.Intent, moved.Ready = nil, nil, noTime
	op := OpRename
	if w.order.from.Intent != nil {
		// Its readers may be on the document before that, and its lives may count from long ago.
		moved.repair(w.spec.Rotation, w.desk.policy)
		op = OpRepair
	}
	w.publish(op, op == OpRepair, "")
}
