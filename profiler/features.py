"""What each implementation says it can do: dtypes, head dims, and every feature alone and beside another.

Its rules are asked, as they are before a measurement: nothing here is a list of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any, Literal

from impls.contract import DeviceInfo, Implementation, Ragged
from profiler.workload import BYTES_PER_ELEMENT, Attention, WorkloadError

Feature = Literal["unequal causal", "gqa", "window", "dropout", "softcap", "decode", "ragged"]
Mark = Literal["yes", "some", "no"]
Backward = Literal["yes", "once", "no"]
"""Once: not again on a graph that was kept, so that it is part of forward+backward only."""

LARGEST_HEAD_DIM = 512
"""The largest that is asked about: who takes it is said to take any."""
_HEAD_DIMS = range(1, LARGEST_HEAD_DIM + 1)

_Change = Mapping[str, Any]
"""Some parameters of a workload, by name."""
_Ask = Callable[[_Change], str | None]
"""Why an otherwise usual workload with these parameters is refused, or None."""

_LENGTH = 128
_USUAL = {
    "batch": 2,
    "seq_q": _LENGTH,
    "seq_k": _LENGTH,
    "heads": 8,
    "kv_heads": 8,
    "head_dim": 64,
    "dtype": "float16",
}
_CHANGES: dict[Feature, tuple[_Change, ...]] = {
    "unequal causal": ({"seq_q": _LENGTH // 2, "causal": True}, {"seq_k": _LENGTH // 2, "causal": True}),
    "gqa": ({"kv_heads": 2}, {"kv_heads": 1}),
    "window": ({"window": 16},),
    "dropout": ({"dropout": 0.1},),
    "softcap": ({"softcap": 30.0},),
    "decode": tuple({"decode": True, "seq_q": queries, "seq_k": 4096} for queries in (1, 4)),
    "ragged": ({"lengths": (_LENGTH, 57)},),
}
FEATURES: tuple[Feature, ...] = tuple(_CHANGES)
# Of a GPU to ask about where the device is none that it could run on: most in use have at least this.
_USUAL_CAPABILITY = (8, 0)


@dataclass(frozen=True)
class Features:
    """One implementation's row of the matrix; all its answers are those of its rules.

    `here` is why it cannot run on the device, None if it can. `marks` are "some" where a feature is
    refused with something that is taken otherwise, and `limits` the reasons for that. `head_dims`
    are those taken of 1 to LARGEST_HEAD_DIM. `capability` are the GPUs it runs on: "8.0+", "9.0",
    "any", or "none" where it runs on the CPU alone.
    """

    name: str
    here: str | None
    dtypes: tuple[str, ...]
    head_dims: tuple[int, ...]
    backward: Backward
    marks: Mapping[Feature, Mark]
    ragged: Ragged | None
    capability: str
    variants: tuple[str, ...]
    limits: tuple[str, ...]


def matrix(implementations: Iterable[Implementation], device: DeviceInfo) -> list[Features]:
    """A row for each."""
    return [features(implementation, device) for implementation in implementations]


def features(implementation: Implementation, device: DeviceInfo) -> Features:
    """What it can do on `device` or, if it could not run there at all, on a device where it can."""
    installed = replace(implementation, requires=None)  # what it could do does not hang on that
    on = device if installed.unavailable(device) is None else _fitting(installed)

    def ask(changes: _Change) -> str | None:
        return installed.supports(Attention(**{**_USUAL, **changes}), on)

    usual = _usual(ask)
    dtypes = tuple(dtype for dtype in BYTES_PER_ELEMENT if _takes(ask, {**usual, "dtype": dtype}))
    head_dims = {
        dtype: tuple(size for size in _HEAD_DIMS if _takes(ask, {"head_dim": size, "dtype": dtype}))
        for dtype in dtypes
    }
    marks, limits = _marks(ask, [{**usual, "dtype": dtype} for dtype in dtypes])
    taken = next(iter(head_dims.values()), ())
    limits += [
        f"takes head dims {describe_head_dims(sizes)} in {dtype}"
        for dtype, sizes in head_dims.items()
        if sizes != taken
    ]
    return Features(
        name=implementation.name,
        here=implementation.unavailable(device),
        dtypes=dtypes,
        head_dims=taken,
        backward=_backward(implementation),
        marks=marks,
        ragged=implementation.ragged if marks["ragged"] != "no" else None,
        capability=_capability(implementation),
        variants=tuple(implementation.variants),
        limits=tuple(dict.fromkeys(limits)),
    )


def describe_head_dims(taken: Sequence[int]) -> str:
    """Some of 1 to LARGEST_HEAD_DIM in few words: "any", "8..256 by 8", "32..128 by 32, 192", "none"."""
    return ", ".join(_runs(taken)) or "none"


def _runs(taken: Sequence[int]) -> Iterator[str]:
    """Three or more at equal distances together, as "8..256 by 8"; the last has no end if it goes on."""
    rest = list(taken)
    while rest:
        step = rest[1] - rest[0] if len(rest) > 1 else 1
        run = [size for index, size in enumerate(rest) if size == rest[0] + index * step]
        if len(run) < 3:
            yield str(rest.pop(0))
            continue
        first, last = run[0], run[-1]
        rest = rest[len(run) :]
        unbounded = last + step > LARGEST_HEAD_DIM
        if unbounded and first == step == 1:
            yield "any"
        else:
            yield f"{first}..{'' if unbounded else last}{'' if step == 1 else f' by {step}'}"


def _fitting(implementation: Implementation) -> DeviceInfo:
    """A device of the kind and the compute capability that it asks for."""
    if "cuda" not in implementation.devices:
        return DeviceInfo("cpu", "a CPU")
    capability = max(implementation.min_compute_capability or _USUAL_CAPABILITY, _USUAL_CAPABILITY)
    return DeviceInfo("cuda", "a GPU", min(capability, implementation.max_compute_capability or capability))


def _usual(ask: _Ask) -> _Change:
    """A head dim and a dtype that it takes, if there are any; the usual ones if it takes these."""
    sizes = (_USUAL["head_dim"], *_HEAD_DIMS)
    for size, dtype in product(sizes, BYTES_PER_ELEMENT):
        if _takes(ask, found := {"head_dim": size, "dtype": dtype}):
            return found
    return {}


def _takes(ask: _Ask, changes: _Change) -> bool:
    return any(ask({**changes, "causal": causal}) is None for causal in (False, True))


def _marks(ask: _Ask, bases: Sequence[_Change]) -> tuple[dict[Feature, Mark], list[str]]:
    """Each feature's mark, and why it is not "yes" where it is "some"."""
    plain = [{**base, "causal": causal} for base in bases for causal in (False, True)]
    limits = [reason for reason in map(ask, plain) if reason]
    taken: set[Feature] = set()
    refused: dict[Feature, list[str]] = {feature: [] for feature in FEATURES}
    for base in plain:
        for together, reason in _answers(ask, base) if ask(base) is None else ():
            for feature in together:
                if reason is None:
                    taken.add(feature)
                else:
                    refused[feature].append(reason)
    marks: dict[Feature, Mark] = {
        feature: "no" if feature not in taken else "some" if refused[feature] else "yes"
        for feature in FEATURES
    }
    return marks, limits + [
        reason for feature in FEATURES if marks[feature] == "some" for reason in refused[feature]
    ]


