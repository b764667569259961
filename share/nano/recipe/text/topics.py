"""What one can ask without tools: each topic gives a chain of turns that follow each other."""

from dataclasses import dataclass, field

from words import NOUNS, PEOPLE, THINGS, Phrases, table


@dataclass
class Turn:
	question: str
	answer: str
	why: str			# what it thinks before the answer, in thinking mode
	title: str
	kind: str			# facts, arithmetic or talk: a column of the evaluation
	check: dict = field(default_factory=dict)
	spoken: str = ""		# the answer in chat mode, where it is another


# Commands.

COMMANDS = table("commands.tsv")
KNOWN = {row[0] for row in COMMANDS}
WHAT = Phrases("""give me a description of {x};what is the job of the command {x};I keep reading about {x}, what is it;
I see {x} everywhere, what does it do;say what {x} is for;what would {x} do;
teach me about {x};teach me what {x} does;what use is {x};
the use of {x};
what does {x} do;what does the command {x} do;what is {x};what is {x} for;what's {x};
what is {x} used for;explain {x};explain the command {x};tell me about {x};describe {x};
describe the {x} command;what does the {x} command do;what is the purpose of {x};{x};
can you explain {x};could you explain what {x} does;tell me what {x} does;what can I do with {x};
I saw {x} in a script, what is it;what's the {x} command;what's {x} good for;what do I use {x} for;
do you know {x};do you know what {x} does;meaning of {x};what does {x} mean;what happens when I run {x};
when would I use {x};explain to me what {x} does;help me understand {x};what sort of program is {x};
I don't know {x}, what does it do;someone told me to use {x}, what does it do;why do people use {x};
in one sentence, what is {x};what is it that {x} does;what does {x} show or do;tell me what {x} is used for;
could you tell me what {x} is for;what would I use {x} for;what does running {x} do;what is the {x} command for;define {x};
what kind of tool is {x};what is {x} in Linux;what is {x} on Debian;the {x} command;{x} command;
[can|could|would] you [please|] [explain|describe|tell me about] [the command|] {x};[what|which things] [can|does|will] [the command|the program|] {x} do [for me|];
what [purpose|use|job|function] does [the command|] {x} have;[tell me|I want to know|I'd like to know|please say] what {x} [does|is|is for|is used for|can do];
[I|we] [found|read about|came across|heard of] [the command|] {x}, what [does it do|is it|is it for];what [kind|sort] of [command|program|tool] is {x};
[give|write] me [one sentence|a line|something] about {x};[explain|describe] [briefly|shortly|simply|] what {x} [does|is];how would you [describe|explain] {x};
what is {x} [good for|about|supposed to do|meant for];[why|when] [do|would|should] [I|people|one] use {x};is {x} a command, and what does it do;
~give me a short description of {x};~what is the job of {x};~I keep seeing {x}, what does it do;
~say what {x} does;~what purpose does {x} have;~what would {x} do for me;~teach me {x};
~what is the use of {x}""".replace("\n", "").split(";"))
HOW = Phrases("""[what's|what is|whats] the [command|program|tool] for {g};[which|what] [command|tool] is [there|made|good] for {g};
[I need|I'm looking for|is there|do you know] [something|a command|a tool] for {g};[what|which command] do I use for {g};how does {g} work;I need help with {g};
how do I go about {g};[oops|help|damn], [how do I|how can I|how to] {t};[I|we] [must|should] {t} [now|today|quickly], how;how [can|do] I {t} [again|quickly|properly|from here];
is it possible to {t} with a command;I wish I could {t};explain how I {t};
name the command to {t};my task is this: {t};what do I have to enter to {t};
how might one {t};what is the right way to {t};please explain how I can {t};
how do I {t};how can I {t};how to {t};what is the command to {t};which command can I use to {t};
I want to {t};I need to {t};what do I type to {t};which command do I need to {t};how would I {t};
how does one {t};can you tell me how to {t};tell me how to {t};what should I use to {t};{t};
what command lets me {t};is there a command to {t};command to {t};show me how to {t};how could I {t};
I'd like to {t};help me {t};I am trying to {t};what can I use to {t};what's the command to {t};
what is a good way to {t};what's the command for when I want to {t};my goal is to {t}, which command helps;
I have no idea how to {t};which command is used to {t};now I want to {t}, how do I do it;I forgot how to {t};
what's the best way to {t};how do you {t};I have to {t};which program can {t};
what tool do I use to {t};which tool helps me {t};in the terminal, how do I {t};on Linux, how do I {t};
in Debian, how can I {t};how do I {t} from the command line;what do I run to {t};
[how|in what way] [do|can|could|would|should] [I|we|you|one] {t} [here|on this machine|in the shell|in a terminal|];[what|which] [command|tool|program] [do|should|can|must] I [use|type|run|take] [to|if I want to|when I want to] {t};
[I want|I need|I have|I would like|I'm trying|we want] to {t}, [how|what do I type|which command is that|what's the command|what should I do];[what|which] is the [best|right|usual|easiest|simplest] [command|way|tool] to {t};
[is there|do you know|can you name|give me|tell me] a [command|tool|program|way] to {t};help me {t};show me how to {t};[what do I|what should I|what can I] [do|enter|type] [to|in order to] {t};
[can|could] I {t} [with a command|from the shell|], and how;[tell|explain to|show] me how [to|I can|one can|I could] {t};I [don't know|forgot|can't remember] how to {t};
[someone|my boss|my friend] asked me to {t}, how [do I do that|is that done];[to|in order to] {t}, [what|which command] do I [use|run|type];[need|want] to {t};
what would you [use|type|run] to {t};which [command|program] [lets me|is used to|allows me to] {t};
~how might I {t};~what must I enter to {t};~please explain how to {t};~is it possible to {t};
~I wish to {t};~what is the right command to {t};~name a command to {t};~my task is to {t}
""".replace("\n", "").split(";"))
WHICH = Phrases("""something that {d};is there anything that {d};what do you call a command that {d};
give me a command that {d};
which command {d};what command {d};which program {d};name the command that {d};
what is the command that {d};what {d};which tool {d};I need a command that {d};
I am looking for a command that {d};tell me the command that {d};is there a program that {d};
what's the name of the command that {d};
[what|which] [command|program|tool] {d};[name|give me|tell me] [a|the] [command|program|tool] that {d};[I need|I want|I'm looking for|do you know] [something|a command|a tool] that {d};
[how is|what is] the [command|program|tool] called that {d};
~what do you call the command that {d};~give me the command that {d};~is there something that {d}
""".replace("\n", "").split(";"))
EXAMPLE = Phrases("""how should I use {x};a typical use of {x};let me see how {x} is used;
how would I call {x};what is a typical call of {x};
give me an example of {x};show me an example of {x};how do I use {x};how is {x} used;
an example of {x};example for {x};how do you use {x};how can I use {x};show me how to use {x};
can you give me an example of {x};I need an example of {x};how does one use {x};{x} example;
usage of {x};what is an example of {x};demonstrate {x};an example with {x}, please;
what does a call of {x} look like;
[show|give|tell|write] me [an|one] example [of|for|with] [the command|] {x};[how|in what way] [do|can|should|would] [I|one|you|we] [use|call|run|apply] [the command|] {x};
what does [an example of|a typical call of] {x} look like;[I need|I want|I'd like] [to see|] an example [of|for|with] {x};[can|could] you [show|give] [me|] an example [of|for|with] {x};
how is {x} [used|called] [in practice|];
~let me see an example of {x};~how would I use {x};~what is a typical use of {x};~how should I call {x}
""".replace("\n", "").split(";"))
LINE = Phrases("""describe the line {e};I was told to type {e}, what will it do;what would {e} do;
what would happen if I was running {e};
what does {e} do;explain {e};what happens if I run {e};what does the line {e} do;
what is {e} for;what will {e} do;tell me what {e} does;explain the command {e};
what is the effect of {e};is it safe to run {e}, and what does it do;
what [does|will|would] [the command|the line|] {e} do;[explain|describe] [the line|] {e};[what|tell me what] happens [if|when] [I|you] [run|type|enter] {e};
what is the [effect|meaning|purpose] of {e};[I saw|I read] {e}, what does it do;what is the point of {e};
~describe what {e} does;~I was told to run {e}, what does it do;~what would running {e} do
""".replace("\n", "").split(";"))
NEXT_COMMAND = Phrases("""then {x};the same question for {x};and now {x};
and {x};what about {x};and what does {x} do;and {x}, what is that;now {x};
how about {x};what is {x} then;and the command {x};and what is {x};~and then {x};~same question for {x}
""".replace("\n", "").split(";"))
NEXT_EXAMPLE = Phrases("""one example;let me see an example;how would I use it;
give me an example;show me an example;an example please;can you show an example;
how do I use it;how is it used;example;and an example;how do I use that;can I see an example;
what does that look like;~let me see one example;~how would one use it""".replace("\n", "").split(";"))
NEXT_HOW = Phrases("""and what if I want to {t};then how do I {t};and what if I have to {t};
and how do I {t};and to {t};how do I {t} then;what if I want to {t};and if I want to {t};
and how can I {t};~and what if I need to {t};~then how would I {t}""".replace("\n", "").split(";"))


