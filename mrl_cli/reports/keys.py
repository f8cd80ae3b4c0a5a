"""What the keys of JSON mean: the one place of their texts, which schemas and the documentation are made of.

A line is a key, its kind and its meaning; a key with ? may be absent. A kind is one of `schema.KINDS`, or another of
these tables: {name} for an object of its keys, [name] for a list of such objects. Of figures and settings, the code
says which a report has, and which of them every run: their lines have no ?.
"""

from __future__ import annotations

ENVELOPE = """
schema text The name and version of this form of report.
version text The version of mrl.
inputs texts The files read, in order; - is stdin.
"""
SETTINGS = """
loss text The loss, one of those that mrl losses lists.
margin finite The margin of every pair; absent where a column has them, and for a loss without one.
parameters settings The other parameters of the loss, by name.
weight_column text The column of weights.
group_by text-or-texts The column grouped by, or the list of several; file stands for the input.
confidence finite The confidence of the intervals.
reduction text How per-pair losses become the value.
dtype text The arithmetic of the per-pair loss.
labels text The rule of labels.
preset text The preset.
scores text The file of scores.
"""
PAIR_SETTINGS = """
margin_column text The column of margins.
difference_column text The column that is x1 - x2.
x1_reference_column text The column that is subtracted from x1.
x2_reference_column text The column that is subtracted from x2.
scale finite What scores are multiplied by.
fill settings What a missing cell of a role is.
cluster_column text The column of clusters.
label_map text What the values of the label column mean, as the option writes it.
strength text What the size of a label is.
"""
LIST_SETTINGS = """
query_column text The column of the query.
label_column text The column of the label.
score_column text The column of the score.
chosen_column text The column of the scores of chosen answers.
rejected_column text The column of the scores of rejected answers.
num_correct_column text The column that says how many of the first scores are right.
unjudged_label finite-or-text The label of items without a judgment, or the rule for it.
lambda_weight text What a pair weighs beside the weights of columns.
top count How many places the NDCG of lambda weights has.
query_weight_column text The column of the weights of queries.
group_sizes text The file of the sizes of lists.
qrels text The file of judgments.
missing_documents text What an item without a judgment is.
"""
FIGURES = """
value number The reduced loss.
rows count Rows used.
queries count Lists used: queries, or those of each group.
queries_without_pairs count Queries without two different labels, which have no pair and no mean.
queries_undefined count Queries without a loss of their own, under a loss of whole lists.
pairs count Pairs used.
rejected count Rows left out for a problem.
ties_dropped count Ties left out, under --on-tie drop.
labels_skipped count Pairs left out for a label that is mapped to skip.
zero_weight count Pairs left out for a weight of 0.
filled_margin count Rows whose missing margin was filled.
filled_weight count Rows whose missing weight was filled.
unjudged count Items left out for a label that says there is no judgment.
missing count Items without a judgment.
sum number The sum of the per-pair losses, weighted where pairs have weights, rounded once.
mean number The mean loss: sum / pairs, or sum / weight where pairs have weights.
query_mean number The mean over the queries that have a pair of their mean losses, by the weights of queries.
min number The least per-pair loss.
max number The greatest per-pair loss.
correct count Pairs with y(x1 - x2) above 0.
ties count Pairs with y(x1 - x2) equal to 0.
wrong count Pairs with y(x1 - x2) below 0.
inside_margin count Correct pairs that do not reach the margin.
beyond_margin count Correct pairs that reach the margin.
accuracy number correct / pairs.
accuracy_half number The accuracy with each tie counting one half.
accuracy_without_ties number correct / (correct + wrong).
accuracy_at_margin number The share of pairs whose y(x1 - x2) reaches the margin.
query_accuracy number The mean over queries of their accuracy, by their weights.
query_accuracy_half number The same with each tie counting one half.
top_accuracy number The share of queries whose highest score is only among the highest label, by their weights.
top_accuracy_half number The mean share of the highest label among the items with the highest score.
active count Pairs with a loss above 0.
difference_mean number The mean of y(x1 - x2), unweighted, its sum rounded once.
difference_sd number The standard deviation (n - 1) of y(x1 - x2), unweighted.
x1_mean number The mean of x1, unweighted; of lists, of the scores with the higher label.
x2_mean number The mean of x2, unweighted; of lists, of the scores with the lower label.
difference_quantiles {quantiles} Quantiles of y(x1 - x2), within 2**-6 relative.
calibration {calibration} How well sigmoid(|x1 - x2|) agrees with the share of pairs that are right.
weight number The sum of the weights.
accuracy_weighted number The weight of the correct pairs over that of all.
clusters count Clusters.
standard_error number The standard error of the mean loss.
mean_low number The lower bound of the mean.
mean_high number The upper bound of the mean.
accuracy_low number The lower bound of the accuracy.
accuracy_high number The upper bound of the accuracy.
query_mean_low number The lower bound of query_mean.
query_mean_high number The upper bound of query_mean.
macro_mean number The mean over groups of their means.
macro_accuracy number The mean over groups of their accuracies.
section_average number The mean of the accuracies of the sections.
"""
TABLES = {
    "pair": """
loss number The loss of the pair.
""",
    "list_pair": """
query text The query that the pair is of.
x1 number The score of the item with the higher label.
x2 number The score of the other.
y count The label, always 1.
weight? number What the pair weighs, where a column says it.
""",
    "query": """
query text The query.
rows count Its rows.
pairs count Its pairs.
sum number The sum of the losses of its pairs, or the loss of the list as a whole.
mean number Their mean; null where there are none.
correct count Pairs with y(x1 - x2) above 0.
ties count Pairs with y(x1 - x2) equal to 0.
wrong count Pairs with y(x1 - x2) below 0.
active count Pairs with a loss above 0.
weight? number The sum of the weights of its pairs.
""",
    "quantiles": """
p05 number The 5 % quantile.
p25 number The first quartile.
p50 number The median.
p75 number The third quartile.
p95 number The 95 % quantile.
""",
    "calibration": """
expected_calibration_error number The mean distance of accuracy and confidence, over pairs.
temperature number What scores are to be divided by to fit best.
temperature_low? number The lower bound of the temperature.
temperature_high? number The upper bound of the temperature.
bins [bin] The bins of confidence that hold pairs.
""",
    "bin": """
low finite Confidences of the bin are above this.
high finite And up to this.
pairs count Pairs in the bin.
confidence number Their mean confidence, sigmoid(|x1 - x2|).
accuracy number The share of them that are right, ties as one half.
accuracy_low? number The lower bound of the accuracy.
accuracy_high? number The upper bound of the accuracy.
""",
    "section": """
section text The section of the benchmark.
accuracy number Its accuracy, as the benchmark weights its subsets.
subsets? count How many of its subsets there are.
pairs? count Pairs.
queries? count Lists.
ref? number Of Ties: the share of lists with one right answer that have it above all others.
tied? number Of Ties: the share of lists with several right answers that have all of them above all others.
preferred? number Of Ties: the share of tied lists whose gap is above their spread.
hard? number Of Ties: the share where the smaller gap of both lists is.
margin? number Of Ties: the mean of tanh(smaller gap / spread - 1).
score? number Of Ties: the score of these, which is the accuracy.
""",
    "section_group": """
group text-or-texts The group: one value for each column of sections_by.
section_average number The mean of the accuracies of its sections.
sections [section] Its sections.
""",
    "further": """
sections? [section] The sections of the benchmark, of all pairs.
subsets_without_section? texts Subsets that are in no section.
sections_by? text-or-texts The columns of section_groups.
section_groups? [section_group] The sections of each group of those columns.
groups? [group] The groups, each with the figures of its pairs.
validation? {validated} What --validate found.
notes? texts What may mislead.
""",
    "group": """
group text-or-texts The value of the column grouped by; the list of them where there are several.
sections? [section] The sections of its pairs.
""",
    "validated": """
passed flag Whether every check passed.
checks [check] The checks.
mismatches [mismatch] The first pairs that differ.
mismatch_count count How many differ.
notes texts What a reader should know beside the verdict.
""",
    "check": """
name text The name of the check.
passed flag Whether it passed.
pairs count How many pairs were checked.
max_abs_diff? number The largest absolute difference.
max_ulp_diff? number The largest difference in units in the last place.
mismatches count How many differ by more than is allowed.
max_bound_fraction? number How much of the rounding bound the worst pair used.
expected? number The number it is held to, in a check of one: for a figure of your own, mrl's.
got? number The number that is held to it: for a figure of your own, that.
note? text What a reader should know beside the verdict.
""",
    "mismatch": """
check text The check.
file text The input.
row? count The line in a text file, the row from 1 elsewhere.
x1? number The first score.
x2? number The second score.
y number The label.
margin number The margin.
expected number The loss it is held to: for your own losses, mrl's.
got number The loss that is held to it: your own, your function's or mrl's.
difference? number x1 - x2, where it is read as such.
""",
    "explanation": """
hypothesis text The mistake.
matches count In how many of the rows the mistake gives the number that was got.
rows count How many rows were looked at.
telling count In how many of them the mistake gives another number than the right one.
fraction number matches / rows.
check? text The check that it explains.
hint? text The options under which mrl computes the same.
lacks? text What cannot prove it, though it fits.
proven flag Whether chance hardly gives such a fit.
""",
    "validate": """
function? text The function that was held to the suite.
passed flag Whether every check passed.
value? number The reduced loss.
pairs count Pairs checked.
rejected count Rows left out for a problem.
ties_dropped count Ties left out.
labels_skipped? count Pairs left out for a label that is mapped to skip.
filled_margin? count Rows whose missing margin was filled.
filled_weight? count Rows whose missing weight was filled.
checks [check] The checks.
mismatches [mismatch] The first pairs that differ.
mismatch_count count How many differ.
explanations [explanation] Known mistakes that explain the numbers.
notes texts What a reader should know beside the verdict.
""",
    "point": """
margin finite The margin.
value number The reduced loss at the margin.
sum number The sum of the losses.
mean number The mean loss.
query_mean? number The mean over queries, where it is the value.
active count Pairs with a loss above 0.
active_share number active / pairs.
gradient_share? number The share of pairs whose gradient is not 0.
mean_gradient? number The mean magnitude of the gradient for x1, of a loss that is no hinge.
""",
    "sweep": """
points [point] A point for each margin, in the order given.
notes? texts What may mislead.
""",
    "model": """
mean number The mean loss.
sum number The sum of the losses.
accuracy number correct / pairs.
accuracy_half number The accuracy with each tie counting one half.
correct count Pairs with y(x1 - x2) above 0.
ties count Pairs with y(x1 - x2) equal to 0.
wrong count Pairs with y(x1 - x2) below 0.
""",
    "gap": """
mean number a's figure less b's.
standard_error number Its standard error.
low number The lower bound of the difference.
high number The upper bound of the difference.
""",
    "mcnemar": """
only_a count Pairs that a alone has right.
only_b count Pairs that b alone has right.
p_value number McNemar's exact two-sided p, for pairs that are independent.
""",
    "bootstrap": """
samples count How many samples were drawn.
seed count By which seed.
difference {bounds} Bounds of the difference of the mean loss.
accuracy_difference {bounds} Bounds of the difference of the accuracy.
""",
    "bounds": """
low number The lower bound.
high number The upper bound.
""",
    "compared": """
pairs count Pairs compared.
a {model} The first model.
b {model} The second model.
difference {gap} The difference of the mean loss, a's less b's.
accuracy_difference {gap} The difference of the accuracy, a's less b's.
clusters? count Clusters.
mcnemar {mcnemar} Pairs that one model alone has right, and whether that may be chance.
bootstrap? {bootstrap} Bounds by resampling.
wins count Pairs whose loss is lower under a.
ties count Pairs whose loss is equal.
losses count Pairs whose loss is higher under a.
""",
    "compare": """
rejected count Rows left out for a problem.
ties_dropped count Ties left out.
labels_skipped? count Pairs left out for a label that is mapped to skip.
filled_margin? count Rows whose missing margin was filled.
unmatched_a count Pairs of a that b lacks.
unmatched_b count Pairs of b that a lacks.
groups? [compared_group] The groups, each as if its pairs were alone.
differing_groups? list Groups whose p_value_holm is at most 1 - confidence.
verdict text Which model is better, in a sentence.
""",
    "compared_group": """
group text-or-texts The value of the column grouped by; the list of them where there are several.
p_value_holm number McNemar's p corrected for the number of groups by Holm.
""",
    "check_input": """
name text The input, or the first of files that are alike.
files? texts The files.
bytes? counts-or-null Their sizes; null where it is not known.
format? text The format.
dialect? values How the files are written.
columns? [column] The columns.
rows_seen? count Rows looked at.
rows? count-or-null Rows there are; null where that is not known.
kind? text-or-null What a row is: pairs, lists, texts or log; null for none of these.
reason? text Why.
preset? text-or-null The preset that fits.
x1? text-or-null The column of the first score.
x2? text-or-null The column of the second score.
y? text-or-null The column of the label.
labels? list-or-null The first labels seen.
command? text-or-null The command line to go on with.
notes? texts What a reader should know.
error? {failure} Why it cannot be read; then there is nothing else but the name.
""",
    "column": """
name text The name of the column.
type text The type of its cells.
""",
    "failure": """
message text What is wrong, and where.
hint text-or-null What to do about it.
""",
    "error": """
message text What is wrong, and where.
hint text-or-null What to do about it.
exit_code count The exit code.
problems [problem] The first problems in the data of each kind, where the error is about those.
""",
    "problem": """
file text The file.
row count The line in a text file, the row from 1 elsewhere.
column text-or-null The column; null where the whole row is at fault.
value text What stands there, as messages print it.
kind text The kind of problem.
""",
    "parameter": """
name text The name of the parameter.
default finite-or-text Its default.
lowest? number The least value allowed.
highest? number The greatest value allowed.
excluded? list Values between them that are not allowed.
values? texts The words allowed.
other_names? texts What it may be called too.
meaning text What it is.
""",
    "loss": """
name text The name of the loss.
formula text Its formula.
margin flag Whether it has a margin.
parameters [parameter] Its other parameters.
source text Where it is from.
of text Whether it is that of a pair or of a list as a whole.
aliases [alias] The names that it goes by elsewhere.
""",
    "alias": """
name text The name.
options text The options that say the same.
source text Where the name is from.
""",
    "part": """
name text The name of the file.
rows count Its rows.
bytes count Its size.
""",
    "parts": """
format text The format of the parts.
parts [part] The files, in the order of their rows.
""",
}
