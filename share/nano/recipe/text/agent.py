"""Tasks in a folder that take several calls: looked for, read, changed, run, answered.

A task lays files on a Desk, says what the user wants, does it, answers, and notes what the folder
has to be like then: training text and the evaluation's tasks are both made of it.
"""

from collections import namedtuple

from material import KEYS, cited, named, plural, sentence, settings
from titles import cut
from tools import SAY as SAY_TOOLS
from tools import contents, read_answer, tell_output
from words import phrasebook

SAY = phrasebook("say_agent.txt")
SETTINGS = ("conf", "ini", "cfg", "toml", "yaml", "txt")


# Folders that a search leaves out, so nothing is put there.
SKIPPED = frozenset("node_modules target build .venv __pycache__".split())


def ask(s, phrases, about, **values):
	"""What the user says; a name that it begins with stays as it is."""
	asked = s.src.phrase(phrases, **values)
	bare = any(asked.startswith(str(v)) for v in values.values())
	s.user(asked if bare else s.src.ask(asked), cut(about))


def fresh(s, extensions=None, folder=0.35):
	"""The name of a file that is not there yet."""
	while True:
		path = s.src.file(extensions, folder) if extensions else s.src.file(
			folder=folder)
		taken = set(s.folder.files) | s.folder.folders()
		parts = path.split("/")
		if path not in taken and not SKIPPED & set(parts) and not any(
			"/".join(parts[:i]) in s.folder.files for i in range(1, len(parts))):
			return path


def other_word(src, *taken):
	word = src.word()
	while any(word in t or t in word for t in taken):
		word = src.syllables()
	return word


def joined(names):
	return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def rows_without(src, word, low=1, high=4):
	"""Lines of a file in which the word does not stand."""
	rows = []
	while len(rows) < low or len(rows) < high and src.chance(0.6):
		row = sentence(src)
		if word not in row and row not in rows:
			rows.append(row)
	return rows


def lines(rows):
	return "\n".join(rows) + "\n"


def row_with(src, word):
	return "%s %s" % (src.word(), word) if src.chance(0.5) else "the %s is here" % word


# What is done, and told, in many tasks.


def edit(path, old, new):
	return "edit_file", {"path": path, "old": old, "new": new}


def read_first(s, path):
	s.do("I read `%s` first." % path, ("read_file", {"path": path}))


def replaced(s, path, old, new):
	s.answer("I replaced `%s` with `%s` in `%s`." % (old, new, path), "It worked.", "`%s`" % path)


# Settings.


# A setting that is to change: its line and the text of its file, before and after.
Setting = namedtuple("Setting", "key value old new before after")  # value: the new one


def a_setting(s):
	src = s.src
	pairs, glue = settings(src, src.upto(1, 4))
	key, value = src.pick(pairs)
	old, value = key + glue + value, src.value()
	while old in key + glue + value:
		value = src.word()
	return Setting(key, value, old, key + glue + value, setting_text(pairs, glue),
		setting_text(pairs, glue, key, value))


def setting_text(pairs, glue, changed=None, value=None):
	return lines([k + glue + (value if k == changed else v) for k, v in pairs])


def once(text, part):
	return text.count(part) == 1


def ask_to_set(s, path, c):
	ask(s, SAY.SET_IN, "Setting %s in %s" % (c.key, path), k=c.key, v=c.value,
		f=named(s.src, path))


def set_in(s):
	"""Read, edit, answer."""
	path, c = fresh(s, SETTINGS), a_setting(s)
	if not once(c.before, c.old):
		return set_in(s)
	s.lay({path: c.before})
	ask_to_set(s, path, c)
	read_first(s, path)
	s.do("The old line is %s." % c.old, edit(path, c.old, c.new))
	s.will_be({path: c.after})
	replaced(s, path, c.old, c.new)


