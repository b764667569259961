"""Conversations that must look back: pasted text, and facts that are asked for much later."""

from collections import namedtuple

from material import plural, settings, text_lines
from titles import cut, title
from topics import Turn, any_topic
from words import NOUNS, PEOPLE, phrasebook

SAY = phrasebook("say_longer.txt")

Fact = namedtuple("Fact", "told question answer value about noted")
# A fact, the question for it, the answer.
FACTS = (("the code for {x} is {v}", "what is the code for {x}", "The code for {x} is {v}."),
	("the password of {x} is {v}", "what is the password of {x}",
	"The password of {x} is {v}."), ("{x} lives in {v}", "where does {x} live",
	"{x} lives in {v}."), ("the key of {x} is in {v}", "where is the key of {x}",
	"The key of {x} is in {v}."), ("the number of {x} is {v}", "what is the number of {x}",
	"The number of {x} is {v}."), ("the name of {x} is {v}", "what is the name of {x}",
	"The name of {x} is {v}."), ("the color of {x} is {v}", "what is the color of {x}",
	"The color of {x} is {v}."))
# The same about the one who speaks.
OWN = (("my name is {v}", "what is my name", "Your name is {v}."),
	("I am called {v}", "what am I called", "You are called {v}."),
	("I live in {v}", "where do I live", "You live in {v}."),
	("I work in {v}", "where do I work", "You work in {v}."),
	("my {x} is called {v}", "what is my {x} called", "Your {x} is called {v}."),
	("my favorite {x} is {v}", "what is my favorite {x}", "Your favorite {x} is {v}."),
	("my {x} is {v}", "what is my {x}", "Your {x} is {v}."),
	("I am {n} years old", "how old am I", "You are {n} years old."),
	("I have {n} {x}s", "how many {x}s do I have", "You have {n} {x}s."),
	("I keep my {x} in the {v}", "where do I keep my {x}", "You keep your {x} in the {v}."),
	("my {x} costs {n} euros", "how much does my {x} cost", "Your {x} costs {n} euros."),
	("my brother is called {v}", "what is my brother called", "Your brother is called {v}."),
	("my sister is {n} years old", "how old is my sister",
	"Your sister is {n} years old."), ("my friend {v} likes {x}s", "which friend likes {x}s",
	"Your friend {v} likes {x}s."), ("I was born in {v}", "where was I born",
	"You were born in {v}."))
# More of both, for training alone.
MORE_FACTS = (("the meeting about {x} is in room {v}", "in which room is the meeting about {x}",
	"The meeting about {x} is in room {v}."), ("{x} belongs to {v}", "to whom does {x} belong",
	"{x} belongs to {v}."), ("{x} is kept in {v}", "where is {x} kept", "{x} is kept in {v}."),
	("the price of {x} is {v}", "what is the price of {x}", "The price of {x} is {v}."),
	("{x} runs on port {v}", "on which port does {x} run", "{x} runs on port {v}."),
	("the address of {x} is {v}", "what is the address of {x}", "The address of {x} is {v}."),
	("{x} was made by {v}", "who made {x}", "{x} was made by {v}."), ("the boss of {x} is {v}",
	"who is the boss of {x}", "The boss of {x} is {v}."), ("{x} needs {v}", "what does {x} need",
	"{x} needs {v}."), ("the bus to {x} is number {v}", "which bus goes to {x}",
	"The bus to {x} is number {v}."))
MORE_OWN = (("my wife is called {v}", "what is my wife called", "Your wife is called {v}."),
	("I speak {v}", "what do I speak", "You speak {v}."), ("I study {v}", "what do I study",
	"You study {v}."), ("my {x} comes from {v}", "where does my {x} come from",
	"Your {x} comes from {v}."), ("I bought the {x} in {v}", "where did I buy the {x}",
	"You bought the {x} in {v}."), ("my car is {n} years old", "how old is my car",
	"Your car is {n} years old."), ("I gave the {x} to {v}", "to whom did I give the {x}",
	"You gave the {x} to {v}."), ("my room has the number {n}",
	"what is the number of my room", "Your room has the number {n}."),
	("I like {v} best", "what do I like best", "You like {v} best."),
	("I called the project {v}", "what did I call the project", "You called the project {v}."))
UNTOLD = "You have not told me that."
FRAMES = ("File {f}:\n```\n{t}\n```\n\n{q}", "```\n{t}\n```\n{q}", "{q}\n\n{t}",
	"{q}\n```\n{t}\n```", "<file name=\"{f}\">\n{t}\n</file>\n\n{q}",
	"Here is {f}:\n\n{t}\n\n{q}", "{t}\n\n{q}", "--- {f} ---\n{t}\n---\n{q}")
ORDER = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def own_fact(src):
	"""A fact about the one who speaks: as it is told, asked, repeated and answered."""
	told, question, answer = src.pick(OWN if src.evaluate else OWN + MORE_OWN)
	thing = src.pick(NOUNS)
	while True:
		value = src.syllables().capitalize() if src.chance(0.5) else src.pick(
			PEOPLE) if src.chance(0.3) else src.word()
		n = src.upto(2, 199)
		key = "%d %s" % (n, thing) if "{n}" in told else value + told
		if src.may_use(key):
			break
	src.guard(key)
	value = str(n) if "{n}" in told else value
	values = {"x": thing, "v": value, "n": n}
	back = answer.format(**values)
	return Fact(told.format(**values), question.format(**values), back, value, question.format(
		**values), "I will remember that: " + back[:1].lower() + back[1:])


