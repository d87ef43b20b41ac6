"""What counts as a failed card, by the errors that torch really raises."""

from __future__ import annotations

import pytest

from shared.errors import DeviceFailed

torch = pytest.importorskip("torch")

from workers.gpu.failing import device_watched, is_device_failure  # noqa: E402


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: uncorrectable ECC error encountered\nCompile with TORCH_USE_CUDA_DSA"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"),
    ],
    ids=lambda error: str(error)[:20],
)
def test_a_failed_card(error: Exception) -> None:
    assert is_device_failure(error)
    sentence = r"The graphics card has failed \(.*\); look at the card and its driver\.$"
    with pytest.raises(DeviceFailed, match=sentence) as raised, device_watched():
        raise error
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
        ValueError("CUDA error in a file's name"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_everything_else_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, device_watched():
        raise error
    assert raised.value is error
