package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The modules have their own versions, so outside tests no module imports
// another's internal packages.
func TestNoModuleImportsAnothersInternal(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}",
		"./...", "../etcd/...", "../secretprom/...").Output()
	require.NoError(t, err)
	packages := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		packages++
		for _, path := range fields[1:] {
			require.False(t, strings.HasPrefix(path, "github.com/layeron-hq/secret/internal/"), line)
		}
	}
	require.Greater(t, packages, 15)
}

// A program that embeds the engine or one ledger links only their packages. No
// package links packages that only tests use.
func TestPackagesImportNoMoreThanTheyNeed(t *testing.T) {
	t.Parallel()
	const (
		own        = "github.com/layeron-hq/secret"
		aws        = "github.com/aws/"
		cloudflare = "github.com/cloudflare/cloudflare-go/v7"
	)
	encryption := []string{own, "filippo.io/", "golang.org/x/"}
	client := []string{own, cloudflare, "github.com/tidwall/"}
	for _, tc := range []struct {
		pkg     string
		needs   string   // is in the list, which proves that the list contains imports
		allowed []string // prefixes; the standard library is always allowed
		never   []string
	}{
		{"./rotate", "filippo.io/age", encryption, nil},
		{"./ledger/bucket", aws + "aws-sdk-go-v2/aws/signer/v4", append([]string{aws}, encryption...),
			[]string{aws + "aws-sdk-go-v2/service", aws + "aws-sdk-go-v2/config"}},
		{"./ledger/postgres", "filippo.io/age", encryption, nil},
		// cloudflare-go's root package costs three minutes of building and 18 MB.
		{"./target/cloudflare", cloudflare + "/secrets_store", client, []string{own + "/layer/rotate"}},
		{".", "github.com/spf13/cobra", []string{""}, nil},
	} {
		t.Run(tc.pkg, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}} {{.Standard}}",
				tc.pkg).Output()
			require.NoError(t, err)
			foreign := 0
			for line := range strings.Lines(string(out)) {
				path, standard, _ := strings.Cut(strings.TrimSpace(line), " ")
				for _, test := range []string{"testing", own + "/internal/", own + "/layer/internal/cloudflarefake",
					own + "/layer/ledger/internal/stress",
					own + "/driver/drivertest", own + "/layer/rotate/rotatetest"} {
					if !slices.Contains([]string{own + "/internal/binding", own + "/internal/family", own + "/internal/swap",
						own + "/internal/sha256", own + "/internal/timeout"}, path) {
						require.False(t, path == test || strings.HasSuffix(test, "/") && strings.HasPrefix(path, test), path)
					}
				}
				has := func(prefix string) bool { return strings.HasPrefix(path, prefix) }
				require.NotEqual(t, cloudflare, path)
				if standard == "false" {
					require.True(t, slices.ContainsFunc(tc.allowed, has), path)
				}
				require.False(t, slices.ContainsFunc(tc.never, has), path)
				foreign += strings.Count(path, aws)
			}
			require.Contains(t, string(out), tc.needs)
			require.LessOrEqual(t, foreign, 30, "packages of AWS's SDK")
		})
	}
}
