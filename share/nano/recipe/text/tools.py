"""Sessions with the six built-in tools: a request, calls, results, and answers that use them."""

import json
import os

from topics import Turn, any_topic
from words import HERE, PEOPLE, THINGS, Phrases

SCHEMAS = os.path.join(HERE, "..", "..", "..", "tools", "builtin.json")


def schemas():
	with open(SCHEMAS, encoding="utf-8") as f:
		return {t["function"]["name"]: t for t in json.load(f)}


def lines(text):
	return Phrases(text.replace("\n", "").split(";"))


SHOW = lines("""what stands in the file {f};have a look at what is in {f};let me read the file {f};
I would like to know what is in {f};have a look into {f};
show me {f};show {f};what is in {f};what's in {f};read {f};print {f};cat {f};
what does {f} say;open {f};open the file {f};take a look at {f};look at {f};check {f};check what is in {f};
I need to see {f};what do I have in {f};what did I write in {f};could I see {f};let's look at {f};what's inside {f};display {f};what does {f} contain;read the file {f};show me the file {f};
can you read {f};please read {f};let me see {f};what is the content of {f};give me the content of {f};
view {f};could you show me {f};I want to see {f};look into {f};output {f};dump {f};type out {f};
read {f} for me;what is written in {f};
[show|display|print|list|give|read] [me|] the [content|contents|text|lines] of [the file|] {f};
[what|which text] [is|stands|is written|is stored] [inside|in] [the file|] {f};
[open|read|view|check|inspect] [the file|] {f} [for me|and tell me what it says|and show it];
[tell|show] me what [is|stands|is written] in [the file|] {f};let [me|us] [look at|read|see|view] [the file|] {f};
[have|take] a [quick|short|] look [into|at] [the file|] {f};what [does|would] the file {f} [say|contain|hold|have];
[I want|I need|I would like|I'd like] to [see|read|know] what [is in|stands in|is inside] {f};
[get|fetch] [me|] the [content|text] of {f};there is a file {f}, [read it|show it|what does it say|what is in it];
I wrote [something|a note|a text] into {f}, what [was|is] it;
~what stands in {f};~have a look at {f};~let me read {f};~I would like to know what {f} contains""")
HEAD = lines("""let me see the top {n} lines of {f};show the top {n} lines of {f}, please;let me read the first {n} lines of {f};
show the first {n} lines of {f};read the first {n} lines of {f};first {n} lines of {f};
what are the first {n} lines of {f};show me the top {n} lines of {f};print the first {n} lines of {f};
only the first {n} lines of {f};just the first {n} lines of {f};the first {n} lines of {f} please;
read {n} lines of {f};read only the first {n} lines of {f};give me the first {n} lines of {f};
[show|print|read|display|give] [me|] [only|just|] the [first|top] {n} lines of [the file|] {f};
[what|which] are the [first|top] {n} lines [of|in] {f};[the|] first {n} lines [from|of] {f};
read {f}, but [only|just] the first {n} lines;how does {f} [start|begin], show {n} lines;
[I need|I want|I would like] [only|just|] the first {n} lines of {f};[look at|open|see] the first {n} lines of {f};
~the top {n} lines of {f}, please;~let me see the first {n} lines of {f}""")
FROM = lines("""start at line {k} of {f};let me see {f} starting with line {k};{f} from line {k} onwards;
start to read {f} at line {k};
read {f} from line {k};show {f} from line {k} on;show {f} starting at line {k};
read {f} starting at line {k};print {f} from line {k};what does {f} say from line {k} on;
[show|print|read|display] [me|] [the file|] {f} [starting|beginning] [at|from|with] line {k};
[skip|leave out] everything before line {k} of {f};what [stands|is|comes] in {f} from line {k} [on|onwards];
[go on|continue] [reading|with] {f} at line {k};[open|view] {f} at line {k};
read {f} [with offset|with an offset of|at offset] {k};
~start reading {f} at line {k};~let me see {f} from line {k} onwards""")
SPAN = lines("""starting at line {k}, read {n} lines of {f};let me see {n} lines of {f}, starting at line {k};starting with line {k}, print {n} lines of {f};
read {n} lines of {f} from line {k};show {n} lines of {f} starting at line {k};
from line {k}, read {n} lines of {f};print {n} lines of {f} from line {k};
[show|print|read|display] [me|] {n} lines of {f} [beginning|starting] [at|with|from] line {k};
[give me|I need|I want] {n} lines of {f}, [starting|beginning] at line {k};
read {f} from line {k}, [only|just|] {n} lines;{n} lines of {f} from line {k} on;
~starting at line {k}, show {n} lines of {f};~let me see {n} lines of {f} from line {k}""")
VALUE = lines("""what is the {k} according to {f};get the {k} from {f};which value is given for {k} in {f};
what does {f} give as {k};get me the {k} out of the file {f};
what is the {k} in {f};what is {k} in {f};which {k} is set in {f};what is {k} set to in {f};
look up {k} in {f};find the {k} in {f};tell me the {k} from {f};what value does {k} have in {f};
check the {k} in {f};read the {k} from {f};what does {f} say about {k};what {k} does {f} use;
I need the {k} from {f};
[what|which] {k} [is|do we have|stands|is given] in {f};
[look up|find|read|check|tell me|show me|get] the {k} [set|given|stored|] in {f};
[what|which value] is [stored|given|used] as {k} in {f};[which|what] {k} does [the file|] {f} [set|have|give|contain];
how is {k} set in {f};[I want to know|I need to know|tell me] [which|what] {k} [is in|stands in|is set in] {f};
the {k} [in|from] {f} [please|];look in {f} for the {k};see in {f} what the {k} is;the file {f} sets the {k}, what is it;
[open|read] {f} and tell me the {k};what did I set {k} to in {f};
~according to {f}, what is the {k};~get the {k} out of {f};~which value has {k} in {f}""")
COUNT = lines("""count how many lines {f} contains;tell me the line count of {f};the line count of {f}, please;
how many lines does {f} have;how many lines are in {f};count the lines of {f};
count the lines in {f};number of lines in {f};how long is {f} in lines;tell me how many lines {f} has;
[count|tell me] how many lines [are in|there are in|are there in] {f};what is the number of lines [of|in] {f};
[how many|count the|count all] lines [of|in] [the file|] {f};I want to know how many lines {f} has;
line count of {f};how long is [the file|] {f};
~what is the line count of {f};~please count how many lines {f} contains""")
LIST = lines("""name what is in {d};I want to have a listing of the files in {d};a listing of {d}, please;
what do we have in {d};name all that is in {d};
list the files in {d};list {d};what is in the folder {d};which files are in {d};
show me the files in {d};what files are in {d};what's in the directory {d};list the directory {d};
show the content of the directory {d};ls {d};what do I have in {d};what is inside {d};what's inside the folder {d};
which files do I have in {d};what files are there in the folder {d};what files are stored in {d};see what is in the folder {d};
look what is in the directory {d};what files does {d} contain;files in {d};
how many files are in {d};list everything in {d};look into the folder {d};tell me what {d} contains;
[list|show|name|display|give] [me|] [all|the|all the] [files|entries|contents] [in|of|inside] [the folder|the directory|] {d};
[what|which files] [is|are|do we have|can I find|lie|are stored] in [the folder|the directory|] {d};
[look|see] what [is|we have|lies] in [the folder|the directory|] {d};[open|view|check|inspect] the [folder|directory] {d};
[tell|show] me [what|which files] [is|are] in [the folder|the directory|] {d};
[what|which] files [are|lie|exist] [inside|in|under] [the folder|the directory|] {d};
the [files|contents|content] of [the folder|] {d};[I want|I need|I'd like] to [see|know] [what|which files] [is|are] in {d};
~name the files in {d};~what do we have in the folder {d};~I want a listing of {d}""")
KINDS = (("python files", "*.py"), ("text files", "*.txt"), ("C files", "*.c"), ("header files", "*.h"),
	 ("shell scripts", "*.sh"), ("python scripts", "*.py"), ("log files", "*.log"), ("markdown files", "*.md"),
	 ("JSON files", "*.json"), ("CSV files", "*.csv"), ("HTML files", "*.html"), ("logs", "*.log"),
	 ("javascript files", "*.js"), ("config files", "*.conf"), ("scripts", "*.sh"), ("C sources", "*.c"), ("headers", "*.h"),
	 ("rust files", "*.rs"), ("go files", "*.go"))
