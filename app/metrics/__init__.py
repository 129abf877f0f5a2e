"""What is measured, for Prometheus: imported only where METRICS_ALLOW is set, so that it costs nothing elsewhere."""
