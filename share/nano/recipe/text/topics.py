"""What one can ask without tools: each topic gives a chain of turns that follow each other."""

from dataclasses import dataclass, field
import re

from titles import cut, title
from words import NOUNS, PEOPLE, Phrases, THINGS, phrasebook, table

SAY = phrasebook("say_topics.txt")


@dataclass
class Turn:
	question: str
	answer: str
	why: str  # what it thinks before the answer, in thinking mode
	title: str
	kind: str  # facts, arithmetic or talk: a column of the evaluation
	check: dict = field(default_factory=dict)
	spoken: str = ""  # the answer in chat mode, where it is another
	small: bool = False  # small talk: no name for a conversation that goes on to something


# Commands.

COMMANDS = table("commands.tsv")
KNOWN = {row[0] for row in COMMANDS}


def quoted(src, name):
	kind = src.random()
	if kind < 0.72:
		return name
	mark = "`" if kind < 0.9 else '"' if kind < 0.96 else "'"
	return mark + name + mark


def what_turn(src, row, phrases=SAY.WHAT):
	name, does, _, example, shows = row
	return Turn(src.ask(src.phrase(phrases, x=quoted(src,
		name))), "`%s` %s. For example, `%s` %s." % (name, does, example, shows),
		"The user asks what `%s` does." % name, "What %s does" % name, "facts",
		{"all": [does]})


DOUBLED = frozenset(
	"get put set cut run stop shut let zip unzip drop swap scan split trim strip log".split(
	))


def gerund(task):
	"""The task as a thing: "copy a file" as "copying a file"."""
	verb, blank, rest = task.partition(" ")
	if verb in DOUBLED:
		verb += verb[-1]
	elif verb.endswith("e") and not verb.endswith(("ee", "be")):
		verb = verb[:-1]
	return verb + "ing" + blank + rest


SYNONYMS = {words: others.split(";") for words, others in table("synonyms.tsv")}
KNOWN_WORDS = re.compile(r"\b(%s)\b" % "|".join(sorted(SYNONYMS, key=len, reverse=True)))


def reworded(src, task):
	"""The task in other words, as people don't all use the same; the first word stays a verb."""
	return KNOWN_WORDS.sub(
		lambda found: src.pick(SYNONYMS[found.group(1)])
		if src.chance(0.35) else found.group(1), task)


def how_turn(src, row, phrases=SAY.HOW):
	name, does, tasks, example, shows = row
	task = src.pick(tasks.split("; "))
	if not src.evaluate and src.chance(0.5):
		task = reworded(src, task)
	asked = src.phrase(phrases, t=task, g=gerund(task))
	named = gerund(task) if gerund(task) in asked else task
	return Turn(src.ask(asked),
		"Use `%s`: it %s. For example, `%s` %s." % (name, does, example, shows),
		"The user wants to %s. The command `%s` %s." % (task, name, does),
		cut(named), "facts", {"all": ["`%s`" % name]})


def which_turn(src, row):
	name, does = row[:2]
	example, shows = row[3:]
	return Turn(src.ask(src.phrase(SAY.WHICH, d=does)),
		"Use `%s`: it %s. For example, `%s` %s." % (name, does, example, shows),
		"The user looks for a command. The command `%s` %s." % (name, does),
		cut("What " + does), "facts", {"all": ["`%s`" % name]})


def example_turn(src, row, phrases=SAY.EXAMPLE):
	name, _, _, example, shows = row
	asked = src.phrase(phrases, x=quoted(src, name))
	return Turn(src.ask(asked),
		"`%s` %s." % (example, shows), "The user wants an example of `%s`." % name,
		title(asked), "facts", {"all": [example]})


def line_turn(src, row):
	name, _, _, example, shows = row
	return Turn(
		src.ask(src.phrase(SAY.LINE,
		e="`%s`" % example if src.chance(0.6) else example)),
		"`%s` %s." % (example, shows), "The user asks about the line `%s`." % example,
		cut("What %s does" % example), "facts", {"all": [shows]})


