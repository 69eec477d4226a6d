"""What a person asks a sweep for: a text a parameter, as on the command line, and the plan they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from profiler.machine.environment import Device
from profiler.plans.plan import Plan, PlanError
from profiler.plans.presets import PRESETS
from profiler.units import count, shape_columns, yes_no
from profiler.workload import PASSES, SHORT_DTYPES, Attention
from tui.app.choice import Choice
from tui.app.form_values import SWITCHES, as_in_form, switches
from tui.options.asked import SHAPE_OPTIONS, Asked
from tui.options.planning import make_plan

FIELDS = (
    "preset",
    "impl",
    "batch",
    "seq",
    "heads",
    "kv_heads",
    "head_dim",
    "emb_dim",
    "dtype",
    "causal",
    "window",
    "passes",
    "baseline",
    "quick",
    "seq_q",
    "seq_dist",
    "decode",
    "dropout",
    "softcap",
)
"""In the order that they stand in: what is asked for less often last."""

_EXCLUDES = {
    "head_dim": ("emb_dim",),
    "emb_dim": ("head_dim",),
    "seq_dist": ("seq", "seq_q", "decode"),
    "seq": ("seq_dist",),
    "seq_q": ("seq_dist",),
}
"""What a field is emptied of where another one is filled."""

_STEPS: dict[str, tuple[str, ...]] = {
    "preset": ("", *PRESETS),
    "causal": ("no", "yes", "no,yes"),
    "quick": ("no", "yes"),
    "dtype": ("fp16", "bf16", "fp32", "fp16,bf16"),
    "passes": (",".join(PASSES), *PASSES, "fwd,bwd"),
    "seq_dist": ("", "uniform:128..4k"),
    "decode": ("no", "yes"),
    "dropout": ("", "0.1", "0.2"),
    "softcap": ("", "30", "50"),
}
_START_SEQ = {"cuda": "1k..16k", "cpu": "128..512"}

HELP = {
    "preset": "an experiment ready made, with its own shapes",
    "impl": "names, with commas between",
    "batch": "sizes (4), lists (1,4) or ranges that double (1..8)",
    "seq": "sizes, lists (512,1k) or ranges that double (1k..16k)",
    "heads": "of the queries",
    "kv_heads": "empty for as many as heads",
    "head_dim": "this or emb dim",
    "emb_dim": "heads x head dim, kept while heads change",
    "dtype": "fp16, bf16, fp32, or several",
    "causal": "yes, no or both",
    "window": "sizes, or none",
    "passes": "fwd, bwd, fwd_bwd, or several",
    "baseline": "what speedups refer to",
    "quick": "yes: about a second a shape",
    "seq_q": "queries, where they are not as many as the keys",
    "seq_dist": "lengths of the sequences: uniform:128..4k or list:512,77",
    "decode": "yes: keys and values are a cache, forward alone",
    "dropout": "probability that a weight is dropped",
    "softcap": "c of c x tanh(score / c)",
}
"""What a field takes, in a clause."""


EMPTY = {
    "preset": "none",
    "kv_heads": "as many as heads",
    "head_dim": "emb dim / heads",
    "emb_dim": "heads x head dim",
    "window": "none",
    "seq_q": "as many as keys, or 1",
    "seq_dist": "all as long as seq",
    "decode": "no",
    "dropout": "none",
    "softcap": "none",
}
"""What an empty field stands for; others for the default of `attnprof run`."""


@dataclass(frozen=True, kw_only=True)
class SweepChoice:
    """The texts of a sweep's form. An empty one is left to the defaults of `attnprof run`."""

    preset: str = ""
    impl: str = ""
    batch: str = ""
    seq: str = ""
    heads: str = ""
    kv_heads: str = ""
    head_dim: str = ""
    emb_dim: str = ""
    dtype: str = ""
    causal: str = ""
    window: str = ""
    passes: str = ""
    baseline: str = ""
    quick: str = "no"
    seq_q: str = ""
    seq_dist: str = ""
    decode: str = ""
    dropout: str = ""
    softcap: str = ""

    def text(self, field: str) -> str:
        """What stands in a field."""
        return str(getattr(self, field))

    def shown(self, field: str) -> str:
        """What is to be read in a field: a preset's own shapes where one is chosen."""
        preset = PRESETS.get(self.preset)
        if preset is None or field not in (*SHAPE_OPTIONS, "impl", "baseline"):
            return self.text(field)
        if field == "impl":
            return self.impl or ",".join(preset.implementations)
        if field == "baseline":
            return self.baseline or preset.baseline
        usual = _USUAL.get(field)
        if field == "emb_dim" or (usual is not None and all(map(usual, preset.workloads))):
            return ""
        return ",".join(dict.fromkeys(_value(shape, field) for shape in preset.workloads))

    def belongs_to_preset(self, field: str) -> bool:
        """Whether a field's value is the preset's, so that changing it leaves the preset."""
        return bool(self.preset) and field in SHAPE_OPTIONS

    def typed(self, field: str, text: str) -> SweepChoice:
        """With another text in a field. It may empty others: head dim and emb dim exclude each other."""
        text = text.strip()
        changes = {field: text}
        if text:
            changes |= dict.fromkeys(_EXCLUDES.get(field, ()), "")
        if field == "decode" and SWITCHES.get(text.lower()):
            changes |= {"seq_dist": "", "passes": ""}  # those that it has
        if field == "preset" and text:
            changes |= {"impl": "", "baseline": ""}  # those of the preset, until others are typed
        elif field in SHAPE_OPTIONS:
            changes["preset"] = ""
        return replace(self, **changes)

    def stepped(self, field: str, direction: int) -> SweepChoice:
        """With the next of a field's usual values; itself where the field has none."""
        steps = _STEPS.get(field, ())
        if not steps:
            return self
        at = steps.index(self.text(field)) if self.text(field) in steps else -direction
        return self.typed(field, steps[(at + direction) % len(steps)])

    def asked(self) -> Asked:
        """The options of `attnprof run` that say the same.

        Raises:
            PlanError: a switch is neither yes nor no.
        """
        asked = Asked(
            impl=(self.impl,) if self.impl else (),
            preset=self.preset or None,
            passes=self.passes or None,
            baseline=self.baseline or None,
            quick=switches(self.quick, "quick")[-1:] == (True,),
            label=None if self.preset else "sweep",
        )
        if self.preset:
            return asked
        texts = {name: self.text(name) or None for name in _TEXT_OPTIONS}
        return replace(
            asked,
            causal=switches(self.causal, "causal"),
            decode=switches(self.decode, "decode")[-1:] == (True,),
            **texts,  # type: ignore[arg-type]
        )

    def plan(self, device: Device) -> Plan:
        """The plan that the texts describe.

        Raises:
            PlanError: they describe none; the message is one sentence, naming fields as the form does.
        """
        try:
            return make_plan(self.asked(), device)
        except ValueError as error:  # PlanError and UnknownImplementation
            raise PlanError(as_in_form(str(error))) from None


