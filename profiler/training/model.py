"""A model in training: GPT-2 by its sizes, what a step of it is made of, and the work that takes."""

from __future__ import annotations

import re
from typing import Literal, get_args

import msgspec

from profiler.workload import Attention, Size

Mode = Literal["eager", "compile", "fullgraph", "reduce-overhead"]
"""The model as it is; under torch.compile; so in one graph or not at all; or so with CUDA graphs."""

Optimizer = Literal["adamw-foreach", "adamw-fused", "adamw-8bit"]
"""AdamW, by PyTorch in one of two ways, or with bitsandbytes' states of 8 bits."""

MODES: tuple[Mode, ...] = get_args(Mode)
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
VOCAB = 16_384


class TrainingError(ValueError):
    """What was asked for is no model, or no way to train one; the message is one sentence."""


class Gpt(msgspec.Struct, frozen=True, kw_only=True):
    """The architecture of GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners").

    `width` is split among `heads`; of keys and values there are `kv_heads`. The feed-forward layer is
    four times as wide, positions are learned, and the head shares the tokens' embedding. `bias` is
    that of the linear layers and layer norms; `dropout` that of attention, of the two residual
    branches and of the embedding.

    Raises:
        TrainingError: the sizes do not make a model.
    """

    name: str
    layers: Size
    heads: Size
    kv_heads: Size
    width: Size
    vocab: Size = VOCAB
    bias: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("layers", "heads", "kv_heads", "width", "vocab"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.width % self.heads:
            raise TrainingError(f"a width of {self.width} cannot be split among {self.heads} heads")
        if self.heads % self.kv_heads:
            raise TrainingError(
                f"heads must be a multiple of kv heads: {self.heads} is not one of {self.kv_heads}"
            )
        if not 0 <= self.dropout < 1:
            raise TrainingError(f"dropout must be at least 0 and below 1, not {self.dropout:g}")

    @property
    def head_dim(self) -> int:
        return self.width // self.heads

    def parameters(self, context: int) -> int:
        """How many numbers are trained, `context` positions' embeddings among them."""
        return self._parameters_of_positions(context) + self._parameters_besides()

    def _parameters_of_positions(self, context: int) -> int:
        return context * self.width

    def _parameters_besides(self) -> int:
        width, bias = self.width, int(self.bias)
        to_qkv = (width + 2 * self.kv_heads * self.head_dim) * (width + bias)
        from_heads = width * (width + bias)
        feed_forward = 4 * width * (width + bias) + width * (4 * width + bias)
        norms = 2 * width * (1 + bias)
        return self.vocab * width + self.layers * (to_qkv + from_heads + feed_forward + norms) + norms // 2

    def flop_per_token(self, context: int) -> float:
        """Floating-point operations, forward and backward, for one token of a sequence: 6N + 12 L W C.

        That is the formula of PaLM's appendix B (Chowdhery et al. 2022, arXiv:2204.02311), by which MFU is
        told everywhere: N are the parameters but for the positions' embeddings, L the layers, W the width, C
        the context. It counts causal attention as if nothing were masked, and nothing that is computed twice.
        """
        return 6.0 * self._parameters_besides() + 12.0 * self.layers * self.width * context


_SIZES = {
    "gpt2-small": (12, 12, 768),
    "gpt2-medium": (24, 16, 1024),
    "gpt2-large": (36, 20, 1280),
    "gpt2-xl": (48, 25, 1600),
}
MODEL_NAMES = tuple(_SIZES)
_OWN_SIZES = re.compile(r"(\d{1,6})x(\d{1,6})x(\d{1,6})", re.ASCII)


def gpt2(
    name: str, *, kv_heads: int | None = None, vocab: int = VOCAB, bias: bool = False, dropout: float = 0.0
) -> Gpt:
    """The GPT-2 of that name ("gpt2-medium", or "medium"), or of one's own sizes.

    Those are LAYERSxHEADSxWIDTH: "2x4x64" has 2 layers, 4 heads and a width of 64. `kv_heads` None
    is as many as heads.

    Raises:
        TrainingError: there is none of that name, or what it is to have does not fit it.
    """
    short = name.strip().lower().removeprefix("gpt2-")
    full = f"gpt2-{short}"
    own = _OWN_SIZES.fullmatch(short)
    if full not in _SIZES and not own:
        raise TrainingError(
            f"there is no model '{name}'; there are {', '.join(MODEL_NAMES)}, "
            "and sizes of your own as LAYERSxHEADSxWIDTH, such as 12x12x768"
        )
    layers, heads, width = map(int, own.groups()) if own else _SIZES[full]
    return Gpt(
        name=full,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads or heads,
        width=width,
        vocab=vocab,
        bias=bias,
        dropout=dropout,
    )


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """A model trained at one length of context, in one way: a row of the table.

    `dtype` is what autocast computes in: float16 brings the scaling of the loss with it, float32 is none
    at all. Parameters and the optimizer's states are float32, 8-bit states aside.

    Raises:
        TrainingError: a size is not positive, or a name is none.
    """

    model: Gpt
    context: Size
    dtype: str = "float16"
    optimizer: Optimizer = "adamw-foreach"
    mode: Mode = "eager"

    def __post_init__(self) -> None:
        if self.context < 1:
            raise TrainingError(f"context must be at least 1, not {self.context}")
        if self.dtype not in ("float16", "bfloat16", "float32"):
            raise TrainingError(f"there is no precision '{self.dtype}'; there are float16, bfloat16, float32")

    def attention(self, batch: int) -> Attention:
        """One layer's attention, of `batch` sequences."""
        model = self.model
        return Attention(
            batch=batch,
            seq_q=self.context,
            seq_k=self.context,
            heads=model.heads,
            kv_heads=model.kv_heads,
            head_dim=model.head_dim,
            dtype=self.dtype,
            causal=True,
            dropout=model.dropout,
        )

    @property
    def parameters(self) -> int:
        return self.model.parameters(self.context)

    def model_tflops(self, tokens_per_s: float) -> float:
        """TFLOP/s of the model's own work at that throughput, by Gpt.flop_per_token."""
        return tokens_per_s * self.model.flop_per_token(self.context) / 1e12
