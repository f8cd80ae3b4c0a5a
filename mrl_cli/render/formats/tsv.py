"""TSV: as CSV, with tabs."""

from functools import partial

from mrl_cli.render.formats import csv

SUFFIXES = (".tsv",)
render = partial(csv.render, delimiter="\t")
