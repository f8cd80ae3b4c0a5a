"""Write rewards.jsonl and rewards_small.jsonl: two reward models' scores of the same chosen and rejected answers.

The data are the words of VADER's lexicon, which ships inside the package vaderSentiment: for each word, how positive or
negative ten people rated it, from -4 to 4. An answer is a word, the chosen one of two that which people rated higher.

1. A seeded shuffle puts 4,500 words into the training part and holds out others, of which each is in one pair at most.
2. A reward model is linear in the pieces of a word, from 2 to 6 letters: "^l", "lov", "ove$" and so on. It learns from
   random pairs of training words, by subgradient descent on the margin ranking loss. The small model knows pieces of up
   to 3 letters only and learns from a fourth of the pairs.
3. Both score the words held out.

The arithmetic is plain Python on purpose, and is that of make_diabetes_pairs.py: + - * / and sqrt alone, so that the
files come out the same on every machine. Scores are written with 4 decimals.

Usage: python sample_data/make_rewards.py [FOLDER]    (FOLDER defaults to the script's own)
Needs: vaderSentiment 3.3.2
"""

import json
import math
import random
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

SEED = 16
TRAINING_WORDS = 4_500
PAIRS = 600
LEAST_DIFFERENCE = 0.5  # of the mean ratings of a pair that is written: below it, people do not agree
TRAINING_MARGIN = 1.0
STEP_SIZE = 0.02
# Words that nobody wants in examples: parts of them.
LEFT_OUT = """
abus assault ass bastard beat bitch bomb cock crap cunt damn dead death demonic die domin dick enslav fag foetus fuck
fuk goddam hell idiot kill lesb masoch molest moron murder nazi negro pain perver pimp piss porn promisc puk racis rape
rapis screw scum sex shit shyl slut stab strangl suck suicid supremaci tard terror tortur twat virgin whor
"""


class Word(NamedTuple):
    """A word, and the mean of its ratings."""

    text: str
    rating: float


class Model(NamedTuple):
    """How a model is trained: the letters of its longest pieces, and the number of pairs it learns from."""

    longest: int
    steps: int


MODELS = {"rewards.jsonl": Model(6, 120_000), "rewards_small.jsonl": Model(3, 30_000)}


def load_words() -> list[Word]:
    """Return the words of the lexicon that are plain and of no offence, in its order."""
    spec = find_spec("vaderSentiment")
    if spec is None or spec.origin is None:
        raise SystemExit("this script needs vaderSentiment: pip install vaderSentiment==3.3.2")
    unwanted = re.compile("|".join(LEFT_OUT.split()))
    rows = Path(spec.origin).with_name("vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    words = [Word(text, float(rating)) for text, rating, *_ in (row.split("\t") for row in rows if row)]
    return [word for word in words if re.fullmatch("[a-z]{4,}", word.text) and not unwanted.search(word.text)]


def pieces(text: str, longest: int) -> list[str]:
    """Return the pieces of a word of 2 letters and more, its ends marked.

    >>> pieces("no", 3)
    ['^n', 'no', 'o$', '^no', 'no$']
    """
    marked = f"^{text}$"
    return [marked[at : at + size] for size in range(2, longest + 1) for at in range(len(marked) - size + 1)]


def trained(model: Model, words: list[Word], rng: random.Random) -> dict[str, float]:
    """Return the weight of each piece, learned from random pairs of words.

    Each step draws two words and, where max(0, margin - y * (x1 - x2)) is above 0, moves against its gradient.
    """
    weights: dict[str, float] = {}
    parts = {word.text: pieces(word.text, model.longest) for word in words}
    for _ in range(model.steps):
        first, second = (words[int(rng.random() * len(words))] for _ in range(2))
        y = (first.rating > second.rating) - (first.rating < second.rating)
        if y and y * (reward(parts[first.text], weights) - reward(parts[second.text], weights)) < TRAINING_MARGIN:
            for word, sign in ((first, y), (second, -y)):
                step = sign * STEP_SIZE / math.sqrt(len(parts[word.text]))
                for piece in parts[word.text]:
                    weights[piece] = weights.get(piece, 0.0) + step
    return weights


def reward(parts: list[str], weights: dict[str, float]) -> float:
    """Return the score of a word: the sum of the weights of its pieces over the root of how many there are."""
    return math.fsum(weights.get(piece, 0.0) for piece in parts) / math.sqrt(len(parts))


def pairs_of(words: list[Word]) -> list[tuple[Word, Word]]:
    """Return pairs of words next to each other, none in two, whose ratings differ enough: the chosen one first."""
    pairs = [sorted(pair, key=lambda word: -word.rating) for pair in zip(words[::2], words[1::2], strict=False)]
    return [(a, b) for a, b in pairs if a.rating - b.rating >= LEAST_DIFFERENCE][:PAIRS]


def subset_of(chosen: Word, rejected: Word) -> str:
    """Return what kind of pair it is: the kinds are not equally hard."""
    if chosen.rating > 0 > rejected.rating:
        return "opposite"
    return "both positive" if rejected.rating >= 0 else "both negative"


def main() -> None:
    """Write the files."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    rng = random.Random(SEED)
    # Not rng.shuffle: Python promises to keep only the numbers of random() from one version to the next.
    words = sorted(load_words(), key=lambda _: rng.random())
    pairs = pairs_of(words[TRAINING_WORDS:])
    asked = [sorted((a.text, b.text)) for a, b in pairs]
    for name, model in MODELS.items():
        weights = trained(model, words[:TRAINING_WORDS], random.Random(SEED))
        scores = {w.text: round(reward(pieces(w.text, model.longest), weights), 4) for pair in pairs for w in pair}
        with (folder / name).open("w", encoding="utf-8", newline="\n") as file:
            for number, ((chosen, rejected), (one, other)) in enumerate(zip(pairs, asked, strict=True)):
                row = {
                    "id": number,
                    "prompt": f"Which word is more positive: {one} or {other}?",
                    "chosen": chosen.text,
                    "rejected": rejected.text,
                    "chosen_score": scores[chosen.text],
                    "rejected_score": scores[rejected.text],
                    "margin": round(chosen.rating - rejected.rating, 1),
                    "subset": subset_of(chosen, rejected),
                }
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
