"""The table of hints of commands on ranked lists: what triggers each, and what following it gives.

In most of them the better of two items has the score 1 and the other 3: at margin 0 that costs 2.
"""

from __future__ import annotations

import json
from typing import Any

from mrl_cli.inputs.hints import HINTS_OF_LISTS
from mrl_cli.model.problems import LINES, NOT_OF_A_RUN, NOT_OF_LETOR
from tests.hint_cases import Case, Files, csv, file, parquet

LIST = csv("query,label,score", "1,1,1", "1,0,3")
ITEMS = csv("label,score", "1,1", "0,3")
RUN = b"1 Q0 a 1 1 s\n1 Q0 b 2 3 s\n"
QRELS = b"1 0 a 1\n1 0 b 0\n"
NEGATIVE = csv("query,label,score", "1,1,1", "1,-1,3")
SCATTERED = csv("query,label,score", "1,1,1", "2,1,1", "2,0,3", "1,0,3")


def lines(*rows: dict[str, Any], name: str = "p.jsonl") -> Files:
    return {name: "".join(f"{json.dumps(row)}\n" for row in rows).encode()}


def ties(*rows: tuple[str, list[float], int]) -> Files:
    return lines(*({"subset": "Ties", "id": name, "scores": of, "num_correct": right} for name, of, right in rows))


