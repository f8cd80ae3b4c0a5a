"""The command lines that `recorder.py` runs, over the files that `recorder_inputs.py` makes.

A line is what follows `mrl`, as a shell would split it: first `NAME=VALUE` for the environment, last `< FILE` for
stdin. `{a,b}` stands for several lines, one with each alternative; `@losses` is every loss; what begins with blanks
goes on with the line before. What begins with `$` is run by bash, where `mrl` is a process of its own; what begins
with `tty` is such a process on a terminal.
"""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass, field

from tests.bad_input_cases import TEXT_CASES

LOSSES = "margin_ranking,squared_hinge,logistic,smoothed_bradley_terry,robust_bradley_terry,soft_zero_one"
LOSSES += ",exponential,ipo,margin_mse"

COMPUTE = """
compute pairs.csv --margin 0.5 {,-f table,-f json,-f jsonl,-f csv,-f tsv,-f markdown,--raw,-f auto,-f parquet,-f xml}
compute many.csv --margin 0.5 -o out.{json,jsonl,ndjson,csv,tsv,md,JSON,txt,parquet,xlsx,gz,arrow}
compute many.csv -o out.csv -f {json,table,markdown,parquet}
compute many.csv --margin {0,-0.5,1e-3,1e300,nan,inf,x} -f json
compute many.csv --reduction {mean,sum} --dtype {float64,float32} {-f json,--raw}
compute many.csv --weight w {,--dtype float32} {-f table,-f json,-f csv,-f markdown,--raw}
compute many.csv --margin-column m {,--weight w,--dtype float32} {-f table,-f json,-f tsv}
compute many.csv {--group-by g,--by-file,--group-by g --weight w} --margin 0.5 -f {table,json,jsonl,csv,tsv,markdown}
compute many.csv few.csv pairs.csv --by-file {-f csv,-f json -q,--raw}
compute many.csv {--confidence 0.9,--cluster p,--cluster p --confidence 0.5,--cluster id} -f {table,json,csv,markdown}
compute many.csv {--group-by g --group-by y,--by-file --group-by y --cluster p,--group-by g --group-by y --validate,
    --group-by g --fail-if groups.accuracy<0.4,--group-by g --group-by g} -f {json,jsonl,csv,markdown}
compute many.csv --group-by g {--confidence 0.95,--cluster p} -f {table,json,csv,markdown}
compute many.csv --labels {pm1,01,any} --y {y,l01,real,half} -f json
compute {zeroone,ties,two}.csv {,--labels 01,--labels any,--on-tie drop,--y-const 1,--y-const -1} -f json
compute {rounded,flat,near,onelabel,zeroone,huge,tiny}.csv {--labels any,--margin 1} {,-q,-f json,-f table}
compute {header,nothing}.csv {,--reduction sum,--reduction none,--on-error skip}
compute pairs.csv header.csv {,-q,--by-file} -f csv
compute pairs.csv pairs.csv {,--by-file,-q} -f json
compute many.csv --jobs {1,2} -v -f csv
compute long.csv {,--jobs 1} --margin 0.1 {-f json,--group-by t -f csv,--cluster t -f json}
compute long_quoted.csv --jobs {1,2} {-f json,--group-by t -f csv}
compute long_bad.csv {,--jobs 1} {,--on-error skip --rejects out.csv -f json}
compute few.{csv,txt,tsv,tab,jsonl,ndjson,json,parquet,pq,feather,arrow,arrows} few records.json lines.json -f json
compute few.{csv,jsonl,json}.{gz,bz2,xz,zst} -f json --weight w --group-by g
compute {few.csv,few.json,few.parquet,few.arrow} --group-by {g,y,x1,p} -f csv
compute {,-} {,-f json} < {few.csv,few.jsonl,few.json,few.parquet,few.arrow,few.arrows,few.csv.gz,few.json.zst,
    nothing.csv}
compute - --by-file --reduction sum -f csv < few.csv
compute {nested.json,halves.parquet,decimals.parquet,bytes.parquet,indices.parquet,typed.parquet} {-f json,
    --reduction none --keep-columns -f csv,--reduction none --keep-columns -o out.parquet}
compute {nulls,nan,inexact,strings,lists,bools,empty,cut}.parquet {,--on-error skip --rejects out.jsonl -f json}
compute {columns.json,uneven.json,broken.json,mixed.jsonl,blank.jsonl,cut.csv.gz,disguised.csv,plain.csv.gz,
    book.xlsx,text.parquet} {,--on-error skip --rejects out.csv -f json}
compute {semicolons,bars,latin-1,utf-16,utf-8-sig,bare,commas}.csv {,-d ;,--no-header,-e latin-1,
    -d | -e utf-8} -f json
compute {semicolons,commas,pairs}.csv {,-d ;} --decimal , -f json
compute blanks.txt {,-d ' ',-d tab} --raw
compute bare.csv --no-header {--x1 2 --x2 1 --y 3,--x1 x1,--reduction none --keep-columns} -f csv
compute null.csv {,--null-value NA,--null-value NA --null-value -999} {,--on-error skip --rejects out.csv}
compute bad.csv {,--weight w,--margin-column m,--group-by g} {,--on-error skip --rejects out.csv,
    --on-error skip --rejects out.jsonl --on-tie drop,--on-error skip -q} -f json
compute bad.csv ragged.csv mixed.jsonl nulls.parquet {,--on-error skip --rejects out.csv}
compute ragged.csv --on-error skip --reduction none {-f csv,--keep-columns -f csv,--keep-columns -o out.parquet}
compute {runs,runs/,./runs,'runs/**/*.csv','runs/*/*/p.?sv',runs/model=a/split=dev/p.csv} {,--group-by model,
    --group-by split} -f json
compute runs --reduction none --keep-columns {-f csv,-f jsonl,-o out.parquet}
compute {notes,clash,clash --x1 x2,'no*.csv','a[1].csv','caf*.csv','*pairs*.csv',runs/model=c,''} -f json
compute {pair.csv,no/such.csv,ftp://example.org/x.csv,- -,named.csv,named.csv --x1 chosn --x2 rejected --y label}
compute pairs.csv --{x1 X1,x2 x3,y label,weight w,margin-column m,group-by g,cluster c,y-const 2,on-tie keep,
    on-error stop}
compute pairs.csv --{jobs 0,engine spark,engine local,dtype float16,reduction max,labels 10,delimiter ab,
    decimal .. ,encoding utf-9,confidence 95,color red}
compute pairs.csv {--margn 1,--fail-if,--margin 0 --margin-column y,--group-by y --by-file,--weight y --cluster y,
    --y y --y-const 1,-d . --decimal .,--keep-columns,--raw --keep-columns --reduction none}
compute pairs.csv --reduction none {--weight y,--by-file,--group-by y,--confidence 0.9,-f json,-f table,-f markdown,
    -o out.gz,-o out.json}
compute pairs.csv {--rejects out.csv,--on-error skip --rejects -,--on-error skip --rejects out.json,
    --on-error skip --rejects out.parquet,-o pairs.csv,-o ./pairs.csv,-o '',-o no/where.csv,-o .,
    --on-error skip -o out.csv --rejects ./out.csv}
compute pairs.csv --margin 0.5 --fail-if {value>0.5,value<0.5,value>=0.75,value==0.75,value!=0.75,
    ' accuracy < 7e-1 ',max>-inf,valeu>0.5,value>nan,value,value=0.5,weight>1,inputs>1}
compute pairs.csv --fail-if 'value>9' --fail-if 'pairs==3' {-f json,-o out.json,--reduction sum --raw}
compute many.csv --confidence 0.95 --fail-if {accuracy_low<0.9,macro_mean>0}
compute many.csv --margin 0.5 --validate {,-f json,-f table,-f csv,-f markdown,--group-by g -f json,
    --weight w -f json,--dtype float32 -f json,--cluster p -f json,-q,-v --jobs 2,--reduction none -f csv,--raw}
compute bad.csv --validate --on-error skip -f json
compute many.csv {--progress,--no-progress,--quiet,--verbose --jobs 2 -q} --raw
FORCE_COLOR=1 compute pairs.csv -f {table,json} {,--color never,--color always}
NO_COLOR=1 FORCE_COLOR=1 compute pairs.csv -f table {,--color always}
MRL_COMPUTE_MARGIN=0.5 compute pairs.csv {--raw,--raw --margin 0}
MRL_COMPUTE_MARGIN=oops compute pairs.csv
MRL_COMPUTE_FORMAT=json MRL_COMPUTE_X1=x2 MRL_COMPUTE_X2=x1 MRL_COMPUTE_QUIET=1 compute pairs.csv
"""

