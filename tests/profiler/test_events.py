"""What events say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec

from profiler.events import SCHEMA, Kernel, Kernels, SessionEvent


def kernels(*times_us: float) -> Kernels:
    made = tuple(Kernel(name=f"k{number}", count=1, time_us=us) for number, us in enumerate(times_us))
    return Kernels(case=0, which="fwd", kernels=made, span_us=sum(times_us))


def test_kernels_are_listed_until_a_hundredth_of_their_time_is_left() -> None:
    listed = kernels(900.0, 91.0, 5.0, 4.0).longest()
    assert [kernel.name for kernel in listed] == ["k0", "k1"]


def test_kernels_that_all_count_are_all_listed() -> None:
    assert len(kernels(50.0, 30.0, 20.0).longest()) == 3
    assert kernels().longest() == ()


def test_every_event_and_each_of_its_fields_is_documented() -> None:
    text = (Path(__file__).parents[2] / "sessions" / "README.md").read_text(encoding="utf-8")
    headings = {part.partition("\n")[0]: part for part in text.split("\n### ")[1:]}
    for event in get_args(SessionEvent):
        tag = event.__struct_config__.tag
        assert tag in headings, f"sessions/README.md has no section '{tag}'"
        names = set(event.__struct_encode_fields__) - {"at_s"}
        undocumented = {name for name in names if f"`{name}`" not in headings[tag]}
        assert not undocumented, f"sessions/README.md does not tell of {undocumented} of '{tag}'"


def test_every_field_within_an_event_is_documented() -> None:
    text = (Path(__file__).parents[2] / "sessions" / "README.md").read_text(encoding="utf-8")
    undocumented = {
        f"{struct.cls.__name__}.{field.encode_name}"
        for struct in structs_within(msgspec.inspect.type_info(SessionEvent))
        for field in struct.fields
        if f"`{field.encode_name}`" not in text
    }
    assert undocumented == set()


def test_every_documented_event_exists_and_the_schema_is_this_one() -> None:
    text = (Path(__file__).parents[2] / "sessions" / "README.md").read_text(encoding="utf-8")
    tags = {event.__struct_config__.tag for event in get_args(SessionEvent)}
    events = text.partition("\n## Events\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### (\w+)$", events, flags=re.MULTILINE)) == tags
    assert f"| `schema` | version of this format, `[{SCHEMA[0]}, {SCHEMA[1]}]`;" in text


def structs_within(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.StructType]:
    """Every struct that a type is made of, itself included."""
    match kind:
        case msgspec.inspect.StructType():
            yield kind
            for field in kind.fields:
                yield from structs_within(field.type)
        case msgspec.inspect.UnionType():
            for one in kind.types:
                yield from structs_within(one)
        case msgspec.inspect.DictType():
            yield from structs_within(kind.value_type)
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            yield from structs_within(kind.item_type)
