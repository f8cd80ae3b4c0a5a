"""The input files of `recorder.py`: the same bytes at each recording, written into a folder."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import shutil
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Row = dict[str, Any]

SAMPLES = Path(__file__).resolve().parents[1] / "sample_data"
MARGIN = 0.5
PAIRS = "x1,x2,y\n0.5,0.25,1\n1,2,1\n1,1,-1\n"  # with margin 0.5 the losses are 0.25, 1.5 and 0.5
BAD = "x1,x2,y,w,m,g\n1,3,1,1,0,a\noops,,1,2,0,b\n1,3,0,1,1,a\n1,3\n0.5,0.25,-1,-1,2,b\nnan,1,1,3,nan,\n3,1,1,0,1,c\n"
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
}
_RAISES = "import os, signal, time\nos.kill(os.getpid(), signal.{})\ntime.sleep(9)\n"
# Modules that go wrong when they are imported: put before the real ones they stand for what a test cannot bring about.
FAKES = {
    "bug/numpy.py": 'raise RuntimeError("planted\\x1b[31m")\n',
    "memory/numpy.py": "raise MemoryError\n",
    "interrupt/numpy.py": _RAISES.format("SIGINT"),
    "terminate/numpy.py": _RAISES.format("SIGTERM"),
    "early/click.py": _RAISES.format("SIGINT"),
    "no_torch/torch.py": 'raise ImportError("no torch here")\n',
}


def rows_of(count: int, seed: int) -> list[Row]:
    """Return pairs of two models (x1, x2 and u, v), some tied, with margins, weights, groups and per-pair losses.

    `good` is the loss under margin 0.5; the columns that follow hold it with a mistake.
    """
    draw = random.Random(seed)
    rows: list[Row] = []
    for index in range(count):
        x1, x2, u, v = (draw.randrange(-3000, 3000) / 1000 for _ in range(4))
        x2 = x1 if draw.random() < 0.03 else x2
        y = draw.choice([-1, 1])
        d, s = y * (x1 - x2), np.float32(x1) - np.float32(x2)
        rows.append(
            {
                "id": f"k{index}",
                "x1": x1,
                "x2": x2,
                "y": y,
                "u": u,
                "v": v,
                "m": draw.randrange(4) / 4,
                "w": draw.choice([0.0, 0.5, 1.0, 2.5]),
                "real": draw.randrange(-9, 9) / 4,
                "l01": (y + 1) // 2,
                "half": 0.5 if index % 9 == 0 else (y + 1) // 2,
                "g": draw.choice(["10", "9", "a", "Z", "é", ""]),
                "p": f"prompt {index // 4}",
                "good": max(0.0, MARGIN - d),
                "sign": max(0.0, MARGIN + d),
                "unmargined": max(0.0, -d),
                "unclamped": MARGIN - d,
                "squared": max(0.0, MARGIN - d) ** 2,
                "noise": draw.random(),
                "zeroone": max(0.0, MARGIN - (y + 1) / 2 * (x1 - x2)),
                "single": float(max(np.float32(0), np.float32(MARGIN) - y * s)),
                "rounded": round(max(0.0, MARGIN - d), 2),
            }
        )
    for row, other in zip(rows, rows[1:] + rows[:1], strict=True):
        row["shifted"] = other["good"]
    return rows


def text_of(rows: Iterable[Row], delimiter: str = ",", *, header: bool = True, decimal: str = ".") -> str:
    """Return rows as delimited text."""
    rows = list(rows)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerows([list(rows[0])] if header else [])
    for row in rows:
        writer.writerow([str(x).replace(".", decimal) if isinstance(x, float) else x for x in row.values()])
    return out.getvalue()


def lines_of(rows: Iterable[Row]) -> str:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return rows as an object of columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def _picked(rows: Iterable[Row], *names: str, **renamed: str) -> list[Row]:
    """Return some columns; `renamed` gives their names, by the column they hold."""
    return [{name: row[name] for name in names} | {new: row[old] for new, old in renamed.items()} for row in rows]


def write_inputs(folder: Path) -> None:
    """Write every input of the cases."""
    for name in ("diabetes_pairs.csv", "diabetes_pairs.parquet", "founding.csv"):
        shutil.copyfile(SAMPLES / name, folder / name)
    rows = rows_of(400, seed=7)
    texts = _texts(rows) | _texts_for_compare(rows) | _texts_of_producers(rows) | _odd_texts()
    texts |= {f"fakes/{name}": text for name, text in FAKES.items()}
    for name, content in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    _write_columnar(rows, folder)


def _texts(rows: list[Row]) -> dict[str, str | bytes]:
    """Return texts of pairs in every format, dialect, encoding and compression."""
    few, columns = rows[:40], columns_of(rows[:40])
    plain, lines = text_of(few), lines_of(few)
    files: dict[str, str | bytes] = {
        "pairs.csv": PAIRS,
        "many.csv": text_of(rows),
        "bad.csv": BAD,
        "few.csv": plain,
        "few.txt": plain,
        "few": plain,
        "few.tsv": text_of(few, "\t"),
        "few.tab": text_of(few, "\t"),
        "few.jsonl": lines,
        "few.ndjson": lines,
        "few.json": json.dumps(columns),
        "records.json": json.dumps(few, indent=2),
        "lines.json": lines,
        "nested.json": json.dumps({"model": "m", "x1": [[x] for x in columns["x1"]], "x2": columns["x2"], "y": 1}),
        "semicolons.csv": text_of(few, ";", decimal=","),
        "bars.csv": text_of(few, "|"),
        "bare.csv": text_of(_picked(few, "x1", "x2", "y"), header=False),
        "blanks.txt": text_of(_picked(few, "x1", "x2", "y"), " "),
        **{
            f"{code}.csv": text_of([row | {"g": "é"} for row in few]).encode(code)
            for code in ("latin-1", "utf-16", "utf-8-sig")
        },
        **{
            f"{base}.{suffix}": compress(text.encode())
            for suffix, compress in COMPRESSIONS.items()
            for base, text in (("few.csv", plain), ("few.jsonl", lines), ("few.json", json.dumps(columns)))
        },
        "cut.csv.gz": COMPRESSIONS["gz"](plain.encode())[:-9],
        "disguised.csv": COMPRESSIONS["gz"](b"x"),
        "plain.csv.gz": plain,
        "book.xlsx": b"PK\x03\x04" + bytes(60),
        "text.parquet": plain,
        "runs/model=a/split=test/p.csv": PAIRS,
        "runs/model=a/split=dev/p.csv": PAIRS,
        "runs/model=b%20c/split=test/p.tsv": PAIRS.replace(",", "\t"),
        "runs/_SUCCESS.csv": "no data\n",
        "runs/.hidden.csv": "no data\n",
        "runs/notes.md": "no data\n",
        "notes/notes.md": "no data\n",
        "clash/x1=3/p.csv": PAIRS,
        "a[1].csv": PAIRS,
        "\x1b[31mpairs\n.csv": "x1,x2,y\noops,3,1\n",
        "caf\udce9.csv": PAIRS,
    }
    return files


def _odd_texts() -> dict[str, str | bytes]:
    """Return texts that notes, renderers and readers of long files are about."""
    draw = random.Random(3)
    long = [f"{draw.gauss(0.3, 1):.9f},{draw.gauss(0, 1):.9f},{draw.choice((-1, 1))},{n % 7}\n" for n in range(120_000)]
    rounded = [f"{draw.randrange(30) / 10},{draw.randrange(30) / 10},{draw.choice((-1, 1))}\n" for _ in range(300)]
    head, quoted = "x1,x2,y,t\n", list(long)
    quoted[90_000:90_001] = ['0.5,0.25,1,"two\nlines"\n']
    bad = list(long)
    bad[17] = bad[110_000] = "1,oops,1,t\n"
    return {
        "long.csv": head + "".join(long),
        "long_quoted.csv": head + "".join(quoted),
        "long_bad.csv": head + "".join(bad),
        "rounded.csv": "x1,x2,y\n" + "".join(rounded),
        "flat.csv": "x1,x2,y\n" + "1,1,1\n1,1,-1\n" * 100,
        "near.csv": "x1,x2,y\n" + "".join(f"0.00{n % 7}1,0.00{n % 5}2,{n % 2 * 2 - 1}\n" for n in range(200)),
        "onelabel.csv": "x1,x2,y\n" + "".join(f"{n % 11 / 3},{n % 7 / 3},1\n" for n in range(200)),
        "zeroone.csv": "x1,x2,y\n" + "".join(f"{n % 11 / 3},{n % 7 / 3},{n % 2}\n" for n in range(200)),
        "header.csv": "x1,x2,y\n",
        "nothing.csv": "",
        "blank.jsonl": "\n\n",
        "ties.csv": "x1,x2,y\n1,3,1\n1,9,0\n2,2,1\n",
        "huge.csv": "x1,x2,y\n1e308,-1e308,-1\n",
        "tiny.csv": "x1,x2,y\n5e-324,0,-1\n0,1e-310,1\n",
        "two.csv": "x1,x2\n1,3\n3,1\n",
        "text.csv": 'x1,x2,y,t,"a ""b"""\n1,3,1,"é, ""q""",=1+1\n3,1,1,"two\nlines",\n0.50,.25,-1,\t,\x1b[31m\n',
        "text.jsonl": '{"x1": 1, "x2": 3, "y": 1, "t": ["é", null], "n": 2}\n'
        '{"x1": 3.0, "x2": 1, "y": 1, "t": {"a": 1}}\n',
        "loss.csv": "x1,x2,y,loss\n1,3,1,7\n",
        "twice.csv": "x1,x2,y,z,z\n1,3,1,7,8\n",
        "named.csv": "chosn,id,rejected,label\n1,7,2,1\n",
        "null.csv": "x1,x2,y\n1,3,1\nNA,2,1\n-999,2,1\n",
        "ragged.csv": "x1,x2,y\n1,3,1\n1,3,1,7\n1\n",
        "commas.csv": "x1;x2;y\n0,5;1,5;1\n",
        "mixed.jsonl": '{"x1": 1, "x2": 3, "y": 1}\noops\n{"x1": null, "x2": "3", "y": 1}\n'
        '{"x1": 1, "x2": 2, "y": 1, "x1": 2}\n',
        "columns.json": '{"x1": [1, null, "a"], "x2": [3, 1, 2], "y": [1, 1, 0]}',
        "uneven.json": '{"x1": [1], "x2": [1, 2], "y": [1]}',
        "broken.json": '{"x1": [1,',
    }


