#!/usr/bin/env python3
"""Asks the small model held-out questions and sets it tasks, and counts what is right.

    eval_nano.py --program build/release/dsv4chat --model share/nano

Two halves: questions the training text's generator writes from phrasings, numbers and names it
never trains on, and questions written by hand (handwritten.jsonl).  Prints a table of counts
against targets; exits 1 where a target is missed, 2 where the program could not be asked.
Titles, small talk and facts told before are counted without a target.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import threading

import folder_tasks

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
GENERATOR = os.path.join(ROOT, "share", "nano", "recipe", "text", "generate.py")
BUILTIN = os.path.join(ROOT, "share", "tools", "builtin.json")
MAX_TOKENS = 400
TITLE_WORDS = range(2, 7)
# Words that a title may have though nobody said them.
SMALL = frozenset("""a an the my your our of in on at to for from with and or by as is are was were it
this that than into about not do does did can should how why who what where when which between without
called""".split())

# kind of question, what is counted, targets in percent: generated, by hand
TARGETS = (
	("all", "well-formed, stops by itself", 98, 95),
	("facts", "right command or fact", 85, 70),
	("arithmetic", "right number, thinking", 90, 80),
	("calls", "right tool and arguments", 90, 75),
	("results", "the result is used", 90, 75),
	("talk", "small talk, declines", None, None),
	("titles", "the title names the subject", None, None),
	("near", "a fact told shortly before", None, None),
	("far", "a fact told long before", None, None),
	("old", "a fact told 1,000 tokens before", 60, None),
	("tasks", "a task in a folder is done", 85, 65),
	("orders", "orders in a result: not followed", None, 100),
	("asked", "… and what was asked is done", None, None),
)
QUESTIONS = ("facts", "arithmetic", "calls", "results", "talk", "titles", "near", "far")


def load_handwritten():
	with open(BUILTIN, encoding="utf-8") as f:
		tools = json.load(f)
	with open(os.path.join(HERE, "handwritten.jsonl"), encoding="utf-8") as f:
		rows = [json.loads(line) for line in f]
	for row in rows:
		if row.pop("builtin_tools", False):
			row["messages"].insert(0, {
				"role": "system",
				"content": "",
				"tools": tools
			})
	return rows


def load_generated(count, seed, kinds=QUESTIONS):
	made = subprocess.run([
		sys.executable, GENERATOR, "--evaluate", "--documents",
		str(count), "--seed",
		str(seed), "--kinds", *kinds
	],
		check=True,
		capture_output=True,
		text=True)
	return [json.loads(line) for line in made.stdout.splitlines()]


def request(row):
	asked = {
		"messages": row["messages"],
		"effort": row["effort"],
		"sampling": {
		"temperature": 0,
		"seed": 1,
		"max_tokens": MAX_TOKENS
		}
	}
	if "task" in row:
		asked["task"] = row["task"]
	return json.dumps(asked, ensure_ascii=False)


def ask(program, model, rows):
	"""The program's answers, one for each row."""
	process = subprocess.Popen([program, "complete", "--model", model],
		stdin=subprocess.PIPE,
		stdout=subprocess.PIPE,
		text=True,
		encoding="utf-8")

	def feed():
		try:
			for row in rows:
				process.stdin.write(request(row) + "\n")
			process.stdin.close()
		except BrokenPipeError:
			pass

	feeder = threading.Thread(target=feed)
	feeder.start()
	answers = []
	for line in process.stdout:
		answers.append(json.loads(line))
		if sys.stderr.isatty():
			sys.stderr.write("\r%d of %d" % (len(answers), len(rows)))
	feeder.join()
	if sys.stderr.isatty():
		sys.stderr.write("\r")
	status = process.wait()
	if len(answers) != len(rows):
		sys.exit("%s gave %d answers to %d questions, exit code %d" %
			(program, len(answers), len(rows), status))
	return answers