def set_somewhere(s):
	"""Search, edit, answer: the line of the match is the text to replace."""
	src = s.src
	path, other, c = fresh(s, SETTINGS), fresh(s), a_setting(s)
	everything = "".join(s.folder.files.values())
	if not once(c.before, c.old) or not once(c.before, c.key) or c.key in everything:
		return set_somewhere(s)
	s.lay({path: c.before, other: lines(rows_without(src, c.key))})
	ask(s, SAY.SET_SOMEWHERE, "Setting %s" % c.key, k=c.key, v=c.value)
	s.do("I search for `%s` first." % c.key, ("search_files", {"pattern": c.key}))
	if src.chance(0.5):
		s.do("It is in `%s`." % path, ("read_file", {"path": path}))
	s.do("The old line is %s." % c.old, edit(path, c.old, c.new))
	s.will_be({path: c.after})
	replaced(s, path, c.old, c.new)


def misspelled(s):
	src = s.src
	path, other = fresh(s), fresh(s)
	a = src.syllables()
	b = other_word(src, a)
	if a in "".join(s.folder.files.values()):
		return misspelled(s)
	rows = rows_without(src, a)
	rows.insert(src.upto(0, len(rows)), "%s %s" % (a, src.word()) if src.chance(0.5) else
		"the %s is here" % a)
	s.lay({path: lines(rows), other: lines(rows_without(src, a))})
	ask(s, SAY.MISSPELLED, "Correcting %s" % a, a=named(src, a), b=named(src, b))
	s.do("I search for `%s` first." % a, ("search_files", {"pattern": a}))
	s.do("It is in `%s`." % path, edit(path, a, b))
	s.will_be({path: lines(rows).replace(a, b)})
	replaced(s, path, a, b)


def edit_both(s):
	"""Two files are read in one answer and changed in one answer."""
	src = s.src
	f, g = fresh(s, SETTINGS), fresh(s, SETTINGS)
	key, old = src.pick(KEYS), src.value()
	new, glue = other_word(src, old), src.pick(("=", " = ", ": "))
	a, b = key + glue + old, key + glue + new
	texts = {}
	for path in (f, g):
		texts[path] = [(k, v) for k, v in settings(src, 1)[0] if k != key] + [(key, old)]
	if f == g or any(not once(setting_text(t, glue), a) for t in texts.values()):
		return edit_both(s)
	s.lay({path: setting_text(pairs, glue) for path, pairs in texts.items()})
	ask(s, SAY.EDIT_BOTH, "Setting %s in two files" % key, k=key, v=new, f=named(src, f),
		g=named(src, g))
	s.do("I read both files first.", *(("read_file", {"path": p}) for p in (f, g)))
	s.do("The old line is %s in both." % a, *(edit(p, a, b) for p in (f, g)))
	s.will_be({p: setting_text(pairs, glue, key, new) for p, pairs in texts.items()})
	s.answer("I replaced `%s` with `%s` in `%s` and `%s`." % (a, b, f, g),
		"Both calls worked.", "`%s`" % f, "`%s`" % g)


# Reading.


def show_several(s):
	src = s.src
	paths = []
	while len(paths) < (2 if src.chance(0.6) else 3):
		path = fresh(s)
		if path not in paths:
			paths.append(path)
	# Texts of several lines beside each other are for training alone.
	several = not src.evaluate and src.chance(0.35)
	rows = {path: rows_without(src, "\n", 1, 3 if several else 1) for path in paths}
	missing = src.pick(paths) if src.chance(0.12) else None
	s.lay({path: lines(text) for path, text in rows.items() if path != missing})
	ask(s, SAY.SHOW_BOTH, "Reading %s" % joined(paths), l=joined([named(src, p) for p in paths]))
	s.do("I read %s." % ("both files" if len(paths) == 2 else "the three files"),
		*(("read_file", {"path": p}) for p in paths))
	said = ["The file `%s` does not exist." % p if p == missing else contents(p, rows[p])
		for p in paths]
	s.answer("\n\n".join(said), "I have all results." if len(paths) > 2 else
		"I have both results.", *said)


