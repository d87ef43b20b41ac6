"""`smilereel up`: docker-compose.yml run as processes of this machine, with programs that packages bring, for as long as one command."""
