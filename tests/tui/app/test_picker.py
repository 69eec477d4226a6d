"""The picker: every key and click, what it says of rows, and how it fits its room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import MouseScrollDown, MouseScrollUp, Paste
from textual.pilot import Pilot
from textual.widgets import Input

from impls.contract import DeviceInfo
from profiler.events import CatalogEntry
from tui.app.choice import Choice
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.parameter import Parameter
from tui.app.parameters import listed
from tui.app.pictures.picker import short_reason
from tui.app.widgets.picker import Picker

H100 = DeviceInfo("cuda", "NVIDIA H100 80GB HBM3", (9, 0))
CATALOG = (
    CatalogEntry(name="pytorch", label="PyTorch", summary="plain"),
    CatalogEntry(name="sdpa-flash", label="SDPA flash", summary="SDPA's FlashAttention-2 backend"),
    CatalogEntry(
        name="flash2",
        label="FlashAttention 2",
        summary="the flash-attn package's",
        unavailable="flash_attn is not installed",
        install="pip install flash-attn --no-build-isolation",
    ),
)
CHOICE = Choice(
    batch=4,
    seq=1024,
    heads=16,
    head_dim=64,
    dtype="float16",
    implementations=("pytorch", "sdpa-flash"),
    baseline="pytorch",
)


class Host(App[None]):
    """A picker beside something else that can have the focus, and keys of the app's own."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,1,escape", "hotkey")]

    def __init__(self, catalog: tuple[CatalogEntry, ...], glyphs: Glyphs) -> None:
        super().__init__()
        self.catalog = catalog
        self.glyphs = glyphs
        self.picker = Picker(CHOICE)
        self.choices: list[Choice] = []
        self.refusals: list[str] = []
        self.hotkeys = 0

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self.picker
            yield Input()

    def on_mount(self) -> None:
        self.picker.styles.width = 29
        self.picker.update(CHOICE, self.catalog, H100)
        self.picker.focus()

    def on_picker_changed(self, message: Picker.Changed) -> None:
        self.choices.append(message.choice)

    def on_picker_refused(self, message: Picker.Refused) -> None:
        self.refusals.append(message.reason)

    def action_hotkey(self) -> None:
        self.hotkeys += 1

    def lines(self) -> list[str]:
        """What the picker shows."""
        return [self.picker.render_line(y).text.rstrip() for y in range(self.picker.size.height)]

    def line(self, words: str) -> str:
        """The line with those words."""
        return next(line for line in self.lines() if words in line)

    def under_cursor(self) -> str:
        return self.picker.row.label

    def is_editing(self) -> bool:
        return self.picker.editing


Scene = Callable[[Host, Pilot[None]], Awaitable[None]]


def play(
    scene: Scene,
    *,
    height: int = 28,
    catalog: tuple[CatalogEntry, ...] = CATALOG,
    glyphs: Glyphs = UNICODE,
) -> None:
    async def scenario() -> None:
        app = Host(catalog, glyphs)
        async with app.run_test(size=(60, height)) as pilot:
            await pilot.press("home")
            await scene(app, pilot)

    asyncio.run(scenario())


async def go_to(app: Host, pilot: Pilot[None], label: str) -> None:
    """Move the cursor to a row."""
    app.picker.action_move(-1000)
    while app.under_cursor() != label:
        app.picker.action_move(1)
    await pilot.pause()


def test_one_list_holds_the_implementations_and_the_shape() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        assert app.lines()[:22] == [
            " Implementations",
            "▸■ PyTorch         = baseline",
            " ■ SDPA flash",
            " · FlashAttention 2   missing",
            "",
            " Shape",
            " batch                    4",
            " seq                   1024",
            " heads                   16",
            " kv heads              (16)",
            " head dim                64",
            " emb dim             (1024)",
            " dtype              float16",
            " causal                  no",
            " window                 off",
            " passes                 all",
            " seq q               (1024)",
            " decode                  no",
            " dropout                off",
            " softcap                off",
            "",
            " plain",
        ]

    play(scene)


def test_the_cursor_begins_on_what_most_people_turn_first() -> None:
    assert Picker(CHOICE).row.label == "seq"
    assert Picker(CHOICE, CATALOG).row.label == "seq"


def test_up_down_home_and_end_go_over_both_and_stop_at_the_ends() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        seen = [app.under_cursor()]
        await pilot.press("up")
        assert app.under_cursor() == "PyTorch"
        for _ in range(3):
            await pilot.press("down")
            seen.append(app.under_cursor())
        assert seen == ["PyTorch", "SDPA flash", "FlashAttention 2", "batch"]
        await pilot.press("end", "down")
        assert app.under_cursor() == "softcap"
        await pilot.press("pageup")
        assert app.under_cursor() == "emb dim"
        await pilot.press("home")
        assert app.under_cursor() == "PyTorch"

    play(scene)


