package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/generate/postgres"
)

// A program that embeds the engine registers the generator by its name, in
// rotate.Operator.Generators. The declaration names the variable with the
// administrator's connection string, never the string itself.
func Example() {
	database := secret.Generated(secret.Options{
		Namespace: "shop", Name: "database",
		Generator: postgres.Name,
		Params:    map[string]string{"dsn_env": "DATABASE_ADMIN_URL", "role": "app", "grant": "app_rights"},
		Rotation:  &secret.Rotation{EveryDays: 30},
	})
	fmt.Println(database.Err())

	generators := map[string]driver.Generator{postgres.Name: postgres.New(postgres.Options{})}
	fmt.Println(len(generators))
	// Output:
	// <nil>
	// 1
}

// Make returns a connection string for one of the two roles. The engine calls it
// after the name of the value is in the ledger.
func ExampleGenerator_For() {
	params := map[string]string{"dsn_env": "DATABASE_ADMIN_URL", "role": "app", "grant": "app_rights"}
	generator := postgres.New(postgres.Options{Getenv: func(string) string { return "" }}) // nothing is set here
	roles := generator.For(driver.Request{Address: "$SECRET.shop.database", Params: params})

	_, err := roles.Make(context.Background(), "layer 1b9d6bcf $SECRET.shop.database 5f3a", params)
	fmt.Println("the variable is empty:", strings.Contains(err.Error(), "which dsn_env names, is empty"))
	fmt.Println("nothing has changed:", errors.Is(err, driver.ErrNotApplied))
	// Output:
	// the variable is empty: true
	// nothing has changed: true
}