BESIDE = [
    Case(
        "rank run.trec --qrels qrels",
        f"{LINES[NOT_OF_A_RUN]}; --on-error skip leaves bad rows out",
        "rank run.trec --qrels qrels --on-error skip",
        2.0,
        file(RUN + b"1 Q0 c 2 1\n", "run.trec") | file(QRELS, "qrels"),
    ),
    Case(
        "rank run.trec --qrels qrels",
        "write it in UTF-8",
        gives=2.0,
        files=file(RUN, "run.trec") | file(QRELS.replace(b" a ", b" \xff "), "qrels"),
        changed=file(QRELS, "qrels"),
    ),
    Case(
        "rank run.trec --qrels -",
        "name one file",
        "rank run.trec --qrels qrels",
        2.0,
        file(RUN, "run.trec") | file(QRELS, "qrels"),
    ),
    Case(
        "rank p.csv -o out.parquet",
        "add --per-query for a row of each query, or write the figures to a .json or .csv file",
        "rank p.csv --per-query -o out.parquet",
        files=file(LIST),
    ),
    Case(
        "rank f.letor --scores s",
        LINES[NOT_OF_LETOR],
        files=file(b"1 qid:1 1:5\n0 1 1:6\n", "f.letor") | file(b"1\n3\n", "s"),
        changed=file(b"1 qid:1 1:5\n0 qid:1 1:6\n", "f.letor"),
        gives=2.0,
    ),
    *(
        Case(
            "rank p.csv --group-sizes sizes",
            "--group-sizes wants the number of rows of each query, one in a line",
            gives=2.0,
            files=file(ITEMS) | file(data, "sizes"),
            changed=file(b"2\n", "sizes"),
        )
        for data in (b"", b"rows\n", b"2\nx\n")
    ),
    Case(
        "rank p.csv --scores scores",
        "every score must be a finite number: rows take them by place",
        gives=2.0,
        files=file(csv("query,label", "1,1", "1,0")) | file(b"1\nx\n", "scores"),
        changed=file(b"1\n3\n", "scores"),
    ),
    *(
        Case(
            f"rank run.trec --qrels qrels --missing {missing}",
            "are these the judgments of this run? ids are compared as text",
            gives=2.0,
            files=file(RUN, "run.trec") | file(QRELS.replace(b"1 0", b"01 0"), "qrels"),
            changed=file(QRELS, "qrels"),
        )
        for missing in ("drop", "zero")
    ),
    Case(
        "rank run.trec --qrels qrels --missing error",
        "--missing drop leaves such documents out and counts them; --missing zero takes their relevance for 0",
        "rank run.trec --qrels qrels --missing zero",
        2.0,
        file(RUN, "run.trec") | file(QRELS.splitlines(keepends=True)[0], "qrels"),
    ),
    Case(
        "rank run.trec --qrels qrels",
        "which of the two counts is not known: leave one of them out",
        gives=2.0,
        files=file(RUN, "run.trec") | file(QRELS + b"1 0 a 0\n", "qrels"),
        changed=file(QRELS, "qrels"),
    ),
    Case(
        "rank run.trec --qrels qrels",
        "without 0, BEIR has a header line above",
        gives=2.0,
        files=file(RUN, "run.trec") | file(b"1 a 1\n1 b 0\n", "qrels"),
        changed=file(b"query-id corpus-id score\n1 a 1\n1 b 0\n", "qrels"),
    ),
    Case(
        "rank p.csv --group-sizes sizes",
        "--group-sizes wants the number of rows of each query, one in a line",
        gives=2.0,
        files=file(ITEMS) | file(b"1.5\n", "sizes"),
        changed=file(b"2\n", "sizes"),
    ),
    Case(
        "rank p.csv --group-sizes sizes",
        "are both files of the same data, and whole?",
        gives=2.0,
        files=file(ITEMS) | file(b"3\n", "sizes"),
        changed=file(b"2\n", "sizes"),
    ),
    Case(
        "rank run.trec --qrels qrels",
        "a line is: query, 0, document and relevance, separated by blanks",
        gives=2.0,
        files=file(RUN, "run.trec") | file(b"1 a\n", "qrels"),
        changed=file(QRELS, "qrels"),
    ),
    Case(
        "rank run.trec other.trec --qrels qrels",
        "are these runs of several systems? keep them apart with --by-file",
        "rank run.trec other.trec --qrels qrels --by-file",
        2.0,
        file(RUN, "run.trec") | file(RUN, "other.trec") | file(QRELS, "qrels"),
    ),
]
BENCHMARKS = [
    Case(
        "rank p.jsonl --preset rmbench",
        "RM-Bench has one of each style; without --preset, name --chosen, --rejected",
        "rank p.jsonl --chosen score_chosen --rejected score_rejected",
        2.0,
        lines({"score_chosen": [1, 1], "score_rejected": [3]}),
    ),
    Case(
        "rank p.jsonl --label completions.overall_score",
        "did you mean --label 'completions.*.overall_score'?",
        "rank p.jsonl --label completions.*.overall_score",
        "these look like UltraFeedback's columns: use --preset ultrafeedback",
        lines({"completions": [{"overall_score": 2, "reward": 1}, {"overall_score": 1, "reward": 3}]}),
    ),
    Case(
        "rank p.jsonl",
        "with a number for each? use --preset ultrafeedback, and name the scores of a model with --score COLUMN",
        "rank p.jsonl --preset ultrafeedback --score completions.*.s",
        2.0,
        lines({"completions": [{"overall_score": 2, "s": 1}, {"overall_score": 1, "s": 3}]}),
    ),
    Case(
        "rank p.jsonl --preset rewardbench2",
        "rows of Ties have such ids; without --preset, name --score, --num-correct",
        "rank p.jsonl --score scores --num-correct num_correct",
        2.0,
        ties(("7", [1, 3], 1)),
    ),
    Case(
        "rank p.jsonl --preset rewardbench2",
        "a row of Ties has right and wrong answers, a tied one several right ones",
        gives=2.0,
        files=ties(("ref:1", [1, 3], 1), ("tied:1", [1, 3], 1)),
        changed=ties(("ref:1", [1, 3], 1), ("tied:1", [1, 1, 3], 2)),
    ),
]
STYLES = lines({"score_chosen": [1, 1, 1], "score_rejected": [3, 3, 3]})
LAYOUTS = [
    Case("rank p.jsonl", "RM-Bench's columns: use --preset rmbench", "rank p.jsonl --preset rmbench", 2.0, STYLES),
    Case(
        "compute p.jsonl",
        "score_chosen holds a list of numbers in each row? use mrl rank --preset rmbench",
        "rank p.jsonl --preset rmbench",
        2.0,
        STYLES,
    ),
    Case(
        "compute p.jsonl --preset ultrafeedback",
        "completions holds a list of answers in each row, with a number for each? use mrl rank --preset ultrafeedback",
        "rank p.jsonl --preset ultrafeedback",
        2.0,
        lines({"completions": [{"overall_score": 2, "score": 1}, {"overall_score": 1, "score": 3}]}),
    ),
    Case(
        "rank p.jsonl --preset ultrafeedback",
        "scores as UltraFeedback writes them? use mrl compute --preset ultrafeedback",
        "compute p.jsonl --preset ultrafeedback",
        2.0,
        lines({"score_chosen": 1, "score_rejected": 3}),
    ),
    Case(
        "rank p.csv",
        "score_a and score_b are two scores? use mrl compute --x1 score_a --x2 score_b --y label",
        "compute p.csv --x1 score_a --x2 score_b --y label",
        2.0,
        file(csv("score_a,score_b,label", "1,3,1")),
    ),
    Case(
        "rank p.csv",
        "cells are lists in JSON, Parquet and Arrow; in text, write a row for each item",
        gives=2.0,
        files=file(csv("query,label,score", '1,"[1, 0]","[1, 3]"')),
        changed=file(LIST),
    ),
    Case(
        "rank p.csv --label 'label.*' --score 'score.*'",
        "write a row for each item, with the columns query, label and score",
        "rank p.csv",
        2.0,
        file(LIST),
    ),
    Case(
        "rank p.jsonl",
        "is each row a list? use --label 'label.*' --score 'score.*'",
        "rank p.jsonl --label 'label.*' --score 'score.*'",
        2.0,
        lines(*[{"query": 1, "label": [1], "score": [1]}] * 1000, {"query": 2, "label": [1, 0], "score": [1, 3]}),
    ),
    Case(
        "rank p.parquet",
        "name a column of lists with --score COLUMN, or a number in all items of a list, such as answers.*.rank",
        "rank p.parquet --score scores",
        2.0,
        file(parquet(label=[[1, 0]], score=[1.0], scores=[[1.0, 3.0]]), "p.parquet"),
    ),
    Case(
        "rank p.parquet --label answers --score answers.*.score",
        "one of its numbers is named by its path, such as --label 'answers.*.grade'",
        "rank p.parquet --label 'answers.*.grade' --score 'answers.*.score'",
        2.0,
        file(parquet(answers=[[{"grade": 1, "score": 1.0}, {"grade": 0, "score": 3.0}]]), "p.parquet"),
    ),
    Case(
        "rank p.jsonl --label answers --score answers.*.score",
        "one of its numbers is named by its path, such as --label 'answers.*.grade'",
        "rank p.jsonl --label 'answers.*.grade' --score 'answers.*.score'",
        2.0,
        lines({"answers": [{"grade": 1, "score": 1.0}, {"grade": 0, "score": 3.0}]}),
    ),
    Case(
        "rank p.jsonl",
        "write a row for each item, or one for each query",
        gives=2.0,
        files=lines({"query": [1, 1], "label": [1, 0], "score": [1, 3]}),
        changed=lines({"query": 1, "label": [1, 0], "score": [1, 3]}),
    ),
    Case(
        "rank a.jsonl b.jsonl",
        "read them one by one",
        "rank a.jsonl",
        2.0,
        lines({"label": [1, 0], "score": [1, 3]}, name="a.jsonl")
        | lines({"query": 1, "label": 1, "score": 1}, name="b.jsonl"),
    ),
    Case(
        "rank p.jsonl --chosen good --rejected bad",
        "no row has a right answer and a wrong one",
        gives=2.0,
        files=lines({"good": [1], "bad": []}),
        changed=lines({"good": [1], "bad": [3]}),
    ),
]
COLUMNS = [
    Case(
        "rank p.csv",
        "ids of queries are text: write each of them in one way",
        gives=2.0,
        files=file(csv("query,label,score", "1,1,1", "2,0,3", "1.0,0,3")),
        changed=file(LIST),
    ),
    Case(
        "rank p.csv --query id",
        "each row has a id of its own; name what its rows have in common with --query COLUMN",
        "rank p.csv --query q",
        2.0,
        file(csv("id,q,label,score", "1,1,1,1", "2,1,0,3")),
    ),
    Case(
        "rank p.csv", "x1 and x2 are two scores? use mrl compute", "compute p.csv", 2.0, file(csv("x1,x2,y", "1,3,1"))
    ),
    Case(
        "compute p.csv",
        "each row is an item of a query? use mrl rank --query qid --label rel --score pred",
        "rank p.csv --query qid --label rel --score pred",
        2.0,
        file(csv("qid,rel,pred", "1,1,1", "1,0,3")),
    ),
    *(
        Case(
            f"{command} p.csv{more}",
            f"each row is an item of a query? use {options}",
            f"{command} p.csv{more} {options}",
            None,
            file(csv(header, "1,1,1", "1,0,3")),
        )
        for command, more in (("validate", ""), ("sweep", " --margins 0"), ("report", " -o page.html"))
        for header, options in (
            ("query,label,score", "--query query"),
            ("qid,rel,pred", "--query qid --label rel --score pred"),
        )
    ),
    Case(
        "rank p.csv",
        "label is 1 in every row; name the column of labels with --label COLUMN",
        "rank p.csv --label grade",
        2.0,
        file(csv("query,label,grade,score", "1,1,2,1", "1,1,0,3")),
    ),
    Case(
        "rank p.csv",
        "in no query are two rows of different label",
        gives=2.0,
        files=file(csv("query,label,score", "1,1,1", "1,1,1", "2,0,3")),
        changed=file(LIST),
    ),
    Case(
        "rank p.csv --query-weight w",
        "the weight of a query is the same in all of its rows; for a weight of each item use --weight",
        "rank p.csv --weight w",
        2.0,
        file(csv("query,label,score,w", "1,1,1,1", "1,0,3,2")),
    ),
]
LOSSES = [
    *(
        Case(
            f"{command} --weight w",
            "times its query: leave out --weight w, or name others",
            command,
            2.0 if command == "rank p.csv" else None,
            file(csv("query,label,score,w", "1,1,1,0", "1,0,3,1")),
        )
        for command in ("rank p.csv", "sweep p.csv --query query --margins 0")
    ),
    Case(  # compute would propose to fill it
        "rank p.csv --weight w",
        "--on-error skip leaves bad rows out",
        "rank p.csv --weight w --on-error skip",
        2.0,
        file(csv("query,label,score,w", "1,1,1,1", "1,0,3,1", "1,0,4,")),
    ),
    Case(
        "rank p.csv --lambda-weight ndcg",
        "gains of labels below 0 are none; --lambda-weight label_diff takes any labels",
        "rank p.csv --lambda-weight label_diff",
        2.0,
        file(NEGATIVE),
    ),
    Case(
        "rank p.csv --loss softmax",
        "takes labels as shares or gains, from 0 on; --param target=raw or target=softmax takes any labels",
        "rank p.csv --loss softmax --param target=softmax",
        files=file(NEGATIVE),
    ),
    Case(
        "rank p.csv --loss softmax",
        "without a loss is a list whose labels are all 0",
        files=file(LIST.replace(b"1,1,1", b"1,0,1")),
        changed=file(LIST),
    ),
    Case(
        "rank p.csv --lambda-weight ndcg --labels rank",
        "leave it out where a higher label is better",
        "rank p.csv --lambda-weight ndcg",
        2.0,
        file(LIST),
    ),
    Case(
        "rank p.csv --loss approx_ndcg --max-pairs 1",
        "--max-pairs 3 goes through them",
        "rank p.csv --loss approx_ndcg --max-pairs 3",
        files=file(csv("query,label,score", "1,1,1", "1,0,3", "1,0,2")),
    ),
    Case(
        "rank p.csv --group-by label",
        "leave out --group-by: rows of one query are in several groups, and those of each are a list",
        "rank p.csv",
        2.0,
        file(LIST),
    ),
    Case("rank p.csv --memory 100", "allow more with --memory SIZE", "rank p.csv --memory 1MB", 2.0, file(LIST)),
    Case(
        "rank p.csv --memory 400",
        "sort the file by query, so that the rows of one stand together, or allow more with --memory SIZE",
        "rank p.csv --memory 1MB",
        2.0,
        file(SCATTERED),
    ),
]
LETOR = file(b"1 qid:1 1:5\n0 qid:1 1:6\n", "f.letor") | file(b"1\n3\n", "s")
CHECKS = [
    *(
        Case(f"{command} f.letor {options}", hint, f"{command} f.letor --scores s --query query", files=LETOR)
        for command in ("validate", "sweep --margins 0")
        for options, hint in {
            "": HINTS_OF_LISTS["letor"],
            "--scores s": HINTS_OF_LISTS["letor"],
            "--scores s --query qid": "did you mean --query query?",
        }.items()
    ),
    Case(
        "validate f.letor --loss softmax --scores s",
        "name the column of the query with --query COLUMN; in LETOR and runs of TREC it is query",
        "validate f.letor --loss softmax --scores s --query query",
        files=LETOR,
    ),
    Case(
        "validate run.trec",
        "a run of TREC holds ranked lists: name the file of judgments with --qrels FILE",
        "validate run.trec --qrels qrels",
        files=file(RUN, "run.trec") | file(QRELS, "qrels"),
    ),
    Case(
        "validate p.csv --loss softmax",
        "name the column of the query with --query COLUMN",
        "validate p.csv --loss softmax --query query",
        files=file(LIST),
    ),
    Case(
        "validate p.csv --query query --x1 score",
        "leave it out, or the options of lists",
        "validate p.csv --query query",
        files=file(LIST),
    ),
]

LIST_CASES = [*BESIDE, *BENCHMARKS, *LAYOUTS, *COLUMNS, *LOSSES, *CHECKS]