def quoted(src, name):
	kind = src.random()
	return name if kind < 0.72 else "`%s`" % name if kind < 0.9 else '"%s"' % name if kind < 0.96 \
		else "'%s'" % name


def what_turn(src, row, phrases=WHAT):
	name, does, _, example, shows = row
	return Turn(src.ask(src.phrase(phrases, x=quoted(src, name))),
		    "`%s` %s. For example, `%s` %s." % (name, does, example, shows),
		    "The user asks what `%s` does." % name, "The command %s" % name, "facts",
		    {"all": [does]})


DOUBLED = frozenset("get put set cut run stop shut let zip unzip drop swap scan split trim strip log".split())


def gerund(task):
	"""The task as a thing: "copy a file" as "copying a file"."""
	verb, blank, rest = task.partition(" ")
	if verb in DOUBLED:
		verb += verb[-1]
	elif verb.endswith("e") and not verb.endswith(("ee", "be")):
		verb = verb[:-1]
	return verb + "ing" + blank + rest


def how_turn(src, row, phrases=HOW):
	name, does, tasks, example, shows = row
	task = src.pick(tasks.split("; "))
	return Turn(src.ask(src.phrase(phrases, t=task, g=gerund(task))),
		    "Use `%s`: it %s. For example, `%s` %s." % (name, does, example, shows),
		    "The user wants to %s. The command `%s` %s." % (task, name, does),
		    "How to %s" % task, "facts", {"all": ["`%s`" % name]})


def which_turn(src, row):
	name, does, _, example, shows = row
	return Turn(src.ask(src.phrase(WHICH, d=does)),
		    "Use `%s`: it %s. For example, `%s` %s." % (name, does, example, shows),
		    "The user looks for a command. The command `%s` %s." % (name, does),
		    "The command %s" % name, "facts", {"all": ["`%s`" % name]})


def example_turn(src, row, phrases=EXAMPLE):
	name, _, _, example, shows = row
	return Turn(src.ask(src.phrase(phrases, x=quoted(src, name))),
		    "`%s` %s." % (example, shows), "The user wants an example of `%s`." % name,
		    "Using %s" % name, "facts", {"all": [example]})


def line_turn(src, row):
	name, _, _, example, shows = row
	return Turn(src.ask(src.phrase(LINE, e="`%s`" % example if src.chance(0.6) else example)),
		    "`%s` %s." % (example, shows),
		    "The user asks about the line `%s`." % example, "Explaining %s" % name, "facts",
		    {"all": [shows]})


def unknown_turn(src):
	"""A command that does not exist: better admitted than made up."""
	while True:
		name = src.syllables()
		if name not in KNOWN and src.may_use(name):
			break
	src.guard(name)
	return Turn(src.ask(src.phrase(WHAT, x=quoted(src, name))),
		    "I do not know the command `%s`." % name,
		    "The user asks about `%s`, which I do not know." % name, "The word %s" % name, "talk",
		    {"all": ["do not know"]})


def commands(src):
	if src.chance(0.08):
		return [unknown_turn(src)]
	row = src.pick(COMMANDS)
	kind = src.random()
	maker = what_turn if kind < 0.36 else how_turn if kind < 0.72 else which_turn if kind < 0.8 \
		else example_turn if kind < 0.92 else line_turn
	turns = [maker(src, row)]
	while src.chance(0.3) and len(turns) < 4:
		kind = src.random()
		if kind < 0.35 and maker in (what_turn, how_turn, which_turn):
			turns.append(example_turn(src, row, NEXT_EXAMPLE))
		elif kind < 0.7:
			row = src.pick(COMMANDS)
			turns.append(what_turn(src, row, NEXT_COMMAND))
			maker = what_turn
		else:
			row = src.pick(COMMANDS)
			turns.append(how_turn(src, row, NEXT_HOW))
			maker = how_turn
	return turns


