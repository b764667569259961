"""Material for conversations: lines of text and code, settings, commands, and how to cite them."""

from words import PEOPLE, THINGS

KEYS = """port host user name color mode level size limit path version timeout theme language
title width height speed owner group retries debug cache format editor shell backup prefix
suffix lunch dinner meeting breakfast train flight start end deadline city country street phone
owner author license branch key secret token address price total count rate depth status""".split()


def plural(n, one, many=None):
	return "%d %s" % (n, one if n == 1 else many or one + "s")


def block(text):
	return "```\n%s\n```" % text.rstrip("\n")


def ending(src):
	return "\n" if src.chance(0.85) else ""


def named(src, name):
	"""A file as people write it in a sentence."""
	kind = src.random()
	return name if kind < 0.8 else "`%s`" % name if kind < 0.92 else '"%s"' % name


def cited(src, text):
	kind = src.random()
	if kind < 0.15 and text[-1].isalnum() and " and " not in text:
		return text
	kind = src.random()
	return '"%s"' % text if kind < 0.6 else "'%s'" % text if kind < 0.8 else "`%s`" % text


def sentence(src):
	"""One line as it may stand in a text file."""
	kind = src.upto(0, 11)
	if kind == 0:
		return "buy %d %s" % (src.upto(2, 99), src.pick(THINGS))
	if kind == 1:
		return "%s %s at %d:%02d" % (src.pick(("call", "meet", "ask", "mail", "visit")),
			src.pick(PEOPLE), src.upto(7, 21), src.upto(0, 59))
	if kind == 2:
		return "the %s is %s" % (src.word(),
			src.pick(
			("new", "old", "broken", "ready", "late", "empty", "red", "closed")))
	if kind == 3:
		return "%s: %s" % (src.word(), src.value())
	if kind == 4:
		return "hello %s" % src.word()
	if kind == 5:
		return " ".join(src.word() for _ in range(src.upto(2, 4)))
	if kind == 6:
		return "%s %d" % (src.word(), src.upto(1, 999))
	if kind == 7:
		return "%s-%d" % (src.word(), src.upto(1, 99))
	if kind == 8:
		return "TODO: check the %s" % src.word()
	if kind == 9:
		return "%s has %d %s" % (src.pick(PEOPLE), src.upto(2, 99), src.pick(THINGS))
	if kind == 10:
		return "# %s" % src.word()
	return "%s, %s and %s" % (src.word(), src.word(), src.word())


def code(src, word=None):
	word = word or src.word()
	return src.pick(("int %s = %d;" % (word, src.upto(0, 999)), "def %s(x):" % word,
		"return %s;" % word, "%s(%d);" % (word, src.upto(0, 99)), "import %s" % word,
		"let %s = %d" % (word, src.upto(0, 99)), "print(%s)" % word, "# %s" % word,
		"if (%s > %d)" % (word, src.upto(0, 99)), "echo %s" % word,
		"x = %s + %d" % (word, src.upto(0, 99))))


def text_lines(src, low=1, high=6):
	maker = code if src.chance(0.25) else sentence
	return [maker(src) for _ in range(src.upto(low, high))]


def settings(src, n=None):
	keys = []
	while len(keys) < (n or src.upto(1, 5)):
		key = src.pick(KEYS) if src.chance(0.8) else src.word()
		if key not in keys:
			keys.append(key)
	glue = src.pick(("=", " = ", ": "))
	return [(k, src.value()) for k in keys], glue


def shell_output(src, text, code_=0):
	"""What a command printed, as a result has it."""
	if code_:
		return "%s\n[exit code %d]" % (text, code_)
	if not text:
		return "(no output)"
	return text + "\n" if src.chance(0.9) else text


def any_command(src):
	kind = src.upto(0, 17)
	f = src.file()
	if kind == 0:
		return "ls " + src.pick(("-l", "-a", "-la", "-lh")) + " " + src.folder()
	if kind == 1:
		return "python3 " + src.file(("py",))
	if kind == 2:
		return "bash " + src.file(("sh",))
	if kind == 3:
		return "./" + src.stem() + src.pick((".sh", "", ".py")) + src.pick(
			("", " -v", " " + src.word(), " --" + src.word()))
	if kind == 4:
		return "make " + src.pick(
			("test", "check", "clean", "install", "all", src.word()))
	if kind == 5:
		return "echo " + src.word() + src.pick(("", " " + src.word()))
	if kind == 6:
		return "grep -n %s %s" % (src.word(), f)
	if kind == 7:
		return "sort %s%s" % (src.pick(("", "-n ", "-r ", "-u ")), f)
	if kind == 8:
		return "git %s" % src.pick(("log --oneline", "status", "diff", "branch", "pull",
			"checkout " + src.word(), "add " + f))
	if kind == 9:
		return "du -sh " + src.folder()
	if kind == 10:
		return "cat %s | %s" % (f,
			src.pick(
			("sort", "wc -l", "head -n 3", "uniq", "tail -n %d" % src.upto(1, 9))))
	if kind == 11:
		return "find %s -name '*.%s'" % (src.folder(),
			src.pick(("c", "py", "txt", "log")))
	if kind == 12:
		return "%s %s" % (src.pick(
			("head -n %d" % src.upto(1, 20), "tail -n %d" % src.upto(1, 20), "file",
			"stat", "md5sum", "sha256sum", "gzip", "wc -w", "nl", "tac")), f)
	if kind == 13:
		return "gcc -o %s %s" % (src.word(), src.file(("c",)))
	if kind == 14:
		return "npm %s" % src.pick(("test", "install", "run " + src.word()))
	if kind == 15:
		return "seq %d %d" % (src.upto(1, 5), src.upto(6, 9))
	if kind == 16:
		return src.pick(("uname -a", "date", "env", "id", "uptime", "hostname", "ps",
			"df -h", "free -m", "lsblk", "nproc", "pwd"))
	return src.stem() + src.pick((" -v", " --help", " " + src.word()))
