#!/usr/bin/env python3
"""From a conversation to the prompt's tokens, with a training weight for each.

A prompt is a list of segments: a control token (Control) or plain text.
Control tokens become ids by name; the text between two of them is joined and
encoded by the byte-level BPE alone, so that nothing a message says can turn
into a control token.

    render.py --self-test ../golden.jsonl    compare prompts with golden ones
    render.py TOKENIZER < documents.jsonl    {"ids", "weights"} a line
"""

import functools
import json
import os
import sys
from collections import namedtuple

BOS = "<｜begin▁of▁sentence｜>"
EOS = "<｜end▁of▁sentence｜>"
USER = "<｜User｜>"
ASSISTANT = "<｜Assistant｜>"
REMINDER = "<｜latest_reminder｜>"
THINK, END_THINK, DSML = "<think>", "</think>", "｜DSML｜"
TASKS = ("action", "query", "authority", "domain", "title", "read_url")

EFFORT_MAX = """Reasoning Effort: Absolute maximum with no shortcuts permitted.
You MUST be very thorough in your thinking and comprehensively decompose the problem to \
resolve the root cause, rigorously stress-testing your logic against all potential paths, \
edge cases, and adversarial scenarios.
Explicitly write out your entire deliberation process, documenting every intermediate step, \
considered alternative, and rejected hypothesis to ensure absolutely no assumption is left \
unchecked.

"""

TOOLS_HEAD = """## Tools

You have access to a set of tools to help answer the user's question. You can invoke tools by \
writing a "<｜DSML｜tool_calls>" block like the following:

<｜DSML｜tool_calls>
<｜DSML｜invoke name="$TOOL_NAME">
<｜DSML｜parameter name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜parameter>
...
</｜DSML｜invoke>
<｜DSML｜invoke name="$TOOL_NAME2">
...
</｜DSML｜invoke>
</｜DSML｜tool_calls>

String parameters should be specified as is and set `string="true"`. For all other types \
(numbers, booleans, arrays, objects), pass the value in JSON format and set `string="false"`.

If thinking_mode is enabled (triggered by <think>), you MUST output your complete reasoning \
inside <think>...</think> BEFORE any tool calls or final response.

Otherwise, output directly after </think> with tool calls or final response.

### Available Tool Schemas

"""
TOOLS_TAIL = """
You MUST strictly follow the above defined tool name and parameter schemas to invoke tool calls.
"""
FORMAT_HEAD = """## Response Format:

You MUST strictly adhere to the following schema to reply:
"""

# What the model itself has to write counts fully; the rest of the prompt teaches a little.
WEIGHT_OUTPUT, WEIGHT_PROMPT = 1.0, 0.05

Control = namedtuple("Control", "name")


def to_json(value):
	return json.dumps(value, ensure_ascii=False)


class Prompt:
	"""Collects segments; every piece carries its training weight."""
	def __init__(self):
		self.pieces = []  # (str or Control, weight)

	def text(self, text, weight=WEIGHT_PROMPT):
		if text:
			self.pieces.append((text, weight))

	def control(self, name, weight=WEIGHT_PROMPT):
		self.pieces.append((Control(name), weight))

	def own(self, template, weight=WEIGHT_PROMPT):
		"""Text of the format's own, in which control tokens are meant as such."""
		for part in own_parts(template):
			self.pieces.append((part, weight))

	def string(self):
		return "".join(p.name if isinstance(p, Control) else p for p, _ in self.pieces)


@functools.lru_cache(maxsize=4096)
def own_parts(template):
	parts, rest = [], template
	while rest:
		hits = [(rest.find(c), c) for c in (DSML, THINK, END_THINK) if c in rest]
		if not hits:
			parts.append(rest)
			break
		at, name = min(hits)
		if at:
			parts.append(rest[:at])
		parts.append(Control(name))
		rest = rest[at + len(name):]
	return tuple(parts)


