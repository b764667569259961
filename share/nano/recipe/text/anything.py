"""Questions of all kinds, about anything: what the model can't answer but has to name in a title."""

import re

import topics
from titles import capital, cut
from topics import Turn
from words import NOUNS, PEOPLE, Phrases, table

TEXTS = """poem story song essay haiku speech letter joke riddle list play limerick sonnet text report
article novel rhyme ballad tale verse lullaby note dialogue summary""".split()
MEALS = "breakfast lunch dinner meal picnic party menu brunch supper".split()
QUALITIES = "old big heavy long fast expensive common deep tall strong far hot rare safe".split()
ASPECTS = """purpose meaning origin history future price size weight age color shape name use value role
structure temperature length height speed owner inventor smell taste""".split()


def words_of(name):
	"""{heading: words} of a file of facts/."""
	found, heading = {}, None
	for line in table(name):
		if line[0].startswith("["):
			heading = found.setdefault(line[0].strip("[]"), [])
		else:
			heading.extend(line[0].split())
	return found


WORDS = words_of("subjects.txt")
# What the commands do is known: an open question is about something else.
TAKEN = {word for row in topics.COMMANDS for word in row[2].replace(";", " ").split()}
VERBS = sorted(set(WORDS["VERBS"]) - TAKEN)
SUBJECTS = sorted((set(WORDS["NAMES"]) | set(NOUNS)) - TAKEN - topics.KNOWN)
SAME = re.compile(r"<([^<>]+)>")


def frames(row):
	"""A row of open.tsv for each choice that question and title have in common."""
	found = SAME.search(row[0])
	choices = found.group(1).split("|") if found else [""]
	for choice in choices:
		asked = row[0].replace(found.group(0), choice) if found else row[0]
		yield Phrases([asked]), row[0][0] == "~", row[1].replace("<>", choice), len(row) > 2


ROWS = [list(frames(row)) for row in table("open.tsv")]
TRAINED = [row for row in ROWS if not row[0][1]]
KEPT = [row for row in ROWS if row[0][1]]


def plural(word):
	if word.endswith(("s", "x", "z", "ch", "sh")):
		return word + "es"
	if word.endswith("y") and word[-2:-1] not in "aeou":
		return word[:-1] + "ies"
	return word + "s"


def subject(src):
	"""A thing: of known words, or of any letters, since titles have to copy words never seen."""
	kind = src.random()
	if kind < 0.5:
		return src.pick(SUBJECTS)
	if kind < 0.9:
		word = src.word().lower() if kind < 0.75 else src.syllables()
		return word if word not in topics.KNOWN else src.pick(SUBJECTS)
	return "%s %s" % (src.pick(SUBJECTS), src.pick(SUBJECTS))


def task(src):
	"""What one may want to do."""
	kind = src.random()
	verb = src.pick(VERBS) if src.chance(0.85) else src.syllables()
	thing = subject(src)
	if kind < 0.35:
		return "%s %s %s" % (verb, src.pick(("a", "the", "my", "a new", "an old")), thing)
	if kind < 0.5:
		return "%s %s" % (verb, plural(thing))
	if kind < 0.65:
		return "%s a %s %s %s" % (verb, thing, src.pick(("in", "with", "for", "from")),
			src.pick((src.pick(topics.CODE), plural(subject(src)), src.syllables())))
	if kind < 0.75:
		return "%s a %s %s" % (verb, src.pick(WORDS["ADJECTIVES"]), thing)
	if kind < 0.85:
		return "%s %s without a %s" % (verb, plural(thing), subject(src))
	return "%s %s" % (verb, src.pick(("better", "faster", "well", "alone", "at night",
		"every day", "in winter", "like a " + thing)))


def person(src):
	first = src.pick(PEOPLE) if src.chance(0.6) else src.syllables().capitalize()
	return src.pick(topics.FAMOUS) if src.chance(0.3) else "%s %s" % (first,
		src.syllables().capitalize())


def slots(src):
	x, x2 = subject(src), subject(src)
	nation, city = src.pick(topics.CAPITALS)
	values = {
		"x": x,
		"x2": x2,
		"xs": plural(x),
		"xs2": plural(x2),
		"a": src.pick(WORDS["ADJECTIVES"]),
		"v": src.pick(VERBS),
		"t": task(src),
		"k": src.pick(TEXTS),
		"m": src.pick(MEALS),
		"q": src.pick(QUALITIES),
		"r": src.pick(ASPECTS),
		"n": nation,
		"c": city if src.chance(0.6) else src.syllables().capitalize(),
		"w": src.word(),
		"p": person(src),
		"y": str(src.upto(1500, 2025)),
		"l": src.pick(topics.FOREIGN),
		"g": src.pick(topics.CODE),
		"d": str(src.upto(2, 99))
	}
	values.update({key.capitalize(): capital(value) for key, value in values.items()})
	return values


def open_turn(src):
	said, _, title, is_wish = src.pick(src.pick(KEPT if src.evaluate else TRAINED))
	values = slots(src)
	return Turn(src.ask(src.phrase(said, **values)), *topics.declined(is_wish),
		cut(title.format(**values)), "talk", topics.DECLINES)
