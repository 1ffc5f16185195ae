// Command notice prints the NOTICE of a program: the modules of which a binary is
// made, their licences, and the texts that these licences require beside it. It
// fails where a licence is not known or not allowed.
//
// It lists the program in the current folder, on every platform that layer runs
// on. .ci/notice runs it at the versions of layer's own go.mod.
package main

import (
	"fmt"
	"os"
)

// own is the project's module. Its modules have the project's own licence.
const own = "github.com/layeron-hq/secret"

var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}

func main() {
	modules, err := linked(own, platforms)
	if err == nil {
		var text string
		if text, err = notice(modules); err == nil {
			fmt.Print(text)
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