LIST_NAMED = lines("""I need the names of all {n} in {d};I need all the {n} of {d};name the {n} that are in {d};
list the {n} in {d};which {n} are in {d};show the {n} in {d};find all {n} in {d};
what {n} does {d} have;are there {n} in {d};how many {n} are in {d};I want to know which {n} are in {d};
what {n} are there in {d};show me all {n} in {d};list all {n} in the folder {d};do we have {n} in {d};
[list|show|name|find|display] [me|] [all|the|all the] {n} [in|inside|of] [the folder|the directory|] {d};
[which|what] {n} [can I find|are|are stored|lie|do I have] in [the folder|the directory|] {d};
[tell me|I want to know|I need to know|look] [which|what] {n} [are|lie] in [the folder|] {d};
[is there|do we have] any {n} in {d};
~name all {n} in {d};~I need the {n} of {d}""")
LIST_NAMED_HERE = lines("""I need the names of all {n};I need the {n};name the {n} that are here;
list the {n};which {n} are here;show the {n};find all {n};what {n} do we have;
are there {n} here;how many {n} are there;show me all {n};list all {n};do we have {n};
[list|show|name|find|display] [me|] [all|the|all the] {n} [here|in this folder|in the workspace|];
[which|what] {n} [can I find|exist|do I have] [here|];[tell me|I want to know] [which|what] {n} [are here|we have|there are];
~name all the {n};~I need all {n}""")
LIST_HERE = lines("""what files exist here;name what is in this folder;name all the files here;
which files exist in this folder;what do we have in this folder;
list the files;list the files here;what files are here;which files are there;
show me the files;what is in this directory;what's in the workspace;list the workspace;ls;
what files do we have;list this directory;what do I have here;which files do I have;what is here;
see what files there are;let me see the files;show all files here;what is in the current folder;
[list|show|name|display] [me|] [all|the|all the] files [here|in this folder|in this directory|in the workspace|we have|];
[what|which files] [is|are|do I have|can I find] [in this folder|in here|in this directory|in the workspace];
[tell|show] me [what|which files] [is|are] here;[look|see] [around|what is here|what files are here];
[I want|I need] to [see|know] which files are here;
~name the files in this folder;~what do we have here;~which files exist in this workspace""")
LIST_KIND = lines("""I need every {p} file of {d};name the {p} files in {d};name all files like {p} in {d};
list the {p} files in {d};which {p} files are in {d};show the {p} files in {d};
find all {p} files in {d};what {p} files does {d} have;are there {p} files in {d};
how many {p} files are in {d};list all files that match {p} in {d};files like {p} in {d};
[list|show|name|find|display] [me|] [all|the|all the] [files|entries|names] [matching|like|that match|of the form|that look like] {p} in [the folder|the directory|] {d};
[which|what] files in {d} [match|look like|are] {p};[how many|what] {p} files [are|do we have|can I find] in {d};
[is there|do we have] [any|a] {p} [file|] in {d};list {d}, but [only|just] {p};[only|just] the {p} files [in|of] {d};
~name every {p} file in {d};~I need the {p} files of {d}""")
LIST_KIND_HERE = lines("""name every file like {p};every {p} file, please;I need every {p} file;
name the {p} files;name all {p} files;
list the {p} files;which {p} files are here;show the {p} files;find all {p} files;
what {p} files do we have;are there {p} files here;how many {p} files are there;
list all files that match {p};list files like {p};
[list|show|name|find|display] [me|] [all|the|all the] [files|entries|names] [matching|like|that match|of the form|that look like] {p} [here|];
[which|what] files [match|look like|are called] {p};[is there|do we have] [any|a] {p} [file|] [here|];
[only|just] the {p} files;
~name every {p} file;~I need all the {p} files""")
SEARCH = lines("""locate {w};locate the word {w};where can I find {w};
which file has {w} in it;which files mention {w};
search for {w};find {w};search for {w} in all files;where is {w} used;grep for {w};
which files contain {w};where does {w} occur;is {w} anywhere in the files;does any file contain {w};
is there a file that contains {w};do we use {w} anywhere;check if {w} occurs anywhere;where is {w} defined;
search for the word {w};find the function {w};look for {w};find all uses of {w};where is {w};
search the files for {w};find the word {w};in which files is {w};where do we use {w};
[search|look|grep] [all files|the files|everything|the workspace] for [the word|the text|] {w};
[in which|which] [files|file] [contains|has|mentions|uses] [the word|] {w};
[where|in which file] [is|do I find|can I find|stands] [the word|the text|the name|] {w};
[find|search for|look for|look up] [the word|the text|the name|all places with|every use of] {w};
[does|do] [any|some] [file|files|line] [contain|have|mention|use] {w};
[show|tell] me where {w} [is|occurs|is used|stands];[check|see] [if|whether] [any file|some file|anything] [contains|has|uses] {w};
[I need|I want] to [know|find] where {w} is [used|];
~which file mentions {w};~locate the text {w};~where can I find {w} in the files""")
SEARCH_IN = lines("""locate the text {w} in {d};where can I find {w} in {d};locate {w} in {d};
look for {w} inside {d};
search for {w} in {d};find {w} in {d};where is {w} used in {d};grep for {w} in {d};
look for {w} in {d};where does {w} occur in {d};find all uses of {w} in {d};search {d} for {w};
does {d} contain {w};which lines of {d} have {w};search the folder {d} for {w};in {d}, find {w};
search in {d} for {w};look in {d} for {w};is {w} anywhere in {d};find the word {w} in {d};is there {w} in {d};
[search|look|grep] [in|through|] [the folder|the file|the directory|] {d} for [the word|the text|the name|] {w};
[find|search for|look for|look up] [the word|the text|the name|every|all] {w} [in|inside|under] {d};
[where|in which line] [in|of] {d} [is|stands|occurs] {w};[show|tell] me where {w} [is|occurs|is used] in {d};
[does|do] [the file|the folder|] {d} [have|mention|use|contain] {w};
[check|see] [if|whether] {d} [contains|has|uses] {w};is {w} [used|found|mentioned] in {d};
~locate {w} inside {d};~where in {d} can I find {w}""")
RUN = lines("""carry out the command {c};let the command {c} run;carry {c} out;
give me what {c} prints;let {c} run and show me the output;
run {c};run the command {c};execute {c};please run {c};can you run {c};run {c} in the shell;
run {c} and tell me what it prints;what does {c} print;start {c};what is the output of {c};do {c};
use the shell to run {c};I want to run {c};run {c} for me;run this: {c};in the shell, run {c};now run {c};
I need the output of {c};run the following command: {c};show me the output of {c};try {c};
[run|execute|start|call|launch|try] [the command|the line|the program|] {c} [for me|now|once|];
[I want|I need|I'd like] [you|] to [run|execute|start|try] {c};[what|which output] [does|will] {c} [print|give|show|say];
[what happens|tell me what happens] when you run {c};[show|give] [me|] the [output|result] of {c};
[type|enter] {c} in the shell;use the shell [and run|and do|for] {c};[do|perform] [a|] {c};let's [run|try|do] {c};
[I wonder|tell me] what {c} [prints|says|shows];
~give me the output of {c};~carry out {c};~let {c} run""")
RUN_LIMIT = lines("""let {c} run for {n} seconds at most;start {c} and stop it after {n} seconds;{c} should run no longer than {n} seconds;
start {c}, but cut it after {n} seconds;let {c} run {n} seconds and then end it;
run {c} for at most {n} seconds;run {c} with a timeout of {n} seconds;
run {c}, but stop after {n} seconds;run {c} with timeout {n};execute {c} with a limit of {n} seconds;
give {c} {n} seconds to run;
[run|execute|start|try] {c} [with a limit of|within|with at most|for no more than|and wait at most] {n} seconds;
[run|execute] {c}, [but|and] [kill|end|cancel|abort] it after {n} seconds;
the command {c} [may|should] [run|take] [at most|no more than] {n} seconds, [run|start] it;
set a timeout of {n} seconds and [run|execute] {c};[try|do] {c}, timeout {n} [seconds|];
~let {c} run no longer than {n} seconds;~start {c} and cut it off after {n} seconds""")
WRITE = lines("""produce the file {f}, it should hold {q};produce {f} with {q} in it;I need a new file {f}, with {q} in it;
make a file {f} holding {q};
create {f} with the text {q};write {q} to {f};write {q} into {f};create a file {f} that says {q};
make a file {f} containing {q};put {q} into {f};save {q} as {f};save {q} in {f};
create the file {f} with the content {q};write a file {f} with {q};make {f} with the text {q};
store {q} in {f};create {f} containing {q};create {f} with the words {q};make a file called {f} with the text {q};
make me a file named {f} that contains {q};a new file {f} with {q};write a file called {f} with the content {q};
[create|make|write|produce|prepare|start|add] [a|the|a new] file [called|named|] {f} [with|containing|that contains|that says|that holds|holding|which says] [the text|the words|the line|the content|] {q};
[write|put|save|store|place] [the text|the words|the line|] {q} [into|in|to] [the file|a file called|a new file|] {f};
[I need|I want|I'd like|give me] [a|the] [file|new file|text file] {f} [with|that says|containing|that contains] [the text|] {q};
the file {f} should [contain|say|hold|be] {q}, [create|write|make] it;let {f} [contain|say|hold] {q};
[save|note] {q} [as|under the name|in a file named] {f};
~produce a file {f} holding {q};~I need a file {f} with {q} in it""")
WRITE_LINES = lines("""{f} should hold the lines {l};make a file {f} that holds the lines {l};I need the lines {l} in {f};
create {f} with the lines {l};write the lines {l} to {f};make a file {f} with the lines {l};
put the lines {l} into {f};save the lines {l} in {f};
[create|make|write|produce] [a|the] file [called|named|] {f} with the [lines|entries|items] {l};
[put|write|save|store] the [lines|entries|items] {l} [into|in|to] {f};the file {f} should have the lines {l};
[I need|I want] [a file|] {f} with the lines {l};
~I need {f} to hold the lines {l}""")
EDIT = lines("""in {f}, put {b} where {a} is;the file {f} says {a}, but it should say {b};in place of {a}, write {b} in {f};
where {f} says {a}, it should say {b};{f} says {a}, make that {b};put {b} into {f} in place of {a};
in {f}, replace {a} with {b};replace {a} with {b} in {f};change {a} to {b} in {f};
edit {f}: change {a} to {b};in {f} change {a} to {b};substitute {a} by {b} in {f};
in the file {f}, replace {a} by {b};turn {a} into {b} in {f};swap {a} for {b} in {f};
update {f}: {a} becomes {b};
[replace|change|swap|exchange|substitute|correct|fix] {a} [with|to|by|for|into] {b} in [the file|] {f};
in [the file|] {f}, [change|turn|replace|rename|correct] {a} [to|into|with|by] {b};
[make|let] {a} in {f} [become|be] {b};the file {f} [has|contains] {a}, change it to {b};
[put|write|use] {b} [instead of|for] {a} in {f};[edit|update|modify|change] {f} so that {a} [is|becomes] {b};
there is {a} in {f}, [it should be|make that|change it to] {b};instead of {a}, {f} should say {b};
~the file {f} says {a}, make it {b};~put {b} in place of {a} in {f}""")
SET = lines("""adjust the {k} in {f} to {v};I want {k} in {f} set to {v};adjust {f}: {k} should be {v};
in {f}, I want the {k} to be {v};
set {k} to {v} in {f};change the {k} in {f} to {v};in {f}, set {k} to {v};
update {k} in {f} to {v};make the {k} in {f} {v};the {k} in {f} should be {v};
[set|change|put|switch|turn|update] the [value of|] {k} in {f} to {v};
in {f}, [set|change|make|switch] the {k} [to|into] {v};[edit|update|modify] {f}: {k} [should be|becomes|is now] {v};
the value of {k} in {f} [should|must|has to] be {v};[I want|I need] {k} to be {v} in {f};
[use|write|take] {v} as the {k} in {f};give {k} the value {v} in {f};
~I want the {k} in {f} to be {v};~adjust {f} so that {k} is {v}""")
READ_TWO = lines("""let me see both {f} and {g};what do {f} and {g} say;show {f} and also {g};
what do the two files {f} and {g} contain;read {f} and also {g};
show me {f} and {g};read {f} and {g};what is in {f} and {g};print {f} and {g};
read both {f} and {g};show {f} and {g};open {f} and {g};look at {f} and {g};read both {f} and {g} for me;check {f} and {g};
take a look at {f} and {g};look at both {f} and {g};compare what is in {f} and {g};open both {f} and {g};
[show|print|read|open|display|view|check] [me|] [the files|both|] {f} and {g} [for me|];
[what|tell me what] [is|stands] in {f} and [in|] {g};[look|have a look] [at|into] [both|the files|] {f} and {g};
I want to [see|read] [both|] {f} and {g};[give|show] me the contents of {f} and {g};first {f}, then {g}, [read|show] both;
~let me see {f} and also {g};~what do {f} and {g} contain""")
FIND_SHOW = lines("""locate {w} and show the file;find the file with {w}, then show it;locate the file that has {w} and show it;
search for {w}, then display the file;display the file with {w};
find the file that contains {w} and show it;which file has {w}? show it to me;
search for {w} and read the file;look for {w} and open the file it is in;find {w} and print that file;
[find|search for|look for] {w} [and|, then] [show|read|open|print] the file [it is in|that has it|with it];
[which|what] file [contains|mentions] {w}? [open|show|read|print] it;
[search|look] for {w} and [show|read] me the [whole|] file;
[show|open|read|print] the file [that contains|with|that has|that mentions] {w};
~locate the file with {w}, then display it""")
MAKE_RUN = lines("""I need a script {f} which prints {q}, run it as well;make a script {f} printing {q}, then run it;I need a script {f} for printing {q}, and run it;
write a script {f} that prints {q} and run it;create {f} that prints {q}, then run it;
make a shell script {f} that prints {q} and execute it;
[write|create|make] [a|the] [shell|] script {f} [that|which] [prints|says|echoes] {q} and [run|start|execute|try] it;
[I want|I need] a [shell|] script {f} that [prints|says] {q}, [then|and] run it;
~I need a script {f} printing {q}; run it too""".replace("{q}; run", "{q}, run"))
FIRST = lines("""line one of {f}, please;show me line one of {f};tell me what line one of {f} is;
print line 1 of {f};
what is the first line of {f};read the first line of {f};show the first line of {f};
first line of {f};[show|print|read|give|tell] [me|] [only|just|] the [first|top] line [of|in] [the file|] {f};
what [is|stands] [on|in] the first line of {f};how does {f} [start|begin];[only|just] the first line of {f};
~tell me line one of {f}""")