ROWS = """
compute {few.csv,few.jsonl,few.json,few.parquet,few.feather,text.csv,text.jsonl} --reduction none {,
    --keep-columns} {-f csv,-f tsv,-f jsonl,-o out.csv,-o out.parquet,-o out.jsonl}
compute few.csv --reduction none {,--dtype float32,--margin 0.5,--raw,-f parquet -o out.bin,-o out.pq,-o out.ndjson,
    -o out.tsv,-o out.txt,-o -,-f parquet}
compute {loss,twice}.csv --reduction none --keep-columns {-f csv,-f jsonl,-o out.parquet}
compute {few.csv text.csv,text.jsonl few.jsonl,few.parquet typed.parquet} --reduction none --keep-columns {-f csv,
    -o out.parquet}
compute ties.csv huge.csv --reduction none --on-tie drop {-f csv,-f jsonl,-o out.parquet}
compute - --reduction none --keep-columns -f csv < {few.csv,few.jsonl,few.parquet}
"""

LOSS = """
compute many.csv --loss {@losses} {,--dtype float32,--weight w} -f json
compute few.csv --loss {margin_ranking,squared_hinge,logistic} --margin 0.5 {--validate -f csv,--reduction none}
compute few.csv --loss {smoothed_bradley_terry,robust_bradley_terry,soft_zero_one,exponential,ipo,
    margin_mse} {--validate -f csv,--reduction none,--margin 1}
compute many.csv --loss {logistic,soft_zero_one,exponential} --param temperature={2,0.01,0,1e31,warm,nan} -f csv
compute many.csv --loss {smoothed_bradley_terry,robust_bradley_terry} --param label_smoothing={0.1,0.5,1,
    -1} --param beta=0.3 -f csv
compute many.csv --loss {margin-ranking,hinge,'',logistic --param temprature=2,logistic --param beta=2,
    logistic --param temperature,logistic --param temperature=1 --param temperature=2,ipo --margin-column m,
    margin_ranking --param beta=1}
compute many.csv --loss margin_mse {,--labels pm1} --y {real,y} -f csv
losses {,-f table,-f json,-f jsonl,-f csv,-f tsv,-f markdown,-f github,extra}
COLUMNS={60,80,120} losses -f table
"""