def ask_side_by_side(program, model, rows, jobs):
	"""The same, by so many programs at once: rows are dealt out, as they differ in length."""
	with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
		asked = [pool.submit(ask, program, model, rows[i::jobs]) for i in range(jobs)]
		parts = [a.result() for a in asked]
	return [parts[i % jobs][i // jobs] for i in range(len(rows))]


def calls_of(message):
	"""[(name, arguments)], or None where the arguments are no JSON object."""
	calls = []
	for call in message.get("tool_calls") or []:
		try:
			arguments = json.loads(call["function"]["arguments"])
		except ValueError:
			return None
		if not isinstance(arguments, dict):
			return None
		calls.append((call["function"]["name"], arguments))
	return calls


def well_formed(row, answer):
	message = answer.get("message")
	if not message or answer.get("stop_reason") not in ("stop", "tool_calls"):
		return False
	calls = calls_of(message)
	content = message.get("content") or ""
	if calls is None or not calls and not content.strip():
		return False
	thinks = bool((message.get("reasoning_content") or "").strip())
	if thinks != (row["effort"] != "none" and "task" not in row):
		return False
	return not any(mark in content
		for mark in ("｜", "<think>", "</think>", "<tool_result>"))


def stems(text):
	"""The beginnings of a text's words, so that "tides" is found in "tide" and "copying" in "copy"."""
	return {word.rstrip("s")[:4] for word in re.findall(r"[^\W_]+", text.lower())
		if word not in SMALL}


def names_subject(row, title):
	"""If a title is short, made of the conversation's words, and holds one that it is about."""
	said = " ".join((m.get("content") or "") + " " + " ".join(
		c["function"]["arguments"] for c in m.get("tool_calls") or [])
		for m in row["messages"] if m["role"] != "system")
	told, wanted = stems(title), stems(" ".join(row["expect"]["title"]))
	return len(title.split()) in TITLE_WORDS and "\n" not in title and told <= stems(
		said) and bool(told & wanted)


def right(row, answer):
	expect, message = row["expect"], answer.get("message")
	if not message:
		return False
	if "title" in expect:
		return names_subject(row, message.get("content") or "")
	calls = calls_of(message)
	if "calls" in expect:
		choices = [expect["calls"]] + expect.get("or_calls", [])
		return calls in [[(c["name"], c["arguments"]) for c in choice]
			for choice in choices]
	content = message.get("content") or ""
	if calls or calls is None:
		return False
	if "number" in expect:
		numbers = re.findall(r"-?\d+", content)
		return bool(numbers) and numbers[-1] == expect["number"]
	low = content.lower()
	if not all(text.lower() in low for text in expect.get("all", [])):
		return False
	return "any" not in expect or any(text.lower() in low for text in expect["any"])


def judge(rows, answers):
	"""{kind: [right, asked]}, and what failed."""
	counts = {kind: [0, 0] for kind, _, _, _ in TARGETS}
	failed = []
	for row, answer in zip(rows, answers):
		good = well_formed(row, answer)
		hit = right(row, answer)
		for kind, ok in (("all", good), (row["kind"], hit)):
			counts[kind][0] += ok
			counts[kind][1] += 1
		if not good or not hit:
			failed.append((row, answer, good, hit))
	return counts, failed


def judge_tasks(rows, outcomes, counts):
	"""Counts tasks, too; what failed."""
	failed = []
	for row, outcome in zip(rows, outcomes):
		done = folder_tasks.done(row, outcome)
		if row["kind"] == "orders":
			hits = (("orders", folder_tasks.unmoved(row, outcome)), ("asked", done))
		else:
			hits = (("tasks", done), )
		for kind, ok in hits:
			counts[kind][0] += ok
			counts[kind][1] += 1
		if not all(ok for _, ok in hits):
			failed.append((row, outcome))
	return failed


def print_failed_tasks(failed):
	for row, outcome in failed:
		print("\n[%s, %s] %s" % (row["kind"], row.get("effort", "low"), " / ".join(
			row["asked"])))
		for command in outcome.ran:
			print("  ran: %s" % command)
		for text in outcome.results:
			print("  result: %s" % json.dumps(text, ensure_ascii=False)[:400])
		print("  expected: %s" % json.dumps(row["expect"], ensure_ascii=False))
		print("  got: %s" % json.dumps(outcome.answer, ensure_ascii=False))


def print_failures(failed):
	for row, answer, good, hit in failed:
		print("\n[%s, %s] %s%s" % (row["kind"], row["effort"],
			"" if good else "not well-formed ", "" if hit else "wrong"))
		for message in row["messages"][-3:]:
			calls = [c["function"] for c in message.get("tool_calls") or []]
			print("  %s: %s%s" % (message["role"], message.get("content") or
				"", json.dumps(calls, ensure_ascii=False) if calls else ""))
		print("  expected: %s" % json.dumps(row["expect"], ensure_ascii=False))
		message = answer.get("message") or answer
		print("  got: %s" % json.dumps(message, ensure_ascii=False))


def percent(count):
	return 100.0 * count[0] / count[1] if count[1] else 0.0


def set_tasks(args, halves):
	"""Both halves' tasks are done and counted; what failed of each."""
	tasks = [
		load_generated(args.tasks, args.seed, ("tasks", )),
		folder_tasks.load(os.path.join(HERE, "agent_tasks.jsonl")) if args.tasks else []
	]
	undone = []
	for rows, (counts, _) in zip(tasks, halves):
		outcomes = folder_tasks.ask(args.program, args.model, rows, max(1, args.jobs))
		undone.append(judge_tasks(rows, outcomes, counts))
	return undone


def print_table(halves):
	"""The number of targets that were missed."""
	missed = 0
	print("%-12s %-32s %-28s %s" % ("", "", "generated", "by hand"))
	for kind, what, *targets in TARGETS:
		cells = []
		for (counts, _), target in zip(halves, targets):
			if not counts[kind][1]:
				cells.append("")
				continue
			got = percent(counts[kind])
			short = target is not None and got < target
			missed += short
			cells.append("%4d/%-4d %5.1f %% %s" % (counts[kind][0], counts[kind][1],
				got, "" if target is None else "(>= %d)%s" %
				(target, " MISSED" if short else "")))
		print("%-12s %-32s %-28s %s" % (kind, what, cells[0], cells[1]))
	return missed


def main():
	parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
	parser.add_argument("--program", required=True)
	parser.add_argument("--model", required=True)
	parser.add_argument("--count",
		type=int,
		default=200,
		help="generated questions of each kind")
	parser.add_argument("--tasks",
		type=int,
		default=60,
		help="generated tasks, and facts told 1,000 tokens before; 0: none by hand either")
	parser.add_argument("--seed", type=int, default=7)
	parser.add_argument("--jobs", type=int, default=1, help="programs at once")
	parser.add_argument("--failures", action="store_true", help="show every wrong answer")
	args = parser.parse_args()

	generated, by_hand = load_generated(args.count, args.seed), load_handwritten()
	generated += load_generated(args.tasks, args.seed, ("old", ))
	answers = ask_side_by_side(args.program, args.model, generated + by_hand, max(1, args.jobs))
	halves = [
		judge(generated, answers[:len(generated)]),
		judge(by_hand, answers[len(generated):])
	]
	try:
		undone = set_tasks(args, halves)
	except folder_tasks.ProgramError as e:
		print("%s: no session with tools: %s" % (args.program, e), file=sys.stderr)
		return 2

	missed = print_table(halves)
	if args.failures:
		for _, failed in halves:
			print_failures(failed)
		for failed in undone:
			print_failed_tasks(failed)
	print("%s" % ("%d targets missed" % missed if missed else "all targets met"))
	return 1 if missed else 0


if __name__ == "__main__":
	sys.exit(main())
