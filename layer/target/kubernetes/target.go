package kubernetes

import (
	"errors"
	"net/url"
	"strings"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// Object names the Secret object of a target.
type Object struct {
	// Namespace and Name are the names of the object. Both are required.
	Namespace, Name string
	// Context is the context of the kubeconfig. Empty: the current context.
	Context string
}

const form = "kubernetes:NAMESPACE/NAME, with ?context=CONTEXT at its end for another context of the " +
	"kubeconfig than the current one"

var (
	// The rules of Kubernetes for names: RFC 1123.
	label     = lazyregexp.New(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	subdomain = lazyregexp.New(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// ParseTarget parses kubernetes:NAMESPACE/NAME?context=CONTEXT. The errors show
// no part of the text, which may be a value in the wrong place.
func ParseTarget(text string) (Object, error) {
	rest, ok := strings.CutPrefix(text, "kubernetes:")
	rest, query, asked := strings.Cut(rest, "?")
	o := Object{}
	var two bool
	o.Namespace, o.Name, two = strings.Cut(rest, "/")
	if !ok || !two {
		return Object{}, errors.New("kubernetes: a target has the form " + form)
	}
	if asked {
		name, value, _ := strings.Cut(query, "=")
		// Not a form's encoding, where a plus is a space: a context may have one.
		context, err := url.PathUnescape(value)
		if err != nil || name != "context" || context == "" || strings.Contains(value, "&") {
			return Object{}, errors.New("kubernetes: after the question mark, a target has context=CONTEXT, " +
				"and nothing else: write & as %26 and % as %25")
		}
		o.Context = context
	}
	return o, o.check()
}

func (o Object) check() error {
	switch {
	case !label().MatchString(o.Namespace):
		return errors.New("kubernetes: the namespace is no name of a namespace: 1 to 63 of a-z, 0-9 and -, " +
			"with no - at either end")
	case len(o.Name) > 253 || !subdomain().MatchString(o.Name):
		return errors.New("kubernetes: the name is no name of a Secret: 1 to 253 of a-z, 0-9, - and ., with a " +
			"letter or a digit at both ends of each part")
	}
	return nil
}

// String returns the object as kubectl prints it: secret/NAME in namespace
// NAMESPACE.
func (o Object) String() string { return "secret/" + o.Name + " in namespace " + o.Namespace }
