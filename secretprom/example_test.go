package secretprom_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secretprom"
)

// A program serves the metrics of its secrets beside its own.
func ExampleNewCollector() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	store := secret.NewMemory(map[string]string{
		"$SECRET.billing.stripe-secret": "current=v2;v1=made-up-1;v1_expires=2099-01-01T00:00:00Z;v2=made-up-2",
	})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(stripe)

	registry := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	registry.MustRegister(secretprom.NewCollector(app))
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{}) // serve it under /metrics

	if err := app.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()

	page := httptest.NewRecorder()
	metrics.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(page.Body.String()) {
		name, _, _ := strings.Cut(line, "{")
		switch name {
		case "secret_current_version_info", "secret_failing", "secret_next_expiry_timestamp_seconds":
			fmt.Print(line)
		}
	}
	// Output:
	// secret_current_version_info{address="$SECRET.billing.stripe-secret",version="v2"} 1
	// secret_failing{address="$SECRET.billing.stripe-secret"} 0
	// secret_next_expiry_timestamp_seconds{address="$SECRET.billing.stripe-secret"} 4.0709088e+09
}
