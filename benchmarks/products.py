"""Convolutions of small maps with large kernels: torch's own against products of matrices.

    python -m benchmarks.products
    python -m benchmarks.products --threads 2 --shapes 16x512x512x3x1x2

Milliseconds of the processor for the map, its gradient and the kernel's, by torch and as a product;
both take turns. The last column is what `kcv.kernels.products` does on this kind of shape.
"""

import argparse
import statistics
import sys
import time

import torch

from kcv.kernels import products

# images x channels x outputs (0 for a kernel to each channel) x kernel x stride x pixels of an edge
SHAPES = (
    "16x512x512x3x1x2", "32x512x512x3x1x1", "3x512x512x3x1x3", "16x256x512x3x2x4",
    "16x256x256x3x1x2", "16x256x256x3x1x4", "16x128x128x3x1x4", "8x512x512x3x1x4",
    "16x512x512x3x1x4", "128x512x512x3x1x4", "8x256x256x3x1x8", "8x128x128x3x1x16",
    "16x64x64x3x1x16", "8x512x2048x1x1x4", "8x2048x512x1x1x4", "8x960x320x1x1x4",
    "8x1024x256x1x1x8", "8x512x128x1x1x16", "1x512x512x3x1x7", "128x96x576x1x1x4",
    "128x576x96x1x1x4", "128x160x960x1x1x2", "128x384x96x1x1x7",
    "128x960x0x3x1x1", "128x960x0x3x1x2", "128x384x0x3x1x4", "128x480x0x3x2x3",
    "32x768x0x7x1x1", "32x384x0x7x1x2", "3x384x0x7x1x6", "1x384x0x7x1x4",
    "8x768x0x7x1x7", "128x960x0x7x1x7",
)  # fmt: skip
WHOLE = products.forward, products.gradient_of_map, products.gradient_of_kernel
DEPTHWISE = (
    products.depthwise,
    products.gradient_of_depthwise_map,
    products.gradient_of_depthwise_kernel,
)


def main() -> None:
    """Measure and print a row for each shape."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shapes", nargs="+", default=SHAPES, metavar="NxCxOxKxSxE")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    capability = torch.backends.cpu.get_cpu_capability()
    sys.stdout.write(
        f"{capability}; products {'are' if products.processor() else 'are not'} used here\n"
    )
    titles = "map  product   of map  product  of kernel  product   kcv takes"
    sys.stdout.write(f"{'shape':20} {titles}\n")
    for shape in args.shapes:
        sys.stdout.write(row(shape, args.rounds) + "\n")
        sys.stdout.flush()


def row(shape: str, rounds: int) -> str:
    """Measure one shape; return its line."""
    count, channels, out, size, stride, edge = map(int, shape.split("x"))
    places = [stride] * 2, [size // 2] * 2
    depthwise = not out
    groups = channels if depthwise else 1
    x = torch.randn(count, edge, edge, channels).permute(0, 3, 1, 2)
    kernel = torch.randn(out or channels, size, size, channels // groups).permute(0, 3, 1, 2)
    y = torch.conv2d(x, kernel, None, *places, 1, groups)
    grad = torch.randn_like(y)
    forward, of_map, of_kernel = DEPTHWISE if depthwise else WHOLE
    torch.testing.assert_close(forward(x, kernel, *places), y, rtol=1e-3, atol=1e-3)

    def backward(*wanted):
        return torch.ops.aten.convolution_backward(
            grad, x, kernel, None, *places, [1, 1], False, [0, 0], groups, [*wanted, False]
        )

    runs = (
        lambda: torch.conv2d(x, kernel, None, *places, 1, groups),
        lambda: forward(x, kernel, *places),
        lambda: backward(True, False),
        lambda: of_map(grad, x, kernel, *places),
        lambda: backward(False, True),
        lambda: of_kernel(grad, x, kernel, *places),
    )
    times = [[_milliseconds(run) for run in runs] for _ in range(rounds + 1)][1:]
    columns = "".join(f"{statistics.median(part):9.1f}" for part in zip(*times, strict=True))
    how = _how(tuple(x.shape), tuple(kernel.shape), *map(tuple, places))
    taken = "nothing" if how is None else "all" if how.map else "of kernel"
    return f"{shape:18}{columns}   {taken}"


def _how(*shapes):
    kind = products.processor()
    return products.ways(*shapes, kind) if kind else None


def _milliseconds(run, calls: int = 2) -> float:
    start = time.process_time()
    for _ in range(calls):
        run()
    return 1000 * (time.process_time() - start) / calls


if __name__ == "__main__":
    main()
