"""The Triton forward with gradients: a backward that computes the forward again, in plain PyTorch."""

import torch
from plain_kernel import attention as plain
from triton_kernel import attention as fused


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, causal, scale):
        ctx.save_for_backward(q, k, v)
        ctx.options = {"causal": causal, "scale": scale}
        return fused(q, k, v, **ctx.options)

    @staticmethod
    def backward(ctx, grad_out):
        q, k, v = (tensor.detach().requires_grad_() for tensor in ctx.saved_tensors)
        with torch.enable_grad():
            out = plain(q, k, v, **ctx.options)
        return *torch.autograd.grad(out, (q, k, v), grad_out), None, None


def attention(q, k, v, *, causal, scale):
    """Fused forward in Triton, backward in plain PyTorch."""
    return _Attention.apply(q, k, v, causal, scale)


attention.gqa = False
attention.max_head_dim = 128
