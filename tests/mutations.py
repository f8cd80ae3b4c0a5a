"""The small wrong changes of `mutants`: what mutmut's operators make of a module."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

import libcst as cst
from libcst.matchers import Name, findall
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_string

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AROUND = 30  # characters before and after a change in a long statement

# Constants that only say how much is done at a time, or from where on another way to the same result is quicker: they
# are not changed, nor are comparisons with them, for nothing but time and memory tells one value from another. A bound
# that keeps a result right, or that is reported or written, is none of them.
TUNING = {
    "mrl_cli/exact/blocks.py": {
        "BLOCK_VALUES": "values added at a time: any number of them gives the same sum",
        "PRODUCT_VALUES": "factors multiplied at a time, one by one",
        "FEW_VALUES": "values looked at before all of them are",
    },
    "mrl_cli/exact/codes.py": {
        "FEW_CODES": "sums by so few codes are added in four lanes, which add up to the same",
    },
    "mrl_cli/exact/runs.py": {
        "LEAST_RUN": "with so many values a code at least, they are put side by side before they are added",
        "RARE": "of so many values, one may be added apart",
    },
    "mrl_cli/inputs/plain.py": {"_SOME_BYTES": "whose lines are counted to guess how many there are"},
    "mrl_cli/reductions/curve.py": {"CHUNK_PAIRS": "pairs taken at a time"},
    "mrl_cli/reductions/hashes.py": {"_CHUNK_BYTES": "bytes of text hashed at a time, in whole texts"},
    "mrl_cli/reductions/histogram.py": {"CHUNK_PAIRS": "pairs counted at a time"},
    "mrl_cli/reductions/keys.py": {
        "FEW_KEYS": "so many keys are sorted by Python, more by Arrow, in one order",
        "MOST_GAPS": "codes with fewer gaps are numbered by a table, others by sorting",
        "SAMPLED_RUN": "integers that follow one another, of which it is asked whether many are the same",
        "SAMPLED_RUNS": "and of how many such stretches",
    },
    "mrl_cli/reductions/ledger.py": {
        "FEWEST_WAITING": "keys that wait until they are put in order together",
        "ROWS_OF_KEY": "rows that are as large as the sums of a key, and wait as they are where keys have fewer",
    },
    "mrl_cli/reductions/look.py": {
        "FEW_SCORES": "scores looked at before all of them are",
        "FEW_LABELS": "labels looked at before all of them are",
    },
    "mrl_cli/reductions/listpairs.py": {"PAIRS": "pairs of lists taken at a time"},
    "mrl_cli/reductions/worst.py": {"FEW_LOSSES": "losses that tell how great one of a batch has to be, before all do"},
    "mrl_cli/reductions/rows.py": {"FORMATTED_ROWS": "rows formatted at a time"},
}
_TUNING = {name for names in TUNING.values() for name in names}


class Mutant(NamedTuple):
    """A module with one change; `function` is the outermost function in whose body it is, None for no function."""

    path: Path
    name: str
    function: str | None
    first: int
    before: str
    after: str

    def __str__(self) -> str:
        texts = [" ".join(lines.split()) for lines in (self.before, self.after)]
        if len(self.before.splitlines()) > 1:  # of many lines, what is around the change
            start = max(_same_characters(*texts) - AROUND, 0)
            end = max(_same_characters(*(text[:start:-1] for text in texts)) - AROUND, 0)
            texts = [text[start : len(text) - end][: 5 * AROUND] for text in texts]
        return f"{self.name} {self.function or '-'} | {texts[0]} | {texts[1]}"

    @property
    def source(self) -> str:
        """The module with the change."""
        lines = self.path.read_text().splitlines(keepends=True)
        count = len(self.before.splitlines())
        return "".join((*lines[: self.first], self.after, *lines[self.first + count :]))

    @property
    def is_code(self) -> bool:
        """Whether Python takes it: a change may leave an argument out between others."""
        try:
            compile(self.source, self.name, "exec")
        except SyntaxError:
            return False
        return True


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """Return every mutant of a module, in the order of its source; of the same change in one line twice, one."""
    source, name = path.read_text(), str(path.relative_to(root))
    wrapper = MetadataWrapper(cst.parse_module(source))
    places, lines = wrapper.resolve(PositionProvider), source.splitlines(keepends=True)
    mutants: dict[str, Mutant] = {}
    tuning = TUNING.get(name, {})
    if missing := [each for each in tuning if not re.search(rf"^{each}\b.* = ", source, re.MULTILINE)]:
        raise ValueError(f"{name} has no {', '.join(missing)}")
    for function, node, changed in _changes(wrapper.module, (), None):
        start, end = places[node].start, places[node].end
        code = wrapper.module.code_for_node(changed).strip()
        before = "".join(lines[start.line - 1 : end.line])
        after = f"{lines[start.line - 1][: start.column]}{code}{lines[end.line - 1][end.column :]}"
        mutant = Mutant(path, name, function, start.line - 1, before, after)
        if function is None and before.split(" = ")[0] in tuning:
            continue
        if _told(before) != _told(after):
            mutants.setdefault(str(mutant), mutant)
    return list(mutants.values())


def _same_characters(first: str, second: str) -> int:
    """Return how many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _told(code: str) -> str:
    """Return code without spaces, and without what only guards, strict=, and what only saves time, copy=False.

    Nor with hints, of each of which `test_hints` demands a case. As a type to convert to, None is float64 to NumPy.
    """
    code = re.sub(r"(,|^)(strict=\w+|copy=\w+|hint=(\w+|f?\"[^\"]*\")|(?=\)))", "", "".join(code.split()))
    return re.sub(r"\.(astype|view)\((np\.float64|float)\b", r".\1(None", code)


def _changes(node: Any, classes: tuple[str, ...], function: str | None) -> Iterator[tuple[str | None, Any, Any]]:
    """Yield the function around a node, the node, and what it becomes, for the node and all that is in it."""
    if _says_nothing(node):
        return
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            changed = list(operator(node))
            # Of a text one change is enough: the others are the same text in capitals and in small letters.
            yield from ((function, node, each) for each in (changed[:1] if operator is operator_string else changed))
    if isinstance(node, cst.ClassDef) and function is None:
        classes = (*classes, node.name.value)
    for child in node.children:
        is_body = function is None and isinstance(node, cst.FunctionDef) and child is node.body
        yield from _changes(child, classes, ".".join((*classes, node.name.value)) if is_body else function)


def _says_nothing(node: Any) -> bool:
    """Return whether a node is only for people, type checkers or speed.

    An annotation, a text of words, a list of names, a comparison with a constant of TUNING.
    """
    if isinstance(node, cst.Annotation | cst.ImportFrom | cst.Import):
        return True
    if isinstance(node, cst.SimpleString | cst.FormattedString | cst.ConcatenatedString):
        return " " in node.value if isinstance(node, cst.SimpleString) else isinstance(node, cst.ConcatenatedString)
    if isinstance(node, cst.If) and isinstance(node.test, cst.Name):
        return str(node.test.value) == "TYPE_CHECKING"
    if isinstance(node, cst.AnnAssign):
        return getattr(node.annotation.annotation, "value", None) == "TypeAlias"
    if isinstance(node, cst.Comparison):
        names: Any = findall(node, Name())
        return not _TUNING.isdisjoint(name.value for name in names)
    target = node.targets[0].target if isinstance(node, cst.Assign) else getattr(node, "target", None)
    return isinstance(target, cst.Name) and str(target.value) == "__all__"