# Wishes that one command line fulfils: phrasings, the command, its output, the answer.
SHELL = (
	("free disk space;how much disk space is free;how full is the disk;show the free disk space;is the disk full;"
	 "how much [disk space|space|room] [is|] [free|left] [on this machine|on the disk|];"
	 "is there [space|room] left on the disk;"
	 "[check|show|tell me] the [free space|disk usage|disk space] [of the disk|];check the disk space;how much room do we have on the disk;what room is left on the disk;~how much room is left on the disk", "df -h /", "disk"),
	("how much [memory|RAM] is [free|left|available|used] [on this machine|here|];"
	 "[check|show|tell me] the [memory|RAM] [use|usage|];how much memory is free;show memory use;how much RAM is used;check the memory;free memory;"
	 "is there memory left;~how much memory is left", "free -h", "memory"),
	("who am I;which user am I;what is my user name;under which user do you run;tell me the user;tell me my user name;~tell me the user name", "whoami", "user"),
	("what is the name of this machine;host name;what is the host name;which machine is this;"
	 "how is this machine called;name of this computer;~how is this computer called", "hostname", "host"),
	("which kernel is running;what kernel version is this;kernel version;show the kernel version;"
	 "the version of the kernel;tell me the kernel version;~tell me the version of the kernel", "uname -r", "kernel"),
	("how long is the machine up;what is the uptime;show the uptime;since when is the system running;"
	 "how long has this machine been running;for how long is this box running;~how long has this box been running", "uptime -p", "uptime"),
	("where are we;what is the current directory;which directory are we in;print the working directory;"
	 "path of the current directory;tell me the path of the directory;~what is the path of this directory", "pwd", "pwd"),
	("how many cores does this machine have;how many CPUs are there;number of processors;"
	 "how many processors are there;how many processors do we have;~how many processors can we use", "nproc", "nproc"),
	("what is the date;what day is it today;today's date;what date is it;tell me the date of today;tell me the date;~tell me today's date", "date +%F", "date"),
	("what time is it;the time please;current time;tell me what time it is;~tell me the time", "date +%H:%M", "clock"),
	("which git branch is this;what branch am I on;current branch;on which branch are we;"
	 "name the git branch;name the branch we are on;~name the current git branch", "git branch --show-current", "branch"),
	("what changed in git;git status;show the git status;are there uncommitted changes;which files did I change;"
	 "is there something to commit;what is there to commit;did anything change in git;~is there anything to commit", "git status --short", "status"),
	("[build|compile|make] [the|this] [program|project|code|thing];[start|do] [a|the] build;"
	 "build [it|this];build the project;run make;build it;compile the project;do a build;~please do a build", "make", "make"),
	("[run|start|execute|do] [the|all|all the] tests;[do|check if] the tests [pass|work|succeed];"
	 "test [the|this] [project|program|code];run the tests;test it;run all tests;check if the tests pass;do the tests pass;see if all tests pass;see if the tests work;~see if the tests succeed", "make test", "tests"),
	("which python version is installed;python version;what version of python do we have;"
	 "the version of python;tell me the python version;~tell me the version of python", "python3 --version", "python"),
)
SHELL = tuple((Phrases(q.split(";")), c, k) for q, c, k in SHELL)
# The same with a name in it.
SHELL_NAMED = (
	("[delete|remove|erase|drop] [the file|] {f};get rid of [the file|] {f};throw {f} away;throw out {f};"
	 "the file {f} [is not needed any more|can go|is no longer needed], [delete|remove] it;delete {f};remove {f};delete the file {f};get rid of {f};~throw away {f}", "rm {f}", "I removed `{f}`."),
	("[make|create|add] [a|the|a new] [directory|folder] [called|named|] {d};"
	 "[I want|I need] a [new|] [folder|directory] [called|named] {d};make a directory {d};create the directory {d};create a folder {d};mkdir {d};I need the folder {d};I need a directory {d};~I need a folder {d}",
	 "mkdir -p {d}", "I created the directory `{d}`."),
	("[rename|move] [the file|] {f} [to|into] {g};the file {f} should be [called|named] {g};the new name of {f} is {g};"
	 "rename {f} to {g};move {f} to {g};change the name of {f} to {g};give {f} a new name, {g};give the file {f} the new name {g};{f} should get the name {g};~give {f} the name {g}",
	 "mv {f} {g}", "I renamed `{f}` to `{g}`."),
	("[copy|duplicate] [the file|] {f} [to|as|into] {g};[make|create|I want] a copy of {f} [called|named|as|under the name] {g};"
	 "copy {f} to {g};make a copy of {f} named {g};duplicate {f} as {g};I need a copy of {f} as {g};I need a copy {g} of the file {f};~I need a copy of {f} called {g}",
	 "cp {f} {g}", "I copied `{f}` to `{g}`."),
	("make the [file|script] {f} executable;let me execute {f};I want to execute {f}, set its [rights|permissions];"
	 "[give|add] {f} the [right|permission] to be executed;make {f} executable;set the execute bit on {f};let me run {f} as a program;let the file {f} be executable;~let {f} be executed", "chmod +x {f}", "`{f}` is executable now."),
	("[create|make|add] [an|a new] empty file [called|named|] {f};create {f}, but leave it empty;"
	 "the file {f} should exist and be empty;create an empty file {f};touch {f};make an empty file {f};I need {f} as an empty file;I need an empty file {f};~I need an empty {f}", "touch {f}",
	 "I created the empty file `{f}`."),
)
SHELL_NAMED = tuple((Phrases(q.split(";")), c, a) for q, c, a in SHELL_NAMED)

