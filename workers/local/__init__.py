"""The embedded run: Valkey, one worker of each room and the ledger on one machine, for the length of one command."""
