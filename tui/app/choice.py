"""What a person has chosen on the Bench screen: one shape, implementations to measure, a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from impls.contract import DeviceInfo
from profiler.engine.control import Hello
from profiler.events import CatalogEntry
from profiler.plans.grid import LARGEST_SIZE
from profiler.plans.plan import Plan, PlanError, Stopping, Takes
from profiler.units import plain_text
from profiler.workload import PASSES, Attention, Pass, WorkloadError
from tui.options.planning import QUICK_STOPPING, QUICK_TAKES

Kept = Literal["head_dim", "emb_dim"]

_PLAIN = "pytorch"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One shape and what to measure on it. There are only valid ones.

    `kv_heads` None is as many as heads, `seq_q` None as many queries as keys, or one where it decodes.
    `keeps` says what stays when the heads change: the size of one head, or heads x head dim, as in
    the labs. `lengths` are those of a recorded batch: turning batch or seq lets go of them.
    `baseline` is one of `implementations`, None where there are none.

    Raises:
        PlanError: the sizes make no attention call, or there is nothing to measure.
    """

    batch: int
    seq: int
    heads: int
    head_dim: int
    dtype: str
    kv_heads: int | None = None
    keeps: Kept = "head_dim"
    causal: bool = False
    window: int | None = None
    seq_q: int | None = None
    decode: bool = False
    dropout: float = 0.0
    softcap: float | None = None
    lengths: tuple[int, ...] | None = None
    passes: tuple[Pass, ...] = PASSES
    implementations: tuple[str, ...] = ()
    baseline: str | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "seq", "seq_q", "heads", "head_dim", "emb_dim"):
            if (getattr(self, name) or 0) > LARGEST_SIZE:
                raise PlanError(f"{name.replace('_', ' ')} must be at most {LARGEST_SIZE}")
        if not self.passes:
            raise PlanError(f"no pass is chosen; there are {', '.join(PASSES)}")
        if self.baseline not in (self.implementations or (None,)):
            raise PlanError(f"the baseline {self.baseline} is not among the implementations chosen")
        try:
            self.workload()
        except WorkloadError as error:
            raise PlanError(str(error)) from None

    @property
    def emb_dim(self) -> int:
        return self.heads * self.head_dim

    @property
    def queries(self) -> int:
        """How many queries a sequence has."""
        return self.seq_q or _usual_queries(self.seq, self.decode)

    @property
    def measured_passes(self) -> tuple[Pass, ...]:
        """The passes as they are measured: decoding has no backward, whatever else is chosen."""
        return ("fwd",) if self.decode else self.passes

    def workload(self) -> Attention:
        """The attention call that is measured."""
        return Attention(
            batch=self.batch,
            seq_q=self.queries,
            seq_k=self.seq,
            heads=self.heads,
            kv_heads=self.kv_heads or self.heads,
            head_dim=self.head_dim,
            dtype=self.dtype,
            causal=self.causal,
            window=self.window,
            dropout=self.dropout,
            softcap=self.softcap,
            decode=self.decode,
            lengths=self.lengths,
        )

    def with_batch(self, batch: int) -> Choice:
        """So many sequences, all of one length."""
        return self if batch == self.batch else replace(self, batch=batch, lengths=None)

    def with_seq(self, seq: int) -> Choice:
        """Sequences all of that length."""
        return self if seq == self.seq else replace(self, seq=seq, lengths=None)

    def with_queries(self, queries: int) -> Choice:
        """So many queries; as many as there usually are follow the keys from then on."""
        if queries == _usual_queries(self.seq, self.decode):
            return replace(self, seq_q=None)
        return replace(self, seq_q=queries, lengths=None)

    def with_decode(self, decode: bool) -> Choice:
        """Decoding or not, with as many queries as that usually has; without what decoding has not."""
        if decode == self.decode:
            return self
        return replace(self, decode=decode, seq_q=None, lengths=None, dropout=0.0 if decode else self.dropout)

    def at(self, shape: Attention) -> Choice:
        """The same to measure, on another shape."""
        return replace(
            _at(shape),
            keeps=self.keeps,
            passes=self.passes,
            implementations=self.implementations,
            baseline=self.baseline,
        )

    def with_implementations(self, names: Sequence[str]) -> Choice:
        """The same shape on other implementations; the baseline stays if it is among them."""
        return replace(self, implementations=tuple(names), baseline=_baseline(names, self.baseline))

    def with_baseline(self, name: str) -> Choice:
        """Speedups refer to `name` from now on, which is measured too."""
        names = self.implementations
        return replace(self, implementations=names if name in names else (*names, name), baseline=name)

    def toggled(self, name: str, order: Sequence[str]) -> Choice:
        """With that implementation if it was without, and the other way round; in the catalog's `order`.

        Raises:
            PlanError: it is the only one.
        """
        if self.implementations == (name,):
            raise PlanError("something has to be measured: check another one first")
        chosen = set(self.implementations) ^ {name}
        unlisted = [item for item in (*self.implementations, name) if item not in order]
        return self.with_implementations([item for item in (*order, *unlisted) if item in chosen])


