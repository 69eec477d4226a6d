"""What tells the rows of a training apart, and what they have in common, as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from profiler.training.model import Gpt, Training
from profiler.units import plain_text, varying_and_constant, yes_no

_OF_MODEL: dict[str, Callable[[Gpt], str]] = {
    "model": lambda model: plain_text(model.name),
    "kv heads": lambda model: str(model.kv_heads),
    "vocab": lambda model: str(model.vocab),
    "bias": lambda model: yes_no(model.bias),
    "dropout": lambda model: f"{model.dropout:g}" if model.dropout else "none",
}


def _of_model(value: Callable[[Gpt], str]) -> Callable[[Training], str]:
    return lambda training: value(training.model)


_PARAMETERS: dict[str, Callable[[Training], str]] = {
    **{name: _of_model(value) for name, value in _OF_MODEL.items()},
    "dtype": lambda training: training.dtype,
    "optimizer": lambda training: training.optimizer,
    "mode": lambda training: training.mode,
    "context": lambda training: str(training.context),
}
_OPTIONAL: dict[str, Callable[[Training], bool]] = {
    "kv heads": lambda training: training.model.kv_heads != training.model.heads,
    "bias": lambda training: training.model.bias,
    "dropout": lambda training: training.model.dropout > 0,
}
"""Whether a row has what is not spoken of where no row has it."""

TEXT_PARAMETERS = frozenset({"model", "bias", "dtype", "optimizer", "mode"})
"""The parameters whose values are words; the others' are numbers."""

_BARE = TEXT_PARAMETERS - {"bias"}  # words that say by themselves what they are of


@dataclass(frozen=True)
class TrainingColumns:
    """Which parameters of some rows differ between them, and what the others have in common."""

    varying: tuple[str, ...]
    constant: dict[str, str]

    def cells(self, training: Training) -> tuple[str, ...]:
        """The values of the varying parameters of one row."""
        return tuple(_PARAMETERS[name](training) for name in self.varying)

    def caption(self) -> str:
        """What all rows have in common: "gpt2-small, vocab 16384, float16, adamw-foreach, eager"."""
        return ", ".join(_phrase(name, value) for name, value in self.constant.items())

    def describe(self, training: Training) -> str:
        """What makes one row differ from the others: "gpt2-small, context 1024"; "" if nothing does."""
        return ", ".join(map(_phrase, self.varying, self.cells(training)))


def _phrase(name: str, value: str) -> str:
    if name in _BARE:
        return value
    if name == "bias":
        return "bias" if value == "yes" else "no bias"
    return f"no {name}" if value == "none" else f"{name} {value}"


def training_columns(trainings: Iterable[Training]) -> TrainingColumns:
    """The parameters that vary among `trainings`, and the constant ones with their values.

    Key/value heads are left out where all rows have as many as heads, bias and dropout where none has any.
    """
    rows = list(dict.fromkeys(trainings))
    values = {
        name: list(dict.fromkeys(map(value, rows)))
        for name, value in _PARAMETERS.items()
        if name not in _OPTIONAL or any(map(_OPTIONAL[name], rows))
    }
    return TrainingColumns(*varying_and_constant(values))
