#!/usr/bin/env python3
"""Runs everything that needs a GPU, from the kit's own folder, and prints a table.

    check.py [--kernels auto|general] [--only PATTERN] [--skip PATTERN] [--sanitize] [--minutes M]
             [--jobs N] [--questions N] [--work DIR] [--list] [--rehearse]

Python's standard library only.  Without a GPU it says so and is done; --rehearse tries the
script and the tests themselves there: the CPU stands for the GPU.  Exit status 1 where something
failed.  WORK/check.log has what every command printed.  Nothing else may use the GPU meanwhile.

N steps run at once, what tells most first; then, one by one, those that compare the GPU's free
memory or measure speed.  Models that the kit leaves out are taken from the tree around it.
"""

import argparse
import collections
import concurrent.futures
import fcntl
import fnmatch
import glob
import json
import math
import multiprocessing
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import termios
import time
import traceback

KIT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, KIT)
sys.dont_write_bytecode = True
import compare_golden

KERNELS = ("auto", "general")
REHEARSAL = "rehearsal"
# Mean KL that bf16 activations may cost against float32 ones.
KL_DECODE = {"flash-tiny": 0.012, "pro-micro": 0.012}
# Where nothing is said above: of what the published FP8 arithmetic costs on the same rows, which
# rounds coarser and in more places.  How far a rounding carries differs from model to model, so a
# bound that is right for one is too tight, or too wide, for another.
KL_DECODE_SHARE = 0.5
# How far a draft's confidence may be off at the median: at most 2.5 points of a hundred, after σ.
CONFIDENCE = 0.1
GOLDENS = ("flash-tiny", "pro-micro", "spark-micro")
# Of the ranks that are tried, the most that each can be cut for.
CUTS = {"flash-tiny": 4, "pro-micro": 4, "spark-micro": 2}


class Failed(Exception):
	"""What a step says when it failed: one line."""


class Skipped(Exception):
	pass


# alone: nothing else may run meanwhile.
Step = collections.namedtuple("Step", "name function args alone", defaults=(False,))
Result = collections.namedtuple("Result", "name state took note lines log")


class Check:
	"""What a step has: where the kit's programs and models lie, and a folder of its own."""

	def __init__(self, unpacked, work, threads, questions):
		self.questions = questions
		self.unpacked = unpacked
		self.work = work
		self.threads = threads
		self.program = os.path.join(unpacked, "bin", "dsv4chat")
		self.models = os.path.join(unpacked, "models")
		self.lines = [] # that stand below its own in the table
		home = os.path.join(work, "home")
		os.makedirs(home, exist_ok=True)
		self.log = open(os.path.join(work, "log"), "w+", encoding="utf-8")
		self.env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
		self.env.update(HOME=home, LC_ALL="C.UTF-8", TERM="xterm")
		terminals = os.path.join(unpacked, "lib", "terminfo")
		if os.path.isdir(terminals):
			self.env["TERMINFO"] = terminals

	def cpu(self):
		return ["--backend", "cpu", "--threads", str(self.threads)]

	def once(self, name, make):
		"""make(), by the first step that asks; the others are given what it made."""
		path = os.path.join(self.unpacked, "once", name + ".json")
		with open(path + ".lock", "w", encoding="utf-8") as lock:
			fcntl.flock(lock, fcntl.LOCK_EX)
			if not os.path.exists(path):
				made = make()
				with open(path, "w", encoding="utf-8") as f:
					json.dump(made, f)
		with open(path, encoding="utf-8") as f:
			return json.load(f)

	def run(self, command, seconds=300, stdin="", env=None, wanted=0):
		"""The command's output, both streams; Failed where it does not end with `wanted`."""
		told = "\n$ %s\n" % " ".join(command)
		try:
			done = subprocess.run(command,
				input=stdin,
				stdout=subprocess.PIPE,
				stderr=subprocess.STDOUT,
				text=True,
				errors="replace",
				timeout=seconds,
				env={
				**self.env,
				**(env or {})
				})
		except subprocess.TimeoutExpired as late:
			said = late.stdout or b""
			self.log.write(told + (said.decode(errors="replace") if isinstance(said, bytes) else said))
			raise Failed("not done after %d s" % seconds)
		self.log.write(told + done.stdout)
		self.log.flush()
		if wanted is not None and done.returncode != wanted:
			last = [line for line in done.stdout.splitlines() if line.strip()][-1:]
			raise Failed("exit code %d: %s" % (done.returncode, "".join(last)[:150]))
		return done.stdout

	def on_terminal(self, command, seconds=120):
		"""Runs it on a terminal of 200 x 60 cells; what it draws is read and dropped."""
		self.log.write("\n$ %s (on a terminal)\n" % " ".join(command))
		ours, its = pty.openpty()
		fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
		process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=self.env)
		os.close(its)
		late = time.monotonic() + seconds
		drawn = b""
		try:
			while time.monotonic() < late:
				if not select.select([ours], [], [], 0.2)[0]:
					continue
				try:
					part = os.read(ours, 65536)
				except OSError: # the other end is closed
					part = b""
				if not part:
					break
				drawn = (drawn + part)[-2000:]
			process.wait(timeout=max(1, late - time.monotonic()))
		except subprocess.TimeoutExpired:
			process.kill()
			process.wait()
			raise Failed("on a terminal: not done after %d s" % seconds)
		finally:
			os.close(ours)
		if process.returncode:
			self.log.write("%r\n" % drawn)
			raise Failed("on a terminal: exit code %d" % process.returncode)


