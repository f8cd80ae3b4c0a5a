"""Keys of groups and queries: told apart, put in order and found again, however they are stored and cut."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_cli.arrow import as_arrow, as_texts
from mrl_cli.errors import ScatteredListsError
from mrl_cli.reductions.hashes import Seen, hashes_of, next_of
from mrl_cli.reductions.keys import FEW_KEYS, LONGEST_NUMBER, Places, coded, coded_parts, order_of, unified
from mrl_cli.reductions.repeats import Repeats, notes_in
from tests.each import each

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running import Mrl


def test_texts_that_a_dictionary_holds_twice_are_one_key() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, 1]), pa.array(["a", "b", "a", "c"]))
    codes, keys = coded([column], 5)
    assert (codes.tolist(), keys) == ([0, 1, 0, 2, 1], [("a",), ("b",), ("c",)])


@each("least", [-(2**63), -2, 0, 2**63 - 4])
@each("is_loose", [False, True])
def test_integers_at_the_ends_of_their_range_are_keys_as_any(least: int, is_loose: bool) -> None:
    values = np.tile(np.array([3, 0, 1]), 40) + np.int64(least)
    codes, (keys,) = coded_parts([as_arrow(values)], values.size, is_loose=is_loose)
    assert str(keys.type) == "int64"
    assert [keys[code].as_py() for code in codes.tolist()] == values.tolist()
    assert [keys[place].as_py() for place in order_of([keys], len(keys)).tolist()] == sorted(keys.to_pylist())


@each("few", [FEW_KEYS, -1])
def test_keys_of_integers_alone_stay_integers(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.reductions.keys.FEW_KEYS", few)
    first, second, others = pa.array([3, -1]), pa.array([-1, 2]), pa.array(["2", "a"])
    places, (keys,) = unified([[first], [second]], [2, 2])
    assert (places.tolist(), keys) == ([0, 1, 1, 2], pa.array([3, -1, 2]))
    places, (keys,) = unified([[first], [second], [others]], [2, 2, 2])
    assert (places.tolist(), keys.to_pylist()) == ([0, 1, 1, 2, 2, 3], ["3", "-1", "2", "a"])


@each("few", [FEW_KEYS, -1])
def test_a_dotless_i_makes_no_number(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.reductions.keys.FEW_KEYS", few)
    texts = ["a", "\u0131nf", "inf", "1", "\u0130nf", "-Inf\u0131nity"]
    assert order_of([pa.array(texts)], len(texts)).tolist() == [3, 2, 5, 0, 4, 1]


@each("is_text", [False, True])
def test_many_numbers_are_put_in_order_by_value(is_text: bool) -> None:
    numbers = np.random.default_rng(0).permutation(FEW_KEYS + 7)
    texts = pa.array(numbers.astype(str)) if is_text else pa.array(numbers)
    assert numbers[order_of([texts], numbers.size)].tolist() == list(range(numbers.size))


@given(
    st.sets(
        st.integers(-(10**20), 10**20) | st.integers(2**53 - 2, 2**53 + 2).flatmap(lambda n: st.sampled_from([n, -n]))
    )
)
def test_integers_are_put_in_order_by_all_their_digits(numbers: set[int]) -> None:
    texts = pa.array([f"{number:+}" if number % 3 else str(number) for number in numbers], pa.string())
    expected = sorted(numbers)
    for few in (FEW_KEYS, -1):  # one after the other, and as arrays
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mrl_cli.reductions.keys.FEW_KEYS", few)
            assert [int(texts[place].as_py()) for place in order_of([texts], len(numbers))] == expected


@each("few", [FEW_KEYS, -1])
def test_digits_beyond_what_python_reads_are_text(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.reductions.keys.FEW_KEYS", few)
    ordered = ["2", "9" * (LONGEST_NUMBER - 1), "", "1" * LONGEST_NUMBER, "1" * (LONGEST_NUMBER + 1), "b"]
    texts = pa.array(ordered[::-1])
    assert texts.take(pa.array(order_of([texts], len(ordered)))).to_pylist() == ordered


@each("line_end", ["\n", "\r\n"])
def test_keys_that_look_like_integers_are_told_apart_as_texts_are(line_end: str, tmp_path: Path, mrl: Mrl) -> None:
    names = ["10", "9", "09", "-0", "0", "1e1", "+9", "9" * 19, ""]
    rows = [f"{place},0,1,{name}" for place, name in enumerate([*names, *names])]
    (tmp_path / "p.csv").write_text(line_end.join(["x1,x2,y,g", *rows]))
    (tmp_path / "q.csv").write_text(line_end.join(["x1,x2,y,g", "8,0,-1,9", "8,0,-1,12"]))
    out = mrl("compute", tmp_path / "p.csv", tmp_path / "q.csv", "--group-by", "g", "-f", "jsonl").out
    pairs = {line["g"]: line["pairs"] for line in map(json.loads, out.splitlines())}
    assert pairs == dict.fromkeys(names, 2) | {"9": 3, "12": 1}


@given(st.lists(st.sampled_from("abcde"), max_size=8), st.lists(st.integers(0, 8), max_size=3))
def test_the_first_query_that_stands_there_again_is_found_wherever_rows_are_cut(names: str, cuts: list[int]) -> None:
    whole, joined, edges = Repeats(), Repeats(), sorted({0, len(names), *(min(cut, len(names)) for cut in cuts)})
    for place, name in enumerate(names):
        whole.add((name,), f"line {place}")
    for start, stop in pairwise(edges):
        part = Repeats()
        for place in range(start, stop):
            part.add((names[place],), f"line {place}")
        joined.join(part)
    again = next((place for place, name in enumerate(names) if name in names[:place]), None)
    assert joined.note == whole.note
    assert (whole.note is None) == (again is None)
    if again is not None:
        assert whole.note is not None
        assert f"'{names[again]}' stands in line {names.index(names[again])} and in line {again}:" in whole.note
    assert notes_in([whole, Repeats(), "another"]) == ([] if whole.note is None else [whole.note])


def _mixed(value: int) -> int:
    """Return what the finalizer of SplitMix64 makes of a number."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


