"""Names that losses go by elsewhere: in the registry, on the command line, in Python; and which names are guessed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import mrl_cli
from mrl_cli.errors import UsageError
from mrl_cli.losses import LISTWISE, LOSSES, completed, named, settled
from mrl_cli.losses.names import ALIASES, AMBIGUOUS, ELSEWHERE, Alias, alias_of, names_of
from mrl_cli.verify import conformance
from mrl_cli.words import closest, letters_of
from tests.each import each
from tests.running import Mrl

if TYPE_CHECKING:
    from pathlib import Path


X1, X2, Y = [0.5, 1.0, 3.0], [0.25, 2.0, 1.0], [1, 1, -1]
REGISTERED = (*LOSSES, *LISTWISE)


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    """Run mrl in a folder that holds pairs.csv and lists.csv."""
    rows = "".join(f"{a},{b},{y}\n" for a, b, y in zip(X1, X2, Y, strict=True))
    (tmp_path / "pairs.csv").write_text(f"x1,x2,y\n{rows}")
    (tmp_path / "lists.csv").write_text("query,label,score\n1,1,0.5\n1,0,0.75\n1,2,1\n")
    return mrl


def _flags(alias: Alias) -> list[str]:
    """Return what says the same as the alias, with a number where a user gives one."""
    return [word.replace(alias.needed, "0.25") if alias.needed else word for word in alias.flags]


@each("alias", ALIASES.values(), quick=5)
def test_an_alias_is_its_loss_with_the_settings_shown(alias: Alias, mrl: Mrl) -> None:
    command, file = ("compute", "pairs.csv") if alias.loss in LOSSES else ("rank", "lists.csv")
    flags = _flags(alias)
    needed = flags[2:] if alias.needs else []
    one, other = (
        mrl(command, file, "-f", "json", *options).result for options in (flags, ["--loss", alias.name, *needed])
    )
    assert one["loss"] == other["loss"] == alias.loss
    assert _figures(one) == _figures(other)


def _figures(record: dict[str, Any]) -> str:
    return json.dumps(record)


def test_registry_of_names_is_sound() -> None:
    spelt = [letters_of(name).removesuffix("loss") for name in (*REGISTERED, *ALIASES, *AMBIGUOUS, *ELSEWHERE)]
    assert len(spelt) == len(set(spelt))
    for alias in (*ALIASES.values(), *(one for found in AMBIGUOUS.values() for one in found)):
        completed(alias.loss, dict(alias.parameters))
        names = {parameter.name for parameter in named(alias.loss).parameters}
        assert alias.needs in {None, "margin", *names}
        assert bool(alias.needs) == bool(alias.needed)
        assert (alias.margin is None and alias.needs != "margin") or named(alias.loss).has_margin
        assert alias.source
    assert all(len(found) > 1 for found in AMBIGUOUS.values())


@each("alias", [alias for alias in ALIASES.values() if alias.needs])
def test_what_a_name_leaves_open_must_be_given(alias: Alias, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", "--loss", alias.name).must_fail(
        2, f"the loss {alias.name} needs its {alias.needed.lower()}", f"give it with {' '.join(alias.flags[2:])}"
    )
    with pytest.raises(ValueError, match=f"the loss {alias.name} needs its .*\nhint: give it with {alias.needs}=…"):
        mrl_cli.pairwise_loss(X1, X2, Y, loss=alias.name)


def test_what_is_given_wins_over_what_a_name_says(mrl: Mrl) -> None:
    # losses of margin 0: 0, 1, 2; at margin 1, which rank_svm says: 0.75, 2, 3
    def mean(*args: str) -> float:
        return float(mrl("compute", "pairs.csv", "--loss", "rank_svm", *args, "--raw").out)

    assert mean() == (0.75 + 2 + 3) / 3 == mrl_cli.pairwise_loss(X1, X2, Y, loss="rank_svm")
    assert mean("--margin", "0") == 1.0 == mrl_cli.pairwise_loss(X1, X2, Y, loss="rank_svm", margin=0.0)
    assert mean("--margin-column", "x2") == mrl_cli.pairwise_loss(X1, X2, Y, loss="rank_svm", margin=X2)


@each(
    "spelling",
    ["RankNet", "rank-net", "RANKNET", "MarginRankingLoss", "Margin-Ranking", "Bradley-Terry", "pairwise_hinge_loss"],
)
def test_spelling_of_a_name_does_not_matter(spelling: str, mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--loss", spelling, "-f", "json")
    assert ran.result["loss"] == alias_of(spelling).loss


@each(("name", "found"), AMBIGUOUS.items())
def test_an_ambiguous_name_is_refused_with_the_formula_of_each(name: str, found: tuple[Alias, ...], mrl: Mrl) -> None:
    for args in (("compute", "pairs.csv", "--loss", name), ("losses", name)):
        ran = mrl(*args)
        assert (ran.code, ran.out) == (2, "")
        for one in found:
            assert named(one.loss).formula in ran.err
            assert one.source in ran.err
    hints = mrl("compute", "pairs.csv", "--loss", name).err.partition("hint: use ")[2].strip().split("; or ")
    assert hints == [" ".join(one.flags) for one in found]


@each("name", ELSEWHERE)
def test_what_is_no_loss_is_not_taken_for_a_misspelt_one(name: str, mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--loss", name)
    ran.must_fail(2, ELSEWHERE[name])
    assert "did you mean" not in ran.err


@each(
    ("wrong", "right"),
    [
        ("logisic", "logistic"),
        ("ranket", "ranknet"),
        ("margin_rankng", "margin_ranking"),
        ("bradly_terry", "bradley_terry"),
    ]
    + [(name, None) for name in ("dppo", "xpo", "ipo2", "bp", "pro", "spo", "lambdas", "nothing")],
)
def test_guesses_are_near_and_never_of_an_acronym(wrong: str, right: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        alias_of(wrong)
    assert caught.value.hint is not None
    assert caught.value.hint.partition("did you mean --loss ")[2].rstrip("?") == (right or "")


@pytest.mark.slow
def test_no_wrong_letter_makes_an_acronym_another() -> None:
    known = {letters_of(name) for name in (*REGISTERED, *ALIASES, *AMBIGUOUS, *ELSEWHERE)}
    for name in (name for name in known if len(name) < 5):
        for other in {
            f"{name[:place]}{letter}{name[place + 1 :]}" for place in range(len(name)) for letter in "adikmoptz"
        }:
            if other not in known and other.removesuffix("loss"):
                with pytest.raises(UsageError) as caught:
                    alias_of(other)
                assert "did you mean" not in (caught.value.hint or ""), other


def test_names_are_shown_in_the_list_and_with_their_loss(mrl: Mrl) -> None:
    listed = {record["name"]: record for record in json.loads(mrl("losses", "-f", "json").out)}
    assert list(listed) == list(REGISTERED)
    for loss, record in listed.items():
        assert [alias["name"] for alias in record["aliases"]] == [alias.name for alias in names_of(loss)]
    (one,) = json.loads(mrl("losses", "RankNet", "-f", "json").out)
    assert one == listed["logistic"]
    table = mrl("losses", "bt", "-f", "markdown").out
    assert "| name | logistic |" in table
    assert "--loss logistic --margin GAMMA" in table


def test_the_format_that_has_the_sources_of_names_is_named(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert "and 1 column: source (-f json has all)" in mrl("losses", "bt", "-f", "table").out
    source = ALIASES["bpr"].source
    assert source not in mrl("losses", "bt", "-f", "csv").out
    assert source in mrl("losses", "bt", "-f", "json").out


def test_a_loss_of_lists_by_another_name_is_refused_for_pairs(mrl: Mrl) -> None:
    assert "softmax is a loss of whole lists, for mrl rank" in mrl("compute", "pairs.csv", "--loss", "listnet").err
    with pytest.raises(ValueError, match=r"loss must be one of margin_ranking, .*, not 'softmax'"):
        mrl_cli.pairwise_loss(X1, X2, Y, loss="listnet")
    ran = mrl("rank", "lists.csv", "--loss", "listnet", "-f", "json").result
    assert (ran["loss"], ran["parameters"]) == ("softmax", {"target": "softmax"})


def test_settings_of_a_registered_name_stay_as_they_are() -> None:
    assert settled("logistic", None, {"temperature": 2.0}) == ("logistic", None, {"temperature": 2.0})


@pytest.mark.slow
def test_a_file_of_cases_names_the_margin_that_a_name_says(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "list_checks", list)  # no case is of ranked lists
    ran = mrl("validate", "--cases", "c.csv", "--loss", "rank_svm", "-f", "json")
    assert "--loss margin_ranking --margin 1.0" in json.loads(ran.out)["notes"][-1]


@each(
    ("wrong", "known", "right"),
    [
        ("x1", ["x2"], None),
        ("score_a", ["score_b"], None),
        ("score_chosen", ["score_rejected"], None),
        ("score", ["score_chosen", "score_rejected"], None),
        ("mean", ["mode"], None),
        ("auc", ["acc"], None),
        ("scores", ["score", "my scores"], "score"),
        ("chosen", ["chosen_score", "rejected_score"], "chosen_score"),
        ("Chosen Score", ["chosen_score"], "chosen_score"),
        ("lable", ["label", "labels"], "label"),
        ("pairs.cvs", ["pairs.csv"], "pairs.csv"),
    ],
)
def test_names_are_guessed_where_they_mean_the_same(wrong: str, known: list[str], right: str | None) -> None:
    assert closest(wrong, known) == right


def test_an_option_is_guessed_by_the_same_rule(mrl: Mrl) -> None:
    assert "Did you mean --margin?" in mrl("compute", "pairs.csv", "--margn", "1").err
    ran = mrl("compare", "pairs.csv", "--x3-b", "u")
    ran.must_fail(2)
    assert "Did you mean" not in ran.err
