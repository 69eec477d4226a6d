"""A report as files: its text, and the charts in a folder beside it, each file replaced as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from profiler.export.charts.drawing import ChartFormat, draw
from profiler.export.charts.picture import Picture
from profiler.files import replace_file


@dataclass(frozen=True)
class Report:
    """The text of an export, and the `pictures` that it refers to in `folder`, beside its file."""

    text: str
    folder: str = ""
    pictures: tuple[Picture, ...] = ()
    chart_format: ChartFormat = "svg"

    def write(self, path: Path) -> None:
        """Write everything, the text last: it never refers to what is not there.

        Raises:
            OSError: something cannot be written; the text is then as it was before.
        """
        for _ in self.write_charts(path):
            pass
        replace_file(path, self.text.encode())

    def write_charts(self, path: Path) -> Iterator[Path]:
        """Draw and write the charts of a text at `path`, one after the other; other files there stay.

        Raises:
            OSError: one cannot be written.
        """
        if not self.pictures:
            return
        folder = path.resolve().with_name(self.folder)
        folder.mkdir(exist_ok=True)
        for picture in self.pictures:
            chart = folder / f"{picture.name}.{self.chart_format}"
            replace_file(chart, draw(picture, self.chart_format))
            yield chart


def folder_of(path: PurePath) -> str:
    """The name of the folder beside a report that its charts are in."""
    return f"{path.stem}-charts"
