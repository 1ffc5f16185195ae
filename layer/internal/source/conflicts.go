package source

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/layeron-hq/secret"
)

// claims has the first declaration of each address, of each binding in lower
// case, and of each name in a secrets store.
type claims struct {
	addresses       map[secret.Address]declared
	bindings, names map[string]declared
}

func newClaims() claims {
	return claims{map[secret.Address]declared{}, map[string]declared{}, map[string]declared{}}
}

// conflicts reports declarations that no App could serve together. Each problem
// names the first declaration that conflicts.
func (r *reader) conflicts(c claims) {
	for _, d := range r.found {
		if _, option, text := r.conflict(c, d); text != "" {
			r.report(d.pos, option, "%s", text)
		}
	}
}

// conflict adds a declaration to those before it, and describes how it
// conflicts with the first such declaration. The text is empty if it does not.
func (r *reader) conflict(c claims, d declared) (with declared, option, text string) {
	one := d.spec(r.options)
	lower := strings.ToLower(one.Binding)
	if first, ok := c.addresses[one.Address]; ok {
		if different := difference(first.secret, d.secret, first.spec(r.options), one); different != "" {
			return first, "", fmt.Sprintf("%s is declared differently at %s (%s); declare it once and share the variable",
				d.subject(one.Address.String()), r.place(first), different)
		}
	} else if first, ok := c.bindings[lower]; ok {
		option := "Name"
		if one.Binding != one.Address.Binding() {
			option = "Binding"
		}
		if other := first.spec(r.options); other.Binding != one.Binding {
			return first, option, fmt.Sprintf("%s has the binding name %s and the one at %s has %s, which differ only in case: "+
				"some systems have one file for both; rename one", d.subject("the declaration"), one.Binding, r.place(first),
				other.Binding)
		}
		return first, option, fmt.Sprintf("%s has the same binding name %s as the one at %s: one would read the other's "+
			"value; "+
			"rename one", d.subject("the declaration"), one.Binding, r.place(first))
	} else {
		c.addresses[one.Address], c.bindings[lower] = d, d
	}
	other, ok := c.names[one.SecretName]
	if !ok {
		c.names[one.SecretName] = d
		return d, "", ""
	}
	// Two static secrets may share a value that an operator sets. A generated value
	// would replace the other secret's.
	if before := other.spec(r.options); before.Address != one.Address &&
		(before.Kind != secret.KindStatic || one.Kind != secret.KindStatic) {
		return other, "SecretName", fmt.Sprintf("%s is the same as in the declaration at %s: one would replace the other's "+
			"value; "+
			"give each its own", d.subject("SecretName"), r.place(other))
	}
	return d, "", ""
}

// subject returns the words for a declaration, with its position if it is in
// another package.
func (d declared) subject(words string) string {
	if d.at == "" {
		return words
	}
	return words + ", imported here from " + d.at + ","
}

func (r *reader) place(d declared) string {
	if d.at != "" {
		return d.at
	}
	return r.at(d.pos)
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
