"""Columns beside the pairs: numbers and keys come out of every format alike, the fast way and the careful way."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mrl_cli.arrow import as_texts
from mrl_cli.errors import DataError, SuspectShardError, UsageError
from mrl_cli.inputs import read, resolve, shards_of
from mrl_cli.inputs.partitions import hive_keys
from mrl_cli.model import Columns, Plan
from tests.each import each

if TYPE_CHECKING:
    from pathlib import Path

    from mrl_cli.inputs import Shard
    from mrl_cli.model import Batch

ROWS = [
    {"x1": 0.5, "x2": 0.25, "y": 1, "m": 0.1, "w": 2.0, "subset": "chat", "prompt": 7},
    {"x1": -1.5, "x2": 0.0, "y": -1, "m": 0.0, "w": 0.0, "subset": "", "prompt": 7},
    {"x1": 3.0, "x2": 3.0, "y": 1, "m": -0.3, "w": 1e-3, "subset": "ähnlich, so", "prompt": -12},
]
COLUMNS = Columns(numbers=(("margin", "m"), ("weight", "w")), keys=(("group", "subset"), ("cluster", "prompt")))
FORMATS = ["csv", "tsv", "jsonl", "csv.gz", "parquet", "feather", "json", "array.json"]


def written(folder: Path, name: str) -> Path:
    """Write ROWS in the format of the name."""
    path = folder / name
    if name.endswith(("csv", "tsv", "csv.gz")):
        delimiter = "\t" if name.endswith("tsv") else ","
        lines = [delimiter.join(ROWS[0])]
        lines += [delimiter.join(f'"{v}"' if "," in str(v) else str(v) for v in row.values()) for row in ROWS]
        data = "\n".join(lines).encode() + b"\n"
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    elif name.endswith("jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif name.endswith("array.json"):
        path.write_text(json.dumps(ROWS))
    elif name.endswith("json"):
        path.write_text(json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]}))
    elif name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        pa.feather.write_feather(pa.Table.from_pylist(ROWS), str(path), compression="uncompressed")
    return path


def columns_read(path: Path, plan: Plan, *, is_careful: bool) -> tuple[dict[str, list[float]], dict[str, list[str]]]:
    """Return the numbers and the keys of a file by role."""
    numbers: dict[str, list[float]] = {}
    keys: dict[str, list[str]] = {}
    for shard in shards_of(resolve([str(path)]), plan):
        for batch in batches(shard, plan, is_careful=is_careful):
            for role, values in batch.numbers.items():
                numbers.setdefault(role, []).extend(values.tolist())
            for role, texts in batch.keys.items():
                keys.setdefault(role, []).extend(as_texts(texts).to_pylist())
    return numbers, keys


def batches(shard: Shard, plan: Plan, *, is_careful: bool) -> list[Batch]:
    """Return a shard's batches, the careful way too where the fast way cannot decide."""
    try:
        return list(read(shard, plan, is_careful=is_careful))
    except SuspectShardError:
        assert not is_careful
        return list(read(shard, plan, is_careful=True))


@each("is_careful", [False, True])
@each("name", FORMATS)
def test_every_format_gives_the_same_numbers_and_keys(name: str, is_careful: bool, tmp_path: Path) -> None:
    numbers, keys = columns_read(written(tmp_path, f"pairs.{name}"), Plan.of(columns=COLUMNS), is_careful=is_careful)
    scores = {"x1": [0.5, -1.5, 3.0], "x2": [0.25, 0.0, 3.0], "y": [1, -1, 1]}
    assert numbers == scores | {"margin": [0.1, 0.0, -0.3], "weight": [2.0, 0.0, 1e-3]}
    assert keys == {"group": ["chat", "", "ähnlich, so"], "cluster": ["7", "7", "-12"]}


def test_texts_and_integers_of_json_need_no_careful_way(tmp_path: Path) -> None:
    (shard,) = shards_of(resolve([str(written(tmp_path, "pairs.jsonl"))]), Plan.of(columns=COLUMNS))
    assert len(list(read(shard, Plan.of(columns=COLUMNS)))) == 1


@each("is_careful", [False, True])
@each("name", FORMATS)
def test_one_column_may_be_a_number_and_a_key(name: str, is_careful: bool, tmp_path: Path) -> None:
    columns = Columns(numbers=(("margin", "y"),), keys=(("group", "y"), ("cluster", "subset")))
    numbers, keys = columns_read(written(tmp_path, f"pairs.{name}"), Plan.of(columns=columns), is_careful=is_careful)
    assert numbers["margin"] == [1.0, -1.0, 1.0]
    assert keys == {"group": ["1", "-1", "1"], "cluster": ["chat", "", "ähnlich, so"]}


