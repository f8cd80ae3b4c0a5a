"""Write diabetes_pairs.csv and diabetes_pairs.parquet: a ranking model's scores of patients it never saw.

The data are the 442 diabetes patients that ship inside scikit-learn: ten measurements each, and how far the
disease had progressed a year later. The question is which of two patients progresses further.

1. A seeded shuffle puts 310 patients into the training part and holds out the other 132.
2. A linear scorer learns from random pairs of training patients, by stochastic subgradient descent on the margin
   ranking loss; its weights are averaged over all steps.
3. The held-out patients are scored. Everything that is fitted, the centring and scaling of features and of scores
   included, comes from the training part alone: there the scores have mean 0 and standard deviation 1.
4. Of all pairs of held-out patients whose progression differs, a seeded sample is written, in random orientation.

The arithmetic is plain Python on purpose. A library's solver sums in an order that depends on the processor and on
the linear-algebra library, and so do the last digits of its scores. Python's + - * / and sqrt round as IEEE 754 says,
`math.fsum` is correctly rounded, and `random.Random(seed).random()` gives the same numbers in every version: the CSV
file comes out the same, byte for byte, on every machine. The bytes of the Parquet file depend on the version of
pyarrow; its rows do not.

Usage: python sample_data/make_diabetes_pairs.py [FOLDER]    (FOLDER defaults to the script's own)
Needs: scikit-learn 1.1 or later, pyarrow
"""

import csv
import math
import random
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_diabetes

SEED = 10
TRAINING_PATIENTS = 310
TRAINING_STEPS = 20_000
TRAINING_MARGIN = 1.0
STEP_SIZE = 0.01
WRITTEN_PAIRS = 5_000

PARQUET_SCHEMA = pa.schema(
    [
        ("patient1", pa.int16()),
        ("patient2", pa.int16()),
        ("x1", pa.float64()),
        ("x2", pa.float64()),
        ("y", pa.int8()),
    ]
)

T = TypeVar("T")


class Patient(NamedTuple):
    """One row of the data set; `number` is its place there, counted from 0."""

    number: int
    features: tuple[float, ...]
    progression: float


class Pair(NamedTuple):
    """One row of the files; y is 1 where patient1 progressed further, -1 where patient2 did."""

    patient1: int
    patient2: int
    x1: float
    x2: float
    y: int


def load_patients() -> list[Patient]:
    """Return the 442 patients in the order of the data set."""
    # The unscaled table: scikit-learn's scaled one is centred by NumPy sums, over held-out patients as well.
    table = load_diabetes(scaled=False)
    rows = zip(table.data.tolist(), table.target.tolist(), strict=True)
    return [Patient(number, tuple(features), target) for number, (features, target) in enumerate(rows)]


def shuffled(items: Sequence[T], rng: random.Random) -> list[T]:
    """Return the items in random order."""
    # Not rng.shuffle: Python promises to keep only the numbers of random() from one version to the next.
    return sorted(items, key=lambda _: rng.random())


def centre_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the population standard deviation of the values.

    >>> centre_and_spread([1.0, 3.0])
    (2.0, 1.0)
    """
    mean = math.fsum(values) / len(values)
    # Not ** 2: a power is left to the C library, which need not round as a product does.
    return mean, math.sqrt(math.fsum((v - mean) * (v - mean) for v in values) / len(values))


def dot(weights: Sequence[float], features: Sequence[float]) -> float:
    """Return the sum of weights * features.

    >>> dot([2.0, 3.0], [10.0, 1.0])
    23.0
    """
    return math.fsum(w * f for w, f in zip(weights, features, strict=True))


def standardise(patients: Sequence[Patient], training: Sequence[Patient]) -> list[Patient]:
    """Return the patients with each feature centred and scaled as the training patients' features ask for."""
    moments = [centre_and_spread(column) for column in zip(*(p.features for p in training), strict=True)]
    return [
        p._replace(features=tuple((f - mean) / sd for f, (mean, sd) in zip(p.features, moments, strict=True)))
        for p in patients
    ]


def fit_weights(training: Sequence[Patient], rng: random.Random) -> list[float]:
    """Return the averaged weights of a linear scorer, trained on random pairs of the training patients.

    Each step draws two patients and, where max(0, margin - y * (x1 - x2)) is above 0, moves against its gradient.
    """
    weights = [0.0] * len(training[0].features)
    totals = list(weights)
    for _ in range(TRAINING_STEPS):
        first, second = (training[int(rng.random() * len(training))] for _ in range(2))
        y = (first.progression > second.progression) - (first.progression < second.progression)
        difference = [a - b for a, b in zip(first.features, second.features, strict=True)]
        if y * dot(weights, difference) < TRAINING_MARGIN:
            weights = [w + STEP_SIZE * y * d for w, d in zip(weights, difference, strict=True)]
        totals = [t + w for t, w in zip(totals, weights, strict=True)]
    return [t / TRAINING_STEPS for t in totals]


def score(held_out: Sequence[Patient], training: Sequence[Patient], rng: random.Random) -> dict[int, float]:
    """Return the score of each held-out patient, by patient number; higher means further progression expected."""
    training_features = standardise(training, training)
    weights = fit_weights(training_features, rng)
    mean, sd = centre_and_spread([dot(weights, p.features) for p in training_features])
    return {p.number: (dot(weights, p.features) - mean) / sd for p in standardise(held_out, training)}


def sample_pairs(held_out: Sequence[Patient], scores: dict[int, float], rng: random.Random) -> list[Pair]:
    """Return a random sample of the pairs whose progression differs, each with its two patients in random order."""
    candidates = [(a, b) for a, b in combinations(held_out, 2) if a.progression != b.progression]
    pairs = []
    for a, b in shuffled(candidates, rng)[:WRITTEN_PAIRS]:
        one, two = (a, b) if rng.random() < 0.5 else (b, a)
        y = 1 if one.progression > two.progression else -1
        pairs.append(Pair(one.number, two.number, scores[one.number], scores[two.number], y))
    return pairs


def write_csv(pairs: Sequence[Pair], path: Path) -> None:
    """Write the pairs as CSV; floats in the fewest digits that read back as the same float64."""
    with path.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")  # the same line ends on every system
        writer.writerow(Pair._fields)
        writer.writerows(pairs)


def write_parquet(pairs: Sequence[Pair], path: Path) -> None:
    """Write the pairs as Parquet, in the types of PARQUET_SCHEMA."""
    pq.write_table(pa.Table.from_pylist([pair._asdict() for pair in pairs], schema=PARQUET_SCHEMA), path)


def main(folder: Path) -> None:
    """Make the pairs and write both files into the folder."""
    rng = random.Random(SEED)
    patients = shuffled(load_patients(), rng)
    training, held_out = patients[:TRAINING_PATIENTS], patients[TRAINING_PATIENTS:]
    pairs = sample_pairs(held_out, score(held_out, training, rng), rng)
    write_csv(pairs, folder / "diabetes_pairs.csv")
    write_parquet(pairs, folder / "diabetes_pairs.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