KEYS = """port host user name color mode level size limit path version timeout theme language title
width height speed owner group retries debug cache format editor shell backup prefix suffix""".split()
NO_FILE = ("error: no such file: {f}", "error: {f}: no such file or directory", "{f}: No such file or directory",
	   "error: cannot open {f}: No such file or directory", "error: {f} does not exist", "error: file not found: {f}")
NO_TEXT = ("error: the text was not found in {f}", "error: old text not found", "error: {f}: text to replace not found",
	   "error: no match in {f}", "error: old does not occur in {f}")
WROTE = ("wrote {n} bytes to {f}", "ok", "{n} bytes written", "written: {f}", "wrote {f}, {n} bytes", "created {f} ({n} bytes)")
EDITED = ("replaced 1 occurrence in {f}", "ok", "edited {f}", "1 replacement", "changed {f}", "replaced 1 occurrence")
NONE_FOUND = ("no matches", "no match", "nothing found", "(no matches)", "")
EMPTY_DIR = ("(empty)", "no files", "", "no files match")
DENIED = ("error: denied by the user", "error: the user said no", "denied: not allowed", "error: permission denied")


class Session:
	"""One conversation with tools: messages, and what each answer is checked for."""

	def __init__(self, src, offered, thinking):
		self.src, self.offered, self.thinking = src, offered, thinking
		self.messages, self.checks = [], []
		self.calls = 0
		self.titles = []

	def user(self, text, title):
		self.messages.append({"role": "user", "content": text})
		self.titles.append(title)

	def assistant(self, content, why, check=None, kind=None, calls=None):
		message = {"role": "assistant", "content": content}
		if self.thinking:
			message["reasoning_content"] = why
		if calls:
			message["tool_calls"] = calls
		if check is not None:
			self.checks.append((len(self.messages), kind, check))
		self.messages.append(message)

	def call(self, why, *calls):
		"""calls: (tool, arguments) each; the results have to follow."""
		made = []
		for name, arguments in calls:
			made.append({"id": "call_%d" % self.calls, "type": "function",
				     "function": {"name": name,
						  "arguments": json.dumps(arguments, ensure_ascii=False)}})
			self.calls += 1
		self.pending = [c["id"] for c in made]
		expected = [{"name": n, "arguments": a} for n, a in calls]
		self.assistant("", why, {"calls": expected}, "calls", made)

	def result(self, text):
		self.messages.append({"role": "tool", "tool_call_id": self.pending.pop(0), "content": text})

	def answer(self, content, why, *said):
		self.assistant(content, why, {"all": list(said)}, "results")

	def has(self, *names):
		return all(n in self.offered for n in names)


def named(src, name):
	"""A file as people write it in a sentence."""
	kind = src.random()
	return name if kind < 0.8 else "`%s`" % name if kind < 0.92 else '"%s"' % name


def cited(src, text):
	kind = src.random()
	if kind < 0.15 and text[-1].isalnum() and " and " not in text:
		return text
	kind = src.random()
	return '"%s"' % text if kind < 0.6 else "'%s'" % text if kind < 0.8 else "`%s`" % text


