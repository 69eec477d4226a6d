"""What was measured, as a person says it of a file that does not: values in the order of the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from profiler.importing.reading import FoundObject
from profiler.importing.refusal import ImportRefused
from profiler.units import count


@dataclass(frozen=True, kw_only=True)
class AskedShapes:
    """Parameters by the names of the labs' options: one value for all results that lack it, or one for each.

    Empty is what was not given. The size of a head may stand in the place of `emb_dim`.
    """

    impl: tuple[str, ...] = ()
    batch_size: tuple[int, ...] = ()
    seq_len: tuple[int, ...] = ()
    num_heads: tuple[int, ...] = ()
    emb_dim: tuple[int, ...] = ()
    head_dim: tuple[int, ...] = ()
    dtype: tuple[str, ...] = ()
    causal: tuple[bool, ...] = ()


# What a refusal proposes to type: the labs' own command. Their script has no --dtype, and measures in fp16.
_EXAMPLES = {
    "impl": "--impl Flash2",
    "batch_size": "--batch_size 32",
    "seq_len": "--seq_len 1024",
    "num_heads": "--num_heads 32",
    "emb_dim": "--emb_dim 2048",
    "dtype": "--dtype fp16",
    "causal": "--causal (or --no-causal)",
}


def completed(found: Sequence[FoundObject], asked: AskedShapes) -> list[dict[str, Any] | None]:
    """The objects' parameters by the names of the labs' options, with what was asked where they lack one.

    None for an object that attnprof wrote, which says by itself what was measured.

    Raises:
        ImportRefused: an object lacks a parameter that was not given either, or what was given is not
            for as many objects as lack it.
    """
    given = {field.name: list(getattr(asked, field.name)) for field in fields(asked)}
    if given["emb_dim"] and given["head_dim"]:
        raise ImportRefused("give --head-dim or --emb-dim, not both: emb dim is heads x head dim")
    lacking = {
        name: [
            index for index, each in enumerate(found) if each.values.get(name) is None and not each.says_what
        ]
        for name in _EXAMPLES
    }
    for name, values in given.items():
        _check_count(name, values, lacking["emb_dim" if name == "head_dim" else name])
    made: list[dict[str, Any] | None] = []
    for index, each in enumerate(found):
        if each.says_what:
            made.append(None)
            continue
        own = {name: each.values[name] for name in _EXAMPLES if each.values.get(name) is not None}
        for name, values in given.items():
            of = lacking["emb_dim" if name == "head_dim" else name]
            if values and index in of:
                own[name] = values[0] if len(values) == 1 else values[of.index(index)]
        missing = [
            name for name in _EXAMPLES if name not in own and not (name == "emb_dim" and "head_dim" in own)
        ]
        if missing:
            raise ImportRefused(_what_is_missing(each, missing))
        made.append(own)
    return made


def _check_count(name: str, values: Sequence[object], lacking: Sequence[int]) -> None:
    option = f"--{name.replace('_', '-')}"
    if values and not lacking:
        raise ImportRefused(f"{option} says what is in the files already: drop it")
    if len(values) > 1 and len(values) != len(lacking):
        raise ImportRefused(
            f"{option} has {len(values)} values for {count(len(lacking), 'result')}: "
            "give one for all, or one for each"
        )


def _what_is_missing(each: FoundObject, missing: Sequence[str]) -> str:
    names = [f"--{name.replace('_', '-')}" for name in missing]
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    fp16 = "; the labs' own script measures in fp16" if "dtype" in missing else ""
    return (
        f"{each.where} does not say what it measured: {listed} must be given{fp16}. "
        f"Type them as they were for the measurement, such as {' '.join(_EXAMPLES[name] for name in missing)}"
    )
