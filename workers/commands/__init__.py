"""One module a command: `add_arguments(parser)` and `main(args) -> int`. Their top level imports nothing heavy."""
