"""Cells of text that are hard to round to a double, or hard to tell from a number; and what holds of them.

Read as doubles, they and their neighbours are what is hard to write. `test_native.py` runs some of each kind. As many
as wanted, here 50 million cells to read and three times as many doubles to write:

    python -m tests.decimals --cells 50000000
"""

from __future__ import annotations

import argparse
import math
import sys
from random import Random
from struct import pack, unpack
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.inputs.cells import number_in
from mrl_cli.model import Dialect
from mrl_cli.native import fields, rows_text
from mrl_cli.words import number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

INFINITY_BITS = 0x7FF << 52
LEAST_EXPONENT = -1074  # of two: subnormals are multiples of 2**-1074
LONGEST_CELL = 2047  # that the compiled reader converts, as _fields.c says
KEY_DIGITS = 18  # of the longest key that it reads as an integer
EXACT_INTEGERS = 2.0**53
ROUND_CELLS = 10_000


def of_bits(bits: int) -> float:
    """Return the double of these 64 bits."""
    number: float = unpack("<d", pack("<Q", bits))[0]
    return number


def bits_of(number: float) -> int:
    """Return the 64 bits of a double: they tell -0.0 from 0.0."""
    bits: int = unpack("<Q", pack("<d", number))[0]
    return bits


def _finite(random: Random) -> float:
    return math.copysign(of_bits(random.randrange(INFINITY_BITS)), random.random() - 0.5)


def _positional(digits: int, power: int, random: Random) -> str:
    """Return digits * 10**power, without an exponent or with the point somewhere and an exponent that fits."""
    text = str(digits)
    place = random.randrange(len(text) + 1) if random.random() < 0.5 or abs(power) > 400 else len(text) + power
    if place <= 0:
        text = "0." + "0" * -place + text
    elif place < len(text):
        text = f"{text[:place]}.{text[place:]}"
    else:
        text += "0" * (place - len(text)) + "."
    exponent = power + len(str(digits)) - place
    return f"{text}e{exponent}" if exponent else text


def shortest(random: Random) -> str:
    return repr(_finite(random))


def seventeen_digits(random: Random) -> str:
    return f"{_finite(random):.16e}"


def more_digits(random: Random) -> str:
    return f"{_finite(random):.{random.randrange(17, 60)}e}"


def as_scores(random: Random) -> str:
    return f"{random.gauss(0, 10):.{random.randrange(20)}f}"


def any_digits(random: Random) -> str:
    digits = random.getrandbits(random.randrange(1, 80))
    return f"{digits}e{random.randrange(-365, 310)}" if random.random() < 0.5 else f"{digits}."


def subnormal(random: Random) -> str:
    number = of_bits(random.getrandbits(random.randrange(1, 53)))
    return f"{number!r}" if random.random() < 0.5 else f"{number:.{random.randrange(30)}e}"


def halfway(random: Random) -> str:
    """Return a number halfway between two doubles, exactly or but for its last digit of up to 800."""
    bits = random.getrandbits(52) if random.random() < 0.2 else random.randrange(INFINITY_BITS)
    if random.random() < 0.5:  # not far from 1, where few digits are
        bits = random.randrange(0x3C0 << 52, 0x440 << 52)
    significand = (bits & ((1 << 52) - 1)) | (1 << 52 if bits >> 52 else 0)
    numerator, exponent = 2 * significand + 1, max(bits >> 52, 1) - 1 + LEAST_EXPONENT - 1
    digits, power = (numerator << exponent, 0) if exponent >= 0 else (numerator * 5**-exponent, exponent)
    further = random.choice([0, 0, 1, 10, 800 - len(str(digits))])
    if further > 0:
        digits, power = digits * 10**further, power - further
    return _positional(digits + random.choice([-1, 0, 0, 1]), power, random)


