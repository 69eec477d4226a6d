"""Numbers, shapes and foreign text as people read them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler import units
from profiler.units import describe_shape, plain_text, shape_columns
from tests.examples import attention


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0000"),
        (0.0303, "0.0303"),
        (0.99996, "1.000"),
        (1.61, "1.610"),
        (9.9996, "10.0"),
        (41.7, "41.7"),
        (1234.56, "1234.6"),
    ],
)
def test_ms_down_to_a_tenth_of_a_microsecond(value: float, text: str) -> None:
    assert units.ms(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.004, "±0.4%"),
        (0.0999, "±10%"),
        (0.0994, "±9.9%"),
        (0.25, "±25%"),
        (0, "±0.0%"),
        (1, "±100%"),
        (186.44, "±>100%"),
    ],
)
def test_margin_in_percent(value: float, text: str) -> None:
    assert units.margin(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0000"),
        (0.00004217, "4.2e-05"),
        (0.0000999996, "0.000100"),
        (0.000497, "0.000497"),
        (0.00497, "0.00497"),
        (0.009999, "0.0100"),
        (0.0123, "0.0123"),
        (0.5, "0.500"),
        (9.54, "9.54"),
        (142.33, "142.3"),
    ],
)
def test_tflops(value: float, text: str) -> None:
    assert units.tflops(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0241, "0.024x"), (2.306, "2.31x"), (31.04, "31.0x"), (412.4, "412x"), (9.999, "10.0x")],
)
def test_ratio(value: float, text: str) -> None:
    assert units.ratio(value) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (2.306, 2.29, 2.315, "2.31x ±0.02"),
        (31.04, 30.7, 31.3, "31.0x ±0.3"),
        (0.0241, 0.0235, 0.0249, "0.024x ±0.001"),
        (412.4, 409.4, 414, "412x ±3"),
        (9.999, 9.9, 10.1, "10.0x ±0.1"),
    ],
)
def test_a_ratio_and_its_margin_have_the_same_decimals(
    value: float, low: float, high: float, shown: str
) -> None:
    assert " ".join(units.ratio_within(value, low, high)) == shown


def test_a_margin_below_the_last_digit_is_one_of_it() -> None:
    assert units.ratio_within(2.31, 2.3099, 2.3101) == ("2.31x", "±0.01")


def test_a_small_difference_is_not_rounded_into_none() -> None:
    assert units.ratio_within(1.003, 1.002, 1.0035) == ("1.003x", "±0.001")
    assert units.ratio_within(0.9995, 0.9994, 0.9996) == ("0.9995x", "±0.0001")
    assert units.ratio_within(1.0, 0.998, 1.002) == ("1.00x", "±0.01")


@given(st.floats(min_value=1e-2, max_value=1e4), st.floats(min_value=0, max_value=0.2))
def test_a_ratio_within_its_margin_holds_the_interval_but_for_rounding(value: float, share: float) -> None:
    shown, side = units.ratio_within(value, value * (1 - share), value * (1 + share))
    digit = 10.0 ** -len(shown.partition(".")[2].rstrip("x"))
    assert abs(float(shown.rstrip("x")) - value) <= digit * 0.51
    assert float(side.lstrip("±")) >= value * share - digit * 0.51
    assert float(side.lstrip("±")) > 0


@pytest.mark.parametrize(("value", "text"), [(0.0381, "0.0381"), (0.475, "0.475"), (50.44, "50.4")])
def test_figures_keep_the_digits_of_small_values(value: float, text: str) -> None:
    assert units.figure(value) == text


@pytest.mark.parametrize(("value", "text"), [(1.3, "1.30"), (41.66, "41.7"), (3010.4, "3010")])
def test_three_digits(value: float, text: str) -> None:
    assert units.three_digits(value) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.00"), (8, "7.6e-06"), (2072, "0.00198"), (65536, "0.06"), (262144, "0.25"), (5401216000, "5151")],
)
def test_mib_of_a_few_bytes_are_not_nothing(size: int, text: str) -> None:
    assert units.mib(size) == text


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.0"), (7.44, "7.4"), (9.97, "10"), (63.2, "63")])
def test_percent(value: float, text: str) -> None:
    assert units.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1024, "1.00 KiB"),
        (84 * 2**20, "84.0 MiB"),
        (5.03 * 2**30, "5.03 GiB"),
        (2**50, "1024 TiB"),
    ],
)
def test_bytes_in_the_unit_that_fits(value: float, text: str) -> None:
    assert units.byte_count(value) == text


@pytest.mark.parametrize(("value", "text"), [(2**18, "0.25"), (84 * 2**20, "84.0"), (5151 * 2**20, "5151")])
def test_mib_without_its_unit(value: float, text: str) -> None:
    assert units.mib(value) == text


def test_counts_have_their_plural() -> None:
    assert units.count(1, "result") == "1 result"
    assert units.count(12_000, "result") == "12,000 results"
    assert units.count(64, "query", "queries") == "64 queries"


@given(st.floats(min_value=1e-3, max_value=1e6))
def test_ms_never_misstates_a_time_by_more_than_half_a_percent_above_ten_microseconds(value: float) -> None:
    assert abs(float(units.ms(value)) - value) <= max(0.005 * value, 0.00005)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("sdpa[flash]", "sdpa[flash]"),
        ("a\nb\tc\r\n", "a b c"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]52;c;ZXZpbA==\x1b\\x", "x"),
        ("\x9b2Jx", "x"),
        ("\x1bcx", "x"),
        ("user\u202egpj.exe", "usergpj.exe"),
        ("a\x00\x08b\x7f", "ab"),
        ("Größe 日本", "Größe 日本"),
    ],
)
def test_plain_text_keeps_words_and_drops_what_acts_on_a_terminal(text: str, plain: str) -> None:
    assert plain_text(text) == plain


@given(st.text())
def test_plain_text_holds_no_control_character_whatever_comes(text: str) -> None:
    assert not [char for char in plain_text(text) if unicodedata.category(char) in ("Cc", "Cf", "Cs")]


@given(st.text())
def test_plain_text_of_plain_text_is_itself(text: str) -> None:
    assert plain_text(plain_text(text)) == plain_text(text)


def test_parameters_that_differ_are_columns_and_the_others_a_caption() -> None:
    shapes = [attention(seq=seq, causal=causal) for seq in (256, 512) for causal in (False, True)]
    columns = shape_columns(shapes)
    assert columns.varying == ("seq", "causal")
    assert columns.caption() == "batch 32, heads 16, head dim 64, float16"
    assert columns.cells(shapes[1]) == ("256", "yes")
    assert columns.describe(shapes[0]) == "seq 256, not causal"


def test_one_shape_has_only_a_caption() -> None:
    columns = shape_columns([attention(causal=True)] * 3)
    assert columns.varying == ()
    assert columns.describe(attention(causal=True)) == ""
    assert columns.caption() == "batch 32, seq 1024, heads 16, head dim 64, float16, causal"


def test_unequal_lengths_grouped_heads_and_windows_get_their_own_names() -> None:
    decode = attention(seq_q=1, seq_k=4096, kv_heads=4, window=128)
    assert describe_shape(decode) == (
        "batch 32, seq q 1, seq k 4096, heads 16, kv heads 4, head dim 64, float16, not causal, window 128"
    )
    assert shape_columns([decode, attention()]).varying == ("seq q", "seq k", "kv heads", "window")
    assert shape_columns([decode, attention()]).describe(attention()) == (
        "seq q 1024, seq k 1024, kv heads 16, no window"
    )


def test_heads_swept_at_one_embedding_vary_in_both_heads_and_head_dim() -> None:
    shapes = [attention(heads=heads, head_dim=256 // heads) for heads in (8, 16, 32)]
    assert shape_columns(shapes).varying == ("heads", "head dim")


def test_what_only_some_shapes_have_is_spoken_of_where_one_has_it() -> None:
    assert describe_shape(attention(dropout=0.1, softcap=50.0)).endswith(
        "not causal, dropout 0.1, softcap 50"
    )
    columns = shape_columns([attention(dropout=0.1), attention(softcap=30.0)])
    assert columns.varying == ("dropout", "softcap")
    assert columns.describe(attention(dropout=0.1)) == "dropout 0.1, no softcap"
    assert columns.describe(attention(softcap=30.0)) == "no dropout, softcap 30"


def test_decoding_is_said_with_its_two_lengths() -> None:
    decode = attention(seq_q=1, seq_k=4096, decode=True)
    assert describe_shape(decode) == (
        "batch 32, seq q 1, seq k 4096, heads 16, head dim 64, float16, not causal, decode"
    )
    prefill = attention(seq_q=4096, seq_k=4096)
    assert shape_columns([decode, prefill]).describe(prefill) == "seq q 4096, no decode"


def test_unlike_lengths_are_their_range_and_their_sum_beside_the_longest() -> None:
    ragged = attention(batch=3, seq=4096, lengths=(4096, 128, 1000))
    assert describe_shape(ragged) == (
        "batch 3, seq 4096, heads 16, head dim 64, float16, not causal, lengths 128..4096 (5,224 tokens)"
    )
    alike = attention(batch=2, seq=512, lengths=(512, 512))
    assert describe_shape(alike).endswith("lengths 512 (1,024 tokens)")
    columns = shape_columns([ragged, attention(batch=3, seq=4096)])
    assert columns.describe(attention(batch=3, seq=4096)) == "lengths equal"
