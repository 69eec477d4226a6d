"""Running a user's Python file, in the worker: once, and again when it or what it imports has changed.

As `python FILE` would: what lies beside the file can be imported. Unlike there, a file beside it
that is called like a module of Python's own cannot take that module's place later, when torch
looks for it.
"""

from __future__ import annotations

import hashlib
import importlib
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

# Of a file: touching it is enough to have it run again, and so is a change within a tick of the clock.
Stamp = tuple[int, bytes]

# Such as "/root/.cache/.../cuda.cu(12): error: ..." of nvcc, and "main.cpp:3:5: error: ..." of g++.
_COMPILERS_LINE = re.compile(r"^(\S+?)((?:\(\d+\)|:\d+(?::\d+)?): (?:fatal )?error\b.*)$", re.MULTILINE)


class BrokenFile(Exception):
    """A user's file cannot be run, or has no such function once it was; the message says where and why."""


@dataclass(frozen=True)
class _Run:
    """What running a file has made, and the files that went into it as they were."""

    module: ModuleType
    stamps: dict[Path, Stamp | None]

    def is_current(self) -> bool:
        return _unchanged(self.stamps.items())


_runs: dict[Path, _Run] = {}
# By folder, the modules that files which were run there have imported from it, by their names.
_siblings: dict[Path, dict[str, tuple[Path, Stamp | None]]] = {}


def function_of(path: Path, name: str) -> Callable[..., Any]:
    """The function of that name in the file, as the file is now.

    Raises:
        BrokenFile: it cannot be had.
    """
    run = _runs.get(path)
    if run is None or not run.is_current():
        _runs.pop(path, None)
        run = _runs[path] = _run(path)
    found = getattr(run.module, name, None)
    if not callable(found):
        raise BrokenFile(f"{path.name}: once it has run there is no function {name}")
    function: Callable[..., Any] = found
    return function


def place_of(error: BaseException) -> str | None:
    """The last line of a user's file that an error went through, as "kernel.py, line 12", or None."""
    files = {str(file) for run in _runs.values() for file in run.stamps}
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename in files and frame.lineno
    ]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else None


def _run(path: Path) -> _Run:
    stamp = _stamp(path)
    if stamp is None:
        raise BrokenFile(f"{path.name} cannot be read any more")
    source = stamp[1]
    _forget_siblings(path.parent)
    linecache.checkcache()  # or inspect, and so Triton, would read the text as it was
    importlib.invalidate_caches()
    # One name for one text: what is compiled under it and kept on the disk is found again.
    digest = hashlib.sha256(str(path).encode() + b"\0" + source).hexdigest()[:12]
    spec = spec_from_file_location(f"attnprof_own_{digest}", path)
    assert spec is not None
    module = module_from_spec(spec)
    before = set(sys.modules)
    sys.modules[spec.name] = module
    try:
        with _importing_from(path.parent):
            # Not by the spec's loader: Python's cached bytecode cannot tell two texts of one second apart.
            exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise BrokenFile(_sentence(error, path)) from error
    finally:
        _note_siblings(path.parent, before)
    return _Run(module, {path: stamp, **dict(_siblings[path.parent].values())})


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Look into `folder` first; afterwards last, for what functions import when they are called."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have done so itself
            sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def _sentence(error: BaseException, path: Path) -> str:
    """What is wrong with the file, with the line."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).parent == path.parent
    ]
    place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else path.name
    if compiler := _COMPILERS_LINE.search(str(error)):  # of a CUDA extension, after pages of commands
        return f"{place}: {Path(compiler[1]).name}{compiler[2]}"
    return f"{place}: {type(error).__name__}: {error}".rstrip(": ")


def _stamp(file: Path) -> Stamp | None:
    try:
        return file.stat().st_mtime_ns, file.read_bytes()
    except OSError:
        return None


def _unchanged(stamps: Iterable[tuple[Path, Stamp | None]]) -> bool:
    return all(_stamp(file) == stamp for file, stamp in stamps)


def _note_siblings(folder: Path, before: set[str]) -> None:
    """Remember the modules that are new and lie in `folder`, in a package there if need be."""
    known = _siblings.setdefault(folder, {})
    loaded = {name.partition(".")[0] for name in before} - {name.partition(".")[0] for name in known}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        top = name.partition(".")[0]
        if name in before or top in loaded or not file or not _is_beside(Path(file), folder, top):
            continue
        known[name] = (Path(file), _stamp(Path(file)))


def _is_beside(file: Path, folder: Path, top: str) -> bool:
    """Whether `import top` finds the file there; what an environment in the folder holds is not beside it."""
    if file.suffix != ".py" or folder not in file.parents:
        return False
    return file.relative_to(folder).parts[0] in (top, f"{top}.py")


def _forget_siblings(folder: Path) -> None:
    """Have what lies beside the file imported anew, if any of it has changed.

    Modules of the same name from another folder make room for those that lie here.
    """
    for other, known in _siblings.items():
        tops = {name.partition(".")[0] for name in known}
        is_in_the_way = other != folder and any(
            (folder / top).is_dir() or (folder / f"{top}.py").is_file() for top in tops
        )
        if is_in_the_way or (other == folder and not _unchanged(known.values())):
            for name in known:
                sys.modules.pop(name, None)
            known.clear()
