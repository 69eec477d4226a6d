"""Numbers and shapes as text, for the terminal and for reports alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from profiler.workload import Attention

_KIB = 1024
_MOST_RATIO_DECIMALS = 4
_MOST_NAMED = 5  # lines, files or names in one sentence
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

# A terminal escape (ECMA-48): CSI ... letter, OSC/DCS/SOS/PM/APC ... terminator, or ESC and a letter.
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)


def plain_text(text: str) -> str:
    """`text` on one line and harmless in a terminal: no escapes, no control or invisible characters."""
    if text.isprintable():  # as nearly every text is
        return text.strip()
    kept = []
    for character in _ESCAPE.sub("", text):
        category = unicodedata.category(character)
        if character in "\t\n\r" or category in ("Zl", "Zp"):
            kept.append(" ")
        elif category not in ("Cc", "Cf", "Cs"):
            kept.append(character)
    return "".join(kept).strip()


def _fixed(value: float, *steps: tuple[float, int], above: int) -> str:
    """`value` with the decimals of the first step (limit, decimals) that it is below once rounded so."""
    for limit, decimals in steps:
        if round(abs(value), decimals) < limit:
            return f"{value:.{decimals}f}"
    return f"{value:.{above}f}"


def ms(value: float) -> str:
    """Milliseconds down to a tenth of a microsecond: "0.0303", "1.610", "41.7"."""
    return _fixed(value, (1, 4), (10, 3), above=1)


def margin(fraction: float | None) -> str:
    """How far the wider side of an interval is from its median: "±0.4%"; "" for one sample too few.

    An interval wider than the value itself says no more than that: "±>100%".
    """
    if fraction is None:
        return ""
    if abs(fraction) > 1:
        return "±>100%"
    return f"±{_fixed(abs(fraction) * 100, (10, 1), above=0)}%"


def figure(value: float) -> str:
    """A figure in three digits or four, small ones in their place too: "0.0123", "9.54", "142.3"."""
    return _fixed(value, (0.1, 4), (1, 3), (10, 2), above=1)


def _tiny(value: float) -> str:
    """What is below 0.01, in three digits, "0.00497", or in two if there are many zeros: "4.2e-05"."""
    return _fixed(value, (1e-3, 6), above=5) if round(value, 6) >= 1e-4 else f"{value:.1e}"


def tflops(value: float) -> str:
    """TFLOP/s: "0.000123", "0.0123", "9.54", "142.3"."""
    return _tiny(value) if 0 < value < 0.00995 else figure(value)


def rate(value: float) -> str:
    """A device's rate, in three digits: "0.0123", "1.30", "750", "3010"."""
    return three_digits(value) if value >= 1 else figure(value)


def percent(value: float) -> str:
    """A number of percent, for columns that name the unit: "7.4", "63"."""
    return _fixed(value, (10, 1), above=0)


def ratio(value: float) -> str:
    """A ratio: "0.024x", "2.31x", "31.0x", "412x"."""
    return f"{_fixed(value, (0.1, 3), (10, 2), (100, 1), above=0)}x"


def ratio_within(value: float, low: float, high: float) -> tuple[str, str]:
    """A ratio and the wider side of its interval, in the same decimals: ("2.31x", "±0.02").

    An interval narrower than the last digit shows as one of it, for the ratio is rounded by as
    much. Where the interval leaves 1 out but the rounded figures would not, they get a decimal
    more, as ("1.003x", "±0.001"), or two.
    """
    shown = ratio(value)
    decimals = len(shown.partition(".")[2].rstrip("x"))
    for places in range(decimals, _MOST_RATIO_DECIMALS + 1):
        rounded, side = round(value, places), max(round(max(high - value, value - low), places), 10**-places)
        if low <= 1 <= high or abs(rounded - 1) > side:
            return f"{rounded:.{places}f}x", f"±{side:.{places}f}"
    return shown, f"±{max(high - value, value - low, 10**-decimals):.{decimals}f}"


def joules(value: float) -> str:
    """Energy in the unit that fits: "1.25 J", "9.54 mJ"."""
    return f"{figure(value)} J" if value >= 1 else f"{figure(1000 * value)} mJ"


def three_digits(value: float) -> str:
    """A figure in three digits, or all it has before the point: "1.30", "41.7", "3010"."""
    return _fixed(value, (10, 2), (100, 1), above=0)


def mib(value: float) -> str:
    """Bytes as a number of MiB, for columns that name the unit: "0.00198", "0.25", "84.0", "5151"."""
    size = value / _KIB**2
    return _tiny(size) if 0 < size < 0.00995 else three_digits(size)


