"""The charts of the report: images beside its tables, each with what it shows in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from profiler.export.charts.picture import Picture
from profiler.export.markdown.text import escape, section


def charts(title: str, subject: str, pictures: Sequence[Picture], links: Mapping[str, str]) -> str | None:
    """A section of the charts whose names begin with `subject`; None where there are none."""
    images = [
        f"![{escape(picture.alt)}]({quote(links[picture.name], safe='/:')})"
        for picture in pictures
        if picture.name.startswith(f"{subject}-") and picture.name in links
    ]
    return section(title, *images) if images else None


def without_charts(report: str) -> str:
    """The same report without these sections: for where their files are not. Only images begin a line so."""
    return re.sub(r"^## Charts.*\n\n(?:!\[.*\n\n)+", "", report, flags=re.MULTILINE)