def unknown_turn(src):
	"""A command that does not exist: better admitted than made up."""
	while True:
		name = src.syllables()
		if name not in KNOWN and src.may_use(name):
			break
	src.guard(name)
	return Turn(src.ask(src.phrase(SAY.WHAT, x=quoted(src,
		name))), "I do not know the command `%s`." % name,
		"The user asks about `%s`, which I do not know." % name, "What %s does" % name,
		"talk", {"all": ["do not know"]})


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
			turns.append(example_turn(src, row, SAY.NEXT_EXAMPLE))
		elif kind < 0.7:
			row = src.pick(COMMANDS)
			turns.append(what_turn(src, row, SAY.NEXT_COMMAND))
			maker = what_turn
		else:
			row = src.pick(COMMANDS)
			turns.append(how_turn(src, row, SAY.NEXT_HOW))
			maker = how_turn
	return turns


# Capitals.

CAPITALS = table("capitals.tsv")


def capital_turn(src, phrases=SAY.CAPITAL):
	nation, city = src.pick(CAPITALS)
	asked = nation.lower() if src.chance(0.15) else nation
	return Turn(src.ask(src.phrase(phrases,
		n=asked)), "The capital of %s is %s." % (nation, city),
		"The user asks for the capital of %s." % nation, "Capital of %s" % nation,
		"facts", {"all": [city]})


def capitals(src):
	if src.chance(0.2):
		nation, city = src.pick(CAPITALS)
		turns = [
			Turn(src.ask(src.phrase(SAY.COUNTRY,
			c=city)), "%s is the capital of %s." % (city, nation),
			"The user asks which country has the capital %s." % city,
			"The capital %s" % city, "facts", {"all": [nation]})
		]
	else:
		turns = [capital_turn(src)]
		while src.chance(0.4) and len(turns) < 5:
			turns.append(capital_turn(src, SAY.NEXT_CAPITAL))
	return turns


# This program.

PROGRAM = table("program.tsv")


def program(src):
	name, wishes, answer = src.pick(PROGRAM)
	if src.chance(0.5) or name in ("history", "complete", "tokens", "replay", "bench",
		"doctor", "paths"):
		wish = src.pick(wishes.split("; "))
		return [
			Turn(src.ask(src.phrase(SAY.WISH,
			t=wish)), answer, "The user wants to %s with this program." % wish,
			cut(wish), "facts", {"all": [answer]})
		]
	is_key = name in ("Esc", "Enter", "Tab", "F1", "Alt-arrows") or name.startswith("Ctrl-")
	return [
		Turn(src.ask(src.phrase(SAY.PRESS if is_key else SAY.KEY, k=quoted(src,
		name))), answer, "The user asks about %s in this program." % name,
		"What %s does" % name, "facts", {"all": [answer]})
	]


# Arithmetic.

PLACES = ("Ones", "Tens", "Hundreds", "Thousands", "Ten thousands")
NEXT_SUM = {"+": SAY.NEXT_ADD, "-": SAY.NEXT_SUB, "*": SAY.NEXT_MUL}

SOMEONE = ("A farmer", "My friend", "The teacher", "My sister", "A shop", "The school",
	"Our team", "She", "He", "My uncle", "The baker", "A library", "My neighbour",
	"The driver", "A student", "The museum")


