"""Files of pairs and ranked lists of every format, damaged in places that matter; and lines of options."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import struct
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mrl_cli.cli import group
from tests.decimals import KINDS, as_scores, nearly_a_number

if TYPE_CHECKING:
    from collections.abc import Callable

DELIMITED = ("csv", "tsv")
BASES = 600  # whole Parquet and Arrow files to damage
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
}
_PIECES = [
    b"",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b'"',
    b'""',
    b"\0",
    b" ",
    b"\t",
    b",",
    b";",
    b"|",
    b".",
    b"-",
    b"\xef\xbb\xbf",
]
_PIECES += [
    "é".encode(),
    b"\xe9",
    b"\xff",
    b"e9",
    b"1e400",
    b"0x1",
    b"nan",
    b"-inf",
    b"Inf",
    b"-NaN",
    b"true",
    b"null",
    b"NA",
]
_PIECES += [
    b"1_0",
    b"[1]",
    b"[",
    b"{",
    b"}",
    b":",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"#",
    b"7" * 9,
    b"0" * 30,
    b"9007199254740993",
]
_PIECES += [b"1e-400", b"-0", b"\x1e", b"\x1b[31m", b"x1", b"[[[[", b"/*", b"\xe2\x80\xae", "٣".encode(), b"\xc2\xa0"]
_WORDS = ["", "a word", "Zürich", "it's", "=1+1", "a,b", 'say "so"', "two\nlines", "l1\rl2", "Information", "a;b|c\td"]


@dataclass(frozen=True)
class Case:
    """A file, the line of a command about it, and what else lies beside; `is_intact`: nothing was damaged."""

    kind: str
    name: str
    data: bytes
    line: tuple[str, ...]
    beside: dict[str, bytes] = field(default_factory=dict)
    is_intact: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    same_as: tuple[str, ...] = ()  # the line that has the same effect by itself


def case_of(random: Random, kind: str) -> Case:
    """Return a case of a kind."""
    return MAKERS[kind](random)


def _number(random: Random) -> str:
    return (random.choice(list(KINDS)) if random.random() < 0.2 else as_scores)(random)


def _label(random: Random) -> str:
    return random.choice(["1", "-1"]) if random.random() < 0.97 else random.choice(["0", "+1", "1.0", "2", "", "true"])


def _times(random: Random) -> int:
    return random.choice([0, 0, 1, 1, 1, 2, 3])


def damaged(data: bytes, random: Random, times: int) -> bytes:
    """Return bytes with so many pieces put in, taken out, doubled or moved, perhaps cut off."""
    for _ in range(times):
        place = random.randrange(len(data) + 1)
        way = random.random()
        if way < 0.6:
            data = data[:place] + random.choice(_PIECES) + data[place + random.choice([0, 0, 1, 2, 3]) :]
        elif way < 0.75:
            end = place + random.randrange(1, 40)
            data = data[:end] + data[place:end] + data[end:]
        elif way < 0.9:
            data = data[:place] + data[place + random.randrange(1, 40) :]
        else:
            data = data[:place]
    return data


def _rows(random: Random, columns: list[str]) -> list[list[str]]:
    def cell(name: str) -> str:
        if name == "y":
            return _label(random)
        if name.startswith("x"):
            return nearly_a_number(random) if random.random() < 0.02 else _number(random)
        return random.choice(_WORDS)

    return [[cell(name) for name in columns] for _ in range(random.randrange(1, 9))]


def _columns(random: Random) -> list[str]:
    columns = ["x1", "x2", "y", *["text", "further"][: random.choice([0, 0, 1, 2])]]
    random.shuffle(columns)
    return columns


def _delimited_text(random: Random, delimiter: str, times: int) -> bytes:
    columns = _columns(random)
    quotes_all = random.random() < 0.15

    def written(cell: str) -> str:
        needs = quotes_all or any(mark in cell for mark in (delimiter, '"', "\n", "\r"))
        return '"' + cell.replace('"', '""') + '"' if needs else cell

    line_end = random.choice(["\n", "\n", "\n", "\r\n", "\r"])
    rows = [columns, *_rows(random, columns)]
    text = line_end.join([delimiter.join(map(written, row)) for row in rows] + [""] * (random.random() < 0.8))
    header = len(delimiter.join(map(written, columns)).encode()) + 1
    data = text.encode()
    where = 0 if random.random() < 0.1 else min(header, len(data))  # the header is damaged less often
    return data[:where] + damaged(data[where:], random, times)


def _csv(random: Random) -> Case:
    times = _times(random)
    delimiter = random.choice([",", ",", ",", ";", "|"])
    line = ["compute", "p.csv", *(["-d", delimiter] if random.random() < 0.3 else [])]
    return Case("csv", "p.csv", _delimited_text(random, delimiter, times), _skips(line, random), is_intact=not times)


def _tsv(random: Random) -> Case:
    times = _times(random)
    data = _delimited_text(random, "\t", times)
    return Case("tsv", "p.tsv", data, _skips(["compute", "p.tsv"], random), is_intact=not times)


def _skips(line: list[str], random: Random) -> tuple[str, ...]:
    return (*line, "--on-error", "skip") if random.random() < 0.4 else tuple(line)


def _json_text(random: Random, times: int) -> bytes:
    columns = _columns(random)
    blank = random.choice(["", " ", " ", "\t", "\r"])

    def value(name: str, cell: str) -> str:
        if name.startswith("x") or name == "y":
            is_plain = cell[-1:].isdigit() and cell.lstrip("-")[:1].isdigit()
            return cell if is_plain or random.random() < 0.1 else json.dumps(cell)
        return random.choice(
            [json.dumps(cell), "null", "true", "[1, {}]", '{"a": [2]}', "-1.5e3", "NaN", json.dumps([cell])]
        )

    def line(row: list[str]) -> str:
        members = [f'"{name}":{blank}{value(name, cell)}' for name, cell in zip(columns, row, strict=True)]
        return "{" + f",{blank}".join(members) + "}"

    lines = [line(row) for row in _rows(random, columns)]
    text = random.choice(["\n", "\n", "\r\n"]).join([*lines, ""][: None if random.random() < 0.8 else -1])
    return damaged(text.encode(), random, times)


def _jsonl(random: Random) -> Case:
    times = _times(random)
    line = _skips(["compute", "p.jsonl"], random)
    return Case("jsonl", "p.jsonl", _json_text(random, times), line, is_intact=not times)


def _json(random: Random) -> Case:
    columns, times = _columns(random), _times(random)
    rows = _rows(random, columns)
    records: Any = [dict(zip(columns, row, strict=True)) for row in rows]
    shape = random.choice(["records", "columns", "rows", "below"])
    if shape == "columns":
        records = {name: [row[place] for row in rows] for place, name in enumerate(columns)}
    elif shape == "below":
        records = {"data": records}
    data = json.dumps(records, indent=random.choice([None, 1])).encode()
    return Case(
        "json", "p.json", damaged(data, random, times), _skips(["compute", "p.json"], random), is_intact=not times
    )


def _compressed(random: Random) -> Case:
    inner = random.choice([_csv, _jsonl])(random)
    suffix = random.choice(list(COMPRESS))
    parts = [inner.data]
    if random.random() < 0.3:
        cut = random.randrange(len(inner.data) + 1)
        parts = [inner.data[:cut], inner.data[cut:]]
    data = b"".join(map(COMPRESS[suffix], parts))
    data = flipped(data, random) if random.random() < 0.7 else data
    name = inner.name + suffix
    line = tuple(name if word == inner.name else word for word in inner.line)
    return Case("compressed", name, data, line)


def flipped(data: bytes, random: Random) -> bytes:
    """Return binary data with some of it changed as lengths, counts and flags are, doubled or cut off."""
    array = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        if len(array) < 2:
            break
        place = (
            random.randrange(len(array))
            if random.random() < 0.6
            else len(array) - 1 - random.randrange(min(300, len(array)))
        )
        way = random.random()
        if way < 0.35:
            array[place] ^= 1 << random.randrange(8)
        elif way < 0.55:
            array[place] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)])
        elif way < 0.85:
            size = random.choice("hiq")
            limits = {"h": 15, "i": 31, "q": 63}[size]
            number = random.choice(
                [0, 1, -1, 2**limits - 1, -(2**limits), 1 << random.randrange(limits), random.randrange(300)]
            )
            packed = struct.pack(f"<{size}", number)
            array[place : place + len(packed)] = packed
        elif way < 0.9:
            array[place:place] = array[place : place + random.randrange(1, 64)]
        elif way < 0.95:
            del array[place : place + random.randrange(1, 64)]
        else:
            del array[place:]
    return bytes(array)


def _table(random: Random) -> pa.Table:
    size = random.choice([1, 3, 20, 90])
    generator = np.random.default_rng(random.getrandbits(32))
    kinds = [pa.float64(), pa.float32(), pa.float16(), pa.int64(), pa.int32(), pa.decimal128(9, 2), pa.string()]

    def scores() -> pa.Array:
        numbers = np.round(generator.normal(size=size) * 10, 2)
        kind = random.choice(kinds[: random.choice([1, 2, 7])])
        if pa.types.is_integer(kind):
            return pa.array(numbers.astype(np.int64), kind)
        if pa.types.is_floating(kind):
            return pa.array(numbers.astype(kind.to_pandas_dtype()))
        texts = [f"{number:.2f}" for number in numbers.tolist()]
        return pa.array(texts).cast(kind) if pa.types.is_decimal(kind) else pa.array(texts)

    label = random.choice([pa.int8(), pa.int64(), pa.float64()])
    columns = {"x1": scores(), "x2": scores(), "y": pa.array(generator.choice([-1, 1], size).tolist(), label)}
    if random.random() < 0.3:
        columns["text"] = pa.array([random.choice(_WORDS) for _ in range(size)])
    if random.random() < 0.2:
        name = random.choice(list(columns))
        columns[name] = columns[name].dictionary_encode()
    return pa.table(columns)


def _parquet(random: Random) -> Case:
    return _flipped("parquet", "p.parquet", _parquet_file(random.randrange(BASES)), random)


def _flipped(kind: str, name: str, data: bytes, random: Random) -> Case:
    is_intact = random.random() < 0.1
    data = data if is_intact else flipped(data, random)
    return Case(kind, name, data, _skips(["compute", name], random), is_intact=is_intact)


@cache
def _parquet_file(seed: int) -> bytes:
    """Return one of the whole files that are damaged, each in many ways: to write one takes longer than to read it."""
    random = Random(seed)
    sink, table = io.BytesIO(), _table(random)
    pq.write_table(
        table,
        sink,
        row_group_size=random.choice([None, 1 + table.num_rows // 3, 64]),
        compression=random.choice(["none", "snappy", "zstd", "gzip", "lz4"]),
        use_dictionary=random.random() < 0.5,
        data_page_version=random.choice(["1.0", "2.0"]),
        write_page_checksum=random.random() < 0.2,
        store_schema=random.random() < 0.7,
    )
    return sink.getvalue()


def _arrow(random: Random) -> Case:
    seed = random.randrange(BASES)
    return _flipped("arrow", "p.arrows" if seed % 2 else "p.arrow", _arrow_file(seed), random)


@cache
def _arrow_file(seed: int) -> bytes:
    """As `_parquet_file`; an odd seed gives a stream."""
    random = Random(seed)
    sink, table = io.BytesIO(), _table(random)
    options = pa.ipc.IpcWriteOptions(compression=random.choice([None, "lz4", "zstd"]))
    with (pa.ipc.new_stream if seed % 2 else pa.ipc.new_file)(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=random.choice([None, 1 + table.num_rows // 3, 64]))
    return sink.getvalue()


def _lists(random: Random) -> list[tuple[str, str, int, str]]:
    """Return (query, document, label, score) of a few items of ranked lists, those of a query one after the other."""
    queries = range(random.randrange(1, 4))
    return [
        (f"q{query}", f"d{item}", random.randrange(4), f"{random.gauss(0, 1):.3f}")
        for query in queries
        for item in range(random.randrange(1, 6))
    ]


def _trec(random: Random) -> Case:
    lists, times = _lists(random), _times(random)
    run = "".join(
        f"{query} Q0 {document} {rank} {score} run\n" for rank, (query, document, _, score) in enumerate(lists)
    )
    judged = "".join(f"{query} 0 {document} {label}\n" for query, document, label, _ in lists)
    return Case(
        "trec",
        "p.trec",
        damaged(run.encode(), random, times),
        _skips(["rank", "p.trec", "--qrels", "q.txt"], random),
        {"q.txt": damaged(judged.encode(), random, random.choice([0, 0, 1]))},
    )


def _letor(random: Random) -> Case:
    lists, times = _lists(random), _times(random)
    rows = "".join(f"{label} qid:{query[1:]} 1:{score} 2:0.5 # {document}\n" for query, document, label, score in lists)
    scores = "".join(f"{score}\n" for *_, score in lists)
    return Case(
        "letor",
        "p.letor",
        damaged(rows.encode(), random, times),
        _skips(["rank", "p.letor", "--scores", "s.txt"], random),
        {"s.txt": damaged(scores.encode(), random, random.choice([0, 0, 1]))},
    )


_LEFT_OUT = {
    "--help",
    "--output",
    "--rejects",
    "--engine",
    "--scheduler",
    "--function",
    "--against",
    "--save",
    "--jobs",
}
COMMANDS = ("compute", "rank", "sweep", "compare", "validate", "pairs", "check", "losses")
_VALUES = [
    "p.csv",
    "-",
    "x1",
    "x2",
    "y",
    "text",
    "",
    "0",
    "1",
    "-1",
    "0.5",
    "1e400",
    "nan",
    "inf",
    "-0",
    "none",
    "sum",
    "json",
]
_VALUES += [
    "csv",
    "01",
    "any",
    "value>0.5",
    "value>",
    ">" * 200,
    "a." * 99 + ">1",
    "1=1,2=-1",
    '"a=1',
    "beta=2",
    "margin=0",
    "0:1:0.1",
]
_VALUES += [
    "é",
    "\x1b[31m",
    "x1.y.z",
    "*.a",
    "hinge",
    "logistic",
    ".",
    "./nowhere/p.csv",
    "p.csv,p.csv",
    "9" * 400,
    "utf-16",
    ";",
    ",",
]


def _options(random: Random) -> Case:
    command = random.choice(COMMANDS)
    options = _options_of(command)
    words = [command, "p.csv"]
    for _ in range(random.choice([0, 1, 1, 2, 3, 5])):
        option = random.choice(options)
        words.append(random.choice([*option.opts, *option.secondary_opts]))
        if not option.is_flag or random.random() < 0.02:
            words.append(_value(option, random))
    if random.random() < 0.02:
        random.shuffle(words)
    return Case("options", "p.csv", _PAIRS, tuple(words), is_intact=True)


_PAIRS = b"x1,x2,y,text\n1,3,1,a\n0.5,0.25,-1,b\n"


@cache
def _options_of(command: str) -> list[click.Option]:
    with click.Context(group) as context:
        found = group.get_command(context, command)
    assert found is not None
    known = [parameter for parameter in found.params if f"--{parameter.name}".replace("_", "-") not in _LEFT_OUT]
    return [parameter for parameter in known if isinstance(parameter, click.Option)]


def _value(option: click.Option, random: Random) -> str:
    if random.random() < 0.15:
        return random.choice(_VALUES)
    if isinstance(option.type, click.Choice):
        return str(random.choice(option.type.choices))
    if (option.metavar or "") == "COLUMN":
        return random.choice(["x1", "x2", "y", "text"])
    if isinstance(option.type, click.types.FloatParamType | click.types.IntParamType):
        return random.choice(["0", "1", "2", "0.5", "0.9", "-1"])
    return random.choice(_VALUES)


# What is set for all commands makes none of the others read ranked lists.
_OF_ONE_KIND = ("compute", "rank")


def _config(random: Random) -> Case:
    """Return settings in a file or in the environment, and the line of options that has the same effect."""
    command = random.choice(["compute", "compute", "sweep", "validate", "check", "pairs", "rank"])
    settable = [option for option in _options_of(command) if option.name != "config" and not option.is_eager]
    chosen = {option.name or "": option for option in random.choices(settable, k=random.choice([1, 1, 2, 3]))}
    given: dict[str, Any] = {}
    line = [command, "p.csv"]
    for name, option in chosen.items():
        longest = max(option.opts, key=len)
        given[name] = True if option.is_flag else _value(option, random)
        line += [longest] if option.is_flag else [longest, given[name]]
    by_variables = random.random() < 0.3
    if by_variables:
        return _by_variables(command, given, tuple(line), random)
    where = random.choice(["mrl.toml", "pyproject.toml", "named.toml"])
    own = random.random() < 0.5 or command not in _OF_ONE_KIND
    table = ".".join(["tool.mrl"] * (where == "pyproject.toml") + [command] * own)
    rows = [f"[{table}]"] if table else []
    rows += [f"{_spelled(name, random)} = {_toml(value, random)}" for name, value in given.items()]
    times = _times(random)
    data = damaged(("\n".join(rows) + "\n").encode(), random, times)
    named = ("--config", where) if where == "named.toml" else ()
    return Case(
        "config", "p.csv", _PAIRS, (command, "p.csv", *named), {where: data}, is_intact=not times, same_as=tuple(line)
    )


def _spelled(name: str, random: Random) -> str:
    return name.replace("_", "-") if random.random() < 0.5 else name


def _toml(value: str | bool, random: Random) -> str:
    """Return a value of TOML: a number perhaps as one."""
    if value is True:
        return "true"
    is_number = re.fullmatch(r"-?(0|[1-9][0-9]{0,9})(\.[0-9]*[1-9])?", str(value)) and value != "-0"
    return str(value) if is_number and random.random() < 0.7 else json.dumps(value, ensure_ascii=False)


def _by_variables(command: str, given: dict[str, Any], line: tuple[str, ...], random: Random) -> Case:
    """Return a case whose settings stand in the environment, where an empty one is none and a list is split."""
    own = f"MRL_{command.upper()}_"
    prefix = random.choice(["MRL_", own]) if command in _OF_ONE_KIND else own
    variables = {prefix + name.upper(): "1" if value is True else str(value) for name, value in given.items()}
    multiple = {option.name for option in _options_of(command) if option.multiple}
    is_same = all(value and "\0" not in str(value) for value in given.values()) and multiple.isdisjoint(given)
    times = _times(random)
    damaged_ones = {
        damaged(name.encode(), random, times and random.randrange(2)): damaged(value.encode(), random, times)
        for name, value in variables.items()
    }
    kept = {
        name: value for name, value in damaged_ones.items() if name and not {0, ord("=")} & {*name} and 0 not in value
    }
    names = {os.fsdecode(name): os.fsdecode(value) for name, value in kept.items() if name.startswith(b"MRL_")}
    is_intact = not times and is_same and len(names) == len(given)
    return Case("config", "p.csv", _PAIRS, (command, "p.csv"), {}, is_intact, names, line)


MAKERS: dict[str, Callable[[Random], Case]] = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "json": _json,
    "compressed": _compressed,
    "parquet": _parquet,
    "arrow": _arrow,
    "trec": _trec,
    "letor": _letor,
    "options": _options,
    "config": _config,
}
