"""A forward in CUDA C++, built when the file is first run: one warp per query, softmax as it goes."""

from torch.utils.cpp_extension import load_inline

KERNEL = r"""
template <typename T, int PER_LANE>
__global__ void attend(const T* q, const T* k, const T* v, T* out, int queries, int seq_q, int seq_k,
                       int group, bool causal, float scale) {
  constexpr int kHeadDim = 32 * PER_LANE;
  const int lane = threadIdx.x;
  const long long query = blockIdx.x * (long long)blockDim.y + threadIdx.y;  // of all heads and batches
  if (query >= queries) return;
  const long long head = query / seq_q;
  const int position = query % seq_q + seq_k - seq_q;  // bottom-right: the last query sees the last key
  const int end = causal ? min(seq_k, position + 1) : seq_k;
  const long long first = head / group * seq_k;

  float asked[PER_LANE], sum[PER_LANE] = {}, total = 0.0f, highest = -1e30f;
  for (int i = 0; i < PER_LANE; ++i) asked[i] = float(q[query * kHeadDim + i * 32 + lane]) * scale;
  for (int key = 0; key < end; ++key) {
    const long long at = (first + key) * kHeadDim + lane;
    float score = 0.0f;
    for (int i = 0; i < PER_LANE; ++i) score += asked[i] * float(k[at + i * 32]);
    for (int step = 16; step > 0; step /= 2) score += __shfl_xor_sync(~0u, score, step);
    const float before = highest;
    highest = fmaxf(highest, score);
    const float rescale = __expf(before - highest), weight = __expf(score - highest);
    total = total * rescale + weight;
    for (int i = 0; i < PER_LANE; ++i) sum[i] = sum[i] * rescale + weight * float(v[at + i * 32]);
  }
  for (int i = 0; i < PER_LANE; ++i)  // a query that sees no key gives 0
    out[query * kHeadDim + i * 32 + lane] = T(sum[i] / fmaxf(total, 1e-30f));
}
"""

BINDING = r"""
#include <ATen/Dispatch.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

torch::Tensor forward(torch::Tensor q, torch::Tensor k, torch::Tensor v, bool causal, double scale) {
  torch::Tensor out = torch::empty_like(q);
  const int seq_q = q.size(2), seq_k = k.size(2), queries = q.size(0) * q.size(1) * seq_q;
  const dim3 block(32, 4), grid((queries + 3) / 4);
  const auto stream = c10::cuda::getCurrentCUDAStream();
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, q.scalar_type(), "attend", [&] {
    const auto launch = [&](auto kernel) {
      kernel<<<grid, block, 0, stream>>>(
          q.const_data_ptr<scalar_t>(), k.const_data_ptr<scalar_t>(), v.const_data_ptr<scalar_t>(),
          out.mutable_data_ptr<scalar_t>(), queries, seq_q, seq_k, q.size(1) / k.size(1), causal, scale);
    };
    switch (q.size(3)) {
      case 32: launch(attend<scalar_t, 1>); break;
      case 64: launch(attend<scalar_t, 2>); break;
      case 96: launch(attend<scalar_t, 3>); break;
      case 128: launch(attend<scalar_t, 4>); break;
      default: TORCH_CHECK(false, "no kernel for head dim ", q.size(3));
    }
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}
"""

_built = load_inline(
    name="attnprof_example",
    cpp_sources="torch::Tensor forward(torch::Tensor, torch::Tensor, torch::Tensor, bool, double);",
    cuda_sources=KERNEL + BINDING,
    functions=["forward"],
)


def attention(q, k, v, *, causal, scale):
    """CUDA C++, a warp per query."""
    return _built.forward(q, k, v, causal, scale)


attention.devices = ("cuda",)
attention.head_dim_multiple = 32
attention.max_head_dim = 128
attention.backward = False
