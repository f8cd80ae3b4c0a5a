"""`mrl check`: what would be read and how, from the head of each file, and a command line that reads it."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli.inputs.heads import HEAD_BYTES, HEAD_ROWS, VALUE_BYTES
from mrl_cli.inputs.presets import PRESETS
from mrl_cli.inputs.text import BLOCK_BYTES
from tests.each import each, mostly_slow
from tests.running import Mrl, run

if TYPE_CHECKING:
    from pathlib import Path


PAIRS = "x1,x2,y\n0.5,0.25,1\n1.5,2.5,-1\n"
CHAT = [{"role": "user", "content": "q"}]
LOGGED = {"loss": 0.5, "rewards/chosen": 0.25, "rewards/rejected": 0.125, "rewards/accuracies": 0.75, "epoch": 0.5}
EXAMPLES: list[tuple[str, str | bytes, str | None]] = [
    ("pairs.csv", PAIRS, "pairs"),
    ("pairs.tsv", PAIRS.replace(",", "\t"), "pairs"),
    ("semicolons.csv", "x1;x2;y\n0,5;1,25;1\n1,5;2,75;-1\n", "pairs"),
    ("blanks.txt", "x1 x2 y\n0.5 1 1\n2 3 -1\n", "pairs"),
    ("bare.csv", "0.5,1,1\n2,3,-1\n", "pairs"),
    ("utf16.csv", PAIRS.encode("utf-16"), "pairs"),
    ("utf16le.csv", PAIRS.encode("utf-16-le"), "pairs"),
    ("returns.csv", PAIRS.replace("\n", "\r"), "pairs"),
    ("quoted.csv", 'x1,x2,y,t\n1,2,1,"a\nb"\n1,2,-1,"c,""d"""\n', "pairs"),
    ("pairs.csv.gz", gzip.compress(PAIRS.encode()), "pairs"),
    ("zero_one.csv", "s1,s2,label\n1,2,1\n2,1,0\n", "pairs"),
    ("ties.csv", "score a,score b,y\n1,2,1\n2,1,0\n3,1,-1\n", "pairs"),
    ("it's.csv", "winner score,loser score\n1,2\n", "pairs"),
    ("-dash.csv", PAIRS, "pairs"),
    ("two\nlines.csv", PAIRS, "pairs"),
    ("trl.jsonl", '{"chosen": 1, "rejected": 2, "margin": 1}\n{"chosen": 2, "rejected": 1, "margin": 2}\n', "pairs"),
    ("one_bad.csv", PAIRS + "oops,1,1\n", "pairs"),
    ("columns.json", json.dumps({"scores_chosen": [1.5, 2], "scores_rejected": [[0.5], [1]], "model": "m"}), "pairs"),
    ("records.json", json.dumps([{"score_chosen": 8, "score_rejected": 7, "chosen": CHAT, "rejected": CHAT}]), "pairs"),
    ("lists.jsonl", '{"prompt": "q", "answers": [{"rank": 1, "answer": "a"}, {"rank": 2, "answer": "b"}]}\n', "lists"),
    ("cells.json", json.dumps({"scores": [[1.5, 0.5, 0.25, 0]] * 3, "num_correct": [1] * 3}), "lists"),
    ("ranked.csv", "qid,label,score\n1,2,0.5\n1,0,0.25\n", "lists"),
    ("letor.txt", "2 qid:1 1:0.5 2:0.25\n0 qid:1 1:0.3\n", "lists"),
    ("texts.jsonl", '{"chosen": "Human: hi", "rejected": "Human: no"}\n', "texts"),
    ("chats.jsonl", json.dumps({"chosen": CHAT, "rejected": CHAT}) + "\n", "texts"),
    ("log.jsonl", json.dumps(LOGGED) + "\n", "log"),
    ("trainer_state.json", json.dumps({"epoch": 1.0, "log_history": [LOGGED, LOGGED]}, indent=2), "log"),
    ("one_line.json", json.dumps({"epoch": 1.0, "log_history": [LOGGED, LOGGED]}), "log"),
    ("printed.txt", f"{LOGGED}\n{LOGGED}\n", "log"),
    ("tensorboard.json", json.dumps([[1.7e9, 10, 0.5], [1.7e9, 20, 0.25]]), "log"),
    ("accuracies.json", json.dumps({"math-prm": 0.8, "donotanswer": 0.7, "model": "m"}, indent=1), None),
    ("number", "0.922\n", None),
]  # fmt: skip


