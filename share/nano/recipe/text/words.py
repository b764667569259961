"""The random source of the generator: phrasings, names, numbers, and what is held out.

Phrasings that start with "~", and names and numbers whose checksum says so, are kept for the
evaluation: a Source made for training never gives them out, one made for the evaluation
prefers them.
"""

import os
import random
import re
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
HELD_OUT_OF = 12


def table(name):
	with open(os.path.join(HERE, "facts", name), encoding="utf-8") as f:
		return [line.rstrip("\n").split("\t") for line in f
			if line.strip() and not line.startswith("#")]


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
			done.append(re.sub(" +", " ", text).replace(" ,", ",").replace(" .", ".").strip())
			continue
		for choice in found.group(1).split("|"):
			open_.append(text[:found.start()] + choice + text[found.end():])
	return done


class Phrases:
	"""Templates for one wish, those for training and those kept for the evaluation."""

	def __init__(self, templates):
		self.train = [variants(t) for t in templates if not t.startswith("~")]
		self.kept = [variants(t[1:]) for t in templates if t.startswith("~")] or self.train


ONSET = ("b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z",
	 "br", "cr", "dr", "fl", "gr", "pl", "pr", "st", "tr", "sh", "ch", "th", "qu", "sk")
VOWEL = ("a", "e", "i", "o", "u", "a", "e", "o", "ai", "ee", "ou", "y")
CODA = ("", "", "", "n", "r", "l", "s", "t", "m", "k", "x", "nd", "rt", "st", "ck", "p")
NOUNS = """account address alarm album anchor apple archive arrow atlas author backup badge banner
basket battery beacon bench bill bird block board bottle bridge bucket budget buffer button cable
camera candle card castle chapter chart check circle client clock cloud coffee color config copper
corner counter cover credit crew cursor custom data desk detail device diary dinner door draft
driver eagle engine entry error event export extra factory farm filter finger flag flower folder
forest format forum frame garden gate glass graph green group guide hammer harbor header heart
helper hill holiday house image import index input insert island item jacket journal jungle kernel
kettle key kitchen label ladder lake lamp layer leaf lemon letter level library license light line
link list local lock log loop machine main manual map marker market matrix meeting memory menu
message method metric mirror model module monitor moon morning motor mountain music name nature
network night node note number object ocean office onion orange order output owner packet page
paint panel paper parser party patch path pencil people person photo picture pilot plan planet
plate player pocket point poem policy pool price print profile project pump query queue quick radio
rain random reader recipe record red region report result ribbon river road robot roof room route
rule sample saturn scan scene schema school score screen script search secret sensor server session
setting shadow shape sheet ship shop signal silver sketch smoke socket source space spoon spring
square stack staff star state station status stone store storm stream street string summer summary
sun switch symbol system table target task team temple test theme thread ticket tiger timer token
tool tower town track train travel tree trip tunnel turtle update upload user valley value vector
version video view village visit wagon wallet water weather window winter wire wood word work
worker world writer yellow zebra zone
action address adapter agenda airport album animal answer apartment april area army article artist august aunt
autumn baby balance balloon banana bank bar barrel base bath beach bean bear beauty bed bee beer bell belt berry
bicycle binary birthday bitter blanket blood blue boat body bone book boot border boss bowl box boy brain branch
brand bread breakfast breath brick brother brown brush bug builder building bus business butter cabin cache cake
calendar call camp canal cancel cap capital captain car care carpet carrot cart case cash cat cell center century
chain chair change channel chat cheese cherry chicken child choice church cinema city class clean clear clever
climate cloth club coast coat code coin cold college column comma comment common company compiler computer concert
connect console contact content contract control cook copper core corn cost cotton course court cow cream cross crowd
cup curve cycle dance danger dark date day deal debug december deep default demo deploy design desert diagram diet
direct disk display document dog dollar double dragon drama drawing dream dress drink drum dry duck dust duty ear early
earth east easy echo edge editor effect egg elbow election email empty energy english essay evening event exam example
exit expert expense eye fabric face fact fall family fan fast father feather february fence fetch field figure final
fire fish flat flight floor flow fold food foot force fork form fox free fresh friday friend front fruit fuel full
function fund future galaxy game gas gift girl global goal goat gold good grammar grape grass gray great grid ground
growth guest guitar hair half hand happy hard hat hello help hero history hobby hockey home honey hook hope horse
hospital hotel hour human ice icon idea info ink inner insect invoice iron january job joke judge juice july june junior
keyboard kick kid king knife knot lab land language large laser laundry law lead learn leather left leg legal lesson
life lift lion list loan lock logic london lost lunch machine magic mail manager march mask master match math may meal
meat medal mercury merge metal milk mill mind mine minute mix mobile mode monday money monkey month mother mouse mouth
movie museum mystery nail neck needle nest new north nose notes novel november nurse ocean october offer oil old online
open option orbit outer oven paint pair palace panda pants paris park part partner pass password past path pay payment
peace pear pen pepper period phone photos piano pie pig pin pipe pizza place plain plane plant plastic play plot plum
poll port post pot potato power prayer press pretty prime prince private prize process product program proof proposal
public pull purple push python quality quarter queen question quiet quote rabbit race rate raw reading real receipt record
rent repair reply request rest rice rich right ring rock roll root rose round row royal rubber run safe salad salary
sales salt sand saturday saving science sea season seat second seed select sell send senior september series service
seven shade share shark shell shirt shoe short show sick side sign simple single sister site size skin sky sleep small
smart smile snake snow soap social soft soil solar song sorted sound soup south spare speed spell spider sport spot stage
stamp stand start steel step stock stop strong student studio style sugar suit sunday sunset super supply sure surface
survey sweet swift tail tale talk tall tap tax taxi tea teacher tennis text theater theory thing thumb thursday tide time
tiny title toast today tomato tone tooth topic total touch tour toy trace track trade traffic training transfer trash
trend trial truck true trust tuesday turn twin type uncle under union unit upper urban vacation van vector verb vest
video violin virus visitor vote voyage wage walk wall war wave wealth wedding wednesday week wheel white wide wife wild
wind wine wing winner wish wolf woman wonder word wrap year young zero""".split()
EXTENSIONS = ("txt", "md", "c", "h", "py", "sh", "json", "csv", "log", "conf", "ini", "cfg", "yaml",
	      "toml", "html", "css", "js", "rs", "go", "xml", "sql", "tsv", "rst", "java", "cpp",
	      "rb", "tex", "env", "dat", "bak")