def short_halfway(random: Random) -> str:
    """Return a number halfway between two doubles, or next to such a one, of so few digits that it fits 64 bits."""
    power = random.randrange(-4, 24)
    scale = 5 ** abs(power)
    if power < 0:
        digits = (random.randrange(1 << 53, 1 << 54) | 1) * scale
    else:
        least = (1 << 53) // scale
        digits = random.randrange(least, 2 * least + 1) | 1
        digits <<= random.randrange(65 - digits.bit_length())
    return f"{digits + random.choice([-1, 0, 0, 0, 1])}e{power}"


def near_power_of_two(random: Random) -> str:
    """Return a power of two, a little less or a little more; a little less is rounded up to it."""
    text = f"{2.0 ** random.randrange(-1022, 1024):.{random.randrange(15, 60)}e}"
    mantissa, _, exponent = text.partition("e")
    return _positional(
        int(mantissa.replace(".", "")) + random.choice([-1, 0, 1]), 1 - len(mantissa) + 1 + int(exponent), random
    )


def power_of_ten(random: Random) -> str:
    digits = 10 ** random.randrange(25) + random.choice([-1, 0, 0, 1])
    return _positional(digits, random.randrange(-345, 290), random)


def long_zeros(random: Random) -> str:
    before, between, after = (random.choice([0, 1, 7, 8, 9, 15, 20, 300, 700]) for _ in range(3))
    digits = random.getrandbits(random.randrange(1, 66))
    power = between + random.choice([0, len(str(digits)), 5, -5, random.randrange(-320, 300)])
    return f"{'0' * before}.{'0' * between}{digits}{'0' * after}e{power}"


def long_exponent(random: Random) -> str:
    zeros = "0" * random.choice([0, 1, 2, 5, 19, 20, 40])
    size = random.choice([str(random.randrange(10 ** random.randrange(1, 4))), "9" * random.randrange(3, 45)])
    digits = random.choice(["0", "0.000", "1", "17976931348623157", "4.9", "0" * 25])
    return f"{digits}{random.choice('eE')}{random.choice(['', '+', '-'])}{zeros}{size}"


# Each kind, and how many are made for one of the slowest.
KINDS: dict[Callable[[Random], str], int] = {
    shortest: 10,
    seventeen_digits: 10,
    more_digits: 4,
    as_scores: 6,
    any_digits: 10,
    subnormal: 4,
    halfway: 2,
    short_halfway: 6,
    near_power_of_two: 4,
    power_of_ten: 2,
    long_zeros: 1,
    long_exponent: 1,
}
_ALPHABET = "0123456789" * 3 + "....eE+-+-" + " \t" + ",;xXinfINF_[]٣é\0\x0b\xa0'"


def _damaged(text: str, times: int, random: Random) -> str:
    for _ in range(times):
        place = random.randrange(len(text) + 1)
        text = text[:place] + random.choice(_ALPHABET) + text[place + random.randrange(2) :]
    return text


def nearly_an_integer(random: Random) -> str:
    """Return an integer of up to 40 digits, perhaps with a character changed; no quote and no line end."""
    digits = random.choice([1, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 18, 18, 18, 19, 19, 20, 31, 32, 40])
    text = random.choice(["", "", "-"]) + "".join(random.choices("0123456789", k=digits))
    return _damaged(text, random.choice([0, 0, 1]), random)


def nearly_a_number(random: Random) -> str:
    """Return a number with a few characters changed, or a few characters; no quote and no line end."""
    kind = random.choice(list(KINDS)) if random.random() < 0.1 else as_scores
    text = _damaged(kind(random) if random.random() < 0.6 else "", random.choice([0, 1, 1, 2, 3, 5]), random)
    return random.choice(["", "", " ", "\t "]) + text + random.choice(["", "", " ", "\t"])


def _read_each(cells: Sequence[str], decimal: str, kind: type[np.number[Any]]) -> list[Any]:
    """Return what the compiled reader reads of each cell, None where it declines it."""
    reader = fields()
    assert reader is not None
    data = np.frombuffer("".join(f"{cell}|\n" for cell in cells).encode(), np.uint8)
    ends = np.flatnonzero(data == ord("\n")) + 1
    found: list[Any] = []
    start = 0
    while len(found) < len(cells):
        array = np.empty(len(cells) - len(found), kind)
        count, size, *_ = reader.read(data[start:], "|", decimal, (array, None))
        found += array[:count].tolist()
        start += size
        if len(found) < len(cells):
            start = int(ends[len(found)])
            found.append(None)
    return found