def work_add(a, b):
	steps, carry = [], 0
	x, y = str(a)[::-1], str(b)[::-1]
	width = max(len(x), len(y))
	for i in range(width):
		terms = [c[i] if i < len(c) else "0" for c in (x, y)]
		total = int(terms[0]) + int(terms[1]) + carry
		line = "%s: %s%s = %d" % (PLACES[i], " + ".join(terms), " + 1" if carry else "",
			total)
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
			line += " %d - %d needs a borrow, %d - %d = %d." % (top, low, top + 10,
				low, top + 10 - low)
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
	return src.upto(0,
		9) if kind < 0.12 else src.upto(10, 99) if kind < 0.45 else src.upto(100, 999)


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
		phrases = SAY.ADD_STORY if op == "+" else SAY.SUB_STORY if op == "-" else SAY.MUL_STORY
		question = src.phrase(phrases,
			a=a,
			b=b,
			t=thing,
			p=p,
			q=q,
			s=p if src.chance(0.5) else src.pick(SOMEONE))
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
		phrases = SAY.ADD if op == "+" else SAY.SUB if op == "-" else SAY.MUL
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
SHORT = {
	"kilometres": "km",
	"metres": "m",
	"centimetres": "cm",
	"millimetres": "mm",
	"kilograms": "kg",
	"grams": "g",
	"milligrams": "mg",
	"litres": "l",
	"millilitres": "ml",
	"hours": "h",
	"minutes": "min",
	"seconds": "s",
	"milliseconds": "ms",
	"megabytes": "MB",
	"gigabytes": "GB",
	"kilobytes": "KB",
	"terabytes": "TB"
}


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
		question = src.phrase(SAY.LONGER,
			n=total,
			b=shown_small or small,
			d=shown or plural)
		why = "1 %s is %d %s. %d * %d = %d, so it is %d." % (unit, factor, small, n,
			factor, total, n)
		answer = "%d %s are %d %s." % (total, small, n, one)
		value = n
		wanted = "%d %s in %s" % (total, shown_small or small, shown or plural)
	else:
		question = src.phrase(SAY.LONGER, n=n, b=shown or one, d=shown_small or small)
		why = "1 %s is %d %s. " % (unit, factor, small)
		if not tens and n > 1:
			why += "%d * %d. %s Result: %d." % (factor, n, work_mul(factor,
				n), total)
		else:
			why += "%d * %d = %d." % (n, factor, total)
		answer = "%d %s %s %d %s." % (n, one, "is" if n == 1 else "are", total, small)
		value = total
		wanted = "%d %s in %s" % (n, shown or one, shown_small or small)
	return [
		Turn(src.ask(question), answer, why, wanted, "facts",
		{"all": ["%d" % value]})
	]


# Dates.

MONTHS = (("January", 31), ("February", 28), ("March", 31), ("April", 30), ("May", 31), ("June",
	30), ("July", 31), ("August", 31), ("September", 30), ("October", 31), ("November", 30),
	("December", 31))
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven")
ORDINAL = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
	"tenth", "eleventh", "twelfth")


def date_turn(question, answer, why, name, expected):
	return [Turn(question, answer, why, name, "facts", {"all": [expected]})]


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
		return date_turn(src.ask(src.phrase(SAY.MONTH_DAYS, m=month)), answer,
			"The user asks for the length of %s." % month, "Days in %s" % month,
			str(length))
	if kind in (1, 2):
		while True:
			year = src.upto(1900, 2100)
			if src.may_use(
				"year %d" % year) or year % 100 == 0 and not src.evaluate:
				break
		if year % 100:
			src.guard("year %d" % year)
			leap = year % 4 == 0
			why = "%02d is %s of 4." % (year % 100,
				"a multiple" if leap else "not a multiple")
		else:
			leap = year == 2000
			why = "%d ends in 00, so it must be a multiple of 400." % year
		return date_turn(
			src.ask(src.phrase(SAY.LEAP,
			y=year)), "%s, %d is %sa leap year." % (("Yes", year, "") if leap else
			("No", year, "not ")), why, "Leap year %d" % year,
			"is a leap" if leap else "is not a leap")
	if kind == 3:
		after = src.chance(0.6)
		other = DAYS[(day + (1 if after else 6)) % 7]
		if after:
			return date_turn(src.ask(src.phrase(SAY.DAY_AFTER,
				d=name)), "The day after %s is %s." % (name, other),
				"After %s comes %s." % (name, other), "The day after %s" % name,
				other)
		return date_turn(src.ask(src.phrase(SAY.DAY_BEFORE,
			d=name)), "The day before %s is %s." % (name, other),
			"Before %s comes %s." % (name, other), "The day before %s" % name,
			other)
	if kind in (4, 5):
		n = src.upto(2, 7)
		steps = [DAYS[(day + i) % 7] for i in range(1, n + 1)]
		return date_turn(
			src.ask(
			src.phrase(SAY.DAYS_AFTER,
			d=name,
			n=n if src.chance(0.7) else COUNTS[n])),
			"%d days after %s is %s." % (n, name, steps[-1]),
			"Counting %d days: %s." % (n, ", ".join("%d %s" % (i + 1, s)
			for i, s in enumerate(steps))), "Days after %s" % name, steps[-1])
	if kind == 6:
		after = src.chance(0.6)
		other = MONTHS[(at + (1 if after else 11)) % 12][0]
		if after:
			return date_turn(src.ask(src.phrase(SAY.MONTH_AFTER,
				m=month)), "After %s comes %s." % (month, other),
				"The user asks for the month after %s." % month,
				"The month after %s" % month, other)
		return date_turn(src.ask(src.phrase(SAY.MONTH_BEFORE,
			m=month)), "Before %s comes %s." % (month, other),
			"The user asks for the month before %s." % month,
			"The month before %s" % month, other)
	if kind == 7:
		return date_turn(src.ask(src.phrase(SAY.MONTH_NUMBER, i=at + 1,
			o=ORDINAL[at])), "The %s month is %s." % (ORDINAL[at], month),
			"The user asks for month %d." % (at + 1), "The %s month" % ORDINAL[at], month)
	if kind == 8:
		date = src.upto(1, length)
		if date == length and at == 1:
			date = 27
		new, new_month = (date + 1, month) if date < length else (1,
			MONTHS[(at + 1) % 12][0])
		return date_turn(
			src.ask(src.phrase(SAY.NEXT_DATE, i=date, m=month)),
			"The day after %d %s is %d %s." % (date, month, new, new_month),
			"%s has %d days." % (month, length), "After %d %s" % (date, month),
			"%d %s" % (new, new_month))
	i = src.upto(1, length - 1)
	j = src.upto(i + 1, length)
	return date_turn(src.ask(src.phrase(SAY.COUNT_DAYS, i=i, j=j,
		m=month)), "From %d %s to %d %s are %d days." % (i, month, j, month, j - i),
		"%d - %d. %s Result: %d." % (j, i, work_sub(j, i), j - i), "Days in %s" % month,
		"%d days" % (j - i))