PRESETS = """
compute m_outputs.jsonl --preset rewardbench -f {table,json,jsonl,csv,tsv,markdown}
compute {m.json,known.jsonl} --preset rewardbench {,-q,--group-by id,--by-file,--cluster id,--reduction none,
    --fail-if section_average<0.7} -f csv
compute {m.json,known.jsonl} m_outputs.jsonl --preset rewardbench {--by-file,--group-by model,
    --group-by id --group-by subset} -f {json,csv,markdown}
compute {generated_predictions.jsonl,rewards.jsonl,trl.csv,trl.jsonl,ultra.jsonl,m_outputs.jsonl} {,
    --preset llamafactory,--preset trl,--preset ultrafeedback,--preset rewardbench} -f json
compute trl.csv --preset trl {--margin 1,--margin-column weight,--weight margin,--loss ipo,--loss logistic,
    --cluster chosen,--y-const -1,--x2 margin,--reduction none,--fail-if weight<9,--validate} -f csv
compute --preset {trl,llamafactory} -f json < trl.csv
compute {places.tsv,places.parquet,places_bad.tsv} --preset catboost --scores scores.{txt,csv,json,jsonl} {,
    --on-error skip --rejects out.csv} -f json
compute places.tsv --preset catboost --scores {eval.tsv,eval.tsv --score-column RawFormulaVal,
    eval.tsv --score-column rawformulaval,scores_bad.txt,scores_blank.txt,scores_none.txt,gone.txt,-,
    scores.txt -o scores.txt} -f json
compute places.csv --x1 i --x2 j --scores scores.txt {-f json,--reduction none --keep-columns -f csv}
compute places.tsv {--preset catboost,--score-column s,--preset trl --scores scores.txt,--preset lamafactory}
{validate,compare --x1-b chosen --x2-b rejected} trl.csv --preset trl -f csv
sweep trl.csv --margins 0:1:0.5 --preset trl -f csv
"""