def sentence(src):
	"""One line as it may stand in a text file."""
	kind = src.upto(0, 11)
	if kind == 0:
		return "buy %d %s" % (src.upto(2, 99), src.pick(THINGS))
	if kind == 1:
		return "%s %s at %d:%02d" % (src.pick(("call", "meet", "ask", "mail", "visit")), src.pick(PEOPLE),
					     src.upto(7, 21), src.upto(0, 59))
	if kind == 2:
		return "the %s is %s" % (src.word(), src.pick(("new", "old", "broken", "ready", "late", "empty", "red", "closed")))
	if kind == 3:
		return "%s: %s" % (src.word(), src.value())
	if kind == 4:
		return "hello %s" % src.word()
	if kind == 5:
		return " ".join(src.word() for _ in range(src.upto(2, 4)))
	if kind == 6:
		return "%s %d" % (src.word(), src.upto(1, 999))
	if kind == 7:
		return "%s-%d" % (src.word(), src.upto(1, 99))
	if kind == 8:
		return "TODO: check the %s" % src.word()
	if kind == 9:
		return "%s has %d %s" % (src.pick(PEOPLE), src.upto(2, 99), src.pick(THINGS))
	if kind == 10:
		return "# %s" % src.word()
	return "%s, %s and %s" % (src.word(), src.word(), src.word())


def code(src, word=None):
	word = word or src.word()
	return src.pick(("int %s = %d;" % (word, src.upto(0, 999)), "def %s(x):" % word, "return %s;" % word,
			 "%s(%d);" % (word, src.upto(0, 99)), "import %s" % word, "let %s = %d" % (word, src.upto(0, 99)),
			 "print(%s)" % word, "# %s" % word, "if (%s > %d)" % (word, src.upto(0, 99)),
			 "echo %s" % word, "x = %s + %d" % (word, src.upto(0, 99))))


def text_lines(src, low=1, high=6):
	maker = code if src.chance(0.25) else sentence
	return [maker(src) for _ in range(src.upto(low, high))]


def settings(src, n=None):
	keys = []
	while len(keys) < (n or src.upto(1, 5)):
		key = src.pick(KEYS) if src.chance(0.8) else src.word()
		if key not in keys:
			keys.append(key)
	glue = src.pick(("=", " = ", ": "))
	return [(k, src.value()) for k in keys], glue


def block(text):
	return "```\n%s\n```" % text.rstrip("\n")


def plural(n, one, many=None):
	return "%d %s" % (n, one if n == 1 else many or one + "s")


def ending(src):
	return "\n" if src.chance(0.3) else ""


def read_answer(s, path, got):
	rows = got.rstrip("\n").split("\n")
	if len(rows) == 1:
		s.answer("`%s` contains: %s" % (path, rows[0]), "The result is one line.", rows[0])
	else:
		s.answer("`%s` contains:\n%s" % (path, block(got)), "The result has %d lines." % len(rows), *rows)


def no_file(s, path):
	s.result(s.src.pick(NO_FILE).format(f=path))
	s.answer("The file `%s` does not exist." % path, "The file was not found.", path, "not exist")


def show(s):
	src = s.src
	path = src.file()
	s.user(src.ask(src.phrase(SHOW, f=named(src, path))), "Reading %s" % path)
	s.call("I read `%s`." % path, ("read_file", {"path": path}))
	if src.chance(0.12):
		return no_file(s, path)
	rows = text_lines(src)
	s.result("\n".join(rows) + ending(src))
	read_answer(s, path, "\n".join(rows))
	if src.chance(0.25):
		n = len(rows)
		what = src.pick(("how many lines is that", "how many lines are there", "and how many lines does it have"))
		s.user(src.ask(what), "Lines of %s" % path)
		s.answer("`%s` has %s." % (path, plural(n, "line")), "I count the lines: %s." %
			 ", ".join(str(i + 1) for i in range(n)), plural(n, "line"))
	elif src.chance(0.3):
		at = src.upto(1, len(rows))
		names = ("first", "second", "third", "fourth", "fifth", "sixth")
		which = "last" if at == len(rows) and src.chance(0.5) else names[at - 1]
		s.user(src.ask(src.pick(("what is the %s line", "repeat the %s line", "and the %s line", "which is the %s line",
					 "just the %s line")) % which), "A line of %s" % path)
		s.answer("The %s line is: %s" % (which, rows[at - 1]), "The user wants the %s line." % which, rows[at - 1])


def part(s):
	src = s.src
	path, n, k = src.file(), src.upto(2, 20), src.upto(2, 200)
	kind = src.random()
	f = named(src, path)
	if kind < 0.5:
		question, args = src.phrase(HEAD, f=f, n=n), {"path": path, "limit": n}
	elif kind < 0.65:
		question, args, n = src.phrase(FIRST, f=f), {"path": path, "limit": 1}, 1
	elif kind < 0.85:
		question, args = src.phrase(FROM, f=f, k=k), {"path": path, "offset": k}
	else:
		question, args = src.phrase(SPAN, f=f, k=k, n=n), {"path": path, "offset": k, "limit": n}
	s.user(src.ask(question), "Reading part of %s" % path)
	s.call("I read part of `%s`." % path, ("read_file", args))
	if src.chance(0.08):
		return no_file(s, path)
	rows = text_lines(src, 1, min(n, 4)) if n < 5 else text_lines(src, 2, 5)
	s.result("\n".join(rows) + ending(src))
	read_answer(s, path, "\n".join(rows))


def value(s):
	src = s.src
	path = src.file(("conf", "ini", "cfg", "env", "toml", "yaml", "txt", "json"))
	pairs, glue = settings(src)
	key, val = src.pick(pairs)
	s.user(src.ask(src.phrase(VALUE, k=key, f=named(src, path))), "The %s in %s" % (key, path))
	s.call("I read `%s` to find %s." % (path, key), ("read_file", {"path": path}))
	if src.chance(0.08):
		return no_file(s, path)
	missing = src.chance(0.1) and len(pairs) > 1
	if missing:
		pairs = [p for p in pairs if p[0] != key]
	s.result("\n".join(k + glue + v for k, v in pairs) + ending(src))
	if missing:
		return s.answer("`%s` does not set %s." % (path, key), "There is no %s in the result." % key, "does not set")
	s.answer("The %s in `%s` is %s." % (key, path, val), "The result has %s%s%s." % (key, glue, val), val)
	if src.chance(0.3) and len(pairs) > 1:
		key, val = src.pick([p for p in pairs if p[0] != key])
		s.user(src.ask(src.pick(("and the %s", "what about the %s", "and %s", "and what is the %s", "how about %s")) % key),
		       "The %s in %s" % (key, path))
		s.answer("The %s in `%s` is %s." % (key, path, val), "The result above has %s%s%s." % (key, glue, val), val)


def count(s):
	src = s.src
	path = src.file()
	s.user(src.ask(src.phrase(COUNT, f=named(src, path))), "Lines of %s" % path)
	command = "wc -l " + path
	s.call("I count the lines with wc.", ("shell", {"command": command}))
	if src.chance(0.1):
		s.result("wc: %s: No such file or directory" % path)
		return s.answer("The file `%s` does not exist." % path, "The file was not found.", "not exist")
	n = src.upto(1, 9999) if src.chance(0.7) else src.upto(1, 30)
	s.result(shell_output(src, "%d %s" % (n, path)))
	s.answer("`%s` has %s." % (path, plural(n, "line")), "wc printed %d." % n, plural(n, "line"))