def run_step(step, unpacked, work, threads, questions, late):
	"""In a process of its own: what is read and compared here takes as long as what is run."""
	start = time.monotonic()
	if start > late:
		return Result(step.name, "FAILED", 0, "no time left", [], "")
	check = Check(unpacked, work, threads, questions)
	try:
		note, state = step.function(check, *step.args) or "", "ok"
	except Failed as failure:
		note, state = str(failure), "FAILED"
	except Skipped as skipped:
		note, state = str(skipped), "skipped"
	except Exception as broken: # the script's own: the other steps go on
		note, state = "%s: %s" % (type(broken).__name__, broken), "FAILED"
		check.log.write(traceback.format_exc())
	took = time.monotonic() - start
	check.log.seek(0)
	return Result(step.name, state, took, note, check.lines, check.log.read())


# ---------------------------------------------------------------- test programs


def sums(said):
	"""cmocka's counts: (passed, failed, skipped), and the lines that say what failed."""
	passed = failed = skipped = 0
	for line in said.splitlines():
		if line.startswith("[       OK ]"):
			passed += 1
		if line.startswith("[  SKIPPED ]") and "test(s)" not in line:
			skipped += 1
		if line.startswith(("[  FAILED  ]", "[  ERROR   ]")) and "test(s)" not in line:
			failed += 1
	# each is told when its turn comes, and once more at the end
	return passed, failed, skipped // 2, [line for line in said.splitlines() if line.startswith("FAILED ")]


def test_program(check, program, kernels, test=None, without=None):
	"""The whole program at once (or one test, or all but one); what a lost device kept from
	running, test by test."""
	command = [os.path.join(check.unpacked, "bin", program), "--models", check.models]
	command += cuda(check, kernels)
	names = [n for n in check.run(command + ["--list"]).split() if test in (None, n) and n != without]
	chosen = [test] if test else ["--skip", without] if without else []
	said = check.run(command + chosen, seconds=600, wanted=None)
	ran = [n for n in names if "[       OK ] " + n in said or "] " + n in said]
	for name in names:
		if name not in ran:
			said += check.run(command + [name], wanted=None)
	passed, failed, skipped, lines = sums(said)
	check.lines += [line[:200] for line in lines[:12]]
	if len(lines) > 12:
		check.lines.append("… %d more, see the log" % (len(lines) - 12))
	if failed or not names or passed + skipped < len(names):
		raise Failed("%d of %d tests" % (len(names) - passed - skipped, len(names)))
	if not passed:
		raise Skipped("%d tests" % skipped)
	return "%d tests%s" % (passed, ", %d skipped" % skipped if skipped else "")


