"""A folder that is made up, and what the program's six tools answer in it.

The texts are the program's own, to the letter: tests/eval/folder_check.py compares them with
what it says.  Of the shell as much is here as the tasks of agent.py use.
"""

import fnmatch
import re

LINES = 2000  # that read_file shows where no limit is given
MISSING = "error: %s: no such file or directory"
DENIED = "error: denied by the user"
TIMED_OUT = "error: timed out after %d seconds"
NOT_READ = "error: %s exists and was not read; read it first"
PLANS = "error: denied: plan mode: only what reads runs; say what you would do"
NOBODY = "error: denied: nobody can be asked; allowed are: read_file, list_files, search_files"
READ_ONLY = "error: not run: nothing may be written"
IDENTICAL = ("error: this is the third identical call; its result has not changed. "
	"Do something else or answer.")
LAST_ROUND = "[this was the last tool round; answer now]"
PLAN_BEGINS = ("[plan mode: only what reads runs, nothing is changed. Look at what you need, then say "
	"step by step what you would do, and stop.]")
PLAN_ENDS = "[plan mode is over: what you do is done.]"
SECRET = re.compile(r"(^|/)(\.env(\..*)?|.*\.(pem|key)|id_(rsa|ed25519).*)$")


def escaped(text):
	"""As the model gets it: no result can end itself."""
	return re.sub(r"<(/?)tool_result", lambda m: "<\\" + m.group(1) + "tool_result", text,
		flags=re.IGNORECASE)


