"""The kinds of store behind `shared.store.open_store`: a folder, or a bucket of an S3 service."""
