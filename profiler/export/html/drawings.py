"""Charts as drawings within a page: in the page's colours, without styles of their own."""

from __future__ import annotations

import re
from html import escape

from profiler.export.charts.look import FAINT, INK, PAPER, PART, RULE

# What stands for the page's own colours (report.css), light or dark.
_OF_PAGE = {INK: "ink", FAINT: "faint", RULE: "rule", PAPER: "paper", PART: "part"}
_COLOUR = re.compile("|".join(_OF_PAGE), re.IGNORECASE)


def inline(svg: str, prefix: str, label: str) -> str:
    """A drawing of matplotlib's as an element of a page. `prefix` keeps its names apart from others'.

    Its styles become attributes: the page's policy allows no others than its own sheet.
    """
    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<style.*?</style>|<metadata.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r' style="([^"]*)"', _attributes, drawing)
    drawing = _COLOUR.sub(lambda found: f"var(--{_OF_PAGE[found[0].lower()]})", drawing)
    drawing = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", drawing)
    described = f'<svg role="img" aria-label="{escape(label)}"'
    return drawing.replace("<svg", described, 1).strip()


def _attributes(found: re.Match[str]) -> str:
    """ "fill: #fff; stroke-width: 0.8" as attributes, which SVG has for each of these."""
    pairs = (part.partition(":") for part in found[1].split(";") if part.strip())
    return "".join(f' {name.strip()}="{value.strip()}"' for name, _, value in pairs)
