"""A widget that paints lines of text, and again only those that changed.

Textual's Line API: what is drawn four times a second must not be laid out and styled anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, cast

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.events import MouseScrollDown, MouseScrollUp, Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.pictures.look import Look

_LOOKS = ("fastest", "bad", "warning", "muted", "spark", "value", "header", "chosen", "cursor", "cursor_away")


class _HasGlyphs(Protocol):
    glyphs: Glyphs


class Painted(Widget):
    """Shows what `picture` returns; `paint` is to be called whenever that may have changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"look--{name.replace('_', '-')}" for name in _LOOKS}

    _strips: list[Strip]
    _look: Look | None = None

    def picture(self, width: int, height: int) -> Sequence[Text]:
        """The lines to show, the first at the top; what is beyond `height` is not shown."""
        raise NotImplementedError

    @property
    def glyphs(self) -> Glyphs:
        """The app's characters."""
        return cast("_HasGlyphs", self.app).glyphs if hasattr(self.app, "glyphs") else UNICODE

    @property
    def look(self) -> Look:
        """The theme's styles."""
        if self._look is None:
            self._look = Look(**{name: self._style(f"look--{name.replace('_', '-')}") for name in _LOOKS})
        return self._look

    def _style(self, component: str) -> Style:
        """A component's style with its colours blended; its background only if it has one of its own."""
        own = self.get_component_rich_style(component, partial=True)
        blended = self.get_component_rich_style(component)
        return own + Style(
            color=blended.color if own.color else None, bgcolor=blended.bgcolor if own.bgcolor else None
        )

    def paint(self) -> None:
        """Draw the picture, and have the screen repaint the lines that differ from what it shows."""
        width, height = self.size
        if not self.is_mounted or not width or not height:
            return
        strips = [self._strip(line, width) for line in self.picture(width, height)[:height]]
        shown, self._strips = getattr(self, "_strips", []), strips
        changed = [
            Region(0, y, width, 1)
            for y in range(max(len(strips), len(shown)))
            if y >= len(strips) or y >= len(shown) or strips[y] != shown[y]
        ]
        if changed:
            self.refresh(*changed)

    def _strip(self, line: Text, width: int) -> Strip:
        if self.glyphs == ASCII and not line.plain.isascii():  # a name, or a reason, from elsewhere
            line.plain = "".join(character if character.isascii() else "?" for character in line.plain)
        if line.spans:
            segments = [segment for segment in line.render(self.app.console) if segment.text]
        else:  # rich leaves the style of the whole to who asked for the rendering
            segments = [Segment(line.plain, self.app.console.get_style(line.style))]
        return Strip(segments).adjust_cell_length(width, Style.null())

    def render_line(self, y: int) -> Strip:
        """One line, as it was painted last."""
        strips = getattr(self, "_strips", [])
        strip = strips[y] if y < len(strips) else Strip.blank(self.size.width)
        return strip.apply_style(self.rich_style)

    def on_resize(self, event: Resize) -> None:
        """Room has changed."""
        self.paint()

    def notify_style_update(self) -> None:
        """The theme has changed, and with it what the lines are painted with."""
        super().notify_style_update()
        self.call_later(self._restyle)  # the styles of the components come just after the widget's own

    def _restyle(self) -> None:
        self._look = None
        self.paint()


class PaintedRows(Painted):
    """Painted rows with a cursor, which the wheel moves and which looks fainter without the focus."""

    def action_move(self, rows: int) -> None:
        """Move the cursor, as far as there are rows."""
        raise NotImplementedError

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.action_move(-1)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.action_move(1)

    def watch_has_focus(self, has_focus: bool) -> None:
        """Paint the cursor as it looks now."""
        super().watch_has_focus(has_focus)
        self.paint()