def device_info(hello: Hello) -> DeviceInfo:
    """What decides which implementations and dtypes a device can do."""
    return DeviceInfo(
        kind="cuda" if hello.kind == "cuda" else "cpu",
        name=plain_text(hello.device_name),
        compute_capability=hello.gpu.compute_capability if hello.gpu else None,
    )


def default_choice(hello: Hello, baseline: str = _PLAIN) -> Choice:
    """What is measured first on a device: a shape and implementations that answer in about a second there."""
    names = _at_once(hello.catalog)
    on_cpu = hello.kind != "cuda"
    return Choice(
        batch=1 if on_cpu else 4,
        seq=256 if on_cpu else 2048,
        heads=8 if on_cpu else 16,
        head_dim=64,
        dtype="float32" if on_cpu else "float16",
        implementations=names,
        baseline=_baseline(names, baseline),
    )


def fitting(choice: Choice, hello: Hello, named: Iterable[CatalogEntry] = ()) -> Choice:
    """An earlier choice without what this device cannot do; the default ones if nothing would be left.

    `named` are implementations beside those that the device's catalog lists.
    """
    available = _runnable(hello.catalog)
    kept = {*available, *_runnable(named)}.intersection(choice.implementations)
    lacked = device_info(hello).lacks(choice.dtype) is not None
    return replace(choice, dtype="float16" if lacked else choice.dtype).with_implementations(
        [name for name in choice.implementations if name in kept] or _at_once(hello.catalog)
    )


def choice_of(plan: Plan, workload: Attention | None = None) -> Choice:
    """What a plan measures, at one of its workloads (its first if none is given), as a choice.

    Raises:
        PlanError: it has no workload.
    """
    if workload is None and not plan.workloads:
        raise PlanError("this session measures no shape")
    shape = workload or plan.workloads[0]
    return replace(
        _at(shape),
        passes=plan.passes,
        implementations=plan.implementations,
        baseline=_baseline(plan.implementations, plan.baseline),
    )


def _at(shape: Attention) -> Choice:
    """A shape, with nothing chosen to be measured on it."""
    return Choice(
        batch=shape.batch,
        seq=shape.seq_k,
        heads=shape.heads,
        head_dim=shape.head_dim,
        dtype=shape.dtype,
        kv_heads=None if shape.kv_heads == shape.heads else shape.kv_heads,
        causal=shape.causal,
        window=shape.window,
        seq_q=None if shape.seq_q == _usual_queries(shape.seq_k, shape.decode) else shape.seq_q,
        decode=shape.decode,
        dropout=shape.dropout,
        softcap=shape.softcap,
        lengths=shape.lengths,
    )


def _usual_queries(seq: int, decode: bool) -> int:
    return 1 if decode else seq


def quick_plan(choice: Choice, device_name: str, seed: int = 0) -> Plan:
    """What `attnprof run --quick` would measure: times and memory in about a second."""
    return _plan(choice, device_name, seed, QUICK_STOPPING, QUICK_TAKES)


def full_plan(choice: Choice, device_name: str, seed: int = 0) -> Plan:
    """What `attnprof run` would measure: medians known to a hundredth, accuracy, CUDA graphs, ceilings."""
    return _plan(choice, device_name, seed, Stopping(), Takes())


def _plan(choice: Choice, device_name: str, seed: int, stopping: Stopping, takes: Takes) -> Plan:
    return Plan(
        workloads=(choice.workload(),),
        implementations=choice.implementations,
        passes=choice.measured_passes,
        baseline=choice.baseline,
        stopping=stopping,
        takes=takes,
        seed=seed,
        device=device_name,
    )


def _runnable(entries: Iterable[CatalogEntry]) -> tuple[str, ...]:
    return tuple(entry.name for entry in entries if entry.unavailable is None)


def _at_once(entries: Iterable[CatalogEntry]) -> tuple[str, ...]:
    """What can run and does not compile for seconds at every turn of a parameter; that has to be chosen."""
    return _runnable(entry for entry in entries if not entry.compiles)


def _baseline(names: Sequence[str], wish: str | None) -> str | None:
    """The wish if it is one of `names`, else plain PyTorch, else the first."""
    for name in (wish, _PLAIN):
        if name in names:
            return name
    return names[0] if names else None
