"""Sessions with the six built-in tools: a request, calls, results, and answers that use them."""

import json
import os

from material import (KEYS, any_command, block, cited, code, ending, named, plural, sentence,
	settings, shell_output, text_lines)
from titles import cut, title
from topics import Turn, any_topic
from words import HERE, Phrases, phrasebook, table

SAY = phrasebook("say_tools.txt")

SCHEMAS = os.path.join(HERE, "..", "..", "..", "tools", "builtin.json")


def schemas():
	with open(SCHEMAS, encoding="utf-8") as f:
		return {t["function"]["name"]: t for t in json.load(f)}


KINDS = (("python files", "*.py"), ("text files", "*.txt"), ("C files", "*.c"), ("header files",
	"*.h"), ("shell scripts", "*.sh"), ("python scripts", "*.py"), ("log files",
	"*.log"), ("markdown files", "*.md"), ("JSON files", "*.json"), ("CSV files",
	"*.csv"), ("HTML files", "*.html"), ("logs", "*.log"), ("javascript files", "*.js"),
	("config files", "*.conf"), ("scripts", "*.sh"), ("C sources", "*.c"), ("headers",
	"*.h"), ("rust files", "*.rs"), ("go files", "*.go"), ("pictures", "*.png"), ("photos",
	"*.jpg"), ("PDF files", "*.pdf"), ("images", "*.png"), ("spreadsheets", "*.csv"), ("notes",
	"*.md"), ("java files", "*.java"), ("archives", "*.zip"))

# Wishes that one command line fulfils: wordings, the command, what its output is or the answer.
SHELL = [(Phrases(said.split(";")), command, kind)
	for said, command, kind in table("wishes.tsv")]
SHELL_NAMED = [(Phrases(said.split(";")), command, answer)
	for said, command, answer in table("wishes_named.tsv")]

# Results as the program gives them: folder.py has those that depend on more.
NO_FILE = ("error: {f}: no such file or directory", )
NO_TEXT = ("error: the text was not found in {f}", )
WROTE = ("wrote {n} bytes to {f}", )
EDITED = ("replaced 1 occurrence in {f}", )
NONE_FOUND = ("no matches", )
EMPTY_DIR = ("(empty)", )
DENIED = ("error: denied by the user", )


class Session:
	"""One conversation with tools: messages, and what each answer is checked for."""
	def __init__(self, src, offered, thinking):
		self.src, self.offered, self.thinking = src, offered, thinking
		self.messages, self.checks = [], []
		self.calls = 0
		self.titles = []

	def user(self, text, title):
		self.messages.append({"role": "user", "content": text})
		self.titles.append(title)

	def assistant(self, content, why, check=None, kind=None, calls=None):
		message = {"role": "assistant", "content": content}
		if self.thinking:
			message["reasoning_content"] = why
		if calls:
			message["tool_calls"] = calls
		if check is not None:
			self.checks.append((len(self.messages), kind, check))
		self.messages.append(message)

	def call(self, why, *calls):
		"""calls: (tool, arguments) each; the results have to follow."""
		made = []
		for name, arguments in calls:
			made.append({
				"id": "call_%d" % self.calls,
				"type": "function",
				"function": {
				"name": name,
				"arguments": json.dumps(arguments, ensure_ascii=False)
				}
			})
			self.calls += 1
		self.pending = [c["id"] for c in made]
		expected = [{"name": n, "arguments": a} for n, a in calls]
		self.assistant("", why, {"calls": expected}, "calls", made)

	def result(self, text):
		self.messages.append({
			"role": "tool",
			"tool_call_id": self.pending.pop(0),
			"content": text
		})

	def answer(self, content, why, *said):
		self.assistant(content, why, {"all": list(said)}, "results")

	def has(self, *names):
		return all(n in self.offered for n in names)


def contents(path, rows):
	return "`%s` contains: %s" % (path, rows[0]) if len(rows) == 1 else "`%s` contains:\n%s" % (
		path, block("\n".join(rows)))


def read_answer(s, path, got):
	rows = got.rstrip("\n").split("\n")
	s.answer(contents(path, rows), "The result is one line." if len(rows) == 1 else
		"The result has %d lines." % len(rows), *rows)


