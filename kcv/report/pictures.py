"""Pictures that live inside the page: figures as SVG, thumbnails as data addresses."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kcv.report import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 144  # pixels: as wide as the page shows a thumbnail
SMALL = 64  # pixels: up to here a picture is kept exact, and enlarged in squares
THEME = {
    plots.INK: "var(--ink)",
    plots.MUTED: "var(--muted)",
    plots.GRID: "var(--grid)",
    plots.BLUE: "var(--blue)",
    plots.ORANGE: "var(--orange)",
}


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """Return a figure as SVG whose colours follow the page, light or dark.

    Args:
        figure: The figure; it is drawn without background.
        name: Prefix of the ids, so that two figures of a page do not share one.
        alt: What the picture shows, in words.
    """
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    # 200 dpi is for the pictures inside (a confusion matrix); lines and text are drawn as curves.
    figure.savefig(buffer, format="svg", dpi=200, transparent=True, metadata=nothing)
    svg = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg[svg.index("<svg") :])
    for colour, variable in THEME.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", f'<svg role="img" aria-label="{alt}"', 1)


def thumbnail(pixels: np.ndarray) -> str:
    """Return a picture (h, w), (h, w, 1) or (h, w, 3) in uint8 as ``data:`` address."""
    pixels = np.asarray(pixels, dtype=np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    kind = "png" if max(image.size) <= SMALL else "jpeg"  # a small picture is smaller without loss
    image.convert("L" if image.mode == "L" else "RGB").save(buffer, format=kind, quality=88)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
