"""LETOR and runs of TREC, and what rows of ranked lists have in files beside theirs, as a user meets them."""

from __future__ import annotations

import bz2
import gzip
import lzma
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mrl_cli.errors import DataError
from mrl_cli.inputs import text
from mrl_cli.model import Counts, Plan
from mrl_cli.reductions.look import Look
from mrl_cli.reports.refusals import refuse
from mrl_cli.reports.symptoms import Symptoms
from mrl_cli.words import counted
from tests.each import each
from tests.running import Ran, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Capture = pytest.CaptureFixture[str]
    Rank = Callable[..., Ran]

LETOR = """# a comment
3 qid:1 1:0.5 2:0.1 # doc a

1 qid:1 1:0.25
0 qid:1 1:0 # c
2 qid:2 1:1
1 qid:2 1:2
"""
SCORES = "1.0\n0.5\n0.75\n0.25\n0.5\n"
# Pairs: (3, 1) and (3, 0) are right by 0.5 and 0.25, (1, 0) is wrong by 0.25, and so is (2, 1) of the second query.
SUM = 0.25 + 0.25
RUN = """1 Q0 a 1 14.5 bm25
1 Q0 b 2 12 bm25
1 Q0 c 3 11 bm25
2 Q0 a 1 3 bm25
2 Q0 z 2 1 bm25
2 Q0 b 0 0.5 bm25
"""
QRELS = "1 0 a 1\n1 0 b 2\n1 0 c 0\n2 0 a 0\n2 0 b 1\n2 0 y 1\n"
# (b, a) is wrong by 2.5, (b, c) and (a, c) are right; (b, a) of the second query is wrong by 2.5.
RUN_SUM = 2.5 + 2.5