# --------------------------------------------------------------------- goldens


def golden_of(check, prefix):
	found = glob.glob(os.path.join(check.models, prefix + "*"))
	if not found:
		raise Skipped("no such model in the kit")
	return found[0]


def write_logits(check, model, ids, options, out):
	check.run([check.program, "logits", "--model", model, "-o", out] + options,
		stdin=json.dumps(ids),
		seconds=300)
	return compare_golden.load(out)


def cuda(check, kernels, ranks=1, comm="auto"):
	several = ["--ranks", str(ranks), "--comm", comm] if ranks > 1 else []
	if kernels == REHEARSAL:
		return check.cpu() + several
	return ["--backend", "cuda", "--kernels", kernels, "--threads", str(check.threads)] + several


def golden_decode(check, prefix, kernels, ranks=1, comm="auto"):
	"""One row at a time, against the reference in float32."""
	model = golden_of(check, prefix)
	golden = compare_golden.load(os.path.join(model, "golden.safetensors"))
	ids = list(golden["ids"][1])
	out = os.path.join(check.work, "logits.safetensors")
	made = write_logits(check, model, ids, ["--prefill", "1"] + cuda(check, kernels, ranks, comm), out)
	reference = compare_golden.rows(golden["a32.logits"])
	bound = KL_DECODE.get(prefix)
	if bound is None:
		coarse = compare_golden.rows(golden["a8.logits"])[-len(reference):]
		bound = KL_DECODE_SHARE * compare_golden.figures(coarse, reference)[3]
	mine = compare_golden.rows(made["logits"])[:len(ids) - 1][-len(reference):]
	median, high, same, kl = compare_golden.figures(mine, reference)
	note = "median %.4f, 95 %% %.4f, same best %.3f, mean KL %.5f (<= %.4f)" % (median, high, same,
		kl, bound)
	if not kl <= bound:
		raise Failed(note)
	return note


def golden_prefill(check, prefix, kernels, ranks=1, comm="auto"):
	"""The reference's own way, prefill and steps; no further from float32 than published arithmetic."""
	model = golden_of(check, prefix)
	golden = compare_golden.load(os.path.join(model, "golden.safetensors"))
	out = os.path.join(check.work, "logits.safetensors")
	draft = ["--mtp"] if "a32.mtp_logits" in golden else []
	write_logits(check, model, list(golden["ids"][1]),
		["--prefill", "300"] + draft + cuda(check, kernels, ranks, comm), out)
	said = check.run([sys.executable, os.path.join(KIT, "compare_golden.py"), model, out, "--a8"],
		wanted=None)
	if "MISSED" in said or "ok" not in said:
		raise Failed(" | ".join(said.split("\n"))[:200])
	return " | ".join(line.split(",")[0] for line in said.splitlines())


def led_alike(drafted, ids, block):
	"""Of each drafted row, whether the ids before it in its block are the reference's: what is
	drafted after another id is another question."""
	best = [row.index(max(row)) for row in drafted]
	return [best[i - i % block:i] == ids[i - i % block:i] for i in range(len(best))]


def draft_figures(drafted, reference, ids, block):
	"""(share of other ids, mean KL of the rows that were led alike), of all drafted rows."""
	alike = led_alike(drafted, ids, block)
	other = sum(row.index(max(row)) != i for row, i in zip(drafted, ids)) / len(ids)
	pairs = [(d, r) for d, r, same in zip(drafted, reference, alike) if same]
	return other, compare_golden.figures([d for d, _ in pairs], [r for _, r in pairs])[3]


