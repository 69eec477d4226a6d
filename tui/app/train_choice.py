"""What a person asks a training run for: a text an option, as on the command line, and the plan they make."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from profiler.machine.environment import Device
from profiler.plans import grid
from profiler.plans.plan import PlanError
from profiler.training.columns import training_columns
from profiler.training.model import MODES, OPTIMIZERS, Training
from profiler.training.plan import TrainingPlan
from profiler.training.presets import TRAINING_PRESETS
from profiler.units import count
from profiler.workload import SHORT_DTYPES
from tui.app.choice import Choice
from tui.app.form_values import as_in_form, switched_on
from tui.options.asked import MODEL_OPTIONS, AskedTraining
from tui.options.training_planning import AUTO, DEFAULTS, IMPLEMENTATIONS, make_training_plan

FIELDS = (
    "preset",
    "model",
    "context",
    "impl",
    "mode",
    "optimizer",
    "dtype",
    "batch",
    "memory_limit",
    "steps",
    "last",
    "precision",
    "quick",
    "baseline",
    "kv_heads",
    "vocab",
    "bias",
    "dropout",
)
"""In the order that they stand in: what is asked for less often last."""

_STEPS: dict[str, tuple[str, ...]] = {
    "preset": ("", *TRAINING_PRESETS),
    "model": ("2x4x64", "small", "medium", "large", "xl", "small,medium", "small,medium,large"),
    "context": ("128", "256", "512", "1k", "2k", "4k", "256..1k", "256..4k", "256,512,768,1k,1536,2k,3k,4k"),
    "mode": (*MODES, "eager,compile"),
    "optimizer": (*OPTIMIZERS, ",".join(OPTIMIZERS)),
    "dtype": ("fp16", "bf16", "fp32", "fp16,bf16"),
    "batch": (AUTO, "1", "2", "4", "8", "16", "32", "64"),
    "memory_limit": ("", "8GiB", "12GiB", "16GiB", "24GiB", "40GiB", "48GiB", "80GiB"),
    "steps": ("", "20", "50", "125", "250"),
    "last": ("", "10", "25", "50"),
    "precision": ("", "0.5%", "1%", "2%"),
    "quick": ("no", "yes"),
    "kv_heads": ("", "1", "2", "4"),
    "vocab": ("", "16k", "50257"),
    "bias": ("no", "yes"),
    "dropout": ("", "0.1", "0.2"),
}

HELP = {
    "preset": "a published study; model and context narrow it",
    "model": "small, medium, large, xl, or your own LAYERSxHEADSxWIDTH (2x4x64)",
    "context": "tokens a sequence: a size, a list (512,1k) or a range (256..4k)",
    "impl": "names with commas between; your own is FILE.py:FUNCTION",
    "mode": "eager, compile, fullgraph (one graph), reduce-overhead, or several",
    "optimizer": "AdamW: adamw-foreach, adamw-fused or adamw-8bit (bitsandbytes)",
    "dtype": "mixed precision in fp16 or bf16; fp32 is none at all",
    "batch": "auto: the largest that fits, by each for itself; or a number",
    "memory_limit": "as if the device had no more: 12GiB",
    "steps": "how many are made; the first ones settle",
    "last": "of those, how many at the end are measured",
    "precision": "stop sooner, once every median is known to within this: 1%",
    "quick": "yes: few steps, without agreement, kernels and ceilings",
    "baseline": "what speedups refer to",
    "kv_heads": "fewer than heads is grouped-query attention, 1 is multi-query",
    "vocab": "tokens there are: 16k, 50257",
    "bias": "of linear layers and layer norms",
    "dropout": "probability that a weight is dropped",
}
"""What a field takes, in a clause."""

EMPTY = {
    "preset": "none",
    "impl": "those of the study that run here",
    "memory_limit": "all there is",
    "steps": "125, quick: 20",
    "last": "25, quick: 10",
    "precision": "none: all steps",
    "kv_heads": "as many as heads",
    "vocab": "16384",
    "baseline": "pytorch",
    "dropout": "none",
}
"""What an empty field stands for; others for the default of `attnprof train`."""

_OF_PRESET = ("model", "context", "impl", "baseline", *MODEL_OPTIONS)
"""What a preset says, as long as nothing else is typed."""

_ROW_VALUES: dict[str, Callable[[Training], str]] = {
    "model": lambda row: row.model.name.removeprefix("gpt2-"),
    "context": lambda row: str(row.context),
    "dtype": lambda row: SHORT_DTYPES.get(row.dtype, row.dtype),
    "optimizer": lambda row: row.optimizer,
    "mode": lambda row: row.mode,
}


@dataclass(frozen=True, kw_only=True)
class TrainChoice:
    """The texts of a training run's form. An empty one is left to the defaults of `attnprof train`."""

    preset: str = ""
    model: str = ""
    context: str = ""
    impl: str = ""
    mode: str = ""
    optimizer: str = ""
    dtype: str = ""
    batch: str = AUTO
    memory_limit: str = ""
    steps: str = ""
    last: str = ""
    precision: str = ""
    quick: str = "no"
    baseline: str = ""
    kv_heads: str = ""
    vocab: str = ""
    bias: str = "no"
    dropout: str = ""
    before: TrainChoice | None = None
    """What was typed before a preset was chosen; it comes back with no preset."""

    def text(self, field: str) -> str:
        """What stands in a field."""
        return str(getattr(self, field))

    def shown(self, field: str) -> str:
        """What is to be read in a field: a preset's own rows and columns where one is chosen."""
        preset = TRAINING_PRESETS.get(self.preset)
        if preset is None or not self.belongs_to_preset(field):
            return self.text(field)
        if field == "impl":
            return ",".join(preset.implementations)
        if field == "baseline":
            return preset.baseline
        if field in ("kv_heads", "vocab", "dropout"):
            return ""
        if field == "bias":
            return "no"
        return ",".join(dict.fromkeys(_ROW_VALUES[field](row) for row in preset.trainings))

    def belongs_to_preset(self, field: str) -> bool:
        """Whether a field's value is the preset's."""
        return bool(self.preset) and field in _OF_PRESET and (field in MODEL_OPTIONS or not self.text(field))

    def typed(self, field: str, text: str) -> TrainChoice:
        """With another text in a field.

        A preset takes the place of what it says, and gives it back when none is chosen, but for what was
        typed since; what would contradict it leaves the preset, with its rows and columns for the other
        fields.
        """
        text = text.strip()
        changes: dict[str, str] = {field: text}
        if field == "preset" and text:
            blank = dict.fromkeys(_OF_PRESET, "") | {"bias": "no", "batch": AUTO}
            return replace(self, **(blank | changes), before=self.before if self.preset else self)
        if field == "preset" and self.before is not None:
            return self._as_before(self.before)
        if self.preset and (field in MODEL_OPTIONS or (field == "preset" and not text)):
            left = {name: self.shown(name) for name in _OF_PRESET} | {"preset": ""} | changes
            return replace(replace(self, before=None), **left)  # type: ignore[arg-type]
        return replace(self, **changes)  # type: ignore[arg-type]

    def _as_before(self, before: TrainChoice) -> TrainChoice:
        """Without the preset, its place taken by what was there before and was not typed anew."""
        typed = {name: self.text(name) for name in _OF_PRESET if name not in MODEL_OPTIONS}
        typed["batch"] = "" if self.batch == AUTO else self.batch
        kept = {name: typed.get(name) or before.text(name) for name in (*_OF_PRESET, "batch")}
        return replace(self, **kept, preset="", before=None)

    def stepped(self, field: str, direction: int) -> TrainChoice:
        """With the next of a field's usual values; itself where the field has none."""
        steps = _STEPS.get(field, ())
        if not steps:
            return self
        shown = self.shown(field)
        at = steps.index(shown) if shown in steps else -1 if direction > 0 else 0
        return self.typed(field, steps[(at + direction) % len(steps)])

    def asked(self) -> AskedTraining:
        """The options of `attnprof train` that say the same.

        Raises:
            PlanError: a switch is neither yes nor no, or a number of steps is none.
        """
        asked = AskedTraining(
            impl=(self.impl,) if self.impl else (),
            preset=self.preset or None,
            model=self.model or None,
            context=self.context or None,
            batch=self.batch or None,
            steps=_steps(self.steps, "steps"),
            last=_steps(self.last, "last"),
            precision=self.precision or None,
            quick=switched_on(self.quick, "quick"),
            memory_limit=self.memory_limit or None,
            baseline=self.baseline or None,
            label=None if self.preset else "train",
        )
        if self.preset:
            return asked
        return replace(
            asked,
            mode=self.mode or None,
            optimizer=self.optimizer or None,
            dtype=self.dtype or None,
            kv_heads=self.kv_heads or None,
            vocab=self.vocab or None,
            bias=switched_on(self.bias, "bias"),
            dropout=self.dropout or None,
        )

    def plan(self, device: Device) -> TrainingPlan:
        """The plan that the texts describe.

        Raises:
            PlanError: they describe none; the message is one sentence, naming fields as the form does.
        """
        try:
            return make_training_plan(self.asked(), device)
        except ValueError as error:  # PlanError, TrainingError and UnknownImplementation
            raise PlanError(as_in_form(str(error))) from None