LISTS_TO_RANK = ("cells.json", "ranked.csv")  # the others have no scores


def check(mrl: Mrl, *args: str | Path, stdin: bytes = b"") -> list[dict[str, Any]]:
    """Return the inputs that a check reports; none can be unreadable."""
    result = mrl("check", *args, "-f", "json", stdin=stdin).result
    assert result["schema"] == "mrl.check/1"
    inputs: list[dict[str, Any]] = result["inputs"]
    return inputs


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file as its bytes are."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@each(("name", "content", "kind"), EXAMPLES)
def test_kind_is_named_and_the_command_reads_the_file(
    name: str, content: str | bytes, kind: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mrl: Mrl
) -> None:
    write(tmp_path, name, content)
    monkeypatch.chdir(tmp_path)
    (entry,) = check(mrl, f"./{name}")
    assert entry["kind"] == kind
    assert (entry["command"] is not None) == (kind == "pairs" or name in LISTS_TO_RANK)
    if entry["command"] is not None:
        program, command, *args = _split(entry["command"])
        assert (program, command) == ("mrl", "compute" if kind == "pairs" else "rank")
        result = mrl(command, *args, "-f", "json").result
    if kind == "pairs":
        assert result["pairs"] + result["rejected"] + result["ties_dropped"] == entry["rows"] == entry["rows_seen"]


def _split(line: str) -> list[str]:
    """Split a command line as bash does, which knows $'...' too."""
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    return [os.fsdecode(word) for word in words.split(b"\0")[:-1]]


def test_columns_types_and_dialect_are_named(tmp_path: Path, mrl: Mrl) -> None:
    (entry,) = check(mrl, write(tmp_path, "a.csv", '\ufeffx1;x2;y;who;n\n0,5;1;1;"a";\n1;2;-1;b;\n'))
    assert [tuple(column.values()) for column in entry["columns"]] == [
        ("x1", "number"), ("x2", "integer"), ("y", "integer"), ("who", "text"), ("n", "empty")
    ]  # fmt: skip
    assert entry["dialect"] == {
        "delimiter": ";", "encoding": "utf-8-sig", "decimal": ",", "header": True, "quoting": True, "compression": None
    }  # fmt: skip
    assert (entry["x1"], entry["x2"], entry["y"], entry["labels"]) == ("x1", "x2", "y", [-1, 1])


def test_columns_of_parquet_are_those_of_its_footer_and_only_its_first_rows_are_read(tmp_path: Path, mrl: Mrl) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"x1": [0.5] * 4000, "x2": [1.5] * 4000, "y": [True, False] * 2000})
    pq.write_table(table, path, row_group_size=2000, compression="none", use_dictionary=False)
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 64] = bytes(64)
    path.write_bytes(data)
    (entry,) = check(mrl, path)
    assert entry["columns"][2] == {"name": "y", "type": "bool"}
    assert (entry["rows_seen"], entry["rows"], entry["labels"]) == (HEAD_ROWS, 4000, [False, True])
    assert entry["command"].endswith("--labels 01")
    assert mrl("compute", path, "--labels", "01").code == 3  # the second row group is damaged


def test_scores_in_nested_lists_are_named_by_their_path(tmp_path: Path, mrl: Mrl) -> None:
    row = {"label": "A>B", "judgments": [{"judgment": {"scores": [1.5, 0.5]}}]}
    (entry,) = check(mrl, write(tmp_path, "a.jsonl", json.dumps(row) + "\n"))
    assert (entry["kind"], entry["preset"], entry["y"]) == ("pairs", "judgebench", "label")
    assert entry["x1"] == "judgments.0.judgment.scores.0"
    assert "--y-const" not in (entry["command"] or "")


