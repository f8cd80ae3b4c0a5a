"""The table of text files that are odd, bad, or only look bad, and what `mrl compute` must make of each.

Losses are of margin 0, so that a pair costs max(0, -y(x1 - x2)): `1,3,1` costs 2, `3,1,1` costs 0, `0.5,0.25,-1` costs
0.25.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

USAGE, DATA = 2, 3
SKIP = ("--on-error", "skip")
DEFAULT_HINT = "hint: --on-error skip leaves bad rows out"


@dataclass(frozen=True, slots=True)
class Case:
    """A file and the options, and either the numbers (`total` is the sum over `pairs`) or an exit code and words.

    `needs_suffix`: without its suffix, as on stdin, the text would be read as another format.
    """

    name: str
    data: bytes
    total: float = 0.0
    pairs: int = 0
    rejected: int = 0
    ties_dropped: int = 0
    code: int = 0
    messages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    suffix: str = ".csv"
    names_exact_place: bool = True
    needs_suffix: bool = False


def csv(*rows: str | bytes, header: str = "x1,x2,y") -> bytes:
    lines = [header.encode(), *(row.encode() if isinstance(row, str) else row for row in rows)]
    return b"\n".join(lines) + b"\n"


def right(name: str, data: bytes, total: float, pairs: int, *options: str, **more: Any) -> Case:
    return Case(name, data, total, pairs, options=options, **more)


def refused(name: str, data: bytes, *messages: str, code: int = DATA, **more: Any) -> Case:
    return Case(name, data, code=code, messages=messages, **more)


def bad_cell(name: str, row: str | bytes, *messages: str, **more: Any) -> Case:
    """A bad row between good ones: line 3."""
    return refused(name, csv("1,3,1", row, "3,1,1"), "1 problem in FILE (3 rows)", "line 3: ", *messages, **more)


def good_cell(name: str, row: str, loss: float, *options: str) -> Case:
    """An unusual row between good ones that cost 2 and 0."""
    return right(name, csv("1,3,1", row, "3,1,1"), 2 + loss + 0, 3, *options)


LABELS = [
    bad_cell("y is 0", "1,3,0", "label not ±1", "y is 0", "use --labels 01", "--on-tie drop"),
    bad_cell("y is 2", "1,3,2", "label not ±1", "y is 2", "use --label-map 1=1,2=-1"),
    bad_cell("y is a half", "1,3,0.5", "label not ±1", "y is 0.5", "use --labels probability"),
    bad_cell("y is 1.0000000000000002", "1,3,1.0000000000000002", "label not ±1", "y is 1.0000000000000002"),
    bad_cell("y is 257, which wraps to 1", "1,3,257", "label not ±1", "y is 257"),
    bad_cell("y is 255, which wraps to -1", "1,3,255", "label not ±1", "y is 255"),
    bad_cell("y is hexadecimal", "1,3,0x1", "not a number", "y is '0x1'"),
    bad_cell("y is hexadecimal and wraps", "1,3,0xFF", "not a number", "y is '0xFF'"),
    bad_cell("y is a word", "1,3,true", "not a number", "y is 'true'"),
    bad_cell("y is empty", "1,3,", "missing value", "y is empty"),
    bad_cell("y is NaN", "1,3,nan", "NaN", "y is 'nan'"),
    refused(
        "01 refuses -1",
        csv("1,3,1", "1,3,-1"),
        "label not 0 or 1",
        "line 3: y is -1",
        "labels are 1 and -1 here? use --labels pm1",
        options=("--labels", "01"),
    ),
    refused(
        "01 refuses -1 beside 0",
        csv("1,3,1", "1,3,-1", "1,3,0"),
        "line 3: y is -1",
        "0 means no preference? use --labels pm1 --on-tie drop",
        options=("--labels", "01"),
    ),
    refused(
        "a byte that is no text in a number is one problem",
        b"x1,x2,y\n1,2,1\n1,\xe92,1\n",
        "1 problem in FILE (2 rows)",
        r"line 3: x2 is '\xe92'",
    ),
    refused("columns between blanks", b"x1 x2 y\n1 2 1\n", "has no column 'x1'", "use --delimiter ' '", code=2),
    refused(
        "a bad cell between blanks",
        b"x1 x2 y\n1 3 1\n1 oops 1\n",
        "1 problem in FILE (2 rows)",
        "line 3: x2 is 'oops'",
        options=("--delimiter", " "),
    ),
    refused("any refuses infinity", csv("1,3,1", "1,3,inf"), "line 3: y is 'inf'", options=("--labels", "any")),
    right("01 takes 0 as -1", csv("1,3,1", "1,3,0", "3,1,0"), 2 + 0 + 2, 3, "--labels", "01"),
    right("any takes real labels", csv("1,3,0.5", "1,3,0", "1,3,-2"), 0.5 * 2 + 0 + 0, 3, "--labels", "any"),
    right("a constant label needs no column", csv("1,3", "3,1", header="x1,x2"), 2 + 0, 2, "--y-const", "1"),
    right(
        "ties are dropped and counted",
        csv("1,3,1", "1,3,0", "3,1,1", "1,9,0"),
        2 + 0,
        2,
        "--on-tie",
        "drop",
        ties_dropped=2,
    ),
    good_cell("y is 1.0", "1,3,1.0", 2),
    good_cell("y is -1.0", "3,1,-1.0", 2),
    good_cell("y is +1", "1,3,+1", 2),
    good_cell("y has a blank before it", "1,3, 1", 2),
    good_cell("y is 1e0", "1,3,1e0", 2),
    good_cell("y is quoted", '1,3,"-1"', 0),
]

NOT_NUMBERS = [
    "NA",
    "null",
    "None",
    "oops",
    "1_000",
    "0x10",
    "50%",
    "--1",
    ".",
    "1e",
    "1d5",
    "1f",
    "$5",
    "TRUE",
    "1.2.3",
    "1e5.0",
    "nan(1)",
    "+-1",
    "∞",
]

SCORES = [
    bad_cell("empty cell", ",3,1", "missing value", "x1 is empty", DEFAULT_HINT),
    bad_cell("cell of blanks", "  ,3,1", "missing value", "x1 is '  '"),
    bad_cell("quoted empty cell", '1,"",1', "missing value", "x2 is empty"),
    *(bad_cell(f"x2 is {word}", f"1,{word},1", "NaN", f"x2 is '{word}'") for word in ("nan", "NaN", "-nan", "NAN")),
    *(
        bad_cell(f"x2 is {word}", f"1,{word},1", "infinite", f"x2 is '{word}'")
        for word in ("inf", "-inf", "Infinity", "+INF")
    ),
    *(bad_cell(f"x1 is {word}", f"{word},1,1", "not a number", f"x1 is '{word}'") for word in NOT_NUMBERS),
    bad_cell("overflow to infinity", "1,1e400,1", "infinite", "x2 is 1e400"),
    bad_cell("infinite as float32", "1,1e39,1", "infinite", "x2 is 1e+39", options=("--dtype", "float32")),
    good_cell("underflow to zero", "1e-400,0.25,1", 0.25),
    good_cell("leading plus", "+1,+3,1", 2),
    good_cell("bare points", "1.,.5,-1", 0.5),
    good_cell("blanks and tabs around", " 1 ,\t3\t,1 ", 2),
    good_cell("exponents", "1e0,3E+00,1", 2),
    good_cell("2**60 is exact", "0,1152921504606846976,1", 2.0**60),
    good_cell("2**53 is exact", "0,9007199254740992,1", 2.0**53),
    bad_cell("2**53 + 1 is not exact", "9007199254740993,0,1", "integer not exact", "x1 is 9007199254740993"),
    bad_cell("2**53 + 3 is not exact", "9007199254740995,0,1", "integer not exact", "x1 is 9007199254740995"),
    bad_cell("an integer of 400 digits", "1" + "0" * 400 + ",0,1", "infinite", "x1 is 1000"),
    bad_cell("thousands separator in quotes", '"1,000",3,1', "not a number", "x1 is '1,000'"),
    bad_cell("full-width digits", "１,3,1", "not a number", "x1 is '１'"),
    bad_cell("Arabic digits", "٣,3,1", "not a number", "x1 is '٣'"),
    bad_cell("no-break space", "\u00a01,3,1", "not a number", r"x1 is '\xa01'"),
    bad_cell("minus sign of typographers", "−1,3,1", "not a number", "x1 is '−1'"),
    bad_cell("NUL byte", b"1\x000,3,1", "not a number", r"x1 is '1\x000'"),
    bad_cell("ANSI escape", "\x1b[31m1\x1b[0m,3,1", "not a number", r"x1 is '\x1b[31m1\x1b[0m'"),
    bad_cell("console markup stays as it is", "[red]1[/red],3,1", "not a number", "x1 is '[red]1[/red]'"),
    bad_cell("bell and backspace", "1\a\b,3,1", "not a number", r"x1 is '1\x07\x08'"),
    bad_cell("bidirectional override", "\u202e1,3,1", "not a number", r"x1 is '\u202e1'"),
    bad_cell("very long value", "z" * 5000 + ",3,1", "not a number", "x1 is '" + "z" * 60 + "…'"),
    bad_cell("null value by name", "-999,3,1", "missing value", "x1 is -999", options=("--null-value", "-999")),
    bad_cell("null value written longer", " -999,3,1", "missing value", options=("--null-value", "-999")),
    bad_cell("null value of a word", "NA,3,1", "missing value", "x1 is 'NA'", options=("--null-value", "NA")),
]

ROWS = [
    bad_cell("short row", "1,3", "wrong number of fields", "2 fields for 3 columns"),
    bad_cell("long row", "1,3,1,7", "wrong number of fields", "4 fields for 3 columns", "'1,3,1,7'"),
    bad_cell("trailing comma on one row", "1,3,1,", "wrong number of fields", "4 fields for 3 columns"),
    right("trailing comma on all", csv("1,3,1,", "3,1,1,", header="x1,x2,y,"), 2 + 0, 2),
    bad_cell("line of blanks", "   ", "wrong number of fields", "line 3"),
    bad_cell("comment line", "# a comment", "wrong number of fields", "'# a comment'"),
    refused(
        "header again, as after cat",
        csv("1,3,1", "x1,x2,y", "3,1,1"),
        "3 problems in FILE (3 rows)",
        "not a number",
        "line 3: x1 is 'x1'   line 3: x2 is 'x2'   line 3: y is 'y'",
    ),
    refused(
        "several kinds are counted",
        csv("oops,3,1", "1,3,0", "1,oops,1", "1,,1", "a,b,c", "1,3,0"),
        "8 problems in FILE (6 rows)",
        "not a number        5   line 2: x1 is 'oops'   line 4: x2 is 'oops'   line 6: x1 is 'a'\n",
        "label not ±1        2   line 3: y is 0   line 7: y is 0\n",
        "missing value       1   line 5: x2 is empty\n",
    ),
    right("no final newline", b"x1,x2,y\n1,3,1\n3,1,1", 2 + 0, 2),
    refused("no final newline, bad", b"x1,x2,y\n1,3,1\n3,1,", "line 3: y is empty"),
    refused("file cut in its last row", b"x1,x2,y\n1,3,1\n3,", "line 3: 2 fields for 3 columns"),
    right("blank lines", b"\n\nx1,x2,y\n\n1,3,1\n\n\n3,1,1\n\n\n", 2 + 0, 2),
    refused(
        "blank lines count as lines", b"\n\nx1,x2,y\n\n1,3,1\n\n\n3,oops,1\n\n\n", "(2 rows)", "line 8: x2 is 'oops'"
    ),
    right("CRLF", b"x1,x2,y\r\n1,3,1\r\n3,1,1\r\n", 2 + 0, 2),
    refused("CRLF, bad", b"x1,x2,y\r\n1,3,1\r\n\r\n3,oops,1\r\n", "line 4: x2 is 'oops'"),
    right("CR alone", b"x1,x2,y\r1,3,1\r3,1,1\r", 2 + 0, 2),
    refused("CR alone, bad", b"x1,x2,y\r1,3,1\r\r3,oops,1\r", "line 4: x2 is 'oops'"),
    right("mixed line ends", b"x1,x2,y\n1,3,1\r\n3,1,1\r1,3,1\n", 2 + 0 + 2, 3),
    refused("mixed line ends, bad", b"x1,x2,y\n1,3,1\r\n3,1,1\r1,3,1\n\r\n3,oops,1\n", "line 6: x2 is 'oops'"),
    right("CR CR LF", b"x1,x2,y\n1,3,1\r\r\n3,1,1\r\r\n", 2 + 0, 2),
    refused("CR CR LF, bad", b"x1,x2,y\n1,3,1\r\r\n3,oops,1\r\r\n", "line 4: x2 is 'oops'"),
    refused(
        "the last line of many",
        csv(*["1,3,1"] * 300, "3,oops,1"),
        "1 problem in FILE (301 rows)",
        "line 302: x2 is 'oops'",
    ),
    refused("no rows", csv(), "no rows in FILE"),
    refused("no bytes", b"", "no rows in FILE"),
    refused("only line ends", b"\n\r\n\n", "no rows in FILE"),
    refused("header without its end", b"x1,x2,y", "no rows in FILE"),
    refused(
        "all rows left out",
        csv("a,b,c", "1,3,0"),
        "no pairs in FILE: 2 rows, all left out",
        options=("--on-error", "skip"),
    ),
    right(
        "bad rows left out",
        csv("1,3,1", "oops,3,1", "1,3,0", "1,3", "a,b,c", "0.5,0.25,-1"),
        2 + 0.25,
        2,
        "--on-error",
        "skip",
        rejected=4,
    ),
    right("a row of 3 MB", csv(b"1,3,1," + b"t" * 3_000_000, "3,1,1,t", header="x1,x2,y,text"), 2 + 0, 2),
    refused(
        "after a row of 3 MB",
        csv(b"1,3,1," + b"t" * 3_000_000, "3,oops,1,t", header="x1,x2,y,text"),
        "line 3: x2 is 'oops'",
    ),
]

QUOTES = [
    right("quoted numbers", csv('"0.5","0.25","-1"', '"1",3,1'), 0.25 + 2, 2),
    right("quoted header", csv("1,3,1", header='"x1","x2","y"'), 2, 1),
    right(
        "inch mark in another column",
        csv('1,3,1,5" pipe', '3,1,1,6" pipe', "1,3,1,x", header="x1,x2,y,text"),
        2 + 0 + 2,
        3,
    ),
    refused("after an inch mark", csv('1,3,1,5" pipe', "3,oops,1,x", header="x1,x2,y,text"), "line 3: x2 is 'oops'"),
    right("doubled quotes", csv('1,3,1,"say ""ah"", he said"', '3,1,1,""', header="x1,x2,y,text"), 2 + 0, 2),
    right("delimiter in quotes", csv('1,"a,b",3,1', header="x1,text,x2,y"), 2, 1),
    right(
        "line end in quotes",
        csv('1,3,1,"two\nlines"', '3,1,1,"and\r\nthree\n\n"', "1,3,1,x", header="x1,x2,y,text"),
        2 + 0 + 2,
        3,
    ),
    refused(
        "lines in quotes count",
        csv('1,3,1,"two\nlines"', '3,1,1,"and\n\nthree"', "1,oops,1,x", header="x1,x2,y,text"),
        "(3 rows)",
        "line 7: x2 is 'oops'",
    ),
    refused(
        "the first line of a row",
        csv("1,3,1,x", '3,oops,1,"and\n\nthree"', header="x1,x2,y,text"),
        "line 3: x2 is 'oops'",
    ),
    right(
        "quotes far behind the head",
        csv(*["1,3,1,x"] * 50, '3,1,1,"a\nb"', "1,3,1,x", header="x1,x2,y,text"),
        50 * 2 + 0 + 2,
        52,
    ),
    refused(
        "bad far behind the head",
        csv(*["1,3,1,x"] * 50, '3,1,1,"a\nb"', "1,,1,x", header="x1,x2,y,text"),
        "line 54: x2 is empty",
    ),
    right("line end in a quoted header", csv("1,3,1,x", header='x1,x2,y,"a\nb"'), 2, 1),
    refused("after a line end in a quoted header", csv("1,3,,x", header='x1,x2,y,"a\nb"'), "line 3: y is empty"),
    bad_cell("quote within a number", '1"5,3,1', "not a number", "x1 is '1\"5'"),
    bad_cell("digits behind a closing quote", '1,"1"2,1', "not a number", "x2 is '\"1\"2'"),
    bad_cell("inch mark in a score", '5",3,1', "not a number", "x1 is '5\"'"),
    refused(
        "quote never closed",
        csv("1,3,1,x", '3,1,1,"open', "1,3,1,x", header="x1,x2,y,text"),
        "FILE: line 3",
        "opened and never closed",
        "close the quote",
    ),
]

HEADERS = [
    right("blanks in the header", csv("1, 3, 1", header="x1, x2, y"), 2, 1),
    right("other names", csv("1,3,1", header="a,b,c"), 2, 1, "--x1", "a", "--x2", "b", "--y", "c"),
    right("other order, other columns", csv("1,t,1,3", header="y,text,x1,x2"), 2, 1),
    refused("wanted name twice", csv("1,2,3,1", header="x1,x1,x2,y"), "FILE", "column 'x1' 2 times"),
    right("other name twice", csv("1,3,1,7,8", header="x1,x2,y,z,z"), 2, 1),
    refused(
        "missing column",
        csv("1,3,1", header="x1,x2,label"),
        "FILE has no column 'y'",
        "it has: x1, x2, label",
        "--y",
        code=USAGE,
    ),
    refused(
        "name in other case", csv("1,3,1", header="X1,x2,y"), "no column 'x1'", "did you mean --x1 X1?", code=USAGE
    ),
    refused("no header", b"1,3,1\n3,1,1\n", "no column 'x1'", "it has: 1, 3, 1", "use --no-header", code=USAGE),
    right("no header, said so", b"1,3,1\n3,1,1\n", 2 + 0, 2, "--no-header"),
    refused("no header, said so, bad", b"1,3,1\n3,oops,1\n", "line 2: 2 is 'oops'", options=("--no-header",)),
    refused(
        "comment before the header", b"# made by me\nx1,x2,y\n1,3,1\n", "no column 'x1'", "# made by me", code=USAGE
    ),
    refused("escape in a name", csv("1,3,1", header="\x1b[31mx1,x2,y"), "no column 'x1'", r"\x1b[31mx1", code=USAGE),
    right(
        "header longer than the head",
        csv("0," * 30_000 + "1,3,1", header="".join(f"c{i}," for i in range(30_000)) + "x1,x2,y"),
        2,
        1,
    ),
    right("more blank lines than the head", b"\n" * 70_000 + csv("1,3,1"), 2, 1),
]

DIALECTS = [
    right("semicolons", csv("1;3;1", header="x1;x2;y"), 2, 1),
    right("bars", csv("1|3|1", header="x1|x2|y"), 2, 1),
    right("tabs in a .csv", csv("1\t3\t1", header="x1\tx2\ty"), 2, 1),
    right("tabs in a .tsv", csv("1\t3\t1", header="x1\tx2\ty"), 2, 1, suffix=".tsv"),
    refused("blanks between fields", csv("1 3 1", header="x1 x2 y"), "no column 'x1'", "it has: x1 x2 y", code=USAGE),
    right("blanks, said so", csv("1 3 1", header="x1 x2 y"), 2, 1, "-d", " "),
    refused(
        "decimal commas",
        csv("0,5;1,5;1", "0,5;1;1", header="x1;x2;y"),
        "not a number       3   line 2: x1 is '0,5'",
        "--decimal ,",
    ),
    right(
        "decimal commas, said so",
        csv("0,5;1,5;1", "0,5;0,25;-1", header="x1;x2;y"),
        1 + 0.25,
        2,
        "-d",
        ";",
        "--decimal",
        ",",
    ),
    refused(
        "points under decimal commas",
        csv("0,5;1.5;1", header="x1;x2;y"),
        "x2 is 1.5",
        options=("-d", ";", "--decimal", ","),
    ),
]

TEXT = "x1,x2,y,text\n1,3,1,é\n3,1,1,ü\n"
WRONG_TEXT = "x1,x2,y,text\n1,3,1,é\n3,oops,1,ü\n"
ENCODINGS = [
    right("UTF-8", TEXT.encode(), 2 + 0, 2),
    right("UTF-8 with a mark", TEXT.encode("utf-8-sig"), 2 + 0, 2),
    refused("UTF-8 with a mark, bad", WRONG_TEXT.encode("utf-8-sig"), "line 3: x2 is 'oops'"),
    right("mark and quoted name", b'\xef\xbb\xbf"x1",x2,y\n1,3,1\n', 2, 1),
    right("UTF-16 little", b"\xff\xfe" + TEXT.encode("utf-16-le"), 2 + 0, 2),
    right("UTF-16 big", b"\xfe\xff" + TEXT.encode("utf-16-be"), 2 + 0, 2),
    refused("UTF-16, bad", b"\xfe\xff" + WRONG_TEXT.encode("utf-16-be"), "line 3: x2 is 'oops'"),
    right("UTF-32", TEXT.encode("utf-32"), 2 + 0, 2),
    refused("UTF-16 without a mark", TEXT.encode("utf-16-le"), "UTF-16", "--encoding utf-16-le", code=USAGE),
    right("UTF-16 without a mark, said so", TEXT.encode("utf-16-le"), 2 + 0, 2, "-e", "utf-16-le"),
    refused(
        "UTF-16 cut in a character",
        b"\xff\xfe" + TEXT.encode("utf-16-le")[:-1],
        "FILE is not utf-16",
        "line",
        names_exact_place=False,
    ),
    refused(
        "latin-1",
        TEXT.encode("latin-1"),
        "2 problems in FILE (2 rows)",
        "not in the encoding",
        r"line 2: text is '\xe9'",
        "line 3: text",
        "--encoding latin-1",
    ),
    right("latin-1, said so", TEXT.encode("latin-1"), 2 + 0, 2, "-e", "latin-1"),
    right("latin-1 rows left out", TEXT.encode("latin-1") + b"1,2,1,e\n", 1, 1, "--on-error", "skip", rejected=2),
    refused(
        "latin-1 in the header",
        "é,x1,x2,y\n5,1,3,1\n".encode("latin-1"),
        "the header is not UTF-8",
        "--encoding latin-1",
    ),
    refused(
        "not the encoding named",
        TEXT.encode("latin-1"),
        "FILE is not ascii",
        options=("-e", "ascii"),
        names_exact_place=False,
    ),
    refused("unknown encoding", TEXT.encode(), "unknown encoding utf-9", code=USAGE, options=("-e", "utf-9")),
    refused("an encoding of nothing", TEXT.encode(), "unknown encoding undefined", code=2, options=("-e", "undefined")),
    right("a first row, no header, not UTF-8", b"\xe9,1,1\n1,3,1\n", 2, 1, "--no-header", *SKIP, rejected=1),
    refused(
        "a first row, no header, with a byte order mark more",
        b"\xef\xbb\xbf\xef\xbb\xbf1,3,1\n",
        r"line 1: 1 is '\ufeff1'",
        options=("--no-header",),
    ),
    right("a header with a byte order mark more", "\ufeff\ufeffx1,x2,y\n1,3,1\n".encode(), 2, 1, "--x1", "\ufeffx1"),
    refused("a byte order mark before the first row", csv("\ufeff1,3,1"), r"line 2: x1 is '\ufeff1'"),
    refused("a byte order mark before the second row", csv("1,3,1", "\ufeff1,3,1"), r"line 3: x1 is '\ufeff1'"),
    right(
        "commas in quoted numbers without a header",
        b'"0,5","0,75","1"\n"0,25",3,1\n',
        0.25 + 2.75,
        2,
        *("--no-header", "-d", ",", "--decimal", ","),
    ),
    right("commas in quoted numbers", csv('"0,5","0,75","1"', '"0,25",3,1'), 0.25 + 2.75, 2, "--decimal", ","),
    refused(
        "commas in numbers without quotes",
        csv("0,5,0,75,1"),
        "5 fields for 3 columns",
        options=("-d", ",", "--decimal", ","),
    ),
    refused(
        "commas in numbers without quotes and header",
        b"0,5,1\n0,75,1\n",
        "',' separates the fields and is the decimal mark",
        options=("--no-header", "--decimal", ","),
    ),
    refused(
        "commas in all, said so",
        b'"0,5",1,1\n',  # which may be two numbers, 0.5 and 1.1
        "',' separates the fields and is the decimal mark",
        options=("--no-header", "-d", ",", "--decimal", ","),
    ),
    refused(
        "a header that ends in a carriage return, rows in two characters",
        b'x1,x2,y,t\r1,2,1,"a"\r\n1,2,1,"b"\r\n1,oops,1,"c"\r\n',
        "line 4: x2 is 'oops'",
    ),
]


def json_lines(*lines: str) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


ONE, TWO = '{"x1": 1, "x2": 3, "y": 1}', '{"x1": 0.5, "x2": 0.25, "y": -1}'


NO_WORDS = ("-NaN", "Inf", "-Inf")  # of JSON, which pyarrow's parser reads


WITH_RETURNS = ONE.replace(" ", "\r").encode() + b"\r\r\n"


def bad_line(name: str, line: str, *messages: str, **more: Any) -> Case:
    return refused(
        name, json_lines(ONE, line, TWO), "problem", "FILE (3 rows)", "line 2: ", *messages, suffix=".jsonl", **more
    )


def good_line(name: str, line: str, loss: float) -> Case:
    return right(name, json_lines(ONE, line, TWO), 2 + loss + 0.25, 3, suffix=".jsonl")


def nested(levels: int, opened: str = "[", closed: str = "]", *, name: str = "z") -> str:
    """A pair whose key `name` holds the last `levels` - 1 of that many levels of nesting."""
    values = {"x1": "1", "x2": "3", "y": "1", name: opened * (levels - 1) + "0" + closed * (levels - 1)}
    return "{" + ", ".join(f'"{key}": {value}' for key, value in values.items()) + "}"


def json_file(name: str, data: bytes, total: float, pairs: int) -> Case:
    return right(name, data, total, pairs, suffix=".jsonl")


JSON_LINES = [
    good_line("number as a string", '{"x1": "1", "x2": 3, "y": 1}', 2),
    bad_line("text", '{"x1": "one", "x2": 3, "y": 1}', "not a number", 'x1 is "one"'),
    bad_line("empty text", '{"x1": "", "x2": 3, "y": 1}', "missing value", 'x1 is ""'),
    bad_line("null", '{"x1": null, "x2": 3, "y": 1}', "missing value", "x1 is null"),
    refused(
        "key missing in the first line", json_lines('{"x1": 1, "y": 1}', ONE), "line 1: x2 is null", suffix=".jsonl"
    ),
    right(
        "key missing in the first line, left out",
        json_lines('{"x1": 1, "y": 1}', ONE),
        2,
        1,
        *SKIP,
        rejected=1,
        suffix=".jsonl",
    ),
    *(
        bad_line(f"{word} in another column", ONE[:-1] + f', "z": {word} }}', "not one JSON object")
        for word in NO_WORDS
    ),
    good_line("what another column's text may say", ONE[:-1] + ', "z": "a: -NaN, Inf"}', 2),
    good_line("an infinity in another column", ONE[:-1] + ', "z": [-Infinity, NaN]}', 2),
    refused(
        "a text sequence",
        json_lines("\x1e" + ONE, "\x1e" + TWO),
        "FILE is a JSON text sequence",
        names_exact_place=False,
        suffix=".jsonl",
    ),
    bad_line("record separator before an object", '\x1e{"x1": 1, "x2": 2, "y": 1}', "not one JSON object", r"'\x1e{"),
    bad_line("key missing in a later line", '{"x1": 1, "y": 1}', "missing value", "x2 is null"),
    bad_line("true", '{"x1": true, "x2": 3, "y": 1}', "not a number", "x1 is true"),
    bad_line("true as a label", '{"x1": 1, "x2": 3, "y": true}', "not a number", "y is true"),
    bad_line("NaN", '{"x1": NaN, "x2": 3, "y": 1}', "NaN", "x1 is NaN"),
    bad_line("Infinity", '{"x1": 1, "x2": -Infinity, "y": 1}', "infinite", "x2 is -Infinity"),
    bad_line("1e999", '{"x1": 1, "x2": 1e999, "y": 1}', "infinite", "x2 is Infinity"),
    bad_line("label 0", '{"x1": 1, "x2": 3, "y": 0}', "label not ±1", "y is 0", "--on-tie drop"),
    good_line("list of one", '{"x1": [1], "x2": 3, "y": 1}', 2),
    bad_line("list of two", '{"x1": [1, 2], "x2": 3, "y": 1}', "a list, not one number", "x1 is [1, 2]", "mrl rank"),
    bad_line("object", '{"x1": {"a": 1}, "x2": 3, "y": 1}', "an object, not one number", 'x1 is {"a": 1}'),
    bad_line("two objects on a line", ONE + ONE, "not one JSON object"),
    refused(
        "two objects on a line, then none",
        json_lines(ONE, ONE + ONE, ""),
        "(2 rows)",
        "line 2",
        "not one JSON object",
        suffix=".jsonl",
    ),
    refused(
        "object over two lines, two on one",
        json_lines('{"x1": 1,', '"x2": 3, "y": 1}', ONE + ONE, ONE),
        "not one JSON object",
        "line 1",
        "line 2",
        "line 3",
        suffix=".jsonl",
        needs_suffix=True,
    ),
    refused(
        "pretty-printed object",
        json_lines("{", '  "x1": 1,', '  "x2": 3,', '  "y": 1', "}"),
        "not one JSON object",
        "line 1: '{'",
        suffix=".jsonl",
        needs_suffix=True,
    ),
    refused(
        "array file",
        b"[" + ONE.encode() + b"]\n",
        "FILE holds one JSON array",
        "jq -c '.[]'",
        suffix=".jsonl",
        needs_suffix=True,
    ),
    refused("pretty-printed array", b"[\n" + ONE.encode() + b"\n]\n", "JSON array", suffix=".jsonl", needs_suffix=True),
    bad_line("key twice", '{"x1": 1, "x2": 3, "y": 1, "x1": 2}', "key given twice", "x1 is given twice"),
    good_line("other key twice", '{"x1": 1, "x2": 3, "y": 1, "z": 2, "z": 3}', 2),
    bad_line("trailing garbage", ONE + " oops", "not one JSON object"),
    bad_line("trailing comma", ONE + ",", "not one JSON object"),
    bad_line("single quotes", "{'x1': 1, 'x2': 3, 'y': 1}", "not one JSON object"),
    bad_line("bare number", "5", "not one JSON object", "line 2: '5'"),
    bad_line("null as a line", "null", "not one JSON object", "line 2: 'null'"),
    bad_line("null between objects on a line", "{}null{}", "not one JSON object", "line 2: '{}null{}'"),
    *(
        refused(
            f"null first{where} in a {suffix}",
            before + json_lines("null", ONE, TWO),
            "1 problem in FILE (3 rows)",
            "not one JSON object",
            f"line {line}: 'null'",
            suffix=suffix,
        )
        for suffix in (".jsonl", ".json")
        for where, before, line in (
            ("", b"", 1),
            (" after a mark", b"\xef\xbb\xbf", 1),
            (" after blank lines", b"\n \r\n", 3),
        )
    ),
    *(
        refused(f"null alone in a {suffix}", b"null", "1 problem in FILE (1 row)", "line 1: 'null'", suffix=suffix)
        for suffix in (".jsonl", ".json")
    ),
    refused(
        "a number first", json_lines("5", ONE), "line 1: '5'", "not one JSON object", suffix=".jsonl", needs_suffix=True
    ),
    right("null left out", json_lines("null", ONE, "null"), 2, 1, *SKIP, rejected=2, suffix=".jsonl"),
    bad_line("leading zero", '{"x1": 01, "x2": 3, "y": 1}', "not one JSON object"),
    bad_line(
        "integer that is not exact",
        '{"x1": 9007199254740995, "x2": 3, "y": 1}',
        "integer not exact",
        "x1 is 9007199254740995",
    ),
    bad_line("2**53 + 1", '{"x1": 9007199254740993, "x2": 3, "y": 1}', "integer not exact", "x1 is 9007199254740993"),
    bad_line("escape in a string", '{"x1": "\\u001b[31m", "x2": 3, "y": 1}', "not a number", r"\u001b[31m"),
    bad_line("raw escape", '{"x1": "\x1b[31m", "x2": 3, "y": 1}', "not one JSON object", r"\x1b[31m"),
    good_line("exact big integer", '{"x1": 0, "x2": 1152921504606846976, "y": 1}', 2.0**60),
    good_line("nested in another key", '{"x1": 1, "x2": 3, "y": 1, "z": {"x1": 7, "l": [1, {}]}}', 2),
    good_line("escaped key", '{"\\u00781": 1, "x2": 3, "y": 1}', 2),
    good_line("label 1.0", '{"x1": 1, "x2": 3, "y": 1.0}', 2),
    good_line("blanks around", "  " + ONE + "\t", 2),
    good_line("other order", '{"y": 1, "t": "}{", "x2": 3, "x1": 1}', 2),
    refused(
        "key missing in all",
        json_lines('{"x1": 1, "x2": 3}'),
        "FILE has no column 'y'",
        "it has: x1, x2",
        code=USAGE,
        suffix=".jsonl",
    ),
    *(
        bad_line(f"100,000 levels of {opened} in {name}", line, "nested too deeply")
        for name in ("x1", "z")
        for opened, closed in (("[", "]"), ('{"a": ', "}"))
        for line in [nested(100_000, opened, closed, name=name)]
    ),
    bad_line("100,000 levels never closed", '{"x1": 1, "x2": 3, "y": 1, "z": ' + "[" * 100_000, "nested too deeply"),
    *(
        refused(
            f"100,000 levels in the first line of a {suffix}",
            json_lines(nested(100_000), ONE),
            "1 problem in FILE (2 rows)",
            "line 1: ",
            "nested too deeply",
            suffix=suffix,
        )
        for suffix in (".jsonl", ".json")
    ),
    right("100,000 levels left out", json_lines(nested(100_000), ONE), 2, 1, *SKIP, rejected=1, suffix=".jsonl"),
    good_line("500 levels", nested(500), 2),
    bad_line("501 levels", nested(501), "nested too deeply"),
    right("501 levels left out", json_lines(ONE, nested(501)), 2, 1, *SKIP, rejected=1, suffix=".jsonl"),
    good_line("many lists side by side", '{"x1": 1, "x2": 3, "y": 1, "z": [' + "[], " * 1000 + "[]]}", 2),
    good_line("brackets in a text", json.dumps({"x1": 1, "x2": 3, "y": 1, "z": '[\\"' * 1000}), 2),
    json_file("blank lines in JSON lines", b"\n" + json_lines(ONE, "", "", TWO, ""), 2 + 0.25, 2),
    refused(
        "blank lines count in JSON lines", b"\n" + json_lines(ONE, "", "", "oops"), "line 5: 'oops'", suffix=".jsonl"
    ),
    json_file("JSON lines with CRLF", json_lines(ONE, TWO).replace(b"\n", b"\r\n"), 2 + 0.25, 2),
    json_file("carriage returns between the tokens of JSON lines", WITH_RETURNS + json_lines(TWO), 2 + 0.25, 2),
    right(
        "carriage returns beside a bad line of JSON",
        WITH_RETURNS + json_lines("oops", TWO),
        2 + 0.25,
        2,
        *SKIP,
        rejected=1,
        suffix=".jsonl",
    ),
    refused(
        "carriage returns end no line of JSON",
        WITH_RETURNS * 2 + b"\r\n" + json_lines("oops"),
        "1 problem in FILE (3 rows)",
        "line 4: 'oops'",
        suffix=".jsonl",
    ),
    bad_line("two objects with a carriage return between", ONE + "\r" + TWO, "not one JSON object"),
    bad_line("vertical tab as a line", "\v", "not one JSON object"),
    bad_line("no-break space as a line", "\u00a0", "not one JSON object"),
    refused(
        "JSON lines with CRLF, bad",
        json_lines(ONE, TWO, "oops").replace(b"\n", b"\r\n"),
        "line 3: 'oops'",
        suffix=".jsonl",
    ),
    json_file("JSON lines without a last line end", json_lines(ONE, TWO)[:-1], 2 + 0.25, 2),
    refused("JSON lines cut off", json_lines(ONE, TWO)[:-5], "line 2", "not one JSON object", suffix=".jsonl"),
    json_file("JSON lines with a mark", b"\xef\xbb\xbf" + json_lines(ONE, TWO), 2 + 0.25, 2),
    refused(
        "JSON lines with a mark, bad", b"\xef\xbb\xbf" + json_lines(ONE, "oops"), "line 2: 'oops'", suffix=".jsonl"
    ),
    refused(
        "JSON lines in latin-1",
        json_lines(ONE) + b'{"x1": 1, "x2": 3, "y": 1, "t": "\xe9"}\n',
        "not in the encoding",
        "line 2",
        "--encoding",
        suffix=".jsonl",
    ),
    refused("no JSON lines", b"", "no rows in FILE", suffix=".jsonl"),
    refused("blank JSON lines", b"\n\n", "no rows in FILE", suffix=".jsonl"),
    right(
        "bad JSON lines left out",
        json_lines(ONE, "oops", '{"x1": 1, "x2": 3}', TWO),
        2 + 0.25,
        2,
        "--on-error",
        "skip",
        rejected=2,
        suffix=".jsonl",
    ),
]

TEXT_CASES = [*LABELS, *SCORES, *ROWS, *QUOTES, *HEADERS, *DIALECTS, *ENCODINGS, *JSON_LINES]
