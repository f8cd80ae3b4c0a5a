"""The names that losses go by elsewhere: those of one loss here, those of several, and those of none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.errors import UsageError
from mrl_cli.losses.registry import LISTWISE, LOSSES, named
from mrl_cli.records import light_dataclass
from mrl_cli.words import closest, harmless, letters_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


@light_dataclass(frozen=True, slots=True, eq=False)
class Alias:
    """A name that a loss goes by elsewhere, with where it does.

    Under that name the loss has this margin and these parameters, where nothing else is asked for. `needs` is what has
    no usual value and must be given: "margin", or the name of a parameter; `needed` is what it is called there.
    """

    name: str
    loss: str
    source: str
    margin: float | None = None
    parameters: tuple[tuple[str, float | str], ...] = ()
    needs: str | None = None
    needed: str = ""

    @property
    def flags(self) -> list[str]:
        """The options that say the same, as words of a command line.

        >>> ALIASES["rank_svm"].flags, ALIASES["simpo"].flags
        (['--loss', 'margin_ranking', '--margin', '1'], ['--loss', 'logistic', '--margin', 'GAMMA'])
        """
        margin = self.needed if self.needs == "margin" else None if self.margin is None else f"{self.margin:g}"
        given = [*self.parameters, *([(self.needs, self.needed)] if self.needs not in (None, "margin") else [])]
        flags = ["--loss", self.loss, *([] if margin is None else ["--margin", margin])]
        return flags + [word for name, value in given for word in ("--param", f"{name}={value}")]


_RANK_SVM = "Joachims, Optimizing Search Engines using Clickthrough Data, KDD 2002"
_L2_RANK_SVM = "Lee and Lin, Large-scale linear RankSVM, Neural Computation 26, 2014"
_RANKNET = "Burges et al., Learning to Rank using Gradient Descent, ICML 2005; allRank and sentence-transformers take"
_DPO = "Rafailov et al., Direct Preference Optimization, 2023, arXiv 2305.18290: of rewards, or of log-probabilities"
_SLIC = "Zhao et al., SLiC-HF: Sequence Likelihood Calibration with Human Feedback, 2023, arXiv 2305.10425"
_SIMPO = "Meng, Xia and Chen, SimPO, 2024, arXiv 2405.14734: of mean log-probabilities of a token times beta"
_BRADLEY_TERRY = "Bradley and Terry, Rank Analysis of Incomplete Block Designs, Biometrika 39, 1952; TRL, RewardTrainer"

ALIASES: dict[str, Alias] = {
    alias.name: alias
    for alias in (
        Alias("margin", "margin_ranking", "PyTorch 2.13, MarginRankingLoss"),
        Alias("pairwise_hinge", "margin_ranking", "RAX 0.4, pairwise_hinge_loss; TF-Ranking, PairwiseHingeLoss", 1.0),
        Alias("rank_svm", "margin_ranking", _RANK_SVM, 1.0),
        Alias("ranking_svm", "margin_ranking", _RANK_SVM, 1.0),
        Alias("slic", "margin_ranking", _SLIC, needs="margin", needed="DELTA"),
        Alias("slic_hf", "margin_ranking", _SLIC, needs="margin", needed="DELTA"),
        Alias("rrhf", "margin_ranking", "Yuan et al., RRHF, 2023, arXiv 2304.05302, which takes the sum", 0.0),
        Alias("l2_rank_svm", "squared_hinge", _L2_RANK_SVM, 1.0),
        Alias("bradley_terry", "logistic", _BRADLEY_TERRY),
        Alias("bt", "logistic", _BRADLEY_TERRY),
        Alias("ranknet", "logistic", f"{_RANKNET} the logarithm to base 2: 1.44 times as much"),
        Alias("bpr", "logistic", "Rendle et al., BPR: Bayesian Personalized Ranking from Implicit Feedback, UAI 2009"),
        Alias("pairlogit", "logistic", "CatBoost 1.2, PairLogit"),
        Alias("pairwise_logistic", "logistic", "RAX 0.4, pairwise_logistic_loss; TF-Ranking, PairwiseLogisticLoss"),
        Alias("logsigmoid", "logistic", "PyTorch 2.13, -logsigmoid(y*(x1 - x2))"),
        Alias("softplus", "logistic", "PyTorch 2.13, softplus(-y*(x1 - x2))"),
        Alias("bce", "logistic", "PyTorch 2.13, BCEWithLogitsLoss of x1 - x2, where labels are 0 and 1"),
        Alias("dpo", "logistic", f"{_DPO} with --x1-reference, --x2-reference and --scale BETA"),
        Alias("simpo", "logistic", _SIMPO, needs="margin", needed="GAMMA"),
        Alias(
            "cdpo",
            "smoothed_bradley_terry",
            "Mitchell, A note on DPO with noisy preferences and relationship to IPO, 2023",
            needs="label_smoothing",
            needed="SHARE",
        ),
        Alias(
            "robust_dpo",
            "robust_bradley_terry",
            "Chowdhury, Kini and Natarajan, Provably Robust DPO, ICML 2024; TRL, loss_type robust",
            needs="label_smoothing",
            needed="SHARE",
        ),
        Alias("rankboost", "exponential", "Freund, Iyer, Schapire and Singer, JMLR 4, 2003"),
        Alias("exp", "exponential", "the function's name"),
        Alias("pairwise_soft_zero_one", "soft_zero_one", "RAX 0.4, pairwise_soft_zero_one_loss"),
        Alias(
            "listnet",
            "softmax",
            "Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, ICML 2007; allRank, listNet",
            parameters=(("target", "softmax"),),
        ),
        Alias("plackett_luce", "listmle", "Plackett, The Analysis of Permutations, Applied Statistics 24, 1975"),
    )
}

# Names that stand for several losses, with those.
AMBIGUOUS: dict[str, tuple[Alias, ...]] = {
    "hinge": (
        Alias("hinge", "margin_ranking", f"{_RANK_SVM}; RAX; TRL, loss_type hinge", 1.0),
        Alias("hinge", "squared_hinge", _L2_RANK_SVM, 1.0),
    ),
    "sigmoid": (
        Alias("sigmoid", "logistic", "TRL, loss_type sigmoid"),
        Alias("sigmoid", "soft_zero_one", "the function's name"),
    ),
    "cross_entropy": (
        Alias("cross_entropy", "logistic", "that of a pair: RankNet"),
        Alias("cross_entropy", "softmax", "that of a list: ListNet, in mrl rank"),
    ),
    "mse": (
        Alias("mse", "margin_mse", "to the difference that y is"),
        Alias("mse", "ipo", "to 1/(2*beta) for each pair"),
    ),
}

_LAMBDAS = "it is a loss of pairs under weights of lists: mrl rank --loss logistic --lambda-weight ndcg"
_SINGLE = "it is made of the reward of each answer by itself, not of pairs' differences"
_TRAINING = "it is a way of training by rewards, not a loss of pairs"
_METRIC = "it is a metric, not a loss; approx_ndcg is a smooth one, in mrl rank"
_SAMPLED = "it samples pairs or items at random, so that a file does not determine it"
_LIKELIHOOD = "it has a term of likelihood, which scores do not hold"
# Names of what is no loss here. None is taken for a misspelt one that is.
ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(("lambdarank", "lambdamart", "lambdaloss", "rank_ndcg"), _LAMBDAS),
    **dict.fromkeys(("kto", "bco", "nca", "sppo", "apo", "apo_zero", "apo_down"), _SINGLE),
    **dict.fromkeys(("ppo", "grpo", "rloo", "reinforce"), _TRAINING),
    **dict.fromkeys(("ndcg", "mrr", "map", "auc", "accuracy"), _METRIC),
    **dict.fromkeys(("xendcg", "warp", "yetirank"), _SAMPLED),
    **dict.fromkeys(("cpo", "orpo", "dpop"), _LIKELIHOOD),
    "rdpo": "it is Robust DPO, robust_bradley_terry here, or R-DPO, whose penalty of length scores do not hold",
    "triplet_margin": "it is margin_ranking of distances: x1 is that to the negative, x2 that to the positive",
    "infonce": "it is of one answer against many: softmax, in mrl rank",
}


def names_of(loss: str) -> list[Alias]:
    """Return the names that a loss goes by elsewhere."""
    return [alias for alias in ALIASES.values() if alias.loss == loss]


def alias_of(name: str, among: Collection[str] = ()) -> Alias:
    """Return what the name of a loss stands for, however it is spelt: `Margin-Ranking` is margin_ranking.

    Raises UsageError for a name that stands for several losses or for none; it guesses one that was meant only of long
    names, since a letter makes another loss of a short one. `among` are the losses that a caller has (all).

    >>> alias_of("RankNet").loss, alias_of("MarginRankingLoss").loss
    ('logistic', 'margin_ranking')
    """
    known = among or (*LOSSES, *LISTWISE)
    if own := _same(name, (*LOSSES, *LISTWISE)):
        return Alias(own, own, named(own).source)
    if other := _same(name, ALIASES):
        return ALIASES[other]
    if other := _same(name, AMBIGUOUS):
        found = AMBIGUOUS[other]
        lines = (f"\n  {' '.join(one.flags[1::2])}: {named(one.loss).formula} ({one.source})" for one in found)
        uses = (" ".join(one.flags) for one in found)
        raise UsageError(f"{other} is the name of several losses:{''.join(lines)}", hint=f"use {'; or '.join(uses)}")
    if other := _same(name, ELSEWHERE):
        raise UsageError(f"{other} is no loss of its own here: {ELSEWHERE[other]}", hint="`mrl losses` lists all")
    long = [one for one in (*known, *ALIASES) if len(one) > _SHORT] if len(name) > _SHORT else []
    near = closest(name, long)
    message = f"loss must be one of {', '.join(known)}, not {harmless(name)!r}"
    other_names = "`mrl losses` lists them, with the names that they go by elsewhere"
    raise UsageError(message, hint=f"did you mean --loss {near}?" if near else other_names)


_SHORT = 4


def _same(name: str, known: Iterable[str]) -> str | None:
    """Return the one of the names known that is the same, however it is spelt, None for none."""
    spelt = letters_of(name).removesuffix("loss")
    return next((one for one in known if name == one or spelt == letters_of(one)), None)


def settled_by(
    name: str, margin: float | None, parameters: Mapping[str, Any], among: Collection[str], *, has_margins: bool
) -> tuple[str, float | None, dict[str, Any]]:
    """Return what `mrl_cli.losses.settled` does, of a name that is not a loss's own."""
    alias = alias_of(name, among)
    if alias.loss not in among:
        raise UsageError(f"loss must be one of {', '.join(among)}, not {alias.loss!r}")
    is_given = (margin is not None or has_margins) if alias.needs == "margin" else alias.needs in (None, *parameters)
    if not is_given:
        raise UsageError(
            f"the loss {alias.name} needs its {alias.needed.lower()}", hint=f"give it with {' '.join(alias.flags[2:])}"
        )
    if margin is None and not has_margins:
        margin = alias.margin
    return alias.loss, margin, {**dict(alias.parameters), **parameters}
