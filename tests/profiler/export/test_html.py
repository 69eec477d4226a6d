"""The report as a page: whole, by itself, and with nothing of a session as markup."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import PurePath

import msgspec
import pytest

from profiler.events import Event, Finished, Labelled, Log, Note, Planned, TrainingPlanned
from profiler.export import export, report_for
from profiler.export.html.drawings import inline
from profiler.export.html.page import body_of
from profiler.session.recording import Recording
from tests.examples import (
    attention,
    cases,
    checked,
    header,
    hopper,
    lab6,
    lab6_events,
    measured,
    plan,
    single,
)
from tests.training_examples import study, trained, training, training_cases, training_plan

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> [l](javascript:alert(3)) <javascript:alert(4)> "
    "![i](http://e/x.png) </main></details>\x1b[31m\x00 &lt;b&gt; [r]: http://e <!-- x --> `<b>`"
)


class Page(HTMLParser):
    """The elements of a page with their attributes, those left open, and its text."""

    VOID = frozenset({"meta", "img", "br", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.shown: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.shown).split())

    def count(self, tag: str) -> int:
        return [name for name, _ in self.elements].count(tag)


@pytest.fixture(scope="module")
def source() -> str:
    return export(hopper(), "html")


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def hostile() -> Recording:
    whole = plan([attention(seq=seq) for seq in (512, 1024)], ["pytorch", HOSTILE], label=HOSTILE)
    started = msgspec.structs.replace(header(), command=f"attnprof run {HOSTILE}", attnprof=HOSTILE)
    environment = msgspec.structs.replace(started.environment, cpu=HOSTILE, packages={HOSTILE: HOSTILE})
    events: list[Event] = [msgspec.structs.replace(started, environment=environment), Planned(plan=whole)]
    for case in cases(whole):
        events += [*checked(case, notes=[HOSTILE], backend=HOSTILE), *measured(case)]
    return Recording.of(
        [
            *events,
            Log(level="error", message=HOSTILE),
            Note(text=HOSTILE, written=HOSTILE),
            Labelled(label=HOSTILE),
            Finished(ending="failed", reason=HOSTILE),
        ]
    )


def test_every_element_is_closed_and_the_report_is_whole(page: Page) -> None:
    assert page.open == []
    for words in (
        "What the words mean",
        "Environment",
        "Clocks and bounds",
        "flash_fwd_kernel",
        "20.0x ±0.1",
    ):
        assert words in page.text
    assert page.count("h1") == 1


def test_a_page_has_no_limit_to_its_length() -> None:
    whole = plan(
        [attention(seq=seq) for seq in range(64, 64 * 31, 64)], ["pytorch", "sdpa", "flash2", "flex"]
    )
    ran = [event for case in cases(whole) for event in (*checked(case), *measured(case))]
    page = report_for(
        Recording.of([header(), Planned(plan=whole), *ran]), "html", PurePath("x.html"), "none"
    ).text
    assert page.count("<tr>") > 3 * 120 * 2
    assert "did not fit" not in page and "<svg" not in page


def test_nothing_is_fetched_run_or_styled_from_elsewhere(page: Page) -> None:
    names = {name for name, _ in page.elements}
    assert not names & {"script", "link", "iframe", "object", "form", "a", "base", "image", "foreignobject"}
    for name, attributes in page.elements:
        assert "style" not in attributes, name
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "href", "xlink:href"):
            assert str(attributes.get(key, "#")).startswith(("#", "data:image/png"))


def test_the_policy_allows_its_one_style_sheet_and_no_script(source: str, page: Page) -> None:
    (policy,) = [
        attributes["content"]
        for name, attributes in page.elements
        if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)
    assert style is not None and policy is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert source.count("<style") == 1


def test_hostile_text_stays_text() -> None:
    shown = Page(export(hostile(), "html"))
    usual = Page(export(lab6(), "html"))
    assert shown.open == []
    allowed = {name for name, _ in usual.elements} | {"h3", "code"}
    assert {name for name, _ in shown.elements} <= allowed
    assert "<script>alert(1)</script>" in shown.text
    assert "[l](javascript:alert(3))" in shown.text
    assert "![i](http://e/x.png)" in shown.text
    assert "</main></details>" in shown.text
    assert "\x1b" not in shown.text and "\x00" not in shown.text
    for _, attributes in shown.elements:
        assert not any(key.startswith("on") for key in attributes)


@pytest.mark.parametrize(
    "markdown",
    [
        "[a](javascript:alert(1))",
        "<https://e.example>",
        "![a](http://e/x.png)",
        "![a](chart:other)",
        "<b>x</b>",
        "<script>\nalert(1)\n</script>",
        "<details>\n<summary><b>x</b></summary>",
        "<details ontoggle=alert(1)>\n<summary>x</summary>",
        "[a]: javascript:alert(1)\n\n[a]",
    ],
)
def test_markup_that_is_not_the_reports_own_is_shown_as_text(markdown: str) -> None:
    _, body = body_of(f"# t\n\n{markdown}\n", {"chart:x": "<figure></figure>"})
    assert {name for name, _ in Page(body).elements} <= {"h1", "p"}


def test_charts_are_drawn_within_the_page_with_words_and_in_its_colours(source: str, page: Page) -> None:
    drawings = [attributes for name, attributes in page.elements if name == "svg"]
    assert len(drawings) == page.count("figure") == 2
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert str(attributes["aria-label"]).startswith("Bars. ")
    assert "var(--ink)" in source and "#1f2328" not in source.split("</style>")[1]


def test_no_name_within_one_drawing_is_that_of_another(page: Page) -> None:
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names)) > 10
    for _, attributes in page.elements:
        if target := attributes.get("xlink:href"):
            assert target.removeprefix("#") in names


def test_a_drawings_styles_become_attributes() -> None:
    svg = '<?xml?><svg><style>*{}</style><g id="a" style="fill: #1f2328; x: 1"/><use href="#a"/></svg>'
    assert inline(svg, "p", 'x "y"') == (
        '<svg role="img" aria-label="x &quot;y&quot;"><g id="p-a" fill="var(--ink)" x="1"/>'
        '<use href="#p-a"/></svg>'
    )


def test_charts_can_be_png_within_the_page() -> None:
    text = report_for(single(), "html", PurePath("x.html"), "png").text
    (image,) = [attributes for name, attributes in Page(text).elements if name == "img"]
    assert str(image["src"]).startswith("data:image/png;base64,") and str(image["alt"]).startswith("Bars. ")


def test_tables_scroll_by_themselves_and_figures_stand_to_the_right(source: str) -> None:
    scrolling = re.findall(r'<div class="table(?: many)?(?: most)?" tabindex="0">\n<table>', source)
    assert len(scrolling) == source.count("<table>")
    assert '<td class="right">' in source and "text-align:right" not in source


@pytest.mark.parametrize(("columns", "classes"), [(9, "table"), (10, "table many"), (16, "table many most")])
def test_a_table_of_many_columns_is_marked_for_a_smaller_print(columns: int, classes: str) -> None:
    line = f"|{'x|' * columns}"
    _, body = body_of(f"# t\n\n{line}\n|{'-|' * columns}\n{line}\n", {})
    assert f'<div class="{classes}" tabindex="0">' in body


def test_a_figure_of_more_than_two_rows_may_have_a_page_for_itself(source: str) -> None:
    assert "<figure>" in source and '<figure class="tall">' not in source
    whole = training_plan([training(context=context) for context in (128, 256, 512, 1024, 2048)], ["flash2"])
    ran = [event for case in training_cases(whole) for event in trained(case, batch=8, tokens_per_s=50_000)]
    long = export(Recording.of([header(), TrainingPlanned(plan=whole), *ran]), "html")
    assert long.count("<figure>") == long.count('<figure class="tall">') == 1


def test_a_training_has_a_page_too() -> None:
    text = Page(export(study(), "html")).text
    assert "Charts of training" in text and "What a step is made of" in text


def test_the_title_is_plain_text() -> None:
    relabelled = Recording.of([*lab6_events(), Labelled(label="a *b* & <c>")])
    assert "<title>a *b* &amp; &lt;c&gt;: attention on NVIDIA" in export(relabelled, "html")
