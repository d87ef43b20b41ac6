"""The corridor between backend and workers: it imports neither workers nor anything heavy."""