def which_has(s):
	"""Several files are read, one has the word."""
	src = s.src
	word = other_word(src, "line")
	paths = []
	while len(paths) < src.upto(2, 3):
		path = fresh(s)
		if path not in paths:
			paths.append(path)
	at = src.upto(0, len(paths) - 1)
	rows = {p: rows_without(src, word, 1, 2) for p in paths}
	rows[paths[at]][0] = row_with(src, word)
	s.lay({p: lines(r) for p, r in rows.items()})
	ask(s, SAY.WHICH_HAS, "Which file has %s" % word, l=joined(paths), w=named(src, word))
	s.do("I read the files.", *(("read_file", {"path": p}) for p in paths))
	s.answer("`%s` has `%s`: %s" % (paths[at], word, rows[paths[at]][0]),
		"The word stands in result %d." % (at + 1), "`%s`" % paths[at])


def only_file(s):
	src = s.src
	path = fresh(s, folder=0)
	d = s.src.pick(("docs", "notes", "letters", "reports", "data")) if src.chance(0.5) else src.stem()
	if s.folder.below(d) or d in s.folder.files or d in SKIPPED:
		return only_file(s)
	rows = rows_without(src, "\n", 1, 3)
	s.lay({d + "/" + path: lines(rows)})
	ask(s, SAY.ONLY_FILE, "The file in %s" % d, d=named(src, d))
	s.do("I list `%s` first." % d, ("list_files", {"path": d}))
	s.do("It is `%s`." % path, ("read_file", {"path": d + "/" + path}))
	read_answer(s, d + "/" + path, lines(rows))


def line_of(s):
	src = s.src
	path = fresh(s)
	rows = [sentence(src) for _ in range(src.upto(6, 40))]
	n = src.upto(2, len(rows))
	s.lay({path: lines(rows)})
	ask(s, SAY.LINE_OF, "Line %d of %s" % (n, path), n=n, f=named(src, path))
	s.do("I read line %d of `%s`." % (n, path), ("read_file", {
		"path": path,
		"offset": n,
		"limit": 1
	}))
	s.answer("Line %d of `%s` is: %s" % (n, path, rows[n - 1]), "The result is that line.",
		rows[n - 1])


# Writing.


def replace_all(s):
	"""What exists is read before it is written."""
	src = s.src
	path, text = fresh(s), sentence(src)
	old = rows_without(src, text, 1, 3)
	s.lay({path: lines(old)})
	ask(s, SAY.REPLACE_ALL, "Writing %s" % path, f=named(src, path), q=cited(src, text))
	if not src.evaluate and src.chance(0.3):
		s.do("I write `%s`." % path, ("write_file", {"path": path, "content": text}),
			slip=True)
		s.do("It was not read, so I read it first.", ("read_file", {"path": path}))
	else:
		read_first(s, path)
	s.do("Now I write `%s`." % path, ("write_file", {"path": path, "content": text}))
	s.will_be({path: text})
	s.answer("I wrote `%s`." % path, "It worked.", "`%s`" % path)


def append(s):
	src = s.src
	path = fresh(s)
	text = sentence(src)
	rows = rows_without(src, text, 1, 4)
	last = rows[-1]
	if not once(lines(rows), last) or text in last:
		return append(s)
	s.lay({path: lines(rows)})
	ask(s, SAY.APPEND, "A line for %s" % path, f=named(src, path), q=cited(src, text))
	read_first(s, path)
	s.do("The last line is %s." % last, edit(path, last, last + "\n" + text))
	s.will_be({path: lines(rows + [text])})
	s.answer("I added the line `%s` to `%s`." % (text, path), "It worked.", "`%s`" % path)


