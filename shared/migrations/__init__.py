"""The ledger's tables from version to version. Run by `shared.schema`; a released migration never changes."""
