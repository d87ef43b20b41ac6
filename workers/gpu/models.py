"""The four networks and what each takes in. `weights.py` fills them for serving, `workers/training` trains them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, linear
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FeaturePyramidNetwork

from workers.inputs import DETECTOR_LONGEST_SIDE, FACE_CROP_SIDE, SHOULDER_HEIGHT, SHOULDER_WIDTH

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

STRIDES = (8, 16, 32)
# Nine sizes in even steps from 9 to 380 pixels of the detector's input; a face is higher than wide.
ANCHOR_SIDES = ((9, 14, 23), (37, 59, 93), (149, 238, 380))
ANCHOR_HEIGHT_TO_WIDTH = 1.25
ANCHORS_PER_CELL = 3
PYRAMID_CHANNELS = 96
# Where MobileNetV2's `features` leave strides 8, 16 and 32, and with how many channels.
PYRAMID_TAPS = {6: 32, 13: 96, 17: 320}

CLASSIFIER_SIDE = 112
# The age model answers "is this person at least so old?" for each of these.
AGE_STEPS = (5, 10, 15, 18, 25, 40)
# A face counts as a child's by how surely it lies below these two; toddlers below 5 count as children, teens fall between.
CHILD_STEPS = (15, 18)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a network takes: uint8 pixels in a batch N x channels x height x width.

    `height` and `width` are None where any multiple of 32 will do; `made_by` names the function of `workers.inputs` that makes it.
    """

    made_by: str
    channels: int
    height: int | None
    width: int | None


