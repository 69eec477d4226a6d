"""Whether torch.compile was at work in a call, and where it broke the graph.

Read from Dynamo's own counters (torch._dynamo.utils), before and after. Dynamo is not imported
for that: it costs a second, and where nobody has imported it nothing was compiled.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

_MOST_CHARACTERS = 160
_UNTOLD = "torch.compile did not say why"
_FOLDERS = re.compile(r"(?<![\w/.])(?:/[\w.+-]+)+/(?=[\w.+-]+)")


@dataclass
class Compilation:
    """What was compiled while it was watched: graph breaks by reason.

    None where nothing was compiled, empty where all was compiled in one piece. A function that
    could not be compiled at all, and so ran as it is, counts as a break too.
    """

    graph_breaks: dict[str, int] | None = None


@contextmanager
def watch_compilation() -> Iterator[Compilation]:
    """Watch what torch.compile does in the `with` block; what is yielded is filled in at its end.

    Code that was compiled before says nothing of its breaks any more.
    """
    before, compilation = _Counts.read(), Compilation()
    try:
        yield compilation
    finally:
        compilation.graph_breaks = _Counts.read().since(before)


def forget_compiled() -> None:
    """Have Dynamo compile anew what it has compiled so far, if anything.

    It keeps a few versions of a piece of code, then compiles for any shape, and at last not at
    all: a shape that comes late in a sweep would be measured with other code than the first. And
    code that it has kept breaks as it did, but no longer says so.
    """
    # Loading Dynamo only to reset it would load half of torch.
    if (dynamo := sys.modules.get("torch._dynamo")) and _Counts.read().compiled:
        dynamo.reset()


def let_backward_repeat() -> None:
    """Have compiled backwards, a user's own too, leave what forward saved as it is.

    They would reuse that memory, and refuse to be called again on a graph that was kept. The peak
    memory of a backward may be higher for it.
    """
    import torch._functorch.config

    torch._functorch.config.donated_buffer = False


def let_backward_reuse() -> None:
    """Have compiled backwards take what memory forward saved for their own, as is torch.compile's way."""
    import torch._functorch.config

    torch._functorch.config.donated_buffer = True


@dataclass(frozen=True)
class _Counts:
    """Dynamo's counters so far. `skipped` are functions that it gave up on."""

    compiled: int
    skipped: int
    breaks: int
    reasons: Counter[str]
    unsupported: Counter[str]

    @classmethod
    def read(cls) -> _Counts:
        dynamo = sys.modules.get("torch._dynamo.utils")
        counters: Mapping[str, Counter[str]] = getattr(dynamo, "counters", {})
        frames = counters.get("frames", Counter())
        return cls(
            # What is compiled with fullgraph=True is counted among the graphs alone.
            compiled=frames["total"] + counters.get("stats", Counter())["unique_graphs"],
            skipped=frames["total"] - frames["ok"],
            breaks=len(getattr(dynamo, "graph_break_reasons", ())),
            reasons=Counter(counters.get("graph_break")),
            unsupported=Counter(counters.get("unimplemented")),
        )

    def since(self, before: _Counts) -> dict[str, int] | None:
        if self.compiled <= before.compiled:
            return None
        reasons = self.reasons - before.reasons
        found: Counter[str] = Counter()
        for message, count in reasons.items():
            found[one_line(message)] += count
        # A branch on a tensor's value breaks the graph but is not among the reasons, nor are functions
        # given up on; what was the matter stands with other things that Dynamo met and got over.
        untold = max(self.breaks - before.breaks, 0) - reasons.total() + self.skipped - before.skipped
        for message, count in (self.unsupported - before.unsupported).items():
            if untold > 0:
                found[one_line(message)] += min(count, untold)
                untold -= count
        if untold > 0:
            found[_UNTOLD] += untold
        return dict(found.most_common())


def one_line(message: str) -> str:
    """Dynamo's title of a graph break, and the explanation that follows it in a line of its own.

    Files have their name alone: where they lie says more of the machine than of the break.
    """
    title, _, rest = message.strip().partition("\n")
    explanation = rest.strip().partition("\n")[0].removeprefix("Explanation:").strip()
    line = " ".join(f"{title}: {explanation}".split()) if explanation else " ".join(title.split())
    line = _FOLDERS.sub("", line)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 3].rstrip()}..."