def fact(src):
	if src.chance(0.5):
		return own_fact(src)
	fact_, question, answer = src.pick(FACTS if src.evaluate else FACTS + MORE_FACTS)
	kind = src.random()
	thing = "%s %d" % (src.word(), src.upto(1, 99)) if kind < 0.4 else src.syllables(
	).capitalize() if kind < 0.7 else "the " + src.word()
	if "lives" in fact_:
		thing = src.syllables().capitalize()
	while True:
		value = "%s-%d" % (src.word(), src.upto(1, 99)) if src.chance(
			0.6) else src.word() if src.chance(0.5) else str(src.upto(100, 99999))
		if src.may_use(value):
			break
	src.guard(value)
	told = fact_.format(x=thing, v=value)
	return Fact(told, question.format(x=thing), answer.format(x=thing, v=value), value, thing,
		"I will remember that %s." % told)


def pasted(src):
	"""One turn with a text in the message, and a question about it."""
	kind = src.random()
	name = src.file()
	if kind < 0.45:
		pairs, glue = settings(src)
		key, value = src.pick(pairs)
		text = "\n".join(k + glue + v for k, v in pairs)
		question, answer, why = src.phrase(SAY.WHICH_VALUE,
			k=key), "The %s is %s." % (key, value), "The text has %s%s%s." % (key,
			glue, value)
		said = value
	else:
		rows = text_lines(src, 2, 7)
		text = "\n".join(rows)
		if kind < 0.65:
			question, answer = src.phrase(
				SAY.HOW_MANY), "The text has %s." % plural(len(rows), "line")
			why = "I count the lines: %s." % ", ".join(
				str(i + 1) for i in range(len(rows)))
			said = plural(len(rows), "line")
		else:
			at = src.upto(1, len(rows))
			order = "last" if at == len(rows) and src.chance(0.6) else ORDER[at - 1]
			question, answer = src.phrase(SAY.WHICH_LINE,
				o=order), "The %s line is: %s" % (order, rows[at - 1])
			why, said = "The user wants the %s line." % order, rows[at - 1]
	message = src.pick(FRAMES).format(f=name, t=text, q=src.ask(question))
	return [
		Turn(message, answer, why, title(question), "results",
		{"all": [said]})
	]


OLD = 2500  # so many characters between a fact and its question are more than 1,000 tokens


def length(turns):
	return sum(len(t.question) + len(t.answer) for t in turns)


def telling(src, f):
	return Turn(src.ask(src.phrase(SAY.TELL, f=f.told)), f.noted,
		"The user tells me a fact to remember.", cut(f.told), "results",
		{"all": [f.value]})


def asking(src, f, kind):
	return Turn(src.ask(src.phrase(SAY.RECALL, q=f.question)), f.answer,
		"The user told me this before: %s" % f.answer, cut(f.question), kind,
		{"all": [f.value]})


def recall(src, long_, least=0):
	"""Facts told early, other talk between, then the questions.

	`least`: so many characters at least are said between.
	"""
	told = [fact(src) for _ in range(src.upto(1, 5) if long_ else src.upto(1, 2))]
	if len({f.about for f in told}) < len(told):
		return recall(src, long_, least)
	turns = []
	for f in told:
		turns.append(telling(src, f))
	between = []
	want = src.upto(4, 22) if long_ else src.upto(0, 3)
	while len(between) < want or length(between) < least:
		between.extend(any_topic(src))
	turns.extend(between)
	kind = "old" if least else "far" if len(between) > 3 else "near"
	for f in told if src.chance(0.5) else [src.pick(told)]:
		turns.append(asking(src, f, kind))
	if src.chance(0.08):
		f = fact(src)
		if f.about not in {t.about for t in told}:
			turns.append(
				Turn(src.ask(src.phrase(SAY.RECALL, q=f.question)), UNTOLD,
				"The user has not told me this.", cut(f.question), "talk",
				{"all": ["not told"]}))
	return turns


def remembered(src, least):
	"""Facts told here and there and asked for again and again, at least `least` characters in all."""
	facts = []
	while len(facts) < 3 or len(facts) < 8 and src.chance(0.6):
		f = fact(src)
		if f.about not in {other.about for other in facts}:
			facts.append(f)
	turns, told = [], 0
	while told < len(facts) or length(turns) < least:
		kind = src.random()
		if told < len(facts) and kind < 0.3:
			f = facts[told]
			told += 1
			turns.append(telling(src, f))
		elif told and kind < 0.5:
			turns.append(asking(src, src.pick(facts[:told]), "far"))
		else:
			turns.extend(any_topic(src))
	return turns + [asking(src, src.pick(facts), "far") for _ in range(src.upto(1, 3))]


def lookup(src):
	"""A long list in the message, one entry asked for: far more rows than a window holds."""
	n = src.upto(10, 60)
	names = []
	while len(names) < n:
		name = src.word() if src.chance(0.7) else src.stem()
		if name not in names:
			names.append(name)
	values = [
		src.value() if src.chance(0.5) else "%s-%d" % (src.syllables(), src.upto(1, 99))
		for _ in names
	]
	glue = src.pick((" = ", ": ", "=", " is "))
	turns = []
	for i in range(src.upto(1, 4)):
		at = src.upto(0, n - 1)
		asked = src.phrase(SAY.WHICH_VALUE, k=names[at])
		question = src.ask(asked)
		if i == 0:
			text = "\n".join(k + glue + v for k, v in zip(names, values))
			question = src.pick(FRAMES).format(f=src.file(), t=text, q=question)
		turns.append(
			Turn(question, "The %s is %s." % (names[at], values[at]),
			"The text has %s%s%s." % (names[at], glue, values[at]),
			title(asked), "results", {"all": [values[at]]}))
	return turns