@each("name", [name for name, preset in PRESETS.items() if not preset.header])
def test_preset_that_fits_is_proposed(name: str, tmp_path: Path, mrl: Mrl) -> None:
    preset = PRESETS[name]
    row: dict[str, Any] = dict.fromkeys(preset.layouts[0], 0.5) | dict.fromkeys(preset.further, 1)
    if preset.label is not None and preset.label.label_map:
        row |= dict.fromkeys(preset.label.columns, preset.label.label_map[0][0])
    rows = [row] * 2
    (entry,) = check(mrl, write(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    assert (entry["kind"], entry["preset"]) == ("pairs", name)
    assert f"--preset {name}" in entry["command"]


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["yes", "no"], ["no", "yes"]),
        (["tie", "tie"], ["tie"]),
        ([1, 3, 5], [1, 3, 5]),
        ([1.5, 0.5], [0.5, 1.5]),
        ([0, 0], [0]),
    ],
)
def test_labels_that_no_rule_reads_are_listed_and_no_command_is_given(
    labels: list[Any], shown: list[Any], tmp_path: Path, mrl: Mrl
) -> None:
    lines = (json.dumps({"s1": 1.5, "s2": 0.5, "label": label}) + "\n" for label in labels)
    (entry,) = check(mrl, write(tmp_path, "a.jsonl", "".join(lines)))
    assert (entry["labels"], entry["command"]) == (shown, None)
    assert "any" not in " ".join(entry["notes"])
    assert entry["notes"]


def test_winner_0_or_1_may_be_a_place_and_is_not_taken_for_a_label(tmp_path: Path, mrl: Mrl) -> None:
    (entry,) = check(mrl, write(tmp_path, "a.csv", "s1,s2,winner\n1,2,0\n2,1,1\n"))
    assert (entry["labels"], entry["command"]) == ([0, 1], None)


def test_a_label_beyond_the_rows_listed_decides_too(tmp_path: Path, mrl: Mrl) -> None:
    (entry,) = check(mrl, write(tmp_path, "a.csv", "x1,x2,y\n" + "1,2,1\n" * 2 * HEAD_ROWS + "1,2,0\n"))
    assert entry["labels"] == [1]
    assert entry["command"].endswith("--labels 01")


def test_margins_that_are_the_difference_or_no_numbers_are_left_out_and_noted(tmp_path: Path, mrl: Mrl) -> None:
    words = write(
        tmp_path,
        "m.jsonl",
        '{"chosen": 1, "rejected": 2, "margin": 1}\n' * 2 + '{"chosen": 1, "rejected": 2, "margin": "?"}\n',
    )
    difference = write(tmp_path, "d.csv", "chosen,rejected,margin\n1.3,0.5,0.8\n2,0.25,1.75\n")
    for path, note in ((words, "not a number in 1 of the first 3 rows"), (difference, "log 2")):
        (entry,) = check(mrl, path)
        assert entry["command"].endswith("--x1 chosen --x2 rejected --y-const 1")
        assert any(note in text for text in entry["notes"])


def test_label_beside_chosen_and_rejected_scores_is_not_asked(tmp_path: Path, mrl: Mrl) -> None:
    text = "chosen,rejected,label\n1,2,first\n1,2,second\n1,2,third\noops,2,first\n"
    (entry,) = check(mrl, write(tmp_path, "a.csv", text))
    assert entry["command"].endswith("--preset llamafactory --on-error skip")
    assert "'oops'" in entry["notes"][0]


def test_options_given_are_kept_and_others_proposed(tmp_path: Path, mrl: Mrl) -> None:
    path = write(tmp_path, "a.csv", "a,b,good,x1,x2\n1,2,1,0,0\n2,1,0,0,0\n")
    (entry,) = check(mrl, path, "--x1", "a", "--x2", "b", "--y", "good")
    assert (entry["x1"], entry["x2"], entry["y"]) == ("a", "b", "good")
    _, *args = _split(entry["command"])
    assert args == ["compute", str(path), "--x1", "a", "--x2", "b", "--y", "good", "--labels", "01"]
    (entry,) = check(mrl, write(tmp_path, "b.csv", "one,other,label\n1,2,1\n"), "--x1", "one", "--x2", "other")
    assert entry["command"].endswith("--y label --x1 one --x2 other")
    assert entry["kind"] == "pairs"
    (entry,) = check(mrl, write(tmp_path, "log.jsonl", json.dumps(LOGGED) + "\n"), "--preset", "trl")
    assert entry["kind"] == "log"
    assert any("means" in note for note in entry["notes"])


