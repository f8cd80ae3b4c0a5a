"""The compiled reader of CSV: it reads what the careful way reads, bit by bit, or declines; never beyond its buffer."""

from __future__ import annotations

import ctypes
import mmap
import sys
import threading
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli import native
from mrl_cli.arrow import as_texts
from mrl_cli.errors import MachineError, UsageError
from mrl_cli.inputs import delimited, plain, text
from mrl_cli.inputs.plain import labels_are_small, plain_columns
from mrl_cli.model import Columns, Dialect, Plan
from mrl_cli.words import number_text
from tests.decimals import KINDS, nearly_a_number, nearly_an_integer, wrong_cells, wrong_keys
from tests.each import each, mostly_slow
from tests.mutated_rows import compared, damaged_rows, decline
from tests.running import run, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.running import Ran

pytestmark = pytest.mark.usefixtures("compiled")

_NO_ACCESS = 0  # PROT_NONE, which mmap does not name
Captured = pytest.CaptureFixture[str]
Read = tuple[int, int, list[list[Any]]]  # rows, bytes, columns


def _read(data: bytes | NDArray[np.uint8], kinds: str = "dd", delimiter: str = ",", decimal: str = ".") -> Read:
    """Return rows, bytes, and columns as read; `kinds` has d, b, q or a dot for each field."""
    reader = native.fields()
    assert reader is not None
    arrays = [None if kind == "." else np.full(len(data) + 1, 9, kind) for kind in kinds]
    count, size, lines, stopped, is_ascii = reader.read(data, delimiter, decimal, tuple(arrays))
    assert -1 <= stopped < (0 if size == len(data) else len(kinds))
    assert bytes(data).isascii() <= is_ascii <= bytes(data[:size]).isascii()
    assert lines == len(bytes(data[:size]).splitlines())
    assert all((array[count:] == 9).all() for array in arrays if array is not None and size == len(data))
    return count, size, [array[:count].tolist() for array in arrays if array is not None]


