"""`--by-row` on two files: columns that name the pairs must name the same ones; what else differs is no error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli.inputs.naming import LONGEST_TEXT, shortened
from tests.each import each
from tests.running import Mrl, Ran

if TYPE_CHECKING:
    from pathlib import Path


SIZE = 8
SHIFTED = [*range(1, SIZE), 0]  # where each row of b stands in a


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    """Run `mrl compare A B --by-row`, or with other options."""

    def invoked(a: str, b: str, *args: str, stdin: bytes = b"") -> Ran:
        return mrl("compare", a, b, *(args or ("--by-row",)), stdin=stdin)

    return invoked


def write(path: str, columns: dict[str, list[Any]], order: list[int] | None = None) -> str:
    """Write pairs with further columns, in an order; return the path. The label of the first one is -1."""
    scores: dict[str, list[Any]] = {
        "x1": [row / 8 for row in range(SIZE)],
        "x2": [0.5] * SIZE,
        "y": [-1, *[1] * (SIZE - 1)],
    }
    every = {name: [values[row] for row in order or range(SIZE)] for name, values in (columns | scores).items()}
    rows = [dict(zip(every, cells, strict=True)) for cells in zip(*every.values(), strict=True)]
    if path.endswith("parquet"):
        pq.write_table(pa.table(every), path)
    elif path.endswith("jsonl"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join([",".join(every), *(",".join(map(str, row.values())) for row in rows)]) + "\n")
    return path


IDS = [f"k{row}" for row in range(SIZE)]
PROMPTS = [f"Human: question number {row}, {'which is long ' * 9}" for row in range(SIZE)]
COUNTED = list(range(SIZE))


@pytest.mark.slow
@each(
    ("name", "values"),
    [("id", IDS), ("id", COUNTED), ("prompt_id", COUNTED), ("promptId", IDS), ("prompt", PROMPTS), ("text", PROMPTS)],
)
@each(("of_a", "of_b"), [("csv", "csv"), ("csv", "parquet"), ("jsonl", "csv"), ("parquet", "jsonl")])
def test_names_in_other_rows_are_refused_and_the_hint_matches_them(
    name: str, values: list[Any], of_a: str, of_b: str, mrl: Mrl
) -> None:
    texts = [str(value).replace(",", ";") if isinstance(value, str) else value for value in values]
    a, b = write(f"a.{of_a}", {name: texts}), write(f"b.{of_b}", {name: texts}, SHIFTED)
    ran = mrl(a, b)
    ran.must_fail(3, f"not the same pairs row by row: {name} differs in 8 of 8 rows\n")
    first = [str(texts[row])[:40] + ("…" if len(str(texts[row])) > 40 else "") for row in (0, 1)]
    assert f"\n  row 1: {name} is {first[0]!r} in {a} and {first[1]!r} in {b}\n" in ran.err
    assert f"hint: match them with --key {name}\n" in ran.err
    followed = mrl(a, b, "--key", name, "-f", "json").result
    assert (followed["pairs"], followed["ties"]) == (8, 8)


def test_first_row_that_differs_is_named(mrl: Mrl) -> None:
    ran = mrl(write("a.csv", {"id": IDS}), write("b.csv", {"id": IDS}, [0, 1, 2, 4, 3, 5, 6, 7]))
    assert "id differs in 2 of 8 rows\n  row 4: id is 'k3' in a.csv and 'k4' in b.csv\n" in ran.err


def test_stdin_is_checked_too(mrl: Mrl, tmp_path: Path) -> None:
    a, b = write("a.csv", {"id": IDS}), write("b.csv", {"id": IDS}, SHIFTED)
    mrl(a, "-", stdin=(tmp_path / b).read_bytes()).must_fail(3, "id is 'k0' in a.csv and 'k1' in stdin")


@pytest.mark.parametrize(
    ("others", "hint"),
    [
        ([f"z{row}" for row in range(SIZE)], "are these the same pairs? if they are, rename id in one of the files"),
        (["new", *IDS[1:]], "--key id --unmatched drop matches the 7 pairs of both files, and counts the others"),
        ([*IDS[1:], IDS[0]], "are these the same pairs? matched by id, some have other labels"),
    ],
)
def test_key_is_proposed_only_where_it_matches_pairs(others: list[str], hint: str, mrl: Mrl) -> None:
    a, b = write("a.csv", {"id": IDS}), write("b.csv", {"id": others})
    ran = mrl(a, b)
    assert (ran.code, ran.err.splitlines()[-1]) == (3, f"hint: {hint}")
    if "--unmatched" in hint:
        assert mrl(a, b, "--key", "id", "--unmatched", "drop", "-f", "json").result["pairs"] == 7
    if "rename" in hint:
        assert mrl(a, write("b.csv", {"id_of_b": others})).code == 0


@each(
    ("of_a", "of_b"),
    [
        ({"id": IDS}, {"id": IDS}),
        ({"id": IDS, "output": ["yes it is", *PROMPTS[1:]]}, {"id": IDS, "output": [f"b {row}" for row in COUNTED]}),
        ({"output": [f"a {row}" for row in COUNTED]}, {"output": [f"b {row}" for row in COUNTED]}),
        ({"response_id": IDS}, {"response_id": [f"z{row}" for row in COUNTED]}),
        ({"rank": COUNTED}, {"rank": SHIFTED}),
        ({"tokens": COUNTED}, {"tokens": SHIFTED}),
        ({"other": [row + 0.5 for row in COUNTED]}, {"other": [row + 0.5 for row in SHIFTED]}),
        ({"model": ["a"] * SIZE}, {"model": ["b"] * SIZE}),
        ({"subset": ["p", "q"] * 4}, {"subset": ["q", "p"] * 4}),
        ({"id": IDS}, {"key": SHIFTED}),
        ({"id": IDS, "text": PROMPTS}, {"id": IDS, "text": PROMPTS[::-1]}),  # the ids are the same
        ({"prompt": IDS, "id": COUNTED}, {"prompt": IDS, "id": [row + 1 for row in COUNTED]}),  # so are the prompts
        ({"id": [""] * SIZE}, {"id": IDS}),
        ({"id": ["k"] * SIZE}, {"id": IDS}),
    ],
)
@each("suffix", ["csv", "jsonl", "parquet"])
def test_what_names_no_pair_or_agrees_is_no_error(
    of_a: dict[str, Any], of_b: dict[str, Any], suffix: str, mrl: Mrl
) -> None:
    if suffix == "csv":
        of_a, of_b = ({k: [str(v).replace(",", ";") for v in values] for k, values in d.items()} for d in (of_a, of_b))
    ran = mrl(write(f"a.{suffix}", of_a), write(f"b.{suffix}", of_b), "--by-row", "-f", "json")
    assert ran.result["ties"] == SIZE


def test_count_of_rows_does_not_show_that_pairs_are_the_same(mrl: Mrl) -> None:
    counted: dict[str, list[Any]] = {"id": COUNTED, "prompt": IDS}
    b = {"id": COUNTED, "prompt": [IDS[row] for row in SHIFTED]}
    mrl(write("a.csv", counted), write("b.csv", b)).must_fail(3, "prompt differs in 8 of 8 rows")


def test_name_with_blanks_is_quoted_and_nothing_is_shown_as_it_is(mrl: Mrl) -> None:
    ids = [f"\x1b[31m{row}" for row in IDS]
    ran = mrl(write("a.csv", {"pair id": ids}), write("b.csv", {"pair id": ids}, SHIFTED))
    assert "\x1b" not in ran.err
    assert "hint: match them with --key 'pair id'" in ran.err


def test_column_that_the_first_row_lacks_is_passed_over(mrl: Mrl, tmp_path: Path) -> None:
    for name, order in (("a.jsonl", None), ("b.jsonl", SHIFTED)):
        lines = (tmp_path / write(name, {"id": IDS}, order)).read_text().splitlines(keepends=True)
        first = json.loads(lines[0])
        del first["id"]
        (tmp_path / name).write_text("".join([json.dumps(first) + "\n", *lines[1:]]))
    assert "label differs" in mrl("a.jsonl", "b.jsonl").err


def test_columns_of_lists_are_passed_over(mrl: Mrl) -> None:
    lists = [[str(row)] for row in COUNTED]
    a, b = write("a.parquet", {"prompt": lists}), write("b.parquet", {"prompt": lists[::-1]})
    assert mrl(a, b).code == 0


def test_long_texts_are_held_by_their_beginning_and_are_told_apart() -> None:
    long = "x" * 1000
    texts = ["short", "ü" * LONGEST_TEXT, long + "1", long + "2", long + "1"]
    kept = shortened(pa.array(texts)).to_pylist()
    assert kept[:2] == texts[:2]
    assert max(map(len, kept)) < LONGEST_TEXT + 24
    assert [kept[2] == other for other in kept[3:]] == [False, True]
    assert shortened(pa.array(texts)[2:3].dictionary_encode()).to_pylist() == [kept[2]]
    assert shortened(pa.array([], pa.string())).to_pylist() == []