def wrong_cells(cells: Sequence[str], decimal: str = ".") -> list[str]:
    """Return the cells that the compiled reader does not read as it should.

    A number that it accepts is the one that the careful way accepts, which is Python's own conversion, bit by bit. It
    declines what that way does not accept, and numbers of four kinds: in brackets, too long, and integers that are
    large.
    """
    dialect, wrong = Dialect(decimal=decimal), []
    for cell, number in zip(cells, _read_each(cells, decimal, np.float64), strict=True):
        expected = number_in(cell, dialect)
        if number is None:
            is_right = isinstance(expected, str) or _may_be_declined(cell, expected, decimal)
        else:
            is_right = isinstance(expected, float) and bits_of(expected) == bits_of(number)
        if not is_right:
            wrong.append(cell)
    return wrong


def wrong_keys(cells: Sequence[str]) -> list[str]:
    """Return the cells that are not read as integers exactly where Python writes an integer of up to 18 digits so."""
    read = _read_each(cells, ".", np.int64)
    return [cell for cell, value in zip(cells, read, strict=True) if value != _integer_written(cell)]


def _integer_written(cell: str) -> int | None:
    digits = cell.removeprefix("-")
    return int(cell) if digits.isdecimal() and str(int(cell)) == cell and len(digits) <= KEY_DIGITS else None


def _may_be_declined(cell: str, number: float, decimal: str) -> bool:
    is_integer = not any(character in cell for character in (decimal, "e", "E"))
    return "[" in cell or len(cell) > LONGEST_CELL or (is_integer and abs(number) >= EXACT_INTEGERS)


def doubles_of(cells: Sequence[str]) -> NDArray[np.float64]:
    """Return the doubles that cells are read as, and the neighbours of each."""
    numbers = np.array([float(cell) for cell in cells])
    with np.errstate(over="ignore"):  # the neighbour of the largest is infinite
        return np.concatenate([numbers, np.nextafter(numbers, -np.inf), np.nextafter(numbers, np.inf)])


def wrongly_written(numbers: NDArray[np.float64]) -> list[float]:
    """Return the doubles that the compiled writer does not write as it should, beside their bits and text of its own.

    The room is just what it asks for.
    """
    bits, texts = numbers.view(np.int64), [str(bit)[:3] for bit in numbers.view(np.int64).tolist()]
    written = rows_text([numbers, ",", bits, ";", texts_as_arrow(texts), "\n"])
    assert written is not None
    lines = written.tobytes().decode().split("\n")
    assert lines.pop() == ""
    rows = zip(numbers.tolist(), bits.tolist(), texts, lines, strict=True)
    return [number for number, bit, text, line in rows if f"{number_text(number)},{bit};{text}" != line]


def main() -> int:
    """Check as many cells as are wanted; 1 where one is wrong."""
    parser = argparse.ArgumentParser(description="Hold the compiled part to Python's float and repr, bit by bit.")
    parser.add_argument("--cells", type=int, default=50_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random, done = Random(options.seed), 0
    share = ROUND_CELLS // sum(KINDS.values())
    while done < options.cells:
        for kind, weight in KINDS.items():
            cells = [kind(random) for _ in range(share * weight)]
            if wrong := wrong_cells(cells):
                print(f"{kind.__name__}: {len(wrong)} wrong, the first is {wrong[0]!r}")
                return 1
            if badly := wrongly_written(doubles_of(cells)):
                print(f"{kind.__name__}: {len(badly)} wrongly written, the first is {badly[0]!r}")
                return 1
            done += len(cells)
    print(f"{done:,} cells of {len(KINDS)} kinds are right, and thrice as many doubles (seed {options.seed})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
