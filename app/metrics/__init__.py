"""The metrics for Prometheus; imported only if METRICS_ALLOW is set, so they cost nothing otherwise."""