def no_file(s, path):
	s.result(s.src.pick(NO_FILE).format(f=path))
	s.answer("The file `%s` does not exist." % path, "The file was not found.", path,
		"not exist")


def show(s):
	src = s.src
	path = src.file()
	s.user(src.ask(src.phrase(SAY.SHOW, f=named(src, path))), "Reading %s" % path)
	s.call("I read `%s`." % path, ("read_file", {"path": path}))
	if src.chance(0.12):
		return no_file(s, path)
	pairs, glue = settings(src) if src.chance(0.3) else (None, None)
	rows = [k + glue + v for k, v in pairs] if pairs else text_lines(src)
	s.result("\n".join(rows) + ending(src))
	read_answer(s, path, "\n".join(rows))
	if pairs:
		if src.chance(0.7):
			ask_value(s, path, pairs, glue)
	elif src.chance(0.25):
		n = len(rows)
		what = src.pick(("how many lines is that", "how many lines are there",
			"and how many lines does it have"))
		s.user(src.ask(what), "Lines of %s" % path)
		s.answer("`%s` has %s." % (path, plural(n, "line")),
			"I count the lines: %s." % ", ".join(str(i + 1) for i in range(n)),
			plural(n, "line"))
	elif src.chance(0.3):
		at = src.upto(1, len(rows))
		names = ("first", "second", "third", "fourth", "fifth", "sixth")
		which = "last" if at == len(rows) and src.chance(0.5) else names[at - 1]
		s.user(
			src.ask(
			src.pick(
			("what is the %s line", "repeat the %s line", "and the %s line",
			"which is the %s line", "just the %s line")) % which),
			"A line of %s" % path)
		s.answer("The %s line is: %s" % (which, rows[at - 1]),
			"The user wants the %s line." % which, rows[at - 1])


def part(s):
	src = s.src
	path, n, k = src.file(), src.upto(2, 20), src.upto(2, 200)
	kind = src.random()
	f = named(src, path)
	if kind < 0.5:
		question, args = src.phrase(SAY.HEAD, f=f, n=n), {"path": path, "limit": n}
	elif kind < 0.65:
		question, args, n = src.phrase(SAY.FIRST, f=f), {"path": path, "limit": 1}, 1
	elif kind < 0.85:
		question, args = src.phrase(SAY.FROM, f=f, k=k), {"path": path, "offset": k}
	else:
		question, args = src.phrase(SAY.SPAN, f=f, k=k, n=n), {
			"path": path,
			"offset": k,
			"limit": n
		}
	s.user(src.ask(question), "Reading part of %s" % path)
	s.call("I read part of `%s`." % path, ("read_file", args))
	if src.chance(0.08):
		return no_file(s, path)
	rows = text_lines(src, 1, min(n, 4)) if n < 5 else text_lines(src, 2, 5)
	s.result("\n".join(rows) + ending(src))
	read_answer(s, path, "\n".join(rows))


def ask_value(s, path, pairs, glue):
	"""A setting of a file that has been read before."""
	src = s.src
	key, val = src.pick(pairs)
	s.user(src.ask(src.phrase(SAY.NEXT_VALUE, k=key)), "The %s in %s" % (key, path))
	s.answer("The %s in `%s` is %s." % (key, path, val),
		"The result above has %s%s%s." % (key, glue, val), val)


def value(s):
	src = s.src
	path = src.file(("conf", "ini", "cfg", "env", "toml", "yaml", "txt", "json"))
	pairs, glue = settings(src)
	key, val = src.pick(pairs)
	s.user(src.ask(src.phrase(SAY.VALUE, k=key, f=named(src, path))),
		"The %s in %s" % (key, path))
	s.call("I read `%s` to find %s." % (path, key), ("read_file", {"path": path}))
	if src.chance(0.08):
		return no_file(s, path)
	missing = src.chance(0.1) and len(pairs) > 1
	if missing:
		pairs = [p for p in pairs if p[0] != key]
	s.result("\n".join(k + glue + v for k, v in pairs) + ending(src))
	if missing:
		return s.answer("`%s` does not set %s." % (path, key),
			"There is no %s in the result." % key, "does not set")
	s.answer("The %s in `%s` is %s." % (key, path, val),
		"The result has %s%s%s." % (key, glue, val), val)
	if src.chance(0.35) and len(pairs) > 1:
		ask_value(s, path, [p for p in pairs if p[0] != key], glue)