def _hash(text: str) -> int:
    golden = 0x9E3779B97F4A7C15
    randoms = (_mixed((place + 1) * golden % 2**64) | 1 for place in range(99))
    words = ((byte + 1) * random for byte, random in zip(text.encode(), randoms, strict=False))
    return _mixed((sum(words) + (len(text.encode()) + 1) * golden) % 2**64)


def test_hashes_are_the_same_numbers_in_every_process() -> None:
    # The first three numbers of SplitMix64 from 0, as its authors' program prints them.
    states = np.arange(3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert [f"{number:X}" for number in next_of(states).tolist()] == [
        "E220A8397B1DCDAF",
        "6E789E6AA1B965F4",
        "6C45D188009454F",
    ]
    texts = ["", "a", "query 1", "ü", "b" * 20]
    column = pa.array(texts).dictionary_encode()
    assert hashes_of([column]).tolist() == list(map(_hash, texts))
    following = (_mixed((_hash(text) + 0x9E3779B97F4A7C15) % 2**64) for text in texts)
    assert hashes_of([column, column]).tolist() == [
        (state + _hash(text)) % 2**64 for state, text in zip(following, texts, strict=True)
    ]


@each("again", [None, 0, 250, 499])
def test_hash_that_was_met_is_met_again_in_whichever_array_it_is(again: int | None) -> None:
    hashes = hashes_of([pa.array([f"query {number}" for number in range(501)]).dictionary_encode()])
    assert np.unique(hashes).size == hashes.size
    seen = Seen()
    for start in range(0, 500, 20):
        seen.add(hashes[start : start + 20])
    if again is None:
        seen.add(hashes[500:])
        return
    with pytest.raises(ScatteredListsError):
        seen.add(hashes[[500, again]])
    with pytest.raises(ScatteredListsError):
        Seen().add(hashes[[again, 500, again]])


@given(st.lists(st.lists(st.integers(-5, 60) | st.sampled_from([10**6, 2**62]), max_size=30), max_size=6), st.data())
def test_places_of_keys_in_turn_are_those_of_all_at_once(groups: list[list[int]], data: st.DataObject) -> None:
    kinds = [data.draw(st.sampled_from(["integer"] * 3 + ["text"])) for _ in groups]
    parts = [as_arrow(np.array(keys, np.int64)) for keys in groups]
    parts = [part if kind == "integer" else as_texts(part) for part, kind in zip(parts, kinds, strict=True)]
    places, found = Places(), list[int]()
    for part in parts:
        found += places.of([[part]], [len(part)]).tolist()
    expected, keys = unified([[as_texts(part)] for part in parts], list(map(len, parts)))
    assert found == expected.tolist()
    assert places.size == len(set(found))
    if groups and places.size:
        assert as_texts(places.keys[0]).to_pylist() == keys[0].to_pylist()


def test_keys_that_were_met_without_a_table_are_known_to_the_next_one() -> None:
    places = Places()
    found = [places.of([[as_arrow(np.array(keys))]], [2]).tolist() for keys in ([7, 5], [2**40, 6], [6, 7])]
    assert found == [[0, 1], [2, 3], [3, 0]]
