// Package telemetry sends traces to an OpenTelemetry collector, if there is one.
package telemetry

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"kalla"
)

// endpointEnv is where traces go, as OpenTelemetry names it; nothing is traced without.
const endpointEnv = "OTEL_EXPORTER_OTLP_ENDPOINT"

// Start has the process trace to the collector that the environment names, by
// OTLP over HTTP. The returned function sends what is left; it waits for the
// collector until its context ends.
func Start(ctx context.Context, service, version string, lookupEnv func(string) (string, bool)) (stop func(context.Context) error, err error) {
	endpoint, _ := lookupEnv(endpointEnv)
	if endpoint == "" {
		return func(context.Context) error { return nil }, nil
	}
	if !strings.HasPrefix(endpoint, "http://") && !strings.HasPrefix(endpoint, "https://") {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "starting traces", Where: endpointEnv, Why: "it is not an http or https URL",
			Hint: "write " + endpointEnv + "=http://collector:4318"}
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(endpoint, "/")+"/v1/traces"), otlptracehttp.WithTimeout(5*time.Second))
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "starting traces", Where: endpointEnv, Err: err}
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(resource.NewSchemaless(
		attribute.String("service.name", service), attribute.String("service.version", version))))
	otel.SetTracerProvider(provider)
	return provider.Shutdown, nil
}