def count(s):
	src = s.src
	path = src.file()
	s.user(src.ask(src.phrase(SAY.COUNT, f=named(src, path))), "Lines of %s" % path)
	command = "wc -l " + path
	s.call("I count the lines with wc.", ("shell", {"command": command}))
	if src.chance(0.1):
		s.result("wc: %s: No such file or directory\n[exit code 1]" % path)
		return s.answer("The file `%s` does not exist." % path,
			"The file was not found.", "not exist")
	n = src.upto(1, 9999) if src.chance(0.7) else src.upto(1, 30)
	s.result(shell_output(src, "%d %s" % (n, path)))
	s.answer("`%s` has %s." % (path, plural(n, "line")), "wc printed %d." % n,
		plural(n, "line"))


def listing(s):
	src = s.src
	kind = src.random()
	d = src.folder()
	ext = src.pick(("txt", "md", "c", "h", "py", "sh", "json", "csv", "log", "conf", "js",
		"html", "rs", "go"))
	p = "*." + ext if src.chance(0.8) else src.stem() + "*"
	called = src.pick(KINDS) if src.chance(0.3) else None
	if called:
		p = called[1]
	if kind < 0.35:
		question, args = src.phrase(SAY.LIST, d=named(src, d)), {"path": d}
	elif kind < 0.55:
		question, args = src.phrase(SAY.LIST_HERE), {}
	elif kind < 0.8:
		question = src.phrase(SAY.LIST_NAMED, d=named(src, d), n=called[0]) if called else \
				src.phrase(SAY.LIST_KIND, d=named(src, d), p=p)
		args = {"path": d, "pattern": p}
	else:
		question = src.phrase(SAY.LIST_NAMED_HERE,
			n=called[0]) if called else src.phrase(SAY.LIST_KIND_HERE, p=p)
		args = {"pattern": p}
	where = "`%s`" % d if "path" in args else "the workspace"
	s.user(src.ask(question), "Files in %s" % (d if "path" in args else "the workspace"))
	s.call("I list %s." % where, ("list_files", args))
	if src.chance(0.08) and "path" in args:
		s.result(src.pick(NO_FILE).format(f=d))
		return s.answer("The directory %s does not exist." % where,
			"The directory was not found.", "not exist")
	n = 0 if src.chance(0.08) else src.upto(1, 7)
	if n == 0:
		s.result(src.pick(NONE_FOUND if "pattern" in args else EMPTY_DIR))
		if "pattern" in args:
			return s.answer(
				"There are no files that match `%s` in %s." % (p, where),
				"Nothing was found.", "no files")
		return s.answer("There are no files in %s." % where, "Nothing was found.",
			"no files")
	names = []
	while len(names) < n:
		if p[0] == "*" and "pattern" in args:
			name = src.stem() + p[1:]
		elif "pattern" in args:
			name = p[:-1] + src.pick(
				("", "1", "2", "-old", "_new", "-a", "-b", "3")) + "." + ext
		else:
			name = src.file(folder=0)
		if name not in names:
			names.append(name)
	names.sort()
	s.result("\n".join(names))
	s.answer(
		"There %s in %s: %s." %
		("is 1 file" if n == 1 else "are %d files" % n, where, ", ".join(names)),
		"I count: %s." % ", ".join("%d %s" % (i + 1, x)
		for i, x in enumerate(names)), "%d file" % n, *names)
	if src.chance(0.2):
		path = src.pick(names)
		full = d + "/" + path if "path" in args else path
		s.user(src.ask(src.phrase(SAY.SHOW, f=named(src, path))), "Reading %s" % path)
		if not s.has("read_file"):
			return s.assistant("I have no tool to read files.", "No tool fits.",
				{"all": ["no tool"]}, "talk")
		s.call("I read `%s`." % full, ("read_file", {"path": full}))
		rows = text_lines(src, 1, 3)
		s.result("\n".join(rows))
		read_answer(s, full, "\n".join(rows))