@pytest.mark.parametrize("is_careful", [False, True])
def test_losses_of_the_user_may_be_nan_and_infinite(is_careful: bool, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("x1,x2,y,l\n1,2,1,nan\n1,2,1,-inf\n1,2,1,1e999\n1,2,1,0.5\n")
    plan = Plan.of(columns=Columns(numbers=(("loss", "l"),)))
    numbers, _ = columns_read(path, plan, is_careful=is_careful)
    assert str(numbers["loss"]) == "[nan, -inf, inf, 0.5]"


def test_integer_keys_of_parquet_are_text_and_nulls_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    table = pa.table({"x1": [1.0, 2.0], "x2": [1.0, 2.0], "y": [1, 1], "k": pa.array([3, None], pa.int64())})
    pq.write_table(table.append_column("f", [[1.0, None]]).append_column("d", [["a", None]]), path)
    for column, expected in (("k", ["3", ""]), ("f", ["1.0", ""]), ("d", ["a", ""])):
        plan = Plan.of(columns=Columns(keys=(("group", column),)))
        assert columns_read(path, plan, is_careful=False)[1] == {"group": expected}


@each("kind", ["int8", "uint8", "int16", "int32", "int64", "uint64"])
def test_integer_keys_are_their_digits(kind: str, tmp_path: Path) -> None:
    info = np.iinfo(kind)
    for values in ([info.min, info.max] * 600, [info.max, info.max - 1] * 10, [info.min, info.min + 1] * 10, [5]):
        size = len(values)
        table = pa.table({"x1": [0.5] * size, "x2": [0.5] * size, "y": [1] * size, "k": pa.array(values, kind)})
        pq.write_table(table, tmp_path / "pairs.parquet")
        plan = Plan.of(columns=Columns(keys=(("group", "k"),)))
        assert columns_read(tmp_path / "pairs.parquet", plan, is_careful=False)[1] == {"group": list(map(str, values))}


def test_nested_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"x1": [1.0], "x2": [1.0], "y": [1], "k": [{"a": 1}]}), path)
    with pytest.raises(DataError, match=r"column k holds struct.*which is no key"):
        columns_read(path, Plan.of(columns=Columns(keys=(("group", "k"),))), is_careful=False)


def test_missing_column_names_its_option(tmp_path: Path) -> None:
    path = written(tmp_path, "pairs.csv")
    for role, option in (("margin", "--margin-column"), ("weight", "--weight"), ("x1_b", "--x1-b")):
        columns = Columns(numbers=((role, "prompts"),))  # type: ignore[arg-type]
        with pytest.raises(UsageError) as caught:
            columns_read(path, Plan.of(columns=columns), is_careful=False)
        assert caught.value.hint == f"did you mean {option} prompt?"


def test_missing_column_is_named_beside_those_of_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "model=a"
    folder.mkdir()
    written(folder, "pairs.csv")
    with pytest.raises(UsageError, match=r"no column 'modl'; it has: x1, .*, model") as caught:
        columns_read(tmp_path, Plan.of(columns=Columns(keys=(("group", "modl"),))), is_careful=False)
    assert caught.value.hint == "did you mean --group-by model?"
    with pytest.raises(UsageError, match=r"no column 'model'; it has: x1, .*prompt$"):  # a path gives no scores
        columns_read(tmp_path, Plan.of(columns=Columns(x1="model")), is_careful=False)


def test_hive_keys_of_a_path() -> None:
    assert hive_keys("a=1/b=x%2Fy/c/p.csv") == {"a": "1", "b": "x/y"}
    assert hive_keys("a=__HIVE_DEFAULT_PARTITION__/p=2.csv") == {"a": ""}


@each("is_careful", [False, True])
@each("name", FORMATS)
def test_folders_say_columns(name: str, is_careful: bool, tmp_path: Path) -> None:
    for split, label in (("test", 1), ("train", -1)):
        folder = tmp_path / f"split={split}" / f"label={label}"
        folder.mkdir(parents=True)
        written(folder, f"pairs.{name}")
    columns = Columns(y="label", numbers=(("margin", "label"),), keys=(("group", "split"), ("cluster", "subset")))
    numbers, keys = columns_read(tmp_path, Plan.of(columns=columns), is_careful=is_careful)
    assert numbers["margin"] == [1.0] * 3 + [-1.0] * 3
    assert keys == {"group": ["test"] * 3 + ["train"] * 3, "cluster": ["chat", "", "ähnlich, so"] * 2}


def test_folder_that_names_no_number_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "label=yes"
    folder.mkdir()
    written(folder, "pairs.csv")
    with pytest.raises(DataError, match="the path says label=yes, which is not a number"):
        columns_read(tmp_path, Plan.of(columns=Columns(y="label")), is_careful=False)


def test_every_file_may_be_a_group(tmp_path: Path) -> None:
    paths = [written(tmp_path, name) for name in ("a.csv", "b.jsonl")]
    _, keys = columns_read(tmp_path, Plan.of(by_file=True), is_careful=False)
    assert keys == {"file": [str(path) for path in paths for _ in ROWS]}
