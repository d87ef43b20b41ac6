"""What the weights are worth: tables against the targets and the baselines, slices, reliability, contact sheets. `smilereel evaluate`."""