def search(s):
	src = s.src
	kind = src.random()
	word = src.word() if src.chance(0.6) else src.stem()
	if not src.may_use(word):
		word = src.stem()
	src.guard(word)
	if kind < 0.5:
		args, question = {"pattern": word}, src.phrase(SAY.SEARCH, w=named(src, word))
	else:
		where = src.folder() if src.chance(0.6) else src.file()
		args = {"pattern": word, "path": where}
		question = src.phrase(SAY.SEARCH_IN, w=named(src, word), d=named(src, where))
	s.user(src.ask(question), "Searching for %s" % word)
	s.call("I search for `%s`." % word, ("search_files", args))
	n = 0 if src.chance(0.12) else src.upto(1, 4)
	if not n:
		s.result(src.pick(NONE_FOUND))
		return s.answer("I found no `%s`." % word, "There is no match.", "found no")
	hits, single = [], "path" in args and "." in args["path"]
	for _ in range(n):
		path = args["path"] if single else src.file(folder=0.5)
		if "path" in args and not single:
			path = args["path"] + "/" + path.split("/")[-1]
		hits.append((path, src.upto(1, 400),
			code(src, word) if src.chance(0.5) else "%s %s" % (src.word(), word)))
	hits.sort(key=lambda hit: (hit[0].split("/"), hit[1]))
	s.result("\n".join("%s:%d:%s" % h for h in hits))
	s.answer(
		"I found `%s` in %s: %s." %
		(word, plural(n, "place"), ", ".join("%s line %d" % h[:2] for h in hits)),
		"There %s." % ("is 1 match" if n == 1 else "are %d matches" % n),
		*["%s line %d" % h[:2] for h in hits])


def tell_output(s, text):
	rows = text.split("\n")
	if len(rows) == 1:
		s.answer("The command printed: %s" % text, "The output is one line.", text)
	else:
		s.answer("The command printed:\n%s" % block(text),
			"The output has %d lines." % len(rows), *rows)


def run(s):
	src = s.src
	command = any_command(src)
	args = {"command": command}
	shown = command if src.chance(
		0.3) and " " not in command else "`%s`" % command if src.chance(
		0.6) else command
	if src.chance(0.2):
		n = src.pick((5, 10, 15, 20, 30, 45, 60, 90, 100, 120, 180, 200, 240, 300, 600,
			src.upto(1, 999)))
		args["timeout"] = n
		question = src.phrase(SAY.RUN_LIMIT, c=shown, n=n)
	else:
		question = src.phrase(SAY.RUN, c=shown)
	s.user(
		src.ask(question) if shown[0] == "`" else question[:1].upper() +
		question[1:] if src.chance(0.6) else question,
		cut("Running " + command))
	s.call("I run the command in the shell.", ("shell", args))
	kind = src.random()
	if kind < 0.12:
		code_ = src.pick((1, 1, 2, 3, 126, 127, src.upto(1, 99)))
		error = src.pick(("error: %s" % sentence(src),
			"%s: not found" % command.split()[0], "failed: %s" % src.word()))
		s.result(shell_output(src, error, code_))
		return s.answer("The command failed with exit code %d: %s" % (code_, error),
			"The exit code is %d." % code_, "exit code %d" % code_, error)
	if kind < 0.16:
		s.result(src.pick(DENIED))
		return s.answer("I was not allowed to run the command.", "The call was denied.",
			"not allowed")
	if kind < 0.22:
		s.result("(no output)")
		return s.answer("The command printed nothing.", "There is no output.",
			"nothing")
	if kind < 0.25 and "timeout" in args:
		s.result("error: timed out after %d seconds" % args["timeout"])
		return s.answer("The command was stopped after %s: it timed out." %
			plural(args["timeout"], "second"), "It ran too long.", "timed out")
	text = "\n".join(text_lines(src, 1, 4))
	s.result(shell_output(src, text))
	tell_output(s, text)


