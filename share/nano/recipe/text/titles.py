"""The title of a question: its own words, without what only leads to the point, at most six."""

import re

LIMIT = 6
# What leads to the point, and what is left of it.
LEADS = tuple((re.compile(pattern, re.IGNORECASE), left) for pattern, left in (
	(r"(?:please|hi|hello|hey|ok|so|um|well|now|and|then|next|first|kindly)[, ]+", ""),
	(r"(?:could|can|would|will) you (?:please )?", ""),
	(r"(?:go ahead and|do me a favor and|let's|try to|you should) ", ""),
	(r"(?:I'd like|I would like|I want|I need|I'm trying|I have) (?:you )?to ", ""),
	(r"(?:do you know|I wonder|I want to know|tell me|say|explain)(?: to me)? "
		r"(?=how|what|which|who|why|where|when|if)", ""),
	(r"(?:how|in what way) (?:do|can|could|should|would) (?:I|we|you|one) ", ""),
	(r"(?:how|the best way|the right way|the easiest way) to ", ""),
	(r"what(?:'s| is| are| was)(?: the)? (?=\w+ \w)", ""),
	(r"(?:which|what) (?:command|tool|program) (?:do|should|can|must) I (?:use|type|run|take) to ", ""),
	(r"(?:tell|give|show) me (?:something|more)? ?about ", "about "),
	(r"(?:tell|give|show|write|sing|read) me (?=\w+ \w)", ""),
	(r"(?:write|compose|draw) an? (?=\w+ \w)", ""),
))
TAIL = re.compile(r"(?:[ ,]+(?:please|thanks|for me|now|today|quickly|then))+$", re.IGNORECASE)
SMALL = frozenset("""a an the my your our of in on at to for from with and or by as is are it this that
than into about called named how what i me you do does did can should why who where when which without s t""".split())
ARTICLES = frozenset(("a", "an", "the", "my", "your", "our", "this", "that", "some"))


def capital(text):
	return text[:1].upper() + text[1:]


def cut(title):
	"""At most six words, and no small word at the end."""
	words = title.split()
	if len(words) > LIMIT:
		words = words[:1] + [w for w in words[1:] if w.lower() not in ARTICLES]
	words = words[:LIMIT]
	while len(words) > 2 and words[-1].lower() in SMALL:
		words.pop()
	return capital(" ".join(words).rstrip(",.:;?!"))


def title(question):
	"""The title of a question in plain wording."""
	text = TAIL.sub("", question.strip().rstrip("?.!"))
	again = True
	while again:
		again = False
		for pattern, left in LEADS:
			found = pattern.match(text)
			if found and len(text) > found.end() + 1:
				text, again = left + text[found.end():], not left
	if len(text.split()) < 2:
		text = "About " + text
	return cut(text)


def content(text):
	"""The words of a text that carry its meaning, in small letters."""
	return [w for w in re.findall(r"[^\W_]+", text.lower()) if w not in SMALL]