@each("decimal", [".", ","])
@each("kind", list(KINDS))
def test_numbers_of_a_kind_are_those_of_python(kind: Callable[[Random], str], decimal: str) -> None:
    random = Random(7)
    cells = [kind(random) for _ in range(300 * KINDS[kind])]
    assert wrong_cells([cell.replace(".", decimal) for cell in cells], decimal) == []


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_accepts_what_the_careful_way_accepts(count: int) -> None:
    random = Random(count)
    for _ in range(count // 10_000):
        assert wrong_cells([nearly_a_number(random) for _ in range(10_000)]) == []


ODD_INTEGERS = ["", "0", "-0", "00", "01", "-01", "+1", "-", "--1", "1-", " 1", "1 ", "\t1", "1.0", "1.", "1e3", "1_0"]
ODD_INTEGERS += ["٣", "³", "1\0", "0x1", *(sign + "9" * size for sign in ("", "-") for size in (17, 18, 19, 31))]


@pytest.mark.slow
def test_keys_are_integers_only_where_python_writes_them_so() -> None:
    random = Random(5)
    assert wrong_keys(ODD_INTEGERS) == []
    assert wrong_keys([nearly_an_integer(random) for _ in range(8000)]) == []
    assert wrong_keys([nearly_a_number(random) for _ in range(2000)]) == []


def test_wrong_numbers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless:
        def read(self, data: bytes, delimiter: str, decimal: str, columns: tuple[NDArray[np.float64], None]) -> Any:
            cells = bytes(data).decode().split("|\n")[:-1]
            columns[0][:] = [1.0 if cell == "x" else np.nextafter(float(cell), 9) for cell in cells]
            return len(cells), len(data), len(cells), -1

    monkeypatch.setattr("tests.decimals.fields", Careless)
    assert wrong_cells(["0.5", "x", "9"]) == ["0.5", "x"]


@pytest.mark.parametrize("count", [200, pytest.param(3000, marks=pytest.mark.slow)])
def test_damaged_rows_are_read_as_the_careful_way_reads_them(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_parsed_by_arrow", decline)
    random = Random(count)
    accepted = sum(compared(damaged_rows(random)) for _ in range(count))
    assert 0.1 < accepted / count < 0.5  # else it would show little


@each(
    ("data", "kinds", "rows", "size", "columns"),
    [
        (b"", "dd", 0, 0, [[], []]),
        (b"1,2\n3,4\n", "dd", 2, 8, [[1, 3], [2, 4]]),
        (b"1,2\r\n3,4", "dd", 2, 8, [[1, 3], [2, 4]]),
        (b"\n\r\n1,2\n\n", "dd", 1, 8, [[1], [2]]),
        (b"a,1,,b\nc,2,,", ".d..", 2, 12, [[1, 2]]),
        (b" 1 ,\t2\t\n", "dd", 1, 8, [[1], [2]]),
        (b"+1.,-.5e-0\n", "dd", 1, 11, [[1], [-0.5]]),
        (b"1,-1\n2,1e0\n", "db", 2, 11, [[1, 2], [-1, 1]]),
        (b"0,-12\r\n12345678,999999999999999999\n", "qq", 2, 35, [[0, 12345678], [-12, 999999999999999999]]),
        # Declined: it stops where the row begins.
        (b"1,2\n3,-0\n", "qq", 1, 4, [[1], [2]]),
        (b"1,2\n 3,4\n", "qq", 1, 4, [[1], [2]]),
        (b"1,2\n3 ,4\n", "qq", 1, 4, [[1], [2]]),
        (b"1,2\n3,4 \n", "qq", 1, 4, [[1], [2]]),
        (b"1,2\n3,4\r", "qq", 1, 4, [[1], [2]]),
        (b'1,2\n3,"4"\n', "qq", 1, 4, [[1], [2]]),
        (b"1,2\n3,1000000000000000000\n", "qq", 1, 4, [[1], [2]]),
        (b"1,2\n3,4,\n5,6\n", "dd", 1, 4, [[1], [2]]),
        (b"1,2\n3\n", "dd", 1, 4, [[1], [2]]),
        (b"1,2\r3,4\r", "dd", 0, 0, [[], []]),
        (b"1,2\r", "dd", 0, 0, [[], []]),
        (b"\r\r\n1,2\n", "dd", 0, 0, [[], []]),
        (b" \n1,2\n", "dd", 0, 0, [[], []]),
        (b'"1",2\n', "dd", 0, 0, [[], []]),
        (b'1,"a"\n', "d.", 0, 0, [[]]),
        (b"1,a\0\n", "d.", 0, 0, [[]]),
        (b"1,\n", "dd", 0, 0, [[], []]),
        (b"1e,2\n", "dd", 0, 0, [[], []]),
        (b"0x1,2\n", "dd", 0, 0, [[], []]),
        (b"1 2,3\n", "dd", 0, 0, [[], []]),
        (b"1e400,2\n", "dd", 0, 0, [[], []]),
        (b"9007199254740992,2\n", "dd", 0, 0, [[], []]),
        (b"1,128\n", "db", 0, 0, [[], []]),
        (b"1,18446744073709551617\n", "db", 0, 0, [[], []]),  # 2**64 + 1, which wraps to 1
        (b"1,0.5\n", "db", 0, 0, [[], []]),
        (b"1,-0\n", "db", 0, 0, [[], []]),
        (b"1,-0.0\n", "db", 0, 0, [[], []]),
        (b"1,-1.0\n2,+1.\n3,00\n4,.0\n5,-128\n", "db", 5, 30, [[1, 2, 3, 4, 5], [-1, 1, 0, 0, -128]]),
    ],
)
def test_rows_are_read_until_one_is_not_certain(
    data: bytes, kinds: str, rows: int, size: int, columns: list[list[float]]
) -> None:
    assert _read(data, kinds) == (rows, size, columns)


def test_no_more_rows_are_read_than_the_shortest_array_holds() -> None:
    reader = native.fields()
    assert reader is not None
    columns = np.full(9, 9.0), np.full(9, 9.0)
    assert reader.read(b"1,2\n" * 5, ",", ".", (columns[0][:3], columns[1])) == (3, 12, 3, -1, True)
    assert [column.tolist() for column in columns] == [[1] * 3 + [9] * 6, [2] * 3 + [9] * 6]


@each(
    ("row", "place"),
    [
        (b"a,2,3\n", 0),
        (b"1,a,3\n", 1),
        (b"1,2.0,3\n", 1),
        (b"1,2,3,\n", 2),
        (b"1\n", 0),
        (b"1,2", 1),
        (b'1,2,"3"', 2),
        (b"\r\r\n", -1),  # a blank line
    ],
)
def test_the_field_at_which_a_row_is_not_certain_is_returned(row: bytes, place: int) -> None:
    reader = native.fields()
    assert reader is not None
    columns = np.empty(3), np.empty(3, np.int64), None
    assert reader.read(b"1,2,3\n" + row, ",", ".", columns)[:4] == (1, 6, 1, place)


@each(
    ("columns", "error"),
    [
        ((np.empty(2, np.float32),), TypeError),
        ((np.empty(2, np.uint8),), TypeError),
        ((np.empty(20, np.uint64),), TypeError),
        ((np.empty(20, np.uint32),), TypeError),
        ((np.empty(20, ">i8"),), TypeError),
        *(((np.empty(size, np.int32),), ValueError) for size in (0, 4, 6, 15, 19, 21)),
        ((np.empty(2, ">f8"),), TypeError),
        ((np.empty(4)[::2],), ValueError),
        ((np.frombuffer(bytes(16), np.float64),), ValueError),
        ((1.5,), TypeError),
        ([np.empty(2)], TypeError),
        (tuple(np.empty(2) for _ in range(17)), ValueError),
    ],
)
def test_arrays_that_cannot_hold_the_numbers_are_refused(columns: Any, error: type[Exception]) -> None:
    reader = native.fields()
    assert reader is not None
    with pytest.raises(error):
        reader.read(b"1\n", ",", ".", columns)


Keyed = tuple[int, int, list[str]]


def _keys(data: bytes | NDArray[np.uint8], most: int = 8) -> Keyed:
    """Return rows, bytes, and keys as read of the first of two fields; the array is dirty before."""
    reader = native.fields()
    assert reader is not None
    array = np.full((5, most), -7, np.int32)
    count, size, *_ = reader.read(data, ",", ".", (array, None))
    text, bounds = bytes(data), array[1:3].T.tolist()
    return count, size, [text[slice(*bounds[code])].decode("latin-1") for code in array[0, :count].tolist()]


@each(
    ("data", "rows", "size", "keys"),
    [
        (b"a,1\nb,2\na,3\n,4\n,5", 5, 17, ["a", "b", "a", "", ""]),
        (b" a,1\r\na ,2\na,3\n", 3, 15, [" a", "a ", "a"]),
        ("ü,\nu,\n".encode(), 2, 7, ["Ã¼", "u"]),
        (b"".join(b"%d,\n" % place for place in range(8)), 8, 24, list("01234567")),
        # Declined: it stops where the row begins.
        (b'a,\n"a",\n', 1, 3, ["a"]),
        (b'a,\na"b,\n', 1, 3, ["a"]),
        (b"a,\na\0,\n", 1, 3, ["a"]),
        (b"a,\na\rb,\n", 1, 3, ["a"]),
        (b"a,\nb\n", 1, 3, ["a"]),
        (b"a,\nb,1,\n", 1, 3, ["a"]),
        (b"".join(b"%d,\n" % place for place in range(9)), 8, 24, list("01234567")),
    ],
)
def test_keys_are_coded_until_a_row_is_not_certain(data: bytes, rows: int, size: int, keys: list[str]) -> None:
    assert _keys(data) == (rows, size, keys)


def test_keys_are_told_apart_wherever_their_hashes_fall() -> None:
    random = Random(3)
    for most in (1, 2, 64, 4096):  # as full as the table may get
        cells = [f"{random.getrandbits(random.randrange(1, 40)):x}" for _ in range(most)]
        assert _keys("".join(f"{cell},\n" for cell in cells).encode(), most)[2] == cells


@pytest.mark.slow
def test_keys_whose_hashes_are_all_one_are_left_to_another_way() -> None:
    def hash_of(cell: bytes) -> int:
        value = (len(cell) ^ int.from_bytes(cell, "little")) * 0x9E3779B97F4A7C15 % 2**64  # of eight bytes at most
        return value ^ value >> 32

    most = 1024
    cells = (b"%x" % place for place in range(1 << 40))
    chosen = [b""] * 0
    while len(chosen) < most:
        cell = next(cells)
        if hash_of(cell) % (2 * most) < 4:
            chosen.append(cell)
    assert _keys(b"".join(cell + b",\n" for cell in chosen), most)[0] in range(1000, most)


@pytest.fixture
def page_end() -> Iterator[Callable[[bytes], NDArray[np.uint8]]]:
    """Return what puts bytes right before memory that nobody may read."""
    size = mmap.PAGESIZE
    pages = mmap.mmap(-1, 2 * size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    assert protect(address + size, size, _NO_ACCESS) == 0

    def put(data: bytes) -> NDArray[np.uint8]:
        array = np.ctypeslib.as_array((ctypes.c_uint8 * len(data)).from_address(address + size - len(data)))
        array[:] = np.frombuffer(data, np.uint8)
        return array

    yield put
    assert protect(address + size, size, mmap.PROT_READ | mmap.PROT_WRITE) == 0


_ROWS_AT_THE_END = [
    *("-0.12345678901234567,1e-5,1\n", "1,2,-1\r\n", ' 12345678 ,"",0', "1.5E+3,é,1\n\n\n"),
    *("-12345678,0,123456789012345678\n", "1234567,-12345678901234567,-0\r\n"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="mprotect is of Unix")
@pytest.mark.parametrize("row", mostly_slow(_ROWS_AT_THE_END, quick=1))
def test_nothing_is_read_beyond_the_end(row: str, page_end: Callable[[bytes], NDArray[np.uint8]]) -> None:
    whole = (row * 3).encode()
    for end in range(len(whole) + 1):
        for start in range(min(end, len(row) + 1)):
            data = whole[start:end]
            for kinds in ("ddb", "d.b", "..d", "qqq", ".q."):
                assert _read(page_end(data), kinds) == _read(data, kinds)
            assert _keys(page_end(data)) == _keys(data)


def _without_and_with_it(arguments: list[str], capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> list[Ran]:
    """Run mrl where pyarrow reads CSV, and where the compiled reader does."""
    runs = []
    for wish in ("0", "1"):
        monkeypatch.setenv(native.VARIABLE, wish)
        native.fields.cache_clear()
        runs.append(run_inside(arguments, capfd))
    return runs


@pytest.mark.parametrize(("end", "step"), mostly_slow([("\n", 5), ("\n", 1), ("\r\n", 1)], quick=1))
def test_a_file_cut_anywhere_fares_as_without_the_compiled_reader(
    end: str, step: int, tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(text, "BLOCK_BYTES", 24)
    whole = end.join(["x1,t,x2,y", "0.5,a,-1.25e1,1", "0.30000000000000004,,7,-1", "12345678.5,ü,1E-3,1", ""]).encode()
    for size in range(len(whole), -1, -step):
        (tmp_path / "pairs.csv").write_bytes(whole[:size])
        arguments = ["compute", "pairs.csv", "--labels", "any", "--reduction", "none"]
        without, with_it = _without_and_with_it(arguments, capfd, monkeypatch)
        assert without == with_it
        assert size < len(whole) or without.code == 0


@pytest.mark.parametrize("files", [6, pytest.param(25, marks=pytest.mark.slow)])
def test_groups_of_integers_and_of_texts_are_those_without_the_compiled_reader(
    files: int, tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(text, "BLOCK_BYTES", 60)
    random, texts = Random(files), ["a", "", "007", "-0", " 1", "9" * 18, "9" * 19, "1.0", "ü"]
    for place in range(files):
        share = random.choice([0, 0.03, 0.3, 1])  # of keys that may be other text
        rows = ["g,x1,x2,y,h"]
        for _ in range(random.randrange(60)):
            keys = [random.choice(texts if random.random() < share else ["7", "-7", "0", "1"]) for _ in "gh"]
            rows.append(f"{keys[0]},{random.choice(['1', '2.5', '3'] * 9 + ['?'])},2,1,{keys[1]}")
        (tmp_path / "pairs.csv").write_text("\n".join([*rows, ""] if place % 2 else rows), "utf-8")
        arguments = ["compute", "pairs.csv", "--group-by", "g", "--on-error", "skip", "--format", "json"]
        arguments += ["--group-by", "h"] if place % 3 else []
        without, with_it = _without_and_with_it(arguments, capfd, monkeypatch)
        assert without == with_it


@each(
    "keys",
    [
        ["first" * 30, *(f"k{number}" for number in range(300)), "12345678", "12345679", "k7"],
        [*["1" * 18] * 4, *map(str, range(300)), "7"],
    ],
)
def test_keys_are_read_where_later_lines_are_shorter_than_the_first(
    keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "_SOME_BYTES", 100)  # whose lines are counted
    data = "".join(f"1,2,1,{key}\n" for key in keys).encode()
    plan = Plan.of(columns=Columns(keys=(("group", "g"),)))
    columns = plain_columns(data, 4, {"x1": 0, "x2": 1, "y": 2, "group": 3}, ",", plan)
    assert isinstance(columns, tuple)
    found = columns[1]["group"]
    assert as_texts(found).to_pylist() == keys
    assert found.type == "int64" or len(found.dictionary) == len(set(keys))


_COLUMNS_OF_KEYS: dict[Any, str] = {"group": "g", "group 2": "h", "cluster": "c"}


@each(
    ("rows", "kinds"),
    [
        (["1,2,1,7,-8,9", "3,4,1,0,12,9"], {"group": "int64", "group 2": "int64", "cluster": "text"}),
        (["1,2,1,7,a,9", "3,4,1,0,12,9"], {"group": "int64", "group 2": "text", "cluster": "text"}),
        (["1,2,1,7,8,9", "3,4,1,0,8,9", "3,4,1,x,8,9"], {"group": "text", "group 2": "int64", "cluster": "text"}),
        (["1,2,1,7,8,9", "3,4,1,0,-0,9", "3,4,1,x,8,9"], {"group": "text", "group 2": "text", "cluster": "text"}),
    ],
)
def test_keys_of_groups_are_integers_in_each_column_where_all_are(rows: list[str], kinds: dict[Any, str]) -> None:
    places: Any = {role: place for place, role in enumerate(["x1", "x2", "y", *_COLUMNS_OF_KEYS])}
    plan = Plan.of(columns=Columns(keys=tuple(_COLUMNS_OF_KEYS.items())))
    read = plain_columns("\n".join(rows).encode(), 6, places, ",", plan)
    assert isinstance(read, tuple)
    for role, kind in kinds.items():
        assert (str(read[1][role].type) == "int64") == (kind == "int64"), role
        assert as_texts(read[1][role]).to_pylist() == [row.split(",")[places[role]] for row in rows]


@each("cluster", [True, False])
def test_a_column_of_groups_that_are_clusters_too_is_texts(*, cluster: bool) -> None:
    places: Any = {"x1": 0, "x2": 1, "y": 2, "group": 3} | ({"cluster": 3} if cluster else {})
    keys = tuple((role, "k") for role in places if role in _COLUMNS_OF_KEYS)
    read = plain_columns(b"1,2,1,7\n", 4, places, ",", Plan.of(columns=Columns(keys=keys)))
    assert isinstance(read, tuple)
    assert [column.to_pylist() for column in read[1].values()] == ([["7"]] * 2 if cluster else [[7]])


def test_a_bad_number_has_no_block_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, calls = native.fields(), list[Any]()
    assert reader is not None

    def read(*given: Any) -> Any:
        calls.append(given)
        return reader.read(*given)

    monkeypatch.setattr(plain, "native", SimpleNamespace(fields=lambda: SimpleNamespace(read=read)))
    plan = Plan.of(columns=Columns(keys=(("group", "g"),)))
    places: Any = {"x1": 0, "x2": 1, "y": 2, "group": 3}
    for row, times in ((b"3,4,1,8", 1), (b"3,?,1,8", 1), (b"3,4,1,a", 2), (b"3,?,1,a", 1)):
        calls.clear()
        plain_columns(b"1,2,1,7\n" + row, 4, places, ",", plan)
        assert len(calls) == times, row


@pytest.mark.parametrize(
    "settings",
    [
        {"keep_columns": True},
        {"columns": Columns(keys=(("group", "x1"),))},
        {"dialect": Dialect(decimal="'")},
        {"dialect": Dialect(decimal="X")},
        {"dialect": Dialect(decimal=",")},
    ],
)
def test_plans_that_it_does_not_serve_are_left_to_another_way(settings: dict[str, Any]) -> None:
    places: Any = {"x1": 0, "x2": 1, "y": 2, "group": 0}
    assert plain_columns(b"1,2,1\n", 3, places, ",", Plan()) is not None
    assert plain_columns(b"1,2,1\n", 3, places, ",", Plan.of(**settings)) is None


@each(
    ("labels", "columns", "is_small"),
    [
        ("pm1", Columns(), True),
        ("01", Columns(), True),
        ("any", Columns(), False),
        ("target", Columns(), False),
        ("pm1", Columns(numbers=(("weight", "y"),)), False),
    ],
)
def test_labels_are_small_where_nothing_else_is_allowed_or_read(labels: Any, columns: Columns, is_small: bool) -> None:
    places: Any = {"x1": 0, "x2": 1, "y": 2, "weight": 2}
    plan = Plan.of(labels=labels, columns=columns)
    assert labels_are_small(plan) == is_small
    read = plain_columns(b"1,2,1\n", 3, places, ",", plan)
    assert isinstance(read, tuple)
    assert read[0]["y"].dtype == (np.int8 if is_small else np.float64)


@each("dtype", ["float64", "float32", "int64"])
def test_numbers_of_any_type_become_lines(dtype: str) -> None:
    lines = native.number_lines(np.array([[-3, 9], [2, 9], [0, 9]], dtype)[:, 0])
    assert lines is not None
    assert [float(line) for line in lines.tobytes().split()] == [-3, 2, 0]


@each("dtype", ["float64", "float32"])
def test_floats_are_written_alike_with_and_without_it(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    numbers = [0.5, 3.0, -0.0, 1e9, 999999999.5, -1.5e9, 1e-4, 1e-5, 6e-8, 0.1, np.nan, np.inf, -np.inf, 1e300, 1e16]
    with np.errstate(over="ignore"):
        values = np.array(numbers).astype(dtype)
    column = pa.array([*values, None], pa.from_numpy_dtype(values.dtype))
    is_double = dtype == "float64"
    expected = [number_text(float(value)) if is_double or not np.isfinite(value) else str(value) for value in values]
    assert native.float_texts(column).to_pylist() == [*expected, None]
    with monkeypatch.context() as patch:
        patch.setenv("MRL_NATIVE", "0")
        native.fields.cache_clear()
        assert native.float_texts(column).to_pylist() == [*expected, None]
        patch.setattr(native, "_float_text", None)  # of ordinary numbers none is written by Python
        assert native.float_texts(column[:3]).to_pylist() == ["0.5", "3.0", "-0.0"]
    native.fields.cache_clear()
    if is_double and native.fields() is not None:
        monkeypatch.setattr(native, "_texts_by_arrow", None)
        assert native.float_texts(column).to_pylist() == [*expected, None]


def test_lines_are_guessed_from_the_first_ones_and_then_counted() -> None:
    assert list(plain._line_counts(b"a\n" * 3)) == [3]
    assert list(plain._line_counts(b"a\n" * 70_000)) == [87_500, 70_000]  # a quarter more, for later ones are shorter


def test_wishes_are_heeded_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native.csv_reader_name() == "compiled"
    for wish, name in (("0", "pyarrow"), ("", "compiled")):
        monkeypatch.setenv(native.VARIABLE, wish)
        native.fields.cache_clear()
        assert native.csv_reader_name() == name
        assert (native.number_lines(np.zeros(1)) is None) == (name == "pyarrow")
    monkeypatch.setenv(native.VARIABLE, "yes")
    native.fields.cache_clear()
    with pytest.raises(UsageError, match="MRL_NATIVE is yes, which is neither 0 nor 1"):
        native.fields()


@each("keys", [13, 14, 70])
def test_rows_are_read_however_many_columns_are_wanted(keys: int, compiled: None) -> None:
    names: list[Any] = [f"group{place}" for place in range(keys)]
    places: Any = {name: place for place, name in enumerate(["x1", "x2", "y", *names])}
    plan = Plan.of(columns=Columns(keys=tuple((name, name) for name in names)))
    columns = plain_columns(b"1,2,1" + b",k" * keys + b"\n", 3 + keys, places, ",", plan)
    assert (columns is None) == (keys > 13)  # there is room for three numbers and so many


def _turns_while_reading(data: bytes, column: NDArray[np.float64]) -> int:
    """Return how often this thread had its turn while another one read."""
    reader = native.fields()
    assert reader is not None
    begun, is_done, turns = threading.Event(), threading.Event(), 0

    def work() -> None:
        begun.set()
        reader.read(data, ",", ".", (column,))
        is_done.set()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    while not is_done.wait(0.001):
        turns += 1
    thread.join()
    return turns


@pytest.mark.slow
def test_other_threads_run_while_it_reads() -> None:
    data, column = b"0.12345678901234567\n" * 4_000_000, np.empty(4_000_000)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(10)  # the lock is given up by those who let go of it, and by no one else
    try:
        assert any(_turns_while_reading(data, column) for _ in range(5))  # a busy machine may pass over this thread
    finally:
        sys.setswitchinterval(usual)


def test_what_mrl_native_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pairs.csv").write_text("x1,x2,y\n1,3,1\n")
    runs = {wish: run(["compute", tmp_path / "pairs.csv", "--raw"], env={native.VARIABLE: wish}) for wish in "01"}
    assert runs["0"] == runs["1"]
    assert (runs["0"].code, runs["0"].out.strip()) == (0, "2.0")
    run(["compute", tmp_path / "pairs.csv"], env={native.VARIABLE: "no"}).must_fail(
        2, "MRL_NATIVE is no, which is neither 0 nor 1"
    )
    monkeypatch.setitem(sys.modules, "mrl_cli.native._fields", None)
    monkeypatch.delattr(native, "_fields", raising=False)
    native.fields.cache_clear()
    with pytest.raises(MachineError, match="no compiled reader") as caught:
        native.fields()
    assert caught.value.hint == "install mrl with MRL_NATIVE=1, where there is a C compiler"
    monkeypatch.delenv(native.VARIABLE)
    native.fields.cache_clear()
    assert native.csv_reader_name() == "pyarrow"


def test_what_was_compiled_of_another_version_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(native.VARIABLE, raising=False)
    native.fields.cache_clear()
    assert native.csv_reader_name() == "compiled"
    monkeypatch.setattr(native.fields(), "VERSION", 1)
    native.fields.cache_clear()
    assert native.csv_reader_name() == "pyarrow"
    native.fields.cache_clear()
