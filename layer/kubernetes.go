package main

import (
	"log/slog"
	"slices"
	"strings"
	"sync"

	"k8s.io/klog/v2"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/target/kubernetes"
)

// silenceKlog drops the log of client-go, which repeats the output of a plugin.
// Every error is also the error of a request.
var silenceKlog = sync.OnceFunc(func() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) })

// kubernetes opens the target kubernetes:NAMESPACE/NAME. It connects as kubectl
// does.
func (l *layer) kubernetes(target string) (driver.Publisher, error) {
	o, err := kubernetes.ParseTarget(target)
	if err != nil {
		return nil, err
	}
	// A plugin of the kubeconfig inherits the environment of this process, which
	// lacks some of layer's own credentials and has others.
	passed, dropped := l.passedOn(nil)
	var plugin []string
	for _, name := range slices.Concat(ownCredentials, l.admins, ofBucket) {
		for _, variable := range passed {
			if strings.HasPrefix(variable, name+"=") {
				plugin = append(plugin, variable)
			}
		}
	}
	for _, name := range dropped {
		plugin = append(plugin, name+"=")
	}
	silenceKlog()
	return kubernetes.New(kubernetes.Options{Object: o, PluginEnv: plugin})
}
