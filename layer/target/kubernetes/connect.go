package kubernetes

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/layeron-hq/secret/layer/internal/loopback"
)

// Options say which object to write and how to reach its cluster.
type Options struct {
	Object
	// PluginEnv are variables, in the form NAME=value, that a plugin of the
	// kubeconfig gets in addition to the environment of this process. NAME= hides a
	// variable from it.
	PluginEnv []string
	// Timeout bounds one request. 0: 30 s.
	Timeout time.Duration
}

// New returns a Publisher for an object. It reads the kubeconfig as kubectl
// does: the files of the variable KUBECONFIG, else ~/.kube/config. Without a
// kubeconfig, in a Pod, it uses the token of the Pod's service account, and
// reads it again before it expires. New sends no request.
func New(o Options) (*Publisher, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	return open(o, config)
}

func (o Options) config() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	loaded, err := rules.Load()
	if err != nil {
		// err may quote a line of the file, with a token.
		return nil, errors.New("kubernetes: the kubeconfig cannot be read: `kubectl config view` prints the reason")
	}
	if clientcmdapi.IsConfigEmpty(loaded) {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, errors.New("kubernetes: there is no kubeconfig, and this is no Pod with the token of a service " +
				"account: set KUBECONFIG to the file that kubectl uses")
		}
		return config, nil
	}
	if err := entries(loaded, o.Context); err != nil {
		return nil, err
	}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.Context}
	config, err := clientcmd.NewNonInteractiveClientConfig(*loaded, o.Context, overrides, rules).ClientConfig()
	if err != nil {
		return nil, unusable(err)
	}
	return config, nil
}

// entries returns an error if the kubeconfig lacks the context, or the context's
// cluster or user. client-go would send requests without a credential then.
func entries(config *clientcmdapi.Config, asked string) error {
	name := cmp.Or(asked, config.CurrentContext)
	found := config.Contexts[name]
	switch {
	case found == nil && asked != "":
		return errors.New("kubernetes: the kubeconfig has no context of the name that the target gives: " +
			"`kubectl config get-contexts` lists its contexts")
	case found == nil:
		return errors.New("kubernetes: the kubeconfig has no usable context: its current context is not set, or is " +
			"missing: choose one with `kubectl config use-context`, or add ?context=CONTEXT to the target")
	case config.Clusters[found.Cluster] == nil:
		return errors.New("kubernetes: the kubeconfig has no usable context: it lacks the cluster that the context " +
			"names: `kubectl config view` prints both")
	case found.AuthInfo != "" && config.AuthInfos[found.AuthInfo] == nil:
		return errors.New("kubernetes: the kubeconfig has no usable context: it lacks the user that the context " +
			"names: `kubectl config view` prints both")
	}
	return nil
}

// unusable returns the error for a context that client-go refuses with this
// error, whose text it does not show: it repeats settings, which may be
// credentials, such as the password of a proxy, or a key or a token in the place
// of the name of its file.
func unusable(err error) error {
	wrong := "a setting of its cluster or of its user cannot be used"
	text := err.Error()
	for _, setting := range []string{"proxy-url", "certificate-authority", "client-key", "client-cert", "interactiveMode"} {
		if strings.Contains(text, setting) {
			wrong = "the setting " + setting + " cannot be used"
			break
		}
	}
	if strings.Contains(text, "more than one authentication method") {
		wrong = "its user has more than one kind of credential"
	}
	return errors.New("kubernetes: the kubeconfig has no usable context: " + wrong + ": `kubectl auth whoami` prints the " +
		"reason")
}

// open returns a Publisher that connects by config.
func open(o Options, config *rest.Config) (*Publisher, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "layer"
	config.Timeout = o.Timeout
	if config.Timeout == 0 {
		config.Timeout = 30 * time.Second
	}
	if config.ExecProvider != nil {
		for _, variable := range o.PluginEnv {
			name, value, _ := strings.Cut(variable, "=")
			config.ExecProvider.Env = append(config.ExecProvider.Env, clientcmdapi.ExecEnvVar{Name: name, Value: value})
		}
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, errors.New("kubernetes: the certificates or the plugin of the kubeconfig cannot be used: " +
			"`kubectl auth whoami` prints the reason")
	}
	// A redirect would send values, and the credential, to another server.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	base, _, err := rest.DefaultServerUrlFor(config)
	switch {
	case err != nil:
		return nil, errors.New("kubernetes: the address of the cluster in the kubeconfig is no URL")
	case base.Scheme != "https" && !loopback.Is(base.Hostname()):
		return nil, errors.New("kubernetes: the kubeconfig has an address without TLS, which is allowed only for this " +
			"machine: the values would be sent unencrypted")
	}
	path := strings.TrimSuffix(base.String(), "/") + "/api/v1/namespaces/" + o.Namespace + "/secrets"
	return &Publisher{object: o.Object, client: client, collection: path, pause: wait}, nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
