"""The article's own smile model as a reference row: ResNet34 on the 64 x 64 crop, trained as ours is. It is scored, not released.

python -m workers.training.reference --minutes 12 [--imagenet resnet34-b627a593.pth]

Without `--imagenet` it starts from scratch; with `--imagenet hub` torchvision fetches its weights where its hub can be reached.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.models import ResNet34_Weights, resnet34

from workers.gpu.models import Normalise
from workers.training.classifiers import STEPS_PER_EPOCH, served, smile_material
from workers.training.datasets import Faces, children_smiles, smile_faces
from workers.training.learning import Plan, train
from workers.training.options import TrainingOptions, add_data_options
from workers.training.scoring import auc
from workers.training.temperature import logits_of

HUB = "hub"


class ReferenceSmile(nn.Module):
    """ResNet34 with one logit: uint8 N x 1 x 64 x 64 in, N x 1 out."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise(3)
        self.body = nn.Sequential(*list(resnet34().children())[:-1])
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(512, 1))

    def forward(self, crops: Tensor) -> Tensor:
        x = self.normalise(crops.expand(-1, 3, -1, -1), next(self.parameters()).dtype)
        logits: Tensor = self.head(self.body(x.contiguous(memory_format=torch.channels_last)).flatten(1))
        return logits

    @staticmethod
    def probability(logits: Tensor) -> Tensor:
        """P(smile), float32 N in 0..1."""
        return logits.float().sigmoid()[:, 0]


def with_imagenet(network: ReferenceSmile, source: str) -> ReferenceSmile:
    """torchvision's ResNet34 weights put into the body.

    Args:
        network: the network to fill.
        source: a file of torchvision's ResNet34, or `hub`.

    Raises:
        RuntimeError: the file holds other layers.
    """
    if source == HUB:
        weights = ResNet34_Weights.IMAGENET1K_V1.get_state_dict(progress=True)
    else:
        weights = torch.load(Path(source), map_location="cpu", weights_only=True)
    whole = resnet34()
    whole.load_state_dict(weights)
    network.body = nn.Sequential(*list(whole.children())[:-1])
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--imagenet", metavar="FILE", help="torchvision's ResNet34 weights, or the word hub")
    given = parser.parse_args()
    torch.set_num_threads(1)
    options = TrainingOptions(data=given.data, minutes=given.minutes, check_minutes=given.minutes / 2, weights=None)
    material = smile_material(options)
    scored: list[nn.Module] = []

    def validate(network: nn.Module) -> tuple[float, float]:
        scored.append(network)
        return material.validate(network)

    start = ReferenceSmile()
    network = with_imagenet(start, given.imagenet) if given.imagenet else start
    train(
        Plan("reference", "resnet34-64", options, validate),
        network,
        material.crops,
        binary_cross_entropy_with_logits,
        STEPS_PER_EPOCH,
    )
    for name, faces in (("children", children_smiles(given.data, ("test",))), ("LFW", smile_faces(given.data, ("test",)))):
        print(
            f"ResNet34, {given.minutes:g} min: {name} of the test split, n {len(faces.targets)}: AUC {_auc(scored[-1], faces):.4f}"
        )


def _auc(network: nn.Module, faces: Faces) -> float:
    score: NDArray[np.float32] = logits_of(network, served(faces))[:, 0].numpy()
    return auc(faces.targets, score)


if __name__ == "__main__":
    main()