_TEXT_OPTIONS = tuple(name for name in SHAPE_OPTIONS if name not in ("causal", "decode"))

_USUAL: dict[str, Callable[[Attention], bool]] = {
    "kv_heads": lambda shape: shape.heads == shape.kv_heads,
    "seq_q": lambda shape: shape.seq_q == shape.seq_k,
    "seq_dist": lambda shape: shape.lengths is None,
    "decode": lambda shape: not shape.decode,
    "dropout": lambda shape: not shape.dropout,
    "softcap": lambda shape: shape.softcap is None,
}
"""Whether a shape has of a field what an empty one stands for."""


def sweep_of(choice: Choice, kind: str) -> SweepChoice:
    """A sweep over the sequence length with all else as on the Bench; `kind` is "cuda" or "cpu"."""
    shape = choice.workload()
    return SweepChoice(
        impl=",".join(choice.implementations),
        batch=str(choice.batch),
        seq=_START_SEQ.get(kind, _START_SEQ["cuda"]),
        heads=str(choice.heads),
        kv_heads="" if choice.kv_heads is None else str(choice.kv_heads),
        head_dim=str(choice.head_dim) if choice.keeps == "head_dim" else "",
        emb_dim=str(choice.emb_dim) if choice.keeps == "emb_dim" else "",
        dtype=_value(shape, "dtype"),
        causal=yes_no(choice.causal),
        window="" if choice.window is None else str(choice.window),
        passes="" if choice.decode else ",".join(choice.passes),
        baseline=choice.baseline or "",
        seq_q="" if choice.seq_q is None else str(choice.seq_q),
        decode=yes_no(choice.decode),
        dropout=f"{choice.dropout:.12g}" if choice.dropout else "",
        softcap="" if choice.softcap is None else f"{choice.softcap:.12g}",
    )


def extent(plan: Plan) -> str:
    """How much a plan measures: "5 shapes x 7 implementations = 35 cases (seq)"."""
    varying = shape_columns(plan.workloads).varying
    over = f" over {', '.join(varying)}" if varying else ""
    shapes, names = count(len(plan.workloads), "shape"), count(len(plan.implementations), "implementation")
    return f"{shapes} x {names} = {count(plan.count, 'case')}{over}"


def label(field: str) -> str:
    """A field's name as the form writes it."""
    return {"impl": "implementations"}.get(field, field.replace("_", " "))


def _value(shape: object, field: str) -> str:
    """A shape's value as it would be typed."""
    name = {"seq": "seq_k", "seq_dist": "lengths"}.get(field, field)
    value = getattr(shape, name)
    if isinstance(value, bool):
        return yes_no(value)
    if isinstance(value, tuple):
        return f"list:{','.join(map(str, value))}"
    return "none" if value is None else SHORT_DTYPES.get(str(value), str(value))
