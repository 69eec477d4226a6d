"""The optional packages: installed, importable, and which FlashAttention it is."""

from __future__ import annotations

import impls
from profiler.doctor.check import Check
from profiler.doctor.facts import PACKAGES, Facts

_GROUP = "Packages"
_INSTALL_BITSANDBYTES = "pip install 'attnprof[bnb]'"
# A compiled extension that was built for another torch, Python or CUDA fails to load in one of these words.
_ABI_ERRORS = ("undefined symbol", "cannot open shared object", "dll load failed", "symbol not found")


def check_flash(facts: Facts) -> Check:
    """FlashAttention 2: the flash-attn package, and the head dims that ran forward and backward."""
    version = facts.packages.get("flash-attn")
    if version is None:
        return _flash_missing(facts)
    if version.startswith(("0.", "1.")):
        finding = f"{version} is FlashAttention 1, under the import name of 2"
        return Check(_GROUP, "flash-attn", "warn", finding, _flash_install())
    if failure := import_failure(facts, "flash-attn", version):
        return Check(_GROUP, "flash-attn", "problem", failure, _rebuild("flash-attn"))
    step = facts.probe.get("flash head dims")
    if step is None:
        return Check(_GROUP, "flash-attn", "ok", f"{version}, imports; not tried, as CUDA sees no GPU")
    if step.error:
        finding = f"{version} imports and fails on the GPU: {step.error}"
        return Check(_GROUP, "flash-attn", "problem", finding, _rebuild("flash-attn"))
    return Check(_GROUP, "flash-attn", "ok", f"{version}, runs head dims {', '.join(map(str, step.value))}")


def check_cute(facts: Facts) -> list[Check]:
    """Whether flash-attn 2's old `flash_attn/cute` hides FlashAttention-4."""
    if facts.cute is None or facts.cute.owner == "flash-attn-4":
        return []
    whose = f"{facts.cute.owner}'s old copy" if facts.cute.owner else "a copy that no package owns"
    if "flash-attn-4" in facts.packages:
        finding = f"flash_attn.cute is {whose}, which hides FlashAttention-4"
        remedy = "pip install --force-reinstall --no-deps flash-attn-4"
        return [Check(_GROUP, "flash_attn.cute", "warn", finding, remedy)]
    return [Check(_GROUP, "flash_attn.cute", "ok", f"{whose}; FlashAttention-4 is not installed")]


def check_package(facts: Facts, distribution: str) -> list[Check]:
    """A package that no implementation needs yet, if it is installed."""
    version = facts.packages.get(distribution)
    if version is None:
        return []
    remedy = f"pip install --force-reinstall --no-deps {distribution}"
    if finding := import_failure(facts, distribution, version):
        return [Check(_GROUP, distribution, "warn", finding, remedy)]
    return [Check(_GROUP, distribution, "ok", f"{version}, imports")]


def check_bitsandbytes(facts: Facts) -> Check:
    """bitsandbytes, which only training with AdamW's states in 8 bits needs."""
    name, purpose = "bitsandbytes", "8-bit AdamW in `attnprof train`"
    version = facts.packages.get(name)
    if version is None:
        return Check(_GROUP, name, "ok", f"not installed; only {purpose} needs it ({_INSTALL_BITSANDBYTES})")
    step = facts.probe.get("8-bit AdamW")
    failure = import_failure(facts, name, version)
    if failure is None and step is not None and step.error:
        failure = f"{version} imports and fails on the GPU: {step.error}"
    if failure is not None:
        return Check(_GROUP, name, "warn", f"{failure}; {purpose} needs it", f"{_INSTALL_BITSANDBYTES} -U")
    if step is None:
        return Check(_GROUP, name, "ok", f"{version}, imports; not tried, as CUDA sees no GPU")
    return Check(_GROUP, name, "ok", f"{version}, runs {purpose}")


def import_failure(facts: Facts, distribution: str, version: str) -> str | None:
    """Why a package that is there cannot be imported; None if it can, or if torch itself could not."""
    step = facts.probe.get(PACKAGES[distribution])
    if step is None or step.error is None:
        return None
    built = ""
    if any(word in step.error.lower() for word in _ABI_ERRORS):
        built = ", so it was built for another torch or CUDA"
    return f"{version} cannot be imported{built}: {step.error}"


def _flash_missing(facts: Facts) -> Check:
    if not any(gpu.visible for gpu in facts.gpus):
        return Check(_GROUP, "flash-attn", "ok", "not installed; it needs a CUDA GPU")
    finding = "not installed, so flash2 cannot be measured"
    if facts.nvcc is None:
        finding += "; it is built from source, and nvcc is missing too"
    return Check(_GROUP, "flash-attn", "warn", finding, _flash_install())


def _flash_install() -> str:
    needed = impls.find("flash2").requires
    return needed.install if needed else _rebuild("flash-attn")


def _rebuild(distribution: str) -> str:
    """Build against the torch that is here; a cached wheel may be of another."""
    return f"pip install --force-reinstall --no-deps --no-cache-dir --no-build-isolation {distribution}"
