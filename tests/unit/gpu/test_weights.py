"""Released weights: the manifest tells the truth, and files that were changed or belong to something else are refused by name."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from workers.gpu.models import ARCHITECTURES, for_serving
from workers.gpu.weights import MODEL_NAMES, WEIGHTS_FOLDER, WeightsError, export, load_models, read_manifest

LARGEST_FILE = 50_000_000


def a_release(folder: Path) -> Path:
    """A folder with one small model's weights and their manifest."""
    network = for_serving("smile-mobilenetv2-112")
    export("smile", network, {"architecture": "smile-mobilenetv2-112", "threshold": 0.5, "input": {}}, folder)
    return folder / "smile.safetensors"


def change_entry(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["smile"].update(changes)
    path.write_text(json.dumps(manifest))


def test_the_manifest_names_every_model_with_its_true_hash() -> None:
    manifest = read_manifest()
    assert tuple(manifest) == MODEL_NAMES
    for name, entry in manifest.items():
        data = (WEIGHTS_FOLDER / entry["file"]).read_bytes()
        assert sha256(data).hexdigest() == entry["sha256"], name
        assert len(data) < LARGEST_FILE
        assert 0 < entry["threshold"] < 1
        assert entry["input"] == asdict(ARCHITECTURES[entry["architecture"]]().input)  # type: ignore[call-overload]


def test_the_weights_folder_holds_nothing_else() -> None:
    listed = {entry["file"] for entry in read_manifest().values()} | {"manifest.json"}
    assert {path.name for path in WEIGHTS_FOLDER.iterdir() if not path.name.startswith(".")} == listed


def test_only_the_models_asked_for_are_loaded() -> None:
    models = load_models("cpu", ["age"])
    assert models.age is not None
    assert models.detector is None
    assert models.smile is None
    assert not any(parameter.requires_grad for parameter in models.age.parameters())
    assert not models.age.training


def test_exported_weights_come_back(tmp_path: Path) -> None:
    network = for_serving("smile-mobilenetv2-112")
    export("smile", network, {"architecture": "smile-mobilenetv2-112", "threshold": 0.25, "input": {}}, tmp_path)
    models = load_models("cpu", ["smile"], tmp_path)
    assert models.smile is not None
    assert models.thresholds == {"smile": 0.25}
    for mine, theirs in zip(models.smile.parameters(), network.parameters(), strict=True):
        assert torch.allclose(mine.float(), theirs, atol=2e-2)


def test_weights_with_another_hash_are_refused(tmp_path: Path) -> None:
    path = a_release(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"smile\.safetensors do not have the SHA-256"):
        load_models("cpu", ["smile"], tmp_path)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    a_release(tmp_path)
    change_entry(tmp_path, architecture="age-mobilenetv2-112-ordinal")
    with pytest.raises(WeightsError, match="do not fit the architecture age-mobilenetv2-112-ordinal"):
        load_models("cpu", ["smile"], tmp_path)
    change_entry(tmp_path, architecture="resnet-of-tomorrow")
    with pytest.raises(WeightsError, match="resnet-of-tomorrow, which this release does not know"):
        load_models("cpu", ["smile"], tmp_path)


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    path = a_release(tmp_path)
    path.write_bytes(b"no tensors here")
    change_entry(tmp_path, sha256=sha256(b"no tensors here").hexdigest())
    with pytest.raises(WeightsError, match=r"smile\.safetensors"):
        load_models("cpu", ["smile"], tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"manifest\.json cannot be read"):
        load_models("cpu", ["smile"], tmp_path)
    a_release(tmp_path).unlink()
    with pytest.raises(WeightsError, match=r"smile\.safetensors cannot be read"):
        load_models("cpu", ["smile"], tmp_path)
    with pytest.raises(WeightsError, match="lists no weights for age"):
        load_models("cpu", ["age"], tmp_path)


def test_a_second_export_replaces_the_first_whole(tmp_path: Path) -> None:
    a_release(tmp_path)
    shutil.copy(tmp_path / "smile.safetensors", tmp_path / "old")
    torch.manual_seed(99)
    a_release(tmp_path)
    assert (tmp_path / "old").read_bytes() != (tmp_path / "smile.safetensors").read_bytes()
    assert load_models("cpu", ["smile"], tmp_path).smile is not None
    assert not list(tmp_path.glob(".*"))


def test_unknown_devices_and_models_are_refused() -> None:
    with pytest.raises(ValueError, match="auto, cpu or cuda"):
        load_models("tpu")
    with pytest.raises(ValueError, match="no model called nose"):
        load_models("cpu", ["nose"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_device_is_refused() -> None:
    with pytest.raises(ValueError, match="finds no CUDA device"):
        load_models("cuda")
