"""Where a convolution trains faster as products of matrices than by torch's own library.

All numbers are from `python -m benchmarks.products`, one thread of an AMD EPYC without AVX-512 and
of one with it.
"""

import functools
import math
from typing import NamedTuple

from kcv.kernels.backend import TORCH

if TORCH:
    import torch


class Bounds(NamedTuple):
    """From where on products were faster on a kind of processor.

    Attributes:
        of_kernel: numbers of a kernel for each pixel of the output, for the gradient of the kernel.
        of_map: the same for all three parts, with patches to be copied out.
    """

    of_kernel: int
    of_map: int


BOUNDS = {"AVX2": Bounds(64, 4096), "AVX512": Bounds(2**13, 2**15)}
# The least kernel that is worth the calls, and the most numbers of patches that are copied out.
LEAST, LEAST_POINTWISE, MOST = 2**17, 2**14, 2**24
# Of a pointwise kernel without AVX-512: numbers of the kernel for each pixel, or up to that many
# pixels of an image, whatever the batch, for the gradient of the kernel and for all parts.
OF_MAP_POINTWISE, FEW_POINTWISE, FEWEST_POINTWISE = 2048, 16, 4
# With AVX-512: up to that many pixels of all images together, or one pixel of each.
PIXELS_POINTWISE = 64
# How many numbers of a map make a product worth its call, one for each place of a depthwise kernel
# that is larger than the map.
OF_PLACE = 256
# For a kernel as large as the map (of 3x3, only with strides): the least map, and the most if every
# pixel is seen, where torch's own way uses the caches better.
LEAST_EQUAL, MOST_EQUAL = 2**17, 2**20
# With AVX-512, for any kernel of 5x5 or more: the fewest channels, the largest edge of a map, and
# the most numbers of it.
CHANNELS_WIDE, EDGE_WIDE, MOST_WIDE = 240, 14, 2**21


class Ways(NamedTuple):
    """Which parts of a training step are products: map and its gradient, gradient of the kernel."""

    map: bool
    kernel: bool


OF_ALL, OF_KERNEL_ONLY = Ways(True, True), Ways(False, True)


@functools.cache
def processor() -> str:
    """Return the kind of processor, a key of `BOUNDS`; empty where nothing was measured."""
    kind = torch.backends.cpu.get_cpu_capability() if TORCH else ""
    return next((name for name in BOUNDS if kind.startswith(name)), "")


@functools.lru_cache(4096)
def ways(image, kernel, stride, padding, kind: str) -> Ways | None:
    """Return what of a convolution to do as a product, None for nothing.

    Args:
        image: shape `(B, C, H, W)`.
        kernel: shape `(out, C, kh, kw)`, or `(C, 1, kh, kw)` of a depthwise one.
        stride, padding: of rows and columns.
        kind: of processor, a key of `BOUNDS`.
    """
    out, channels, *size = kernel
    edges = list(zip(image[2:], size, stride, padding, strict=True))
    outputs = outputs_of(edges)
    if min(outputs) < 1:
        return None  # torch says what is wrong
    if channels != image[1]:
        return _ways_of_depthwise(image, edges, kind)
    area, numbers = math.prod(outputs), math.prod(kernel)
    pixels = image[0] * area
    if size == [1, 1]:
        return _ways_of_pointwise(area, pixels, numbers, kind)
    bounds = BOUNDS[kind]
    if numbers < LEAST or pixels * numbers // out > MOST:
        return None
    if of_single_pixels(image, kernel, stride, padding) or numbers >= pixels * bounds.of_map:
        return OF_ALL
    return OF_KERNEL_ONLY if numbers >= pixels * bounds.of_kernel else None


def outputs_of(edges) -> list[int]:
    return [(edge + 2 * pad - side) // step + 1 for edge, side, step, pad in edges]


def of_single_pixels(image, kernel, stride, padding) -> bool:
    """Return whether a kernel meets single pixels and nothing else, with one of its places."""
    edges = list(zip(image[2:], kernel[2:], stride, padding, strict=True))
    alone = all(edge == 1 and pad < side for edge, side, _, pad in edges)
    return alone and math.prod(outputs_of(edges)) == 1


def _ways_of_pointwise(area: int, pixels: int, numbers: int, kind: str) -> Ways | None:
    if numbers < LEAST_POINTWISE:
        return None
    if kind == "AVX512":
        return OF_ALL if area == 1 or pixels <= PIXELS_POINTWISE else None
    if area > FEW_POINTWISE:
        return None
    all_ = area <= FEWEST_POINTWISE or numbers >= pixels * OF_MAP_POINTWISE
    return OF_ALL if all_ else OF_KERNEL_ONLY


def _ways_of_depthwise(image, edges, kind: str) -> Ways | None:
    numbers, steps, outputs = math.prod(image), [step for *_, step, _ in edges], outputs_of(edges)
    if (*image[2:], *outputs) == (1, 1, 1, 1):
        return OF_ALL  # torch cannot see from a single pixel that its channels lie last
    seen = [
        sum(not is_empty(met(place, output, edge, step, pad)[0]) for place in range(side))
        for output, (edge, side, step, pad) in zip(outputs, edges, strict=True)
    ]
    wide = all(edge <= EDGE_WIDE and side >= 5 for edge, side, *_ in edges)
    if kind == "AVX512" and wide and image[1] >= CHANNELS_WIDE and numbers <= MOST_WIDE:
        return OF_KERNEL_ONLY
    if any(edge < side for edge, side, *_ in edges):
        worth = numbers >= OF_PLACE * math.prod(seen)
    elif any(edge == side > 5 - 2 * step for edge, side, step, _ in edges):
        worth = numbers >= LEAST_EQUAL and (max(steps) > 1 or numbers <= MOST_EQUAL)
    else:
        worth = False
    return OF_KERNEL_ONLY if worth else None


def is_empty(part: slice) -> bool:
    """Return whether there is nothing in a part."""
    return part.start >= part.stop


def met(place: int, outputs: int, inputs: int, step: int, pad: int) -> tuple[slice, slice]:
    """Return which outputs see the map through one row of a kernel, and which rows they see."""
    first = max(0, -(-(pad - place) // step))
    count = max(0, min(outputs - 1, (inputs - 1 + pad - place) // step) - first + 1)
    start = first * step + place - pad
    return slice(first, first + count), slice(start, start + step * count, step)
