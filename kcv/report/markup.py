"""The pieces of HTML of a report: plain values go in, escaped HTML comes out."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np


def section(title: str, text: str, body: str, kind: str = "") -> str:
    """Return a section with its title and a leading sentence; ``body`` is HTML."""
    lead = f"<p>{escape(text)}</p>" if text else ""
    return f'<section class="{kind}"><h2>{escape(title)}</h2>{lead}{body}</section>\n'


def bullets(lines: Iterable[str]) -> str:
    """Return a list of sentences."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def table(heads: Iterable[str], rows: Iterable[Iterable[Any]], numbers: int = 0) -> str:
    """Return a table; the last ``numbers`` columns are figures and stand to the right."""
    heads = list(heads)
    kinds = [""] * (len(heads) - numbers) + [' class="number"'] * numbers

    def line(tag: str, values: Iterable[Any]) -> str:
        cells = zip(kinds, values, strict=True)
        return "<tr>" + "".join(f"<{tag}{k}>{_cell(v)}</{tag}>" for k, v in cells) + "</tr>"

    head = f"<thead>{line('th', heads)}</thead>"
    body = f"<tbody>{''.join(line('td', row) for row in rows)}</tbody>"
    return f'<div class="wide"><table>{head}{body}</table></div>'


def tile(name: str, value: str, note: str, kind: str = "") -> str:
    """Return a figure to be read from afar, with what it is and what belongs to it."""
    return (
        f'<div class="tile {kind}"><span>{escape(name)}</span>'
        f"<b>{escape(value)}</b><span>{escape(note)}</span></div>"
    )


class Rate(float):
    """A share from 0 to 1 that a table draws as a bar; ``low`` ones are drawn as a warning."""

    low = False

    def html(self) -> str:
        """Return the bar with its figure."""
        if np.isnan(self):
            return "-"
        kind = "rate low" if self.low else "rate"
        return f'<span class="{kind}"><i style="--share:{self:.3f}"></i>{percent(self)}</span>'


def rate(value: float, warn_below: float) -> Rate:
    """Return a share as a `Rate`, with a warning where it lies below ``warn_below``."""
    result = Rate(value)
    result.low = bool(value < warn_below)
    return result


def fields(values: Mapping[str, Any]) -> str:
    """Return names and values in two columns."""
    rows = "".join(
        f"<div><dt>{escape(str(key))}</dt><dd>{escape(_value(value))}</dd></div>"
        for key, value in values.items()
    )
    return f'<dl class="fields">{rows}</dl>'


def bar(name: str, share: float, whisker: tuple[float, float] | None = None) -> str:
    """Return a bar from 0 to 1 with its name, and with an interval if one is given."""
    low, high = whisker or (share, share)
    ends = f'<span class="whisker" style="left:{low:.2%};width:{high - low:.2%}"></span>'
    # A long bar has no room behind it on a telephone: its figure stands inside, before the whisker.
    kind, left = ("value inside", low) if high > 0.75 else ("value", high)
    return (
        f'<span class="name">{escape(name)}</span><div class="track{" this" if whisker else ""}">'
        f'<span class="fill" style="width:{share:.2%}"></span>{ends if whisker else ""}'
        f'<span class="{kind}" style="left:{left:.2%}">{percent(share)}</span></div>'
    )


def percent(share: float) -> str:
    """Return a share as percent with one decimal."""
    return f"{share:.1%}"


def duration(seconds: float) -> str:
    """Return a time in the two largest units that it needs."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def quantity(number: int) -> str:
    """Return a number, from a million on with three digits only."""
    # What rounds to 1000 million is 1 billion.
    for size, unit in ((1e9, "billion"), (1e6, "million")):
        if number >= 0.9995 * size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,}"


def _cell(value: Any) -> str:
    return value.html() if isinstance(value, Rate) else escape(_value(value))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        value = int(value)
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return "-" if np.isnan(value) else f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(item) for item in value)
    return str(value)