def test_enter_checks_and_unchecks_an_implementation() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        assert app.picker.choice.implementations == ("sdpa-flash",)
        assert app.line("PyTorch").startswith("▸□")
        assert "baseline" in app.line("SDPA flash")
        await pilot.press("enter")
        assert app.picker.choice.implementations == CHOICE.implementations

    play(scene)


def test_the_last_implementation_is_not_unchecked() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await pilot.press("enter", "down", "enter")
        assert app.picker.choice.implementations == ("sdpa-flash",)
        assert app.refusals == ["something has to be measured: check another one first"]

    play(scene)


def test_what_cannot_run_says_why_under_the_cursor_and_cannot_be_checked() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "FlashAttention 2")
        assert app.lines()[21:24] == [
            " missing: pip install",
            " flash-attn",
            " --no-build-isolation",
        ]
        await pilot.press("enter")
        assert "FlashAttention 2 cannot run here: flash_attn is not installed" in app.refusals[0]
        assert app.picker.choice == CHOICE

    play(scene)


def test_what_cannot_run_on_this_shape_says_so_and_can_be_checked() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "dtype")
        await pilot.press("left")
        assert app.picker.choice.dtype == "float32"
        assert app.line("SDPA flash").endswith("no fp32")
        await go_to(app, pilot, "SDPA flash")
        assert any("not this shape: has no" in line for line in app.lines())
        await pilot.press("enter", "enter")
        assert app.picker.choice.implementations == CHOICE.implementations

    play(scene)


def test_left_and_right_halve_and_double_and_shift_steps_finely() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "seq")
        assert app.line("seq") == "▸seq                 ◂ 1024 ▸"
        for key, seq in (("right", 2048), ("left", 1024), ("shift+right", 1152), ("shift+left", 1024)):
            await pilot.press(key)
            assert app.picker.choice.seq == seq
        for key, seq in (("<", 960), (">", 1024)):
            await pilot.press(key)
            assert app.picker.choice.seq == seq
        assert app.choices[-1] == app.picker.choice

    play(scene)


def test_a_step_that_cannot_be_made_is_refused_in_place_until_the_next_key() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "kv heads")
        assert app.line("kv heads").endswith("◂ (16)")  # no arrow to where no step leads
        await pilot.press("right")
        at = app.lines().index(app.line("kv heads"))
        assert app.lines()[at + 1].startswith("  kv heads are as many as")
        assert app.refusals == ["kv heads are as many as heads (16), the most there are"]
        await pilot.press("left")
        assert app.picker.choice.kv_heads == 8
        assert app.lines()[at + 1].startswith(" head dim")

    play(scene)


def test_what_goes_along_with_a_step_is_said() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        app.picker.update(replace(CHOICE, heads=4, kv_heads=4), app.catalog, H100)
        await go_to(app, pilot, "heads")
        await pilot.press("left")
        assert " kv heads went along to 2" in app.lines()

    play(scene)


def test_enter_types_a_value_in_place_and_takes_it() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "seq")
        await pilot.press("enter")
        assert app.is_editing()
        assert app.line("seq") == "▸seq        [1024          ]"
        await pilot.press("1", "6", "k")
        assert app.line("seq") == "▸seq        [16k           ]"
        await pilot.press("enter")
        assert not app.is_editing()
        assert app.picker.choice.seq == 16384
        assert [chosen.seq for chosen in app.choices] == [16384]

    play(scene)


def test_a_bad_value_is_refused_beneath_and_can_be_corrected() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "kv heads")
        await pilot.press("enter", "6", "enter")
        assert app.is_editing()
        at = app.lines().index(app.line("kv heads"))
        assert app.lines()[at + 1 : at + 4] == [
            "  kv heads must divide heads",
            "  (16): 1, 2, 4, 8, 16 are",
            "  possible, not 6",
        ]
        await pilot.press("backspace", "4")
        assert app.lines()[at + 1].startswith(" head dim")
        await pilot.press("enter")
        assert app.picker.choice.kv_heads == 4

    play(scene)


def test_a_refusal_leaves_no_rest_of_the_sentence_that_it_stands_on() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await pilot.press("end")
        assert any("bounds the scores" in line for line in app.lines())
        await pilot.press("enter", "x", "enter")
        assert any("softcap takes a number" in line for line in app.lines())
        assert not any("bounds the scores" in line for line in app.lines())
        await pilot.press("escape")
        assert any("bounds the scores" in line for line in app.lines())

    play(scene)


