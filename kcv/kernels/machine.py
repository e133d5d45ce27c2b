"""What the machine is told, and what it tells."""

import ctypes
import os

import keras

from kcv.kernels.backend import TORCH

if TORCH:
    import torch


def set_threads(count: int) -> None:
    """Let torch compute with `count` threads; other backends decide for themselves."""
    if TORCH:
        torch.set_num_threads(count)


def keep_memory() -> None:
    """Let the allocator keep freed memory instead of returning it to the system (glibc, CPU).

    Large activations are otherwise mapped anew, and their pages faulted in, at every step:
    MobileNetV2 at 28 pixels and batch 128 trained 1.2 to 1.4 times as fast with it. What a process
    has needed at most it keeps, then, until it ends; `KCV_KEEP_MEMORY=0` forbids that.
    """
    if os.environ.get("KCV_KEEP_MEMORY") == "0":
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX: large blocks come from the heap
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap is never trimmed
    except (OSError, AttributeError):
        return  # another C library: nothing to tune


def device() -> dict:
    """Describe what the backend computes on: {"backend", "version", "device", "threads"}."""
    name = keras.backend.backend()
    about = {"backend": name, "version": "", "device": "cpu", "threads": 0}
    if TORCH:
        cuda = torch.cuda.is_available()
        about["version"] = torch.__version__
        about["device"] = torch.cuda.get_device_name(0) if cuda else "cpu"
        about["threads"] = torch.get_num_threads()
    return about