SWEEP = """
sweep many.csv --margins 0:1:0.25 {,-f table,-f json,-f jsonl,-f csv,-f markdown,--weight w -f json,
    --dtype float32 -f csv,--reduction sum -f csv,-q,-v --jobs 2}
sweep many.csv --margins 0:1:0.25 --loss {squared_hinge,logistic,logistic --param temperature=0.5,ipo} {-f csv,
    -f json,-f table}
sweep many.csv --margins {0,1:0:-0.5,-1:-0.5:0.25,3:3:1,1e-999,1:2,0:1:0,0:1:-1,0:100:0.001,nan,1e400} -f csv
sweep many.csv --margins 0,,1
sweep many.csv --margins ' .25 , 2e0,-1' -f csv
sweep many.csv --margins 1e39 --dtype float32
sweep many.csv {,--margins 0 --margin 1,--margins 0 --reduction none,--margins 0 -o many.csv,
    --margins 0 --rejects r.csv,--margins 0 --weight wg,--margins 0 -o out.parquet}
sweep many.csv --margins 0:1:0.5 -o out.{json,jsonl,csv,tsv,md,txt}
sweep bad.csv --margins 0:1:0.5 {,--on-error skip --rejects out.csv} {,--on-tie drop} -f json
sweep {few.parquet,few.jsonl,few.json,few.arrow,few.csv.gz,runs,header.csv,ties.csv,
    many.csv --margin-column m} --margins 0,0.5 -f csv
sweep - --margins 0,0.5 < few.csv
sweep --margins 0,0.5 --y-const 1 -f csv < few.parquet
sweep long.csv --margins 0:2:0.01 {,--jobs 1} -f csv
sweep many.csv --labels any --y {real,half} --margins 0,1 -f csv
MRL_SWEEP_MARGINS=0:1:0.5 sweep pairs.csv
COLUMNS={60,80,120} sweep many.csv --margins 0:1:0.25 -f table --color {always,never}
"""

COMPARE = """
compare many.csv --x1-b u --x2-b v --margin 0.5 {,-f table,-f json,-f jsonl,-f csv,-f markdown,
    --bootstrap 0 -f json,--seed 3 --bootstrap 50 -f json,--confidence 0.5 -f csv,--cluster p -f json,
    --cluster p -f table,--dtype float32 -f json,-q,-v --jobs 2}
compare many.csv --x1-b u --x2-b v {--margin-column m,--loss logistic --param temperature=2,
    --loss margin_mse --y real,--y l01 --labels 01,--y real --labels any,--y-const -1,--x1 x2 --x2 x1,
    --reduction sum,--weight w} -f json
compare many.csv --x1-b u --x2-b v --bootstrap 10 -o out.{json,jsonl,csv,tsv,md,txt,parquet}
compare many.csv --x1-b u --x2-b v --bootstrap 10 --fail-if {difference.mean>0,difference.low>0,a.accuracy<0.9,
    wins<1,difference>0,mcnemar.p_value<=1,clusters>0,'x>'}
compare a.csv {b.csv,b_shuffled.csv,b.jsonl,b_short.csv,b_twice.csv,b_labels.csv,b_bad.csv,
    b_renamed.csv} --key id {,--unmatched drop} -f json
compare a.csv {b.csv,b_shuffled.csv,b_short.csv,b_labels.csv} --by-row {-f json,--cluster p -f csv}
compare a.csv b_bad.csv --key id --on-error skip {--rejects out.csv --unmatched drop,} -f json
compare a.csv b_renamed.csv --x1-b s1 --x2-b s2 {--by-row,--key id} -f csv
compare {many.csv,many.csv --x1-b u,a.csv b.csv,a.csv b.csv many.csv,- - --by-row,a.csv b.csv --key ident,
    a.csv b.csv --key id --by-row,a.csv b.csv --by-row --unmatched drop,a.csv b.csv --by-row --on-error skip,
    a.csv b.csv --key id -o b.csv,runs runs --by-row}
compare many.csv --x1-b u --x2-b {w2,v --key id,v --by-row,v --unmatched drop,v --confidence 95,v --bootstrap -1,
    v --bootstrap 1000001,v --seed -1,v -o many.csv,v --loss ipo --margin 1}
compare a.csv - --key id {,-f json} < b_shuffled.csv
compare - --x1-b u --x2-b v -f json < few.parquet
compare {few.jsonl,few.json,few.parquet,few.csv.gz,header.csv} --x1-b u --x2-b v -f csv
compare bad.csv --x1-b w --x2-b m {,--on-error skip --rejects out.jsonl --on-tie drop} -f json
compare diabetes_pairs.csv --x1-b patient1 --x2-b patient2 --cluster patient1 --margin 0.5 -f markdown
compare diabetes_pairs.csv diabetes_pairs.parquet --by-row --fail-if difference.mean!=0 -f table
MRL_COMPARE_KEY=id compare a.csv b.csv -f csv
COLUMNS={60,80,120} compare many.csv --x1-b u --x2-b v --cluster p -f table --color {always,never}
"""

