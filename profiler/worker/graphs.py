"""A pass as a CUDA graph: what a call costs when its launch is paid for once."""

from __future__ import annotations

import torch

from impls.contract import Attend
from profiler.worker.calls import Calls
from profiler.worker.devices import Device
from profiler.worker.inputs import Tensors
from profiler.worker.timer import Call
from profiler.workload import Pass

# Kernels that pick an algorithm, or compile, do so in their first calls: none may be captured.
_CALLS_BEFORE = 2


def capture(attend: Attend, which: Pass, inputs: Tensors, device: Device) -> Call:
    """One call of a pass, captured: calling the result replays it on the current stream.

    The replay holds the call's memory for as long as it lives.

    Raises:
        Exception: of the kind that the call or CUDA raises where it cannot be captured (it waits
            for the GPU, asks for a value on the host, uses a stream of its own).
    """
    calls = Calls(attend, device)
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        # Leaves of their own: autograd remembers on which stream a leaf was first used.
        call = calls.ready(which, _leaves(inputs))
        for _ in range(_CALLS_BEFORE):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    with torch.cuda.graph(graph, stream=stream):
        result = call()

    def replay() -> object:
        graph.replay()
        return result  # kept alive by the closure: the graph writes into it

    return replay


def _leaves(inputs: Tensors) -> Tensors:
    """The same memory behind new leaves."""
    q, k, v = (tensor.detach().requires_grad_() for tensor in (inputs.q, inputs.k, inputs.v))
    return Tensors(q, k, v, inputs.grad_out)
