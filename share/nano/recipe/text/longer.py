"""Conversations that must look back: pasted text, and facts that are asked for much later."""

from material import plural, settings, text_lines
from topics import Turn, any_topic
from words import phrasebook

SAY = phrasebook("say_longer.txt")

# A fact, the question for it, the answer.
FACTS = (("the code for {x} is {v}", "what is the code for {x}", "The code for {x} is {v}."),
	("the password of {x} is {v}", "what is the password of {x}",
	"The password of {x} is {v}."), ("{x} lives in {v}", "where does {x} live",
	"{x} lives in {v}."), ("the key of {x} is in {v}", "where is the key of {x}",
	"The key of {x} is in {v}."), ("the number of {x} is {v}", "what is the number of {x}",
	"The number of {x} is {v}."), ("the name of {x} is {v}", "what is the name of {x}",
	"The name of {x} is {v}."), ("the color of {x} is {v}", "what is the color of {x}",
	"The color of {x} is {v}."))
FRAMES = ("File {f}:\n```\n{t}\n```\n\n{q}", "```\n{t}\n```\n{q}", "{q}\n\n{t}",
	"{q}\n```\n{t}\n```", "<file name=\"{f}\">\n{t}\n</file>\n\n{q}",
	"Here is {f}:\n\n{t}\n\n{q}", "{t}\n\n{q}", "--- {f} ---\n{t}\n---\n{q}")
ORDER = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def fact(src):
	fact_, question, answer = src.pick(FACTS)
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
	return fact_.format(x=thing, v=value), question.format(x=thing), answer.format(x=thing,
		v=value), value, thing


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
		Turn(message, answer, why, "A question about a text", "results",
		{"all": [said]})
	]


def recall(src, long_):
	"""Facts told early, other talk between, then the questions."""
	told = [fact(src) for _ in range(src.upto(1, 5) if long_ else src.upto(1, 2))]
	if len({f[4] for f in told}) < len(told):
		return recall(src, long_)
	turns = []
	for text, _, _, value, thing in told:
		turns.append(
			Turn(src.ask(src.phrase(SAY.TELL,
			f=text)), "I will remember that %s." % text,
			"The user tells me a fact about %s." % thing, "About %s" % thing,
			"results", {"all": [value]}))
	between = []
	want = src.upto(6, 22) if long_ else src.upto(0, 3)
	while len(between) < want:
		between.extend(any_topic(src))
	turns.extend(between)
	for _ in range(src.upto(1, 2)):
		_, question, answer, value, thing = src.pick(told)
		turns.append(
			Turn(src.ask(src.phrase(SAY.RECALL,
			q=question)), answer, "The user told me this before: %s" % answer,
			"About %s" % thing, "results", {"all": [value]}))
	return turns


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
		question = src.ask(src.phrase(SAY.WHICH_VALUE, k=names[at]))
		if i == 0:
			text = "\n".join(k + glue + v for k, v in zip(names, values))
			question = src.pick(FRAMES).format(f=src.file(), t=text, q=question)
		turns.append(
			Turn(question, "The %s is %s." % (names[at], values[at]),
			"The text has %s%s%s." % (names[at], glue, values[at]),
			"A value in a list", "results", {"all": [values[at]]}))
	return turns