VALIDATE = """
validate {,-f table,-f json,-f jsonl,-f csv,-f markdown,-f github,--against exact,--dtype float32}
validate many.csv --margin 0.5 {,-f table,-f json,-f jsonl,-f csv,-f tsv,-f markdown,-f github,
    --against loop --against exact -f json,--against exact --dtype float32 -f json,--weight w -f json,
    --margin-column m,-q,-v,--reduction sum -f json,--sample 50 --seed 2 --against exact -f json}
validate many.csv --margin 0.5 --loss-column {good,sign,unmargined,unclamped,squared,noise,zeroone,single,rounded,
    shifted} -f {csv,json}
validate many.csv --margin 0.5 --loss-column {good,sign} -f {table,jsonl,markdown,github,tsv} {,--sample 100}
validate many.csv --margin 0.5 --loss-column single --dtype float32 {,--rtol 0 --atol 0,--rtol 0.1,--atol 0.1}
validate diabetes_pairs.csv --margin 0.5 --expect {0.31270237639719395,0.3127024,0.3,1563.5118819859697,
    0.8681354147617821,1.582726085324701,0.41773470415374797,0.7642,0.31507393237910186,-0.5077905850517221,
    0.4046810639685126,nan,x} {,-f json}
validate diabetes_pairs.csv --margin 0.5 --expect 1563.5 --reduction sum {,--rtol 1e-4,--atol 1,--rtol -1}
validate many.csv --loss {squared_hinge,logistic,smoothed_bradley_terry,robust_bradley_terry,soft_zero_one,
    exponential,ipo} {-f csv,--against exact,--dtype float32 -f csv}
validate many.csv --loss margin_mse --y real {-f csv,--loss-column noise -f json}
validate many.csv --labels any --y real --against exact -f json
validate {few.jsonl,few.json,few.parquet,few.arrow,few.csv.gz,long_quoted.csv,runs,header.csv,
    ties.csv --on-tie drop,zeroone.csv --labels 01} -f csv
validate bad.csv {,--on-error skip --rejects out.csv --on-tie drop} -f json
validate {,-} -f json < few.csv
validate many.csv {--against fast,--sample 0,--loss-column nope,--expect,-o many.csv,-o out.parquet,--rejects r.csv,
    --seed -1,--reduction none --expect 1}
validate --{expect 1,loss-column x,sample 3,margin 1,on-error skip}
validate many.csv --loss-column sign -o out.{json,jsonl,csv,tsv,md,txt}
validate m_outputs.jsonl --preset rewardbench -f csv
validate places.tsv --preset catboost --scores scores.txt -f csv
COLUMNS={60,80,120} validate many.csv --loss-column sign -f table --color {always,never}
"""

