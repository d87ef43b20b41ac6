"""What is checked before and while smilereel runs: each module answers with findings; `smilereel doctor` and `preflight.py` ask."""