def merge(messages):
	"""Tool results join the user turn after them, users in a row join each other."""
	merged, order = [], {}
	for message in messages:
		role = message["role"]
		if role == "tool":
			block = ("tool", message.get("tool_call_id"), message["content"])
		elif role == "user":
			block = ("text", None, message["content"])
		else:
			if role == "assistant" and message.get("tool_calls"):
				order = {
					c.get("id"): i
					for i, c in enumerate(message["tool_calls"])
				}
			merged.append(message)
			continue
		last = merged[-1] if merged else None
		if last is not None and last["role"] == "user" and "task" not in last:
			last["blocks"].append(block)
			last["order"] = order
		else:
			last = {"role": "user", "blocks": [block], "order": order}
			merged.append(last)
		if message.get("task"):
			last["task"] = message["task"]
	return merged


def user_pieces(message):
	"""Results stand in the order of their calls, in the places where results stand."""
	blocks = message["blocks"]
	results = [b for b in blocks if b[0] == "tool"]
	if len(results) > 1:
		results.sort(key=lambda b: message["order"].get(b[1], 0))
	queue = iter(results)
	texts = []
	for block in blocks:
		if block[0] == "tool":
			texts.append("<tool_result>" + next(queue)[2] + "</tool_result>")
		else:
			texts.append(block[2])
	return "\n\n".join(texts)


def add_tools(prompt, content, message):
	prompt.text(content)
	if message.get("tools"):
		schemas = "\n".join(to_json(t["function"]) for t in message["tools"])
		prompt.own("\n\n" + TOOLS_HEAD)
		prompt.text(schemas + "\n")
		prompt.own(TOOLS_TAIL)
	if message.get("response_format"):
		prompt.text("\n\n" + FORMAT_HEAD + to_json(message["response_format"]))


def add_calls(prompt, calls, weight):
	prompt.own("\n\n<｜DSML｜tool_calls>\n", weight)
	for call in calls:
		function = call["function"]
		try:
			arguments = json.loads(function["arguments"])
		except json.JSONDecodeError:
			arguments = {"arguments": function["arguments"]}
		prompt.own("<｜DSML｜invoke name=\"", weight)
		prompt.text(function["name"], weight)
		prompt.text("\">\n", weight)
		first = True
		for key, value in arguments.items():
			is_string = isinstance(value, str)
			if not first:
				prompt.text("\n", weight)
			first = False
			prompt.own("<｜DSML｜parameter name=\"", weight)
			prompt.text(key, weight)
			prompt.text("\" string=\"%s\">" % ("true" if is_string else "false"),
				weight)
			prompt.text(value if is_string else to_json(value), weight)
			prompt.own("</｜DSML｜parameter>", weight)
		prompt.own("\n</｜DSML｜invoke>\n", weight)
	prompt.own("</｜DSML｜tool_calls>", weight)


def render(document):
	"""The prompt of a document {messages, thinking_mode, drop_thinking, reasoning_effort}."""
	messages = document["messages"]
	thinking = document.get("thinking_mode", "chat") == "thinking"
	drop = document.get("drop_thinking", True)
	if any(m.get("tools") for m in messages):
		drop = False
	messages = merge(messages)
	turns = [i for i, m in enumerate(messages) if m["role"] in ("user", "developer")]
	last_user = turns[-1] if turns else -1
	if thinking and drop:
		messages = [
			m for i, m in enumerate(messages)
			if i >= last_user or m["role"] != "developer"
		]
		turns = [
			i for i, m in enumerate(messages) if m["role"] in ("user", "developer")
		]
		last_user = turns[-1] if turns else -1

	prompt = Prompt()
	prompt.control(BOS)
	if thinking and document.get("reasoning_effort") == "max":
		prompt.text(EFFORT_MAX)
	for i, message in enumerate(messages):
		role = message["role"]
		if role == "system":
			add_tools(prompt, message["content"], message)
		elif role == "latest_reminder":
			prompt.control(REMINDER)
			prompt.text(message["content"])
		elif role == "developer":
			prompt.control(USER)
			add_tools(prompt, message["content"], message)
		elif role == "user":
			prompt.control(USER)
			prompt.text(user_pieces(message))
		else:
			is_task = i > 0 and messages[i - 1].get("task")
			shown = thinking and not is_task and (not drop or i > last_user)
			# An earlier answer whose thinking was dropped is context, not a model to
			# copy: with its thinking it might have come out differently.
			# Nor is a slip, from which the session only goes on.
			counts = (is_task or not thinking or shown) and not message.get("slip")
			weight = WEIGHT_OUTPUT if counts else WEIGHT_PROMPT
			if shown:
				prompt.text(message.get("reasoning_content") or "", weight)
				prompt.control(END_THINK, weight)
			prompt.text(message.get("content") or "", weight)
			if message.get("tool_calls"):
				add_calls(prompt, message["tool_calls"], weight)
			prompt.control(EOS, weight)
		if i + 1 < len(messages) and messages[i + 1]["role"] not in ("assistant",
			"latest_reminder"):
			continue
		task = message.get("task")
		opens = thinking and (not drop or i >= last_user)
		if task and task != "action":
			prompt.control("<｜%s｜>" % task)
		elif task:
			prompt.control(ASSISTANT)
			prompt.control(THINK if thinking else END_THINK)
			prompt.control("<｜%s｜>" % task)
		elif role in ("user", "developer"):
			prompt.control(ASSISTANT)
			prompt.control(THINK if opens else END_THINK)
	return prompt