CHECK = """
check pairs.csv {,-f table,-f json,-f jsonl,-f csv,-f tsv,-f markdown,-f github,-o out.json,-o out.parquet}
check {few.csv,few.jsonl,few.json,few.parquet,few.arrow,few.arrows,few.csv.gz,records.json,lines.json,
    nested.json} -f json
check {zeroone,ties,huge,header,nothing,semicolons,bars,latin-1,utf-16,utf-8-sig,bare,commas,null,bad,ragged,loss,
    twice}.csv -f jsonl
check {blanks.txt,m_outputs.jsonl,m.json,rewards.jsonl,trl.csv,trl.jsonl,ultra.jsonl,places.tsv,runs,notes,
    clash} -f jsonl
check {nulls,nan,strings,lists,bools,empty,cut,typed}.parquet -f jsonl
check {columns.json,uneven.json,broken.json,mixed.jsonl,cut.csv.gz,disguised.csv,plain.csv.gz,book.xlsx,
    gone.csv} -f jsonl
check named.csv {--x1 chosn --x2 rejected,--x1 chosen,--preset trl,--preset rewardbnch,--labels 01,--margin 1} -f jsonl
check pairs.csv broken.json -f jsonl
check {,-} -f jsonl < few.csv
COLUMNS={60,80,120} check many.csv -f table --color {always,never}
"""

GENERAL = """
{,-h,--help,-V,--version,--nope,comptue,comptue --help}
{compute,sweep,compare,validate,losses,completion} {--help,-h,--nope}
COLUMNS={60,80,120} {,compute,sweep,compare,validate,losses,completion} --help
completion {bash,zsh,fish,tcsh,}
_MRL_COMPLETE=bash_complete COMP_WORDS='mrl compute --mar' COMP_CWORD=2
_MRL_COMPLETE=zsh_complete COMP_WORDS='mrl sw' COMP_CWORD=1
COLUMNS={60,80,120} compute many.csv --margin 0.5 {,--weight w,--group-by g,--cluster p,--group-by g --cluster p,
    --validate} -f table --color {always,never}
COLUMNS={60,80,120} compute m_outputs.jsonl --preset rewardbench -f table --color {always,never}
COLUMNS={60,120} compute many.csv few.csv bad.csv pairs.csv --on-error skip -f table --by-file
"""

PROCESSES = r"""
tty COLUMNS={60,80,120} compute pairs.csv --margin 0.5 --color {auto,never}
tty {compute pairs.csv --reduction none,compute,sweep pairs.csv --margins 0:1,sweep pairs.csv --margins 0:1:0.5,
    losses,compute --help}
tty {compare a.csv b.csv --key id,validate many.csv --loss-column sign,compute bad.csv,compute pairs.csv --raw}
$ cat few.{csv,jsonl,json,parquet,arrow,csv.gz} | mrl compute {-,--preset trl} -f json
$ cat a.csv | mrl compare - b.csv --key id -f csv
$ cat few.csv | mrl sweep --margins 0:1:0.5
$ cat few.csv | mrl validate -f json
$ mrl compute
$ mrl
$ mrl --version | cat; mrl compute --nope; echo $?
$ mrl compute pairs.csv --fail-if 'value>0'; echo $?
$ mrl compute bad.csv; echo $?
$ mrl compute long.csv --reduction none | head -2; echo ${PIPESTATUS[0]}
$ mrl compute long.csv --reduction none --keep-columns -f jsonl | head -1; echo ${PIPESTATUS[0]}
$ mrl compute pairs.csv {,--reduction none,-f json --fail-if 'value<9'} > /dev/full; echo $?
$ mrl {--help,losses,completion bash} > /dev/full; echo $?
$ mrl compute pairs.csv -o /dev/full; echo $?
$ (ulimit -f 100; mrl compute long.csv --reduction none > out.csv); echo $?
$ mrl compute pairs.csv >&-; echo $?
$ (echo before; mrl compute pairs.csv --raw -o {/dev/stdout,/dev/fd/1,-}; echo after) > log
$ echo old > old.csv; mrl compute bad.csv -o old.csv; mrl compute bad.csv -o old.csv --reduction none; cat old.csv
$ echo old > old.csv; chmod 640 old.csv; ln -s old.csv link.csv; mrl compute pairs.csv -o link.csv;
    stat -c '%A %F' old.csv link.csv
$ PYTHONPATH=$PWD/fakes/{bug,memory,interrupt,terminate}:$PYTHONPATH mrl {compute pairs.csv,
    sweep pairs.csv --margins 0} -o out.csv; echo $?
$ PYTHONPATH=$PWD/fakes/early:$PYTHONPATH mrl --version; echo $?
$ PYTHONPATH=$PWD/fakes/no_torch:$PYTHONPATH mrl validate pairs.csv --against torch; echo $?
$ mrl validate many.csv --margin 0.5 --against torch -f json
$ mrl validate pairs.csv --loss logistic --against torch; echo $?
$ mrl compute pairs.csv bad.csv --on-error skip --reduction none {,--keep-columns} -f {csv,jsonl} -o out/; echo $?;
    for file in out/*; do echo $file; cat $file; done
$ printf 'query,label,score\n1,2,0.5\n1,0,1\n1,1,0.25\n2,1,0\n' | mrl {pairs,rank,sweep --margins 0:1 --query query,
    pairs --loss lambdarank,rank -f table,rank --loss ranknet -f json,rank --reduction none}
$ mkfifo in.csv; echo old > out.csv; "$PYTHON" -m mrl_cli compute in.csv -o out.csv --reduction none &
    exec 3> in.csv; head -c 400000 long.csv >&3; kill -INT $!; wait $!; echo $?
"""

