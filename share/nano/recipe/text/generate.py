#!/usr/bin/env python3
"""Writes the small model's training text: conversations as JSON lines.

    generate.py --seed 1 --documents 1000           documents for training
    generate.py --evaluate --seed 1 --documents 200 questions for the evaluation, a kind each 200
    generate.py --evaluate --kinds tasks            tasks in a folder alone

A document is {"messages", "thinking_mode", "drop_thinking", "reasoning_effort"}; tools stand on
the system message.  The same seed gives the same documents.  What is kept for the evaluation
(words.py) never gets into training text: a document that held some would raise HeldOutError.

Where the tokens go, of 8,000 documents (3.7 million; in brackets of the weight in the loss, in which
a prompt counts a twentieth): 48 % (44 %) sessions with the program's own prompt and six tools, 8 %
(6 %) with other prompts or fewer tools, 19 % (20 %) long conversations that look back, 25 % (31 %)
short ones.  The prompt and the schemas are some 1,070 tokens, so half of a session's tokens are
always the same; the middle session has 1,800, the longest document 3,300: with sequences of 4,096
none is cut, with 2,048 one in twenty is.
"""

import argparse
import itertools
import json
import sys

import agent
import agent_refused
import anything
import longer
import tools
import topics
from desk import Desk
from titles import content
from words import Source

SYSTEM = ("You are a helpful assistant.", "Answer in one sentence.",
	"You are a friendly assistant.", "Be brief.", "You are dsv4chat, a terminal assistant.",
	"Answer simply and honestly.", "You help with Debian.", "You are a small model.",
	"The user works in a terminal.", "Be polite.", "You answer questions.",
	"Today is a good day to help.", "You are an assistant on a Linux machine.")
# What people say before they come to the point.
BEFORE = ("I am new to Linux.", "I have a question.", "I need some help.",
	"My computer is slow today.", "I work in a terminal.", "I am writing a script.",
	"This is my first day here.", "I am learning.", "I use Debian.", "I have a problem.",
	"Sorry to bother you.", "I was thinking about something.", "I am a beginner.",
	"There is something I don't know.", "My friend asked me this.", "I looked everywhere.",
	"I have an exam tomorrow.", "We were talking about this.",
	"I have just installed the system.", "I can't find it in the manual.", "It is late.",
	"I am in a hurry.", "Let me ask you something.", "I am back.", "Something else.",
	"Here is the next question.", "I am not sure about this.")
KINDS = ("facts", "arithmetic", "calls", "results", "talk", "titles", "near", "far", "old", "tasks")


def weighted(*jobs):
	return [job for some in jobs for job, weight in some for _ in range(weight)]


# Tasks in a folder.  AGENTS.md, where one is, is there from the beginning.
INSTRUCTED = weighted(agent_refused.FIRST)
TASKS = weighted(agent.JOBS, agent_refused.JOBS, agent_refused.FIRST)
QUIET = weighted(agent_refused.QUIET)
TRAINED = weighted(agent.JOBS, agent_refused.JOBS, agent_refused.ONLY_TRAINED)
SESSION = 2000  # characters of the messages, beside some 1,000 tokens of prompt and schemas


def conversation(src, thinking, turns):
	"""(messages, checks) of turns without tools."""
	messages, checks = [], []
	if src.chance(0.25):
		messages.append({"role": "system", "content": src.pick(SYSTEM)})
	for turn in turns:
		asked = turn.question
		if src.chance(0.05):
			asked = src.pick(BEFORE) + " " + asked
		messages.append({"role": "user", "content": asked})
		answer = {
			"role": "assistant",
			"content": turn.answer if thinking else turn.spoken or turn.answer
		}
		if thinking:
			answer["reasoning_content"] = turn.why
		checks.append((len(messages), turn.kind, turn.check))
		messages.append(answer)
	return messages, checks


def some_turns(src):
	turns = topics.any_topic(src) if src.chance(0.97) else tools.toolless(src)
	while len(turns) < 8 and src.chance(0.45):
		turns.extend(topics.any_topic(src))
	return turns


def name_of(turns):
	"""What a conversation is about: the first thing that is not small talk."""
	return next((t for t in turns if not t.small), turns[0]).title


def about_anything(src):
	"""A short conversation that begins with a question of any kind."""
	turns = [anything.open_turn(src)] if src.chance(0.75) else topics.any_topic(src)
	if src.chance(0.1):
		turns = topics.talk(src) + turns
	while src.chance(0.2):
		turns.append(anything.open_turn(src))
	return turns


def add_title(src, messages, title):
	"""The title stands after the last answer, or after the user's message instead of one."""
	if src.chance(0.4) and messages[-2]["role"] == "user":
		messages.pop()
	messages[-1]["task"] = "title"
	messages.append({"role": "assistant", "content": title})


def agent_session(src, thinking):
	"""Tasks in one folder, one after another, until the session is long enough."""
	s, length = Desk(src, thinking), src.upto(0, SESSION)
	if src.chance(0.15):
		src.pick(INSTRUCTED)(s)
	while not s.messages or s.length() < length:
		if src.chance(0.15):
			tools.plain(s)
		else:
			src.pick(QUIET if s.runs else TRAINED)(s)
	return s.close()