# Capitals.

CAPITALS = table("capitals.tsv")
CAPITAL = Phrases("""remind me, what is the capital of {n};please remind me which city is the capital of {n};what do people call the capital of {n};
in {n}, what is the capital called;please name {n}'s capital;
what is the capital of {n};capital of {n};which city is the capital of {n};
name the capital of {n};tell me the capital of {n};what's the capital of {n};the capital of {n};
what is {n}'s capital;do you know the capital of {n};what city is the capital of {n};
give me the capital of {n};what is the capital city of {n} called;{n}'s capital;the capital city of {n};
what's the name of {n}'s capital;which city is {n}'s capital;I need the capital of {n};what is the name of the capital of {n};
can you tell me the capital of {n};{n} capital;which is the capital city of {n};
what is the capital city of {n};I forgot the capital of {n};where is the government of {n};
[what|which city] is [the capital|the capital city] of {n};[name|give me|tell me] the capital [city|] of {n} [please|];do you know the capital [city|] of {n};
what is the capital of {n} called;{n}, [what|which city] is its capital;I [want|need|would like] to know the capital of {n};the capital [city|] of {n} is [what|which city];
[what|which city] is {n}'s capital [city|];what do you call the capital [city|] of {n};
~in {n}, which city is the capital;~please name the capital city of {n};
~what do they call the capital of {n};~remind me of the capital of {n}""".replace("\n", "").split(";"))
COUNTRY = Phrases("""which country is {c} the capital of;name the country with the capital {c};{c} is the capital city of what country;
tell me whose capital {c} is;name the country that has {c} as its capital;
{c} is the capital of which country;of which country is {c} the capital;
which country has the capital {c};{c} is the capital of what;what country is {c} the capital of;
which country's capital is {c};
[which|what] country has {c} as its capital;[which|what] country belongs to the capital {c};{c}, [which|what] country is it the capital of;
the city {c} is the capital of [which country|what];[in|of] which country is {c} the capital;
~what is {c} the capital of;~name the country whose capital is {c}""".replace("\n", "").split(";"))
NEXT_CAPITAL = Phrases("""[ok|okay|well|alright|good], and [of|for] {n};and what is it [for|in|of] {n};and which one is it for {n};
and {n}'s;and {n}'s capital;[what|which city] is it [for|in] {n} [then|];and in {n};[now|then] the one of {n};the same for {n};and then {n};the same question for {n};
and of {n};what about {n};and {n};how about {n};and the capital of {n};
and for {n};now {n};~same for {n};~then {n}""".replace("\n", "").split(";"))


def capital_turn(src, phrases=CAPITAL):
	nation, city = src.pick(CAPITALS)
	asked = nation.lower() if src.chance(0.15) else nation
	return Turn(src.ask(src.phrase(phrases, n=asked)), "The capital of %s is %s." % (nation, city),
		    "The user asks for the capital of %s." % nation, "Capital of %s" % nation, "facts",
		    {"all": [city]})


def capitals(src):
	if src.chance(0.2):
		nation, city = src.pick(CAPITALS)
		turns = [Turn(src.ask(src.phrase(COUNTRY, c=city)),
			      "%s is the capital of %s." % (city, nation),
			      "The user asks which country has the capital %s." % city,
			      "The city %s" % city, "facts", {"all": [nation]})]
	else:
		turns = [capital_turn(src)]
		while src.chance(0.4) and len(turns) < 5:
			turns.append(capital_turn(src, NEXT_CAPITAL))
	return turns


# This program.

PROGRAM = table("program.tsv")
WISH = Phrases("""how might I {t} in dsv4chat;what must I press to {t};in this chat, how do I {t};
I need to {t} in dsv4chat;
how do I {t};how can I {t};how to {t};in dsv4chat, how do I {t};I want to {t};
with this program, how do I {t};how do I {t} here;how do I {t} in dsv4chat;I'd like to {t};
what do I do to {t};can I {t};tell me how to {t};is there a way to {t};how do I {t} in this program;
what should I press or type to {t};which key or option do I need to {t};how do you {t} in this chat;
[how|in what way] [do|can|could|should] [I|you|one] {t} [here|in dsv4chat|with dsv4chat|in this program|in this chat|];[what|which] [key|option|command|key or option] [do I use|is there|do I need|should I use] to {t};
[is it possible|is there a way|I want|I need|I would like] to {t} [here|in dsv4chat|in this program];[tell|show|explain to] me how [to|I can] {t} [here|in dsv4chat|in this program];
dsv4chat: [how do I|how to|how can I] {t};[what do I|what should I] [do|press|type|enter] to {t} [here|in this program];
~in this chat, how might I {t};~what must I do to {t} in dsv4chat;~dsv4chat: I need to {t}
""".replace("\n", "").split(";"))
KEY = Phrases("""the use of {k} in dsv4chat;what use is {k} here;describe what {k} does in this program;
what does {k} do;what is {k} for;explain {k};what does {k} do here;what is {k};
in dsv4chat, what does {k} do;tell me about {k};what does {k} mean in dsv4chat;
what happens when I use {k};
what does {k} do [in this program|in dsv4chat|here];tell me what {k} does here;[explain|describe] {k} [of dsv4chat|in this program|];what is the [meaning|purpose|effect] of {k} [here|in dsv4chat];
what do I use {k} for;
~what is the use of {k} here;~describe {k} in this program""".replace("\n", "").split(";"))
PRESS = Phrases("""what is {k} bound to;if I press {k}, what happens;if I hit the key {k}, what does it do;
which action is bound to {k};
what does {k} do;what happens when I press {k};what is {k} for;what does the key {k} do;
what does pressing {k} do;which action is on {k};
[what|tell me what] happens [if|when] I [press|hit|type] {k} [here|in dsv4chat|];what does [the key|pressing|hitting] {k} do [here|in this program|];[explain|describe] the key {k};
what is the key {k} [for|good for|used for];
~what is bound to {k};~if I hit {k}, what happens""".replace("\n", "").split(";"))


def program(src):
	name, wishes, answer = src.pick(PROGRAM)
	if src.chance(0.5) or name in ("history", "complete", "tokens", "replay", "bench", "doctor", "paths"):
		wish = src.pick(wishes.split("; "))
		return [Turn(src.ask(src.phrase(WISH, t=wish)), answer,
			     "The user wants to %s with this program." % wish,
			     "How to %s" % wish, "facts", {"all": [answer]})]
	is_key = name in ("Esc", "Enter", "Tab", "F1", "Alt-arrows") or name.startswith("Ctrl-")
	return [Turn(src.ask(src.phrase(PRESS if is_key else KEY, k=quoted(src, name))), answer,
		     "The user asks about %s in this program." % name, "About %s" % name, "facts",
		     {"all": [answer]})]


