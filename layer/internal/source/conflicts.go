package source

import (
	"reflect"
	"strings"

	"github.com/layeron-hq/secret"
)

// conflicts reports declarations that no App could serve together. Each problem
// names the first declaration that conflicts.
func (r *reader) conflicts() {
	addresses, bindings, names := map[secret.Address]declared{}, map[string]declared{}, map[string]declared{}
	for _, d := range r.found {
		one := d.spec(r.options)
		if first, ok := addresses[one.Address]; ok {
			if different := difference(first.secret, d.secret, first.spec(r.options), one); different != "" {
				r.report(d.pos, "", "%s is declared differently at %s (%s); declare it once and share the variable",
					one.Address, r.at(first.pos), different)
				continue
			}
		} else if first, ok := bindings[strings.ToLower(one.Binding)]; ok {
			option := "Name"
			if one.Binding != one.Address.Binding() {
				option = "Binding"
			}
			if other := first.spec(r.options); other.Binding == one.Binding {
				r.report(d.pos, option, "the declaration has the same binding name %s as the one at %s: one would read the "+
					"other's value; rename one", one.Binding, r.at(first.pos))
			} else {
				r.report(d.pos, option, "the declaration has the binding name %s and the one at %s has %s, which differ only in "+
					"case: some systems have one file for both; rename one", one.Binding, r.at(first.pos), other.Binding)
			}
			continue
		} else {
			addresses[one.Address], bindings[strings.ToLower(one.Binding)] = d, d
		}
		other, ok := names[one.SecretName]
		if !ok {
			names[one.SecretName] = d
			continue
		}
		// Two static secrets may share a value that an operator sets. A generated value
		// would replace the other secret's.
		if before := other.spec(r.options); before.Address != one.Address &&
			(before.Kind != secret.KindStatic || one.Kind != secret.KindStatic) {
			r.report(d.pos, "SecretName", "SecretName is the same as in the declaration at %s: one would replace the other's "+
				"value; give each its own", r.at(other.pos))
		}
	}
}

func (d declared) spec(o Options) secret.SpecSecret {
	app := secret.NewApp(secret.AppOptions{Workspace: o.Workspace, Project: o.Project, Environment: o.Environment})
	return app.Use(d.secret).Spec().Secrets[0]
}

// difference returns the names of the options in which two declarations of one
// address differ. It is empty if an App accepts both.
func difference(a, b *secret.Secret, x, y secret.SpecSecret) string {
	if len(secret.NewApp(secret.AppOptions{}).Use(a, b).Spec().Secrets) < 2 {
		return ""
	}
	var names []string
	vx, vy := reflect.ValueOf(x), reflect.ValueOf(y)
	for i := range vx.NumField() {
		if !reflect.DeepEqual(vx.Field(i).Interface(), vy.Field(i).Interface()) {
			names = append(names, vx.Type().Field(i).Name)
		}
	}
	if len(names) == 0 {
		return "SecretName" // the derived name, written out in one declaration
	}
	return strings.Join(names, ", ")
}
