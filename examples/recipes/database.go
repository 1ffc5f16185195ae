package recipes

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/layeron-hq/secret"
)

// recipe: database

var dbPassword = secret.Static(secret.Options{Namespace: "billing", Name: "db-password",
	Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainFor, Days: 1}}})

// connector reads the password for each new connection.
type connector struct {
	driver  driver.Driver
	connect func(ctx context.Context, password string) (driver.Conn, error)
}

func (c connector) Driver() driver.Driver { return c.driver }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	passwords, err := dbPassword.Active() // the current one first
	if err != nil {
		return nil, err
	}
	failures := []error{fmt.Errorf("no active version of %v opens a connection", dbPassword)}
	for _, password := range passwords {
		conn, err := c.connect(ctx, password.Text())
		if err == nil {
			return conn, nil
		}
		failures = append(failures, fmt.Errorf("version %s: %w", password.ID, err))
	}
	return nil, errors.Join(failures...)
}

func openPool(app *secret.App, c connector) *sql.DB {
	pool := sql.OpenDB(c)
	pool.SetConnMaxLifetime(30 * time.Minute)
	app.OnChange(func(change secret.Change) {
		if change.CurrentChanged {
			pool.SetMaxIdleConns(0) // closes the idle connections
			pool.SetMaxIdleConns(2) // the default of database/sql
		}
	}, dbPassword)
	return pool
}

// end