class Folder:
	def __init__(self):
		self.files = {}
		self.read = set()  # files all of which was shown as they are

	def folders(self):
		return {name[:i] for name in self.files for i, c in enumerate(name) if c == "/"}

	def put(self, path, text):
		self.files[path] = text

	def call(self, tool, args):
		"""The result of a call."""
		return getattr(self, tool)(**args)

	def read_file(self, path, offset=1, limit=LINES):
		if SECRET.search(path):
			return "error: %s is hidden (it may hold secrets)" % path
		if path in self.folders():
			return "error: %s is a directory; use list_files" % path
		if path not in self.files:
			return MISSING % path
		rows = self.files[path].splitlines(keepends=True)
		if not rows:
			return "(empty file)"
		if offset > len(rows):
			return "error: %s has %d line%s" % (path, len(rows), "s" * (len(rows) != 1))
		last = min(len(rows), offset + limit - 1)
		text = "".join(rows[offset - 1:last])
		if offset == 1 and last == len(rows):
			self.read.add(path)
			return text
		return "%s%s[lines %d-%d of %d%s]" % (text, "" if text.endswith("\n") else "\n",
			offset, last, len(rows), "; continue with offset %d" %
			(last + 1) if last < len(rows) else "")

	def write_file(self, path, content):
		if path in self.folders():
			return "error: %s is a directory" % path
		if path in self.files and path not in self.read:
			return NOT_READ % path
		if self.files.get(path) == content:
			return "error: %s already has this content" % path
		self.files[path] = content
		self.read.add(path)
		return "wrote %d bytes to %s" % (len(content.encode()), path)

	def edit_file(self, path, old, new):
		if path not in self.files:
			return MISSING % path
		if not old:
			return "error: old is empty; use write_file"
		if old == new:
			return "error: old and new are the same"
		text = self.files[path]
		at = [m.start() for m in re.finditer(re.escape(old), text)]
		if not at:
			return "error: the text was not found in %s" % path
		if len(at) > 1:
			return "error: the text occurs %d times in %s (lines %s); include more of the lines around it" % (
				len(at), path, ", ".join(str(text.count("\n", 0, i) + 1)
				for i in at))
		self.files[path] = text.replace(old, new)
		return "replaced 1 occurrence in %s" % path

	def list_files(self, path=".", pattern=None):
		inside = self.below(path)
		if path in self.files:
			return "error: %s is a file; use read_file" % path
		if path != "." and not inside:
			return MISSING % path
		names = {n.split("/")[0] + "/" * ("/" in n) for n in inside}
		if pattern:
			names = {n for n in names if fnmatch.fnmatchcase(n.rstrip("/"), pattern)}
		if not names:
			return "no matches" if pattern else "(empty)"
		return "\n".join(sorted(names))

	def below(self, path):
		"""The names of the files in a folder, from there."""
		if path == ".":
			return list(self.files)
		start = path.rstrip("/") + "/"
		return [n[len(start):] for n in self.files if n.startswith(start)]

	def search_files(self, pattern, path="."):
		if path != "." and path not in self.files and not self.below(path):
			return MISSING % path
		names = [path] if path in self.files else sorted(
			(n if path == "." else path.rstrip("/") + "/" + n for n in self.below(path)),
			key=lambda n: n.split("/"))
		hits, left_out = [], 0
		for name in names:
			if SECRET.search(name):
				left_out += 1
				continue
			for i, row in enumerate(self.files[name].split("\n")):
				if re.search(pattern, row):
					hits.append("%s:%d:%s" % (name, i + 1, row))
		if left_out:
			hits.append("[%d file%s not searched]" % (left_out, "s" * (left_out > 1)))
		return "\n".join(hits) or "no matches"

	def shell(self, command, timeout=None):
		out, code = self.run(command, timeout)
		if out is None:
			return TIMED_OUT % timeout
		if code:
			return out + "[exit code %d]" % code
		return out or "(no output)"

	def run(self, command, timeout):
		"""(output, exit code); no output if it took too long."""
		word, *rest = command.split()
		if word == "sleep":
			return (None, 0) if timeout and int(rest[0]) >= timeout else ("", 0)
		if word == "make":
			return self.make(rest[0] if rest else None)
		if word in ("sh", "bash"):
			return self.script(rest[0])
		if word == "echo":
			return " ".join(rest) + "\n", 0
		names = [r for r in rest if r[0] != "-"]
		if word == "mkdir":
			return "", 0
		if word == "touch":
			self.put(names[0], "")
			return "", 0
		if names[0] not in self.files:
			return self.lacking(word, names[0])
		if word == "rm":
			del self.files[names[0]]
			return "", 0
		if word in ("mv", "cp"):
			self.put(names[1], self.files[names[0]])
			if word == "mv":
				del self.files[names[0]]
			return "", 0
		if word == "wc":
			return "%d %s\n" % (self.files[names[0]].count("\n"), names[0]), 0
		if word == "cat":
			return self.files[names[0]], 0
		raise ValueError("no such command here: %s" % command)

	@staticmethod
	def lacking(word, name):
		said = {
			"rm": "rm: cannot remove '%s': No such file or directory\n",
			"mv": "mv: cannot stat '%s': No such file or directory\n",
			"cp": "cp: cannot stat '%s': No such file or directory\n",
			"wc": "wc: %s: No such file or directory\n",
			"cat": "cat: %s: No such file or directory\n"
		}
		return said[word] % name, 1

	def script(self, path):
		"""Lines of `echo`, `exit`, `touch` and of one test: see agent.check_script()."""
		if path not in self.files:
			return "bash: %s: No such file or directory\n" % path, 127
		out = ""
		for row in self.files[path].split("\n"):
			test = re.fullmatch(r"grep -q '(.*)' (\S+) \|\| \{ echo '(.*)'; exit (\d+); \}", row)
			if test and test.group(1) not in self.files.get(test.group(2), ""):
				return out + test.group(3) + "\n", int(test.group(4))
			if row.startswith("echo "):
				out += row[5:].strip("'") + "\n"
			elif row.startswith("touch "):
				self.put(row[6:], "")
			elif row.startswith("exit "):
				return out, int(row[5:])
		return out, 0

	def make(self, target):
		rows = self.files.get("Makefile", "").split("\n")
		names = [r[:-1] for r in rows if r.endswith(":")]
		if not names:
			return "make: *** No targets specified and no makefile found.  Stop.\n", 2
		if target and target not in names:
			return "make: *** No rule to make target '%s'.  Stop.\n" % target, 2
		at = rows.index((target or names[0]) + ":")
		out = ""
		for row in rows[at + 1:]:
			if not row.startswith("\t"):
				break
			out += row[len("\t@echo "):] + "\n"
		return out, 0