class Encoder:
	"""Prompts to ids, by a tokenizer.json."""
	def __init__(self, path):
		from tokenizers import Tokenizer
		with open(path, encoding="utf-8") as f:
			data = json.load(f)
		self.control = {t["content"]: t["id"] for t in data["added_tokens"]}
		data["added_tokens"] = []
		self.plain = Tokenizer.from_str(json.dumps(data))
		self.cached = functools.lru_cache(maxsize=20000)(self.encode_text)

	def encode_text(self, text):
		return self.plain.encode(text, add_special_tokens=False)

	def encode(self, prompt):
		"""(ids, weights).  A token takes the weight of the piece its first byte is in."""
		ids, weights, run = [], [], []
		for piece, weight in prompt.pieces + [(None, 0.0)]:
			if isinstance(piece, str):
				run.append((piece, weight))
				continue
			if run:
				self.encode_run(run, ids, weights)
				run = []
			if piece is not None:
				ids.append(self.control[piece.name])
				weights.append(weight)
		return ids, weights

	def encode_run(self, run, ids, weights):
		text = "".join(p for p, _ in run)
		encoded = self.cached(text) if len(text) < 4096 else self.encode_text(text)
		ids.extend(encoded.ids)
		if all(w == run[0][1] for _, w in run):
			weights.extend([run[0][1]] * len(encoded.ids))
			return
		bounds, end = [], 0
		for piece, weight in run:
			end += len(piece)
			bounds.append((end, weight))
		at = 0
		for start, _ in encoded.offsets:
			while at + 1 < len(bounds) and start >= bounds[at][0]:
				at += 1
			weights.append(bounds[at][1])


def self_test(path):
	same = total = 0
	with open(path, encoding="utf-8") as f:
		for line in f:
			row = json.loads(line)
			if "prompt" not in row:
				continue
			total += 1
			got = render(row).string()
			if got == row["prompt"]:
				same += 1
			else:
				at = len(os.path.commonprefix([got, row["prompt"]]))
				print("differs at %d: %r expected %r" % (at,
					got[at - 30:at + 40], row["prompt"][at - 30:at + 40]))
	print("%d of %d prompts are the same" % (same, total))
	return 0 if total and same == total else 1


def main(argv):
	if len(argv) == 3 and argv[1] == "--self-test":
		return self_test(argv[2])
	if len(argv) != 2:
		print(__doc__, file=sys.stderr)
		return 2
	encoder = Encoder(argv[1])
	for line in sys.stdin:
		ids, weights = encoder.encode(render(json.loads(line)))
		print(json.dumps({"ids": ids, "weights": weights}))
	return 0


if __name__ == "__main__":
	sys.exit(main(sys.argv))