def wish(s):
	src = s.src
	phrases, command, kind = src.pick(SHELL)
	asked = src.phrase(phrases)
	s.user(src.ask(asked), title(asked))
	s.call("I run `%s`." % command, ("shell", {"command": command}))
	n, m = src.upto(1, 900), src.upto(1, 99)
	if kind == "disk":
		s.result(
			shell_output(
			src,
			"Filesystem Size Used Avail Use%% Mounted on\n/dev/sda1 %dG %dG %dG %d%% /"
			% (n + m, m, n, m)))
		s.answer("%dG are free; the disk is %d%% full." % (n, m),
			"Avail is %dG and Use%% is %d%%." % (n, m), "%dG" % n, "%d%%" % m)
	elif kind == "memory":
		s.result(
			shell_output(
			src, "      total used free\nMem:  %dGi %dGi %dGi" % (n + m, m, n)))
		s.answer("%dGi of memory are free, %dGi are used." % (n, m),
			"The line Mem has used %dGi and free %dGi." % (m, n), "%dGi" % n)
	elif kind == "status":
		names = [src.file() for _ in range(src.upto(0, 4))]
		s.result(
			shell_output(
			src,
			"\n".join(src.pick((" M ", "?? ", "A  ", " D ")) + x for x in names)))
		if names:
			s.answer(
				"%s changed: %s." %
				(plural(len(names), "file"), ", ".join(names)),
				"The status lists %s." % plural(len(names), "file"), *names)
		else:
			s.answer("Nothing has changed.", "The status is empty.", "Nothing")
	elif kind in ("make", "tests"):
		if src.chance(0.4):
			code_ = src.pick((1, 2))
			error = src.pick(("%s:%d: error: %s" % (src.file(
				("c",)), n, src.word()), "test %s failed" % src.stem(),
				"make: *** no rule to make %s" % src.stem()))
			s.result(shell_output(src, error, code_))
			s.answer("It failed with exit code %d: %s" % (code_, error),
				"The exit code is %d." % code_, error)
		else:
			if kind == "tests":
				good = src.pick(("%d tests passed" % n, "all %d tests passed" % n,
					"ok: %d tests" % n))
			else:
				good = src.pick(("cc -o %s %s.c" % ((src.word(),) * 2),
					"built %s" % src.stem(), "make: nothing to be done"))
			s.result(shell_output(src, good))
			s.answer("It succeeded: %s" % good, "There is no error.", good)
	else:
		text, said = {
			"user": lambda: (lambda x: (x, "You are the user %s." % x))(src.word()),
			"host": lambda: (lambda x:
			(x, "This machine is called %s." % x))(src.stem()),
			"kernel": lambda: (lambda x:
			(x, "The kernel is %s." % x))("%d.%d.%d-%d-amd64" %
			(src.upto(4, 6), src.upto(0, 19), src.upto(0, 99), src.upto(1, 40))),
			"uptime": lambda: (lambda x:
			("up " + x, "The machine has been up for %s." % x))
			("%d days, %d hours, %d minutes" %
			(m + 1, src.upto(2, 23), src.upto(2, 59))),
			"pwd": lambda: (lambda x: (x, "The current directory is `%s`." % x))
			("/home/%s/%s" % (src.word(), src.stem())),
			"nproc": lambda: (lambda x:
			(str(x), "This machine has %s." % plural(x, "core")))(src.upto(1, 128)),
			"date": lambda: (lambda x: (x, "Today is %s." % x))("%d-%02d-%02d" %
			(src.upto(2020, 2039), src.upto(1, 12), src.upto(1, 28))),
			"clock": lambda: (lambda x: (x, "It is %s." % x))("%02d:%02d" %
			(src.upto(0, 23), src.upto(0, 59))),
			"branch": lambda: (lambda x:
			(x, "You are on the branch %s." % x))(src.stem()),
			"python": lambda: (lambda x:
			("Python " + x, "The version is Python %s." % x))("3.%d.%d" %
			(src.upto(7, 14), src.upto(0, 19))),
		}[kind]()
		s.result(shell_output(src, text))
		s.answer(said, "The output is %s." % text, said)


