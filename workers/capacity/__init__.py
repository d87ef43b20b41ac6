"""How many workers a night takes: service times fitted on real runs, a simulation of the queues, and what gives way first."""
