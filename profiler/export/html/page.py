"""The report's Markdown as the body of a page: only its own folds are HTML, all other text stays text."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

_MANY_COLUMNS = 9  # of a table; more are printed in a smaller font
_MOST_COLUMNS = 15  # likewise, and smaller still
_FOLD = re.compile(r"<details>\n<summary>[A-Za-z:, ]+</summary>\n?|</details>\n?")


def body_of(markdown: str, figures: Mapping[str, str]) -> tuple[str, str]:
    """The title as plain text, and the body with `figures` in the place of the images that name them.

    Links, other images and HTML that is no fold of the report's own are shown as text.
    """
    parser = MarkdownIt("commonmark", renderer_cls=_Renderer).enable("table")
    parser.disable(["link", "autolink", "html_inline", "reference"])
    tokens = parser.parse(markdown)
    _free_figures(tokens, figures)
    heading = next((token for token in tokens if token.type == "inline"), None)
    title = "".join(child.content for child in heading.children or ()) if heading else ""
    return title, parser.renderer.render(tokens, parser.options, {"figures": figures})


def _free_figures(tokens: Sequence[Token], figures: Mapping[str, str]) -> None:
    """A figure is no part of a paragraph: the one around it goes."""
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        children = token.children or []
        if len(children) == 1 and children[0].type == "image" and children[0].attrGet("src") in figures:
            before.hidden = after.hidden = True


class _Renderer(RendererHTML):
    """HTML without styles of its own, which the page's policy would refuse."""

    def image(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        token = tokens[idx]
        source = str(token.attrGet("src"))
        return str(env["figures"].get(source) or escape(token.content))

    def html_block(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        content = tokens[idx].content
        return content if _FOLD.fullmatch(content) else f"<p>{escape(content)}</p>\n"

    def table_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        # A table that is wider than the page scrolls by itself, by the keyboard too.
        return f'<div class="{_width_of(tokens, idx)}" tabindex="0">\n<table>\n'

    def table_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return "</table>\n</div>\n"

    def th_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return self._cell(tokens[idx])

    def td_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return self._cell(tokens[idx])

    def _cell(self, token: Token) -> str:
        is_right = "right" in str(token.attrGet("style"))
        return f'<{token.tag} class="right">' if is_right else f"<{token.tag}>"


def _width_of(tokens: Sequence[Token], table: int) -> str:
    """The classes of a table by its columns."""
    columns = 0
    for token in tokens[table:]:
        if token.type == "thead_close":
            break
        columns += token.type == "th_open"
    return f"table{' many' * (columns > _MANY_COLUMNS)}{' most' * (columns > _MOST_COLUMNS)}"