def wish_named(s):
	src = s.src
	phrases, command, said = src.pick(SHELL_NAMED)
	f, g, d = src.file(), src.file(), src.folder() if src.chance(0.4) else src.stem()
	command, said = command.format(f=f, g=g, d=d), said.format(f=f, g=g, d=d)
	asked = src.phrase(phrases, f=named(src, f), g=named(src, g), d=named(src, d))
	s.user(src.ask(asked), title(asked))
	s.call("I run `%s`." % command, ("shell", {"command": command}))
	kind = src.random()
	tool = command.split()[0]
	if kind < 0.1 and tool in ("rm", "mv", "cp", "chmod"):
		s.result(
			shell_output(
			src, "%s: cannot %s '%s': No such file or directory" % (tool, {
			"rm": "remove",
			"chmod": "access"
			}.get(tool, "stat"), f), 1))
		return s.answer("The file `%s` does not exist." % f, "The file was not found.",
			f, "not exist")
	if kind < 0.15:
		s.result(src.pick(DENIED))
		return s.answer("I was not allowed to run the command.", "The call was denied.",
			"not allowed")
	s.result("(no output)")
	s.answer(said, "It worked.", said)


def write(s):
	src = s.src
	path = src.file()
	if src.chance(0.65):
		text = code(src) if src.chance(0.15) else sentence(src)
		question = src.phrase(SAY.WRITE, f=named(src, path), q=cited(src, text))
	else:
		rows = [
			src.word() if src.chance(0.6) else sentence(src)
			for _ in range(src.upto(2, 4))
		]
		rows = [r.replace(",", "") for r in rows]
		rows = [r.replace(" and ", " or ") for r in rows]
		text = "\n".join(rows) + "\n"
		question = src.phrase(SAY.WRITE_LINES,
			f=named(src, path),
			l=", ".join(rows[:-1]) + " and " + rows[-1])
	s.user(src.ask(question), "Writing %s" % path)
	s.call("I write `%s`." % path, ("write_file", {"path": path, "content": text}))
	written(s, path, text)


def written(s, path, text):
	src = s.src
	kind = src.random()
	if kind < 0.06:
		s.result(src.pick(DENIED))
		return s.answer("I was not allowed to write `%s`." % path,
			"The call was denied.", "not allowed")
	s.result(src.pick(WROTE).format(n=len(text.encode()), f=path))
	s.answer("I wrote `%s`." % path, "It worked.", "`%s`" % path)


def edit(s):
	src = s.src
	path = src.file()
	kind = src.random()
	if kind < 0.4:
		a, b = src.word(), src.word()
	elif kind < 0.7:
		key, glue = src.pick(KEYS), src.pick(("=", " = ", ": "))
		a, b = key + glue + src.value(), key + glue + src.value()
	else:
		a, b = sentence(src), sentence(src)
	while b == a:
		b = src.syllables()
	mark = src.random()
	show_ = (lambda x: x) if " " not in a + b and mark < 0.5 else (
		lambda x: '"%s"' % x) if mark < 0.75 else (lambda x: "`%s`" % x)
	s.user(src.ask(src.phrase(SAY.EDIT, f=named(src, path), a=show_(a), b=show_(b))),
		"Editing %s" % path)
	s.call("I edit `%s`." % path, ("edit_file", {"path": path, "old": a, "new": b}))
	edited(s, path, a, b)


def edited(s, path, a, b):
	src = s.src
	kind = src.random()
	if kind < 0.1:
		s.result(src.pick(NO_TEXT).format(f=path))
		return s.answer("`%s` does not contain `%s`, so I changed nothing." % (path, a),
			"The text was not found.", "changed nothing")
	if kind < 0.15:
		return no_file(s, path)
	s.result(src.pick(EDITED).format(f=path))
	s.answer("I replaced `%s` with `%s` in `%s`." % (a, b, path), "It worked.", "`%s`" % b)


