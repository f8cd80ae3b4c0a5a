"""Losses of a ranked list as a whole, entered into `LISTWISE`.

In a formula s are the scores of a list, y its labels, and lse is the logarithm of a sum of exponentials.
"""

from __future__ import annotations

from mrl_cli.losses.registry import LISTWISE, TEMPERATURE, Choice, Listwise

TARGET = Choice(
    "target",
    "sum",
    ("sum", "raw", "softmax", "gain"),
    "the share t of an item: y/sum(y), y itself, softmax(y), or (2**y - 1)/sum(2**y - 1)",
)
LABEL_TIES = Choice(
    "ties",
    "breslow",
    ("breslow", "input"),
    "of equal labels, each against all that are not better, or in the order of the rows",
    other_names=("label_ties",),
)
GAIN = Choice("gain", "exp", ("exp", "none"), "the weight g of an item: 2**y - 1, or 1")

_ALL = (
    Listwise(
        "softmax",
        "sum(t*(lse(s) - s)), t by target",
        "Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach (ListNet), ICML 2007; RAX 0.4,"
        " softmax_loss (target=raw); TF-Ranking, SoftmaxLoss (sum); allRank, listNet (softmax)",
        (TARGET,),
        ("sum", "gain"),
        undefined="a list whose labels are all 0, under target=sum and gain",
    ),
    Listwise(
        "listmle",
        "sum(lse(s of the items not before it by label) - s), equal labels by ties",
        "Xia et al., Listwise Approach to Learning to Rank: Theory and Algorithm, ICML 2008; ties=input: RAX 0.4,"
        " listmle_loss; breslow: Breslow, Covariance Analysis of Censored Survival Data, Biometrics 30, 1974",
        (LABEL_TIES,),
    ),
    Listwise(
        "unique_softmax",
        "sum(g*(lse(s of the item and of those with a lower label) - s)), g by gain",
        "Zhu and Klabjan, Listwise Learning to Rank by Exploring Unique Ratings, WSDM 2020; RAX 0.4,"
        " unique_softmax_loss",
        (GAIN,),
        ("exp",),
    ),
    Listwise(
        "approx_ndcg",
        "1 - sum((2**y - 1)/log2(1 + rank))/ideal, rank = 1 + the sum over others j of sigmoid((s_j - s)/temperature)",
        "Qin, Liu and Li, A General Approximation Framework for Direct Optimization of Information Retrieval Measures,"
        " Information Retrieval 13, 2010; RAX 0.4; TF-Ranking, ApproxNDCGLoss (0.1, less 1)",
        (TEMPERATURE,),
        is_non_negative=True,
        undefined="a list whose labels are all 0",
        is_quadratic=True,
    ),
)
LISTWISE.update((loss.name, loss) for loss in _ALL)
