"""How things are worded: text from files made harmless, names that were meant, numbers as text."""

from __future__ import annotations

import math
import os
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

SHOWN_CHARACTERS = 60
# What each extra installs, as pyproject.toml has it. Named by themselves, for mrl-cli[EXTRA] needs a release of mrl.
EXTRAS = {
    "remote": "obstore>=0.12",
    "report": "jinja2>=3.1",
    "png": "resvg-py>=0.5",
    "torch": "torch>=2.0",
    "dask": "distributed>=2025.1",
    "ray": "ray>=2.40",
    "spark": "pyspark>=4.0",
}
_MOST_SLIPS = 3
PAGE_SUFFIXES = ("", ".html", ".htm")  # of the names that a report page may have


def harmless(text: object, limit: int = SHOWN_CHARACTERS) -> str:
    r"""Return text from a file as it may be printed: no control sequences, at most `limit` of its characters.

    Whatever does not print (escape and other control characters, bidirectional overrides, lone surrogates) becomes
    its escape sequence; a byte that is not text becomes that of the byte.

    >>> harmless("a\x1b[31mb"), harmless(b"\xe9".decode("utf-8", "surrogateescape"))
    ('a\\x1b[31mb', '\\xe9')
    >>> harmless("x" * 100, limit=5)
    'xxxxx…'
    """
    whole = str(text)
    if len(whole) <= limit and whole.isprintable():  # as most are
        return whole
    cut = whole[:limit]
    clean = "".join(c if c.isprintable() else _escaped(c) for c in cut)
    return clean if len(whole) <= limit else clean + "…"


def without_secrets(name: str) -> str:
    """Return a URL without what may be secret in it: user and password, and over HTTP the query. Others are as is.

    >>> without_secrets("https://me:pass@example.org/x.csv?signature=1"), without_secrets("s3://key:pass@bucket/?.csv")
    ('https://example.org/x.csv', 's3://bucket/?.csv')
    >>> without_secrets("abfs://container@account.dfs.core.windows.net/x.csv"), without_secrets("a?.csv")
    ('abfs://container@account.dfs.core.windows.net/x.csv', 'a?.csv')
    """
    scheme, mark, rest = name.partition("://")
    if not mark:
        return name
    if scheme.lower() in ("http", "https"):
        rest = rest.partition("#")[0].partition("?")[0]
    place, slash, key = rest.partition("/")
    place = place if scheme.lower() in ("abfs", "abfss") else place.rpartition("@")[2]
    return f"{scheme}://{place}{slash}{key}"


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte, as the error handler surrogateescape holds it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def how_to_install(extra: str) -> str:
    """Return the command that installs what an extra of mrl needs.

    >>> how_to_install("report")
    "pip install 'jinja2>=3.1'"
    """
    return f"pip install '{EXTRAS[extra]}'"