def test_a_refusal_of_the_last_row_stands_above_where_there_is_no_room_below() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await pilot.press("end", "enter", "x", "enter")
        shown = app.lines()
        assert shown[-1].startswith("▸softcap")
        assert "softcap takes a number" in shown[-3]
        assert shown[-2].endswith("...")

    play(scene, height=3)


def test_escape_gives_up_what_was_typed_and_so_do_moving_on_and_leaving() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "batch")
        for key in ("escape", "down", "tab"):
            await pilot.press("enter", "9", key)
            assert not app.is_editing()
            assert app.picker.choice == CHOICE
        assert app.hotkeys == 0
        assert not app.picker.has_focus

    play(scene)


def test_while_a_value_is_typed_letters_and_digits_are_no_commands() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "batch")
        await pilot.press("enter", "q", "1")
        assert app.hotkeys == 0
        assert "[q1 " in app.line("batch")
        await pilot.press("escape", "q", "1", "escape")
        assert app.hotkeys == 3

    play(scene)


def test_a_value_can_be_edited_and_pasted() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "seq")
        await pilot.press("enter", "left", "left", "backspace", "9", "enter")
        assert app.picker.choice.seq == 1924
        await pilot.press("enter")
        app.picker.post_message(Paste("512\n1024"))
        await pilot.pause()
        await pilot.press("enter")
        assert app.picker.choice.seq == 512

    play(scene)


def test_a_long_text_shows_what_is_around_its_cursor() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "seq")
        await pilot.press("enter", *"123456789012345678")
        assert app.line("seq").endswith("[6789012345678 ]")
        await pilot.press("home")
        assert app.line("seq").endswith("[12345678901234]")

    play(scene)


def test_enter_flips_a_switch() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "causal")
        await pilot.press("enter")
        assert not app.is_editing()
        assert app.picker.choice.causal
        assert "yes" in app.line("causal")

    play(scene)


def test_a_click_checks_an_implementation_and_picks_a_parameter_then_steps_or_types() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await pilot.click(Picker, offset=(4, 2))
        assert app.picker.choice.implementations == ("pytorch",)
        seq = app.lines().index(app.line("seq"))
        await pilot.click(Picker, offset=(25, seq))
        assert (app.under_cursor(), app.picker.choice.seq) == ("seq", 1024)
        await pilot.click(Picker, offset=(app.line("seq").rindex("▸"), seq))
        assert app.picker.choice.seq == 2048
        await pilot.click(Picker, offset=(app.line("seq").index("◂"), seq))
        assert app.picker.choice.seq == 1024
        await pilot.click(Picker, offset=(app.line("seq").index("02"), seq))
        assert app.is_editing()

    play(scene)


def test_a_click_beside_the_rows_does_nothing() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        for y in (0, 4, 5, 22, 27):
            await pilot.click(Picker, offset=(4, y))
        assert (app.under_cursor(), app.choices) == ("PyTorch", [])

    play(scene)


def test_the_wheel_moves_the_cursor() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        def turned(kind: type[MouseScrollDown | MouseScrollUp]) -> MouseScrollDown | MouseScrollUp:
            return kind(app.picker, 1, 1, 0, 0, 0, False, False, False)

        app.picker.post_message(turned(MouseScrollDown))
        app.picker.post_message(turned(MouseScrollDown))
        app.picker.post_message(turned(MouseScrollUp))
        await pilot.pause()
        assert app.under_cursor() == "SDPA flash"

    play(scene)


@pytest.mark.parametrize("height", [1, 2, 4, 8, 12, 16, 18, 24, 60])
def test_the_cursor_is_in_view_at_every_height(height: int) -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        for step in [-1] * 5 + [1] * 13 + [-1] * 13:
            app.picker.action_move(step)
            assert [line for line in app.lines() if line.startswith("▸")], app.under_cursor()

    play(scene, height=height)


def test_rows_out_of_view_are_marked() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        assert [app.lines()[0][-1], app.lines()[8][-1]] == ["e", "▼"]
        await pilot.press("end")
        assert [app.lines()[0][-1], app.lines()[8][-1]] == ["▲", "▸"]

    play(scene, height=12)


def test_every_line_fits_the_width() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        for width in (14, 20, 26, 34):
            app.picker.styles.width = width
            await pilot.pause()
            for line in app.picker.picture(width, 24):
                assert line.cell_len <= width, line.plain

    play(scene)


