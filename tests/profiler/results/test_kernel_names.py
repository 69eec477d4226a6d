"""Kernel names for reading, from whole ones as CUPTI gives them on an H100."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.results.kernel_names import short_name

COPY = "at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}::operator()() const"
COPY_HALF = f"{COPY}::{{lambda()#10}}::operator()() const::{{lambda(c10::Half)#1}}"
COPY_FLOAT = f"{COPY}::{{lambda()#7}}::operator()() const::{{lambda(float)#1}}"
WHERE = (
    "at::native::(anonymous namespace)::where_kernel_impl(at::TensorIterator&)::{lambda()#1}::operator()() "
    "const::{lambda()#11}::operator()() const::{lambda(bool, float, float)#1}"
)
AND = (
    "at::native::and_kernel_cuda(at::TensorIterator&)::{lambda()#1}::operator()() const::{lambda()#12}"
    "::operator()() const::{lambda(bool, bool)#1}"
)
MUL = "at::native::binary_internal::MulFunctor<float>"
MUL_HALF = f"at::native::BinaryFunctor<c10::Half, c10::Half, c10::Half, {MUL} >"
SCALE_HALF = f"at::native::AUnaryFunctor<c10::Half, c10::Half, c10::Half, {MUL} >"
TRAITS = "Flash_fwd_kernel_traits<64, 128, 128, 4, false, false, cutlass::half_t>"


def nocast(operation: str) -> str:
    wrapped = f"at::native::gpu_kernel_impl_nocast<{operation}>"
    wrapped += f"(at::TensorIteratorBase&, {operation} const&)::{{lambda(int)#1}}"
    return f"void at::native::elementwise_kernel<128, 4, {wrapped}>(int, {wrapped})"


def vectorized(operation: str) -> str:
    function = f"at::native::vectorized_elementwise_kernel<8, {operation}, std::array<char*, 3ul> >"
    return f"void {function}(int, {operation}, std::array<char*, 3ul>)"


def reduce(operation: str) -> str:
    wrapped = f"at::native::ReduceOp<{operation}, unsigned int, bool, 4, 4>"
    return f"void at::native::reduce_kernel<512, 1, {wrapped} >({wrapped})"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (
            "void (anonymous namespace)::softmax_warp_forward<c10::Half, c10::Half, float, 9, false, false>"
            "(c10::Half*, c10::Half const*, int, int, int, bool const*, int, bool)",
            "softmax_warp_forward",
        ),
        (
            f"void pytorch_flash::flash_fwd_kernel<{TRAITS}, false, true>(pytorch_flash::Flash_fwd_params)",
            "flash_fwd_kernel",
        ),
        (f"void flash::flash_fwd_kernel<{TRAITS}, false>(flash::Flash_fwd_params)", "flash_fwd_kernel"),
        (
            "fmha_cutlassF_f16_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<"
            "cutlass::half_t, cutlass::arch::Sm80, true, 64, 64, 64, true, true>::Params)",
            "fmha_cutlassF_f16_aligned_64x64_rf_sm80",
        ),
        (
            "void cudnn::fusion::compute_dot_do_o_specialized<false, 64>(void const*, unsigned int)",
            "compute_dot_do_o_specialized",
        ),
        ("at::cuda::(anonymous namespace)::spin_kernel(long)", "spin_kernel"),
        ("void at::native::constant_fill<(Kind)1, (a > b)>(int) const", "constant_fill"),
    ],
)
def test_a_signature_becomes_its_functions_name(name: str, short: str) -> None:
    assert short_name(name) == short


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (nocast(COPY_HALF), "elementwise: direct_copy Half"),
        (nocast(WHERE), "elementwise: where bool float"),
        (nocast("at::native::CUDAFunctor_add<float>"), "elementwise: add float"),
        (vectorized(MUL_HALF), "vectorized_elementwise: Binary Mul Half"),
        (vectorized(SCALE_HALF), "vectorized_elementwise: AUnary Mul Half"),
        (vectorized("at::native::FillFunctor<bool>"), "vectorized_elementwise: Fill bool"),
        (vectorized("at::native::FillFunctor<unsigned char>"), "vectorized_elementwise: Fill unsigned char"),
        (
            vectorized("at::native::float16_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda(float)#1}"),
            "vectorized_elementwise: float16_copy float",
        ),
        (
            f"void at::native::unrolled_elementwise_kernel<{COPY_FLOAT}, std::array<char*, 2ul>, 4>(int)",
            "unrolled_elementwise: direct_copy float",
        ),
        (reduce(f"bool, at::native::func_wrapper_t<bool, {AND}>"), "reduce: and bool"),
        (reduce("float, at::native::MeanOps<float, float, float, float>"), "reduce: MeanOps float"),
        ("void at::native::reduce_kernel<512, 1>(int)", "reduce_kernel"),
    ],
)
def test_a_generic_kernel_of_aten_says_what_it_does_to_which_types(name: str, short: str) -> None:
    assert short_name(name) == short


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (
            "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<"
            "flash::CollectiveMainloopFwdSm90<2> > > >(flash::enable_sm90_or_later<int>::Params)",
            "FlashAttnFwdSm90",
        ),
        (
            "void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_128x64_nn_align4>(int)",
            "cutlass_80_tensorop_s1688gemm_128x64_nn_align4",
        ),
        (
            "std::enable_if<!(false), void>::type internal::gemvx::kernel<int, int, __half>(cublasParams)",
            "gemvx::kernel",
        ),
    ],
)
def test_a_launcher_of_all_kinds_is_called_what_it_launches(name: str, short: str) -> None:
    assert short_name(name) == short


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (
            "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x64_4x1x1_cga1x1x1"
            "_kernel0_0",
            "cudnn_sdpa_sm90_flash_fprop_wgmma_f16_64x128x64",
        ),
        (
            "sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize64x64x8_stage3_warpsize1x4x1_ffma_aligna4_alignc4"
            "_execute_kernel__5x_cublas",
            "sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_64x64x8",
        ),
        (
            "kernel_cutlass_kernel_flash_attncuteflash_fwd_sm100FlashAttentionForwardSm100_object_at__tensor"
            "0000o11101213_tensor0000o11101213_None_0",
            "FlashAttentionForwardSm100",
        ),
    ],
)
def test_generated_names_lose_what_only_a_dispatcher_reads(name: str, short: str) -> None:
    assert short_name(name) == short


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Memset (Device)",
        "Memcpy DtoD (Device -> Device)",
        "nvjet_sm90_hsh_128x256_64x4_2x1_v_badd_coopA_TNN",
        "triton_per_fused__softmax_0",
        "_attn_fwd",
        "aten::_softmax",
    ],
)
def test_names_that_can_be_read_stay(name: str) -> None:
    assert short_name(name) == name


def test_what_is_too_long_keeps_both_ends() -> None:
    name = "triton_poi_fused__to_copy_add_div_masked_fill_mul_sub_sum_unsqueeze_where_12"
    assert short_name(name) == "triton_poi_fused__to_copy_add_...queeze_where_12"
    assert short_name(name, most=20) == "triton_poi_f...re_12"
    assert short_name(name, most=6) == "triton"


PIECES = st.sampled_from([*"<>(){}[]:, ab-\n", "::", "operator()", "{lambda(", "Functor<", "kernel<"])


@given(st.lists(PIECES).map("".join) | st.text())
def test_any_text_is_taken_and_made_short(name: str) -> None:
    for text in (name, f"elementwise_kernel<{name}", f"device_kernel<{name}>"):
        assert len(short_name(text)) <= 48
        assert "\n" not in short_name(text)


@pytest.mark.parametrize(
    "piece", ["<", "(", ">", "a<", "a:", "a::", " const", "elementwise<Functor<", "_knob_1"]
)
def test_a_very_long_name_takes_no_more_than_its_length(piece: str) -> None:
    assert len(short_name(piece * 10_000)) <= 48  # squared, it would take minutes