def _answers(ask: _Ask, base: _Change) -> Iterator[tuple[tuple[Feature, ...], str | None]]:
    """Of each feature alone, then with every other: the answer.

    What is refused alone is not held against what it is combined with.
    """
    alone = {
        feature: [(both, ask(both)) for change in changes if (both := _merged(base, change)) is not None]
        for feature, changes in _CHANGES.items()
    }
    for feature, asked in alone.items():
        yield from (((feature,), reason) for _, reason in asked)
    for pair in combinations(FEATURES, 2):
        for (one, why_not_one), (other, why_not_other) in product(*(alone[feature] for feature in pair)):
            both = _merged(one, other)
            if both is None or not _is_possible(both):
                continue
            reason = ask(both)
            if reason is None or (why_not_one is None and why_not_other is None):
                yield pair, reason


def _merged(one: _Change, other: _Change) -> _Change | None:
    """Both together; None where they contradict each other."""
    contradict = any(one[name] != other[name] for name in one.keys() & other.keys())
    return None if contradict else {**one, **other}


def _is_possible(changes: _Change) -> bool:
    try:
        Attention(**{**_USUAL, **changes})
    except WorkloadError:
        return False
    return True


def _backward(implementation: Implementation) -> Backward:
    if not implementation.backward:
        return "no"
    return "yes" if implementation.repeats_backward else "once"


def _capability(implementation: Implementation) -> str:
    if "cuda" not in implementation.devices:
        return "none"
    least, most = (
        None if bound is None else ".".join(map(str, bound))
        for bound in (implementation.min_compute_capability, implementation.max_compute_capability)
    )
    if most is None:
        return "any" if least is None else f"{least}+"
    return most if least == most else f"{least or ''}..{most}"
