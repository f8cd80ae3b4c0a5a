"""The sample data: what its README says of the reward files holds."""

from __future__ import annotations

import json
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "sample_data"


def test_reward_files_hold_the_same_independent_pairs() -> None:
    one, other = (
        [json.loads(line) for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines()]
        for name in ("rewards.jsonl", "rewards_small.jsonl")
    )
    assert [row["id"] for row in one] == list(range(600))
    same = ("id", "prompt", "chosen", "rejected", "margin", "subset")
    assert [[row[key] for key in same] for row in one] == [[row[key] for key in same] for row in other]
    assert [row["chosen_score"] for row in one] != [row["chosen_score"] for row in other]
    words = [row[key] for row in one for key in ("chosen", "rejected")]
    assert len(set(words)) == len(words)  # no word is in two pairs, as intervals take it
    assert {row["subset"] for row in one} == {"opposite", "both positive", "both negative"}
    assert all(0.5 <= row["margin"] <= 8 for row in one)
    assert all(row["chosen"] in row["prompt"] and row["rejected"] in row["prompt"] for row in one)
    assert sum(path.stat().st_size for path in SAMPLES.glob("rewards*.jsonl")) < 300_000