def train_of(choice: Choice, kind: str, runnable: Collection[str]) -> TrainChoice:
    """The smallest run there is sense in, with the implementations of `attnprof train` that are `runnable`.

    Where none of them is, those of the Bench. `kind` is "cuda" or "cpu".
    """
    default = DEFAULTS.get(kind, DEFAULTS["cuda"])
    dtype = choice.dtype if kind == "cuda" and choice.dtype != "float32" else default.dtype
    names = [name for name in IMPLEMENTATIONS if name in runnable] or choice.implementations
    return TrainChoice(
        model=default.model,
        context=default.context,
        impl=",".join(names),
        mode=MODES[0],
        optimizer=OPTIMIZERS[0],
        dtype=SHORT_DTYPES.get(dtype, dtype),
        batch=default.batch,
        baseline=choice.baseline if choice.baseline and choice.baseline in names else "",
    )


def extent(plan: TrainingPlan) -> str:
    """How much a plan trains: "8 rows x 3 implementations = 24 cases over context"."""
    over = ", ".join(training_columns(plan.trainings).varying)
    rows, names = count(len(plan.trainings), "row"), count(len(plan.implementations), "implementation")
    return f"{rows} x {names} = {count(plan.count, 'case')}{f' over {over}' if over else ''}"


def label(field: str) -> str:
    """A field's name as the form writes it."""
    return {"impl": "implementations"}.get(field, field.replace("_", " "))


def _steps(text: str, name: str) -> int | None:
    return grid.parse_size(text, name, takes="a number of steps such as 125") if text else None
