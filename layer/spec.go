package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/internal/mermaid"
	"github.com/layeron-hq/secret/layer/rotate"
)

func (l *layer) specCommand() *cobra.Command {
	graph := false
	c := &cobra.Command{Use: "spec [packages]", Short: "Print the declarations of the program here", Args: count(0, -1),
		Long: `Read the declarations from the source of the packages (./... if none is named), without tests, and
print the spec: the result of App.Spec for an App that uses every declaration. An option that is not
a constant is reported with its position.`,
		Example: `  layer secret spec > spec.json
  layer secret spec ./cmd/server --workspace acme --project shop
  layer secret spec --graph`,
		RunE: func(c *cobra.Command, args []string) error {
			set, _, err := l.settings(c)
			if err != nil {
				return err
			}
			spec, err := l.readSource(c.Context(), args, set)
			if err != nil {
				return err
			}
			if graph && l.json {
				l.printJSON(struct {
					OK      bool   `json:"ok"`
					Mermaid string `json:"mermaid"`
				}{true, mermaid.Flowchart(spec.Graph)})
				return nil
			}
			if graph {
				l.err.clear()
				l.out.lines(mermaid.Flowchart(spec.Graph))
				return nil
			}
			return writeJSON(l.out, spec, "  ")
		}}
	l.nameFlags(c)
	c.Flags().BoolVar(&graph, "graph", false, "print the resource graph as Mermaid")
	return c
}

// settings returns workspace, project and environment: from the flags, else
// from the ledger, if there is one that can be opened. It also returns the state
// of that ledger, or nil.
func (l *layer) settings(c *cobra.Command) (set rotate.Settings, known *rotate.State, err error) {
	p, err := l.parsePlace(l.ledger)
	if err != nil {
		return set, nil, err
	}
	if _, err := os.Stat(l.path(p.text)); p.kind != inFile || err == nil {
		_, state, err := l.load(c.Context(), opening{})
		set = state.Settings()
		if err == nil {
			known = &state
		}
		named := c.Flags().Changed("workspace") && c.Flags().Changed("project") && c.Flags().Changed("environment")
		switch {
		case err == nil || named:
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, rotate.ErrNotFound):
			// No identity here, or no ledger yet.
			l.say("%s; so names are derived from the flags only", words(err))
		default:
			return set, nil, err
		}
	}
	for flag, to := range map[string]*string{"workspace": &set.Workspace, "project": &set.Project,
		"environment": &set.Environment} {
		if c.Flags().Changed(flag) {
			*to, _ = c.Flags().GetString(flag)
		}
	}
	return set, known, nil
}