def listing(s):
	src = s.src
	kind = src.random()
	d = src.folder()
	ext = src.pick(("txt", "md", "c", "h", "py", "sh", "json", "csv", "log", "conf", "js", "html", "rs", "go"))
	p = "*." + ext if src.chance(0.8) else src.stem() + "*"
	called = src.pick(KINDS) if src.chance(0.3) else None
	if called:
		p = called[1]
	if kind < 0.35:
		question, args = src.phrase(LIST, d=named(src, d)), {"path": d}
	elif kind < 0.55:
		question, args = src.phrase(LIST_HERE), {}
	elif kind < 0.8:
		question = src.phrase(LIST_NAMED, d=named(src, d), n=called[0]) if called else \
			src.phrase(LIST_KIND, d=named(src, d), p=p)
		args = {"path": d, "pattern": p}
	else:
		question = src.phrase(LIST_NAMED_HERE, n=called[0]) if called else src.phrase(LIST_KIND_HERE, p=p)
		args = {"pattern": p}
	where = "`%s`" % d if "path" in args else "the workspace"
	s.user(src.ask(question), "Files in %s" % (d if "path" in args else "the workspace"))
	s.call("I list %s." % where, ("list_files", args))
	if src.chance(0.08) and "path" in args:
		s.result(src.pick(NO_FILE).format(f=d))
		return s.answer("The directory %s does not exist." % where, "The directory was not found.", "not exist")
	n = 0 if src.chance(0.08) else src.upto(1, 7)
	if n == 0:
		s.result(src.pick(EMPTY_DIR))
		if "pattern" in args:
			return s.answer("There are no files that match `%s` in %s." % (p, where), "Nothing was found.", "no files")
		return s.answer("There are no files in %s." % where, "Nothing was found.", "no files")
	names = []
	while len(names) < n:
		if p[0] == "*" and "pattern" in args:
			name = src.stem() + p[1:]
		elif "pattern" in args:
			name = p[:-1] + src.pick(("", "1", "2", "-old", "_new", "-a", "-b", "3")) + "." + ext
		else:
			name = src.file(folder=0)
		if name not in names:
			names.append(name)
	s.result("\n".join(names) + ending(src))
	s.answer("There %s in %s: %s." % ("is 1 file" if n == 1 else "are %d files" % n, where, ", ".join(names)),
		 "I count: %s." % ", ".join("%d %s" % (i + 1, x) for i, x in enumerate(names)), "%d file" % n, *names)
	if src.chance(0.2):
		path = src.pick(names)
		full = d + "/" + path if "path" in args else path
		s.user(src.ask(src.phrase(SHOW, f=named(src, path))), "Reading %s" % path)
		if not s.has("read_file"):
			return s.assistant("I have no tool to read files.", "No tool fits.", {"all": ["no tool"]}, "talk")
		s.call("I read `%s`." % full, ("read_file", {"path": full}))
		rows = text_lines(src, 1, 3)
		s.result("\n".join(rows))
		read_answer(s, full, "\n".join(rows))


def search(s):
	src = s.src
	kind = src.random()
	word = src.word() if src.chance(0.6) else src.stem()
	if not src.may_use(word):
		word = src.stem()
	src.guard(word)
	if kind < 0.5:
		args, question = {"pattern": word}, src.phrase(SEARCH, w=named(src, word))
	else:
		where = src.folder() if src.chance(0.6) else src.file()
		args = {"pattern": word, "path": where}
		question = src.phrase(SEARCH_IN, w=named(src, word), d=named(src, where))
	s.user(src.ask(question), "Searching for %s" % word)
	s.call("I search for `%s`." % word, ("search_files", args))
	n = 0 if src.chance(0.12) else src.upto(1, 4)
	if not n:
		s.result(src.pick(NONE_FOUND))
		return s.answer("I found no `%s`." % word, "There is no match.", "found no")
	hits, single = [], "path" in args and "." in args["path"]
	for _ in range(n):
		path = args["path"] if single else src.file(folder=0.5)
		if "path" in args and not single:
			path = args["path"] + "/" + path.split("/")[-1]
		hits.append((path, src.upto(1, 400), code(src, word) if src.chance(0.5) else "%s %s" % (src.word(), word)))
	if single:
		hits.sort(key=lambda hit: hit[1])
	s.result("\n".join("%s:%d:%s" % h for h in hits) + ending(src))
	s.answer("I found `%s` in %s: %s." % (word, plural(n, "place"), ", ".join("%s line %d" % h[:2] for h in hits)),
		 "There %s." % ("is 1 match" if n == 1 else "are %d matches" % n),
		 *["%s line %d" % h[:2] for h in hits])


def shell_output(src, text, code_=0):
	kind = src.random()
	if code_:
		return text + src.pick(("\n[exit code %d]", "\nexit code %d", "\n(exit code %d)", "\nexit status %d")) % code_
	return text + "\n" if kind < 0.3 else text + "\n[exit code 0]" if kind < 0.4 else text + "\nexit code 0" if kind < 0.5 else text


def any_command(src):
	kind = src.upto(0, 17)
	f = src.file()
	if kind == 0:
		return "ls " + src.pick(("-l", "-a", "-la", "-lh")) + " " + src.folder()
	if kind == 1:
		return "python3 " + src.file(("py",))
	if kind == 2:
		return "bash " + src.file(("sh",))
	if kind == 3:
		return "./" + src.stem() + src.pick((".sh", "", ".py")) + src.pick(("", " -v", " " + src.word(), " --" + src.word()))
	if kind == 4:
		return "make " + src.pick(("test", "check", "clean", "install", "all", src.word()))
	if kind == 5:
		return "echo " + src.word() + src.pick(("", " " + src.word()))
	if kind == 6:
		return "grep -n %s %s" % (src.word(), f)
	if kind == 7:
		return "sort %s%s" % (src.pick(("", "-n ", "-r ", "-u ")), f)
	if kind == 8:
		return "git %s" % src.pick(("log --oneline", "status", "diff", "branch", "pull", "checkout " + src.word(), "add " + f))
	if kind == 9:
		return "du -sh " + src.folder()
	if kind == 10:
		return "cat %s | %s" % (f, src.pick(("sort", "wc -l", "head -n 3", "uniq", "tail -n %d" % src.upto(1, 9))))
	if kind == 11:
		return "find %s -name '*.%s'" % (src.folder(), src.pick(("c", "py", "txt", "log")))
	if kind == 12:
		return "%s %s" % (src.pick(("head -n %d" % src.upto(1, 20), "tail -n %d" % src.upto(1, 20), "file", "stat", "md5sum",
					    "sha256sum", "gzip", "wc -w", "nl", "tac")), f)
	if kind == 13:
		return "gcc -o %s %s" % (src.word(), src.file(("c",)))
	if kind == 14:
		return "npm %s" % src.pick(("test", "install", "run " + src.word()))
	if kind == 15:
		return "seq %d %d" % (src.upto(1, 5), src.upto(6, 9))
	if kind == 16:
		return src.pick(("uname -a", "date", "env", "id", "uptime", "hostname", "ps", "df -h", "free -m", "lsblk", "nproc", "pwd"))
	return src.stem() + src.pick((" -v", " --help", " " + src.word()))


def tell_output(s, text):
	rows = text.split("\n")
	if len(rows) == 1:
		s.answer("The command printed: %s" % text, "The output is one line.", text)
	else:
		s.answer("The command printed:\n%s" % block(text), "The output has %d lines." % len(rows), *rows)


def run(s):
	src = s.src
	command = any_command(src)
	args = {"command": command}
	shown = command if src.chance(0.3) and " " not in command else "`%s`" % command if src.chance(0.6) else command
	if src.chance(0.2):
		n = src.pick((5, 10, 15, 20, 30, 45, 60, 90, 100, 120, 180, 200, 240, 300, 600, src.upto(1, 999)))
		args["timeout"] = n
		question = src.phrase(RUN_LIMIT, c=shown, n=n)
	else:
		question = src.phrase(RUN, c=shown)
	s.user(src.ask(question) if shown[0] == "`" else question[:1].upper() + question[1:] if src.chance(0.6) else question,
	       "Running %s" % command.split()[0])
	s.call("I run the command in the shell.", ("shell", args))
	kind = src.random()
	if kind < 0.12:
		code_ = src.pick((1, 1, 2, 3, 126, 127, src.upto(1, 99)))
		error = src.pick(("error: %s" % sentence(src), "%s: not found" % command.split()[0], "failed: %s" % src.word()))
		s.result(shell_output(src, error, code_))
		return s.answer("The command failed with exit code %d: %s" % (code_, error), "The exit code is %d." % code_,
				"exit code %d" % code_, error)
	if kind < 0.16:
		s.result(src.pick(DENIED))
		return s.answer("I was not allowed to run the command.", "The call was denied.", "not allowed")
	if kind < 0.22:
		s.result(src.pick(("", "(no output)", "exit code 0", "[exit code 0]")))
		return s.answer("The command printed nothing.", "There is no output.", "nothing")
	if kind < 0.25 and "timeout" in args:
		s.result("error: timed out after %d seconds" % args["timeout"])
		return s.answer("The command was stopped after %d seconds." % args["timeout"], "It ran too long.", "stopped")
	text = "\n".join(text_lines(src, 1, 4))
	s.result(shell_output(src, text))
	tell_output(s, text)


