"""Networks with random weights, in fp32 on the CPU."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from workers.gpu.models import for_serving
from workers.gpu.weights import Models


@cache
def random_models() -> Models:
    """All four networks, untrained and always the same."""
    torch.manual_seed(3)
    networks: dict[str, Any] = {
        "detector": for_serving("retinanet-mobilenetv2-96"),
        "smile": for_serving("smile-mobilenetv2-112"),
        "age": for_serving("age-mobilenetv2-112-ordinal"),
        "shoulder": for_serving("shoulder-mobilenetv2-160x128"),
    }
    thresholds = dict.fromkeys(networks, 0.5)
    return Models(**networks, device=torch.device("cpu"), dtype=torch.float32, thresholds=thresholds)