# Arithmetic.

PLACES = ("Ones", "Tens", "Hundreds", "Thousands", "Ten thousands")
ADD = Phrases("""evaluate the sum {a} + {b};evaluate {a} plus {b};what total do {a} and {b} give;
the total of the numbers {a} and {b};what do I get when I add {a} to {b};tell me what {a} + {b} is;
what do you get if you add {b} to {a};{a} and {b}, what is the total;find the sum {a} + {b};
what is {a} + {b};{a} + {b};{a}+{b};{a} plus {b};what is {a} plus {b};add {a} and {b};
what's {a} + {b};compute {a} + {b};calculate {a} + {b};how much is {a} + {b};how much is {a} plus {b};
the sum of {a} and {b};what is the sum of {a} and {b};{a} + {b} =;add {b} to {a};
what do {a} and {b} make together;sum {a} and {b};can you add {a} and {b};what does {a} + {b} give;
please work out {a} + {b};solve {a} + {b};I need {a} + {b};
[what|how much] [is|are|would be] {a} [+|plus] {b};what are {a} and {b} together;[can|could] you [add|sum] {a} and {b};[work out|figure out|compute|calculate|find|give me] [the sum of {a} and {b}|{a} + {b}|{a} plus {b}];
[add|sum up|put together] {a} and {b};[what|which number] [is|do I get for] the sum of {a} and {b};{a} [and|plus] {b} [is|makes|gives] [what|how much];
[increase|raise] {a} by {b};[what do I|what do you|what does one] get [for|from] {a} [+|plus] {b};I [have|want|need] to add {a} [and|to] {b};total of {a} and {b};[the|] total [if I add|when adding] {a} and {b};
~tell me {a} + {b};~what do you get when you add {a} and {b};~evaluate {a} + {b};~find {a} plus {b};
~what is the total of {a} and {b}""".replace("\n", "").split(";"))
SUB = Phrases("""evaluate the difference {a} - {b};evaluate {a} minus {b};what do you get if you take {b} from {a};
what do I get when I subtract {b} from {a};what remains when {b} is taken from {a};if I take {b} from {a}, what remains;
tell me what {a} - {b} is;find the difference {a} - {b};
what is {a} - {b};{a} - {b};{a}-{b};{a} minus {b};what is {a} minus {b};
subtract {b} from {a};what's {a} - {b};compute {a} - {b};calculate {a} - {b};how much is {a} - {b};
how much is {a} minus {b};the difference of {a} and {b};{a} - {b} =;take {b} away from {a};
what is {a} less {b};what does {a} - {b} give;please work out {a} - {b};solve {a} - {b};I need {a} - {b};
what is left of {a} when {b} is taken away;
[what|how much] [is|are|would be] {a} [-|minus|less] {b};[can|could] you [subtract|take] {b} from {a};[work out|figure out|compute|calculate|find|give me] [the difference of {a} and {b}|{a} - {b}|{a} minus {b}];
[subtract|take|remove|deduct] {b} from {a};{a} [minus|less|without] {b} [is|makes|gives] [what|how much];[decrease|lower|reduce] {a} by {b};
[what do I|what do you|what does one] get [for|from] {a} [-|minus] {b};I [have|want|need] to subtract {b} from {a};what [is left|remains] of {a} [without|after taking] {b};the difference between {a} and {b};
~tell me {a} - {b};~what do you get when you subtract {b} from {a};~evaluate {a} - {b};
~find {a} minus {b};~what remains if I take {b} from {a}""".replace("\n", "").split(";"))
MUL = Phrases("""evaluate the product {a} * {b};evaluate {a} times {b};what do you get if you multiply {a} and {b};
what do I get when I multiply {a} by {b};tell me what {a} * {b} is;find the product {a} * {b};
what is {a} * {b};{a} * {b};{a}*{b};{a} times {b};what is {a} times {b};multiply {a} by {b};
what's {a} * {b};compute {a} * {b};calculate {a} * {b};how much is {a} * {b};how much is {a} times {b};
the product of {a} and {b};what is the product of {a} and {b};{a} * {b} =;{a} x {b};what is {a} x {b};
{a} × {b};what is {a} × {b};multiply {a} and {b};what does {a} * {b} give;please work out {a} * {b};
solve {a} * {b};I need {a} * {b};
[what|how much] [is|are|would be] {a} [*|x|×|times] {b};[can|could] you multiply {a} [by|with|and] {b};[work out|figure out|compute|calculate|find|give me] [the product of {a} and {b}|{a} * {b}|{a} times {b}];
multiply {a} [by|with|and] {b};{a} [times|x] {b} [is|makes|gives] [what|how much];[what do I|what do you|what does one] get [for|from] {a} [*|times] {b};
I [have|want|need] to multiply {a} by {b};[what|how much] is {a} multiplied by {b};
~tell me {a} * {b};~what do you get when you multiply {a} by {b};~evaluate {a} * {b};~find {a} times {b}
""".replace("\n", "").split(";"))
ADD_STORY = Phrases("""{p} collected {a} {t} at first and another {b} later. How many {t} is that in total?;{p} owns {a} {t} and receives another {b}. What is the total number of {t}?;We start the day with {a} {t}, then we collect {b} more. What total do we get?;
First {a} {t}, then another {b} {t}. What is the total?;
{p} has {a} {t} and gets {b} more. How many {t} does {p} have now?;
I have {a} {t} and buy {b} more. How many do I have?;There are {a} {t} in one box and {b} in another. How many are there in all?;
{p} found {a} {t} on Monday and {b} on Tuesday. How many {t} is that together?;
A shop sold {a} {t} yesterday and {b} today. How many {t} did it sell?;
One room holds {a} {t}, the other {b}. How many {t} are there?;
I had {a} {t}. Then I got {b} more. How many {t} now?;
{p} has {a} {t}, {q} has {b}. How many {t} do they have together?;
If I put {a} {t} with {b} {t}, how many do I get?;
a list has {a} entries and I add {b}. how many entries are there;
{s} [has|had|got|owns|bought|counted] {a} {t} and [then|] [gets|got|buys|receives|finds] [another {b}|{b} more|{b} others]. How many {t} [is that|are there|are there now|is that in all];
There [are|were] {a} {t} [here|in the first room|in the bus|on the table|in the garden], [and|then] {b} [more arrive|more come|are added|others join]. How many are [there|there now|there in all];
We [had|have|need] {a} {t} [for Monday|on the first day|yesterday] and {b} [for Tuesday|on the second day|today]. How many is that [together|in all|in total];
{s} [walks|drives|reads|writes|sells|makes|sends] {a} {t} [in the morning|on Monday|first] and {b} [in the afternoon|on Tuesday|later]. How many {t} is that;
A [train|bus|ship|hall] has {a} {t}. {b} [more get on|more come in|are added]. How many are [there|there now|inside];
{a} {t} [and|plus] {b} {t}, how many {t} is that;I [pay|spend|spent] {a} euros for {t} and {b} euros for the rest. [How much|What] [is that|do I pay] [together|in all];
~{p} collected {a} {t}, then another {b}. What is the total?;
~We start with {a} {t} and receive {b}. How many {t} do we own?""".replace("\n", "").split(";"))
SUB_STORY = Phrases("""{p} owned {a} {t}, but {b} were sold. How many does {p} still own?;{p} had {a} {t} and sold {b} of them. How many does {p} still have?;We remove {b} of {a} {t}. How many remain?;
From a box with {a} {t} we take {b}. How many are left?;{p} sold {b} of {a} {t}. How many did {p} keep?;
{p} has {a} {t} and gives away {b}. How many {t} are left?;
I have {a} {t} and lose {b}. How many do I still have?;There were {a} {t} and {b} were sold. How many remain?;
{p} had {a} {t} and ate {b}. How many {t} are left?;A box held {a} {t}. {b} were taken out. How many are in it now?;
Out of {a} {t}, {b} are broken. How many are fine?;
I need {a} {t} but have only {b}. How many are missing?;
{p} has {a} {t}, {q} has {b}. How many more does {p} have?;
a list has {a} entries and I remove {b}. how many entries are left;
I had {a} {t} and used {b} of them. How many {t} do I have now?;
{s} [has|had|got|owns|bought|counted] {a} {t} and [then|] [sells|loses|uses|eats|breaks|gives away|spends] {b} [of them|]. [How many|How many {t}] [are left|remain|are still there|stay];
There [are|were] {a} {t} [here|in the bus|on the table|in the garden|in the hall], [and|then|but] {b} [leave|go away|are taken|were taken away|disappear|get lost]. How many [are left|remain|stay|are still there];
Of {a} {t}, {b} are [gone|broken|sold|taken|used|missing]. How many are [left|still there];
{s} [needs|wants] {a} {t} [and|but] has [only|already] {b}. How many [are missing|more are needed];The way is {a} kilometres long, and I have [gone|driven|done] {b}. How many [are left|remain];
I have {a} euros and [spend|pay|lose] {b} [euros|]. [How much|How many euros] [is left|do I have left|remains];The book has {a} pages, [and|] I [have read|read] {b}. How many [are left|remain];
A [train|bus|hall|plane] has {a} seats and {b} are [full|used|occupied]. How many [seats are|are] [empty|left];
~{p} owned {a} {t} and sold {b}. How many does {p} keep?;
~From {a} {t} we remove {b}. What is left?""".replace("\n", "").split(";"))
MUL_STORY = Phrases("""{b} friends each own {a} {t}. How many do they own in total?;{b} bags contain {a} {t} each. What is the total number of {t}?;Every one of the {b} shelves holds {a} {t}. How many {t} is that?;
My {b} friends have {a} {t} each. How many are there in total?;{b} players have {a} {t} each. How many {t} is that?;
{p} has {b} boxes with {a} {t} each. How many {t} is that?;
There are {b} rows of {a} {t}. How many {t} are there?;One pack holds {a} {t}. How many are in {b} packs?;
I read {a} pages a day. How many pages is that in {b} days?;{b} people bring {a} {t} each. How many {t} are there?;
A ticket costs {a} euros. What do {b} tickets cost?;
Each of {b} shelves holds {a} {t}. How many {t} in all?;
if I buy {b} bags of {a} {t}, how many {t} do I have;
[A|One|Each|Every] [box|bag|crate|shelf|room|bottle|page|team|car] [has|holds|contains] {a} {t}. How many [are|are there] in {b} [of them|];
[A|One|Each] [ticket|meal|shirt|book|lamp] [costs|is] {a} euros. [How much are|What is the price of|What do we pay for] {b};
{s} [makes|sells|reads|needs|writes|eats|sends] {a} {t} [a day|every day|each day|an hour|per week]. How many is that [in|after] {b} [days|hours|weeks];
[There are|We have|I see] {b} [rows|groups|boxes|teams|piles] [of|with] {a} {t} [each|]. How many {t} [is that|are there|in all];
{b} [times|x] {a} {t}, how many is that;[If|When] {b} [friends|workers|children] [bring|carry|get] {a} {t} each, how many [is that|are there];
{b} [people|guests|players] [pay|give] {a} euros each. How much is that;
~{b} friends have {a} {t} each. What is the total?;
~Every one of {b} bags contains {a} {t}. How many {t} are there?""".replace("\n", "").split(";"))
NEXT_SUM = {
	"+": Phrases("and plus {b};plus {b};now add {b};add {b};and {b} more;add {b} to that;+ {b};and if I add {b};what if I add {b} more;and another {b};"
		     "then plus {b};and {b} added;with another {b} added;~then add {b};~and with {b} added".split(";")),
	"-": Phrases("and minus {b};minus {b};now subtract {b};subtract {b};take away {b};"
		     "subtract {b} from that;- {b};and if I take away {b};what if I lose {b} of them;and without {b};then minus {b};less {b};then subtract {b};take {b} away;~then take {b} away;~and less {b}".split(";")),
	"*": Phrases("and times {b};times {b};now multiply by {b};multiply that by {b};* {b};what is that times {b};and if I multiply by {b};"
		     "and that times {b};then times {b};and multiply it by {b};multiply it by {b};~then multiply it by {b}".split(";")),
}


