"""The device that models run on: the one place that asks torch about accelerators.

`torch.accelerator` names CUDA, ROCm, XPU and MPS alike, so nothing else here depends on the vendor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch


def default_device() -> torch.device:
    """The machine's accelerator, or the CPU where there is none."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def device_count() -> int:
    """Number of accelerators of this machine; 0: only the CPU."""
    return torch.accelerator.device_count() if torch.accelerator.is_available() else 0


def device_name() -> str:
    """The accelerator's name as its vendor gives it, else the CPU with its threads."""
    device = default_device()
    if device.type == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    vendor = getattr(torch, device.type)
    return vendor.get_device_name() if hasattr(vendor, "get_device_name") else device.type


def free_memory(device: torch.device) -> int | None:
    """Free bytes of an accelerator; None on a CPU, and where the accelerator does not tell."""
    if device.type == "cpu":
        return None
    try:
        return int(torch.accelerator.get_memory_info(device)[0])
    except (AttributeError, NotImplementedError, RuntimeError):  # torch before 2.9; MPS
        vendor = getattr(torch, device.type)
        return int(vendor.mem_get_info(device)[0]) if hasattr(vendor, "mem_get_info") else None


def peak_memory(device: torch.device) -> int | None:
    """Most bytes allocated on an accelerator so far; None on a CPU, and where the accelerator does not tell."""
    if device.type == "cpu":
        return None
    vendor = getattr(torch, device.type)
    return int(vendor.max_memory_allocated(device)) if hasattr(vendor, "max_memory_allocated") else None


def release_memory(device: torch.device) -> None:
    """Give cached memory back to an accelerator; nothing on a CPU."""
    if device.type != "cpu":
        vendor = getattr(torch, device.type)
        if hasattr(vendor, "empty_cache"):
            vendor.empty_cache()


def synchronise(device: torch.device) -> None:
    """Wait until an accelerator has finished its work, as a clock needs; nothing on a CPU."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


@contextlib.contextmanager
def attention_of_any_shape(device: torch.device) -> Iterator[None]:
    """Keep cuDNN's attention out on CUDA: it plans anew for every shape, and packs rarely repeat one."""
    if device.type != "cuda":
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        yield


def narrow(model: Any, dtype: torch.dtype) -> Any:
    """Cast a model's weights in place, and leave the buffers that its checkpoint does not hold as they are.

    A model loaded in bfloat16 has such buffers in float32; `model.to(bfloat16)` would round them too. Of a rotary
    embedding these are the frequencies, and their rounding moves the angle at position 1,024 by more than one radian.

    Returns:
        The model itself.
    """
    saved = model.state_dict().keys()
    for weight in model.parameters():
        if weight.is_floating_point():
            weight.data = weight.data.to(dtype)
    for module_name, module in model.named_modules():
        for name, buffer in module._buffers.items():
            place = f"{module_name}.{name}" if module_name else name
            if buffer is not None and buffer.is_floating_point() and place in saved:
                module._buffers[name] = buffer.to(dtype)
    return model