FOLDERS = ("src", "docs", "lib", "test", "tests", "data", "config", "scripts", "include", "bin",
	   "build", "assets", "notes", "logs", "tools", "share", "app", "web", "tmp", "images",
	   "backup", "old", "new", "examples", "reports", "letters")
PEOPLE = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida", "Jonas", "Karin",
	  "Leo", "Maria", "Nina", "Oscar", "Paula", "Quentin", "Rosa", "Simon", "Tina", "Uwe",
	  "Vera", "Walter", "Yara", "Zoe", "Tom", "Lisa", "Max", "Eva", "Paul", "Mia", "Tim")
THINGS = ("apples", "pears", "books", "coins", "stamps", "marbles", "eggs", "pencils", "stones",
	  "cards", "tickets", "bottles", "boxes", "chairs", "cookies", "sheep", "cars", "trees",
	  "flowers", "buttons", "files", "pages", "letters", "points", "steps", "bricks", "plates",
	  "photos", "songs", "people", "students", "guests", "players", "kilometres", "minutes", "seats", "rooms", "workers",
	  "passengers", "children", "messages", "points", "loaves", "nails", "shirts", "pears", "dogs", "toys", "windows",
	  "stones", "tables", "lamps", "glasses", "keys", "hats", "plants", "notes", "shells", "balls", "candles", "oranges", "cups", "cows", "birds")