SOMEONE = ("A farmer", "My friend", "The teacher", "My sister", "A shop", "The school", "Our team", "She", "He", "My uncle",
	   "The baker", "A library", "My neighbour", "The driver", "A student", "The museum")


def work_add(a, b):
	steps, carry = [], 0
	x, y = str(a)[::-1], str(b)[::-1]
	width = max(len(x), len(y))
	for i in range(width):
		terms = [c[i] if i < len(c) else "0" for c in (x, y)]
		total = int(terms[0]) + int(terms[1]) + carry
		line = "%s: %s%s = %d" % (PLACES[i], " + ".join(terms), " + 1" if carry else "", total)
		carry = total // 10
		if i + 1 < width and carry:
			line += ", write %d, carry 1" % (total % 10)
		steps.append(line + ".")
	return " ".join(steps)


def work_sub(a, b):
	"""For a >= b."""
	steps, borrow = [], 0
	x, y = str(a)[::-1], str(b)[::-1]
	for i in range(len(x)):
		top, low = int(x[i]), int(y[i]) if i < len(y) else 0
		line = PLACES[i] + ":"
		due = 0
		if borrow:
			if top == 0:
				line += " 0 - 1 needs a borrow, 10 - 1 = 9,"
				top, due = 9, 1
			else:
				line += " %d - 1 = %d," % (top, top - 1)
				top -= 1
		if top < low:
			line += " %d - %d needs a borrow, %d - %d = %d." % (top, low, top + 10, low, top + 10 - low)
			due = 1
		else:
			line += " %d - %d = %d." % (top, low, top - low)
		borrow = due
		steps.append(line)
	return " ".join(steps)


