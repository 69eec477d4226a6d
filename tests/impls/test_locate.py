"""How a module's file is found without importing what stands above it."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from impls._locate import find_module


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path. What is imported from it raises."""
    for file in (
        "locate_package/__init__.py",
        "locate_package/module.py",
        "locate_package/inner/__init__.py",
        "locate_package/inner/deep.py",
        "locate_package/bare/leaf.py",
        "locate_namespace/package/__init__.py",
        "locate_namespace/bare/leaf.py",
        "locate_module.py",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("raise AssertionError('imported')\n")
    (tmp_path / "locate_package/_C.so").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("locate_module", "locate_module.py"),
        ("locate_package", "locate_package/__init__.py"),
        ("locate_package.module", "locate_package/module.py"),
        ("locate_package._C", "locate_package/_C.so"),
        ("locate_package.inner", "locate_package/inner/__init__.py"),
        ("locate_package.inner.deep", "locate_package/inner/deep.py"),
        ("locate_package.bare.leaf", "locate_package/bare/leaf.py"),
        ("locate_namespace.package", "locate_namespace/package/__init__.py"),
        ("locate_namespace.bare.leaf", "locate_namespace/bare/leaf.py"),
    ],
)
def test_a_module_is_found_and_nothing_is_imported(site: Path, name: str, file: str) -> None:
    assert find_module(name) == site / file
    assert not [module for module in sys.modules if module.startswith("locate_")]


@pytest.mark.parametrize(
    "name",
    [
        "locate_absent",
        "locate_package.absent",
        "locate_absent.module",
        "locate_module.inside",
        "locate_namespace",  # a namespace has no file
        "locate_package.bare",
        "sys",  # nor has what is built in
        "",
        "locate_package.",
        "locate_package..module",
    ],
)
def test_what_has_no_file_is_not_found(site: Path, name: str) -> None:
    assert find_module(name) is None


def test_an_imported_module_is_found_all_the_same() -> None:
    assert find_module("json.decoder") == Path(json.__file__).with_name("decoder.py")


def test_a_name_that_is_only_registered_is_not_taken_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "locate_registered", json)
    assert find_module("locate_registered") is None


def test_finders_of_editable_installs_are_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").touch()

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            if name != "locate_editable":
                return None
            return spec_from_file_location(name, tmp_path / "elsewhere.py")

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert find_module("locate_editable") == tmp_path / "elsewhere.py"
