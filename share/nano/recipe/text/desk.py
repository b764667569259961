"""A session with tools in a made-up folder: calls are carried out as they are made.

The system prompt is the program's own: its preamble, the workspace block, AGENTS.md.
"""

import os

from folder import DENIED, Folder, escaped
from tools import NAMES, SCHEMA, Session
from words import HERE

with open(os.path.join(HERE, "..", "..", "..", "tools", "preamble"), encoding="utf-8") as f:
	PREAMBLE = f.read()


class Desk(Session):
	def __init__(self, src, thinking):
		super().__init__(src, NAMES, thinking)
		self.folder = Folder()
		self.home = "/home/%s/%s" % (src.word().lower(), src.stem())
		self.agents = None  # what AGENTS.md says
		self.begun = {}  # the files as they were laid
		self.expected = {"folder": {}}
		self.asked, self.said, self.args = [], [], []
		self.ends = ""  # what AGENTS.md wants at the end of each answer
		self.runs = ""  # the command that it wants after each change
		self.note = ""  # what the program tells the model before the next question

	def lay(self, files):
		"""Puts files into the folder, before anything was asked about them."""
		for path, text in files.items():
			self.folder.put(path, text)
			self.begun[path] = text

	def instruct(self, text):
		self.agents = text
		self.lay({"AGENTS.md": text})

	def user(self, text, title):
		self.asked.append(text)
		super().user((self.note + "\n\n" if self.note else "") + text, title)
		self.note = ""

	def assistant(self, content, *rest, **more):
		if content and self.ends:
			content += "\n" + self.ends
		super().assistant(content, *rest, **more)

	def call(self, why, *calls, slip=False):
		"""A slip is what no model should copy."""
		super().call(why, *calls)
		if slip:
			self.messages[-1]["slip"] = True
			self.checks.pop()

	def do(self, why, *calls, slip=False):
		"""The results of these calls."""
		self.call(why, *calls, slip=slip)
		texts = [self.folder.call(tool, args) for tool, args in calls]
		for text in texts:
			self.result(escaped(text))
		return texts

	def refused(self, why, call, text=DENIED, reason="", slip=False):
		"""A call that is not carried out."""
		self.call(why, call, slip=slip)
		self.result(text + (": " + reason if reason else ""))
		self.said.append(dict({"decision": "no"}, **({"reason": reason} if reason else {})))

	def will_be(self, files):
		self.expected["folder"].update(files)

	def length(self):
		"""Characters of all that was said, called and answered."""
		return sum(len(m["content"]) + sum(len(c["function"]["arguments"])
			for c in m.get("tool_calls", [])) for m in self.messages)

	def system(self):
		src = self.src
		text = PREAMBLE + "\nWorkspace: %s\nDate: %d-%02d-%02d\nSystem: Linux %s\nGit repository: %s\n" % (
			self.home, src.upto(2024, 2031), src.upto(1, 12), src.upto(1, 28),
			"x86_64" if src.chance(0.8) else "aarch64",
			"yes" if src.chance(0.5) else "no")
		if self.agents:
			text += "\n# Instructions from %s/AGENTS.md\n\n%s" % (self.home,
				self.agents)
		return {"role": "system", "content": text, "tools": [SCHEMA[n] for n in NAMES]}

	def row(self):
		"""The task as the evaluation sets it, once it was done here."""
		check = self.checks[-1][2]
		return {
			"kind": "tasks",
			"effort": "low" if self.thinking else "none",
			"asked": self.asked,
			"folder": self.begun,
			"answers": self.said,
			"args": self.args,
			"expect": dict(self.expected, answer=check)
		}

	def close(self):
		"""The session's messages begin with the system's."""
		self.messages.insert(0, self.system())
		self.checks = [(at + 1, kind, check) for at, kind, check in self.checks]
		return self
