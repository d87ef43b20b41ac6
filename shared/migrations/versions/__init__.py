"""One module a version; each knows only what it needs of the tables as they were then."""