def _texts_for_compare(rows: list[Row]) -> dict[str, str | bytes]:
    """Return texts of two models in two files, and what is wrong with some."""
    few = rows[:60]
    a, b = _picked(few, "id", "x1", "x2", "y", "p", "m"), _picked(few, "id", "y", x1="u", x2="v")
    shuffled = random.Random(5).sample(b, len(b))
    return {
        "a.csv": text_of(a),
        "b.csv": text_of(b),
        "b_shuffled.csv": text_of(shuffled),
        "b.jsonl": lines_of(shuffled),
        "b_short.csv": text_of(b[7:50]),
        "b_twice.csv": text_of([*b, *b[3:5], b[0] | {"id": ""}]),
        "b_labels.csv": text_of([row | {"y": -row["y"]} if row["id"] in ("k3", "k8") else row for row in b]),
        "b_renamed.csv": text_of([{"key": row["id"], "s1": row["x1"], "s2": row["x2"], "y": row["y"]} for row in b]),
        "b_bad.csv": text_of([row | {"x1": "oops"} if row["id"] == "k5" else row for row in b]),
    }


def _texts_of_producers(rows: list[Row]) -> dict[str, str | bytes]:
    """Return texts as the producers behind the presets write them, and scores by place."""
    names = ("alpacaeval-easy", "mt-bench-med", "math-prm", "hep-go", "hep-rust", "donotanswer", "my\x1b[31m")
    scores = [(row["x1"], row["x2"]) for row in rows[:60]]
    values = [row["u"] for row in rows[:30]]
    places = "".join(f"{n % 30}\t{n * 7 % 30}\t{n % 4 / 2}\n" for n in range(50))

    def scored(x1: str, x2: str, **more: Any) -> str:
        return lines_of({x1: a, x2: b, **more} for a, b in scores)

    subsets = [
        {"scores_chosen": a, "scores_rejected": b, "subset": names[n % 7], "id": n // 2}
        for n, (a, b) in enumerate(scores)
    ]
    return {
        "m_outputs.jsonl": lines_of(subsets),
        "m.json": json.dumps(columns_of(subsets)),
        "known.jsonl": lines_of(row for row in subsets if "\x1b" not in row["subset"]),
        "generated_predictions.jsonl": scored("chosen", "rejected"),
        "rewards.jsonl": scored("rewards/chosen", "rewards/rejected"),
        "trl.csv": "chosen,rejected,margin,weight\n3,1,2.5,1\n0,2,1,3\n1,1,0,0\n",
        "trl.jsonl": scored("chosen_rewards", "rejected_rewards"),
        "ultra.jsonl": scored("score_chosen", "score_rejected"),
        "places.tsv": places,
        "places_bad.tsv": places + "0\t30\n-1\t2\n0.5\t1\n",
        "places.csv": "i,j,y\n0,1,1\n1,2,-1\n",
        "scores.txt": "".join(f"{x}\n" for x in values),
        "scores_bad.txt": "1\noops\nnan\n",
        "scores_blank.txt": "1\n\n2\n",
        "scores_none.txt": "",
        "scores.csv": "id,score\n" + "".join(f"{n},{x}\n" for n, x in enumerate(values)),
        "eval.tsv": "SampleId\tRawFormulaVal\n" + "".join(f"{n}\t{x}\n" for n, x in enumerate(values)),
        "scores.json": json.dumps({"score": values}),
        "scores.jsonl": lines_of({"score": x} for x in values),
    }


def _write_columnar(rows: list[Row], folder: Path) -> None:
    """Write Parquet, Feather and Arrow files, with ordinary columns, odd ones and bad ones."""
    few = pa.table(columns_of(rows[:40]))
    pq.write_table(pa.table(columns_of(rows)), folder / "many.parquet", row_group_size=150)
    for name in ("few.parquet", "few.pq"):
        pq.write_table(few, folder / name)
    feather.write_feather(few, str(folder / "few.feather"), compression="lz4")
    with pa.OSFile(str(folder / "few.arrow"), "wb") as sink, pa.ipc.new_file(sink, few.schema) as writer:
        writer.write_table(few)
    with pa.OSFile(str(folder / "few.arrows"), "wb") as sink, pa.ipc.new_stream(sink, few.schema) as writer:
        writer.write_table(few, max_chunksize=7)
    base: dict[str, Any] = {"x1": [1.0, 1.0, 0.5], "x2": [1.0, 3.0, 0.25], "y": [1, 1, -1]}
    odd: dict[str, Any] = {
        "halves": {"x1": pa.array([1.0, 1.0, 0.5]).cast(pa.float16()), "x2": pa.array([0.1, 3, 0.25], pa.float32())},
        "decimals": {"x1": [Decimal("0.7"), Decimal("1.0"), Decimal("0.5")], "z": [[1], None, [2, 3]]},
        "bytes": {"x1": pa.array([0, 1, 1], pa.uint8()), "x2": pa.array([255, 1, 1], pa.uint8())},
        "indices": {
            "x1": pa.array([1.0, 1.0, 0.5]).dictionary_encode(),
            "z": pa.array(["a", None, "a"]).dictionary_encode(),
        },
        "nulls": {"x1": [None, 1.0, 0.5]},
        "nan": {"x2": [1.0, float("nan"), 0.25]},
        "inexact": {"x1": [2**53 + 1, 1, 1]},
        "strings": {"x2": ["1", "2", "3"]},
        "lists": {"x2": [[1.0]] * 3},
        "bools": {"y": [False, True, True]},
        "typed": {"d": pa.array([1, 2, 3], pa.date32()), "s": [{"a": 1}] * 3, "b": [b"\xff"] * 3, "n": [None, 2, 3]},
    }
    for name, replaced in odd.items():
        pq.write_table(pa.table(base | replaced), folder / f"{name}.parquet")
    pq.write_table(pa.table(base).slice(0, 0), folder / "empty.parquet")
    (folder / "cut.parquet").write_bytes((folder / "few.parquet").read_bytes()[:900])
    pq.write_table(
        pa.table({"winner": [0, 9, 1], "loser": [1, 1, 40], "weight": [2, 0.5, 3]}), folder / "places.parquet"
    )
