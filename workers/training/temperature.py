"""A classifier and its validation pictures in, calibrated in place: its last layer divided by a temperature. `learning` calls it.

Temperature scaling (Guo et al. 2017). Kept in the weights themselves, so that serving needs to know nothing of it.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

LOWEST, HIGHEST, STEPS = 0.25, 4.0, 81


@torch.inference_mode()
def logits_of(network: nn.Module, pixels: NDArray[np.uint8], batch: int = 128) -> Tensor:
    """A network's logits for each picture, as it serves (bf16): uint8 N x C x H x W in, float32 N x outputs out."""
    network.eval()
    rows = []
    for start in range(0, len(pixels), batch):
        with torch.autocast("cpu", torch.bfloat16):
            rows.append(network(torch.from_numpy(np.ascontiguousarray(pixels[start : start + batch]))).float())
    return torch.cat(rows) if rows else torch.zeros(0, 1)


def best_temperature(network: nn.Module, logits: Tensor, truth: NDArray[np.float32]) -> float:
    """The temperature at which the probabilities of these pictures have the least negative log likelihood.

    Args:
        network: with `probability(logits)`.
        logits: float32 N x outputs.
        truth: N, 0 or 1.
    """
    wanted = torch.from_numpy(truth)

    def loss(temperature: float) -> float:
        probability = network.probability(logits / temperature).clamp(1e-6, 1 - 1e-6)  # type: ignore[operator]
        return float(nn.functional.binary_cross_entropy(probability, wanted))

    return float(min(np.geomspace(LOWEST, HIGHEST, STEPS), key=loss))


def calibrated(network: nn.Module, pixels: NDArray[np.uint8], truth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide the network's last layer by the best temperature, in place; the order of its scores stays.

    Returns:
        Its probabilities of the pictures after that, float32 N in 0..1.
    """
    logits = logits_of(network, pixels)
    temperature = best_temperature(network, logits, truth)
    last = cast(nn.Linear, cast(nn.Sequential, network.head)[1])
    with torch.no_grad():
        last.weight.div_(temperature)
        last.bias.div_(temperature)
    return np.asarray(network.probability(logits / temperature).numpy(), np.float32)  # type: ignore[operator]