def work_mul(a, b):
	"""For b of one digit."""
	steps, carry = [], 0
	x = str(a)[::-1]
	for i, digit in enumerate(x):
		product = int(digit) * b
		line = "%s: %s * %d = %d" % (PLACES[i], digit, b, product)
		if carry:
			line += ", %d + %d = %d" % (product, carry, product + carry)
		product += carry
		carry = product // 10
		if i + 1 < len(x):
			line += ", write %d, carry %d" % (product % 10, carry)
		steps.append(line + ".")
	return " ".join(steps)


def work(op, a, b):
	"""(steps, result) as one would do it on paper."""
	if op == "+":
		return work_add(a, b), a + b
	if op == "-":
		if a < b:
			return "%d is less than %d, so the result is negative. %d - %d. %s" % (
				a, b, b, a, work_sub(b, a)), a - b
		return work_sub(a, b), a - b
	if b > 9:
		steps = work_mul(b, a)
		return "%d * %d is %d * %d. %s" % (a, b, b, a, steps), a * b
	return work_mul(a, b), a * b


def number(src):
	kind = src.random()
	return src.upto(0, 9) if kind < 0.12 else src.upto(10, 99) if kind < 0.45 else src.upto(100, 999)


def operands(src, op, first=None):
	"""Two numbers for op; a first one that is given is the result of the sum before."""
	while True:
		a = number(src) if first is None else first
		b = number(src)
		if op == "*":
			b = src.upto(2, 9)
			if first is None and a > 9 and src.chance(0.1):
				a, b = b, a
		elif op == "-" and a < b and (first is not None or src.chance(0.75)):
			a, b = b, a
			if first is not None:
				continue
		small = a < 10 and b < 10
		if src.evaluate and first is not None or small and not src.evaluate:
			return a, b
		if not small and src.may_use("%d%s%d" % (a, op, b)):
			return a, b


def sum_turn(src, op, a, b, question, thing=None):
	if not (a < 10 and b < 10):
		src.guard("%d%s%d" % (a, op, b))
	steps, result = work(op, a, b)
	sentence = "%d %s %d = %d." % (a, op, b, result)
	why = "%d %s %d. %s Result: %d." % (a, op, b, steps, result)
	if thing:
		sentence += " The answer is %d %s." % (result, thing)
	easy = a < 100 and b < 100 if op != "*" else a < 10 or b < 10 and a < 13
	return Turn(question, sentence, why, "%d %s %d" % (a, op, b), "arithmetic",
		    {"number": str(result)}, sentence if easy else steps + " " + sentence)


def arithmetic(src):
	op = src.pick("++--*")
	a, b = operands(src, op)
	if a >= b > 1 and src.chance(0.3):
		thing = src.pick(THINGS)
		p = src.pick(PEOPLE)
		q = PEOPLE[(PEOPLE.index(p) + src.upto(1, 31)) % 32]
		phrases = ADD_STORY if op == "+" else SUB_STORY if op == "-" else MUL_STORY
		question = src.phrase(phrases, a=a, b=b, t=thing, p=p, q=q, s=p if src.chance(0.5) else src.pick(SOMEONE))
		if "entries" in question:
			thing = "entries"
		elif " pages" in question and thing not in question:
			thing = "pages"
		elif "euros" in question:
			thing = "euros"
		elif "kilometres" in question:
			thing = "kilometres"
		elif "seats" in question:
			thing = "seats"
		if src.chance(0.2):
			question = question.rstrip("?.")
		turns = [sum_turn(src, op, a, b, question, thing)]
	else:
		phrases = ADD if op == "+" else SUB if op == "-" else MUL
		turns = [sum_turn(src, op, a, b, src.ask(src.phrase(phrases, a=a, b=b)))]
	result = int(turns[-1].check["number"])
	while src.chance(0.3) and 0 <= result <= 999 and len(turns) < 4:
		op = src.pick("++--*") if result > 9 else "+"
		a, b = operands(src, op, result)
		turns.append(sum_turn(src, op, a, b, src.ask(src.phrase(NEXT_SUM[op], b=b))))
		result = int(turns[-1].check["number"])
	return turns


# Units.

UNITS = [(a, b, int(n), c, d) for a, b, n, c, d in table("units.tsv")]
SHORT = {"kilometres": "km", "metres": "m", "centimetres": "cm", "millimetres": "mm",
	 "kilograms": "kg", "grams": "g", "milligrams": "mg", "litres": "l", "millilitres": "ml",
	 "hours": "h", "minutes": "min", "seconds": "s", "milliseconds": "ms", "megabytes": "MB",
	 "gigabytes": "GB", "kilobytes": "KB", "terabytes": "TB"}
LONGER = Phrases("""{n} {b} as {d};write {n} {b} in {d};give me {n} {b} as {d};
{n} {b}, how many {d} is that;
how many {d} are {n} {b};how many {d} are in {n} {b};convert {n} {b} to {d};
{n} {b} in {d};what is {n} {b} in {d};{n} {b} to {d};express {n} {b} in {d};how many {d} is {n} {b};
how many {d} make {n} {b};how many {d} do {n} {b} have;change {n} {b} into {d};turn {n} {b} into {d};
what are {n} {b} in {d};please convert {n} {b} into {d};
how many {d} [is|are|equal|would be] {n} {b};[what|how much] [is|are] {n} {b} [in|as|expressed in] {d};[convert|turn|change|translate] {n} {b} [to|into] {d};
I [need|want|have] {n} {b} in {d};[can|could] you [convert|turn|change] {n} {b} [to|into] {d};how much is {n} {b} in {d};{n} {b} [is|are|makes|equals] how many {d};
~write {n} {b} as {d};~give me {n} {b} in {d};~{n} {b} are how many {d}""".replace("\n", "").split(";"))


