"""The app: it wires engines to the screens, and the screens' wishes to the engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import msgspec
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from profiler.clients.client import EngineClient, EngineError, Heard
from profiler.engine.catalog import together
from profiler.engine.control import Hello, Measure, Pause, Resume, Skip, Stop, Train
from profiler.events import Log, PlanEnded, Planned, SessionStarted, TrainingPlanned
from profiler.plans.plan import Plan, PlanError
from profiler.session.recording import Recording
from profiler.units import plain_text
from tui import remembered
from tui.app.bench_driver import BenchDriver, Stage
from tui.app.choice import Choice, choice_of, default_choice, fitting, full_plan, quick_plan
from tui.app.desk import Desk
from tui.app.glyphs import ASCII, UNICODE
from tui.app.named import entries_found, entry_asked_for
from tui.app.screens.bench import BenchScreen
from tui.app.view import Mode, View
from tui.app.widgets.results import ResultsTable
from tui.config import Settings

# The other screens, and what only they need, are loaded when they are first asked for: the Bench is to
# stand within a second of the command.
if TYPE_CHECKING:
    from profiler.training.plan import TrainingPlan
    from tui.app.going_on import DeviceHere, GoingOn
    from tui.app.screens.details import DetailsScreen
    from tui.app.screens.sessions import SessionsScreen
    from tui.app.screens.sweep import SweepScreen
    from tui.app.screens.train import TrainScreen

EngineFor = Callable[[Path], EngineClient]
"""An engine that goes on with a session."""

# How often it is looked whether something is due; a glance costs microseconds.
_TICK_S = 0.02
# What a person waits for is painted at once, but a burst of it not more often than this.
_LEAST_PAINT_S = 0.04

_THEMES = ("textual-dark", "textual-light", "nord", "gruvbox", "solarized-light", "ansi-dark")
_NOTHING_YET = Choice(batch=1, seq=1024, heads=8, head_dim=64, dtype="float16")


class _Shows(Protocol):
    def show(self, view: View) -> None: ...


class AttnprofApp(App[int]):
    """One live engine, and the screens onto what it says, or onto a recorded session instead.

    `resume` makes an engine that goes on with an interrupted session; None where there is no engine to
    be had. `device_here` is what such an engine would measure on, where that is known without it.
    `implementations` are looked at first, in place of those remembered. Who runs the app calls
    close_engines() afterwards, however it ended.
    """

    TITLE = "attnprof"
    AUTO_FOCUS = None
    DEFAULT_MODE = "bench"
    CSS_PATH: ClassVar[list[str | PurePath]] = sorted(Path(__file__).with_name("styles").glob("*.tcss"))
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (140, "-wide")]  # noqa: RUF012 - as Textual declares them
    VERTICAL_BREAKPOINTS = [(0, "-short"), (40, "-tall")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "go('bench')", "Bench", id="app.bench", tooltip="One shape to turn"),
        Binding("2", "go('sweep')", "Sweep", id="app.sweep", tooltip="Many shapes, as a grid and a chart"),
        Binding("3", "go('sessions')", "Sessions", id="app.sessions", tooltip="What was recorded before"),
        Binding("4", "go('train')", "Train", id="app.train", tooltip="GPT-2 in training, model by context"),
        Binding("0", "live", "Live", id="app.live", tooltip="Back from a recording to what is measured now"),
        Binding("e", "export", "Export", id="app.export", tooltip="Write the session's Markdown report"),
        Binding(
            "space", "freeze", "Pause view", show=False, id="app.freeze", tooltip="Hold the picture still"
        ),
        Binding("t", "theme", "Theme", show=False, id="app.theme", tooltip="The next theme"),
        Binding("question_mark", "help", "Help", id="app.help", tooltip="Keys, and what the words mean"),
        Binding(
            "q,ctrl+q",
            "quit",
            "Quit",
            key_display="q",
            id="app.quit",
            tooltip="End; what was measured is saved",
        ),
    ]

    def __init__(
        self,
        client: EngineClient,
        settings: Settings,
        *,
        mode: Mode = "live",
        resume: EngineFor | None = None,
        device_here: DeviceHere | None = None,
        implementations: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.settings = settings
        self.glyphs = ASCII if settings.ascii else UNICODE
        self.live = self.desk = Desk(client, mode)
        self.driver = self._make_driver()
        self.frozen = False
        self.engine_error = ""
        """Why the engine could not be started, or how it died."""
        self._asked_for = tuple(implementations)
        self._resume = resume
        self._device_here = device_here
        self._going_on: GoingOn | None = None
        self._resuming = False
        self._painted_s = 0.0
        self._bench = BenchScreen(_NOTHING_YET, getattr(client, "recorded_workloads", ()))
        self._sweep: SweepScreen | None = None
        self._train: TrainScreen | None = None
        self.add_mode("bench", lambda: self._bench)
        self.add_mode("sweep", self._make_sweep)
        self.add_mode("sessions", self._make_sessions)
        self.add_mode("train", self._make_train)

    def _make_driver(self) -> BenchDriver:
        return BenchDriver(self._measure, self.settings.refine_after_s if self.settings.refine else None)

    def _make_sweep(self) -> SweepScreen:
        from tui.app.screens.sweep import SweepScreen

        self._sweep = SweepScreen()
        self._sweep.propose(self._bench.choice)
        return self._sweep

    def _make_sessions(self) -> SessionsScreen:
        from tui.app.screens.sessions import SessionsScreen

        return SessionsScreen(Path(self.settings.sessions))

    def _make_train(self) -> TrainScreen:
        from tui.app.screens.train import TrainScreen

        self._train = TrainScreen()
        self._train.propose(self._bench.choice)
        return self._train

    def on_mount(self) -> None:
        """Begin to listen, and to look what is due."""
        self.theme = self.settings.theme
        self.set_keymap(dict(self.settings.keys))
        self._listen_to(self.live)
        self.set_interval(_TICK_S, self._tick)

    async def close_engines(self) -> None:
        """End the live engine, and whatever else is listened to."""
        coming = [self._going_on.desk] if self._going_on else []
        await _close([self.live, self.desk, *coming])

    # What the engines say.

    def _listen_to(self, desk: Desk) -> None:
        self.run_worker(self._listen(desk), group="engines")

    async def _listen(self, desk: Desk) -> None:
        try:
            await desk.client.run(partial(self._hear, desk))
        except EngineError as error:
            if self._going_on is not None and desk is self._going_on.desk:
                self._stay(self._going_on.asked, str(error))
                return
            self.engine_error = str(error)
            desk.lose()
            if desk is self.live:
                self.driver.leave()
            self.notify(str(error), title="No engine", severity="error", timeout=3600, markup=False)

    def _hear(self, desk: Desk, message: Heard) -> None:
        if isinstance(message, Hello) and self._going_on is not None and desk is self._going_on.desk:
            self._take_over(self._going_on)
        was_training = desk.training is not None
        desk.hear(message)
        if desk.urgent and desk is self.desk:
            self.call_later(self._tick)  # who waits for it need not wait for the clock
        match message:
            case Hello() if desk.client.takes_commands:
                self._begin(message)
            case SessionStarted() if desk.mode == "recording" and self._device_here is not None:
                self.run_worker(self._ask_whether_to_go_on(desk, self._device_here))
            case Planned() if not desk.client.takes_commands and desk is self.desk:
                self._look_at_recording()
            case TrainingPlanned() if not desk.client.takes_commands and desk is self.desk:
                self._look_at_training()
            case Log(level="warning" | "error" as severity, message=text) if desk is self.live:
                self.notify(plain_text(text), severity=severity, markup=False, timeout=12)
            case PlanEnded() if was_training:
                pass  # the Bench has no part in it
            case PlanEnded(ending=ending) if desk is self.live and desk.recording.plans:
                self.driver.ended(_measured(desk.recording), ending, time.monotonic())
                self._remember()

    def _begin(self, hello: Hello) -> None:
        """The device is known: look at what was looked at last there, and measure it."""
        choice = None
        if self.live.mode == "demo":
            choice = _first_of(getattr(self.live.client, "recorded_plan", None))
        elif last := remembered.recall(hello.kind):
            named = entries_found(last.implementations, hello)
            self._bench.list_too(named)
            choice = fitting(last, hello, named)
        choice = choice or default_choice(hello, self.settings.baseline)
        if self._asked_for:
            entries = [entry_asked_for(name, hello) for name in self._asked_for]
            self._bench.list_too(entries)
            choice = choice.with_implementations([entry.name for entry in together(entries)])
            self._asked_for = ()  # an engine that takes this one's place finds what was remembered
        self._bench.choose(choice)
        self._propose(choice)
        if self._resuming:  # it measures what its session lacks, and nothing else until it is told to
            self._resuming = False
        else:
            self.driver.want(choice, time.monotonic())

    def _propose(self, choice: Choice) -> None:
        for screen in (self._sweep, self._train):
            if screen is not None:
                screen.propose(choice)

    def _remember(self) -> None:
        """The next start looks at what was looked at last."""
        if self.live.mode == "live" and self.live.hello is not None and self.driver.choice is not None:
            remembered.remember(self.live.hello.kind, self.driver.choice)

    def _look_at_recording(self) -> None:
        plans = self.desk.recording.plans
        if len(plans) == 1 and (choice := _first_of(plans[0])):
            self._bench.choose(choice)

    def _look_at_training(self) -> None:
        """A session that begins with training is looked at where that is shown."""
        recording = self.desk.recording
        begins = not recording.plans and len(recording.training_plans) == 1
        if begins and self.current_mode in ("bench", "sweep"):
            self.action_go("train")

    def _measure(self, choice: Choice, stage: Stage) -> None:
        """What the driver finds due."""
        live = self.live
        if live.hello is None:
            return
        make = quick_plan if stage == "quick" else full_plan
        live.send(Measure(plan=make(choice, live.hello.name)))

    def _drive(self, now_s: float) -> None:
        """Measure what is due; a sweep or a training is ended on purpose only, and what is due waits."""
        if self._takes_commands and not self._is_sweeping and not self._is_training:
            self.driver.tick(now_s)

    @property
    def _takes_commands(self) -> bool:
        return self.live.client.takes_commands and not self.live.lost

    @property
    def _is_sweeping(self) -> bool:
        return self.live.running is not None and self.live.running.is_sweep

    @property
    def _is_training(self) -> bool:
        return self.live.training is not None

    # What is painted.

    def _tick(self) -> None:
        if not self.is_running:  # it is ending, and its screens are gone
            return
        now_s = time.monotonic()
        self._drive(now_s)
        desk = self.desk
        if self.frozen or not (desk.changed or desk.urgent):
            return
        wait_s = _LEAST_PAINT_S if desk.urgent else 1 / self.settings.repaints_per_s
        if now_s - self._painted_s >= wait_s:
            self.paint()

    def paint(self) -> None:
        """Show the screen in front what there is."""
        self._painted_s = time.monotonic()
        self.desk.changed = self.desk.urgent = False
        if self.desk is self.live and self.live.client.takes_commands:
            self._bench.progress(self.driver.stage, self.driver.seen(self._bench.choice))
        else:
            self._bench.progress(None, None)
        if hasattr(self.screen, "show"):
            cast("_Shows", self.screen).show(self.desk.view())

    # What the screens ask for.

    def on_bench_screen_wanted(self, message: BenchScreen.Wanted) -> None:
        """Measure it, soon."""
        self.desk.changed = True
        if self.desk is not self.live or not self._takes_commands:
            return
        self._propose(message.choice)
        if message.anew and self._is_training:
            self.notify("a training is running: stop it first (4, then S)", severity="warning")
            return
        if message.anew and self._is_sweeping:
            self.notify("a sweep is running: stop it first (2, then S)", severity="warning")
            return
        self.driver.want(message.choice, time.monotonic(), anew=message.anew)
        self._drive(time.monotonic())

    def on_sweep_screen_start(self, message: SweepScreen.Start) -> None:
        """Measure a sweep in place of what runs."""
        self.driver.leave()
        self.live.send(Measure(plan=message.plan))

    def on_plan_screen_paused(self, message: SweepScreen.Paused) -> None:
        """Hold before the next shape or row, or go on."""
        self.live.send(Pause() if message.paused else Resume())

    def on_plan_screen_skipped(self) -> None:
        """On to the next shape, or row."""
        self.live.send(Skip())

    def on_plan_screen_stopped(self) -> None:
        """Measure no more of it."""
        self.live.send(Stop())

    def on_sweep_screen_resume_asked(self) -> None:
        """Measure what the sweep that is looked at lacks."""
        from profiler.engine.session_run import missing

        if self.desk is not self.live or not self.live.client.takes_commands:
            if path := self.desk.view().path:
                self._go_on_with(path)
        elif plan := missing(self.live.recording):
            self.driver.leave()
            self.live.send(Measure(plan=plan))
        else:
            self.notify("nothing of it is missing")

    def on_train_screen_start(self, message: TrainScreen.Start) -> None:
        """Train in place of what runs."""
        self._train_plan(message.plan)

    def _train_plan(self, plan: TrainingPlan) -> None:
        self.driver.leave()
        self.live.send(Train(plan=plan))

    def on_train_screen_resume_asked(self) -> None:
        """Train what the session that is looked at lacks."""
        from profiler.engine.session_run import missing_training

        if self.desk is not self.live or not self.live.client.takes_commands:
            if path := self.desk.view().path:
                self._go_on_with(path, training=True)
        elif plan := missing_training(self.live.recording):
            self._train_plan(plan)
        else:
            self.notify("nothing of it is missing")

    def on_train_screen_opened(self, message: TrainScreen.Opened) -> None:
        """Open the details of a case of training."""
        from tui.app.screens.training_details import TrainingDetailsScreen

        self.push_screen(TrainingDetailsScreen(message.case))
        self.call_after_refresh(self.paint)

    def on_results_table_opened(self, message: ResultsTable.Opened) -> None:
        """Open the details of a case."""
        self._open_details(message.case, self._bench.choice.baseline)

    def on_sweep_screen_opened(self, message: SweepScreen.Opened) -> None:
        """Open the details of a case."""
        self._open_details(message.case, None)

    def _open_details(self, case: int, baseline: str | None) -> None:
        from tui.app.screens.details import DetailsScreen

        self.push_screen(DetailsScreen(case, baseline=baseline))
        self.call_after_refresh(self.paint)

    def on_details_screen_kernels_asked(self, message: DetailsScreen.KernelsAsked) -> None:
        """Measure the case's shape again, with kernels."""
        record = self.live.recording.cases.get(message.case)
        if record is None or self.desk is not self.live or self._is_sweeping or self._is_training:
            self.notify("kernels can be taken when nothing else is measured", severity="warning")
            return
        plan = self.live.recording.plans[record.plan_number]
        takes = msgspec.structs.replace(plan.takes, kernels=True)
        plan = msgspec.structs.replace(plan, workloads=(record.workload,), takes=takes)
        self.driver.leave()
        self.live.send(Measure(plan=plan))

    def on_sessions_screen_open(self, message: SessionsScreen.Open) -> None:
        """Show a recorded session in place of the live one, which goes on."""
        from profiler.clients.following import Following

        if (here := self.live.view().path) and here.exists() and here.samefile(message.path):
            self.run_worker(self._look_at(self.live))
        else:
            desk = Desk(Following(message.path), "watch")
            self.run_worker(self._look_at(desk, listen=True))

    def on_sessions_screen_resume(self, message: SessionsScreen.Resume) -> None:
        """Go on with an interrupted session."""
        from profiler.session.listing import summary

        self._go_on_with(message.path, training=summary(message.path).is_training)

    async def _look_at(self, desk: Desk, *, listen: bool = False) -> None:
        before, self.desk = self.desk, desk
        if before is not self.live and before is not desk:
            await before.client.close()
        if listen:
            self._listen_to(desk)
        desk.changed = desk.urgent = True
        self.action_go(self._live_screen if desk is self.live else "sweep")

    @property
    def _live_screen(self) -> str:
        """Where what is measured now is to be seen."""
        return "train" if self._is_training else "sweep" if self._is_sweeping else "bench"

    def _go_on_with(self, path: Path, *, training: bool = False) -> None:
        if self._resume is None:
            self.notify("nothing can be measured here: start attnprof on a GPU machine", severity="warning")
            return
        if self._going_on is not None:
            return
        from tui.app.going_on import GoingOn

        coming = Desk(self._resume(path), "live")
        self._going_on = GoingOn(coming, "train" if training else "sweep", self.desk)
        self._listen_to(coming)
        self.notify("an engine is started to go on with it", timeout=3)

    def _take_over(self, going_on: GoingOn) -> None:
        """The engine goes on with the session: it takes the place of the one before."""
        before = [self.live, self.desk]
        self._going_on = None
        self.driver = self._make_driver()  # what the other session knew is not in this one
        self._resuming = True
        self.live = self.desk = going_on.desk
        self.run_worker(_close(before))
        self.action_go(going_on.screen)

    def _stay(self, asked: Desk, why: str) -> None:
        """The engine cannot go on with the session: all is as it was, and says why."""
        self._going_on = None
        asked.refused = why.partition("Error: ")[2] or why  # what the engine itself said
        self.notify(why, title="It cannot be gone on with", severity="error", timeout=12, markup=False)
        self._offer_anew()

    async def _ask_whether_to_go_on(self, desk: Desk, here: DeviceHere) -> None:
        """Not each machine can measure what a recording lacks; NVML is not to be waited for."""
        from tui.app.going_on import cannot_go_on

        desk.cannot_go_on = await asyncio.to_thread(cannot_go_on, desk.recording, here)
        self._offer_anew()

    def _offer_anew(self) -> None:
        """Keys may have come, or gone, with what is known."""
        self.paint()
        self.screen.refresh_bindings()

    # What the keys do.

    def action_go(self, name: str) -> None:
        """Put a screen in front."""
        self.switch_mode(name)
        self.refresh_bindings()
        self.call_after_refresh(self.paint)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is a way only to where one is not."""
        if action == "go":
            return parameters != (self.current_mode,)
        return action != "live" or self.desk is not self.live

    async def action_live(self) -> None:
        """Back to what is measured now."""
        await self._look_at(self.live)
        if self.live.hello is not None:
            self._bench.choose(self.driver.choice or self._bench.choice)

    def action_freeze(self) -> None:
        """Hold the picture still, or let it go on; measuring goes on either way."""
        self.frozen = not self.frozen
        self.notify("the view is held; space lets it go on" if self.frozen else "the view goes on", timeout=3)
        self.desk.changed = True

    def action_theme(self) -> None:
        """The next theme."""
        known = [name for name in _THEMES if name in self.available_themes]
        at = known.index(self.theme) if self.theme in known else -1
        self.theme = known[(at + 1) % len(known)]

    def action_export(self) -> None:
        """Write the session's report, and send it to the clipboard."""
        from tui.app import exporting, saving

        if self.live.unsaved and self.desk is self.live:
            saving.ask_where_to_save(self, self.live)
        elif self.desk.recording.cases or self.desk.recording.trainings:
            exporting.export_and_say(self, self.desk.recording, self.desk.view().path)
        else:
            self.notify("nothing has been measured yet", severity="warning")

    def action_help(self) -> None:
        """Keys and words."""
        from tui.app.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    async def action_quit(self) -> None:
        """End, once charts that were begun are drawn; who runs the app closes the engine."""
        self._remember()
        if any(worker.group == "charts" for worker in self.workers):
            from tui.app.exporting import leaves_after_charts

            if leaves_after_charts(self):
                return
        self.exit(0)

    def action_help_quit(self) -> None:
        """What Ctrl+C says: it may have been meant for another program."""
        self.notify("q ends attnprof; what was measured is saved")

    def get_key_display(self, binding: Binding) -> str:
        """A key's name; where only ASCII can be drawn, without arrows."""
        shown = super().get_key_display(binding)
        return shown if not self.settings.ascii or shown.isascii() else binding.key.replace("_", " ")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every action that a key is bound to here, for the palette."""
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.description and binding.id is not None and active.enabled:
                run = partial(self._run_bound, binding.action, active.node)
                yield SystemCommand(binding.description, binding.tooltip or binding.key, run)

    async def _run_bound(self, action: str, node: Any) -> None:
        await self.run_action(action, node)


async def _close(desks: Iterable[Desk]) -> None:
    for client in {id(desk.client): desk.client for desk in desks}.values():
        await client.close()


def _measured(recording: Recording) -> Plan:
    """The latest plan without the shapes that were skipped."""
    plan, cases = recording.plans[-1], recording.cases
    shapes = tuple(
        shape
        for shape, group in plan.shapes()
        if all(case.number in cases and cases[case.number].done for case in group)
    )
    return msgspec.structs.replace(plan, workloads=shapes)


def _first_of(plan: Plan | None) -> Choice | None:
    """What the Bench looks at first of a recorded plan; None where it has no shape that it can hold."""
    try:
        return choice_of(plan) if plan is not None else None
    except PlanError:
        return None