def tool_session(src, thinking):
	"""Single wishes, with all tools or some; the program's own prompt is there as often as not."""
	s = tools.session(src, thinking,
		src.upto(1, 4) if not src.chance(0.15) else src.upto(4, 7))
	if src.chance(0.5):
		offered = s.messages[0]["tools"]
		s.messages[0] = dict(Desk(src, thinking).system(), tools=offered)
	return s


def some_talk(src):
	"""Turns without tools of one kind or other, and how likely they are to be named."""
	kind = src.random()
	if kind < 0.04:
		return longer.pasted(src), 0.08
	if kind < 0.09:
		return longer.recall(src, False), 0.08
	if kind < 0.12:
		return longer.recall(src, True), 0.08
	if kind < 0.14:
		return longer.recall(src, True, src.upto(longer.OLD // 2, longer.OLD * 2)), 0.08
	if kind < 0.2:
		return longer.remembered(src, src.upto(0, longer.OLD * 2)), 0.08
	if kind < 0.23:
		return longer.lookup(src), 0.08
	if kind < 0.4:
		return about_anything(src), 0.85
	return some_turns(src), 0.08


def document(src):
	"""(document, checks)"""
	thinking = src.chance(0.55)
	kind = src.random()
	named = 0.08
	if kind < 0.15:
		s = (agent_session if kind < 0.085 else tool_session)(src, thinking)
		messages, checks, name = s.messages, s.checks, s.titles[0]
	else:
		turns, named = some_talk(src)
		messages, checks = conversation(src, thinking, turns)
		name = name_of(turns)
	if src.chance(named):
		add_title(src, messages, name)
	return {
		"messages": messages,
		"thinking_mode": "thinking" if thinking else "chat",
		"drop_thinking": True,
		"reasoning_effort": "max"
		if src.chance(0.03) else "high" if src.chance(0.03) else None
	}, checks


def about_commands(src):
	"""A short conversation about Debian's commands alone."""
	thinking = src.chance(0.5)
	turns = topics.commands(src)
	while len(turns) < 6 and src.chance(0.5):
		turns.extend(topics.commands(src))
	return {
		"messages": conversation(src, thinking, turns)[0],
		"drop_thinking": True,
		"thinking_mode": "thinking" if thinking else "chat"
	}


def stream(seed, pieces=(), commands=0.0):
	"""Training documents without end, the given share of them about commands alone."""
	src = Source(seed, pieces=pieces)
	while True:
		yield about_commands(src) if commands and src.chance(commands) else document(
			src)[0]


def documents(seed, count):
	return itertools.islice(stream(seed), count)


def title_question(src, thinking):
	"""A conversation to be named, and words one of which the title has to hold."""
	turns = about_anything(src)
	while all(t.small for t in turns):
		turns = about_anything(src)
	messages, _ = conversation(src, thinking, turns)
	if src.chance(0.3) and len(turns) == 1:
		messages.pop()
	return {
		"kind": "titles",
		"effort": "low" if thinking else "none",
		"messages": messages,
		"task": "title",
		"expect": {
		"title": content(name_of(turns))
		}
	}


def question(src, kind):
	"""One evaluation row of that kind: what is sent, and what the answer is checked for."""
	while True:
		thinking = kind == "arithmetic" or src.chance(0.5)
		if kind == "titles":
			return title_question(src, thinking)
		if kind == "tasks":
			s = Desk(src, thinking)
			src.pick(TASKS)(s)
			return s.row()
		if kind in ("near", "far", "old"):
			messages, checks = conversation(src, thinking,
				longer.recall(src, kind != "near",
				longer.OLD if kind == "old" else 0))
		elif kind in ("calls", "results"):
			s = tools.session(src, thinking, src.upto(1, 2))
			messages, checks = s.messages, s.checks
		else:
			turns = topics.any_topic(src) if src.chance(0.7) else some_turns(src)
			messages, checks = conversation(src, thinking, turns)
		fitting = [c for c in checks if c[1] == kind]
		if fitting:
			at, _, check = src.pick(fitting)
			return {
				"kind": kind,
				"effort": "low" if thinking else "none",
				"messages": messages[:at],
				"expect": check
			}


def main():
	parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
	parser.add_argument("--seed", type=int, default=1)
	parser.add_argument("--documents", type=int, default=1000)
	parser.add_argument("--evaluate", action="store_true")
	parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
	args = parser.parse_args()
	write = sys.stdout.write
	if args.evaluate:
		src = Source(args.seed, evaluate=True)
		for kind in args.kinds:
			for _ in range(args.documents):
				write(
					json.dumps(question(src, kind), ensure_ascii=False) +
					"\n")
	else:
		for doc in documents(args.seed, args.documents):
			write(json.dumps(doc, ensure_ascii=False) + "\n")


if __name__ == "__main__":
	main()