def wish(s):
	src = s.src
	phrases, command, kind = src.pick(SHELL)
	s.user(src.ask(src.phrase(phrases)), {"disk": "Disk space", "memory": "Memory use"}.get(kind, "Running %s" % command.split()[0]))
	s.call("I run `%s`." % command, ("shell", {"command": command}))
	n, m = src.upto(1, 900), src.upto(1, 99)
	if kind == "disk":
		s.result(shell_output(src, "Filesystem Size Used Avail Use%% Mounted on\n/dev/sda1 %dG %dG %dG %d%% /" % (n + m, m, n, m)))
		s.answer("%dG are free; the disk is %d%% full." % (n, m), "Avail is %dG and Use%% is %d%%." % (n, m), "%dG" % n, "%d%%" % m)
	elif kind == "memory":
		s.result(shell_output(src, "      total used free\nMem:  %dGi %dGi %dGi" % (n + m, m, n)))
		s.answer("%dGi of memory are free, %dGi are used." % (n, m), "The line Mem has used %dGi and free %dGi." % (m, n), "%dGi" % n)
	elif kind == "status":
		names = [src.file() for _ in range(src.upto(0, 4))]
		s.result(shell_output(src, "\n".join(src.pick((" M ", "?? ", "A  ", " D ")) + x for x in names)))
		if names:
			s.answer("%s changed: %s." % (plural(len(names), "file"), ", ".join(names)), "The status lists %s." %
				 plural(len(names), "file"), *names)
		else:
			s.answer("Nothing has changed.", "The status is empty.", "Nothing")
	elif kind in ("make", "tests"):
		if src.chance(0.4):
			code_ = src.pick((1, 2))
			error = src.pick(("%s:%d: error: %s" % (src.file(("c",)), n, src.word()), "test %s failed" % src.stem(), "make: *** no rule to make %s" % src.stem()))
			s.result(shell_output(src, error, code_))
			s.answer("It failed with exit code %d: %s" % (code_, error), "The exit code is %d." % code_, error)
		else:
			good = src.pick(("%d tests passed" % n, "all %d tests passed" % n, "ok: %d tests" % n)) if kind == "tests" else \
				src.pick(("cc -o %s %s.c" % ((src.word(),) * 2), "built %s" % src.stem(), "make: nothing to be done"))
			s.result(shell_output(src, good))
			s.answer("It succeeded: %s" % good, "There is no error.", good)
	else:
		text, said = {
			"user": lambda: (lambda x: (x, "You are the user %s." % x))(src.word()),
			"host": lambda: (lambda x: (x, "This machine is called %s." % x))(src.stem()),
			"kernel": lambda: (lambda x: (x, "The kernel is %s." % x))("%d.%d.%d-%d-amd64" % (src.upto(4, 6), src.upto(0, 19), src.upto(0, 99), src.upto(1, 40))),
			"uptime": lambda: (lambda x: ("up " + x, "The machine has been up for %s." % x))("%d days, %d hours, %d minutes" % (m + 1, src.upto(2, 23), src.upto(2, 59))),
			"pwd": lambda: (lambda x: (x, "The current directory is `%s`." % x))("/home/%s/%s" % (src.word(), src.stem())),
			"nproc": lambda: (lambda x: (str(x), "This machine has %s." % plural(x, "core")))(src.upto(1, 128)),
			"date": lambda: (lambda x: (x, "Today is %s." % x))("%d-%02d-%02d" % (src.upto(2020, 2039), src.upto(1, 12), src.upto(1, 28))),
			"clock": lambda: (lambda x: (x, "It is %s." % x))("%02d:%02d" % (src.upto(0, 23), src.upto(0, 59))),
			"branch": lambda: (lambda x: (x, "You are on the branch %s." % x))(src.stem()),
			"python": lambda: (lambda x: ("Python " + x, "The version is Python %s." % x))("3.%d.%d" % (src.upto(7, 14), src.upto(0, 19))),
		}[kind]()
		s.result(shell_output(src, text))
		s.answer(said, "The output is %s." % text, said)


def wish_named(s):
	src = s.src
	phrases, command, said = src.pick(SHELL_NAMED)
	f, g, d = src.file(), src.file(), src.folder() if src.chance(0.4) else src.stem()
	command, said = command.format(f=f, g=g, d=d), said.format(f=f, g=g, d=d)
	s.user(src.ask(src.phrase(phrases, f=named(src, f), g=named(src, g), d=named(src, d))), "Running %s" % command.split()[0])
	s.call("I run `%s`." % command, ("shell", {"command": command}))
	kind = src.random()
	tool = command.split()[0]
	if kind < 0.1 and tool in ("rm", "mv", "cp", "chmod"):
		s.result(shell_output(src, "%s: cannot access '%s': No such file or directory" % (tool, f), 1))
		return s.answer("The file `%s` does not exist." % f, "The file was not found.", f, "not exist")
	if kind < 0.15:
		s.result(src.pick(DENIED))
		return s.answer("I was not allowed to run the command.", "The call was denied.", "not allowed")
	s.result(src.pick(("", "(no output)", "exit code 0", "[exit code 0]")))
	s.answer(said, "It worked.", said)


def write(s):
	src = s.src
	path = src.file()
	if src.chance(0.65):
		text = code(src) if src.chance(0.15) else sentence(src)
		question = src.phrase(WRITE, f=named(src, path), q=cited(src, text))
	else:
		rows = [src.word() if src.chance(0.6) else sentence(src) for _ in range(src.upto(2, 4))]
		rows = [r.replace(",", "") for r in rows]
		rows = [r.replace(" and ", " or ") for r in rows]
		text = "\n".join(rows) + "\n"
		question = src.phrase(WRITE_LINES, f=named(src, path), l=", ".join(rows[:-1]) + " and " + rows[-1])
	s.user(src.ask(question), "Writing %s" % path)
	s.call("I write `%s`." % path, ("write_file", {"path": path, "content": text}))
	written(s, path, text)


def written(s, path, text):
	src = s.src
	kind = src.random()
	if kind < 0.06:
		s.result(src.pick(DENIED))
		return s.answer("I was not allowed to write `%s`." % path, "The call was denied.", "not allowed")
	s.result(src.pick(WROTE).format(n=len(text.encode()), f=path))
	s.answer("I wrote `%s`." % path, "It worked.", "`%s`" % path)


def edit(s):
	src = s.src
	path = src.file()
	kind = src.random()
	if kind < 0.4:
		a, b = src.word(), src.word()
	elif kind < 0.7:
		key, glue = src.pick(KEYS), src.pick(("=", " = ", ": "))
		a, b = key + glue + src.value(), key + glue + src.value()
	else:
		a, b = sentence(src), sentence(src)
	while b == a:
		b = src.syllables()
	mark = src.random()
	show_ = (lambda x: x) if " " not in a + b and mark < 0.5 else (lambda x: '"%s"' % x) if mark < 0.75 else (lambda x: "`%s`" % x)
	s.user(src.ask(src.phrase(EDIT, f=named(src, path), a=show_(a), b=show_(b))), "Editing %s" % path)
	s.call("I edit `%s`." % path, ("edit_file", {"path": path, "old": a, "new": b}))
	edited(s, path, a, b)


def edited(s, path, a, b):
	src = s.src
	kind = src.random()
	if kind < 0.1:
		s.result(src.pick(NO_TEXT).format(f=path))
		return s.answer("`%s` does not contain `%s`, so I changed nothing." % (path, a), "The text was not found.", "changed nothing")
	if kind < 0.15:
		return no_file(s, path)
	s.result(src.pick(EDITED).format(f=path))
	s.answer("I replaced `%s` with `%s` in `%s`." % (a, b, path), "It worked.", "`%s`" % b)


