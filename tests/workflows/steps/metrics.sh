# Metrics
at "$stored"

#: A collector of OpenTelemetry (Rotel) gets those of the API and of the content app, which go on when it comes later than they do
rotel-agent start --otlp-http-endpoint 0.0.0.0:4318 --exporter blackhole --debug-log metrics --debug-log-verbosity detailed --pid-file rotel.pid >rotel.log 2>&1 &
for metric in api.request_duration content.request_duration; do
    until grep --quiet --fixed-strings "$metric" rotel.log; do
        api GET /pulp/api/v3/status/ >/dev/null
        content '' >/dev/null
        sleep 0.5
    done
done