def test_ascii_alone_is_enough() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "seq")
        assert "\n".join(app.lines()).isascii()
        assert app.line("seq") == ">seq                 < 1024 >"
        assert app.line("PyTorch").startswith(" x")

    play(scene, glyphs=ASCII)


def test_what_a_catalog_says_is_only_text() -> None:
    hostile = CatalogEntry(name="x", label="[red]new\x1b[31m one", summary="[bold]s\x07ummary")

    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, hostile.label)
        assert app.line("[red]new one").startswith("▸□")
        assert " [bold]summary" in app.lines()
        await pilot.press("enter")
        assert app.picker.choice.implementations == (*CHOICE.implementations, "x")

    play(scene, catalog=(*CATALOG, hostile))


def test_another_choice_from_outside_is_shown_and_the_cursor_stays_on_its_row() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "seq")
        opened = replace(CHOICE, seq=8192, passes=("fwd",))
        app.picker.update(opened, CATALOG[:1], None)
        assert (app.under_cursor(), app.picker.choice) == ("seq", opened)
        assert "8192" in app.line("seq")
        assert app.line("passes").split() == ["passes", "fwd"]
        assert app.choices == []
        await go_to(app, pilot, "PyTorch")
        app.picker.update(opened, CATALOG[1:], None)
        assert app.under_cursor() == "SDPA flash"

    play(scene)


def test_the_same_again_from_outside_takes_no_refusal_away() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "window")
        await pilot.press("left")
        app.picker.update(CHOICE, app.catalog, H100)
        assert any("window is off already" in line for line in app.lines())

    play(scene)


def test_decoding_takes_along_what_goes_with_it_and_says_so() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        await go_to(app, pilot, "decode")
        await pilot.press("enter")
        assert app.picker.choice.decode
        assert app.line("seq q").split() == ["seq", "q", "(1)"]
        assert app.line("passes").split() == ["passes", "(fwd)"]
        assert any("seq q went along to 1" in line for line in app.lines())

    play(scene)


def test_recorded_lengths_are_a_row_until_seq_is_turned() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        app.picker.update(replace(CHOICE, batch=2, seq=64, lengths=(64, 10)), CATALOG, H100)
        await go_to(app, pilot, "lengths")
        assert app.line("lengths").split() == ["▸lengths", "10..64"]
        await pilot.press("right")
        assert "recorded" in app.refusals[-1]
        await go_to(app, pilot, "seq")
        await pilot.press("right")
        assert (app.picker.choice.seq, app.picker.choice.lengths) == (128, None)
        assert not any("lengths" in line for line in app.lines())
        assert any("the sequences are all 128" in line for line in app.lines())

    play(scene)


def test_the_cursor_stays_in_the_list_when_its_row_goes() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        app.picker.update(replace(CHOICE, batch=2, seq=64, lengths=(64, 10)), CATALOG, H100)
        await go_to(app, pilot, "lengths")
        await pilot.press("enter", *"off", "enter")
        assert app.under_cursor() == "softcap"

    play(scene)


def test_only_the_last_of_several_changes_matters() -> None:
    first, last = Picker.Changed(CHOICE), Picker.Changed(CHOICE)
    assert first.can_replace(last)
    assert not first.can_replace(Picker.Refused("no"))


def test_every_row_says_something_of_itself() -> None:
    async def scene(app: Host, pilot: Pilot[None]) -> None:
        for parameter in listed(CHOICE):
            await go_to(app, pilot, parameter.label)
            row = app.picker.row
            assert isinstance(row, Parameter)
            shown = " ".join(line.strip() for line in app.lines()[21:24]).strip()
            assert shown == row.help

    play(scene)


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("needs a CUDA GPU", "no GPU"),
        ("xformers is not installed", "missing"),
        ("needs compute capability 9.0; Tesla T4 has 7.5", "sm 9.0+"),
        ("has no float32 (has float16, bfloat16)", "no fp32"),
        ("ends at compute capability 8.9; H100 has 9.0", "sm 8.9-"),
        ("takes head dims up to 256, not 512", "dim > 256"),
        ("takes head dims from 32 on, not 16", "dim < 32"),
        ("takes head dims that are multiples of 8, not 20", "dim % 8"),
        ("has no bottom-right causal mask for seq_q != seq_k", "no causal"),
        ("has no dropout", "no dropout"),
        ("has no path for decoding from a KV cache", "no decode"),
        ("has no variable-length batches", "no varlen"),
        ("has no grouped-query attention (kv heads must equal heads)", "no GQA"),
        ("something new", "something new"),
    ],
)
def test_reasons_have_a_short_form(reason: str, short: str) -> None:
    assert short_reason(reason) == short
