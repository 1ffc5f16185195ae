package secret

// Graph is the resource graph: the value that each secret is stored as, and the
// binding that reads it.
type Graph struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Node is a secret, a value or a binding.
type Node struct {
	// ID is the kind, a colon and a name: for a secret its address, for a value its
	// name in the secrets store, for a binding the binding's name.
	ID string `json:"id"`
	// Kind is secret, value or binding.
	Kind string `json:"kind"`
	// Intent is the declared source of a secret's value (not an intent of package
	// rotate): operator, random, the generator's name, or external_value_required
	// for a generated secret without a generator. It is empty for the other kinds.
	Intent string `json:"intent,omitempty"`
}

// Edge is a directed edge of the graph. Its Kind is stored_as from a secret to
// its stored value, and reads from a binding to the value that programs read
// through it.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	Kind string `json:"kind"`
}

func graphOf(secrets []SpecSecret) Graph {
	g := Graph{Nodes: []Node{}, Edges: []Edge{}}
	drawn := map[string]bool{}
	draw := func(n Node) {
		if !drawn[n.ID] {
			drawn[n.ID] = true
			g.Nodes = append(g.Nodes, n)
		}
	}
	for _, s := range secrets {
		secret, value, binding := "secret:"+s.Address.String(), "value:"+s.SecretName, "binding:"+s.Binding
		draw(Node{ID: secret, Kind: "secret", Intent: s.intent()})
		draw(Node{ID: value, Kind: "value"})
		draw(Node{ID: binding, Kind: "binding"})
		g.Edges = append(g.Edges, Edge{secret, value, "stored_as"}, Edge{binding, value, "reads"})
	}
	return g
}

func (s *SpecSecret) intent() string {
	switch {
	case s.Kind == KindStatic:
		return "operator"
	case s.Kind == KindRandom:
		return "random"
	case s.Generator != "":
		return s.Generator
	}
	return "external_value_required"
}