def drop_line(s):
	src = s.src
	path = fresh(s)
	word = other_word(src, "line")
	rows = rows_without(src, word, 1, 4)
	line = row_with(src, word)
	rows.insert(src.upto(0, len(rows)), line)
	if not once(lines(rows), line + "\n") or not once(lines(rows), word):
		return drop_line(s)
	s.lay({path: lines(rows)})
	ask(s, SAY.DROP_LINE, "A line of %s" % path, f=named(src, path), w=named(src, word))
	read_first(s, path)
	s.do("The line is %s." % line, edit(path, line + "\n", ""))
	s.will_be({path: lines([r for r in rows if r != line])})
	s.answer("I removed the line `%s` from `%s`." % (line, path), "It worked.", "`%s`" % path)


def write_told(s):
	"""A name told before is written into a file."""
	src = s.src
	path, x = fresh(s), src.word()
	value = src.syllables()
	ask(s, SAY.TELL, "Name of the %s" % x, x=x, v=value)
	s.answer("I will remember that: your %s is called %s." % (x, value),
		"The user tells me a fact to remember.", value)
	if src.chance(0.3):
		show_several(s)
	ask(s, SAY.WRITE_TOLD, "Writing %s" % path, x=x, f=named(src, path))
	s.do("The %s is called %s. I write `%s`." % (x, value, path),
		("write_file", {"path": path, "content": value}))
	s.will_be({path: value})
	s.answer("I wrote `%s`." % path, "It worked.", "`%s`" % path)


# Commands.


def shell(s, why, command, **more):
	return s.do(why, ("shell", dict({"command": command}, **more)))[0]


def write_run(s):
	src = s.src
	path, said = fresh(s, ("sh",)), "%s %s" % (src.word(), src.word())
	ask(s, SAY.WRITE_RUN, "A script %s" % path, f=named(src, path), q=cited(src, said))
	s.do("I write the script first.", ("write_file", {
		"path": path,
		"content": "echo %s\n" % said
	}))
	shell(s, "Now I run it.", "sh " + path)
	s.will_be({path: {"has": said}})
	s.expected["ran"] = [path.replace(".", "\\.")]
	s.answer("I wrote `%s`; it printed: %s" % (path, said), "The output is %s." % said, said)


def tell_failed(s, text):
	"""How a command that failed is told."""
	code = text.rsplit("[exit code ", 1)[1].rstrip("]")
	error = text.rsplit("[exit code ", 1)[0].rstrip("\n")
	s.answer("The command failed with exit code %s: %s" % (code, error) if error else
		"The command failed with exit code %s." % code, "The exit code is %s." % code,
		error or "exit code " + code)


def run_it(s):
	"""A script or a target that works, prints nothing, or fails."""
	src = s.src
	said = [sentence(src).replace("'", "").replace("#", "no") for _ in range(src.upto(0, 2))]
	code = src.upto(1, 3) if src.chance(0.35) else 0
	if "Makefile" not in s.folder.files and src.chance(0.3):
		target = src.pick(("all", "test", "check", "clean", "install"))
		s.lay({"Makefile": target + ":\n" + "".join("\t@echo %s\n" % " ".join(
			src.word() for _ in range(src.upto(1, 3))) for _ in range(src.upto(1, 2)))})
		command = src.pick(("make", "make " + target))
	else:
		path = fresh(s, ("sh",))
		s.lay({path: lines(["echo '%s'" % t for t in said] + ["exit %d" % code] * bool(code))
			or "\n"})
		command = src.pick(("sh ", "bash ")) + path
	ask(s, SAY.RUN_IT, "Running %s" % command, c=command)
	text = shell(s, "I run the command in the shell.", command)
	s.expected["ran"] = [command.replace(".", "\\.")]
	if "[exit code " in text:
		return tell_failed(s, text)
	if text == "(no output)":
		return s.answer("The command printed nothing.", "There is no output.", "nothing")
	tell_output(s, text.rstrip("\n"))


def run_at_most(s):
	n = s.src.upto(1, 2)
	command = "sleep %d" % s.src.upto(20, 99)
	ask(s, SAY.RUN_AT_MOST, "Running %s" % command, c=command, n=n)
	shell(s, "I run the command in the shell.", command, timeout=n)
	s.expected["ran"] = [command]
	s.answer("The command was stopped after %s: it timed out." % plural(n, "second"),
		"It ran too long.", "timed out")


