"""The images, built and run without a Docker engine: `python -m tests.images --help`; docs/images.md tells how."""
