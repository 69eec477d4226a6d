"""The details screen tells all that is known of a case, at any width, and follows it as it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from textual.app import App
from textual.pilot import Pilot

from profiler.events import CaseStarted, Event, Failure, Kernels, Planned
from profiler.session.listing import summary
from profiler.session.reader import read_session
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
    samples,
)
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.screens.details import DetailsScreen
from tui.app.view import Mode, View
from tui.app.widgets.pager import Pager

STYLES = Path(__file__).parents[3] / "tui" / "app" / "styles" / "details.tcss"
SESSIONS = Path(__file__).parents[3] / "sessions"


class Host(App[None]):
    CSS_PATH = STYLES
    AUTO_FOCUS = None

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.asked: list[int] = []

    def on_details_screen_kernels_asked(self, message: DetailsScreen.KernelsAsked) -> None:
        self.asked.append(message.case)


Scenario = Callable[[Pilot[None], DetailsScreen], Awaitable[None]]


def details(
    recording: Recording,
    case: int,
    scenario: Scenario,
    size: tuple[int, int] = (80, 24),
    mode: Mode = "recording",
    glyphs: Glyphs = UNICODE,
) -> Host:
    app = Host(glyphs)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            screen = DetailsScreen(case)
            await app.push_screen(screen)
            screen.show(View(mode=mode, recording=recording))
            await pilot.pause()
            await scenario(pilot, screen)

    asyncio.run(run())
    return app


def whole(screen: DetailsScreen) -> str:
    """All lines, also those out of view."""
    pager = screen.query_one(Pager)
    head, lines = pager._lines(pager.size.width - 2)
    return "\n".join(line.plain.rstrip() for line in [*head, *lines])


def told(recording: Recording, case: int, keys: tuple[str, ...] = (), **options: object) -> str:
    found: list[str] = []

    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        await pilot.press(*keys)
        found.append(whole(screen))

    details(recording, case, scenario, **options)  # type: ignore[arg-type]
    return found[0]


def test_every_subject_of_a_case_is_told() -> None:
    text = told(hopper(), 7, ("left",))
    assert text.startswith("flash2  batch 8, seq 4096, heads 16, head dim 64, bfloat16, causal")
    assert "[forward]" in text and "[fwd+bwd]" not in text
    for part in (
        "time       *0.5000 ms ±0.1%  20.0x ±0.1 the speed of pytorch",
        "0.4995 to 0.5005 ms with 95 % confidence, 10 samples",
        "wall       0.5500 ms, 1.10x the device time",
        "% of measured, ",
        "data-sheet peak",
        "bound      compute, ",
        "samples",
        "rounds 1 to 10, ",
        "kernels    1 kernel in 500 us, first start to last end",
        "480 us   96 % ███████▋ flash_fwd_kernel",
        "memory     working   64.0 MiB  peak above the inputs",
        "process   2.05 GiB  all that it held on the GPU",
        "clocks     SM 1390 to 1410 MHz, median 1400, by the GPU's counters",
        "NVML said 1410 MHz meanwhile",
        "power cap in 83 % of readings; times are those of a lower clock",
        "another process on the GPU in 17 % of readings; times hold its work too",
        "out       0.0004    0.0004     0.001  ok",
        "worst 0.98x plain PyTorch's in the same dtype; of 8 of 512 heads",
        "first call forward 210 ms, with loading and compilation",
        "again      attnprof run --impl pytorch,flash2 --batch 8 --seq 4096",
        "--pass fwd,fwd_bwd",
    ):
        assert part in text or part in " ".join(text.split())


def test_energy_is_told_of_the_pass_it_was_taken_of() -> None:
    text = told(hopper(), 7)
    assert "energy     1.25 J a call, 0.0381 mJ a token" in text
    assert "690 W at 1405 MHz over 1.0 s" in text


def test_graphs_graph_breaks_written_inputs_and_partial_checks_are_told() -> None:
    assert "graph      0.8000 ms as a CUDA graph" in told(hopper(), 2)
    assert "graph      none: it waits for the GPU." in told(hopper(), 3)
    compiled = told(hopper(), 1)
    assert "remarks    writes its inputs: q" in compiled
    assert "notes      graph break, 2 x: call to a builtin that is not traced" in compiled
    assert "x, a tie with pytorch" in compiled
    assert "of 64 queries of each of 2 of 128 heads, without dk and dv" in " ".join(told(hopper(), 4).split())


def test_a_failure_is_told_in_full_with_what_to_do() -> None:
    text = told(lab6(), 4, ("right",))
    assert "time       OOM" in text
    assert "failure    CUDA out of memory: tried to allocate 64.00 GiB" in text
    assert "--batch 8 measures the largest that fits." in text
    assert "the worker was killed by signal 9." in told(lab6(), 6)
    assert "The .log file beside the session's" in told(lab6(), 6)
    assert "takes head dims up to 32, not 64" in told(lab6(), 7)


@pytest.mark.parametrize("message", ["x" * 300, "[bold]no markup[/bold]", "\x1b[31mred"])
def test_a_long_or_hostile_message_is_shown_whole_and_plain(message: str) -> None:
    events = [
        msgspec.structs.replace(e, message=message) if isinstance(e, Failure) else e for e in lab6_events()
    ]
    text = "".join(told(Recording.of(events), 6).split())
    assert message.replace("\x1b[31m", "").replace(" ", "") in text and "\x1b" not in text


def test_a_wrong_result_has_its_verdict_by_tensor() -> None:
    text = told(lab6(), 3)
    assert "dq          0.31    0.0005    0.0012  wrong" in text
    assert "remarks    wrong: dq off by 0.31, limit 0.0012" in text


def test_left_and_right_turn_the_passes_round() -> None:
    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        seen = []
        for _ in range(4):
            seen.append(next(word for word in whole(screen).splitlines()[1].split() if "[" in word))
            await pilot.press("right")
        assert seen == ["[fwd+bwd]", "[forward]", "[backward]", "[fwd+bwd]"]
        await pilot.press("left")
        assert "[fwd+bwd]" in whole(screen)

    details(lab6(), 0, scenario)


def test_passes_stand_side_by_side_where_there_is_room_and_no_key_turns_them() -> None:
    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        time = next(line for line in whole(screen).splitlines() if line.startswith("time"))
        assert time.split()[1] == "1.000" and "2.500 ms" in time and "3.600 ms" in time
        assert "right" not in screen.active_bindings
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "right" in screen.active_bindings

    details(lab6(), 0, scenario, size=(200, 60))


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (100, 30), (200, 60)])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_no_line_is_wider_than_the_screen(size: tuple[int, int], glyphs: Glyphs) -> None:
    for recording, number in ((hopper(), 7), (lab6(), 4)):
        text = told(recording, number, size=size, glyphs=glyphs)
        assert max(map(len, text.splitlines())) <= size[0] - 4
        assert glyphs is UNICODE or text.isascii()


def test_the_text_is_moved_through_and_the_head_stays() -> None:
    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        pager = screen.query_one(Pager)
        top = [line.plain for line in pager.picture(78, 23)]
        await pilot.press("end")
        end = [line.plain for line in pager.picture(78, 23)]
        assert end[0] == top[0] and "attnprof run" in "".join(end[-3:])
        assert top[-1].endswith(UNICODE.down) and end[3].endswith(UNICODE.up)
        await pilot.press("home")
        assert [line.plain for line in pager.picture(78, 23)] == top

    details(hopper(), 7, scenario)


def test_the_command_is_copied_and_brought_into_view() -> None:
    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        await pilot.press("y")
        await pilot.pause()
        assert pilot.app.clipboard.startswith("attnprof run --impl pytorch,flash2 --batch 8 --seq 4096")
        assert screen.query_one(Pager).first > 0
        (said,) = pilot.app._notifications
        assert "tmux" in said.message

    details(hopper(), 7, scenario)


def test_kernels_that_were_not_taken_can_be_asked_for_where_something_measures() -> None:
    async def press(pilot: Pilot[None], screen: DetailsScreen) -> None:
        await pilot.press("k")

    assert details(hopper(), 6, press, mode="live").asked == [6]
    assert details(hopper(), 7, press, mode="live").asked == []  # they were
    assert details(hopper(), 6, press, mode="recording").asked == []
    assert "press k" in told(hopper(), 6, mode="live")
    assert "`attnprof run --kernels` takes them" in told(hopper(), 6)


def test_a_running_case_is_followed() -> None:
    of = plan([attention()])
    first, second = cases(of)
    recording = Recording.of([header(), Planned(plan=of)])

    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        def see(*events: Event) -> str:
            for event in events:
                recording.add(event)
            screen.show(View(mode="live", recording=recording))
            return whole(screen)

        assert whole(screen) == "Case 1 has not begun."
        see(CaseStarted(case=1, workload=second.workload, implementation="flash2"))
        assert "running" in see(*checked(first), *checked(second))
        assert "4 samples" in see(samples(second, "fwd_bwd", count=4))
        assert "10 samples" in see(*measured(second), *measured(first))

    details(recording, 1, scenario, mode="live")


def test_a_case_whose_shape_is_measured_anew_gives_way_to_the_new_one() -> None:
    of = plan([attention()])
    anew = msgspec.structs.replace(of, first_case=2)
    events: list[Event] = [header(), Planned(plan=of)]
    for case in cases(of):
        events += [*checked(case), *measured(case)]
    recording = Recording.of(events)

    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        assert screen.case == 1 and "1.000x" not in whole(screen)
        recording.add(Planned(plan=anew))
        for case in cases(anew):
            for event in [*checked(case), *measured(case, speed=2.0)]:
                recording.add(event)
        recording.add(Kernels(case=3, which="fwd_bwd", kernels=(), span_us=5.0))
        screen.show(View(mode="live", recording=recording))
        assert screen.case == 3
        assert "1.800 ms" in whole(screen) and "0 kernels in 5.00 us" in whole(screen)

    details(recording, 1, scenario, mode="live")


def test_the_same_view_again_is_not_drawn_again() -> None:
    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        pager = screen.query_one(Pager)
        made = pager._made
        screen.show(View(mode="recording", recording=hopper_again))
        assert pager._made is made

    hopper_again = hopper()
    details(hopper_again, 7, scenario)


RECORDED = sorted(path for path in SESSIONS.glob("*.jsonl") if not summary(path).is_training)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_every_case_of_the_recorded_sessions_can_be_shown(path: Path) -> None:
    recording = Recording.of(read_session(path).events)

    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        for number in list(recording.cases)[:4]:
            other = DetailsScreen(number)
            await pilot.app.push_screen(other)
            other.show(View(mode="recording", recording=recording))
            assert "attnprof run" in whole(other)

    details(recording, next(iter(recording.cases)), scenario)


def test_escape_goes_back() -> None:
    async def scenario(pilot: Pilot[None], screen: DetailsScreen) -> None:
        await pilot.press("escape")
        assert pilot.app.screen is not screen

    details(lab6(), 0, scenario)