def closest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that a user who wrote `name` most probably meant, or None.

    That is a name spelt otherwise, or else the only one a slip of the fingers away, or else the only one that has all
    of its words, or a part of them. Names that differ in a number, in a letter that stands alone, or, being short, in
    one letter for another mean different things: none is taken for the other.

    >>> closest("marginranking", ["margin_ranking", "logistic"]), closest("chosn", ["chosen", "rejected"])
    ('margin_ranking', 'chosen')
    >>> [closest(*each) for each in (("x1", ["x2"]), ("score_a", ["score_b"]), ("dpo", ["ipo"]))]
    [None, None, None]
    >>> closest("chosen", ["chosen_score", "rejected_score"]), closest("score", ["chosen_score", "rejected_score"])
    ('chosen_score', None)
    """
    candidates = list(dict.fromkeys(names))
    for spelling in (lambda text: text.strip().casefold(), letters_of):
        same = [candidate for candidate in candidates if spelling(candidate) == spelling(name)]
        if same:
            return same[0]
    slips = {candidate: _slips(name.casefold(), candidate.casefold()) for candidate in candidates}
    least = min(slips.values(), default=_MOST_SLIPS)
    near = [candidate for candidate in candidates if slips[candidate] == least < _MOST_SLIPS]
    words = _words(name)
    near = near or [
        other for other in candidates if words and (words < _words(other) or words > _words(other) != set())
    ]
    return near[0] if len(near) == 1 else None


def letters_of(name: str) -> str:
    """Return the letters and digits of a name, in one case: the same for all its spellings.

    >>> letters_of("Margin-Ranking")
    'marginranking'
    """
    return "".join(character for character in name.casefold() if character.isalnum())


def _words(name: str) -> set[str]:
    return {*filter(None, re.split(r"[\W_]+", name.casefold()))}


def _slips(name: str, other: str) -> int:
    """Return how many letters of one name are missing, doubled, swapped or wrong in the other, at most `_MOST_SLIPS`.

    A name of fewer than 8 letters may have one; in one of fewer than 5 a wrong letter makes another name.
    """
    shorter, most = min(len(name), len(other)), 1 if len(name) < 8 else 2
    if abs(len(name) - len(other)) > most or shorter < 2:
        return _MOST_SLIPS
    if any(re.findall(apart, name) != re.findall(apart, other) for apart in (r"\d+", r"(?<![^\W_])[^\W\d_](?![^\W_])")):
        return _MOST_SLIPS
    wrong_letter = 2 if shorter < 5 else 1
    rows = [[], [*range(len(other) + 1)]]  # of distances between beginnings: those of one letter less, and so on
    for i, letter in enumerate(name, 1):
        row = [i]
        for j, of_other in enumerate(other, 1):
            cost = min(row[-1] + 1, rows[-1][j] + 1, rows[-1][j - 1] + wrong_letter * (letter != of_other))
            is_swapped = i > 1 < j and (letter, name[i - 2]) == (other[j - 2], of_other)
            row.append(min(cost, rows[-2][j - 2] + 1) if is_swapped else cost)
        rows = [rows[-1], row]
        if min(row) > most:
            return _MOST_SLIPS
    return rows[-1][-1] if rows[-1][-1] <= most else _MOST_SLIPS


def counted(count: int, word: str, words: str | None = None) -> str:
    """Return a count with its word, in the plural where it is not one.

    >>> counted(1, "row"), counted(2000, "row"), counted(2, "match", "matches")
    ('1 row', '2,000 rows', '2 matches')
    """
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def bytes_text(count: int) -> str:
    """Return a number of bytes for people.

    >>> bytes_text(512), bytes_text(3 << 29)
    ('512 bytes', '1.5 GB')
    """
    for power, unit in ((30, "GB"), (20, "MB"), (10, "kB")):
        if count >= 1 << power:
            return f"{count / (1 << power):.3g} {unit}"
    return counted(count, "byte")


def either(names: Sequence[str]) -> str:
    """Return names for a sentence, of which one is to be chosen.

    >>> either([".csv", ".tsv", ".md"])
    '.csv, .tsv or .md'
    """
    return f"{', '.join(names[:-1])} or {names[-1]}"


def number_text(value: object) -> str:
    """Return a number in its shortest form that reads back as the same number; NaN, Infinity and -Infinity by name.

    A value that is not a float is written as `str` does.

    >>> number_text(0.1), number_text(float("-inf")), number_text(3)
    ('0.1', '-Infinity', '3')
    """
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def plainest(value: float) -> float:
    """Return a number as the integer that it is, if it is one whose digits are all certain: counts have no point.

    >>> plainest(3.0), plainest(0.5), plainest(1e300)
    (3, 0.5, 1e+300)
    """
    return int(value) if abs(value) < 2**53 and value == int(value) else value


NOT_FINITE = "not_finite"  # what JSON calls the names of numbers that it cannot say


def json_ready(value: Any) -> Any:
    """Return a value as JSON can say it: a number that is not finite is null, and its object says which it is.

    That is the object in which its key stands; a number in a list there goes by the list's key and its place.

    >>> json_ready({"pairs": 2, "of": {"mean": float("inf")}})
    {'pairs': 2, 'of': {'mean': None, 'not_finite': {'mean': 'Infinity'}}}
    >>> json_ready({"bounds": [0.5, float("nan")]})
    {'bounds': [0.5, None], 'not_finite': {'bounds.1': 'NaN'}}
    """
    if not isinstance(value, dict):
        return [json_ready(item) for item in value] if isinstance(value, list | tuple) else value
    names: dict[str, str] = {}
    ready = {key: _ready(item, key, names) for key, item in value.items()}
    return ready | {NOT_FINITE: names} if names else ready


def _ready(value: Any, path: str, names: dict[str, str]) -> Any:
    """Return what stands at a path of an object as JSON can say it; `names` get what is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        names[path] = number_text(value)
        return None
    if isinstance(value, list | tuple):
        return [_ready(item, f"{path}.{place}", names) for place, item in enumerate(value)]
    return json_ready(value)