@each(
    ("args", "code", "words"),
    [
        (["a.csv", "--x1", "X1"], 2, "did you mean --x1 x1?"),
        (["a.csv", "--x1", "x1", "--x2", "X2"], 2, "did you mean --x2 x2?"),
        (["a.csv", "--y", "Y"], 2, "did you mean --y y?"),
        (["number.csv", "--x1", "one"], 2, "number.csv has no column 'one'"),
        (["a.csv", "--preset", "trl"], 2, "--preset trl"),
        (["numbers.csv"], 2, "no such file: numbers.csv\nhint: did you mean number.csv?"),
        (["*.parquet"], 2, "no file matches"),
        (["-", "-"], 2, "stdin can be read only once"),
        (["a.csv", "-o", "a.csv"], 2, "is an input"),
        (["a.csv", "-o", "a.parquet"], 2, "check writes no Parquet"),
        (["a.csv", "--margin", "1"], 2, "No such option"),
    ],
)
def test_usage_errors(
    args: list[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mrl: Mrl
) -> None:
    write(tmp_path, "a.csv", PAIRS)
    write(tmp_path, "number.csv", "two\n1\n")
    monkeypatch.chdir(tmp_path)
    ran = mrl("check", *args)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err


UNREADABLE: dict[str, bytes] = {
    "cut.csv.gz": gzip.compress(PAIRS.encode() * 1000)[:-20],
    "zip.csv": b"PK\x03\x04aaaa",
    "bad.parquet": b"PAR1xxxx",
    "bad.arrow": b"ARROW1\0\0xxxx",
    "twice.csv": b"x1,x1,x2,y\n1,2,3,1\n",
    "open.csv": b'x1,x2,y,t\n1,2,1,"a\n1,2,-1,c\n',
    "broken.json": b'{"x1": [1, 2',
    "deep.json": b"[" * 5000,
    "deep.jsonl": b"[" * 5000 + b"\n",
    "words.jsonl": b'"a"\n"b"\n',
    "uneven.json": b'{"x1": [1, 2], "x2": [2], "y": [1, 1]}',
    "thousands.csv": b"x1;x2;y\n1,000;2,000;1\n",
    "latin.csv": b"x1,x2,y,\xe9\n1,2,1,3\n",
}


@each("name", UNREADABLE)
def test_unreadable_data_end_with_the_error_of_compute(name: str, tmp_path: Path, mrl: Mrl) -> None:
    path = write(tmp_path, name, UNREADABLE[name])
    ran = mrl("check", path)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == mrl("compute", path).err


@pytest.mark.parametrize("name", ["empty.csv", "empty.jsonl", "empty.json", "header.csv"])
def test_no_rows_are_an_error(name: str, tmp_path: Path, mrl: Mrl) -> None:
    mrl("check", write(tmp_path, name, "x1,x2,y\n" if name == "header.csv" else "")).must_fail(3, "no rows in")


def test_one_unreadable_input_is_named_beside_the_others(tmp_path: Path, mrl: Mrl) -> None:
    good, bad = write(tmp_path, "a.csv", PAIRS), write(tmp_path, "b.parquet", "PAR1xxxx")
    ran = mrl("check", good, bad, "-f", "json")
    first, second = json.loads(ran.out)["inputs"]
    assert (ran.code, first["command"], second["name"]) == (3, f"mrl compute {good}", str(bad))
    assert second["error"]["message"] in ran.err


def test_files_are_listed_with_their_sizes(tmp_path: Path, mrl: Mrl) -> None:
    for place in range(13):
        (tmp_path / f"{place:02}.csv").write_text("x1,x2,y\n1,2,1\n" + "3,4,-1\n" * place)
    entry = mrl("check", tmp_path, "-f", "json").result["inputs"][0]
    assert entry["bytes"] == [14 + 7 * place for place in range(13)]
    assert f",13,{sum(entry['bytes'])}," in mrl("check", tmp_path, "-f", "csv").out
    table = mrl("check", tmp_path, "-f", "markdown").out
    assert [place for place in range(13) if f"{place:02}.csv | {14 + 7 * place} |" in table] == list(range(10))
    assert "and 3 more, which --format json lists" in table


def test_files_that_are_alike_are_one_entry_with_one_command(tmp_path: Path, mrl: Mrl) -> None:
    for folder, labels in (("model=a", "1\n1,2,0\n"), ("model=b", "1\n")):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, "p.csv", f"x1,x2,y\n1,2,{labels}")
    (entry,) = check(mrl, tmp_path)
    assert (len(entry["files"]), entry["rows"], entry["labels"]) == (2, 3, [0, 1])
    assert entry["columns"][-1] == {"name": "model", "type": "text"}
    assert entry["command"] == f"mrl compute {tmp_path} --labels 01"
    write(tmp_path, "log.jsonl", json.dumps(LOGGED) + "\n")
    entries = {entry["kind"]: entry for entry in check(mrl, tmp_path)}
    assert _split(entries["pairs"]["command"])[2:] == [*entries["pairs"]["files"], "--labels", "01"]
    assert entries["log"]["files"] == [str(tmp_path / "log.jsonl")]


