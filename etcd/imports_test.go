package etcd_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that imports package etcd links only etcd's client and its
// dependencies: no server, no engine, and no package that only tests use.
func TestImportsEtcdsClientAlone(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		"{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	const module = "github.com/layeron-hq/secret"
	own := map[string]bool{module: true, module + "/etcd": true, module + "/driver": true, module + "/internal/swap": true,
		module + "/internal/binding": true, module + "/internal/family": true,
		module + "/internal/sha256": true, module + "/internal/timeout": true}
	client := 0
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)
		if path == module || strings.HasPrefix(path, module+"/") {
			require.True(t, own[path], path)
			continue
		}
		require.True(t, allowed(path), path)
		if strings.HasPrefix(path, "go.etcd.io/etcd/") {
			client++
		}
	}
	require.Positive(t, client, "the list has the imported packages")
}

func allowed(path string) bool {
	for _, root := range []string{
		"go.etcd.io/etcd/api/v3", "go.etcd.io/etcd/client/v3", "go.etcd.io/etcd/client/pkg/v3",
		// The dependencies of etcd's client.
		"google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto/googleapis",
		"github.com/golang/protobuf/proto", "github.com/golang/protobuf/jsonpb", "github.com/golang/protobuf/ptypes",
		"github.com/gogo/protobuf",
		"github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options", "github.com/coreos/go-semver/semver",
		"github.com/coreos/go-systemd/v22/journal", "go.uber.org/zap", "go.uber.org/multierr",
		"go.uber.org/atomic", "golang.org/x",
	} {
		if path == root || strings.HasPrefix(path, root+"/") {
			return !strings.HasPrefix(path, "google.golang.org/grpc/test")
		}
	}
	return false
}