def set_value(s):
	"""Two rounds: read first, because the old text has to be known."""
	src = s.src
	path = src.file(("conf", "ini", "cfg", "env", "toml", "yaml", "txt"))
	pairs, glue = settings(src)
	key, old = src.pick(pairs)
	new = src.value()
	while new == old:
		new = src.word()
	s.user(src.ask(src.phrase(SAY.SET, k=key, v=new, f=named(src, path))),
		"Setting %s in %s" % (key, path))
	s.call("I read `%s` first." % path, ("read_file", {"path": path}))
	if src.chance(0.08):
		return no_file(s, path)
	s.result("\n".join(k + glue + v for k, v in pairs) + ending(src))
	a, b = key + glue + old, key + glue + new
	s.call("The old line is %s." % a, ("edit_file", {"path": path, "old": a, "new": b}))
	edited(s, path, a, b)


def read_two(s):
	src = s.src
	f, g = src.file(), src.file()
	s.user(src.ask(src.phrase(SAY.READ_TWO, f=named(src, f), g=named(src, g))),
		cut("Reading %s and %s" % (f, g)))
	s.call("I read both files.", ("read_file", {"path": f}), ("read_file", {"path": g}))
	texts = []
	for path in (f, g):
		if src.chance(0.1):
			s.result(src.pick(NO_FILE).format(f=path))
			texts.append("The file `%s` does not exist." % path)
		else:
			line = text_lines(src, 1, 1)[0]
			s.result(line + ending(src))
			texts.append("`%s` contains: %s" % (path, line))
	s.answer("\n\n".join(texts), "I have both results.", *texts)


def write_two(s):
	src = s.src
	f, g = src.file(), src.file()
	a, b = sentence(src), sentence(src)
	question = src.pick(
		("create {f} with {a} and {g} with {b}", "write {a} to {f} and {b} to {g}",
		"make two files: {f} with {a} and {g} with {b}",
		"put {a} into {f} and {b} into {g}"))
	s.user(
		src.ask(
		question.format(f=named(src, f),
		g=named(src, g),
		a=cited(src, a),
		b=cited(src, b))), cut("Writing %s and %s" % (f, g)))
	s.call("I write both files.", ("write_file", {
		"path": f,
		"content": a
	}), ("write_file", {
		"path": g,
		"content": b
	}))
	done = src.pick(WROTE)
	for path, text in ((f, a), (g, b)):
		s.result(done.format(n=len(text.encode()), f=path))
	s.answer("I wrote `%s` and `%s`." % (f, g), "Both calls worked.", "`%s`" % f,
		"`%s`" % g)


def find_show(s):
	src = s.src
	word, path = src.stem(), src.file(folder=0.6)
	s.user(src.ask(src.phrase(SAY.FIND_SHOW, w=named(src, word))),
		"Searching for %s" % word)
	s.call("I search for `%s` first." % word, ("search_files", {"pattern": word}))
	if src.chance(0.1):
		s.result(src.pick(NONE_FOUND))
		return s.answer("I found no `%s`." % word, "There is no match.", "found no")
	rows = text_lines(src, 0, 2) + [code(src, word)] + text_lines(src, 0, 1)
	at = next(i for i, r in enumerate(rows) if word in r)
	s.result("%s:%d:%s" % (path, at + 1, rows[at]))
	s.call("It is in `%s`." % path, ("read_file", {"path": path}))
	s.result("\n".join(rows) + ending(src))
	read_answer(s, path, "\n".join(rows))


def make_run(s):
	src = s.src
	path = src.file(("sh",))
	word = src.word()
	s.user(src.ask(src.phrase(SAY.MAKE_RUN, f=named(src, path), q=word)),
		"A script %s" % path)
	s.call("I write the script first.", ("write_file", {
		"path": path,
		"content": "echo %s\n" % word
	}))
	s.result(src.pick(WROTE).format(n=len(word) + 6, f=path))
	s.call("Now I run it.", ("shell", {"command": "bash " + path}))
	s.result(shell_output(src, word))
	s.answer("I wrote `%s`; it printed: %s" % (path, word), "The output is %s." % word,
		word)


def plain(s):
	"""A question that needs no tool."""
	turns = any_topic(s.src)
	while turns[0].title in ("Date and time", "Something not told"):  # with a shell, this is a call
		turns = any_topic(s.src)
	for turn in turns[:2]:
		s.user(turn.question, turn.title)
		s.assistant(turn.answer if s.thinking else turn.spoken or turn.answer, turn.why,
			turn.check, turn.kind)


