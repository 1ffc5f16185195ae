package servers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Etcd is a cluster of etcd.
type Etcd struct{ Members []*Member }

// Member is a member of a cluster.
type Member struct {
	*Process
	Address string // host:port

	program string
	args    []string
}

// StartEtcd starts a cluster with that number of members, until the test ends.
// It returns when the cluster has a leader. It skips or fails the test as Find
// does.
func StartEtcd(t testing.TB, members int) *Etcd {
	t.Helper()
	program := Find(t, "etcd")
	e := &Etcd{}
	var peers, all []string
	for i := range members {
		peers = append(peers, "http://"+Address(t))
		all = append(all, fmt.Sprintf("n%d=%s", i+1, peers[i]))
	}
	for i := range members {
		m := &Member{Address: Address(t), program: program}
		m.args = []string{"--name", fmt.Sprintf("n%d", i+1), "--data-dir", t.TempDir(),
			"--listen-client-urls", "http://" + m.Address, "--advertise-client-urls", "http://" + m.Address,
			"--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i], "--initial-cluster",
			strings.Join(all, ",")}
		m.Start(t)
		e.Members = append(e.Members, m)
	}
	e.Leader(t)
	return e
}

// Start runs a member, for the first time or again.
func (m *Member) Start(t testing.TB) {
	t.Helper()
	m.Process = Start(t, m.Address, nil, m.program, m.args...)
}

// Endpoints returns the members' addresses.
func (e *Etcd) Endpoints() []string {
	var list []string
	for _, m := range e.Members {
		list = append(list, m.Address)
	}
	return list
}

// Leader returns the member that leads, and waits until there is one.
func (e *Etcd) Leader(t testing.TB) *Member {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		for _, m := range e.Members {
			if m.leads() {
				return m
			}
		}
		require.True(t, time.Now().Before(deadline), "etcd has no leader")
		time.Sleep(20 * time.Millisecond)
	}
}

// leads asks a member by its JSON interface, so that no client is needed.
func (m *Member) leads() bool {
	client := http.Client{Timeout: time.Second}
	res, err := client.Post("http://"+m.Address+"/v3/maintenance/status", "application/json",
		bytes.NewReader([]byte("{}")))
	if err != nil {
		return false
	}
	defer res.Body.Close()
	var status struct {
		Header struct {
			MemberID string `json:"member_id"`
		}
		Leader string
	}
	return json.NewDecoder(res.Body).Decode(&status) == nil && status.Leader != "" && status.Leader != "0" &&
		status.Leader == status.Header.MemberID
}