def golden_drafts(check, kernels, ranks=1, comm="auto"):
	"""What the block drafter drafts after each step, against the reference in float32: half as far
	from it as published arithmetic, and as sure within a few points of a hundred."""
	model = golden_of(check, "spark-micro")
	golden = compare_golden.load(os.path.join(model, "golden.safetensors"))
	ids = [int(i) for i in golden["ids"][1]]
	shape, chain = golden["a32.draft_ids"]
	steps, block = shape[0], shape[1] - 1
	wanted = [chain[r * (block + 1) + 1 + i] for r in range(steps) for i in range(block)]
	out = os.path.join(check.work, "logits.safetensors")
	made = write_logits(check, model, ids, ["--prefill", str(len(ids) - 1 - steps), "--mtp"] +
		cuda(check, kernels, ranks, comm), out)
	if made["draft_ids"][0] != shape:
		raise Failed("drafts of %r, expected %r" % (made["draft_ids"][0], shape))
	reference = compare_golden.rows(golden["a32.draft_logits"])
	coarse = draft_figures(compare_golden.rows(golden["a8.draft_logits"]), reference, wanted, block)
	mine = draft_figures(compare_golden.rows(made["draft_logits"]), reference, wanted, block)
	alike = led_alike(compare_golden.rows(made["draft_logits"]), wanted, block)
	off = sorted(abs(x - y) if x == x else math.inf
		for x, y, same in zip(made["confidence"][1], golden["a32.confidence"][1], alike) if same)
	sure = off[len(off) // 2]
	bounds = [KL_DECODE_SHARE * figure for figure in coarse]
	note = "other ids %.3f (<= %.3f), mean KL %.5f (<= %.4f), confidence off by %.4f (<= %.2f)" % (
		mine[0], bounds[0], mine[1], bounds[1], sure, CONFIDENCE)
	if not (mine[0] <= bounds[0] and mine[1] <= bounds[1] and sure <= CONFIDENCE):
		raise Failed(note)
	return note


# ------------------------------------------------------------ the small model


def nano(check):
	return os.path.join(check.models, "nano")


def answers(check):
	"""The small model's greedy answers to the questions written by hand, made on the CPU: for each
	the ids of the conversation, and how many of them, the last ones, the model chose."""
	with open(os.path.join(KIT, "tests", "eval", "handwritten.jsonl"), encoding="utf-8") as f:
		rows = [json.loads(line) for line in f]
	asked = [{k: row[k] for k in ("messages", "effort", "tools") if k in row} for row in rows]
	greedy = {"sampling": {"temperature": 0, "max_tokens": 200}}
	said = check.run([check.program, "complete", "--model", nano(check)] + check.cpu(),
		stdin="\n".join(json.dumps({**a, **greedy}) for a in asked))
	told, counts = [], []
	for a, line in zip(asked, said.splitlines()):
		answer = json.loads(line)
		if answer.get("stop_reason") == "stop":
			told.append({**a, "messages": a["messages"] + [answer["message"]]})
			counts.append(answer["usage"]["output_tokens"])
	said = check.run([check.program, "prompt", "--model", nano(check)],
		stdin="\n".join(json.dumps(t) for t in told))
	return [(json.loads(line)["ids"], n) for line, n in zip(said.splitlines(), counts)]


def best_tokens(check, answered, options):
	"""Of each of these conversations, the best token at each place where the model chose one."""

	def of_one(i, ids, chosen):
		out = os.path.join(check.work, "logits.%d.safetensors" % i)
		made = write_logits(check, nano(check), ids, ["--prefill", "1"] + options, out)
		os.remove(out)
		rows = compare_golden.rows(made["logits"])[-chosen - 1:-1]
		return [row.index(max(row)) for row in rows]

	# each is a program of its own, and most of its time on a GPU is its start
	with concurrent.futures.ThreadPoolExecutor(max(1, min(4, len(os.sched_getaffinity(0)) // 4))) as pool:
		return list(pool.map(lambda i: of_one(i, *answered[i]), range(len(answered))))


def chosen_by_cpu(check):
	"""(conversations with 4,000 places where the small model chooses a token, what it chooses)."""
	answered = []
	for ids, chosen in answers(check):
		answered.append((ids, chosen))
		if sum(n for _, n in answered) >= 4000:
			break
	return answered, best_tokens(check, answered, check.cpu())


def same_best(check, kernels):
	"""The best token at 4,000 places where the small model chooses one, on both backends."""
	answered, wanted = check.once("best", lambda: chosen_by_cpu(check))
	best = best_tokens(check, answered, cuda(check, kernels))
	n = sum(len(row) for row in wanted) or 1
	same = sum(x == y for a, b in zip(wanted, best) for x, y in zip(a, b))
	note = "%.2f %% of %d positions" % (100 * same / n, n)
	if not (n >= 4000 and same / n >= 0.995):
		raise Failed(note)
	return note


QUESTIONS = ("hello", "What is 17 + 25?", "How do I leave the program?", "Who are you?")


def chat(check, options):
	"""What the small model answers to each question, greedily."""
	asked = [check.program, "--model", nano(check), "--ephemeral", "--temp", "0"] + options
	return [check.run(asked + ["-p", question]) for question in QUESTIONS]


def same_chat(check, kernels, ranks=1, comm="auto"):
	"""What the small model answers, greedily: not the same bits, but the same text almost always."""
	wanted = check.once("chat", lambda: chat(check, check.cpu()))
	said = chat(check, cuda(check, kernels, ranks, comm))
	for question, answer in zip(QUESTIONS, said):
		if not answer.strip():
			raise Failed("no answer to %r" % question)
	same = sum(x == y for x, y in zip(wanted, said))
	if same < len(QUESTIONS) - 1:
		raise Failed("%d of %d answers are the CPU's" % (same, len(QUESTIONS)))
	return "%d of %d answers are the CPU's" % (same, len(QUESTIONS))


def letters(text):
	"""What is left of Markdown, and of a page's lines, on any screen."""
	return "".join(c for c in text if c.isalnum() or c in "+-=.,")


def same_screen(check, kernels):
	"""The full screen on the GPU shows what one-shot mode answers there."""
	model = ["--model", nano(check), "--ephemeral", "--titles", "off", "--temp", "0"]
	shown = os.path.join(check.work, "shown")
	played = os.path.join(check.work, "keys")
	for question in QUESTIONS:
		said = check.run([check.program, "--hide-thinking", "-p", question] + model + cuda(check, kernels))
		with open(played, "w", encoding="utf-8") as f:
			f.write(":wait-idle\n:type %s\nEnter\n:wait-idle\n:save-display %s\n" % (question, shown))
		check.on_terminal([check.program, "--script", played] + model + cuda(check, kernels))
		with open(shown, encoding="utf-8") as f:
			display = f.read()
		os.remove(shown)
		check.log.write(display)
		if not letters(said) or letters(said) not in letters(display):
			raise Failed("%r: the screen does not show %r" % (question, said.strip()[:80]))
	return "%d answers" % len(QUESTIONS)


def evaluate(check, side, options, jobs):
	"""(percent right, seconds) of one side."""
	start = time.monotonic()
	wrapped = os.path.join(check.work, "program.%s.sh" % side)
	with open(wrapped, "w", encoding="utf-8") as f:
		f.write('#!/bin/sh\nexec "%s" "$@" %s\n' % (check.program, " ".join(options)))
	os.chmod(wrapped, 0o755)
	said = check.run([
		sys.executable,
		os.path.join(KIT, "tests", "eval", "eval_nano.py"), "--program", wrapped, "--model",
		nano(check), "--count",
		str(check.questions), "--tasks", "0", "--jobs",
		str(jobs)
	],
		seconds=900,
		wanted=None)
	share = evaluation_share(said)
	if share is None:
		raise Failed("%s: no table" % side)
	return share, time.monotonic() - start


def evaluation(check, kernels):
	"""The small model's evaluation on both backends, side by side: within a point."""
	jobs = max(1, min(8, len(os.sched_getaffinity(0)) // 2))
	one = ["--backend", "cpu", "--threads", "1"]
	with concurrent.futures.ThreadPoolExecutor(2) as pool:
		cpu = pool.submit(check.once, "evaluation", lambda: evaluate(check, "CPU", one, jobs))
		gpu = pool.submit(evaluate, check, "GPU", cuda(check, kernels), max(1, jobs // 2))
		(cpu, cpu_s), (gpu, gpu_s) = cpu.result(), gpu.result()
	note = "CPU %.2f %% (%.0f s), GPU %.2f %% (%.0f s)" % (cpu, cpu_s, gpu, gpu_s)
	if abs(cpu - gpu) > 1:
		raise Failed(note)
	return note


def evaluation_share(said):
	"""Right answers of all, in percent, from the \"N/M\" columns of the tool's table; or None."""
	right = asked = 0
	for line in said.splitlines():
		for word in line.split():
			part = word.split("/")
			if len(part) == 2 and part[0].isdigit() and part[1].isdigit():
				right, asked = right + int(part[0]), asked + int(part[1])
	return 100 * right / asked if asked else None


def no_gpu(check):
	"""Where no GPU is visible, everything but --backend cuda goes on as before."""
	hidden = {"CUDA_VISIBLE_DEVICES": ""}
	said = check.run([check.program, "--model", nano(check), "--ephemeral", "-p", "hello"], env=hidden)
	if not said.strip():
		raise Failed("no answer")
	said = check.run(
		[check.program, "--model", nano(check), "--ephemeral", "--backend", "cuda", "-p", "hello"],
		env=hidden,
		wanted=None)
	if "cuda" not in said.lower():
		raise Failed("--backend cuda: " + said[:150])
	return said.strip().splitlines()[-1][:100]


def bench(check, kernels, ranks=1):
	said = check.run([check.program, "bench", "--dummy", "flash", "--layers", "4"] + cuda(check, kernels, ranks),
		seconds=600)
	check.lines += said.splitlines()


# ------------------------------------------------------------------ sanitizers

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")


def sanitize(check, tool, prefix, kernels):
	"""A prompt past the window and the first block of 128, then steps over a block of 4."""
	sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
	if not os.path.exists(sanitizer):
		raise Skipped("no compute-sanitizer")
	model = golden_of(check, prefix)
	golden = compare_golden.load(os.path.join(model, "golden.safetensors"))
	draft = ["--mtp"] if "a32.mtp_logits" in golden or "a32.draft_logits" in golden else []
	out = os.path.join(check.work, "sanitized.safetensors")
	said = check.run([
		sanitizer, "--tool", tool, "--error-exitcode", "9", check.program, "logits", "--model", model,
		"--prefill", "130", "-o", out
	] + draft + cuda(check, kernels),
		stdin=json.dumps(list(golden["ids"][1])[:133]),
		seconds=600)
	if not os.path.exists(out):
		raise Failed("no logits")
	os.remove(out)
	if "ERROR SUMMARY: 0 errors" not in said and "0 hazards" not in said:
		raise Failed(said.strip().splitlines()[-1][:150])
	return said.strip().splitlines()[-1]


# ------------------------------------------------------------------------ all


# Of their programs the tests that nothing else may run beside, or None: all.
ALONE = {"backend_test": None, "model_test": "twenty_thousand_steps_leave_no_memory_behind"}
# The ranks' programs; of the others' operations, those that take longest.
RANKS = ("ranks_test", "peer_rounds_test")
LONGEST = ("ops_experts_test", "ops_linear_test", "ops_mhc_test", "ops_route_test",
	"ops_attention_rows_test", "ops_mix_test")
# What has kernels of its own, whatever the program's are.
OWN_KERNELS = ("peer_rounds_test",)


def programs_of(check):
	"""(programs of ranks, of whole models, of operations), each in the order to run them in."""
	found = sorted(os.path.basename(p) for p in glob.glob(os.path.join(check.unpacked, "bin", "*_test")))
	ops = [p for p in LONGEST if p in found]
	ops += [p for p in found if p.startswith("ops_") and p not in ops]
	ranks = [p for p in RANKS if p in found]
	return ranks, [p for p in found if p not in ops + ranks], ops


def test_steps(chosen, programs):
	for program in programs:
		for kernels in chosen[:1] if program in OWN_KERNELS else chosen:
			name = "%s, %s" % (program, kernels)
			if program not in ALONE:
				yield Step(name, test_program, (program, kernels))
			elif ALONE[program] is None:
				yield Step(name, test_program, (program, kernels), True)
			else:
				yield Step(name, test_program, (program, kernels, None, ALONE[program]))
				yield Step(name + ", alone", test_program, (program, kernels, ALONE[program]), True)


def golden_steps(kernels, named, ranks=1, comm="auto"):
	rest = (kernels, ranks, comm)
	for prefix in (g for g in GOLDENS if ranks <= CUTS[g]):
		yield Step("golden %s, rows one by one, %s" % (prefix, named), golden_decode, (prefix, *rest))
	for prefix in ("flash-tiny", "pro-micro"):
		yield Step("golden %s, prefill, %s" % (prefix, named), golden_prefill, (prefix, *rest))
	if ranks <= CUTS["spark-micro"]:
		yield Step("golden spark-micro, drafted blocks, %s" % named, golden_drafts, rest)


def steps(check, chosen, sanitized):
	"""What tells most first."""
	ranks_programs, model_programs, ops_programs = programs_of(check)
	for kernels in chosen:
		yield from golden_steps(kernels, kernels)
	yield from test_steps(chosen, ranks_programs)
	for kernels in chosen:
		for ranks, how, comm in ways(check, chosen):
			named = "%d ranks%s, %s" % (ranks, how, kernels)
			yield from golden_steps(kernels, named, ranks, comm)
			yield Step("small model, greedy chat, %s" % named, same_chat, (kernels, ranks, comm))
	for kernels in chosen: # these take longest
		yield Step("small model, evaluation, %s" % kernels, evaluation, (kernels,))
		yield Step("small model, best tokens, %s" % kernels, same_best, (kernels,))
	yield from test_steps(chosen, model_programs)
	for kernels in chosen:
		yield Step("small model, greedy chat, %s" % kernels, same_chat, (kernels,))
		yield Step("small model, greedy chat on the screen, %s" % kernels, same_screen, (kernels,))
	yield Step("without a GPU", no_gpu, ())
	yield from test_steps(chosen, ops_programs)
	for kernels in chosen if n_gpus(check, chosen) > 1 else ():
		yield Step("bench of 4 layers of Flash, 2 ranks, %s" % kernels, bench, (kernels, 2), True)
	for kernels in chosen:
		yield Step("bench of 4 layers of Flash, %s" % kernels, bench, (kernels,), True)
	for kernels in chosen if sanitized else ():
		for prefix in GOLDENS:
			for tool in TOOLS:
				yield Step("%s, %s, %s" % (tool, prefix, kernels), sanitize, (tool, prefix, kernels))


def ways(check, chosen):
	"""(ranks, how they are called, --comm): on one GPU they share it; on two each has its own."""
	n = n_gpus(check, chosen)
	yield 2, " on one GPU" if n < 2 else "", "auto"
	yield 4, " on one GPU" if n < 2 else " on %d GPUs" % n if n < 4 else "", "auto"
	if n > 1 and has_nccl(check):
		yield 2, " through NCCL", "nccl"


def doctor(check):
	"""What the program says of this machine: ["ok CUDA …", …]."""

	def ask():
		return check.run([check.program, "doctor", "--model", nano(check)], wanted=None).splitlines()

	return check.once("doctor", ask)


def has_nccl(check):
	return any(line.startswith("ok") and "NCCL" in line for line in doctor(check))


def n_gpus(check, chosen):
	"""How many ranks can be tried; the CPU stands for two."""
	if REHEARSAL in chosen:
		return 2
	return sum(line.startswith("ok") and " CUDA " in line and "capability" in line
		for line in doctor(check))


def gpu_line(check):
	for line in doctor(check):
		if "CUDA 0" in line:
			return line if line.split()[0] == "ok" else None
	return None


def unpack_one(archive, folder):
	with tarfile.open(archive) as packed:
		packed.extractall(folder)


# Of the models, where the tree has them that the kit lies in.
IN_TREE = {"nano": "share/nano", "pro-micro": "tests/golden/pro-micro"}


def unpack(work):
	"""Programs, libraries and models; those that the kit leaves out are the tree's."""
	models = os.path.join(work, "models")
	for old in (models, os.path.join(work, "once")):
		shutil.rmtree(old, ignore_errors=True)
	os.makedirs(os.path.join(work, "once"))
	packed = [(os.path.join(KIT, "programs.tar.xz"), work), (os.path.join(KIT, "models.tar.xz"), models)]
	if os.path.exists(os.path.join(KIT, "tree.tar.xz")):
		packed.append((os.path.join(KIT, "tree.tar.xz"), models))
	with concurrent.futures.ProcessPoolExecutor(len(packed)) as pool:
		for done in [pool.submit(unpack_one, *one) for one in packed]:
			done.result()
	for name, place in IN_TREE.items():
		lies, link = os.path.join(KIT, "..", "..", place), os.path.join(models, name)
		if os.path.exists(link):
			continue
		if not os.path.isdir(lies):
			sys.exit("%s: neither in the kit (tree.tar.xz) nor in %s" % (name, os.path.normpath(lies)))
		os.symlink(os.path.abspath(lies), link)


def show(result):
	print("%-66s %-7s %6.1f s  %s" % (result.name, result.state, result.took, result.note))
	for line in result.lines:
		print("    " + line)
	sys.stdout.flush()


def run_all(todo, jobs, arguments_of, log):
	"""Results in the order they come in: `jobs` at a time, then, one by one, those alone."""
	fork = multiprocessing.get_context("fork")
	for alone, at_once in ((False, jobs), (True, 1)):
		with concurrent.futures.ProcessPoolExecutor(at_once, mp_context=fork) as pool:
			asked = [
				pool.submit(run_step, step, *arguments_of(i, at_once))
				for i, step in enumerate(todo)
				if step.alone == alone
			]
			for done in concurrent.futures.as_completed(asked):
				result = done.result()
				show(result)
				log.write("\n=== %s\n%s" % (result.name, result.log))
				log.flush()
				yield result


def main():
	cores = len(os.sched_getaffinity(0))
	parser = argparse.ArgumentParser()
	parser.add_argument("--kernels", choices=KERNELS)
	parser.add_argument("--only", default="*")
	parser.add_argument("--skip", default="")
	parser.add_argument("--sanitize", action="store_true")
	parser.add_argument("--minutes", type=float, default=math.inf)
	parser.add_argument("--jobs", type=int, default=max(1, min(8, cores // 2)), help="steps at once")
	parser.add_argument("--questions", type=int, default=200, help="of each kind, to the small model")
	parser.add_argument("--work")
	parser.add_argument("--list", action="store_true")
	parser.add_argument("--rehearse", action="store_true")
	asked = parser.parse_args()
	start = time.monotonic()
	late = start + 60 * asked.minutes
	work = asked.work or tempfile.mkdtemp(prefix="gpu-check.")
	unpack(work)

	def arguments_of(i, at_once):
		own = os.path.join(work, "steps", str(i))
		return work, own, max(1, cores // at_once) if at_once > 1 else 0, asked.questions, late

	check = Check(*arguments_of(-1, 1)[:4])
	chosen = [REHEARSAL] if asked.rehearse else [asked.kernels] if asked.kernels else KERNELS
	todo = [
		s for s in steps(check, chosen, asked.sanitize)
		if fnmatch.fnmatch(s.name, asked.only) and not fnmatch.fnmatch(s.name, asked.skip)
	]
	if asked.list:
		print("\n".join(s.name for s in todo))
		return 0
	line = "the CPU instead of a GPU" if asked.rehearse else gpu_line(check)
	print(line or "skipped: no GPU that the program can use (dsv4chat doctor says why)", flush=True)
	if not line:
		return 0
	with open(os.path.join(work, "check.log"), "w", encoding="utf-8") as log:
		results = list(run_all(todo, max(1, asked.jobs), arguments_of, log))
	failed = [r for r in results if r.state == "FAILED"]
	print("\n%d ok, %d failed, %d skipped, %.0f s" %
		(sum(r.state == "ok" for r in results), len(failed), sum(r.state == "skipped" for r in results),
		time.monotonic() - start))
	for r in failed:
		print("  FAILED %s: %s" % (r.name, r.note))
	return bool(failed)


if __name__ == "__main__":
	sys.exit(main())
