"""The random source of the generator: phrasings, names, numbers, and what is held out.

Phrasings that start with "~", and names and numbers whose checksum says so, are kept for the
evaluation: a Source made for training never gives them out, one made for the evaluation
prefers them.
"""

import os
import random
import re
import types
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
HELD_OUT_OF = 12


def table(name):
	with open(os.path.join(HERE, "facts", name), encoding="utf-8") as f:
		return [
			line.rstrip("\n").split("\t") for line in f
			if line.strip() and not line.startswith("#")
		]


def held_out(key):
	return zlib.crc32(key.encode()) % HELD_OUT_OF == 0


class HeldOutError(AssertionError):
	"""Something kept for the evaluation got into a training document."""


OPTION = re.compile(r"\[([^\[\]]*)\]")


def variants(template):
	"""All that "[a|b] c" stands for; an empty choice takes a blank with it."""
	done, open_ = [], [template]
	while open_:
		text = open_.pop()
		found = OPTION.search(text)
		if not found:
			done.append(
				re.sub(" +", " ", text).replace(" ,", ",").replace(" .",
				".").strip())
			continue
		for choice in found.group(1).split("|"):
			open_.append(text[:found.start()] + choice + text[found.end():])
	return done


class Phrases:
	"""Templates for one wish, those for training and those kept for the evaluation."""
	def __init__(self, templates):
		kept = [variants(t[1:]) for t in templates if t.startswith("~")]
		taken = {text.lower() for texts in kept for text in texts}
		# What is kept may be among the many that another template stands for.
		train = [[text for text in variants(t) if text.lower() not in taken]
			for t in templates if not t.startswith("~")]
		self.train = [texts for texts in train if texts]
		self.kept = kept or self.train


def phrasebook(name):
	"""The wordings in a file of facts/: an attribute of Phrases for each [HEADING]."""
	book, heading = {}, None
	with open(os.path.join(HERE, "facts", name), encoding="utf-8") as f:
		for line in f:
			line = line.rstrip("\n")
			if re.fullmatch(r"\[[A-Z_]+\]", line):
				heading = line[1:-1]
				book[heading] = []
			elif line and not line.startswith("#"):
				book[heading].append(line)
	return types.SimpleNamespace(**{key: Phrases(value) for key, value in book.items()})


ONSET = ("b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w",
	"z", "br", "cr", "dr", "fl", "gr", "pl", "pr", "st", "tr", "sh", "ch", "th", "qu", "sk")
VOWEL = ("a", "e", "i", "o", "u", "a", "e", "o", "ai", "ee", "ou", "y")
CODA = ("", "", "", "n", "r", "l", "s", "t", "m", "k", "x", "nd", "rt", "st", "ck", "p")
NOUNS = [word for line in table("nouns.txt") for word in line[0].split()]
EXTENSIONS = ("txt", "md", "c", "h", "py", "sh", "json", "csv", "log", "conf", "ini", "cfg",
	"yaml", "toml", "html", "css", "js", "rs", "go", "xml", "sql", "tsv", "rst", "java",
	"cpp", "rb", "tex", "env", "dat", "bak")
FOLDERS = ("src", "docs", "lib", "test", "tests", "data", "config", "scripts", "include", "bin",
	"build", "assets", "notes", "logs", "tools", "share", "app", "web", "tmp", "images",
	"backup", "old", "new", "examples", "reports", "letters")
PEOPLE = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida", "Jonas",
	"Karin", "Leo", "Maria", "Nina", "Oscar", "Paula", "Quentin", "Rosa", "Simon", "Tina",
	"Uwe", "Vera", "Walter", "Yara", "Zoe", "Tom", "Lisa", "Max", "Eva", "Paul", "Mia",
	"Tim")
THINGS = ("apples", "pears", "books", "coins", "stamps", "marbles", "eggs", "pencils", "stones",
	"cards", "tickets", "bottles", "boxes", "chairs", "cookies", "sheep", "cars", "trees",
	"flowers", "buttons", "files", "pages", "letters", "points", "steps", "bricks",
	"plates", "photos", "songs", "people", "students", "guests", "players", "kilometres",
	"minutes", "seats", "rooms", "workers", "passengers", "children", "messages", "points",
	"loaves", "nails", "shirts", "pears", "dogs", "toys", "windows", "stones", "tables",
	"lamps", "glasses", "keys", "hats", "plants", "notes", "shells", "balls", "candles",
	"oranges", "cups", "cows", "birds")
ASKING = ("what", "how", "which", "where", "when", "who", "why", "is", "are", "do", "does",
	"can", "could", "will", "would", "should", "what's", "am", "did", "has", "have", "by",
	"in which", "whose", "may", "of which", "on which")
PLAIN = frozenset(
	"what which does show tell give explain list find search please could would where read print"
	.split() + "write create replace change delete remove describe convert".split())
OPENERS = ("please ", "hi, ", "hello, ", "hey, ", "ok, ", "quick question: ", "so, ", "um, ",
	"one more thing: ", "now ", "well, ", "tell me, ", "I wonder, ", "question: ", "hm, ",
	"excuse me, ", "and ")
CLOSERS = (" please", " thanks", ", please", ", thanks", "")

# An imperative may be dressed up as a wish or a question.
VERBS = frozenset(
	"""add calculate change chmod compute convert copy count create delete describe
display duplicate edit execute explain express find get give grep list look make move multiply name
open print put read remove rename repeat replace run save search set show start store subtract sum swap
tell try turn update use view write""".split())
WISHES = ("could you {}", "can you {}", "would you {}", "can you please {}",
	"could you please {}", "please {}", "I'd like you to {}", "I want you to {}",
	"go ahead and {}", "you should {}", "will you {}", "let's {}", "now {}", "next, {}",
	"I need you to {}", "it would be nice if you could {}", "then {}",
	"do me a favor and {}", "kindly {}", "would you mind to {}", "first {}", "try to {}")