def units(src):
	unit, plural, factor, _, small = src.pick(UNITS)
	tens = str(factor).lstrip("1").strip("0") == ""
	back = src.chance(0.25)
	while True:
		n = src.upto(1, 999) if tens and src.chance(0.5) else src.upto(1, 9)
		if n < 10 or src.may_use("%d %s" % (n, plural)):
			break
	if n >= 10:
		src.guard("%d %s" % (n, plural))
	total = n * factor
	one = unit if n == 1 else plural
	shown = SHORT.get(plural) if src.chance(0.25) else None
	shown_small = SHORT.get(small) if shown else None
	if back:
		question = src.phrase(LONGER, n=total, b=shown_small or small, d=shown or plural)
		why = "1 %s is %d %s. %d * %d = %d, so it is %d." % (unit, factor, small, n, factor, total, n)
		answer = "%d %s are %d %s." % (total, small, n, one)
		value = n
	else:
		question = src.phrase(LONGER, n=n, b=shown or one, d=shown_small or small)
		why = "1 %s is %d %s. " % (unit, factor, small)
		if not tens and n > 1:
			why += "%d * %d. %s Result: %d." % (factor, n, work_mul(factor, n), total)
		else:
			why += "%d * %d = %d." % (n, factor, total)
		answer = "%d %s %s %d %s." % (n, one, "is" if n == 1 else "are", total, small)
		value = total
	return [Turn(src.ask(question), answer, why, "Converting %s" % plural, "facts",
		     {"all": ["%d" % value]})]


# Dates.

MONTHS = (("January", 31), ("February", 28), ("March", 31), ("April", 30), ("May", 31), ("June", 30),
	  ("July", 31), ("August", 31), ("September", 30), ("October", 31), ("November", 30),
	  ("December", 31))
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven")
ORDINAL = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
	   "tenth", "eleventh", "twelfth")
MONTH_DAYS = Phrases("""the number of days in {m};count the days in {m};what number of days does {m} have;
how many days does {m} have;how many days are in {m};how long is {m};
number of days in {m};days in {m};how many days has {m};how many days are there in {m};
~what is the number of days of {m};~count the days of {m}""".replace("\n", "").split(";"))
LEAP = Phrases("""does {y} have a 29 February;check whether {y} is a leap year;does the February of {y} have 29 days;
is {y} a leap year;was {y} a leap year;leap year {y};is the year {y} a leap year;
does {y} have 366 days;does {y} have a leap day;tell me if {y} is a leap year;
~does February {y} have 29 days;~check if {y} is a leap year""".replace("\n", "").split(";"))
DAY_AFTER = Phrases("""which weekday comes after {d};if it is {d}, what is tomorrow;which weekday is after {d};
what weekday comes next after {d};
what day comes after {d};which day follows {d};what is the day after {d};
today is {d}, what day is tomorrow;if today is {d}, what is tomorrow;day after {d};
~which weekday is next after {d};~it is {d}, so what is tomorrow""".replace("\n", "").split(";"))
DAY_BEFORE = Phrases("""which weekday comes before {d};if it is {d}, what was yesterday;which weekday is before {d};
the weekday that precedes {d};
what day comes before {d};which day is before {d};what is the day before {d};
today is {d}, what day was yesterday;if today is {d}, what was yesterday;
~which weekday precedes {d};~it is {d}, so what was yesterday""".replace("\n", "").split(";"))
DAYS_AFTER = Phrases("""what weekday is it {n} days after {d};count {n} days from {d};it is {d}, which weekday is it {n} days later;
which weekday comes {n} days after {d};
what day is {n} days after {d};today is {d}, what day is it in {n} days;
if today is {d}, which day is it in {n} days;which day is {n} days after {d};
{n} days after {d};in {n} days from {d}, what day is it;
~it is {d}, what weekday comes {n} days later;~count {n} days on from {d}""".replace("\n", "").split(";"))
MONTH_AFTER = Phrases("""name the month after {m};the month that follows {m};name the month that comes after {m};
which month comes after {m};what month follows {m};what is the month after {m};
which month is after {m};~name the month that follows {m}""".replace("\n", "").split(";"))
MONTH_BEFORE = Phrases("""name the month before {m};the month that precedes {m};name the month that comes before {m};
which month precedes {m};
which month comes before {m};what is the month before {m};
which month is before {m};~name the month that precedes {m}""".replace("\n", "").split(";"))
MONTH_NUMBER = Phrases("""the {o} month is which one;which is the month number {i};
which month is number {i};what is the {o} month of the year;what is the {o} month;
name the {o} month;what month is {i};~which is the {o} month""".replace("\n", "").split(";"))
NEXT_DATE = Phrases("""give me the day after {i} {m};it is {i} {m}, what is tomorrow;if today is {i} {m}, what date is tomorrow;
what is the day after {i} {m};which date follows {i} {m};what date comes after {i} {m};
today is {i} {m}, what is tomorrow;what is the next day after {i} {m};
~give me the date after {i} {m};~it is {i} {m}, what date is tomorrow""".replace("\n", "").split(";"))
COUNT_DAYS = Phrases("""count how many days are from {i} {m} to {j} {m};the number of days from {i} {m} to {j} {m};count the days between {i} {m} and {j} {m};
how many days are from {i} {m} to {j} {m};how many days between {i} {m} and {j} {m};
days from {i} {m} to {j} {m};how long is it from {i} {m} to {j} {m};
~count the days from {i} {m} to {j} {m}""".replace("\n", "").split(";"))


def date_turn(question, answer, why, title, expected):
	return [Turn(question, answer, why, title, "facts", {"all": [expected]})]


