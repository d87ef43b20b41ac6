"""The article's ResNet34: its real loading path, with a file as torchvision writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18, resnet34

from workers.training.reference import ReferenceSmile, with_imagenet


def test_torchvisions_weights_fill_the_body(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = resnet34()
    torch.save(whole.state_dict(), tmp_path / "resnet34.pth")
    network = with_imagenet(ReferenceSmile(), str(tmp_path / "resnet34.pth"))
    assert torch.equal(network.state_dict()["body.0.weight"], whole.conv1.weight)
    assert network(torch.zeros(2, 1, 64, 64, dtype=torch.uint8)).shape == (2, 1)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(resnet18().state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(RuntimeError, match="Missing key"):
        with_imagenet(ReferenceSmile(), str(tmp_path / "resnet18.pth"))