TABLES = (COMPUTE, ROWS, LOSS, PRESETS, SWEEP, COMPARE, VALIDATE, CHECK, GENERAL, PROCESSES)
# How each file of the table of bad input is read; CASE is its name, and OPTIONS are its own.
BAD_INPUT = """
compute CASE OPTIONS -f json
compute CASE OPTIONS -f json --on-error skip --rejects out.csv
compute - OPTIONS -f json < CASE
compute - OPTIONS -f json --on-error skip --rejects out.jsonl < CASE
compute CASE OPTIONS --on-error skip -q --reduction none --keep-columns -f csv
"""
_ALTERNATIVES = re.compile(r"(?<!\$)\{([^{}]*)\}")


@dataclass(frozen=True)
class Case:
    """A command line; `how` is inside (this process), bash or tty, `given` are files that it alone has."""

    name: str
    how: str
    args: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    stdin: str | None = None
    given: dict[str, bytes] = field(default_factory=dict)


def cases() -> list[Case]:
    """Return every case; names are distinct."""
    every_case = [case_of(line) for table in TABLES for line in lines_in(table)]
    for bad in TEXT_CASES:
        name = "case" + bad.suffix
        for line in lines_in(BAD_INPUT):
            once = line.replace(" --on-error skip", "") if "--on-error" in bad.options else line
            words = once.replace("OPTIONS", shlex.join(bad.options)).replace("CASE", name)
            every_case.append(case_of(words, f"{bad.name}: {words}", {name: bad.data}))
    return list({case.name: case for case in every_case}.values())


def lines_in(table: str, blank: str = " ") -> list[str]:
    """Return the lines of a table, one for each choice of alternatives, in which `blank` takes the place of blanks."""
    lines = []
    for line in _one_line_each(table.replace("@losses", LOSSES)):
        parts = _ALTERNATIVES.split(line)
        choices = [
            [choice.replace(" ", blank) for choice in part.split(",")] if place % 2 else [part]
            for place, part in enumerate(parts)
        ]
        lines += ["".join(chosen) for chosen in itertools.product(*choices)]
    return lines


def _one_line_each(table: str) -> list[str]:
    """Return the lines of a table, each with those that go on with it."""
    return re.sub(r"\n +", " ", re.sub(r",\n +", ",", table)).strip("\n").splitlines()


def case_of(line: str, name: str | None = None, given: dict[str, bytes] | None = None) -> Case:
    """Return the case of a line."""
    name, given = name or line, given or {}
    if line.startswith("$ "):
        return Case(name, "bash", (line[2:],))
    words = shlex.split(line)
    how = "tty" if words and words[0] == "tty" else "inside"
    words = words[how == "tty" :]
    count = next((place for place, word in enumerate(words) if not re.match(r"[A-Z_0-9]+=", word)), len(words))
    env = dict(word.split("=", 1) for word in words[:count])
    words, stdin = (words[count:-2], words[-1]) if words[-2:-1] == ["<"] else (words[count:], None)
    return Case(name, how, tuple(words), env, stdin, given)
