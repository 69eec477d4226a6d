"""HTML: the Markdown report in its full extent as one page that needs nothing else.

No script, no fonts, nothing from a network: a Content-Security-Policy forbids what it does not hold.
Charts are drawings in the page, in its own light or dark colours.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path

from profiler.export.charts import pictures
from profiler.export.charts.drawing import ChartFormat, draw
from profiler.export.charts.picture import Picture
from profiler.export.html.drawings import inline
from profiler.export.html.page import body_of
from profiler.export.markdown import report_of
from profiler.export.markdown.extent import EXTENTS
from profiler.session.recording import Recording

_ROWS_ON_HALF_A_PAGE = 2  # of a figure's panels, in print
_STYLE = Path(__file__).with_name("report.css")


def render(recording: Recording, charts: ChartFormat | None = "svg") -> str:
    """The page, ending with a newline; without charts if `charts` is None."""
    shown = pictures(recording) if charts else ()
    figures = {f"chart:{picture.name}": _figure(picture, charts) for picture in shown if charts}
    links = {picture.name: f"chart:{picture.name}" for picture in shown}
    title, body = body_of(report_of(recording, EXTENTS[0], shown, links), figures)
    style = _STYLE.read_text(encoding="utf-8")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _figure(picture: Picture, format: ChartFormat) -> str:
    """A chart as a figure of the page."""
    content = draw(picture, format)
    if format == "svg":
        drawing = inline(content.decode(), prefix=picture.name, label=picture.alt)
    else:
        data = b64encode(content).decode()
        drawing = f'<img src="data:image/png;base64,{data}" alt="{escape(picture.alt)}">'
    is_tall = len(picture.panels) > _ROWS_ON_HALF_A_PAGE * picture.columns
    opening = '<figure class="tall">' if is_tall else "<figure>"
    return f"{opening}{drawing}</figure>\n"
