"""The endpoint for Prometheus."""
