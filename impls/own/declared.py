"""What a user's function takes and can do: read off its parameters, and said by its attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from impls._flash import starts
from impls.contract import DeviceInfo, Workload
from impls.own.source import CannotUse, Function

if TYPE_CHECKING:
    import torch

_OPTIONS = {
    "causal": "causal",
    "is_causal": "causal",
    "scale": "scale",
    "sm_scale": "scale",
    "softmax_scale": "scale",
    "window": "window",
    "softcap": "softcap",
    "dropout_p": "dropout_p",
    "cu_seqlens": "cu_seqlens",
    "cu_seqlens_q": "cu_seqlens",
    "cu_seqlens_k": "cu_seqlens",
    "max_seqlen": "max_seqlen",
    "max_seqlen_q": "max_seqlen",
    "max_seqlen_k": "max_seqlen",
}
"""Parameters that can be given, under the names that kernels have for them, and what each is given."""

# Packed tokens have another shape: a function must name the option to be given them.
_PACKED = ("cu_seqlens", "max_seqlen")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _some_of(*names: str) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, tuple)
        and bool(value)
        and all(isinstance(one, str) and one in names for one in value)
    )


def _is_capability(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(type(part) is int for part in value)


_FLAG = ("True or False", _is_flag)
_COUNT = ("a whole number from 1 on", _is_count)
_ATTRIBUTES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "label": ("a text", lambda value: isinstance(value, str) and bool(value.strip())),
    "layout": ("'bhsd', 'bshd' or 'thd'", lambda value: value in ("bhsd", "bshd", "thd")),
    "devices": ("some of 'cuda', 'cpu'", _some_of("cuda", "cpu")),
    "dtypes": (
        "some of 'float16', 'bfloat16', 'float32'",
        _some_of("float16", "bfloat16", "float32"),
    ),
    "min_compute_capability": ("two numbers such as (9, 0)", _is_capability),
    "min_head_dim": _COUNT,
    "max_head_dim": _COUNT,
    "head_dim_multiple": _COUNT,
    "gqa": _FLAG,
    "unequal_causal": _FLAG,
    "backward": _FLAG,
    "repeats_backward": _FLAG,
}
"""Attributes that a function may have, what each must be, and whether a value is that."""
_SEVERAL = ("devices", "dtypes", "min_compute_capability")


def check_signature(function: Function, shown: str) -> None:
    """See that it can be called.

    Raises:
        CannotUse: it does not take q, k and v, or needs what is not to be had.
    """
    called = f"{shown}:{function.name}"
    first = function.positional[:3]
    if len(first) < 3 and not function.takes_any_position:
        raise CannotUse(f"{called} takes ({function.signature}): its first three must be q, k and v")
    given = function.by_name & _OPTIONS.keys()
    if missing := sorted(function.required - set(first) - given):
        raise CannotUse(
            f"{called} needs {' and '.join(missing)}, which no shape has: give it a default value "
            f"(there are {', '.join(dict.fromkeys(_OPTIONS.values()))})"
        )


def facts(function: Function, shown: str) -> dict[str, Any]:
    """The fields of an Implementation that follow from the function.

    Raises:
        CannotUse: an attribute says nothing that is understood.
    """
    said = _said(function, shown)
    layout = said.setdefault("layout", "bhsd")
    packed = takes(function, "cu_seqlens")
    if layout == "thd" and not packed:
        raise CannotUse(f"{shown}:{function.name} has the layout 'thd', so it must take cu_seqlens")
    causal = takes(function, "causal")

    def refuses(workload: Workload, device: DeviceInfo) -> str | None:
        if workload.causal and not causal:
            return "takes no causal"
        if layout == "thd" and workload.seq_q != workload.seq_k:
            return "takes one cu_seqlens, for q and k alike (seq_q must equal seq_k)"
        return None

    return {
        **said,
        "window": takes(function, "window"),
        "softcap": takes(function, "softcap"),
        "dropout": takes(function, "dropout_p"),
        "decode": layout != "thd",
        # Padding stands behind a sequence's tokens, where a causal mask lets none of them look.
        "ragged": "packed" if packed else "causal only" if causal else None,
        "refuses": refuses,
    }


def takes(function: Function, option: str) -> bool:
    """Whether the function takes an option, by any of its names or through **."""
    return _names(function, option) or (function.takes_any_name and option not in _PACKED)


def _names(function: Function, option: str) -> bool:
    return any(_OPTIONS.get(parameter) == option for parameter in function.by_name)


def options(function: Function, workload: Workload, device: str, *, packed: bool) -> dict[str, object]:
    """What the function is called with beside q, k and v, which are `packed` or not.

    An option that it names it is always given. One that only its ** would take it is given where
    the shape has it.
    """
    values: dict[str, object] = {
        "causal": workload.causal,
        "scale": workload.head_dim**-0.5,
        "window": workload.window,
        "softcap": workload.softcap,
        "dropout_p": workload.dropout,
        **(_lengths(workload, device) if packed else dict.fromkeys(_PACKED)),
    }
    given = {
        parameter: values[option] for parameter, option in _OPTIONS.items() if parameter in function.by_name
    }
    if function.takes_any_name:
        absent = {"window": None, "softcap": None, "dropout_p": 0.0}
        for option, value in values.items():
            has_it = option not in absent or value != absent[option]
            if has_it and takes(function, option) and not _names(function, option):
                given[option] = value
    return given


def _lengths(workload: Workload, device: str) -> dict[str, torch.Tensor | int]:
    """Where each sequence begins and the last ends, among the packed tokens, and the longest."""
    lengths = workload.lengths or (workload.seq_q,) * workload.batch
    return {"cu_seqlens": starts(lengths, device), "max_seqlen": max(lengths)}


def _said(function: Function, shown: str) -> dict[str, Any]:
    """The function's attributes, each found to be what it must be."""
    said: dict[str, Any] = {}
    for name, attribute in function.attributes.items():
        if name.startswith("_"):
            continue
        place = f"{shown}, line {attribute.line}: {function.name}.{name}"
        if name not in _ATTRIBUTES:
            raise CannotUse(f"{place} is not known; there are {', '.join(_ATTRIBUTES)}")
        must_be, is_that = _ATTRIBUTES[name]
        value = attribute.value
        if name in _SEVERAL and isinstance(value, str | list):
            value = (value,) if isinstance(value, str) else tuple(value)
        if not attribute.is_literal:
            raise CannotUse(f"{place} must be written out as {must_be}: the file is read, not run")
        if not is_that(value):
            raise CannotUse(f"{place} must be {must_be}, not {attribute.text}")
        said[name] = value
    return said