@pytest.mark.parametrize("args", [["-"], []])
def test_stdin_is_an_input(args: list[str], mrl: Mrl) -> None:
    (entry,) = check(mrl, *args, stdin=gzip.compress(PAIRS.encode()))
    assert (entry["name"], entry["rows"], entry["command"]) == ("-", 2, "mrl compute -")
    assert entry["dialect"]["compression"] == "gzip"


@pytest.mark.slow
def test_pipe_is_an_input() -> None:
    assert run(["check", "-f", "json"], stdin=PAIRS).result["inputs"][0]["rows"] == 2


ROWS = [json.dumps({"chosen": place / 7, "rejected": 0.5, "subset": "a"}) for place in range(20_000)]
HUGE = {
    "a.csv": "x1,x2,y\n" + "0.5,1.5,1\n0.5,2.5,-1\n" * (BLOCK_BYTES // 20),
    "a.jsonl": "\n".join([*ROWS, ""] * (BLOCK_BYTES // 1_000_000 + 1)),
    "a.json": "[" + ",\n".join(ROWS * 4),
}


@pytest.mark.parametrize("name", mostly_slow(HUGE, quick=2))
def test_only_the_head_of_a_huge_file_is_read(name: str, tmp_path: Path, mrl: Mrl) -> None:
    path = write(tmp_path, name, HUGE[name])
    os.truncate(path, 1 << 40)  # zeros from there on, which take no space; to read them all would take minutes
    (entry,) = check(mrl, path)
    assert (entry["kind"], entry["rows_seen"], entry["rows"]) == ("pairs", HEAD_ROWS, None)
    assert entry["command"].startswith(f"mrl compute {path}")


@pytest.mark.parametrize(
    ("name", "begin"),
    mostly_slow(
        [
            ("a.json", '{"model": "m", "scores_chosen": [1.5, 2.5, '),
            ("a.jsonl", '{"chosen": 1, "rejected": 2, "text": "'),
            ("b.json", '{"chosen": 1, "rejected": 2, "text": "'),
            ("quoted.csv", 'x1,x2,y,t\n1,2,1,"'),
        ],
        quick=2,
    ),
)
def test_row_or_value_without_an_end_is_not_read_on(name: str, begin: str, tmp_path: Path, mrl: Mrl) -> None:
    path = write(tmp_path, name, begin)
    os.truncate(path, 1 << 40)
    (entry,) = check(mrl, path)
    assert (entry["command"], entry["rows"]) == (None, None)
    assert any("nothing was tried" in note for note in entry["notes"])


@pytest.mark.parametrize("name", ["a.csv", pytest.param("a.jsonl", marks=pytest.mark.slow), "a.json", "a"])
def test_zeros_without_an_end_are_an_error(name: str, tmp_path: Path, mrl: Mrl) -> None:
    path = write(tmp_path, name, "")
    os.truncate(path, 1 << 40)
    mrl("check", path).must_fail(3, "is it text?")


def test_value_of_some_size_is_read_whole(tmp_path: Path, mrl: Mrl) -> None:
    columns = {"prompt": ["p" * 1000] * 2000, "scores_chosen": [1.5] * 2000, "scores_rejected": [[0.5]] * 2000}
    text = json.dumps(columns)
    assert HEAD_BYTES < len(text) < VALUE_BYTES
    (entry,) = check(mrl, write(tmp_path, "a.json", text))
    assert (entry["rows"], entry["preset"]) == (2000, "rewardbench")


@pytest.mark.parametrize(
    "name", ["a.json", pytest.param("a.jsonl", marks=pytest.mark.slow), pytest.param("-", marks=pytest.mark.slow)]
)
def test_a_first_line_beyond_the_head_is_still_a_line(name: str, tmp_path: Path, mrl: Mrl) -> None:
    text = json.dumps({"x1": 1, "x2": 0, "y": 1, "t": "t" * HEAD_BYTES}) + '\n{"x1": 1, "x2": 0, "y": 1}\n'
    ran = mrl("check", "-" if name == "-" else write(tmp_path, name, text), "-f", "json", stdin=text.encode())
    (entry,) = ran.result["inputs"]
    assert (entry["kind"], entry["dialect"]["layout"], entry["rows"]) == ("pairs", "lines", None)


@pytest.mark.parametrize("written", ["table", "markdown", "csv", "tsv", "jsonl"])
def test_every_format_has_kind_and_command(written: str, tmp_path: Path, mrl: Mrl) -> None:
    path = write(tmp_path, "a b.csv", PAIRS.replace("x1", "s1").replace("x2", "s2"))
    ran = mrl("check", path, "-f", written)
    assert ran.code == 0, ran.err
    assert f"mrl compute '{path}' --x1 s1 --x2 s2" in ran.out  # in one piece, however long
    assert "pairs" in ran.out


def test_text_from_a_file_is_made_harmless(tmp_path: Path, mrl: Mrl) -> None:
    path = write(tmp_path, "a.jsonl", '{"s1": 1, "s2": 2, "label": "\\u001b[31m", "\\ud800": "\\ud800"}\n')
    for written in ("table", "csv", "json"):
        ran = mrl("check", path, "-f", written)
        assert ran.code == 0, ran.err
        assert written == "csv" or "\x1b" not in ran.out


@each(
    ("content", "command"),
    [
        ([{"label": [2, 0], "score": [0.5, 1.0]}], "mrl rank a.json"),
        ([{"query": "a", "label": 2, "score": 0.5}, {"query": "a", "label": 0, "score": 1.0}], "mrl rank a.json"),
        (
            [{"qid": "a", "rank": y, "pred": y / 2} for y in (1, 2)],
            "mrl rank a.json --query qid --label rank --score pred --labels rank",
        ),
        ([{"answers": [{"rank": y, "score": y / 2} for y in (1, 2)]}], "mrl rank a.json --preset nectar"),
        ([{"score_chosen": [1.0, 2.0], "score_rejected": [1.0, 0.5]}], "mrl rank a.json --preset rmbench"),
        ([{"label": [2, 0], "score": [0.5]}], None),
        ([{"completions": [{"overall_score": 2.5}]}], None),
    ],
)
def test_lists_are_for_rank(
    content: Any, command: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mrl: Mrl
) -> None:
    write(tmp_path, "a.json", json.dumps(content))
    monkeypatch.chdir(tmp_path)
    (entry,) = check(mrl, "a.json")
    assert (entry["kind"], entry["command"]) == ("lists", command)
    assert bool(entry["notes"]) == (command is None)


def test_what_stands_beside_lists_is_named(tmp_path: Path, mrl: Mrl) -> None:
    run = write(tmp_path, "run.txt", "1 Q0 a 1 2.5 bm25\n1 Q0 b 2 1.5 bm25\n")
    letor = write(tmp_path, "train.txt", "2 qid:1 1:0.5\n0 qid:1 1:0.3\n")
    for path, kind, beside in ((run, "trec", "--qrels FILE"), (letor, "letor", "--scores FILE")):
        (entry,) = check(mrl, path)
        assert (entry["format"], entry["kind"], entry["command"]) == (kind, "lists", None)
        assert beside in entry["notes"][0]


def test_quiet_hides_no_error_and_verbose_says_how_much_was_seen(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "good.csv").write_text("x1,x2,y\n1,2,1\n")
    (tmp_path / "bad.json").write_text('{"x1"')
    both: list[str | Path] = ["check", tmp_path / "good.csv", tmp_path / "bad.json"]
    ran = mrl(*both, "-q")
    assert (ran.code, ran.out != "") == (3, True)
    assert ran.err.startswith("error: ")
    assert "1 of 2 inputs can be read as they are, 1 cannot be read." in mrl(*both, "-f", "table").out
    assert "1 row of 1 file seen in " in mrl(*both[:2], "-v").err
