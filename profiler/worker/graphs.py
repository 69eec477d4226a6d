"""A pass as a CUDA graph: what a call costs when its launch is paid for once."""

from __future__ import annotations

import torch

from profiler.worker.calls import Calls
from profiler.worker.inputs import Tensors
from profiler.worker.timer import Call
from profiler.workload import Pass

# Kernels that pick an algorithm, or compile, do so in their first calls: none may be captured.
_CALLS_BEFORE = 2


def capture(calls: Calls, which: Pass, inputs: Tensors, stream: torch.cuda.Stream) -> Call:
    """One call of a pass, captured on `stream`: calling the result replays it on the current stream.

    The replay holds the call's memory for as long as it lives.

    Raises:
        Exception: of the kind that the call or CUDA raises where it cannot be captured (it waits
            for the GPU, asks for a value on the host, uses a stream of its own).
    """
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        # Leaves of their own: autograd remembers on which stream a leaf was first used.
        call = calls.ready(which, _leaves(inputs))
        for _ in range(_CALLS_BEFORE):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph, pool, cause = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle(), None
    try:
        # The outer one brings the current stream back where ending the capture raises.
        with (
            torch.cuda.stream(torch.cuda.current_stream()),
            torch.cuda.graph(graph, pool=pool, stream=stream),
        ):
            try:
                result = call()
            except Exception as error:
                cause = error  # what follows only says that the capture failed
                raise
    except Exception as error:
        _give_up(pool)
        raise cause or error from None

    def replay() -> object:
        graph.replay()
        return result  # kept alive by the closure: the graph writes into it

    return replay


def _leaves(inputs: Tensors) -> Tensors:
    """The same memory behind new leaves."""
    q, k, v = (tensor.detach().requires_grad_() for tensor in (inputs.q, inputs.k, inputs.v))
    return Tensors(q, k, v, inputs.grad_out)


def _give_up(pool: tuple[int, int]) -> None:
    """Take the allocator out of a capture that failed, and give the capture's pool back.

    torch 2.11 leaves both as they were when ending the capture raises. Where it has ended the
    allocation itself, which it then refuses to do again, the graph gives the pool back too.
    """
    device = torch.cuda.current_device()
    try:
        torch._C._cuda_endAllocateToPool(device, pool)
    except RuntimeError:
        return
    torch._C._cuda_releasePool(device, pool)
