"""The device that models run on: the one place that asks torch about accelerators.

`torch.accelerator` names CUDA, ROCm, XPU and MPS alike, so nothing else here depends on the vendor.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import torch

from semantic_pivots.errors import InputError


def default_device() -> torch.device:
    """The machine's accelerator, or the CPU if there is none."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def device_count() -> int:
    """Number of accelerators of this machine; 0: only the CPU."""
    return torch.accelerator.device_count() if torch.accelerator.is_available() else 0


def device_processes(processes: int, section: str) -> int:
    """Number of processes of a stage, each with its own device.

    Raises:
        InputError: there are fewer accelerators.
    """
    accelerators = device_count()
    if 0 < accelerators < processes:
        raise InputError(
            f"[{section}] processes = {processes}: expected at most the {accelerators} accelerators there are"
        )
    return processes


@functools.cache
def take_device(folder: Path) -> None:
    """Give this process an accelerator that no other process with the same `folder` has, until the process ends.

    With fewer than two accelerators it does nothing.
    """
    if device_count() < 2:
        return
    for number in range(device_count()):
        lock = (folder / f".device-{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _device_locks.append(lock)
        torch.accelerator.set_device_index(number)
        return
    raise RuntimeError(f"{folder}: every one of {device_count()} accelerators is taken")


_device_locks: list[IO[str]] = []


def device_name() -> str:
    """The accelerator's name as its vendor gives it, else the CPU with its threads."""
    device = default_device()
    if device.type == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    vendor = getattr(torch, device.type)
    return vendor.get_device_name() if hasattr(vendor, "get_device_name") else device.type


def free_memory(device: torch.device) -> int | None:
    """Free bytes of an accelerator; None on a CPU or if the accelerator does not report them."""
    if device.type == "cpu":
        return None
    try:
        return int(torch.accelerator.get_memory_info(device)[0])
    except (AttributeError, NotImplementedError, RuntimeError):  # torch before 2.9; MPS
        vendor = getattr(torch, device.type)
        return int(vendor.mem_get_info(device)[0]) if hasattr(vendor, "mem_get_info") else None


def peak_memory(device: torch.device) -> int | None:
    """Peak bytes allocated on an accelerator; None on a CPU or if the accelerator does not report them."""
    if device.type == "cpu":
        return None
    vendor = getattr(torch, device.type)
    return int(vendor.max_memory_allocated(device)) if hasattr(vendor, "max_memory_allocated") else None


def start_peak(device: torch.device) -> int:
    """Measure `peak_memory` of an accelerator from now on; returns the bytes that are allocated now."""
    vendor = getattr(torch, device.type)
    if not hasattr(vendor, "reset_peak_memory_stats"):
        return 0
    vendor.reset_peak_memory_stats(device)
    return int(vendor.memory_allocated(device))


def release_memory(device: torch.device) -> None:
    """Give cached memory back to an accelerator; nothing on a CPU."""
    if device.type != "cpu":
        vendor = getattr(torch, device.type)
        if hasattr(vendor, "empty_cache"):
            vendor.empty_cache()


def synchronise(device: torch.device) -> None:
    """Wait until the accelerator is idle, before reading a clock; no effect on a CPU."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def to_device(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A copy of a CPU tensor on a device; through pinned memory on CUDA, so that it does not wait for the queue."""
    return (batch.pin_memory() if device.type == "cuda" else batch).to(device, non_blocking=True)


def random_states(device: torch.device) -> list[torch.Tensor]:
    """States of torch's random generators: the CPU's, and the accelerator's if the device reports it."""
    vendor = None if device.type == "cpu" else getattr(torch, device.type)
    states = [vendor.get_rng_state(device)] if vendor is not None and hasattr(vendor, "get_rng_state") else []
    return [torch.get_rng_state(), *states]


def set_random_states(states: list[torch.Tensor], device: torch.device) -> None:
    """Restore the states from `random_states`; only the CPU's if they are from another kind of device."""
    torch.set_rng_state(states[0])
    if len(states) > 1 and device.type != "cpu":
        getattr(torch, device.type).set_rng_state(states[1], device)


@contextlib.contextmanager
def deterministic_kernels(is_on: bool) -> Iterator[None]:
    """Kernels whose sums have one order, so that equal runs on one device give equal bits; slower, CUDA above all.

    Raises:
        RuntimeError: the block uses an operation that has no such kernel; torch names it.
    """
    is_on_before = torch.are_deterministic_algorithms_enabled()
    if is_on:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(is_on_before)


@contextlib.contextmanager
def attention_of_any_shape(device: torch.device) -> Iterator[None]:
    """Disable cuDNN's attention on CUDA: it makes a new plan for every shape, and packed batches rarely repeat one."""
    if device.type != "cuda":
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        yield


def narrow(model: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    """Cast a model's weights and saved buffers in place; buffers that are not in the checkpoint keep their dtype.

    A model loaded in bfloat16 has such buffers in float32, but `model.to(bfloat16)` would round them too. The
    frequencies of a rotary embedding are such a buffer. Rounded to bfloat16, they move the angle at position 1,024 by
    more than one radian.

    Returns:
        The model itself.
    """
    saved_keys = model.state_dict().keys()
    for weight in model.parameters():
        if weight.is_floating_point():
            weight.data = weight.data.to(dtype)
    for module_name, module in model.named_modules():
        for name, buffer in module._buffers.items():
            place = f"{module_name}.{name}" if module_name else name
            if buffer is not None and buffer.is_floating_point() and place in saved_keys:
                module._buffers[name] = buffer.to(dtype)
    return model
