"""What `attnprof best` is asked about: shapes or trainings by the options, without any defaults."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from profiler.advice.library import Trait
from profiler.plans import grid
from profiler.plans.plan import PlanError
from profiler.training.model import MODES, OPTIMIZERS, Training, TrainingError, gpt2
from profiler.workload import PASSES, SHORT_DTYPES, Attention, Pass
from tui.options.planning import parse_passes
from tui.options.shapes import softcap, windows
from tui.options.values import dropout

_OF_SHAPES = (
    "batch",
    "seq",
    "seq_q",
    "decode",
    "heads",
    "head_dim",
    "emb_dim",
    "causal",
    "window",
    "softcap",
    "passes",
)
_OF_TRAININGS = ("model", "context", "mode", "optimizer")


@dataclass(frozen=True)
class Wanted:
    """The traits that shapes and trainings must have; None where the options are about the other kind."""

    shapes: list[Trait[Attention]] | None
    trainings: list[Trait[Training]] | None
    passes: tuple[Pass, ...]


def wanted(typed: Mapping[str, Any]) -> Wanted:
    """What the options ask for.

    Raises:
        PlanError: they make no sense, or are of both kinds.
    """
    given = {name: value for name, value in typed.items() if value not in (None, (), False)}
    of_shapes = [name for name in _OF_SHAPES if name in given]
    of_trainings = [name for name in _OF_TRAININGS if name in given]
    if of_shapes and of_trainings:
        raise PlanError(
            f"{_option(of_shapes[0])} is of a shape, and {_option(of_trainings[0])} of a training: drop one"
        )
    return Wanted(
        None if of_trainings else list(_shape_traits(given)),
        None if of_shapes else list(_training_traits(given)),
        parse_passes(given["passes"]) if "passes" in given else PASSES,
    )


def _shape_traits(given: Mapping[str, Any]) -> Iterator[Trait[Attention]]:
    for option, name in (
        ("seq", "seq_k"),
        ("batch", "batch"),
        ("seq_q", "seq_q"),
        ("heads", "heads"),
        ("kv_heads", "kv_heads"),
        ("head_dim", "head_dim"),
        ("emb_dim", "emb_dim"),
    ):
        if option in given:
            yield _attribute(option, name, grid.parse_sizes(given[option], _option(option)))
    if "dtype" in given:
        yield _attribute("dtype", "dtype", grid.parse_dtypes(given["dtype"]))
    if "causal" in given:
        yield _attribute("causal", "causal", tuple(dict.fromkeys(given["causal"])))
    if "decode" in given:
        yield _attribute("decode", "decode", (True,))
    if "window" in given:
        yield _attribute("window", "window", windows(given["window"]))
    if "dropout" in given:
        yield _attribute("dropout", "dropout", (dropout(given["dropout"]),))
    if "softcap" in given:
        yield _attribute("softcap", "softcap", (softcap(given["softcap"]),))


def _attribute(option: str, name: str, values: tuple[object, ...]) -> Trait[Attention]:
    return Trait(option, lambda shape: getattr(shape, name), values)


def _training_traits(given: Mapping[str, Any]) -> Iterator[Trait[Training]]:
    if "context" in given:
        contexts = grid.parse_sizes(given["context"], "--context")
        yield Trait("context", lambda training: training.context, contexts)
    if "model" in given:
        try:
            models = tuple(gpt2(name).name for name in given["model"].split(","))
        except TrainingError as error:
            raise PlanError(str(error)) from None
        yield Trait("model", lambda training: training.model.name, models)
    if "mode" in given:
        yield Trait("mode", lambda training: training.mode, _named(given["mode"], MODES, "mode"))
    if "optimizer" in given:
        names = _named(given["optimizer"], OPTIMIZERS, "optimizer")
        yield Trait("optimizer", lambda training: training.optimizer, names)
    if "dtype" in given:
        yield Trait("dtype", lambda training: training.dtype, grid.parse_dtypes(given["dtype"]))
    if "kv_heads" in given:
        heads = grid.parse_sizes(given["kv_heads"], "--kv-heads")
        yield Trait("kv_heads", lambda training: training.model.kv_heads, heads)
    if "dropout" in given:
        yield Trait("dropout", lambda training: training.model.dropout, (dropout(given["dropout"]),))


def _named(text: str, possible: Sequence[str], noun: str) -> tuple[str, ...]:
    names = tuple(part.strip().casefold() for part in text.split(","))
    if unknown := [name for name in names if name not in possible]:
        raise PlanError(f"there is no {noun} '{unknown[0]}'; there are {', '.join(possible)}")
    return names


def command_for_shape(typed: Mapping[str, Any], like: Attention | None) -> str:
    """`attnprof run` for what was asked, with all that was not asked for as in a shape that was measured."""
    arguments = dict(_typed(typed, ("passes",)))
    if like is not None:
        for option, value in _options_of(like):
            is_width = (
                option in ("--head-dim", "--emb-dim") and {"--head-dim", "--emb-dim"} & arguments.keys()
            )
            if (
                option not in arguments
                and not is_width
                and not (option == "--causal" and "--no-causal" in arguments)
            ):
                arguments[option] = value
    if passes := typed.get("passes"):
        arguments["--pass"] = passes
    return _command("run", arguments)


def _options_of(shape: Attention) -> Iterator[tuple[str, str]]:
    yield "--batch", str(shape.batch)
    yield "--seq", str(shape.seq_k)
    if shape.seq_q != shape.seq_k and not shape.decode:
        yield "--seq-q", str(shape.seq_q)
    yield "--heads", str(shape.heads)
    if shape.kv_heads != shape.heads:
        yield "--kv-heads", str(shape.kv_heads)
    yield "--head-dim", str(shape.head_dim)
    yield "--dtype", SHORT_DTYPES[shape.dtype]
    if shape.causal:
        yield "--causal", ""
    if shape.decode:
        yield "--decode", ""


def command_for_training(typed: Mapping[str, Any], like: Training | None) -> str:
    """`attnprof train` for what was asked, with all else as in a training that was measured."""
    arguments = dict(_typed(typed, ()))
    if like is not None:
        for option, value in (
            ("--model", like.model.name.removeprefix("gpt2-")),
            ("--context", str(like.context)),
            ("--dtype", SHORT_DTYPES[like.dtype]),
            ("--mode", like.mode),
        ):
            arguments.setdefault(option, value)
    return _command("train", arguments)


def _typed(typed: Mapping[str, Any], besides: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name, value in typed.items():
        if name in besides or value in (None, (), False):
            continue
        if name == "causal":
            yield from (("--causal" if each else "--no-causal", "") for each in dict.fromkeys(value))
        else:
            yield _option(name), "" if value is True else value


def _command(name: str, arguments: Mapping[str, str]) -> str:
    return shlex.join(["attnprof", name, *(part for pair in arguments.items() for part in pair if part)])


def _option(name: str) -> str:
    return "--pass" if name == "passes" else f"--{name.replace('_', '-')}"