def set_value(s):
	"""Two rounds: read first, because the old text has to be known."""
	src = s.src
	path = src.file(("conf", "ini", "cfg", "env", "toml", "yaml", "txt"))
	pairs, glue = settings(src)
	key, old = src.pick(pairs)
	new = src.value()
	while new == old:
		new = src.word()
	s.user(src.ask(src.phrase(SET, k=key, v=new, f=named(src, path))), "Setting %s in %s" % (key, path))
	s.call("I read `%s` first." % path, ("read_file", {"path": path}))
	if src.chance(0.08):
		return no_file(s, path)
	s.result("\n".join(k + glue + v for k, v in pairs) + ending(src))
	a, b = key + glue + old, key + glue + new
	s.call("The old line is %s." % a, ("edit_file", {"path": path, "old": a, "new": b}))
	edited(s, path, a, b)


def read_two(s):
	src = s.src
	f, g = src.file(), src.file()
	s.user(src.ask(src.phrase(READ_TWO, f=named(src, f), g=named(src, g))), "Reading two files")
	s.call("I read both files.", ("read_file", {"path": f}), ("read_file", {"path": g}))
	texts = []
	for path in (f, g):
		if src.chance(0.1):
			s.result(src.pick(NO_FILE).format(f=path))
			texts.append("The file `%s` does not exist." % path)
		else:
			line = text_lines(src, 1, 1)[0]
			s.result(line + ending(src))
			texts.append("`%s` contains: %s" % (path, line))
	s.answer("\n\n".join(texts), "I have both results.", *texts)


def write_two(s):
	src = s.src
	f, g = src.file(), src.file()
	a, b = sentence(src), sentence(src)
	question = src.pick(("create {f} with {a} and {g} with {b}", "write {a} to {f} and {b} to {g}",
			     "make two files: {f} with {a} and {g} with {b}", "put {a} into {f} and {b} into {g}"))
	s.user(src.ask(question.format(f=named(src, f), g=named(src, g), a=cited(src, a), b=cited(src, b))), "Writing two files")
	s.call("I write both files.", ("write_file", {"path": f, "content": a}), ("write_file", {"path": g, "content": b}))
	done = src.pick(WROTE)
	for path, text in ((f, a), (g, b)):
		s.result(done.format(n=len(text.encode()), f=path))
	s.answer("I wrote `%s` and `%s`." % (f, g), "Both calls worked.", "`%s`" % f, "`%s`" % g)


def find_show(s):
	src = s.src
	word, path = src.stem(), src.file(folder=0.6)
	s.user(src.ask(src.phrase(FIND_SHOW, w=named(src, word))), "Searching for %s" % word)
	s.call("I search for `%s` first." % word, ("search_files", {"pattern": word}))
	if src.chance(0.1):
		s.result(src.pick(NONE_FOUND))
		return s.answer("I found no `%s`." % word, "There is no match.", "found no")
	rows = text_lines(src, 0, 2) + [code(src, word)] + text_lines(src, 0, 1)
	at = next(i for i, r in enumerate(rows) if word in r)
	s.result("%s:%d:%s" % (path, at + 1, rows[at]))
	s.call("It is in `%s`." % path, ("read_file", {"path": path}))
	s.result("\n".join(rows) + ending(src))
	read_answer(s, path, "\n".join(rows))


def make_run(s):
	src = s.src
	path = src.file(("sh",))
	word = src.word()
	s.user(src.ask(src.phrase(MAKE_RUN, f=named(src, path), q=word)), "A script %s" % path)
	s.call("I write the script first.", ("write_file", {"path": path, "content": "echo %s\n" % word}))
	s.result(src.pick(WROTE).format(n=len(word) + 6, f=path))
	s.call("Now I run it.", ("shell", {"command": "bash " + path}))
	s.result(shell_output(src, word))
	s.answer("I wrote `%s`; it printed: %s" % (path, word), "The output is %s." % word, word)


def plain(s):
	"""A question that needs no tool."""
	turns = any_topic(s.src)
	while turns[0].title == "Date and time":	# with a shell, this is a call
		turns = any_topic(s.src)
	for turn in turns[:2]:
		s.user(turn.question, turn.title)
		s.assistant(turn.answer if s.thinking else turn.spoken or turn.answer, turn.why, turn.check, turn.kind)


MISSING = (("shell", "I have no tool to run commands.", lambda src: src.phrase(RUN, c="`%s`" % any_command(src))),
	   ("read_file", "I have no tool to read files.", lambda src: src.phrase(SHOW, f=src.file())),
	   ("write_file", "I have no tool to write files.", lambda src: src.phrase(WRITE, f=src.file(), q=cited(src, sentence(src)))),
	   ("edit_file", "I have no tool to edit files.", lambda src: src.phrase(EDIT, f=src.file(), a='"%s"' % src.word(), b='"%s"' % src.word())),
	   ("list_files", "I have no tool to list files.", lambda src: src.phrase(LIST, d=src.folder())),
	   ("search_files", "I have no tool to search files.", lambda src: src.phrase(SEARCH, w=src.word())))


def toolless(src):
	"""A request for a tool in a conversation that has none."""
	_, _, ask = src.pick(MISSING)
	return [Turn(src.ask(ask(src)), "I have no tools here; start dsv4chat with --tools.", "There are no tools in this conversation.",
		     "No tools", "talk", {"all": ["no tools"]})]


def unfit(s):
	lacking = [m for m in MISSING if not s.has(m[0])]
	if not lacking:
		return plain(s)
	_, answer, ask = s.src.pick(lacking)
	s.user(s.src.ask(ask(s.src)), "No tool for this")
	s.assistant(answer, "No tool fits.", {"all": [answer]}, "talk")


JOBS = ((show, 12, ("read_file",)), (part, 8, ("read_file",)), (value, 9, ("read_file",)), (count, 4, ("shell",)),
	(listing, 11, ("list_files",)), (search, 9, ("search_files",)), (run, 9, ("shell",)), (wish, 8, ("shell",)),
	(wish_named, 7, ("shell",)), (write, 11, ("write_file",)), (edit, 9, ("edit_file",)),
	(set_value, 5, ("read_file", "edit_file")), (read_two, 7, ("read_file",)), (write_two, 7, ("write_file",)),
	(find_show, 4, ("search_files", "read_file")), (make_run, 2, ("write_file", "shell")), (plain, 10, ()))
NAMES = ("shell", "read_file", "write_file", "edit_file", "list_files", "search_files")
SCHEMA = schemas()
SYSTEM = ("", "", "", "", "You are a helpful assistant.", "You are an agent with tools.", "Use the tools when they help.",
	  "You work in the user's workspace.", "Answer briefly.", "You are a careful assistant.")


def offer(src):
	"""Which tools are described, and in which order: mostly all six as they stand."""
	kind = src.random()
	if kind < 0.55:
		return NAMES
	if kind < 0.7:
		names = list(NAMES)
		for i in (5, 3, 1):
			j = src.upto(0, i)
			names[i], names[j] = names[j], names[i]
		return tuple(names)
	n = src.upto(1, 5)
	names = [name for name in NAMES if src.chance(n / 6)]
	return tuple(names) or (src.pick(NAMES),)


def session(src, thinking, rounds):
	offered = offer(src)
	s = Session(src, offered, thinking)
	jobs = [job for job, weight, needs in JOBS if s.has(*needs) for _ in range(weight)]
	for _ in range(rounds):
		if len(offered) < 6 and src.chance(0.2):
			unfit(s)
		else:
			src.pick(jobs)(s)
	about = src.pick(SYSTEM)
	if src.chance(0.08):
		about = "\n".join([about] * bool(about) + [sentence(src) for _ in range(src.upto(1, 4))])
	system = {"role": "system", "content": about, "tools": [SCHEMA[n] for n in offered]}
	s.messages.insert(0, system)
	s.checks = [(at + 1, kind, check) for at, kind, check in s.checks]
	return s
