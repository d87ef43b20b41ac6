"""Ages in years in, what the age model is to answer out. `classifiers` trains with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.gpu.models import AGE_STEPS

# Labelled ages are doubtful by some years, the more the older, so a step counts fully only for those clearly on one side of it.
SPREAD = 0.12


def ordinal_targets(ages: NDArray[np.float32]) -> NDArray[np.float32]:
    """N x len(AGE_STEPS): how surely each person is at least so old, soft near the step since a face tells no birthday."""
    steps = np.array(AGE_STEPS, np.float32)
    return np.asarray(1 / (1 + np.exp(-(ages[:, None] + 0.5 - steps) / (SPREAD * steps))), np.float32)
