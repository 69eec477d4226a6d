"""What exceptions of a case are said to mean."""

from __future__ import annotations

import warnings

import pytest
import torch

from profiler.worker.failures import Explanation, explain

GIB = 2**30


@pytest.mark.parametrize(
    ("error", "requested_bytes"),
    [
        (
            torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 32.00 GiB. GPU 0 has a total capacity of 79.11 GiB of "
                "which 12.63 GiB is free. Process 71 has 66.47 GiB memory in use. Of the allocated memory "
                "65.00 GiB is allocated by PyTorch, and 512.00 MiB is reserved by PyTorch but unallocated."
            ),
            32 * GIB,
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.50 MiB."), 20 * 2**20 + 2**19),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than 1EB memory."),
            None,
        ),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: "
                "you tried to allocate 4398046511104 bytes. Error code 12 (Cannot allocate memory)"
            ),
            4 * 2**40,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), None),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"), None),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), None),
        (RuntimeError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`"), None),
        (RuntimeError("std::bad_alloc"), None),
        (MemoryError(), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_out_of_memory_is_told_with_the_bytes_asked_for(
    error: Exception, requested_bytes: int | None
) -> None:
    assert explain(error) == Explanation("oom", "out of memory", requested_bytes)


def test_the_cpu_allocators_own_refusal_is_understood() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert explain(refused.value) == Explanation("oom", "out of memory", 1 << 60)


def caught(*messages: str) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        for message in messages:
            warnings.warn(message, stacklevel=1)
    return recorded


AT = "(Triggered internally at /pytorch/aten/src/ATen/native/transformers/cuda/sdp_utils.cpp:773.)"


def test_an_sdpa_backend_that_refuses_says_why_and_not_where_in_torch() -> None:
    reasons = caught(
        f"Memory efficient kernel not used because: {AT}",
        f"Memory Efficient attention has been runtime disabled. {AT}",
        f"Flash attention kernel not used because: {AT}",
        f"Expected query, key and value to all be of dtype: {{Half, BFloat16}}. Got Query dtype: float. {AT}",
        f"Flash attention only supports gpu architectures in the range [sm80, sm121].\n {AT}",
        f"Flash attention only supports gpu architectures in the range [sm80, sm121].\n {AT}",
    )
    error = RuntimeError("No available kernel. Aborting execution.")
    assert explain(error, reasons) == Explanation(
        "unsupported",
        "Expected query, key and value to all be of dtype: {Half, BFloat16}. Got Query dtype: float; "
        "Flash attention only supports gpu architectures in the range [sm80, sm121]",
    )


def test_a_refusal_without_reasons_is_still_a_sentence() -> None:
    explanation = explain(RuntimeError("No available kernel. Aborting execution."))
    assert explanation == Explanation("unsupported", "this backend does not take this shape")


def test_warnings_are_no_reasons_for_another_error() -> None:
    assert "careful" not in explain(ValueError("a bug"), caught("careful")).message


def test_a_package_that_does_not_load_is_a_reason_not_an_error() -> None:
    error = ImportError("libcudart.so.12: cannot open shared object file: No such file or directory")
    assert explain(error) == Explanation("unsupported", f"its package does not load: {error}")
    assert explain(ModuleNotFoundError("No module named 'flash_attn'")).kind == "unsupported"


def test_what_is_not_implemented_is_unsupported() -> None:
    message = "Could not run 'aten::_flash' with arguments from the 'CPU' backend."
    # torch goes on for pages after an empty line.
    assert explain(NotImplementedError(f"{message}\n\nCPU: registered at ...")) == Explanation(
        "unsupported", message
    )
    assert explain(NotImplementedError()).message == "not implemented"


def test_any_other_error_is_named_in_one_line() -> None:
    assert explain(ValueError("the head dim\n  must be even")) == Explanation(
        "error", "ValueError: the head dim must be even"
    )


def test_a_very_long_message_is_cut() -> None:
    message = explain(RuntimeError("x" * 10_000)).message
    assert len(message) < 450
    assert message.startswith("RuntimeError: xxx")
    assert message.endswith("xxx...")
