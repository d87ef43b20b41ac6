"""What Flower does not show, for Prometheus: ledger and Redis in, one page of metrics out. `smilereel metrics` starts it."""
