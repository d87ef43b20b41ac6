"""A first batch through each model, before any work is taken: what is slow once is slow now, and what does not fit says so now."""

from __future__ import annotations

import numpy as np

from workers.gpu.scorer import Scorer

# As large as stored frames are by default; other sizes are a little slower once.
FRAME_SHAPE, CROP_SHAPE = (480, 640, 3), (64, 64)


def run_first_batches(eyes: Scorer, *, detector_batch: int, classifier_batch: int) -> None:
    """Look at noise, in whole batches.

    Raises:
        whatever the models raise; torch.OutOfMemoryError only where not even one picture fits.
    """
    noise = np.random.default_rng(0)
    frames = [noise.integers(0, 256, FRAME_SHAPE, dtype=np.uint8)] * detector_batch
    eyes.detect(frames, detector_batch)
    eyes.score_shoulders(frames, detector_batch)
    eyes.score_faces(noise.integers(0, 256, (classifier_batch, *CROP_SHAPE), dtype=np.uint8), classifier_batch)
