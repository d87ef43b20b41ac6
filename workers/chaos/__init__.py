"""The repeatable fault run: real parts, faults drawn from a seed, and a checker that believes nobody."""
