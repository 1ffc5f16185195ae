// Command kube-apiserver is the API server of Kubernetes, for the tests of the
// Kubernetes target. Kubernetes publishes no module that can be installed by
// go install, because its go.mod replaces modules by folders.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
