// Quickstart declares four secrets, reads every version that they hold, and
// uses them: an API key, credentials as JSON, a key for signing cookies in the
// middle of a rotation, and a key for stored records with an expired version.
//
//	go run ./examples/quickstart
//
// The secrets are files, in the form in which Docker, Kubernetes and systemd
// provide them: see testdata. The program embeds them and writes them to a
// temporary directory, so it runs from anywhere. A real program would only name
// its directory.
package main

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/layeron-hq/secret"
)

//go:embed testdata
var files embed.FS

func main() {
	// written at once: a closed pipe must not end the program before its clean-up
	var out bytes.Buffer
	err := run(&out)
	os.Stdout.Write(out.Bytes())
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run is the whole program, for main and for the test.
func run(w io.Writer) error {
	dir, err := layOutFiles()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	store := secret.Dir(dir)

	var (
		stripe        = declareStripe(store)
		payments      = declarePayments(store)
		sessionKey    = declareSessionKey(store)
		encryptionKey = declareEncryptionKey(store)
	)
	if err := printTable(w, time.Now(), stripe, payments, sessionKey, encryptionKey); err != nil {
		return err
	}
	if err := showAPIKey(w, stripe); err != nil {
		return err
	}
	if err := showCredentials(w, payments); err != nil {
		return err
	}
	if err := showCookies(w, sessionKey); err != nil {
		return err
	}
	return showRecord(w, encryptionKey)
}

// layOutFiles writes the files of testdata into a new directory and returns its
// path.
func layOutFiles() (string, error) {
	testdata, err := fs.Sub(files, "testdata")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, testdata); err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	return dir, nil
}