FACE_CROP_INPUT = InputSpec("face_crop", 1, FACE_CROP_SIDE, FACE_CROP_SIDE)


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Each BatchNorm that follows a convolution put into that convolution's weights, in place; the network must be in eval mode."""
    for child in network.children():
        fold_batch_norms(child)
    if isinstance(network, nn.Sequential):
        for index in range(len(network) - 1):
            conv, norm = network[index], network[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                network[index] = fuse_conv_bn_eval(conv, norm)
                network[index + 1] = nn.Identity()
    return network


def relu6_to_relu(network: nn.Module) -> nn.Module:
    """ReLU in the place of ReLU6, in place: faster to train, and nothing is lost after a few hundred steps."""
    for name, child in network.named_children():
        if isinstance(child, nn.ReLU6):
            setattr(network, name, nn.ReLU(inplace=True))
        else:
            relu6_to_relu(child)
    return network


class Normalise(nn.Module):
    """uint8 pixels to ImageNet's mean and spread, in the network's own number format."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN[:channels]).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("spread", 255 * torch.tensor(IMAGENET_STD[:channels]).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor, dtype: torch.dtype) -> Tensor:
        mean: Tensor = self.mean  # type: ignore[assignment]
        spread: Tensor = self.spread  # type: ignore[assignment]
        return ((pixels.float() - mean.float()) / spread.float()).to(dtype)


class FaceDetector(nn.Module):
    """RetinaNet (Lin et al. 2017) for one class on MobileNetV2, with a 96-channel pyramid and heads of two convolutions.

    Forward: uint8 N x 3 x H x W (H and W multiples of 32) to face logits N x A and box deltas N x A x 4, A anchors in the order
    of `anchors(H, W)`.
    """

    input = InputSpec("detector_input", 3, None, None)
    longest_side = DETECTOR_LONGEST_SIDE

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise(3)
        self.body = nn.Sequential(*list(relu6_to_relu(mobilenet_v2().features).children())[:18])
        self.pyramid = FeaturePyramidNetwork(list(PYRAMID_TAPS.values()), PYRAMID_CHANNELS)
        self.score_head = _head(ANCHORS_PER_CELL)
        self.box_head = _head(4 * ANCHORS_PER_CELL)
        # Before training every anchor says "1 % face", or the many empty anchors drown the loss.
        nn.init.constant_(self.score_head[-1].bias, -4.6)  # type: ignore[arg-type]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = self.normalise(pixels, next(self.parameters()).dtype).contiguous(memory_format=torch.channels_last)
        taps: dict[str, Tensor] = {}
        for index, block in enumerate(self.body):
            x = block(x)
            if index in PYRAMID_TAPS:
                taps[str(index)] = x
        levels = list(self.pyramid(taps).values())
        logits = [self.score_head(level).permute(0, 2, 3, 1).reshape(len(pixels), -1) for level in levels]
        deltas = [self.box_head(level).permute(0, 2, 3, 1).reshape(len(pixels), -1, 4) for level in levels]
        return torch.cat(logits, 1), torch.cat(deltas, 1)


def _head(outputs: int) -> nn.Sequential:
    width = PYRAMID_CHANNELS
    head = nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, outputs, 3, padding=1),
    )
    for layer in head[:-1]:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    nn.init.normal_(head[-1].weight, std=0.01)  # type: ignore[arg-type]
    nn.init.zeros_(head[-1].bias)  # type: ignore[arg-type]
    return head


@lru_cache(maxsize=64)
def anchors(height: int, width: int) -> Tensor:
    """The detector's anchors for an input of this size: float32 A x 4, xyxy in pixels of the input, on the CPU."""
    generator = AnchorGenerator(ANCHOR_SIDES, ((ANCHOR_HEIGHT_TO_WIDTH,),) * len(STRIDES))
    levels = [torch.empty(1, 1, height // stride, width // stride) for stride in STRIDES]
    boxes: Tensor = generator(ImageList(torch.empty(1, 3, height, width), [(height, width)]), levels)[0]
    return boxes


def _logits(head: nn.Sequential, features: Tensor) -> Tensor:
    """The mean over the picture through the last layer, in fp32: bf16 would leave only a few different probabilities."""
    last = cast(nn.Linear, head[1])
    return linear(head[0](features.float().mean((2, 3))), last.weight.float(), last.bias.float())


class FaceClassifier(nn.Module):
    """MobileNetV2 on the article's grey crop, enlarged to 112: uint8 N x 1 x 64 x 64 to logits N x `outputs`."""

    input = FACE_CROP_INPUT

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.body = relu6_to_relu(mobilenet_v2().features)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, outputs))
        self.normalise = Normalise(3)

    def forward(self, crops: Tensor) -> Tensor:
        enlarged = interpolate(crops.float(), size=CLASSIFIER_SIDE, mode="bilinear", align_corners=False)
        x = self.normalise(enlarged.expand(-1, 3, -1, -1), next(self.parameters()).dtype)
        return _logits(self.head, self.body(x.contiguous(memory_format=torch.channels_last)))


class SmileClassifier(FaceClassifier):
    """One logit: would a parent call this a smile?"""

    def __init__(self) -> None:
        super().__init__(1)

    @staticmethod
    def probability(logits: Tensor) -> Tensor:
        """P(smile), float32 N in 0..1."""
        return logits.float().sigmoid()[:, 0]


class AgeClassifier(FaceClassifier):
    """One logit for each of `AGE_STEPS`: is this person at least so old (ordinal regression, Niu et al. 2016)?"""

    def __init__(self) -> None:
        super().__init__(len(AGE_STEPS))

    @staticmethod
    def probability(logits: Tensor) -> Tensor:
        """P(child), float32 N in 0..1: how surely the face lies below fifteen and below eighteen."""
        steps = [AGE_STEPS.index(step) for step in CHILD_STEPS]
        return 1 - logits.float()[:, steps].sigmoid().mean(1)


class ShoulderClassifier(nn.Module):
    """Is a parent beside the child without a face in view? MobileNetV2, uint8 N x 3 x 128 x 160 to one logit each, N x 1."""

    input = InputSpec("shoulder_input", 3, SHOULDER_HEIGHT, SHOULDER_WIDTH)

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise(3)
        self.body = relu6_to_relu(mobilenet_v2().features)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1))

    def forward(self, frames: Tensor) -> Tensor:
        x = self.normalise(frames, next(self.parameters()).dtype)
        return _logits(self.head, self.body(x.contiguous(memory_format=torch.channels_last)))

    @staticmethod
    def probability(logits: Tensor) -> Tensor:
        """P(parent beside the child), float32 N in 0..1."""
        return logits.float().sigmoid()[:, 0]


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {
    "retinanet-mobilenetv2-96": FaceDetector,
    "smile-mobilenetv2-112": SmileClassifier,
    "age-mobilenetv2-112-ordinal": AgeClassifier,
    "shoulder-mobilenetv2-160x128": ShoulderClassifier,
}


def for_serving(architecture: str) -> nn.Module:
    """A network of this architecture as it is released: in eval mode, BatchNorm folded; its weights are random until filled.

    Raises:
        KeyError: no architecture has this id.
    """
    return fold_batch_norms(ARCHITECTURES[architecture]().eval())
