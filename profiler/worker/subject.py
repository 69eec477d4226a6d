"""A case that passed its first calls, as the rounds visit it: its inputs, its calls, its samples."""

from __future__ import annotations

from dataclasses import dataclass, field

from impls.contract import Implementation, Layout
from profiler.plans.plan import Case
from profiler.worker import cut
from profiler.worker.calls import Calls
from profiler.worker.check import Checked
from profiler.worker.compiled import forget_compiled
from profiler.worker.devices import Device
from profiler.worker.failures import explain
from profiler.worker.inputs import Tensors, make_inputs
from profiler.worker.timer import Call, Timing
from profiler.workload import Attention, Pass


@dataclass
class SharedInputs:
    """The shape's inputs, made once for each layout that is asked for, and who uses them."""

    workload: Attention
    device: Device
    seed: int
    by_layout: dict[Layout, Tensors] = field(default_factory=dict)
    subjects: list[Subject] = field(default_factory=list)

    def get(self, layout: Layout) -> Tensors:
        if layout not in self.by_layout:
            self.by_layout[layout] = self.make(layout)
        return self.by_layout[layout]

    def make(self, layout: Layout) -> Tensors:
        """New ones, shared with nobody."""
        return make_inputs(self.workload, layout, self.device.name, self.seed)

    def let_go_of_inputs(self) -> None:
        """Drop all inputs, which are made again when needed; what calls were prepared with stays."""
        self.by_layout = {}
        for subject in self.subjects:
            subject.let_go_of_inputs()

    def let_go(self) -> bool:
        """Drop all that is held between visits, and what torch.compile keeps; whether a call was held."""
        held = any(subject.holds_calls for subject in self.subjects)
        self.by_layout = {}
        for subject in self.subjects:
            subject.let_go()
        forget_compiled()  # its CUDA graphs have memory of their own
        return held

    def make_room_for(self, subject: Subject) -> None:
        """Let go of all that others hold between their visits; they make it again."""
        layout = subject.layout
        self.by_layout = {kept: tensors for kept, tensors in self.by_layout.items() if kept == layout}
        for other in self.subjects:
            if other is not subject:
                other.let_go()
        self.device.release()


class Subject:
    """A case ready to be visited in rounds."""

    def __init__(
        self,
        described: Case,
        implementation: Implementation,
        checked: Checked,
        passes: tuple[Pass, ...],
        shared: SharedInputs,
        device: Device,
    ) -> None:
        self.case = described.number
        self.described = described
        self.implementation = implementation
        self.checked = checked
        self.passes = passes
        self._shared = shared
        self._device = device
        # What was compiled for the first calls is not compiled again.
        self._calls = Calls(checked.compiled, device) if checked.compiled else None
        self._own_inputs: Tensors | None = None
        self.layout: Layout = implementation.layout_of(described.workload)
        shared.subjects.append(self)

    @property
    def calls(self) -> Calls:
        """Its calls; prepared at the first use."""
        if self._calls is None:
            attend = self.implementation.prepare(self.described.workload, self._device.name)
            self._calls = Calls(attend, self._device)
        return self._calls

    @property
    def holds_calls(self) -> bool:
        """Whether there are calls that were prepared, with what belongs to them, a mask say."""
        return self._calls is not None

    @property
    def inputs(self) -> Tensors:
        """The shape's inputs in its layout; its own if it writes into them."""
        if not self.checked.writes_inputs:
            return self._shared.get(self.layout)
        if self._own_inputs is None:
            self._own_inputs = self._shared.make(self.layout)
        return self._own_inputs

    def ready(self, which: Pass) -> Call:
        """One call of a pass, to be made any number of times."""
        return self.calls.ready(which, self.inputs)

    def visit(self, *, wall: bool) -> dict[Pass, Timing]:
        """One sample of each pass; it fitted alone, so if memory runs out the others give way."""
        try:
            return self._sample(wall)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, and so is the CPU allocator's
            if explain(error).kind != "oom":
                raise
        self.make_room()
        return self._sample(wall)

    def make_room(self) -> None:
        """Have the other cases let go of what they hold."""
        self._shared.make_room_for(self)

    def let_go(self) -> None:
        """Drop what was made for its calls."""
        self._calls = self.checked.compiled = self._own_inputs = None

    def let_go_of_inputs(self) -> None:
        """Drop its own inputs, if it has any."""
        self._own_inputs = None

    def _sample(self, wall: bool) -> dict[Pass, Timing]:
        # Whatever must be made is made here, before any clock starts.
        inputs, calls = self.inputs, self.calls
        timings = {}
        for which in self.passes:
            cut.heed()
            timings[which] = calls.time(which, inputs, wall=wall)
        return timings
