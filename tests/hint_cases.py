"""The table of hints: what triggers each, and what following it gives. `test_hints.py` runs it.

Losses are of margin 0, so that a pair costs max(0, -y(x1 - x2)): `1,3,1` costs 2 and `3,1,1` nothing.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """A command line, words of the hint that it gives, and the files there: p.csv, if it is named and nothing is said.

    `then` is the command line that follows the hint, "" for the same; `changed` files that it has written anew.
    `gives` is the mean loss that then comes out, words of a more precise message, or None for a run that goes well.
    """

    line: str
    hint: str
    then: str = ""
    gives: float | str | None = None
    files: Files = field(default_factory=dict)
    changed: Files = field(default_factory=dict)

    @property
    def there(self) -> Files:
        """The files to begin with."""
        return self.files or ({"p.csv": GOOD} if "p.csv" in (*self.line.split(), *self.then.split()) else {})


def csv(header: str, *rows: str) -> bytes:
    return "".join(f"{row}\n" for row in (header, *rows)).encode()


def parquet(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def arrow_stream(**columns: object) -> bytes:
    sink, table = io.BytesIO(), pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def arrow_file(**columns: object) -> bytes:
    sink = io.BytesIO()
    pa.feather.write_feather(pa.table(columns), sink, compression="uncompressed")
    return sink.getvalue()


NUMBERS: dict[str, list[float]] = {"x1": [1.0, 3.0], "x2": [3.0, 1.0], "y": [1, 1]}
GOOD = csv("x1,x2,y", "1,3,1", "3,1,1")  # of mean 1
LINES = b'{"x1": 1, "x2": 3, "y": 1}\n{"x1": 3, "x2": 1, "y": 1}\n'
KEYED = csv("id,x1,x2,y", "a,1,3,1", "b,3,1,1")


def file(data: bytes, name: str = "p.csv") -> Files:
    return {name: data}


PLACES = [
    Case(
        "compute p.csv",
        "winner and loser count rows of scores, as CatBoost's? use --preset catboost --scores FILE",
        "compute p.csv --preset catboost --scores s.txt",
        0.25,
        {"p.csv": csv("winner,loser", "0,1", "2,0"), "s.txt": b"1\n1.5\n2\n"},
    ),
    Case(
        "compute p.csv",
        "are they the scores? use --x1 winner --x2 loser --y-const 1",
        "compute p.csv --x1 winner --x2 loser --y-const 1",
        0.5,
        {"p.csv": csv("winner,loser", "0,1", "2,0")},
    ),
]

FOLDERS = [
    Case(
        "compute p.csv -o out/",
        "name a file; only mrl compute --reduction none writes parts into a folder",
        "compute p.csv --reduction none -o out/",
    ),
    Case(
        "compute p.csv --reduction none -o out/",
        "name a new or an empty one",
        "compute p.csv --reduction none -o new/",
        files={"p.csv": GOOD, "out/old.csv": GOOD},
    ),
    Case(
        "compute p.csv --on-error skip --rejects out/bad.csv --reduction none -o out/",
        "write the problems to another folder",
        "compute p.csv --on-error skip --rejects bad.csv --reduction none -o out/",
    ),
]

ENGINES = [
    Case(
        "compute p.csv --scheduler here:1", "leave it out, or say whose it is, e.g. --engine dask", "compute p.csv", 1.0
    )
]

LABELS = [
    Case(
        "compute p.csv",
        "labels are 0 and 1 here? use --labels 01",
        "compute p.csv --labels 01",
        2.0,
        file(csv("x1,x2,y", "1,3,1", "3,1,0")),
    ),
    Case(  # a slip is no reason for another rule
        "compute p.csv",
        "labels are 0 and 1 here? use --labels 01; line 24: y is 2: correct it, or leave it out with --on-error skip",
        "compute p.csv --labels 01 --on-error skip",
        2.0,
        file(csv("x1,x2,y", *["1,3,1", "3,1,0"] * 11, "1,3,2")),
    ),
    Case(
        "compute p.csv",
        "0 means no preference? use --on-tie drop",
        "compute p.csv --on-tie drop",
        2.0,
        file(csv("x1,x2,y", "1,3,1", "3,1,0", "3,1,-1")),
    ),
    Case(
        "compute p.csv --labels 01",
        "labels are 1 and -1 here? use --labels pm1",
        "compute p.csv --labels pm1",
        2.0,
        file(csv("x1,x2,y", "1,3,1", "3,1,-1")),
    ),
    Case(
        "compute p.csv --labels 01",
        "use --labels pm1 --on-tie drop",
        "compute p.csv --labels pm1 --on-tie drop",
        2.0,
        file(csv("x1,x2,y", "1,3,1", "3,1,-1", "3,1,0")),
    ),
    Case(
        "compute p.csv",
        "0 means that x1 is better, 1 neither, 2 that x2 is? use --label-map 0=1,1=0,2=-1 --on-tie drop",
        "compute p.csv --label-map 0=1,1=0,2=-1 --on-tie drop",
        0.0,
        file(csv("x1,x2,y", "3,1,0", "1,3,1", "1,3,2")),
    ),
    Case(
        "compute p.csv --y preference",
        "2=-1 --on-tie drop; 1 means that x1 is better, 2 that x2 is, 0 neither? use --label-map 1=1,2=-1,0=0",
        "compute p.csv --y preference --label-map 1=1,2=-1,0=0 --on-tie drop",
        1.0,
        file(csv("x1,x2,preference", "3,1,0", "3,1,1", "3,1,2")),
    ),
    Case(
        "compute p.csv",
        "255 is -1 as uint8? use --label-map 1=1,255=-1",
        "compute p.csv --label-map 1=1,255=-1",
        1.0,
        file(csv("x1,x2,y", "1,3,1", "1,3,255")),
    ),
    Case(
        "compute p.csv --labels strength",
        "2 that x2 is? use --label-map 0=1,1=0,2=-1 --on-tie drop in place of --labels; labels are prob",
        "compute p.csv --label-map 0=1,1=0,2=-1 --on-tie drop",
        2.0,
        file(csv("x1,x2,y", "1,3,0", "3,1,1", "3,1,2")),
    ),
    Case(
        "compute p.csv --labels strength",
        "label is a tie in 1 of the first 3 rows (line 2: label is 0); 0 means that x1 is better, 1 neither, 2 that x2",
        "compute p.csv --x1 s1 --x2 s2 --y label --label-map 0=1,1=0,2=-1 --on-tie drop",
        2.0,
        file(csv("s1,s2,label", "1,3,0", "3,1,1", "3,1,2")),
    ),
    Case(
        "compute p.csv --labels strength",
        "labels are probabilities that x1 is better? use --labels probability",
        "compute p.csv --labels probability",
        1.0,
        file(csv("x1,x2,y", "1,3,1", "1,3,0.5", "1,3,0")),
    ),
    Case(
        "compute p.csv --labels strength",
        "strengths, of which none is below 0, and 0 means no preference? then --on-tie drop",
        "compute p.csv --labels strength --on-tie drop",
        2.0,
        file(csv("x1,x2,y", "1,3,3", "1,3,0")),
    ),
    Case(
        "compute l.csv --x1 rewards/chosen --x2 rewards/rejected --y-const 1",
        "l.csv: rewards/chosen beside step: each row is a step of a training log, and holds means of batches",
        "compute p.csv",
        1.0,
        file(csv("step,rewards/chosen,rewards/rejected", "1,1,3", "2,,"), "l.csv") | file(GOOD),
    ),
    Case(
        "compute p.csv",
        "1 means that x1 is better, 2 that x2 is? use --label-map 1=1,2=-1",
        "compute p.csv --label-map 1=1,2=-1",
        0.0,
        file(csv("x1,x2,y", "3,1,1", "1,3,2")),
    ),
    Case(  # as the cell is, not as CSV writes it
        "compute p.csv",
        "say what each label means, 1 (x1 is better), -1 (x2 is), 0 (neither) or skip: --label-map 'a\"b=…,c=…'",
        "compute p.csv --label-map 'a\"b=1,c=-1'",
        1.0,
        file(csv("x1,x2,y", '1,3,"a""b"', "1,3,c")),
    ),
    Case(  # blanks around a label do not count
        "compute p.csv",
        "say what each label means, 1 (x1 is better), -1 (x2 is), 0 (neither) or skip: --label-map 'm b=…,c=…'",
        "compute p.csv --label-map 'm b=1,c=-1'",
        4 / 3,
        file(csv("x1,x2,y", "1,3,m b", "1,3, m b ", "1,3,c")),
    ),
    Case(
        "compute p.csv --preset judgebench --labels 01",
        "--label-map 'A>B=1,B>A=-1,A=B=0,A<B=…' --on-tie drop in place of --labels",
        "compute p.csv --preset judgebench --label-map 'A>B=1,B>A=-1,A=B=0,A<B=-1' --on-tie drop",
        2 / 3,
        file(csv("score_A,score_B,label", "1,3,A>B", "1,3,B>A", "1,3,A=B", "1,3,A<B")),
    ),
    Case(
        "compute p.csv",
        "say what each label means, 1 (x1 is better), -1 (x2 is), 0 (neither) or skip: --label-map '1=…,3=…,5=…'",
        "compute p.csv --label-map 1=1,3=skip,5=-1",
        1.0,
        file(csv("x1,x2,y", "1,3,1", "1,3,3", "1,3,5")),
    ),
    Case(
        "compute p.csv",
        "--label-map 'good=…,bad=…'",
        "compute p.csv --label-map good=1,bad=-1",
        1.0,
        file(csv("x1,x2,y", "1,3,good", "1,3,bad")),
    ),
    Case(
        "compute p.csv",
        "model_a means that x1 is better, model_b means that x2 is better? use --label-map "
        "'model_a=1,model_b=-1,tie=0,tie (bothbad)=0' --on-tie drop",
        "compute p.csv --label-map 'model_a=1,model_b=-1,tie=0,tie (bothbad)=0' --on-tie drop",
        1.0,
        file(csv("x1,x2,y", "1,3,model_a", "1,3,model_b", "1,3,tie", "1,3,tie (bothbad)")),
    ),
    Case(
        "compute p.jsonl",
        "use --label-map 'A>B=1,B>A=-1'",
        "compute p.jsonl --label-map 'A>B=1,B>A=-1'",
        1.0,
        file(b'{"x1": 1, "x2": 3, "y": "A>B"}\n{"x1": 1, "x2": 3, "y": "B>A"}\n', "p.jsonl"),
    ),
    Case(
        "compute p.jsonl",
        "true means that x1 is better, false that x2 is? use --labels 01",
        "compute p.jsonl --labels 01",
        1.0,
        file(b'{"x1": 1, "x2": 3, "y": true}\n{"x1": 1, "x2": 3, "y": false}\n', "p.jsonl"),
    ),
    Case(
        "compute p.csv --loss logistic",
        "labels are probabilities that x1 is better? use --labels probability",
        "compute p.csv --loss logistic --labels probability",
        0.5264986630106743,  # as --labels any would not give
        file(csv("x1,x2,y", "1.0,0.2,1.0", "0.3,0.4,0.5", "0.1,0.9,0.0", "0.6,0.5,0.75")),
    ),
    Case(
        "compute p.csv",
        "labels are strengths, above 0 where x1 is better? use --labels strength --on-tie drop; below 0",
        "compute p.csv --labels strength --on-tie drop",
        1.0,
        file(csv("x1,x2,y", "1,3,3", "1,3,-2", "1,3,0")),
    ),
    Case(
        "compute p.csv --labels 01",
        "use --label-map A=1,B=-1 in place of --labels",
        "compute p.csv --label-map A=1,B=-1",
        1.0,
        file(csv("x1,x2,y", "1,3,A", "1,3,B")),
    ),
    Case(
        "compute p.csv --labels strength --strength margin --on-tie drop",
        "use --label-map A=1,B=-1 in place of --labels and --strength and --on-tie",
        "compute p.csv --label-map A=1,B=-1",
        1.0,
        file(csv("x1,x2,y", "1,3,A", "1,3,B")),
    ),
    Case(
        "compute p.csv --on-tie drop",
        "use --labels 01 in place of --on-tie",
        "compute p.csv --labels 01",
        1.0,
        file(csv("x1,x2,y", "1,3,true", "1,3,false")),
    ),
    Case(
        "compute p.csv --labels probability",
        "--on-error skip leaves bad rows out",  # and not a map, for the other labels are not known
        "compute p.csv --labels probability --on-error skip",
        1.0,
        file(csv("x1,x2,y", "1,3,A", "1,3,0.5")),
    ),
    Case(
        "compute p.csv --decimal ,",
        "decimal points? use --decimal .",  # and not a rule of labels, which are unread
        "compute p.csv",
        2.0,
        file(csv("x1;x2;y", "1;3;1.00")),
    ),
]

SETTINGS = [
    Case(
        "compute p.csv --fail-if mean>x",
        "write a plain number, for example --fail-if 'mean>0.5'",
        "compute p.csv --fail-if mean>1.5",
        1.0,
    ),
    Case(
        "compute p.csv -o out.parquet",
        "add --reduction none for the loss of each pair, or write the figures to a .json or .csv file",
        "compute p.csv --reduction none -o out.parquet",
    ),
    Case("compute - -", "write it to a file, and name that", "compute p.csv", 1.0),
    *(
        Case(
            line,
            "write a line [tool.mrl], and below it settings such as margin = 0.5",
            gives=(3 + 0.5) / 2,
            files={"p.csv": csv("x1,x2,y", "1,3,1", "3,2.5,1"), "pyproject.toml": data},
            changed={"pyproject.toml": b"[tool.mrl]\nmargin = 1\n"},
        )
        for line, data in (
            ("compute p.csv", b"tool.mrl = 1\n"),
            ("compute p.csv --config pyproject.toml", b"[tool.other]\n"),
        )
    ),
]

ROWS = [
    Case(
        "compute p.csv",
        "is y the column of labels? name that with --y COLUMN",
        "compute p.csv --y label",
        1.0,
        file(csv("x1,x2,y,label", "1,3,1.5,1", "1,3,2.5,-1")),
    ),
    Case(
        "compute p.csv -d ; --decimal ,",
        "decimal points? use --decimal .",
        "compute p.csv -d ; --decimal .",
        2.5,
        file(csv("x1;x2;y", "0.5;3;1")),
    ),
    Case(
        "compute p.csv",
        "decimal commas? use --decimal ,",
        "compute p.csv --decimal ,",
        2.5,
        file(csv("x1;x2;y", "0,125;2,625;1")),
    ),
    Case(  # beside texts
        "compute p.csv",
        "run: mrl compute p.csv --no-header --x1 2 --x2 3 --y 4",
        "compute p.csv --no-header --x1 2 --x2 3 --y 4",
        2.0,
        file(csv("first,1.5,3.5,1", "second,3.5,1.5,-1")),
    ),
    Case(  # and not a column of texts, whose name is nearer
        "compute p.csv --x1 prompt_score",
        "name the column with --x1 COLUMN",
        "compute p.csv --x1 a",
        2.0,
        file(csv("prompt,a,x2,y", "Why?,1,3,1")),
    ),
    Case("compute p.csv --no-header", "is the first line a header? leave out --no-header", "compute p.csv", 1.0),
    Case(
        "compute p.jsonl",
        "is it one JSON value over several lines? give the file the suffix .json",
        "compute p.json",
        2.0,
        file(json.dumps({"x1": 1, "x2": 3, "y": 1}, indent=1).encode(), "p.jsonl"),
        file(json.dumps({"x1": 1, "x2": 3, "y": 1}, indent=1).encode(), "p.json"),
    ),
    Case(
        "compute p.csv --loss margin_mse --labels pm1",
        "y is what x1 - x2 should be? use --labels any",
        "compute p.csv --loss margin_mse --labels any",
        6.25,
        file(csv("x1,x2,y", "1,3,0.5")),
    ),
    Case(
        "compute p.csv",
        "--on-error skip leaves bad rows out and counts them; --rejects FILE writes them down",
        "compute p.csv --on-error skip --rejects bad.csv",
        1.0,
        file(GOOD + b"oops,1,1\n"),
    ),
    Case(
        "compute p.csv --y-const 1 --x1 chosen --x2 rejected",
        "chosen and rejected hold texts, such as 'Human: hi', not numbers; name columns of numbers with --x1 COLUMN",
        "compute p.csv --y-const 1 --x1 a --x2 b",
        2.0,
        file(csv("chosen,rejected,a,b", "Human: hi,Human: no,1,3")),
    ),
    Case(
        "compute p.csv",
        "x1 holds texts, such as '50%', not numbers; name columns of numbers with --x1 COLUMN",
        "compute p.csv --x1 share",
        0.5,
        file(csv("x1,share,x2,y", "50%,0.5,1,1")),
    ),
    Case(
        "compute p.csv --margin-column m",
        "m holds texts, such as 'high', not numbers; name columns of numbers with --margin-column COLUMN",
        "compute p.csv --margin-column n",
        2.5,
        file(csv("x1,x2,y,m,n", "1,3,1,high,0.5")),
    ),
    Case(
        "compute p.csv",
        "decimal commas? use --decimal ,",
        "compute p.csv --decimal ,",
        2.5,
        file(csv("x1;x2;y", "0,5;3;1")),
    ),
    Case(
        "compute p.csv -d ,",
        "decimal commas? use --decimal , and leave out --delimiter",
        "compute p.csv --decimal ,",
        2.5,
        file(csv("x1,x2,y", '"0,5",3,1')),
    ),
    Case(
        "compute p.csv",
        "name the file's encoding with --encoding, e.g. --encoding latin-1",
        "compute p.csv --encoding latin-1",
        2.0,
        file(b"x1,x2,y,t\n1,3,1,\xe9\n"),
    ),
    Case(
        "compute p.csv",
        "name the file's encoding with --encoding, e.g. --encoding latin-1",
        "compute p.csv --encoding latin-1",
        2.0,
        file(b"x1,x2,y,\xe9\n1,3,1,t\n"),
    ),
    Case(
        "compute p.tsv --preset catboost --scores s.txt",
        "rows of the scores are counted from 0, and there are 2",
        gives=2.0,
        files=file(b"0\t2\n", "p.tsv") | file(b"1\n3\n", "s.txt"),
        changed=file(b"0\t1\n", "p.tsv"),
    ),
    Case(
        "compute p.csv --dtype float32",
        "float32 does not hold them; use --dtype float64",
        "compute p.csv --dtype float64",
        1e300,
        file(csv("x1,x2,y", "0,1e300,1")),
    ),
    Case(
        "compute p.csv --margin-column m --weight w",
        "a missing margin is 0 and a missing weight is 1? use --fill margin=0 --fill weight=1",
        "compute p.csv --margin-column m --weight w --fill margin=0 --fill weight=1",
        2.5,
        file(csv("x1,x2,y,m,w", "1,3,1,,1", "1,3,1,1,")),
    ),
    Case("compute p.csv", "is it empty, or all header?", gives=1.0, files=file(b"x1,x2,y\n"), changed=file(GOOD)),
    Case(
        "compute p.csv --on-error skip",
        "--label-map 'good=…,bad=…'",
        "compute p.csv --label-map good=1,bad=-1",
        1.0,
        file(csv("x1,x2,y", "1,3,good", "1,3,bad")),
    ),
]

COLUMNS = [
    Case(
        "compute p.csv",
        "the loss of means is not the mean of the losses: read the scores of each pair",
        "compute p.csv",
        2.0,
        file(csv("Wall time,Step,Value", "0,1,3")),
        file(csv("x1,x2,y", "1,3,1")),
    ),
    Case(
        "compute p.csv",
        "a_logps and b_logps are two scores, counted from ref_a_logps and ref_b_logps? use --x1 a_logps --x2 b_logps "
        "--y label --x1-reference ref_a_logps --x2-reference ref_b_logps",
        "compute p.csv --x1 a_logps --x2 b_logps --y label --x1-reference ref_a_logps --x2-reference ref_b_logps",
        2.0,
        file(csv("a_logps,b_logps,ref_a_logps,ref_b_logps,label", "1,3,0.5,0.5,1")),
    ),
    Case(
        "compute p.csv --y winner",
        "labels are 0 and 1 here? use --labels 01; 0 means that x1 is better, 1 that x2 is? use --label-map 0=1,1=-1",
        "compute p.csv --y winner --label-map 0=1,1=-1",
        1.0,
        file(csv("x1,x2,winner", "1,3,0", "1,3,1")),
    ),
    Case(
        "compute p.csv --y label",
        "did you mean --y 'My Label'?",
        "compute p.csv --y 'My Label'",
        2.0,
        file(csv("x1,x2,My Label", "1,3,1")),
    ),
    Case(
        "compute p.csv", "did you mean --y winner?", "compute p.csv --y winner", 2.0, file(csv("x1,x2,winner", "1,3,1"))
    ),
    Case(
        "compute p.csv --x1 score_1",
        "name the column with --x2 COLUMN",  # and not that of x1
        "compute p.csv --x1 score_1 --x2 other",
        2.0,
        file(csv("score_1,other,y", "1,3,1")),
    ),
    Case(
        "compute p.csv",
        "name the column with --y COLUMN; no label column, and x1 should be the higher one in every pair? use",
        "compute p.csv --y-const 1",
        2.0,
        file(csv("x1,x2", "1,3")),
    ),
    Case(
        "compute p.csv --y z",
        "use --y-const 1 in place of --y",
        "compute p.csv --y-const 1",
        2.0,
        file(csv("x1,x2", "1,3")),
    ),
    Case("compute p.csv --no-header", "use --y-const 1", "compute p.csv --no-header --y-const 1", 2.0, file(b"1,3\n")),
    Case(
        "compute p.csv",
        "use --preset ultrafeedback; run: mrl compute p.csv --preset ultrafeedback",
        "compute p.csv --preset ultrafeedback",
        2.0,
        file(csv("chosen,rejected,score_chosen,score_rejected", "hi,no,1,3")),
    ),
    Case(
        "compute p.csv",
        "chosen and rejected are texts: name columns of numbers with --x1 COLUMN and --x2 COLUMN",
        "compute p.csv --x1 a --x2 b --y-const 1",
        2.0,
        file(csv("chosen,rejected,a,b", "hi,no,1,3")),
    ),
    Case(
        "compute p.csv",
        "chosen and rejected are texts, and no columns are their scores: score the texts first",
        "compute q.csv",
        1.0,
        file(csv("chosen,rejected", "hi,no")) | file(GOOD, "q.csv"),
    ),
    Case(
        "compute p.csv",
        "[[A]] means that x1 is better, [[B]] means that x2 is better? use --label-map",
        "compute p.csv --label-map '[[A]]=1,[[B]]=-1,[[C]]=0' --on-tie drop",
        1.0,
        file(csv("x1,x2,y", "1,3,[[A]]", "1,3,[[B]]", "1,3,[[C]]")),
    ),
    Case("compute gone.csv", "this folder holds p.csv", "compute p.csv", 1.0, file(GOOD)),
    Case("compute a/gone.csv", "there is no folder a", "compute p.csv", 1.0, file(GOOD)),
    Case(
        "compute a/gone*.csv",
        "no file of a known format is in a",
        "compute a/gone*.csv",
        1.0,
        file(b"", "a/x.txt"),
        file(GOOD, "a/gone.csv"),
    ),
    Case(
        "compute p.csv",
        "is each line an object of JSON? give the file the suffix .jsonl",
        "compute p.jsonl",
        1.0,
        file(LINES),
        file(LINES, "p.jsonl"),
    ),
    Case(
        "compute p.csv --y label --labels probability",
        "label holds other labels: say what each means with --label-map or another --labels",
        "compute p.csv --y label --label-map 0=1,1=0,2=-1 --on-tie drop",
        1.0,
        file(csv("x1,x2,label", "1,3,0", "3,1,1", "1,3,2")),
    ),
    Case(
        "compute p.csv --preset rewardbench2",
        "use mrl rank --preset rewardbench2",
        "rank p.jsonl --preset rewardbench2",
        files=file(b'{"scores": [3, 1], "num_correct": 1}\n', "p.jsonl"),
    ),
    Case(
        "compute p.csv --preset trl",
        "name the columns with --x1 COLUMN and --x2 COLUMN",
        "compute p.csv --preset trl --x1 a --x2 b",
        2.0,
        file(csv("a,b", "1,3")),
    ),
    Case(
        "compute p.csv",
        "does reward_diff hold x1 - x2 already? use --difference reward_diff",
        "compute p.csv --difference reward_diff --y-const 1",
        2.0,
        file(csv("reward_diff", "-2")),
    ),
    Case(
        "compute p.csv",
        "are the columns separated by blanks? use --delimiter ' '",
        "compute p.csv --delimiter ' '",
        2.0,
        file(csv("x1 x2 y", "1 3 1")),
    ),
    Case(
        "compute p.csv -d ;", "are the columns separated by ','? use --delimiter ,", "compute p.csv --delimiter ,", 1.0
    ),
    Case("compute p.tsv", "use --delimiter ,", "compute p.tsv --delimiter ,", 1.0, file(GOOD, "p.tsv")),
    Case(
        "compute p.csv",
        "is there no header line? use --no-header, and columns are called 1, 2, 3, …",
        "compute p.csv --no-header",
        1.0,
        file(b"1,3,1\n3,1,1\n"),
    ),
    Case(
        "compute p.csv",
        "is there no header line? use --no-header",
        "compute p.csv --no-header",
        "p.csv has no column '3'; it has: 1, 2",
        file(b"1,3\n3,1\n"),
    ),
    Case(
        "compute p.csv",
        "the text has NUL bytes; is it UTF-16? use --encoding utf-16-le",
        "compute p.csv --encoding utf-16-le",
        1.0,
        file(GOOD.decode().encode("utf-16-le")),
    ),
    Case(
        "compute p.csv",
        "--encoding utf-16-be",
        "compute p.csv --encoding utf-16-be",
        1.0,
        file(GOOD.decode().encode("utf-16-be")),
    ),
    Case("compute p.csv", "rename one of them", gives=1.0, files=file(csv("x1,x2,y,y", "1,3,1,1")), changed=file(GOOD)),
    Case(
        "compute p.csv",
        "the loss of means is not the mean of the losses: read the scores of each pair; for the loss of the means all "
        "the same, --x1 rewards/chosen --x2 rewards/rejected --y-const 1",
        "compute p.csv --x1 rewards/chosen --x2 rewards/rejected --y-const 1",
        2.0,
        file(csv("rewards/chosen,rewards/rejected,step", "1,3,10")),
    ),
    Case(
        "compute p.jsonl",
        "one of its numbers is named by its path, such as --x1 x1.v",
        "compute p.jsonl --x1 x1.v",
        2.0,
        file(b'{"x1": {"judge": "m", "v": 1}, "x2": 3, "y": 1}\n', "p.jsonl"),
    ),
    Case(
        "compute p.parquet",
        "one of its numbers is named by its path, such as --x1 x1.v",
        "compute p.parquet --x1 x1.v",
        1.0,
        file(parquet(**NUMBERS | {"x1": [{"judge": "m", "v": value} for value in NUMBERS["x1"]]}), "p.parquet"),
    ),
    Case(
        "compute p.jsonl --x1 flag",
        "flag holds true, not numbers; name columns of numbers with --x1 COLUMN",
        "compute p.jsonl --x1 x1",
        2.0,
        file(b'{"flag": true, "x1": 1, "x2": 3, "y": 1}\n', "p.jsonl"),
    ),
    Case(
        "compute p.parquet",
        "write the column as double or integer numbers",
        gives=1.0,
        files=file(parquet(**NUMBERS | {"x1": [b"1", b"3"]}), "p.parquet"),
        changed=file(parquet(**NUMBERS), "p.parquet"),
    ),
    Case(
        "compute p.parquet --group-by g",
        "write the column as text or integers",
        gives=1.0,
        files=file(parquet(**NUMBERS, g=[b"1", b"2"]), "p.parquet"),
        changed=file(parquet(**NUMBERS, g=["1", "2"]), "p.parquet"),
    ),
    Case(
        "compute p.csv --scores s.csv",
        "name the column with --score-column COLUMN",
        "compute p.csv --scores s.csv --score-column b",
        2.0,
        file(csv("x1,x2,y", "0,1,1")) | file(csv("a,b", "9,1", "9,3"), "s.csv"),
    ),
    Case(
        "compute p.csv --scores s.csv --score-column 'My score'",
        "did you mean --score-column 'my score'?",
        "compute p.csv --scores s.csv --score-column 'my score'",
        2.0,
        file(csv("x1,x2,y", "0,1,1")) | file(csv("a,my score", "9,1", "9,3"), "s.csv"),
    ),
    Case(
        "compute p.csv --scores s.txt",
        "every score must be a finite number: pairs count them by place",
        gives=2.0,
        files=file(csv("x1,x2,y", "0,1,1")) | file(b"1\noops\n", "s.txt"),
        changed=file(b"1\n3\n", "s.txt"),
    ),
    Case(
        "compute p.csv --scores s.txt",
        "take the line out, or write the number that belongs there",
        gives=2.0,
        files=file(csv("x1,x2,y", "0,1,1")) | file(b"1\n\n3\n", "s.txt"),
        changed=file(b"1\n3\n", "s.txt"),
    ),
    Case(
        "compute split=a/p.csv --group-by split",
        "rename the folder, or name another column",
        "compute split=a/p.csv --group-by g",
        1.0,
        file(csv("x1,x2,y,split,g", "1,3,1,b,c", "3,1,1,b,c"), "split=a/p.csv"),
    ),
    Case(
        "compute w=a/p.csv --weight w",
        "name another column, or rename the folder",
        "compute w=a/p.csv --weight v",
        1.0,
        file(csv("x1,x2,y,v", "1,3,1,1", "3,1,1,1"), "w=a/p.csv"),
    ),
]

FILES = [
    Case("compute P.csv", "did you mean p.csv?", "compute p.csv", 1.0),
    Case(
        "compute 'my pair.csv'",
        "did you mean 'my pairs.csv'?",
        "compute 'my pairs.csv'",
        1.0,
        file(GOOD, "my pairs.csv"),
    ),
    Case(
        "compute p.csv --no-header --decimal ,",
        "name the delimiter with -d, or write a header line and quote numbers with a comma",
        "compute p.csv --no-header -d ';' --decimal ,",
        0.25,
        file(b"0,5;0,75;1\n"),
    ),
    Case(
        "compute p.jsonl",
        "take them out, e.g. with tr -d '\\036', and write one object a line",
        gives=2.0,
        files=file(b'\x1e{"x1": 1, "x2": 3, "y": 1}\n', "p.jsonl"),
        changed=file(b'{"x1": 1, "x2": 3, "y": 1}\n', "p.jsonl"),
    ),
    Case("compute ftp://host/p.csv", "download the file first", "compute p.csv", 1.0),
    Case("compute d", "known suffixes: .csv", "compute d/p.csv", 1.0, file(GOOD, "d/p.txt"), file(GOOD, "d/p.csv")),
    Case("compute p.csv -e nope", "for example utf-8, utf-16, latin-1, cp1252", "compute p.csv -e utf-8", 1.0),
    Case(
        "compute p.csv -e ascii",
        "is it in another one? e.g. --encoding latin-1",
        "compute p.csv --encoding latin-1",
        2.0,
        file(b"x1,x2,y,t\n1,3,1,\xe9\n"),
    ),
    Case(
        "compute p.csv",
        "check that the file was copied whole",
        gives=1.0,
        files=file(b"\xff\xfe" + GOOD.decode().encode("utf-16-le")[:-1]),
        changed=file(b"\xff\xfe" + GOOD.decode().encode("utf-16-le")),
    ),
    Case(
        "compute p.csv.gz",
        "check that the file was copied whole",
        gives=1.0,
        files=file(b"", "p.csv.gz"),
        changed=file(gzip.compress(GOOD), "p.csv.gz"),
    ),
    Case(
        "compute p.csv",
        "rename the file",
        "compute p.csv.gz",
        1.0,
        file(gzip.compress(GOOD)),
        file(gzip.compress(GOOD), "p.csv.gz"),
    ),
    Case(
        "compute p.parquet",
        "rename the file, or check that it was copied whole",
        "compute p.csv",
        1.0,
        file(GOOD, "p.parquet"),
        file(GOOD),
    ),
    Case("compute p.csv", "formats: CSV, TSV", gives=1.0, files=file(b"PK\x03\x04" + bytes(60)), changed=file(GOOD)),
    Case(
        "compute p.parquet",
        "check that the file was copied whole",
        gives=1.0,
        files=file(parquet(**NUMBERS)[:-20] + b"PAR1", "p.parquet"),
        changed=file(parquet(**NUMBERS), "p.parquet"),
    ),
    Case(
        "compute p.arrow",
        "check that the file was copied whole",
        gives=1.0,
        files=file(arrow_file(**NUMBERS)[:-30], "p.arrow"),
        changed=file(arrow_file(**NUMBERS), "p.arrow"),
    ),
    Case(
        "compute p.arrows",
        "check that the file was copied whole, and its writer closed",
        gives=1.0,
        files=file(arrow_stream(**NUMBERS)[:-8], "p.arrows"),
        changed=file(arrow_stream(**NUMBERS), "p.arrows"),
    ),
    Case(
        "compute p.arrows",
        "are these several streams joined? write each to a file of its own",
        "compute p.arrows q.arrows",
        1.0,
        file(2 * arrow_stream(**NUMBERS), "p.arrows"),
        {name: arrow_stream(**NUMBERS) for name in ("p.arrows", "q.arrows")},
    ),
    Case(
        "compute p.arrow",
        "are these several files joined? write each to a file of its own",
        "compute p.arrow q.arrow",
        1.0,
        file(2 * arrow_file(**NUMBERS), "p.arrow"),
        {name: arrow_file(**NUMBERS) for name in ("p.arrow", "q.arrow")},
    ),
    Case(
        "compute p.csv",
        "close the quote, or double it where it belongs to the text",
        gives=2.0,
        files=file(csv("x1,x2,y,t", '1,3,1,"a')),
        changed=file(csv("x1,x2,y,t", '1,3,1,"a"')),
    ),
    Case(
        "compute p.jsonl",
        "write one object a line, e.g. with jq -c '.[]'",
        gives=1.0,
        files=file(b"[" + LINES.strip().replace(b"\n", b",") + b"]", "p.jsonl"),
        changed=file(LINES, "p.jsonl"),
    ),
    Case(
        "compute p.json",
        "several values? write one a line, e.g. with jq -c .",
        gives=1.0,
        files=file(json.dumps({"x1": 1, "x2": 3, "y": 1}, indent=1).encode() * 2, "p.json"),
        changed=file(LINES, "p.json"),
    ),
    Case(
        "compute p.json",
        "check that the file was copied whole",
        gives=1.0,
        files=file(b'[{"x1": 1, "x2": 3, "y": 1},\n', "p.json"),
        changed=file(LINES, "p.json"),
    ),
    Case(
        "compute p.json",
        "up to 500 levels are read",
        gives=1.0,
        files=file(b"[" * 100_000, "p.json"),
        changed=file(LINES, "p.json"),
    ),
    Case(
        "compute p.json",
        "columns are lists of one length",
        gives=2.0,
        files=file(b'{"x1": [1, 2],\n "x2": [3],\n "y": 1}', "p.json"),
        changed=file(b'{"x1": [1],\n "x2": [3],\n "y": 1}', "p.json"),
    ),
    Case(
        "compute p.json",
        "rename one of them",
        gives=2.0,
        files=file(b'{"x1": [1], "x1": [2],\n "x2": [3],\n "y": 1}', "p.json"),
        changed=file(b'{"x1": [1],\n "x2": [3],\n "y": 1}', "p.json"),
    ),
    Case(
        "compute p.json",
        "from pandas? write it with to_json(…, orient='records', lines=True)",
        gives=1.0,
        files=file(b'{"x1": {"0": 1},\n "x2": {"0": 3},\n "y": {"0": 1}}', "p.json"),
        changed=file(LINES, "p.json"),
    ),
    Case(
        "compute p.json",
        "name the file's encoding with --encoding",
        "compute p.json --encoding latin-1",
        2.0,
        file(b'[{"x1": 1, "x2": 3, "y": 1,\n "t": "\xe9"}]', "p.json"),
    ),
]

RUNS = [
    Case("compute p.csv --margin 1 --margin 0", "keep one of them", "compute p.csv --margin 0", 1.0),
    Case(
        "compute p.csv --loss ipo --margin 1",
        "leave out --margin; `mrl losses` tells which losses have one",
        "compute p.csv --loss ipo",
        gives=4.25,
    ),
    Case("compute p.csv --loss ipo --margin-column y", "leave out --margin-column", "compute p.csv --loss ipo", 4.25),
    Case(
        "sweep p.csv --loss ipo --margins 0",
        "`mrl losses` tells which losses have a margin",
        "sweep p.csv --loss logistic --margins 0",
    ),
    Case(
        "compute p.csv --loss logistc",
        "did you mean --loss logistic?",
        "compute p.csv --loss logistic",
        1.1269280110429725,
    ),
    Case("compute p.csv --engine locla", "Did you mean local?", "compute p.csv --engine local", 1.0),
    Case(
        "compute p.csv --loss hinge",
        "use --loss margin_ranking --margin 1; or --loss squared_hinge --margin 1",
        "compute p.csv --loss margin_ranking --margin 1",
        1.5,
    ),
    Case("compute p.csv --loss kto", "`mrl losses` lists all", "losses"),
    Case("compute p.csv --loss nothing", "`mrl losses` lists them, with the names that they go by elsewhere", "losses"),
    Case("compute p.csv --loss slic", "give it with --margin DELTA", "compute p.csv --loss slic --margin 1", 1.5),
    Case(
        "compute p.csv",
        "keys are the names of options",
        "compute p.csv",
        1.5,
        file(GOOD) | {"mrl.toml": b"delta = 1"},
        {"mrl.toml": b"margin = 1"},
    ),
    Case(
        "compute p.csv",
        "--help is for the command line: take it out of the file",
        "",
        1.0,
        file(GOOD) | {"mrl.toml": b"help = true"},
        {"mrl.toml": b""},
    ),
    Case(
        "compute p.csv",
        "settings of one command stand in a table, [rank]",
        "compute p.csv",
        1.0,
        file(GOOD) | {"mrl.toml": b"rank = 3"},
        {"mrl.toml": b"[rank]\nmargin = 3"},
    ),
    Case(
        "compute p.csv",
        "in pyproject.toml settings stand in [tool.mrl], in other files at the top",
        "compute p.csv",
        1.5,
        file(GOOD) | {"mrl.toml": b"[tool.mrl]\nmargin = 1"},
        {"mrl.toml": b"margin = 1"},
    ),
    Case(
        "compute p.csv",
        f"--config {os.devnull} reads none",
        f"compute p.csv --config {os.devnull}",
        1.0,
        file(GOOD) | {"mrl.toml": b"="},
    ),
    *(
        Case(
            f"{command} p.csv {option} {key}{condition}",
            "use --confidence 0.95",
            f"{command} p.csv {option} {key}{condition} --confidence 0.95",
            None,
        )
        for command, option, key, condition in (
            ("compute", "--fail-if", "accuracy_low", "<0.01"),
            ("validate", "--expect", "accuracy_low", "=0.09"),
        )
    ),
    Case("p.csv", "mrl check p.csv says what it holds, and which command reads it", "check p.csv", None),
    Case(
        "compute p.csv --loss dpo --param beta=0.5",
        "the temperature is 1/beta: --param temperature=2.0",
        "compute p.csv --loss dpo --param temperature=2.0",
        math.log1p(math.e) - 0.5,
    ),
    Case(
        "compute p.csv --loss ipo --param bet=2",
        "did you mean --param beta=…?",
        "compute p.csv --loss ipo --param beta=1",
        4.25,
    ),
    Case(
        "compute p.csv --fail-if value", "for example --fail-if 'value>0.5'", "compute p.csv --fail-if 'value>1.5'", 1.0
    ),
    Case("compute p.csv --fail-if 'valu>1'", "did you mean value?", "compute p.csv --fail-if 'value>1'", 1.0),
    Case(
        "compute p.csv --fail-if '9<value'",
        "did you mean --fail-if 'value>9'?",
        "compute p.csv --fail-if 'value>9'",
        1.0,
    ),
    Case("compute p.csv --fail-if 'weight>1'", "it reports value, pairs", "compute p.csv --fail-if 'value>1'", 1.0),
    Case(
        "compute p.csv --reduction none -f table",
        "use --format csv, tsv, jsonl, or -o FILE.parquet".replace(", jsonl", " or jsonl"),
        "compute p.csv --reduction none --format csv",
    ),
    Case("compute p.csv -o out.gz", "write .json, .csv", "compute p.csv -o out.json"),
    Case("compute p.csv --save-plot p.pdf", "for example --save-plot plot.svg", "compute p.csv --save-plot plot.svg"),
    Case(
        "compute p.csv --save-plot p.svg --which groups",
        "choose another picture",
        "compute p.csv --save-plot p.svg --which calibration",
    ),
    Case("compute p.csv --plot always -f csv", "leave out what asks for another output", "compute p.csv --plot always"),
    Case("compute p.csv -o p.csv", "write to another file", "compute p.csv -o q.csv"),
    Case(
        "compute p.csv -o none/out.json",
        "make the folder first",
        "compute p.csv -o none/out.json",
        changed=file(b"", "none/x"),
    ),
    Case("compute p.csv -o p.csv/out.json", "nothing was changed", "compute p.csv -o out.json"),
    Case(
        "compute p.csv --on-error skip --rejects bad.json",
        "for example --rejects bad.csv or bad.jsonl",
        "compute p.csv --on-error skip --rejects bad.csv",
        1.0,
    ),
    Case(
        "compute p.csv --reduction none --keep-columns",
        "leave out --keep-columns, or rename that column",
        "compute p.csv --reduction none",
        files=file(csv("x1,x2,y,loss", "1,3,1,0")),
    ),
    Case(
        "compute p.csv --reduction none --keep-columns -f jsonl",
        "write CSV or TSV, leave out --keep-columns, or rename one of them",
        "compute p.csv --reduction none --keep-columns --format csv",
        files=file(csv("x1,x2,y,t,t", "1,3,1,0,0")),
    ),
    Case(
        "compute p.csv --reduction none --keep-columns -f jsonl",
        "write CSV, TSV or Parquet, leave out --keep-columns, or rename that column",
        "compute p.csv --reduction none --keep-columns --format csv",
        files=file(csv("x1,x2,y,not_finite", "1,3,1,0")),
    ),
    Case(
        "compute p.csv q.csv --reduction none --keep-columns -f csv",
        "leave out --keep-columns, or write JSON lines",
        "compute p.csv q.csv --reduction none --keep-columns --format jsonl",
        files=file(GOOD) | file(csv("x1,x2,y,t", "1,3,1,0"), "q.csv"),
    ),
    Case(
        "compute p.csv q.csv --reduction none --keep-columns -o out.parquet",
        "leave out --keep-columns, or write JSON lines",
        "compute p.csv q.csv --reduction none --keep-columns -o out.jsonl",
        files=file(GOOD) | file(csv("x1,x2,y,t", "1,3,1,0"), "q.csv"),
    ),
    Case(
        "compute p.parquet --reduction none --keep-columns -f csv",
        "write Parquet (-o FILE.parquet) or JSON lines (--format jsonl)",
        "compute p.parquet --reduction none --keep-columns -o out.parquet",
        files=file(parquet(**NUMBERS, t=[[1], [2]]), "p.parquet"),
    ),
    Case("validate p.csv -o out.parquet", "write .", "validate p.csv -o out.json"),
    Case("sweep p.csv --margins 0 -o out.parquet", "write .", "sweep p.csv --margins 0 -o out.json"),
    Case(
        "validate p.csv --expect 1 --reduction none",
        "use --loss-column COLUMN in place of --expect",
        "validate p.csv --loss-column l --reduction none",
        files=file(csv("x1,x2,y,l", "1,3,1,2")),
    ),
    Case("validate --margin 1", "name a file, or - for stdin", "validate p.csv --margin 1"),
    Case(
        "validate p.csv --loss logistic --against exact",
        "use --against loop",
        "validate p.csv --loss logistic --against loop",
    ),
]

AB = file(KEYED, "a.csv") | file(KEYED, "b.csv")
COMPARE = [
    Case(
        "compare a.csv",
        "both in one file: --x1-b COLUMN --x2-b COLUMN; in two: a.csv b.csv --key COLUMN",
        "compare a.csv b.csv --key id",
        files=AB,
    ),
    Case(
        "compare a.csv b.csv --key id --margin-column m",
        "write the same margins into both files, or take the column out of the second: then the first one's hold",
        changed={"b.csv": csv("id,x1,x2,y", "a,1,3,1")},
        files={"a.csv": csv("id,x1,x2,y,m", "a,1,3,1,0.5"), "b.csv": csv("id,x1,x2,y,m", "a,1,3,1,1")},
    ),
    Case("compare a.csv --key id", "mrl compare a.csv b.csv --key COLUMN", "compare a.csv b.csv --key id", files=AB),
    Case(
        "compare a.csv b.csv a.csv --key id",
        "many files of one model: name them by a quoted glob, or by their folder",
        "compare 'a*.csv' b.csv --key id",
        files=AB,
    ),
    Case(
        "compare a.csv b.csv --key id --preset catboost",
        "tells each model's loss",
        "compute p.tsv --preset catboost --scores s.txt",
        2.0,
        AB | file(b"0\t1\n", "p.tsv") | file(b"1\n3\n", "s.txt"),
    ),
    Case(
        "compare a.csv b.csv",
        "--key COLUMN matches them by a column, --by-row the first row with the first",
        "compare a.csv b.csv --key id",
        files=AB,
    ),
    Case(
        "compare a.csv b.csv --by-row --on-error skip",
        "match the pairs by a column, with --key COLUMN",
        "compare a.csv b.csv --key id --on-error skip",
        files=AB,
    ),
    Case(
        "compare a.csv b.csv --key id",
        "name the column with --x1-b COLUMN",
        "compare a.csv b.csv --key id --x1-b s --x2-b t",
        files=AB | file(csv("id,s,t,y", "a,1,3,1", "b,3,1,1"), "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --key id",
        "name b's scores with --x1-b COLUMN and --x2-b COLUMN; other options hold for both files",
        "compare a.csv b.csv --key id --x1-b chosen --x2-b rejected",
        files=AB | file(csv("id,chosen,rejected,y", "a,1,3,1", "b,3,1,1"), "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --key id",
        "both files call the key by one name: rename the column in one of them",
        files=AB | file(KEYED.replace(b"id", b"key"), "b.csv"),
        changed=AB,
    ),
    Case(
        "compare a.csv b.csv --key id",
        "both files call the label by one name: rename the column in one of them",
        files=AB | file(KEYED.replace(b"y", b"label"), "b.csv"),
        changed=AB,
    ),
    Case(
        "compare a.csv b.csv --key id",
        "name another column with --key, or leave the repeated rows out",
        files=AB | file(KEYED + b"a,1,3,1\n", "b.csv"),
        changed=AB,
    ),
    Case(
        "compare a.csv b.csv --key id",
        "--unmatched drop leaves them out and counts them",
        "compare a.csv b.csv --key id --unmatched drop",
        files=AB | file(KEYED + b"c,1,3,1\n", "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --key id",
        "is --key the column that tells the pairs apart in both files?",
        "compare a.csv b.csv --key n",
        files=file(csv("id,n,x1,x2,y", "a,1,1,3,1", "b,2,3,1,1"), "a.csv")
        | file(csv("id,n,x1,x2,y", "c,1,1,3,1", "d,2,3,1,1"), "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --key id --unmatched drop",
        "is --key the column that tells the pairs apart?",
        "compare a.csv b.csv --key n --unmatched drop",
        files=file(csv("id,n,x1,x2,y", "a,1,1,3,1", "b,2,3,1,1"), "a.csv")
        | file(csv("id,n,x1,x2,y", "c,1,1,3,1", "d,2,3,1,1"), "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --by-row",
        "match them by a column that tells the pairs apart, with --key COLUMN",
        "compare a.csv b.csv --key id",
        "1 pair is in one file only",
        AB | file(KEYED + b"c,1,3,1\n", "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --by-row",
        "are x1 and x2 swapped in one of them? are these the same pairs? match them with --key COLUMN",
        files=file(csv("x1,x2,y", "1,3,1", "3,1,1"), "a.csv") | file(csv("x1,x2,y", "1,3,-1", "3,1,1"), "b.csv"),
        changed=file(csv("x1,x2,y", "3,1,1", "3,1,1"), "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --by-row",
        "are these the same pairs? matched by id, some have other labels",
        files=AB | file(csv("id,x1,x2,y", "b,3,1,-1", "a,1,3,1"), "b.csv"),
        changed=AB,
    ),
    Case(
        "compare a.csv b.csv --by-row",
        "match them with --key id",
        "compare a.csv b.csv --key id",
        files=AB | file(csv("id,x1,x2,y", "b,3,1,1", "a,1,3,1"), "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --by-row",
        "--key id --unmatched drop matches the 1 pair of both files, and counts the others",
        "compare a.csv b.csv --key id --unmatched drop",
        files=AB | file(csv("id,x1,x2,y", "b,3,1,1", "c,1,3,1"), "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --by-row",
        "are these the same pairs? if they are, rename id in one of the files",
        files=AB | file(csv("id,x1,x2,y", "c,1,3,1", "d,3,1,1"), "b.csv"),
        changed=file(csv("id_b,x1,x2,y", "c,1,3,1", "d,3,1,1"), "b.csv"),
    ),
    Case(
        "compare a.csv b.csv --key id --group-by g",
        "group by a column that names the same groups in both files",
        "compare a.csv b.csv --key id --group-by h",
        files=file(csv("id,x1,x2,y,g,h", "a,1,3,1,u,w"), "a.csv") | file(csv("id,x1,x2,y,g,h", "a,1,3,1,v,w"), "b.csv"),
    ),
]

LOSSES_PY = b"""def my_loss(x1, x2, y, margin=0.0):
    return (margin - y * (x1 - x2)).clip(min=0)