def check_script(key, value, path):
	line = "%s=%s" % (key, value)
	return "grep -q '%s' %s || { echo '%s: expected %s'; exit 1; }\necho ok\n" % (line, path,
		path, line)


def make_pass(s):
	"""Run, read, edit, run again, answer."""
	src = s.src
	path, script = fresh(s, ("cfg", "txt", "ini")), fresh(s, ("sh",), 0)
	key, old = src.pick(KEYS), src.word()
	new = other_word(src, old)
	command = "sh " + script
	s.lay({path: "%s=%s\n" % (key, old), script: check_script(key, new, path)})
	ask(s, SAY.MAKE_PASS, "Repairing %s" % script, c=command)
	shell(s, "I run it first.", command)
	s.do("It expects %s=%s in `%s`." % (key, new, path), ("read_file", {"path": path}))
	a, b = "%s=%s" % (key, old), "%s=%s" % (key, new)
	s.do("The old line is %s." % a, edit(path, a, b))
	shell(s, "I run it again.", command)
	s.will_be({path: b + "\n"})
	s.answer("I replaced `%s` with `%s` in `%s`; `%s` works now." % (a, b, path, command),
		"It printed ok.", "`%s`" % path)


def delete(s):
	path = fresh(s)
	s.lay({path: sentence(s.src) + "\n"})
	ask(s, SAY.DELETE, "Deleting %s" % path, f=named(s.src, path))
	shell(s, "I run `rm %s`." % path, "rm " + path)
	s.will_be({path: None})
	s.answer("I removed `%s`." % path, "It worked.", "`%s`" % path)


def rename(s):
	src = s.src
	f, g, text = fresh(s, folder=0), fresh(s, folder=0), sentence(src) + "\n"
	s.lay({f: text})
	ask(s, SAY.RENAME, "Renaming %s" % f, f=named(src, f), g=named(src, g))
	shell(s, "I run `mv %s %s`." % (f, g), "mv %s %s" % (f, g))
	s.will_be({f: None, g: text})
	s.answer("I renamed `%s` to `%s`." % (f, g), "It worked.", "`%s`" % g)


def backup(s):
	src = s.src
	f, text = fresh(s, folder=0), sentence(src) + "\n"
	d = src.stem()
	if d in s.folder.files or d in s.folder.folders() or d in SKIPPED:
		return backup(s)
	s.lay({f: text})
	ask(s, SAY.BACKUP, "A copy of %s" % f, f=named(src, f), d=named(src, d))
	shell(s, "I make the directory first.", "mkdir -p " + d)
	shell(s, "Now I copy `%s`." % f, "cp %s %s/%s" % (f, d, f))
	s.will_be({"%s/%s" % (d, f): text})
	s.answer("I copied `%s` to `%s/%s`." % (f, d, f), "It worked.", "`%s" % d)


def count(s):
	src = s.src
	path, n = fresh(s), src.upto(3, 12)
	s.lay({path: lines([sentence(src) for _ in range(n)])})
	ask(s, SAY_TOOLS.COUNT, "Lines of %s" % path, f=named(src, path))
	shell(s, "I count the lines with wc.", "wc -l " + path)
	s.answer("`%s` has %s." % (path, plural(n, "line")), "wc printed %d." % n,
		plural(n, "line"))


JOBS = ((set_in, 9), (set_somewhere, 7), (misspelled, 6), (edit_both, 5), (show_several, 8),
	(which_has, 6), (only_file, 8), (line_of, 5), (replace_all, 7), (append, 8), (drop_line, 8),
	(write_told, 7), (write_run, 6), (run_it, 8), (run_at_most, 2), (make_pass, 5), (delete, 5),
	(rename, 4), (backup, 5), (count, 3))