HASTY = tuple((re.compile(pattern), text) for pattern, text in (
	(r"\bI\b", "i"),
	(r"\bi'(m|d|ve|ll)\b", r"i\1"),
	(r"^what(?:'s| is) ", "whats "),
	(r"^how do i ", "how to "),
	(r"\b(don|can|isn|doesn)'t\b", r"\1t"),
	(r"\bplease\b", "pls"),
	(r"^(can|could|would) you ", r"\1 u "),
))


# Names of files that people give.
SHORT = tuple("abcdefghijklmnopqrstuvwxyz") + ("main", "index", "readme", "todo", "one", "two", "three",
	"first", "second", "foo", "bar", "hello", "script", "helper", "util", "setup", "info")


class Source:
	def __init__(self, seed, evaluate=False, pieces=()):
		"""With `pieces` some words are made of these at random, so that each piece gets copied now and then."""
		self.pieces = pieces
		self.rng = random.Random(seed)
		self.random = self.rng.random
		self.evaluate = evaluate

	def chance(self, p):
		return self.random() < p

	def pick(self, items):
		return items[int(self.random() * len(items))]

	def upto(self, low, high):
		"""A whole number from low to high, both included."""
		return low + int(self.random() * (high - low + 1))

	def phrase(self, phrases, **values):
		template = self.pick(
			self.pick(phrases.kept if self.evaluate else phrases.train))
		return template.format(**values) if values else template

	def may_use(self, key):
		"""If a name or number may be given out here; the evaluation takes only kept ones."""
		return held_out(key) == self.evaluate

	def guard(self, key):
		if not self.evaluate and held_out(key):
			raise HeldOutError(key)

	def syllables(self):
		n = self.upto(2, 3)
		return "".join(self.pick(ONSET) + self.pick(VOWEL)
			for _ in range(n)) + self.pick(CODA)

	def word(self):
		if self.pieces and self.chance(0.25):
			return "".join(self.pick(self.pieces) for _ in range(self.upto(1, 3)))
		return self.pick(NOUNS) if self.chance(0.5) else self.syllables()

	def stem(self):
		"""A name without its extension, from a space too wide to be learned by heart."""
		while True:
			kind = self.random()
			if kind < 0.04:
				name = self.pick(SHORT) + (str(self.upto(1, 9)) if self.chance(0.3) else "")
			elif kind < 0.35:
				name = self.word()
			elif kind < 0.55:
				name = self.word() + self.pick("_-") + self.word()
			elif kind < 0.75:
				name = self.word() + str(self.upto(1, 99))
			elif kind < 0.85:
				name = self.word() + self.pick("_-.") + str(self.upto(1, 2030))
			elif kind < 0.93:
				name = self.syllables().capitalize()
			else:
				name = self.word().upper()
			if self.may_use(name):
				return name

	def file(self, extensions=EXTENSIONS, folder=0.35):
		stem = self.stem()
		self.guard(stem)
		name = stem + "." + self.pick(extensions)
		if self.chance(folder):
			name = self.folder() + "/" + name
		return name

	def folder(self):
		kind = self.random()
		if kind < 0.6:
			return self.pick(FOLDERS)
		if kind < 0.8:
			return self.pick(FOLDERS) + "/" + self.word()
		return self.stem()

	def value(self):
		kind = self.random()
		if kind < 0.35:
			return str(self.upto(0, 9999))
		if kind < 0.45:
			return "%d:%02d" % (self.upto(0, 23), self.upto(0, 59))
		if kind < 0.6:
			return self.pick(
				("true", "false", "on", "off", "yes", "no", "none", "auto"))
		if kind < 0.75:
			return "%d.%d.%d" % (self.upto(0, 9), self.upto(0, 20), self.upto(
				0, 20))
		return self.word()

	def typo(self, text):
		"""A slip of the finger in the first word; names and numbers come later and stay exact."""
		word, blank, rest = text.partition(" ")
		if len(word) < 4 or word not in PLAIN:
			return text
		i = self.upto(1, len(word) - 2)
		slip = word[:i] + word[i + 1] + word[i] + word[i +
			2:] if self.chance(0.5) else word[:i] + word[i + 1:]
		return slip + blank + rest

	def hasty(self, question):
		"""As people type who don't look: small letters for themselves, words run together."""
		for pattern, text in HASTY:
			if self.chance(0.7):
				question = pattern.sub(text, question)
		return question

	def ask(self, question):
		"""A question as people type it: with or without capitals, marks, politeness."""
		first = question.split(" ", 1)[0]
		if first in VERBS and self.chance(0.3):
			question = self.pick(WISHES).format(
				question) if "{" not in question else question
			first = question.split(" ", 1)[0]
		asks = first in ASKING
		if self.chance(0.12):
			question = self.pick(OPENERS) + question
		if self.chance(0.05):
			question += self.pick(CLOSERS)
		if self.chance(0.05):
			question = self.typo(question)
		if not self.evaluate and self.chance(0.1):
			return self.hasty(question)
		if self.chance(0.62):
			question = question[:1].upper() + question[1:]
		mark = self.random()
		if asks:
			question += "?" if mark < 0.75 else "" if mark < 0.97 else "??"
		else:
			question += "." if mark < 0.45 else "" if mark < 0.96 else "!"
		return question