"""
LOSS_CLASS = b"class Loss:\n    def __call__(self, x1, x2, y): return my_loss(x1, x2, y)\n"
SUITE = [
    Case(
        "validate --function my_loss",
        "for example --function losses:my_loss, or --function path/to/losses.py:my_loss",
        "validate --function losses.py:my_loss",
        files=file(LOSSES_PY, "losses.py"),
    ),
    Case(
        "validate --function losses_that_need_more:my_loss",
        "it must be possible to import the module: python -c 'import …' shows the traceback",
        "validate --function losses.py:my_loss",
        files=file(LOSSES_PY, "losses.py") | file(b"import what_is_not_there\n", "losses_that_need_more.py"),
    ),
    Case(
        "validate --function losses.py:Loss.__call__",
        "name the class, or an object of it, in place of its method",
        "validate --function losses.py:Loss",
        files=file(LOSSES_PY + LOSS_CLASS, "losses.py"),
    ),
    Case("validate --cases c.csv --x1 a", "the pairs of --cases are the suite's", "validate --cases c.csv"),
    Case(
        "validate --cases c.csv --function losses.py:my_loss",
        "run mrl twice",
        "validate --function losses.py:my_loss",
        files=file(LOSSES_PY, "losses.py"),
    ),
]
MAPS = [
    Case(
        "compute p.csv --label-map a=1,b=-1,tie=0",
        "--on-tie drop leaves ties out and counts them",
        "compute p.csv --label-map a=1,b=-1,tie=0 --on-tie drop",
        2.0,
        file(csv("x1,x2,y", "1,3,a", "1,3,tie")),
    ),
    Case(
        "compute p.csv --label-map a=1,b=-1",
        "the map of labels is a=1,b=-1; each value needs an entry: 1, -1, 0 or skip",
        "compute p.csv --label-map a=1,b=-1,c=skip",
        2.0,
        file(csv("x1,x2,y", "1,3,a", "1,3,c")),
    ),
    Case(
        "compute p.csv --preset trl --on-tie drop",
        "--y COLUMN names a column of labels",
        "compute p.csv --preset trl --on-tie drop --y y",
        2.0,
        file(csv("chosen_rewards,rejected_rewards,y", "1,3,1", "1,3,0")),
    ),
    Case(
        "compute p.csv --preset helpsteer",
        "name it with --y COLUMN; no label column? use --y-const 1",
        "compute p.csv --preset helpsteer --y-const 1",
        2.0,
        file(csv("score_1,score_2", "1,3")),
    ),
    Case(
        "compute p.csv --preset helpsteer --labels 01",
        "leave out --labels, or say what each value means with --label-map",
        "compute p.csv --preset helpsteer",
        2.0,
        file(csv("score_1,score_2,preference_strength", "1,3,-1")),
    ),
    Case(
        "compute p.parquet",
        "true and false are the labels 1 and 0? use --labels 01",
        "compute p.parquet --labels 01",
        2.0,
        file(parquet(x1=[1.0, 3.0], x2=[3.0, 1.0], y=[True, False]), "p.parquet"),
    ),
]

NESTED = file(b'{"a": [{"s": 1}], "l": [1, 2], "x1": 1, "x2": 3, "y": 1}\n', "p.jsonl")
CELLS = [
    Case(
        "compute p.jsonl --x1 a.s",
        "items of a list are named by their place, counted from 0",
        "compute p.jsonl --x1 a.0.s",
        2.0,
        NESTED,
    ),
    Case(
        "compute p.jsonl --x1 'a.*.s'",
        "name one item by its place, from 0; lists are for `mrl rank`",
        "compute p.jsonl --x1 a.0.s",
        2.0,
        NESTED,
    ),
    Case(
        "compute p.jsonl --x1 l",
        "one of its numbers is named by its path, such as --x1 l.0",
        "compute p.jsonl --x1 l.0",
        2.0,
        NESTED,
    ),
    Case(
        "compute p.csv", "one number belongs in a cell", files=file(csv("x1,x2,y", '"[1, 2]",3,1')), changed=file(GOOD)
    ),
    Case(
        "compute p.csv --labels strength --strength margin --fill margin=1",
        "the size of the label is it, and labels are not filled: leave out --fill",
        "compute p.csv --labels strength --strength margin",
        2 + 3,
        file(csv("x1,x2,y", "1,3,3")),
    ),
    Case(
        "compute p.csv --labels strength --strength weight --fill weight=1",
        "the size of the label is it, and labels are not filled: leave out --fill",
        "compute p.csv --labels strength --strength weight",
        2.0,
        file(csv("x1,x2,y", "1,3,3")),
    ),
    Case(
        "sweep p.csv --margins 0 --fill margin=0",
        "this command reads none: leave out --fill",
        "sweep p.csv --margins 0",
        None,
        file(csv("x1,x2,y", "1,3,1")),
    ),
    Case(
        "compute p.csv --fill margin=0",
        "name it with --margin-column COLUMN",
        "compute p.csv --fill margin=0 --margin-column m",
        2.0,
        file(csv("x1,x2,y,m", "1,3,1,")),
    ),
    Case(
        "compute p.csv --fill weight=1",
        "name it with --weight COLUMN",
        "compute p.csv --fill weight=1 --weight w",
        2.0,
        file(csv("x1,x2,y,w", "1,3,1,")),
    ),
    Case("validate p.csv --expect macro_mean=1", "it reports value, pairs", "validate p.csv --expect mean=1"),
    Case(
        "validate p.csv --expect weight=1",
        "difference_mean, difference_sd, x1_mean, x2_mean, rejected",
        "validate p.csv --expect x1_mean=2",
    ),
]

CASES = [
    *CELLS,
    *SUITE,
    *MAPS,
    *LABELS,
    *SETTINGS,
    *ROWS,
    *COLUMNS,
    *FILES,
    *RUNS,
    *COMPARE,
    *FOLDERS,
    *PLACES,
    *ENGINES,
]
