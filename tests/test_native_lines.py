"""Rows as text: the compiled writer, pyarrow and `repr` agree, digit by digit; nothing is written beyond its buffer."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli import native
from mrl_cli.native import LONGEST_NUMBER, MOST_PIECES, ROOM, rows_text
from mrl_cli.reductions.rows import CsvWriter
from mrl_cli.words import number_text
from tests.decimals import KINDS, doubles_of, wrongly_written
from tests.each import mostly_slow
from tests.running import run_inside

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("compiled")

LINES = {
    3.0: "3.0",
    -0.5: "-0.5",
    0.1 + 0.2: "0.30000000000000004",
    1e-4: "0.0001",
    1e-5: "1e-05",
    -1.2345678901234567e-04: "-0.00012345678901234567",
    9999999999.999998: "9999999999.999998",
    1234567890.0: "1234567890.0",
    1e15: "1000000000000000.0",
    1e16: "1e+16",
    2.0**53: "9007199254740992.0",
    1e22: "1e+22",
    0.5 + 2.0**49: "562949953421312.5",
    2.0**-1074: "5e-324",
    2.0**-1022: "2.2250738585072014e-308",
    -(2.0 - 2.0**-52) * 2.0**1023: "-1.7976931348623157e+308",
    float("inf"): "Infinity",
    -float("inf"): "-Infinity",
    float("nan"): "NaN",
}


def _written(numbers: NDArray[np.float64]) -> bytes:
    """Return numbers as lines."""
    text = native.number_lines(numbers)
    assert text is not None
    return text.tobytes()


def test_forms_of_numbers() -> None:
    numbers, lines = [0.0, -0.0, *LINES], ["0.0", "-0.0", *LINES.values()]  # as keys of a dictionary zeros are one
    text = "".join(f"{line}\n" for line in lines)
    assert _written(np.array(numbers)) == text.encode()
    assert [number_text(number) for number in numbers] == lines
    assert max(map(len, lines)) == LONGEST_NUMBER


def test_doubles_of_every_kind_are_written_as_python_writes_them() -> None:
    random = Random(7)
    for kind in KINDS:
        assert wrongly_written(doubles_of([kind(random) for _ in range(100 * KINDS[kind])])) == []


def test_doubles_are_written_alike_without_the_compiled_part() -> None:
    random = Random(8)
    numbers = doubles_of([kind(random) for kind in KINDS for _ in range(50 * KINDS[kind])])
    table = pa.table({"loss": numbers})
    by_arrow = CsvWriter(None, bare=True).encode_table(table, "pairs.csv")[1].to_pybytes()  # type: ignore[arg-type]
    assert by_arrow == _written(numbers)


def test_wrong_lines_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(pieces: list[Any]) -> NDArray[np.uint8]:
        numbers, _, bits, _, texts, _ = pieces
        rows = zip(numbers, bits, texts.to_pylist(), strict=True)
        return np.frombuffer("".join(f"{number:.16g},{bit};{text}\n" for number, bit, text in rows).encode(), np.uint8)

    monkeypatch.setattr("tests.decimals.rows_text", careless)
    assert wrongly_written(np.array([0.5, 0.1 + 0.2, 2.5])) == [0.1 + 0.2]


LONGEST = np.array([-1.2345678901234567e-306, 0.5, -np.inf, 0.0])
LEAST, GREATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
PIECES: list[Any] = [
    "a",
    LONGEST,
    "",
    np.array([LEAST, GREATEST, 0, -1]),
    pa.array(["not", "", "ü\n", "of these", "0", "not"])[1:5],
    "\t",
    pa.array([""] * 4),
    LONGEST[::-1],
    "\n",
]
ROWS = (
    f"a-1.2345678901234567e-306{LEAST}\t0.0\n"
    f"a0.5{GREATEST}ü\n\t-Infinity\n"
    "a-Infinity0of these\t0.5\n"
    "a0.0-10\t-1.2345678901234567e-306\n"
)


def test_pieces_of_rows_follow_one_another() -> None:
    written = rows_text(PIECES)
    assert written is not None
    assert written.tobytes().decode() == ROWS
    assert rows_text([np.empty(0), "\n"]).tobytes() == b""  # type: ignore[union-attr]
    assert rows_text([np.array([1, 2], np.int32), np.array([0.5, 1.5], np.float32)]).tobytes() == b"10.521.5"  # type: ignore[union-attr]


def test_nothing_is_written_beside_the_room() -> None:
    asked = []

    def room(size: int) -> NDArray[np.uint8]:
        asked.append(np.full(size + 200, 7, np.uint8))
        return asked[-1][100 : 100 + size]

    for pieces in (PIECES, [LONGEST[:1]], [np.array([LEAST])], [pa.array(["text"])]):
        rows_text(pieces, room)
        (memory,) = asked
        assert (memory[:100] == 7).all()
        assert (memory[-100:] == 7).all()
        asked.clear()


def test_rows_of_very_many_pieces_are_left_to_arrow() -> None:
    most = [*[np.array([0.5])] * MOST_PIECES]
    assert rows_text(most).tobytes() == b"0.5" * MOST_PIECES  # type: ignore[union-attr]
    assert rows_text([*most, "\n"]) is None


def test_numbers_that_are_not_aligned_are_written() -> None:
    compiled = native.fields()
    assert compiled is not None
    numbers, text = memoryview(b"\0" + np.array([0.5, 1 / 3]).tobytes())[1:].cast("d"), bytearray(200)
    assert compiled.write((numbers, b"\n"), text) == 23
    assert text[:23] == b"0.5\n0.3333333333333333\n"


TWO = np.zeros(2)
ENDS = np.array([0, 1, 2], np.int32)


@pytest.mark.parametrize(
    ("pieces", "size", "error"),
    [
        ([TWO], 200, TypeError),  # a tuple is wanted
        ((np.empty(2, np.float32),), 200, TypeError),
        ((np.empty(2, ">f8"),), 200, TypeError),
        ((np.empty(4)[::2],), 200, ValueError),
        ((0.5,), 200, TypeError),
        (("text",), 200, TypeError),
        (((ENDS,),), 200, TypeError),
        (((ENDS, "text"),), 200, TypeError),
        (((TWO, b"text"),), 200, TypeError),
        (((ENDS[:0], b"text"),), 200, ValueError),
        ((TWO, np.zeros(3, int)), 200, ValueError),
        (((ENDS, b"t"),), 200, ValueError),  # ends beyond the text
        (((-ENDS, b"text"),), 200, ValueError),
        (((ENDS[::-1].copy(), b"text"),), 200, ValueError),
        ((TWO, *[b","] * MOST_PIECES), 500, ValueError),
        ((TWO,), 2 * (LONGEST_NUMBER + 1) + ROOM - 1, ValueError),
        ((TWO, b"four"), 2 * (LONGEST_NUMBER + 5) + ROOM - 1, ValueError),
        (((ENDS, b"text"),), 2 + 4 + ROOM - 1, ValueError),
    ],
)
def test_what_cannot_be_written_is_refused(pieces: Any, size: int, error: type[Exception]) -> None:
    compiled = native.fields()
    assert compiled is not None
    with pytest.raises((error, BufferError)):
        compiled.write(pieces, np.empty(size, np.uint8))
    with pytest.raises((TypeError, BufferError)):
        compiled.write((TWO,), bytes(200))


def _least_residues(factor: int, modulus: int, most: int) -> tuple[int, int]:
    """Return the least n*factor % modulus for n from 1 to `most` and the least -n*factor % modulus; none may be 0.

    Each next one is one from below plus as many from above as keep it above 0, or the other way around.
    """
    above, below = (1, factor % modulus), (0, modulus)
    while True:
        is_above = above[1] > below[1]
        (count, size), (step, width) = (above, below) if is_above else (below, above)
        times = min((size - 1) // width, (most - count) // step)
        if times == 0:
            return above[1], below[1]
        found = count + times * step, size - times * width
        above, below = (found, below) if is_above else (above, found)


def test_least_residues() -> None:
    for modulus in (101, 211, 509):
        for factor in range(1, modulus, 3):
            for most in (1, 2, 5, modulus // 3, modulus - 1):
                residues = [n * factor % modulus for n in range(1, most + 1)]
                assert _least_residues(factor, modulus, most) == (min(residues), modulus - max(residues))


@pytest.mark.slow
def test_no_product_is_so_close_to_an_even_number_that_128_bits_do_not_show_it() -> None:
    """What the compiled writer compares with even numbers are n * 2**(q + 1) / 10**k, for n up to 2**54 + 1.

    They are even, or differ from an even number by more than 2**-64, what 64 bits behind the point show, and what the
    table of powers leaves out, below 2**-68. Where they may be even, 5**-k is in the table as it is, or rounded up.
    """
    most, least_shown = (1 << 54) + 1, Fraction(1, 1 << 65) + Fraction(1, 1 << 69)  # of half of it
    for q in range(-1074, 972):
        for is_lopsided in (False, True):
            width = Fraction(2) ** q * (Fraction(3, 4) if is_lopsided else 1)
            k = len(str(width.numerator)) - len(str(width.denominator))
            k -= width < Fraction(10) ** k
            assert 1 <= width / Fraction(10) ** k < 10
            half = Fraction(2) ** q / Fraction(10) ** k
            if half.denominator <= most:
                assert -55 <= k <= 27
            elif is_lopsided:  # such a double is a power of two, and the one below it half as far
                parts = [n * half % 1 for n in ((1 << 53) - Fraction(1, 2), 1 << 53, (1 << 53) + 1)]
                assert least_shown < min(parts) < max(parts) < 1 - least_shown
            else:
                closest = min(_least_residues(half.numerator, half.denominator, most))
                assert closest > least_shown * half.denominator


@pytest.mark.parametrize("name", mostly_slow(["pairs.csv", "pairs.parquet"], quick=1))
def test_rows_are_the_same_bytes_without_the_compiled_part(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(9)
    cells = [random.choice([0.0, random.gauss(0, 1), random.gauss(0, 1e-6), 1e17, 0.25]) for _ in range(600)]
    columns = {"x1": [*cells[:300], -1e308], "x2": [*cells[300:], 1e308], "y": [1, -1] * 150 + [1]}
    if name.endswith("csv"):
        rows = zip(*columns.values(), strict=True)
        (tmp_path / name).write_text("x1,x2,y\n" + "".join(f"{x1},{x2},{y}\n" for x1, x2, y in rows))
    else:
        pq.write_table(pa.table(columns), tmp_path / name)
    for options in ([], ["-f", "tsv", "--raw"], ["--margin", "-1e-7"], ["-o", str(tmp_path / "out.csv")]):
        call = ["compute", str(tmp_path / name), "--reduction", "none", "--jobs", "1", *options]
        runs = []
        for wish in ("0", "1"):
            monkeypatch.setenv(native.VARIABLE, wish)
            native.fields.cache_clear()
            ran = run_inside(call, capfd)
            runs.append((ran, (tmp_path / "out.csv").read_bytes() if "-o" in options else b""))
        assert runs[0] == runs[1]
        assert runs[0][0].code == 0
        assert "Infinity" in runs[0][0].out or runs[0][1].endswith(b"Infinity\n")
