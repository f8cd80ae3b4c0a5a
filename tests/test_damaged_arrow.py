"""Arrow files and streams that claim more than they hold, end too early or go on too long: refused, never half read."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from tests.copies import run_copied
from tests.each import each
from tests.running import Mrl, Ran, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

ROWS = 37  # no other number in the headers of these files
WRITERS: dict[str, Callable[..., Any]] = {"pairs.arrow": pa.ipc.new_file, "pairs.arrows": pa.ipc.new_stream}
EVERY_FORMAT = each("name", list(WRITERS))
TEXTS = [f"key {row % 5}" for row in range(ROWS)]
BY_KEY = ("--group-by", "key", "--format", "json")


def pairs(**others: Any) -> pa.Table:
    """Return 37 pairs, each of which costs 2."""
    return pa.table({"x1": [1.0] * ROWS, "x2": [3.0] * ROWS, "y": [1] * ROWS} | others)


def written(table: pa.Table, name: str, compression: str | None = None, *, times: int = 1) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with WRITERS[name](sink, table.schema, options=options) as writer:
        for _ in range(times):
            writer.write_table(table)
    return sink.getvalue()


def run_on(data: bytes, name: str, folder: Path, *options: str) -> Ran:
    """Run as a process of its own, which a damaged file may end."""
    (folder / name).write_bytes(data)
    return run_copied(["compute", name, *options], folder)


@EVERY_FORMAT
@pytest.mark.parametrize(
    ("compression", "claimed"), [(None, ROWS + 1), (None, 10**6), (None, 10**9), ("lz4", 10**9), ("zstd", ROWS + 1)]
)
def test_rows_beyond_the_buffers_are_refused(
    name: str, compression: str | None, claimed: int, tmp_path: Path, mrl: Mrl
) -> None:
    data = written(pairs(), name, compression)
    lie = data.replace(struct.pack("<q", ROWS), struct.pack("<q", claimed))
    run_on(lie, name, tmp_path).must_fail(3, f"{name} is corrupt")
    assert data.count(struct.pack("<q", ROWS)) == 1 + 3  # the batch and its columns
    (tmp_path / name).write_bytes(data)
    assert mrl("compute", tmp_path / name, "--format", "json").result["pairs"] == ROWS


def test_rows_beyond_the_buffers_are_refused_from_a_pipe() -> None:
    lie = written(pairs(), "pairs.arrow").replace(struct.pack("<q", ROWS), struct.pack("<q", 10**6))
    run(["compute", "-"], stdin=lie).must_fail(3, "stdin is corrupt")


@EVERY_FORMAT
@pytest.mark.parametrize(("compression", "claimed"), [(None, 6), (None, 10**6), ("zstd", 6)])
def test_a_dictionary_with_more_values_than_its_buffers_hold_is_refused(
    name: str, compression: str | None, claimed: int, tmp_path: Path
) -> None:
    with_null = pa.array([None, *TEXTS[1:]]).dictionary_encode()  # decoded, where one without nulls is used as it is
    for keys in (pa.array(TEXTS).dictionary_encode(), with_null):
        data = written(pairs(key=keys), name, compression)
        lie = data.replace(struct.pack("<q", 5), struct.pack("<q", claimed))
        assert lie != data
        run_on(lie, name, tmp_path, *BY_KEY).must_fail(3, f"{name} is corrupt")


@EVERY_FORMAT
@pytest.mark.parametrize(("column", "index"), [("key", 5), ("key", 10**9), ("x1", 5)])
def test_an_index_beyond_its_dictionary_is_refused(name: str, column: str, index: int, tmp_path: Path) -> None:
    values: dict[str, list[Any]] = {"key": TEXTS, "x1": [float(row % 5) for row in range(ROWS)]}
    data = written(pairs(**{column: pa.array(values[column]).dictionary_encode()}), name)
    indices = struct.pack("<6i", 0, 1, 2, 3, 4, 0)
    assert data.count(indices) > 0
    lie = data.replace(indices, struct.pack("<6i", 0, 1, 2, 3, index, 0))
    run_on(lie, name, tmp_path, *(BY_KEY if column == "key" else ())).must_fail(3, f"{name} is corrupt")


TEXT_KINDS: dict[str, Callable[[], pa.Array]] = {
    "text": lambda: pa.array(TEXTS),
    "text beyond ASCII": lambda: pa.array([*TEXTS[:-1], "kéy 1"]),
    "text with a null": lambda: pa.array([*TEXTS[:-1], None]),
    "dictionary": lambda: pa.array(TEXTS).dictionary_encode(),
    "dictionary with a null": lambda: pa.array([*TEXTS[:-1], None]).dictionary_encode(),
}


@EVERY_FORMAT
@pytest.mark.parametrize("kind", list(TEXT_KINDS))
def test_texts_outside_their_buffer_or_not_utf8_are_refused_as_keys(
    name: str, kind: str, tmp_path: Path, mrl: Mrl
) -> None:
    data = written(pairs(key=TEXT_KINDS[kind]()), name)
    offsets = struct.pack("<5i", 0, 5, 10, 15, 20)
    assert data.count(offsets) == 1
    lie = data.replace(offsets, struct.pack("<5i", 0, 5, 10**9, 15, 20))
    run_on(lie, name, tmp_path, *BY_KEY).must_fail(3, f"{name} is corrupt")
    # Of a column that is not read only the lengths matter.
    result = mrl("compute", tmp_path / name, "--format", "json").result
    assert (result["sum"], result["pairs"]) == (2 * ROWS, ROWS)
    (tmp_path / name).write_bytes(data.replace(b"key 1", b"k\xffy 1"))
    mrl("compute", tmp_path / name, *BY_KEY).must_fail(3, f"{name} is corrupt")


@EVERY_FORMAT
def test_texts_outside_their_buffer_are_not_written_out_again(name: str, tmp_path: Path) -> None:
    data = written(pairs(note=pa.array(TEXTS)), name)
    lie = data.replace(struct.pack("<5i", 0, 5, 10, 15, 20), struct.pack("<5i", 0, 5, 10**9, 15, 20))
    options = ("--reduction", "none", "-o", "out.csv", "--keep-columns")
    run_on(lie, name, tmp_path, *options).must_fail(3, f"{name} is corrupt")
    assert not (tmp_path / "out.csv").exists()


@EVERY_FORMAT
def test_decimals_wider_than_their_type_are_still_read(name: str, tmp_path: Path, mrl: Mrl) -> None:
    wide = pa.Array.from_buffers(pa.decimal128(3, 2), ROWS, [None, pa.py_buffer(struct.pack("<2q", 12350, 0) * ROWS)])
    (tmp_path / name).write_bytes(written(pairs(x2=wide), name))
    assert mrl("compute", tmp_path / name, "--raw").out == f"{123.5 - 1}\n"


# Where a stream or a file ends.

END_MARK = struct.pack("<II", 0xFFFFFFFF, 0)


def stream_cut_after_first_batch(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
        cut = sink.tell()
        writer.write_table(table)
    return sink.getvalue()[:cut]


CUT_COLUMNS: dict[str, tuple[dict[str, Any], bytes]] = {
    "values": ({"x1": [3.0] * 8, "x2": [1.0] * 8, "y": [-1] * 8}, b"\xff" * 8),
    "padding": ({"x1": [3.0], "x2": [1.0], "y": pa.array([-1], pa.int8())}, b"\xff" + bytes(7)),
    "the bytes of an end mark": ({"x1": [3.0] * 4, "x2": [1.0] * 4, "y": pa.array([-1] * 4, pa.int8())}, END_MARK),
}


@pytest.mark.parametrize("kind", list(CUT_COLUMNS))
def test_a_stream_cut_between_batches_is_refused_whatever_it_ends_in(kind: str, tmp_path: Path, mrl: Mrl) -> None:
    columns, tail = CUT_COLUMNS[kind]
    data = stream_cut_after_first_batch(pa.table(columns))
    assert data.endswith(tail)
    path = tmp_path / "cut.arrows"
    for cut in (data, data + bytes(4), data + bytes(8), data + bytes(4096), data + END_MARK[:4]):
        path.write_bytes(cut)
        mrl("compute", path).must_fail(3, "cut.arrows is cut off: the Arrow stream has no end mark")
        mrl("compute", "-", stdin=cut).must_fail(3, "stdin is cut off")
    run(["compute", "-"], stdin=data).must_fail(3, "stdin is cut off")
    path.write_bytes(data + END_MARK)
    assert mrl("compute", path, "--raw").out == "2.0\n"


def test_a_stream_cut_anywhere_is_refused(tmp_path: Path, mrl: Mrl) -> None:
    data = written(pairs(key=pa.array(TEXTS).dictionary_encode()), "pairs.arrows", times=2)
    path = tmp_path / "pairs.arrows"
    for size in [*range(8, len(data), 24), *range(len(data) - 8, len(data))]:
        path.write_bytes(data[:size])
        mrl("compute", path).must_fail(3, "pairs.arrows is c")  # corrupt, cut off


def test_a_stream_from_before_the_continuation_is_refused(tmp_path: Path, mrl: Mrl) -> None:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(use_legacy_format=True)
    with pa.ipc.new_stream(sink, pairs().schema, options=options) as writer:
        writer.write_table(pairs())
    (tmp_path / "old.arrows").write_bytes(sink.getvalue())
    mrl("compute", tmp_path / "old.arrows").must_fail(3, "old.arrows is not an Arrow file")


@pytest.mark.parametrize("extra", [b"\n", bytes(8), END_MARK, "pairs.arrows", "pairs.arrow"])
def test_what_follows_a_stream_is_refused(extra: bytes | str, tmp_path: Path, mrl: Mrl) -> None:
    more = written(pairs(), extra) if isinstance(extra, str) else extra
    data = written(pairs(), "pairs.arrows", times=2) + more
    (tmp_path / "pairs.arrows").write_bytes(data)
    messages = (f"is corrupt: {len(more)} bytes follow the end mark", "\nhint: are these several streams joined?")
    mrl("compute", tmp_path / "pairs.arrows").must_fail(3, *messages)
    mrl("compute", "-", stdin=data).must_fail(3, "stdin is corrupt", *messages)


@pytest.mark.parametrize("first_times", [0, 1, 2])
@pytest.mark.parametrize("second_times", [0, 1, 2])
def test_two_arrow_files_in_one_are_refused(first_times: int, second_times: int, tmp_path: Path, mrl: Mrl) -> None:
    first, second = (written(pairs(), "pairs.arrow", times=times) for times in (first_times, second_times))
    (tmp_path / "two.arrow").write_bytes(first + second)
    mrl("compute", tmp_path / "two.arrow").must_fail(3, "two.arrow is corrupt")
    mrl("compute", "-", stdin=first + second).must_fail(3, "stdin is corrupt", "\nhint: are these several files")


@pytest.mark.parametrize("extra", [b"\n", bytes(8), b"ARROW1"])
def test_what_follows_the_footer_of_an_arrow_file_is_refused(extra: bytes, tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "pairs.arrow").write_bytes(written(pairs(), "pairs.arrow") + extra)
    mrl("compute", tmp_path / "pairs.arrow").must_fail(3, "pairs.arrow is corrupt")


def blocks_start_at(footer: bytes, place: int, messages: bytes) -> bool:
    """Return whether a footer's list of two record batches, that follow one another, is at that place."""
    count, start, header_bytes, body_bytes, second = struct.unpack_from("<iqi4xqq", footer, place)
    return count == 2 and second == start + header_bytes + body_bytes and messages[second : second + 4] == b"\xff" * 4


def test_a_footer_that_leaves_out_or_repeats_a_batch_is_refused(tmp_path: Path, mrl: Mrl) -> None:
    data = written(pairs(), "pairs.arrow", times=2)
    (footer_bytes,) = struct.unpack_from("<i", data, len(data) - 10)
    start = len(data) - 10 - footer_bytes
    messages, footer = data[:start], data[start:]
    (count,) = [place for place in range(footer_bytes - 56) if blocks_start_at(footer, place, messages)]
    first, second = count + 4, count + 4 + 24
    twice = footer[:second] + footer[first : first + 24] + footer[second + 24 :]
    fewer = footer[:count] + struct.pack("<i", 1) + footer[first:]
    for damaged in (twice, fewer):
        assert damaged != footer
        (tmp_path / "pairs.arrow").write_bytes(messages + damaged)
        mrl("compute", tmp_path / "pairs.arrow").must_fail(3, "its Arrow footer does not list exactly")