ASKING = ("what", "how", "which", "where", "when", "who", "why", "is", "are", "do", "does", "can",
	  "could", "will", "would", "should", "what's", "am", "did", "has", "have", "by", "in which",
	  "whose", "may", "of which", "on which")
PLAIN = frozenset("what which does show tell give explain list find search please could would where read print".split()
		  + "write create replace change delete remove describe convert".split())
OPENERS = ("please ", "hi, ", "hello, ", "hey, ", "ok, ", "quick question: ", "so, ", "um, ",
	   "one more thing: ", "now ", "well, ", "tell me, ", "I wonder, ", "question: ", "hm, ",
	   "excuse me, ", "and ")
CLOSERS = (" please", " thanks", ", please", ", thanks", "")


# An imperative may be dressed up as a wish or a question.
VERBS = frozenset("""add calculate change chmod compute convert copy count create delete describe
display duplicate edit execute explain express find get give grep list look make move multiply name
open print put read remove rename repeat replace run save search set show start store subtract sum swap
tell try turn update use view write""".split())
WISHES = ("could you {}", "can you {}", "would you {}", "can you please {}", "could you please {}", "please {}",
	  "I'd like you to {}", "I want you to {}", "go ahead and {}", "you should {}", "will you {}",
	  "let's {}", "now {}", "next, {}", "I need you to {}", "it would be nice if you could {}", "then {}",
	  "do me a favor and {}", "kindly {}", "would you mind to {}", "first {}", "try to {}")


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
		template = self.pick(self.pick(phrases.kept if self.evaluate else phrases.train))
		return template.format(**values) if values else template

	def may_use(self, key):
		"""If a name or number may be given out here; the evaluation takes only kept ones."""
		return held_out(key) == self.evaluate

	def guard(self, key):
		if not self.evaluate and held_out(key):
			raise HeldOutError(key)

	def syllables(self):
		n = self.upto(2, 3)
		return "".join(self.pick(ONSET) + self.pick(VOWEL) for _ in range(n)) + self.pick(CODA)

	def word(self):
		if self.pieces and self.chance(0.25):
			return "".join(self.pick(self.pieces) for _ in range(self.upto(1, 3)))
		return self.pick(NOUNS) if self.chance(0.5) else self.syllables()

	def stem(self):
		"""A name without its extension, from a space too wide to be learned by heart."""
		while True:
			kind = self.random()
			if kind < 0.35:
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
		if kind < 0.4:
			return str(self.upto(0, 9999))
		if kind < 0.6:
			return self.pick(("true", "false", "on", "off", "yes", "no", "none", "auto"))
		if kind < 0.75:
			return "%d.%d.%d" % (self.upto(0, 9), self.upto(0, 20), self.upto(0, 20))
		return self.word()

	def typo(self, text):
		"""A slip of the finger in the first word; names and numbers come later and stay exact."""
		word, blank, rest = text.partition(" ")
		if len(word) < 4 or word not in PLAIN:
			return text
		i = self.upto(1, len(word) - 2)
		slip = word[:i] + word[i + 1] + word[i] + word[i + 2:] if self.chance(0.5) else word[:i] + word[i + 1:]
		return slip + blank + rest

	def ask(self, question):
		"""A question as people type it: with or without capitals, marks, politeness."""
		first = question.split(" ", 1)[0]
		if first in VERBS and self.chance(0.3):
			question = self.pick(WISHES).format(question) if "{" not in question else question
			first = question.split(" ", 1)[0]
		asks = first in ASKING
		if self.chance(0.12):
			question = self.pick(OPENERS) + question
		if self.chance(0.05):
			question += self.pick(CLOSERS)
		if self.chance(0.05):
			question = self.typo(question)
		if self.chance(0.62):
			question = question[:1].upper() + question[1:]
		mark = self.random()
		if asks:
			question += "?" if mark < 0.75 else "" if mark < 0.97 else "??"
		else:
			question += "." if mark < 0.45 else "" if mark < 0.96 else "!"
		return question