MISSING = (("shell", "I have no tool to run commands.",
	lambda src: src.phrase(SAY.RUN, c="`%s`" % any_command(src))), ("read_file",
	"I have no tool to read files.", lambda src: src.phrase(SAY.SHOW, f=src.file())),
	("write_file", "I have no tool to write files.",
	lambda src: src.phrase(SAY.WRITE, f=src.file(), q=cited(src, sentence(src)))),
	("edit_file", "I have no tool to edit files.", lambda src: src.phrase(
	SAY.EDIT, f=src.file(), a='"%s"' % src.word(), b='"%s"' % src.word())), ("list_files",
	"I have no tool to list files.",
	lambda src: src.phrase(SAY.LIST, d=src.folder())), ("search_files",
	"I have no tool to search files.", lambda src: src.phrase(SAY.SEARCH, w=src.word())))


def toolless(src):
	"""A request for a tool in a conversation that has none."""
	_, _, ask = src.pick(MISSING)
	asked = ask(src)
	return [
		Turn(src.ask(asked), "I have no tools here; start dsv4chat with --tools.",
		"There are no tools in this conversation.", title(asked), "talk",
		{"all": ["no tools"]})
	]


def unfit(s):
	lacking = [m for m in MISSING if not s.has(m[0])]
	if not lacking:
		return plain(s)
	_, answer, ask = s.src.pick(lacking)
	asked = ask(s.src)
	s.user(s.src.ask(asked), title(asked))
	s.assistant(answer, "No tool fits.", {"all": [answer]}, "talk")


# A job, how often it comes, and the tools it needs.
JOBS = (
	(show, 12, ("read_file",)),
	(part, 8, ("read_file",)),
	(value, 9, ("read_file",)),
	(count, 4, ("shell",)),
	(listing, 11, ("list_files",)),
	(search, 9, ("search_files",)),
	(run, 9, ("shell",)),
	(wish, 8, ("shell",)),
	(wish_named, 7, ("shell",)),
	(write, 11, ("write_file",)),
	(edit, 9, ("edit_file",)),
	(set_value, 5, ("read_file", "edit_file")),
	(read_two, 4, ("read_file",)),
	(write_two, 3, ("write_file",)),
	(find_show, 4, ("search_files", "read_file")),
	(make_run, 2, ("write_file", "shell")),
	(plain, 10, ()),
)
NAMES = ("shell", "read_file", "write_file", "edit_file", "list_files", "search_files")
SCHEMA = schemas()
SYSTEM = ("", "", "", "", "You are a helpful assistant.", "You are an agent with tools.",
	"Use the tools when they help.", "You work in the user's workspace.", "Answer briefly.",
	"You are a careful assistant.")


def offer(src):
	"""Which tools are described, and in which order: mostly all six as they stand."""
	kind = src.random()
	if kind < 0.55:
		return NAMES
	if kind < 0.7:
		names = list(NAMES)
		for i in (5, 3, 1):
			j = src.upto(0, i)
			names[i], names[j] = names[j], names[i]
		return tuple(names)
	n = src.upto(1, 5)
	names = [name for name in NAMES if src.chance(n / 6)]
	return tuple(names) or (src.pick(NAMES), )


def session(src, thinking, rounds):
	offered = offer(src)
	s = Session(src, offered, thinking)
	jobs = [job for job, weight, needs in JOBS if s.has(*needs) for _ in range(weight)]
	for _ in range(rounds):
		if len(offered) < 6 and src.chance(0.2):
			unfit(s)
		else:
			src.pick(jobs)(s)
	about = src.pick(SYSTEM)
	if src.chance(0.08):
		about = "\n".join([about] * bool(about) +
			[sentence(src) for _ in range(src.upto(1, 4))])
	system = {"role": "system", "content": about, "tools": [SCHEMA[n] for n in offered]}
	s.messages.insert(0, system)
	s.checks = [(at + 1, kind, check) for at, kind, check in s.checks]
	return s
