#!/usr/bin/env python3
"""Checks that training text holds no question of the evaluation, and that it is deterministic.

Of the tasks written by hand neither what is asked nor what a file says or orders may be made by a
wording of the training text's tasks, whatever name or number stands in it.

    heldout_check.py [DOCUMENTS]      exits 1 and names what it found
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "share", "nano", "recipe", "text")]

import eval_nano  # noqa: E402  the paths come first
import folder_tasks  # noqa: E402
import generate  # noqa: E402
from words import phrasebook  # noqa: E402


def plain(text):
	"""Only letters, digits and what stands between them: case and marks at the end don't count."""
	return re.sub(r"[\s?.!]+$", "", text.lower())


def last_question(row):
	"""What is asked last; None for a result, which depends on the whole conversation."""
	message = row["messages"][-1]
	return plain(message["content"]) if message["role"] == "user" else None


PLACE = re.compile(r"\\{(\w+)\\}")


def worded(template):
	"""What a wording can be: a list is several, a text or a command any words, all else is one."""
	return re.compile(
		PLACE.sub(
		lambda m: {
		"l": ".+ and .+",
		"q": ".+",
		"c": ".+"
		}.get(m.group(1), r"\S+"), re.escape(plain(template))))


def made_by_wordings():
	"""(wording, text) for each text of a task by hand that a wording of the training text makes."""
	book = vars(phrasebook("say_agent.txt"))
	wordings = [(text, worded(text)) for phrases in book.values()
		for texts in phrases.train for text in texts]
	for row in folder_tasks.load(os.path.join(HERE, "agent_tasks.jsonl")):
		# Those with orders ask for something plain: it is the order that has to be new.
		texts = row["asked"] if row["kind"] == "tasks" else []
		texts = texts + [line for content in row["folder"].values()
			for line in folder_tasks.text_of(content).split("\n")]
		for text in set(texts):
			for wording, pattern in wordings:
				if pattern.fullmatch(plain(text)):
					yield wording, text


def main():
	count = int(sys.argv[1]) if len(sys.argv) > 1 else 30000
	rows = eval_nano.load_generated(300, 7) + eval_nano.load_handwritten()
	# In the middle of a conversation short questions ("and Spain?") may meet by chance.
	asked = {last_question(row) for row in rows if len(row["messages"]) <= 2} - {None}
	tasks = eval_nano.load_generated(300, 7, ("tasks", )) + folder_tasks.load(
		os.path.join(HERE, "agent_tasks.jsonl"))
	asked |= {plain(text) for row in tasks for text in row["asked"]}
	found = set()
	for document in generate.documents(1, count):
		for message in document["messages"]:
			if message["role"] == "user" and plain(message["content"]) in asked:
				found.add(message["content"])
	for text in sorted(found):
		print("in training text and in the evaluation: %s" % text)
	by_hand = list(made_by_wordings())
	for wording, text in by_hand:
		print("a wording of the training text makes a task by hand: %s: %s" % (wording, text))
	same = list(generate.documents(5, 50)) == list(generate.documents(5, 50))
	if not same:
		print("the same seed gave different documents")
	print("%d questions looked for in %d documents, %d found" %
		(len(asked), count, len(found)))
	return 1 if found or by_hand or not same else 0


if __name__ == "__main__":
	sys.exit(main())
