package postgres_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/generate/postgres"
)

// adminPassword is the password in the administrator's connection string.
const adminPassword = "wJ4hPz9k"

// world is a server that logs every statement. The roles log in with passwords,
// the superuser without one.
type world struct {
	server *servers.Postgres
	folder string // of the server's data
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{server: servers.StartPostgres(t)}
	admin := w.admin(t)
	w.folder = one(t, admin, "SHOW data_directory")
	run(t, admin, "ALTER SYSTEM SET log_statement = 'all'", "ALTER SYSTEM SET log_min_error_statement = 'debug5'",
		"ALTER SYSTEM SET log_min_duration_statement = 0", "ALTER SYSTEM SET log_parameter_max_length_on_error = -1",
		"ALTER SYSTEM SET log_connections = on", "ALTER SYSTEM SET log_error_verbosity = verbose",
		"ALTER SYSTEM SET debug_print_parse = on")
	w.access(t, lines("host all all all scram-sha-256")...)
	return w
}

// lines returns the lines of pg_hba.conf that end with the line for the roles.
func lines(roles string) []string {
	return []string{"host replication all all trust", "host all postgres all trust", roles}
}

// access replaces the lines of pg_hba.conf.
func (w world) access(t *testing.T, lines ...string) {
	t.Helper()
	admin := w.admin(t)
	w.write(t, one(t, admin, "SHOW hba_file"), strings.Join(lines, "\n"))
	w.reload(t)
}

// reload makes the server read its files again. It takes connections only after
// that.
func (w world) reload(t *testing.T) {
	t.Helper()
	seen := strings.Count(w.log(t), "received SIGHUP")
	run(t, w.admin(t), "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool { return strings.Count(w.log(t), "received SIGHUP") > seen }, 10*time.Second,
		5*time.Millisecond)
}

// write writes a file of the server.
func (w world) write(t *testing.T, file, text string) {
	t.Helper()
	run(t, w.admin(t), "COPY (SELECT unnest(string_to_array('"+strings.ReplaceAll(text, "\n", "|")+"', '|'))) TO '"+
		file+"'")
	require.NoError(t, os.Chmod(file, 0o600))
}

func (w world) log(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.folder, "log"))
	require.NoError(t, err)
	return string(b)
}

// admin returns a connection of the superuser.
func (w world) admin(t testing.TB) *pgx.Conn { return connect(t, w.server.URL("postgres")) }

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.WithoutCancel(t.Context()), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func run(t testing.TB, c *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		_, err := c.Exec(context.WithoutCancel(t.Context()), s)
		require.NoError(t, err, s)
	}
}

func one(t testing.TB, c *pgx.Conn, query string, args ...any) (text string) {
	t.Helper()
	require.NoError(t, c.QueryRow(context.WithoutCancel(t.Context()), query, args...).Scan(&text), query)
	return text
}

// declared is a declared secret, and the part of the engine that keeps its values.
type declared struct {
	t      *testing.T
	params map[string]string
	dsn    string
	inUse  []driver.Made // the current value first
	last   int
	all    []string // passwords
}

// declare returns a secret with fresh roles and their group.
func (w world) declare(t *testing.T, more ...string) *declared {
	t.Helper()
	base := fmt.Sprintf("app%d", rand.Uint32())
	d := &declared{t: t, dsn: w.server.URL("postgres"), params: map[string]string{"dsn_env": "DATABASE_ADMIN_URL",
		"role": base, "grant": base + "_rights"}}
	for i := 0; i < len(more); i += 2 {
		d.params[more[i]] = more[i+1]
	}
	run(t, w.admin(t), "CREATE ROLE "+pgx.Identifier{d.params["grant"]}.Sanitize())
	return d
}

func (d *declared) generator(inUse ...string) driver.Generator {
	return postgres.New(postgres.Options{Getenv: func(name string) string {
		require.Equal(d.t, "DATABASE_ADMIN_URL", name)
		return d.dsn
	}}).For(driver.Request{Address: "$SECRET.shop.db", Params: d.params, InUse: inUse})
}

func (d *declared) name() string {
	d.last++
	return fmt.Sprintf("layer 01234567 $SECRET.shop.%s %012x", d.params["role"], d.last)
}

func (d *declared) ids() (ids []string) {
	for _, m := range d.inUse {
		ids = append(ids, m.ID)
	}
	return ids
}

// tryMake makes a value, which is not recorded.
func (d *declared) tryMake(name string) (driver.Made, error) {
	m, err := d.generator(d.ids()...).Make(d.t.Context(), name, d.params)
	if err == nil {
		d.all = append(d.all, password(d.t, m))
	}
	return m, d.clean(err)
}

// clean requires that an error shows no value.
func (d *declared) clean(err error) error {
	if err != nil {
		require.Empty(d.t, redacttest.Check(err, append([]string{adminPassword}, d.all...)...))
		require.NotContains(d.t, err.Error(), "SCRAM")
	}
	return err
}

// make makes a value, tests it, and records it as the current one.
func (d *declared) make() driver.Made {
	d.t.Helper()
	m, err := d.tryMake(d.name())
	require.NoError(d.t, err)
	require.NoError(d.t, d.test(m))
	d.inUse = append([]driver.Made{m}, d.inUse...)
	return m
}

func (d *declared) test(m driver.Made) error {
	return d.clean(d.generator().(driver.Tester).Test(d.t.Context(), m))
}

// retire ends the oldest value.
func (d *declared) retire() {
	d.t.Helper()
	last := len(d.inUse) - 1
	require.NoError(d.t, d.generator().Retire(d.t.Context(), d.inUse[last].ID))
	require.ErrorContains(d.t, d.test(d.inUse[last]), "the login as")
	d.inUse = d.inUse[:last]
}

// works requires that the values in use work.
func (d *declared) works() {
	d.t.Helper()
	for _, m := range d.inUse {
		require.NoError(d.t, d.test(m), m.ID)
	}
}

func password(t testing.TB, m driver.Made) string {
	t.Helper()
	return config(t, m).Password
}

func config(t testing.TB, m driver.Made) *pgx.ConnConfig {
	t.Helper()
	text := m.Value.Reveal()
	if i := strings.Index(text, `"url":"`); i >= 0 {
		text = strings.TrimSuffix(text[i+len(`"url":"`):], `"}`)
	}
	text, _, _ = strings.Cut(text, "&sslrootcert=") // a file of another machine
	c, err := pgx.ParseConfig(text)
	require.NoError(t, err)
	return c
}

// pair are a certificate and its key.
type pair struct{ cert, key string }

// certified makes a certificate for 127.0.0.1, and returns the file of its
// authority.
func certified(t *testing.T) (pair, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(cryptorand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	file := filepath.Join(t.TempDir(), "authority.pem")
	require.NoError(t, os.WriteFile(file, cert, 0o600))
	return pair{string(cert), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))}, file
}