# Small talk, and what it does not know.

TALK = [(Phrases(q.split("; ")), a, t) for q, a, t in table("talk.tsv")]
TALK_WEIGHTED = TALK[:20] * 2 + TALK
DECLINE = Phrases([line[0] for line in table("decline.tsv")])
DECLINED = "Sorry, I %s that. I know Debian commands, sums, units, dates and capitals."
DECLINES = {"any": ["do not know", "can't"]}
DEEDS = frozenset("""write draw play order book call predict sing compose advise recommend give translate
solve send remind paint record phone mail post plan make summarise""".split())


def declined(is_wish):
	"""(answer, thought) for what it can't do, or does not know."""
	if is_wish:
		return DECLINED % "can't do", "I can't do this."
	return DECLINED % "do not know", "I do not know this."


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
	phrases, answer, name = src.pick(TALK_WEIGHTED)
	name = name if " " in name else "About " + name.lower()
	return [
		Turn(src.ask(src.phrase(phrases)), answer, "The user makes small talk.", name,
		"talk", {"all": [answer]}, small=True)
	]


def decline(src):
	nation, city = src.pick(CAPITALS)
	topic = src.pick(TOPICS) if src.chance(0.6) else src.pick(NOUNS)
	word = src.word()
	while word in KNOWN:
		word = src.word()
	question = src.phrase(DECLINE,
		y=src.upto(1500, 2025),
		n=nation,
		c=city,
		c2=src.pick(CAPITALS)[1],
		t=topic,
		f=src.pick(FOODS),
		b=src.pick(BRANDS),
		w=word,
		w2=src.word(),
		l=src.pick(FOREIGN),
		d=src.upto(11, 9999),
		e=src.upto(2, 99),
		m=src.pick(MACHINES),
		p=src.pick(FAMOUS) if src.chance(0.6) else src.pick(PEOPLE) + " " +
		src.syllables().capitalize(),
		g=src.pick(CODE),
		a=src.pick(ANIMALS))
	bare = re.sub("^(can|could) you ", "", question)
	return [
		Turn(src.ask(question), *declined(bare.split()[0] in DEEDS), title(question),
		"talk", DECLINES)
	]


WEIGHTS = ((commands, 34), (arithmetic, 30), (capitals, 9), (program, 8), (units, 7), (dates,
	8), (talk, 16), (decline, 8))
POOL = [topic for topic, weight in WEIGHTS for _ in range(weight)]


def any_topic(src):
	return src.pick(POOL)(src)