def dates(src):
	kind = src.upto(0, 9)
	at = src.upto(0, 11)
	month, length = MONTHS[at]
	day = src.upto(0, 6)
	name = DAYS[day]
	if kind == 0:
		answer = "%s has %d days." % (month, length)
		if at == 1:
			answer = "February has 28 days, 29 in a leap year."
		return date_turn(src.ask(src.phrase(MONTH_DAYS, m=month)), answer,
				 "The user asks for the length of %s." % month, "Days in %s" % month, str(length))
	if kind in (1, 2):
		while True:
			year = src.upto(1900, 2100)
			if src.may_use("year %d" % year) or year % 100 == 0 and not src.evaluate:
				break
		if year % 100:
			src.guard("year %d" % year)
			leap = year % 4 == 0
			why = "%02d is %s of 4." % (year % 100, "a multiple" if leap else "not a multiple")
		else:
			leap = year == 2000
			why = "%d ends in 00, so it must be a multiple of 400." % year
		return date_turn(src.ask(src.phrase(LEAP, y=year)),
				 "%s, %d is %sa leap year." % (("Yes", year, "") if leap else ("No", year, "not ")),
				 why, "Leap year %d" % year, "is a leap" if leap else "is not a leap")
	if kind == 3:
		after = src.chance(0.6)
		other = DAYS[(day + (1 if after else 6)) % 7]
		if after:
			return date_turn(src.ask(src.phrase(DAY_AFTER, d=name)), "The day after %s is %s." % (name, other),
					 "After %s comes %s." % (name, other), "The day after %s" % name, other)
		return date_turn(src.ask(src.phrase(DAY_BEFORE, d=name)), "The day before %s is %s." % (name, other),
				 "Before %s comes %s." % (name, other), "The day before %s" % name, other)
	if kind in (4, 5):
		n = src.upto(2, 7)
		steps = [DAYS[(day + i) % 7] for i in range(1, n + 1)]
		return date_turn(src.ask(src.phrase(DAYS_AFTER, d=name, n=n if src.chance(0.7) else COUNTS[n])),
				 "%d days after %s is %s." % (n, name, steps[-1]),
				 "Counting %d days: %s." % (n, ", ".join("%d %s" % (i + 1, s) for i, s in enumerate(steps))),
				 "Days after %s" % name, steps[-1])
	if kind == 6:
		after = src.chance(0.6)
		other = MONTHS[(at + (1 if after else 11)) % 12][0]
		if after:
			return date_turn(src.ask(src.phrase(MONTH_AFTER, m=month)), "After %s comes %s." % (month, other),
					 "The user asks for the month after %s." % month, "The month after %s" % month, other)
		return date_turn(src.ask(src.phrase(MONTH_BEFORE, m=month)), "Before %s comes %s." % (month, other),
				 "The user asks for the month before %s." % month, "The month before %s" % month, other)
	if kind == 7:
		return date_turn(src.ask(src.phrase(MONTH_NUMBER, i=at + 1, o=ORDINAL[at])),
				 "The %s month is %s." % (ORDINAL[at], month),
				 "The user asks for month %d." % (at + 1), "Month %d" % (at + 1), month)
	if kind == 8:
		date = src.upto(1, length)
		if date == length and at == 1:
			date = 27
		new, new_month = (date + 1, month) if date < length else (1, MONTHS[(at + 1) % 12][0])
		return date_turn(src.ask(src.phrase(NEXT_DATE, i=date, m=month)),
				 "The day after %d %s is %d %s." % (date, month, new, new_month),
				 "%s has %d days." % (month, length), "After %d %s" % (date, month),
				 "%d %s" % (new, new_month))
	i = src.upto(1, length - 1)
	j = src.upto(i + 1, length)
	return date_turn(src.ask(src.phrase(COUNT_DAYS, i=i, j=j, m=month)),
			 "From %d %s to %d %s are %d days." % (i, month, j, month, j - i),
			 "%d - %d. %s Result: %d." % (j, i, work_sub(j, i), j - i), "Days in %s" % month,
			 "%d days" % (j - i))


# Small talk, and what it does not know.

TALK = [(Phrases(q.split("; ")), a, t) for q, a, t in table("talk.tsv")]
TALK_WEIGHTED = TALK[:20] * 2 + TALK
DECLINE = Phrases([line[0] for line in table("decline.tsv")])
DECLINED = "I am a toy model and do not know that."
TOPICS = """love the sea winter music history war peace dreams trees robots friendship art space
cooking gardens horses football poverty science justice fear volcanoes electricity gravity
photosynthesis inflation evolution democracy""".split()
FOODS = "pasta bread soup rice curry pizza cake pancakes salad beans potatoes fish".split()
BRANDS = "Apple Google Toyota Amazon Nokia Siemens Sony Tesla IBM Intel".split()
MACHINES = "car bicycle fridge washer phone radio toaster boat camera clock".split()
ANIMALS = "cat dog horse whale eagle snake rabbit goat spider lion".split()
FOREIGN = "German French Spanish Italian Latin Russian Chinese Polish Greek Turkish".split()
CODE = "Python Java Rust Go Haskell Lua Pascal Ruby".split()
FAMOUS = ("Einstein", "Mozart", "Cleopatra", "Newton", "Shakespeare", "Napoleon", "Galileo",
	  "Picasso", "Marie Curie", "Darwin", "Beethoven", "Columbus", "Plato", "Gandhi")


def talk(src):
	phrases, answer, title = src.pick(TALK_WEIGHTED)
	return [Turn(src.ask(src.phrase(phrases)), answer, "The user makes small talk.", title, "talk",
		     {"all": [answer]})]


def decline(src):
	nation, city = src.pick(CAPITALS)
	topic = src.pick(TOPICS) if src.chance(0.6) else src.pick(NOUNS)
	word = src.word()
	while word in KNOWN:
		word = src.word()
	question = src.phrase(DECLINE, y=src.upto(1500, 2025), n=nation, c=city, c2=src.pick(CAPITALS)[1],
			      t=topic, f=src.pick(FOODS), b=src.pick(BRANDS), w=word,
			      l=src.pick(FOREIGN), d=src.upto(11, 9999), e=src.upto(2, 99),
			      m=src.pick(MACHINES), p=src.pick(FAMOUS) if src.chance(0.6)
			      else src.pick(PEOPLE) + " " + src.syllables().capitalize(),
			      g=src.pick(CODE), a=src.pick(ANIMALS))
	return [Turn(src.ask(question), DECLINED, "I do not know this.", "Unknown question", "talk",
		     {"all": ["do not know"]})]


WEIGHTS = ((commands, 34), (arithmetic, 30), (capitals, 9), (program, 8), (units, 7), (dates, 8),
	   (talk, 10), (decline, 9))
POOL = [topic for topic, weight in WEIGHTS for _ in range(weight)]


def any_topic(src):
	return src.pick(POOL)(src)
