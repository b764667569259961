#!/usr/bin/env python3
"""Checks that what the made-up folder of the training text answers is what the program's tools say.

    folder_check.py PROGRAM [TASKS]      exits 1 and shows where they differ

Each task's calls are made by the program in a real folder, through the scripted engine.
"""

import json
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "share", "nano", "recipe", "text")]

import agent_refused  # noqa: E402  the paths come first
import folder_tasks  # noqa: E402
import generate  # noqa: E402
from desk import Desk  # noqa: E402
from words import Source  # noqa: E402


def script(messages):
	"""The answers of a session as the scripted engine gives them."""
	lines = []
	for message in messages:
		if message["role"] != "assistant":
			continue
		if message["content"]:
			lines.append({"text": message["content"]})
		for call in message.get("tool_calls", []):
			function = call["function"]
			lines.append({
				"call": {
				"name": function["name"],
				"arguments": json.loads(function["arguments"])
				}
			})
		lines.append({"done": {}})
	return "".join(json.dumps(line) + "\n" for line in lines)


def differences(program, desk, home):
	with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
		f.write(script(desk.messages))
		f.flush()
		row = desk.row()
		row["args"] = row["args"] + ["--engine-script", f.name]
		outcome = folder_tasks.Outcome(*folder_tasks.carry_out(program, ".", row, home))
	wanted = [m["content"] for m in desk.messages if m["role"] == "tool"]
	if wanted != outcome.results:
		yield "results: %s\nexpected: %s" % (json.dumps(outcome.results), json.dumps(wanted))
	if not folder_tasks.done(row, outcome):
		yield "not done: %s, %s" % (json.dumps(row["expect"]), json.dumps(outcome.files))


def main():
	program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
	wrong = 0
	with tempfile.TemporaryDirectory() as home:
		for i in range(count):
			job = generate.TASKS[i * 7 % len(generate.TASKS)]
			# The evaluation's plan is not carried out: no line of a host ends plan mode.
			evaluate = i % 2 == 1 or job is agent_refused.plan
			desk = Desk(Source(i, evaluate=evaluate), True)
			job(desk)
			for difference in differences(program, desk, os.path.join(home, "home")):
				print("[%s, seed %d] %s" % (job.__name__, i, difference))
				wrong += 1
	print("%d tasks, %d differences" % (count, wrong))
	return 1 if wrong else 0


if __name__ == "__main__":
	sys.exit(main())