@pytest.fixture
def rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> Rank:
    """Write files by their names, and run mrl rank."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str, form: str = "json", **files: str | bytes) -> Ran:
        for name, content in ({"scores": SCORES, "qrels": QRELS} | files).items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name.replace("__", ".")).write_bytes(data)
        return run_inside(["rank", *args, "-f", form], capfd)

    return run


def _outcome(ran: Ran) -> tuple[Any, ...]:
    return tuple(ran.result[key] for key in ("sum", "rows", "queries", "pairs", "correct", "wrong"))


@pytest.mark.parametrize("name", ["train.txt", "train", "test.letor", "fold1.svm"])
def test_letor_beside_scores(name: str, rank: Rank) -> None:
    ran = rank(name, "--scores", "scores", **{name.replace(".", "__"): LETOR})
    assert _outcome(ran) == (SUM, 5, 2, 4, 2, 2)
    assert (ran.result["scores"], ran.result["label_column"]) == ("scores", "label")
    assert "score_column" not in ran.result


def test_compressed_letor_is_recognised(rank: Rank) -> None:
    for name, pack in (("a.txt.gz", gzip.compress), ("a.txt.bz2", bz2.compress), ("a.letor.xz", lzma.compress)):
        ran = rank(name, "--scores", "scores", **{name.replace(".", "__"): pack(LETOR.encode())})
        assert _outcome(ran) == (SUM, 5, 2, 4, 2, 2)


def test_scores_follow_rows_across_blocks(rank: Rank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 20)
    assert _outcome(rank("a.txt", "--scores", "scores", a__txt=LETOR)) == (SUM, 5, 2, 4, 2, 2)
    rows = "label,query\n3,1\n\n1,1\n0,1\n2,2\n1,2\n"
    assert _outcome(rank("a.csv", "--scores", "scores", a__csv=rows)) == (SUM, 5, 2, 4, 2, 2)
    quoted = 'label,query,text\n3,1,"x\n\ny"\n1,1,z\n0,1,"a\n"\n2,2,b\n1,2,c\n'
    assert _outcome(rank("b.csv", "--scores", "scores", b__csv=quoted)) == (SUM, 5, 2, 4, 2, 2)
    lines = "".join(f'{{"label": {y}, "query": {q}}}\n\n' for y, q in ((3, 1), (1, 1), (0, 1), (2, 2), (1, 2)))
    assert _outcome(rank("a.jsonl", "--scores", "scores", a__jsonl=lines)) == (SUM, 5, 2, 4, 2, 2)


def test_columnar_rows_have_scores_beside_them(rank: Rank, tmp_path: Path) -> None:
    table = pa.table({"label": [3, 1, 0, 2, 1], "query": [1, 1, 1, 2, 2]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    pa.feather.write_feather(table, tmp_path / "a.arrow", chunksize=2, compression="uncompressed")
    for name in ("a.parquet", "a.arrow"):
        assert _outcome(rank(name, "--scores", "scores")) == (SUM, 5, 2, 4, 2, 2)


def test_scores_may_be_a_column_of_a_table(rank: Rank) -> None:
    table = "model,score\n" + "".join(f"m,{score}\n" for score in SCORES.split())
    assert rank("a.txt", "--scores", "s.csv", a__txt=LETOR, s__csv=table).result["sum"] == SUM
    ran = rank("a.txt", "--scores", "s.csv", "--score-column", "s", a__txt=LETOR, s__csv=table.replace("score", "s"))
    assert ran.result["sum"] == SUM


WITHOUT_QUERY = "\n".join(line.replace("qid:1 ", "").replace("qid:2 ", "") for line in LETOR.splitlines())


def test_group_sizes_make_lists_of_rows(rank: Rank) -> None:
    beside = ["--group-sizes", "train.query"]
    ran = rank("a.txt", "--scores", "scores", *beside, a__txt=WITHOUT_QUERY, train__query="3\n2\n")
    assert _outcome(ran) == (SUM, 5, 2, 4, 2, 2)
    assert (ran.result["group_sizes"], ran.result.get("query_column")) == ("train.query", None)
    rows = "label,score\n3,1\n1,0.5\n0,0.75\n2,0.25\n1,0.5\n"
    assert _outcome(rank("a.csv", *beside, a__csv=rows, train__query="3\n2\n")) == (SUM, 5, 2, 4, 2, 2)
    assert _outcome(rank("a.csv", *beside, a__csv=rows, train__query="3\n0\n2\n"))[1:4] == (5, 2, 4)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ("3\n1\n", "the sizes in train.query add up to 4 rows, and a.csv has 5 rows"),
        ("3\n3\n", "the sizes in train.query add up to 6 rows, and a.csv has 5 rows"),
        ("3\n1.5\n", "train.query: size 2 is 1.5, which is no number of rows"),
        ("5\n-1\n", "train.query: size 2 is -1, which is no number of rows"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: str, message: str, rank: Rank) -> None:
    rows = "label,score\n3,1\n1,0.5\n0,0.75\n2,0.25\n1,0.5\n"
    rank("a.csv", "--group-sizes", "train.query", a__csv=rows, train__query=sizes).must_fail(3, message)


@pytest.mark.parametrize("scores", ["1\n", "1\n2\n3\n4\n", "1\n2\n3\n4\n5\n6\n"])
def test_more_or_fewer_scores_than_rows_are_refused(scores: str, rank: Rank) -> None:
    ran = rank("a.txt", "--scores", "s.txt", a__txt=LETOR, s__txt=scores)
    ran.must_fail(3)
    assert f"s.txt has {counted(len(scores.split()), 'score')}, and a.txt has 5 rows" in ran.err


def test_bad_lines_of_letor_are_named(rank: Rank) -> None:
    lines = "3 qid:1 1:0.5\noops qid:1 1:2\n1 1:5\n1 qid:1 0.5\n"
    ran = rank("a.txt", "--scores", "s.txt", a__txt=lines, s__txt="1\n2\n3\n4\n")
    ran.must_fail(
        3,
        "line 2: label is 'oops'",
        "line 3: query is absent",
        "line 4: '1 qid:1 0.5'",
        "hint: a line is: label, qid:QUERY where there is one",
    )
    assert "on-error" not in ran.err


def test_a_bad_line_of_a_run_is_told_what_it_should_be(rank: Rank) -> None:
    ran = rank("run.txt", "--qrels", "qrels", run__txt=RUN + "a Q0 d 9 0.5\n")
    ran.must_fail(3, "not a line of a run       1   line")
    assert "hint: a line is: query, Q0, document, rank, score and name of the run, separated by blanks;" in ran.err


def test_run_beside_judgments(rank: Rank) -> None:
    ran = rank("run.txt", "--qrels", "qrels", run__txt=RUN)
    assert _outcome(ran) == (RUN_SUM, 5, 2, 4, 2, 2)
    assert (ran.result["missing"], ran.result["qrels"], ran.result.get("label_column")) == (1, "qrels", None)
    packed = rank(
        "run.txt.gz", "--qrels", "q.gz", run__txt__gz=gzip.compress(RUN.encode()), q__gz=gzip.compress(QRELS.encode())
    )
    assert _outcome(packed) == _outcome(ran)
    tsv = "query-id\tcorpus-id\tscore\n" + QRELS.replace(" 0 ", "\t", 6).replace(" ", "\t")
    assert _outcome(rank("run.txt", "--qrels", "q.tsv", run__txt=RUN, q__tsv=tsv)) == _outcome(ran)


def test_documents_without_a_judgment(rank: Rank) -> None:
    zero = rank("run.txt", "--qrels", "qrels", "--missing", "zero", run__txt=RUN)
    assert _outcome(zero) == (RUN_SUM + 0.5, 6, 2, 5, 2, 3)  # (b, z) of the second query is wrong by 0.5
    assert zero.result["missing"] == 1
    error = rank("run.txt", "--qrels", "qrels", "--missing", "error", run__txt=RUN)
    assert (error.code, error.out) == (3, "")
    assert "line 5: z of query 2" in error.err


def test_judgments_beside_a_table(rank: Rank) -> None:
    rows = [line.split() for line in RUN.splitlines()]
    table = "query,passage,score\n" + "".join(f"{row[0]},{row[2]},{row[4]}\n" for row in rows)
    assert rank("run.csv", "--qrels", "qrels", "--doc", "passage", run__csv=table).result["sum"] == RUN_SUM


def test_a_document_twice_in_a_query_is_refused(rank: Rank) -> None:
    ran = rank("run.txt", "--qrels", "qrels", run__txt=RUN + "2 Q0 a 9 0 bm25\n")
    ran.must_fail(3, f"run.txt, line {len(RUN.splitlines()) + 1}: document a stands twice in query 2")
    assert "by-file" not in ran.err
    twice = RUN + "2 Q0 z 9 0 bm25\n"  # not judged, and so of no effect where it is dropped
    assert rank("run.txt", "--qrels", "qrels", run__txt=twice).result["missing"] == 2
    assert "document z" in rank("run.txt", "--qrels", "qrels", "--missing", "zero", run__txt=twice).err


def test_runs_of_two_systems_are_kept_apart_by_file(rank: Rank) -> None:
    files = {"a__txt": RUN, "b__txt": RUN}
    assert "--by-file" in rank("a.txt", "b.txt", "--qrels", "qrels", **files).err
    ran = rank("a.txt", "b.txt", "--qrels", "qrels", "--by-file", **files)
    assert [group["sum"] for group in ran.result["groups"]] == [RUN_SUM, RUN_SUM]


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ("1 0 a x\n", "line 1 is no judgment: the relevance x is not a number"),
        ("1 0 a 1\n\n1 0 a 2\n", "line 3 judges a of query 1 a second time"),
        ("1 0 a 1\n1 0 b\n", "line 2 is no judgment: 1 0 b"),
        ("", "no judgments in qrels"),
    ],
)
def test_bad_judgments_are_named(qrels: str, message: str, rank: Rank) -> None:
    rank("run.txt", "--qrels", "qrels", run__txt=RUN, qrels=qrels).must_fail(3, message)


@each(
    ("args", "message"),
    [
        (["run.txt"], "name the file of judgments with --qrels FILE"),
        (["a.txt"], "name a file with one for each row with --scores FILE"),
        (["b.txt", "--scores", "scores"], "of each query with --group-sizes FILE"),
        (["a.txt", "run.txt", "--scores", "scores"], "--scores belongs to the rows of one INPUT, and there are 2"),
        (["a.txt", "--scores", "scores", "--on-error", "skip"], "--on-error skip would move those after a bad one"),
        (["a.txt", "--scores", "scores", "--score", "s"], "--score and --scores exclude each other"),
        (["run.txt", "--qrels", "qrels", "--label", "y"], "--label and --qrels exclude each other"),
        (["b.txt", "--group-sizes", "qrels", "--query", "q"], "--query and --group-sizes exclude each other"),
        (["a.txt", "--scores", "scores", "--missing", "zero"], "--missing goes with --qrels"),
        (["a.txt", "--scores", "scores", "--doc", "d"], "--doc goes with --qrels"),
        (["l.jsonl", "--scores", "scores"], "go with a row for each item: here a row is a list"),
    ],
)
def test_what_is_missing_or_contradicts_is_said(args: list[str], message: str, rank: Rank) -> None:
    lists = '{"label": [1, 0], "score": [1, 2]}\n'
    rank(*args, a__txt=LETOR, b__txt=WITHOUT_QUERY, run__txt=RUN, l__jsonl=lists).must_fail(2, message)


def test_pairs_are_not_looked_for_in_lists(rank: Rank, capfd: Capture) -> None:
    rank("a.txt", "--scores", "scores", a__txt=LETOR, run__txt=RUN)
    assert "LETOR is read by mrl rank, with --scores FILE" in run_inside(["compute", "a.txt"], capfd).err
    assert "a run of TREC is read by mrl rank, with --qrels FILE" in run_inside(["compute", "run.txt"], capfd).err


@pytest.mark.parametrize("command", ["validate", "sweep --margins 0"])
def test_commands_of_pairs_and_lists_say_how_files_of_lists_are_read(command: str, rank: Rank, capfd: Capture) -> None:
    rank("a.txt", "--scores", "scores", a__txt=LETOR, run__txt=RUN)
    hints = {
        "a.txt --scores scores": "LETOR holds ranked lists: use --query query; without qid, --group-sizes FILE",
        "a.txt --scores scores --query qid": "did you mean --query query?",
        "run.txt": "a run of TREC holds ranked lists: name the file of judgments with --qrels FILE",
    }
    for line, hint in hints.items():
        ran = run_inside([*command.split(), *line.split()], capfd)
        assert (ran.code, ran.err.partition("\nhint: ")[2].startswith(hint)) == (2, True)
    assert run_inside([*command.split(), "a.txt", "--scores", "scores", "--query", "query"], capfd).code == 0


UNJUDGED = "query,label,score\na,1,0.5\na,-1,3\na,0,0.25\nb,2,1\nb,0,2\n"


def test_items_that_are_not_judged_are_left_out_and_counted(rank: Rank) -> None:
    whole = rank("a.csv", a__csv=UNJUDGED)
    assert (whole.result["pairs"], "unjudged" in whole.result) == (4, False)
    assert "--unjudged negative" in whole.err
    negative = rank("a.csv", "--unjudged", "negative", a__csv=UNJUDGED)
    assert _outcome(negative) == (1.0, 4, 2, 2, 1, 1)
    assert (negative.result["unjudged"], negative.err) == (1, "")
    assert rank("a.csv", "--unjudged", "0", a__csv=UNJUDGED).result["unjudged"] == 2
    assert (
        rank("a.csv", a__csv=UNJUDGED.replace(",0,", ",1,")).err == ""
    )  # labels of -1 and 1, or -1 and 2, say nothing


def test_of_ranks_one_is_best(rank: Rank) -> None:
    rows = "query,label,score\na,1,0.5\na,2,0.75\na,3,0.25\n"
    assert _outcome(rank("a.csv", "--labels", "rank", a__csv=rows)) == (0.25, 3, 1, 3, 2, 1)
    assert _outcome(rank("a.csv", a__csv=rows)) == (0.25 + 0.5, 3, 1, 3, 1, 2)


@each(
    ("files", "args", "message"),
    [
        ({"s": "rows\n"}, ["--group-sizes", "s"], "no sizes in s, nothing but the header 'rows' in line 1\n"),
        ({"s": ""}, ["--group-sizes", "s"], "no sizes in s\n"),
        ({"s": "1\nx\n"}, ["--scores", "s"], "not a number       1   line 2: 'x'\n"),
        ({"q": "1 a 1\n1 b 0\n"}, ["--qrels", "q"], "q: line 1 is no judgment: 1 a 1\n"),
        ({"q": "1 0 a 1\n1 0 a 1\n"}, ["--qrels", "q"], "q: line 2 judges a of query 1 a second time, after line 1\n"),
        (
            {"q": "9 0 c 1\n"},
            ["--qrels", "q"],
            "3 documents of 2 queries have no judgment in q, and",
        ),
        ({"q": "9 0 c 1\n"}, ["--qrels", "q"], "'a' of query '1', and the first that is judged 'c' of query '9'\n"),
    ],
)
def test_what_is_wrong_beside_rows_is_named(
    files: dict[str, str],
    args: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in files.items():
        (tmp_path / name).write_text(data)
    (tmp_path / "p.csv").write_text("query,doc,label,score\n1,a,1,1\n1,b,0,3\n2,a,1,2\n")
    for missing in ("drop", "zero") if "--qrels" in args else (None,):
        ran = run_inside(["rank", "p.csv", *args, *(["--missing", missing] if missing else [])], capfd)
        ran.must_fail(3, message)
        assert "pairs" not in ran.err


def test_every_reason_for_a_row_left_out_is_named() -> None:
    names: list[Any] = list(Counts.__match_args__)
    made: Any = Counts
    numbers = [name for name in names if isinstance(getattr(Counts(), name), int)]
    summands = [name for name in numbers if made(**{name: 3}).rows and name != "pairs"]
    assert {"rejected", "missing", "unjudged"} <= set(summands)
    for name in summands:
        with pytest.raises(DataError, match=r"3 rows, all left out \(3 for [a-z]"):
            refuse(Symptoms(made(**{name: 3}), Plan.of(), Look(), ()), ["p.csv"], wants_mean=False)