def quoted(texts: Iterable[str]) -> str:
    r"""Return the parts of a key from a file for a message: each quoted, as groups are named elsewhere.

    >>> quoted(["a\x1b"]), quoted(["a", "b c"])
    ("'a\\x1b'", "'a' / 'b c'")
    """
    return " / ".join(f"'{harmless(text)}'" for text in texts)


def one_or_all(texts: Iterable[str]) -> str | list[str] | None:
    """Return the only text there is, or the list of several; None where there is none.

    >>> one_or_all(["a"]), one_or_all(["a", "b"])
    ('a', ['a', 'b'])
    """
    known = list(texts)
    return known if len(known) > 1 else next(iter(known), None)


def group_names(group_by: str | Sequence[str], keys: Collection[str] = ()) -> list[str]:
    """Return what the columns of a group are called in a row that has figures of these keys too: as those grouped by.

    None is called as the object that says which numbers are not finite.

    >>> group_names("subset"), group_names(["file", "margin"], ["margin", "mean"])
    (['subset'], ['file', 'group.margin'])
    """
    names: list[str] = []
    for column in [group_by] if isinstance(group_by, str) else group_by:
        name = column
        while name in keys or name in names or name == NOT_FINITE:
            name = f"group.{name}"
        names.append(name)
    return names


def listed(names: Iterable[object], most: int = 20) -> str:
    """Return names for a message, the first `most` of them."""
    shown = [harmless(name) for name in names]
    return ", ".join(shown[:most]) + (", …" if len(shown) > most else "")


def option_of(name: str) -> str:
    """Return the option of a name: that of a setting, of a field of Options."""
    return "--" + name.replace("_", "-")


OPTION = re.compile(r"(?<![\w'\"-])--([a-z][a-z0-9-]*)")
_COMMAND = re.compile(r"\bmrl [a-z]+")


def hint_for(hint: str | None, names: Collection[str]) -> str | None:
    """Return the parts of a hint that can be followed where options, or arguments, of these names are; None for none.

    A part without options goes with the one before it. What stands after the name of a command is that one's.

    >>> hint_for("weights are 1? use --fill weight=1; or --on-error skip; it is counted", ["on_error"])
    'or --on-error skip; it is counted'
    >>> hint_for("use mrl rank --query q", ["x1"]), hint_for("use --query q", ["x1"])
    ('use mrl rank --query q', None)
    """
    said, fits = [], True
    for part in hint.split("; ") if hint else ():
        options = {name.replace("-", "_") for name in OPTION.findall(_COMMAND.split(part)[0])}
        fits = options <= set(names) if options else fits
        said += [part] if fits else []
    return "; ".join(said) or None


def is_float(text: Any) -> bool:
    """Return whether a text, or what was read from one, is a float, NaN too: then it is hardly the name of a column.

    Digits are not grouped by underscores, as they may be in Python: 1_0 is no 10 in a file or on a command line.
    """
    if "_" in str(text):
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def csv_lines(rows: Iterable[Iterable[Any]], delimiter: str = ",") -> str:
    r"""Return rows as lines of CSV that end in \n, quoted where a cell needs it.

    >>> csv_lines([["a", 1], ["b,c", None], ["d\re", "f\ng"]])
    'a,1\n"b,c",\n"d\re","f\ng"\n'
    """
    import csv  # few runs write it

    lines: list[str] = []
    # Before Python 3.13 the writer quotes a carriage return only where its own line ends have one.
    csv.writer(SimpleNamespace(write=lines.append), delimiter=delimiter).writerows(rows)
    return "".join(line[:-2] + "\n" for line in lines)


def shell_line(words: Iterable[str]) -> str:
    r"""Return words as a line that a shell splits into just these; what does not print is written as its bytes.

    >>> shell_line(["mrl", "compute", "my pairs.csv", "--y", "it's", "a\tb"])
    'mrl compute \'my pairs.csv\' --y \'it\'"\'"\'s\' $\'a\\x09b\''
    """
    from shlex import quote

    return " ".join(quote(word) if word.isprintable() else _ansi_quoted(word) for word in words)


def _ansi_quoted(word: str) -> str:
    """Quote a word as $'...', which bash, zsh and POSIX since 2024 know."""
    try:
        data = os.fsencode(word)
    except UnicodeEncodeError:  # half a surrogate pair, as JSON can hold it: no file and no option is called so
        data = word.encode("utf-8", "backslashreplace")
    safe = (chr(byte) if 32 <= byte < 127 and byte not in b"\\'" else f"\\x{byte:02x}" for byte in data)
    return f"$'{''.join(safe)}'"