def byte_count(value: float) -> str:
    """Bytes in the unit that fits: "512 B", "84.0 MiB", "5.03 GiB"."""
    size = float(value)
    for unit in _UNITS[:-1]:
        if abs(size) < _KIB:
            return f"{size:.0f} B" if unit == "B" else f"{three_digits(size)} {unit}"
        size /= _KIB
    return f"{three_digits(size)} {_UNITS[-1]}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number of things: "1 result", "12,000 results"; `plural` where an s does not make it."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[str], most: int | None = _MOST_NAMED) -> str:
    """Names as a sentence has them: "a, b and c"; the first few where there are more than `most`."""
    if most is not None and len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def clock(seconds: float) -> str:
    """A length of time as it is counted: "0:07", "12:30", "1:02:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def yes_no(value: bool) -> str:
    """A switch's setting as a word."""
    return "yes" if value else "no"


def _lengths(each: tuple[int, ...]) -> str:
    """What is told of the lengths of a batch: "128..4096 (38,812 tokens)"."""
    shortest, longest = min(each), max(each)
    extent = f"{shortest}..{longest}" if shortest < longest else str(longest)
    return f"{extent} ({count(sum(each), 'token')})"


_PARAMETERS: dict[str, Callable[[Attention], str]] = {
    "batch": lambda shape: str(shape.batch),
    "seq": lambda shape: str(shape.seq_q),
    "seq q": lambda shape: str(shape.seq_q),
    "seq k": lambda shape: str(shape.seq_k),
    "heads": lambda shape: str(shape.heads),
    "kv heads": lambda shape: str(shape.kv_heads),
    "head dim": lambda shape: str(shape.head_dim),
    "dtype": lambda shape: shape.dtype,
    "causal": lambda shape: yes_no(shape.causal),
    "window": lambda shape: "none" if shape.window is None else str(shape.window),
    "dropout": lambda shape: f"{shape.dropout:g}" if shape.dropout else "none",
    "softcap": lambda shape: "none" if shape.softcap is None else f"{shape.softcap:g}",
    "decode": lambda shape: yes_no(shape.decode),
    "lengths": lambda shape: "equal" if shape.lengths is None else _lengths(shape.lengths),
}
_OPTIONAL: dict[str, Callable[[Attention], bool]] = {
    "window": lambda shape: shape.window is not None,
    "dropout": lambda shape: shape.dropout > 0,
    "softcap": lambda shape: shape.softcap is not None,
    "decode": lambda shape: shape.decode,
    "lengths": lambda shape: shape.lengths is not None,
}
"""Whether a shape has what is not spoken of where no shape has it."""

TEXT_PARAMETERS = frozenset({"dtype", "causal", "decode", "lengths"})
"""The parameters whose values are words; the others' are numbers."""


@dataclass(frozen=True)
class ShapeColumns:
    """Which parameters of some shapes differ between them, and what the others have in common."""

    varying: tuple[str, ...]
    constant: dict[str, str]

    def cells(self, shape: Attention) -> tuple[str, ...]:
        """The values of the varying parameters of one shape."""
        return tuple(_PARAMETERS[name](shape) for name in self.varying)

    def caption(self) -> str:
        """What all shapes have in common: "batch 32, heads 16, head dim 64, float16, causal"."""
        return ", ".join(_phrase(name, value) for name, value in self.constant.items())

    def describe(self, shape: Attention) -> str:
        """What makes one shape differ from the others: "seq 1024, causal"; "" if nothing does."""
        return ", ".join(map(_phrase, self.varying, self.cells(shape)))


def _phrase(name: str, value: str) -> str:
    if name == "dtype":
        return value
    if name == "causal":
        return "causal" if value == "yes" else "not causal"
    if name == "decode":
        return "decode" if value == "yes" else "no decode"
    return f"no {name}" if value == "none" else f"{name} {value}"


def shape_columns(workloads: Iterable[Attention]) -> ShapeColumns:
    """The parameters that vary among `workloads`, and the constant ones with their values.

    Query and key lengths are one "seq" where they are the same, kv heads are left out where
    they are the heads, and what a shape may have besides (a window, dropout, a softcap, decoding,
    unlike lengths) where none has it. With unlike lengths the seq is the longest's.
    """
    shapes = list(dict.fromkeys(workloads))
    hidden = {"seq q", "seq k"} if all(shape.seq_q == shape.seq_k for shape in shapes) else {"seq"}
    if all(shape.heads == shape.kv_heads for shape in shapes):
        hidden.add("kv heads")
    hidden |= {name for name, has in _OPTIONAL.items() if not any(map(has, shapes))}
    values = {
        name: list(dict.fromkeys(map(value, shapes)))
        for name, value in _PARAMETERS.items()
        if name not in hidden
    }
    return ShapeColumns(*varying_and_constant(values))


def varying_and_constant(values: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Of parameters with the values that occur, each once: those that vary, and those that do not."""
    return (
        tuple(name for name, seen in values.items() if len(seen) > 1),
        {name: seen[0] for name, seen in values.items() if len(seen) == 1},
    )


def describe_shape(shape: Attention) -> str:
    """A shape in full: "batch 32, seq 1024, heads 16, head dim 64, float16, causal"."""
    return shape_columns([shape]).caption()
