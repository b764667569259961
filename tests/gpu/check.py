#!/usr/bin/env python3
"""Runs everything that needs a GPU, from the kit's own folder, and prints a table.

    check.py [--kernels auto|general] [--only PATTERN] [--skip PATTERN] [--sanitize] [--minutes M]
             [--questions N] [--work DIR] [--list] [--rehearse]

Python's standard library only.  Without a GPU it says so and is done; --rehearse tries the
script and the tests themselves there: the CPU stands for the GPU.  Exit status 1 where something
failed.  WORK/check.log has what every command printed.  Nothing else may use the GPU meanwhile.
"""

import argparse
import concurrent.futures
import fcntl
import fnmatch
import glob
import json
import math
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


class Check:

	def __init__(self, work, questions):
		self.questions = questions
		self.work = work
		self.program = os.path.join(work, "bin", "dsv4chat")
		self.log = open(os.path.join(work, "check.log"), "w", encoding="utf-8")
		self.results = []
		home = os.path.join(work, "home")
		os.makedirs(home, exist_ok=True)
		self.env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
		self.env.update(HOME=home, LC_ALL="C.UTF-8", TERM="xterm")
		terminals = os.path.join(work, "lib", "terminfo")
		if os.path.isdir(terminals):
			self.env["TERMINFO"] = terminals

	def run(self, command, seconds=300, stdin="", env=None, wanted=0):
		"""The command's output, both streams; Failed where it does not end with `wanted`."""
		self.log.write("\n$ %s\n" % " ".join(command))
		self.log.flush()
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
			self.log.write(said.decode(errors="replace") if isinstance(said, bytes) else said)
			raise Failed("not done after %d s" % seconds)
		self.log.write(done.stdout)
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

	def step(self, name, function, *args):
		start = time.monotonic()
		print("%-58s" % name, end=" ", flush=True)
		try:
			note, state = function(*args) or "", "ok"
		except Failed as failure:
			note, state = str(failure), "FAILED"
		except Skipped as skipped:
			note, state = str(skipped), "skipped"
		took = time.monotonic() - start
		self.results.append((name, state, took, note))
		print("%-7s %6.1f s  %s" % (state, took, note), flush=True)


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


def test_program(check, program, options):
	"""The whole program at once; what a lost device kept from running, test by test."""
	names = check.run([program, "--list"]).split()
	said = check.run([program] + options, seconds=600, wanted=None)
	ran = [n for n in names if "[       OK ] " + n in said or "] " + n in said]
	for name in names:
		if name not in ran:
			said += check.run([program] + options + [name], wanted=None)
	passed, failed, skipped, lines = sums(said)
	for line in lines[:12]:
		print("\n    " + line[:200], end="")
	if len(lines) > 12:
		print("\n    … %d more, see the log" % (len(lines) - 12), end="")
	if failed or passed + skipped < len(names):
		raise Failed("%d of %d tests" % (len(names) - passed - skipped, len(names)))
	if not passed:
		raise Skipped("%d tests" % skipped)
	return "%d tests%s" % (passed, ", %d skipped" % skipped if skipped else "")


# --------------------------------------------------------------------- goldens


def golden_of(check, prefix):
	found = glob.glob(os.path.join(check.work, "models", prefix + ".*"))
	if not found:
		raise Skipped("no such model in the kit")
	return found[0]


def write_logits(check, model, ids, options, out):
	check.run([check.program, "logits", "--model", model, "-o", out] + options,
		stdin=json.dumps(ids),
		seconds=300)
	return compare_golden.load(out)


def cuda(kernels, ranks=1, comm="auto"):
	several = ["--ranks", str(ranks), "--comm", comm] if ranks > 1 else []
	if kernels == REHEARSAL:
		return ["--backend", "cpu"] + several
	return ["--backend", "cuda", "--kernels", kernels] + several


def golden_decode(check, prefix, kernels, ranks=1, comm="auto"):
	"""One row at a time, against the reference in float32."""
	model = golden_of(check, prefix)
	golden = compare_golden.load(os.path.join(model, "golden.safetensors"))
	ids = list(golden["ids"][1])
	out = os.path.join(check.work, "logits.safetensors")
	made = write_logits(check, model, ids, ["--prefill", "1"] + cuda(kernels, ranks, comm), out)
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
		["--prefill", "300"] + draft + cuda(kernels, ranks, comm), out)
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
		cuda(kernels, ranks, comm), out)
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
	return os.path.join(check.work, "models", "nano")


def answers(check):
	"""The small model's greedy answers to the questions written by hand, made on the CPU: for each
	the ids of the conversation, and how many of them, the last ones, the model chose."""
	with open(os.path.join(KIT, "tests", "eval", "handwritten.jsonl"), encoding="utf-8") as f:
		rows = [json.loads(line) for line in f]
	asked = [{k: row[k] for k in ("messages", "effort", "tools") if k in row} for row in rows]
	greedy = {"sampling": {"temperature": 0, "max_tokens": 200}}
	said = check.run([check.program, "complete", "--model", nano(check), "--backend", "cpu"],
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


def same_best(check, kernels):
	"""The best token at 4,000 places where the small model chooses one, on both backends."""
	out = os.path.join(check.work, "logits.safetensors")
	same = n = 0
	for ids, chosen in answers(check):
		best = []
		for options in (["--backend", "cpu"], cuda(kernels)):
			made = write_logits(check, nano(check), ids, ["--prefill", "1"] + options, out)
			rows = compare_golden.rows(made["logits"])[-chosen - 1:-1]
			best.append([row.index(max(row)) for row in rows])
		same += sum(x == y for x, y in zip(*best))
		n += chosen
		if n >= 4000:
			break
	note = "%.2f %% of %d positions" % (100 * same / n, n)
	if not (n >= 4000 and same / n >= 0.995):
		raise Failed(note)
	return note


QUESTIONS = ("hello", "What is 17 + 25?", "How do I leave the program?", "Who are you?")


def same_chat(check, kernels, ranks=1, comm="auto"):
	"""What the small model answers, greedily: not the same bits, but the same text almost always."""
	same = 0
	for question in QUESTIONS:
		said = [
			check.run([check.program, "--model",
			nano(check), "--ephemeral", "--temp", "0", "-p", question] + options)
			for options in (["--backend", "cpu"], cuda(kernels, ranks, comm))
		]
		same += said[0] == said[1]
		if not said[1].strip():
			raise Failed("no answer to %r" % question)
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
		said = check.run([check.program, "--hide-thinking", "-p", question] + model + cuda(kernels))
		with open(played, "w", encoding="utf-8") as f:
			f.write(":wait-idle\n:type %s\nEnter\n:wait-idle\n:save-display %s\n" % (question, shown))
		check.on_terminal([check.program, "--script", played] + model + cuda(kernels))
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
	jobs = max(1, min(8, (os.cpu_count() or 1) // 2))
	sides = (("CPU", ["--backend", "cpu", "--threads", "1"]), ("GPU", cuda(kernels)))
	with concurrent.futures.ThreadPoolExecutor(len(sides)) as pool:
		asked = [pool.submit(evaluate, check, side, options, jobs) for side, options in sides]
		(cpu, cpu_s), (gpu, gpu_s) = (a.result() for a in asked)
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
	said = check.run([check.program, "bench", "--dummy", "flash", "--layers", "4"] + cuda(kernels, ranks),
		seconds=600)
	print()
	print(said)


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
	] + draft + cuda(kernels),
		stdin=json.dumps(list(golden["ids"][1])[:133]),
		seconds=600)
	if not os.path.exists(out):
		raise Failed("no logits")
	os.remove(out)
	if "ERROR SUMMARY: 0 errors" not in said and "0 hazards" not in said:
		raise Failed(said.strip().splitlines()[-1][:150])
	return said.strip().splitlines()[-1]


# ------------------------------------------------------------------------ all


def steps(check, chosen, sanitized):
	programs = sorted(glob.glob(os.path.join(check.work, "bin", "*_test")))
	for kernels in chosen:
		for program in programs:
			yield ("%s, %s" % (os.path.basename(program), kernels), test_program, program,
				cuda(kernels) + ["--models", os.path.join(check.work, "models")])
		for prefix in GOLDENS:
			yield "golden %s, rows one by one, %s" % (prefix, kernels), golden_decode, prefix, kernels
		for prefix in ("flash-tiny", "pro-micro"):
			yield "golden %s, prefill, %s" % (prefix, kernels), golden_prefill, prefix, kernels
		yield "golden spark-micro, drafted blocks, %s" % kernels, golden_drafts, kernels
		yield "small model, best tokens, %s" % kernels, same_best, kernels
		yield "small model, greedy chat, %s" % kernels, same_chat, kernels
		yield "small model, greedy chat on the screen, %s" % kernels, same_screen, kernels
	for kernels in chosen:
		for ranks, how, comm in ways(check, chosen):
			named = "%d ranks%s, %s" % (ranks, how, kernels)
			for prefix in (g for g in GOLDENS if ranks <= CUTS[g]):
				yield "golden %s, rows one by one, %s" % (prefix, named), golden_decode, prefix, kernels, ranks, comm
			for prefix in ("flash-tiny", "pro-micro"):
				yield "golden %s, prefill, %s" % (prefix, named), golden_prefill, prefix, kernels, ranks, comm
			if ranks <= CUTS["spark-micro"]:
				yield "golden spark-micro, drafted blocks, %s" % named, golden_drafts, kernels, ranks, comm
			yield "small model, greedy chat, %s" % named, same_chat, kernels, ranks, comm
	for kernels in chosen if n_gpus(check, chosen) > 1 else ():
		yield "bench of 4 layers of Flash, 2 ranks, %s" % kernels, bench, kernels, 2
	for kernels in chosen:
		yield "bench of 4 layers of Flash, %s" % kernels, bench, kernels
	yield "without a GPU", no_gpu
	for kernels in chosen:
		yield "small model, evaluation, %s" % kernels, evaluation, kernels
	for kernels in chosen if sanitized else ():
		for prefix in GOLDENS:
			for tool in TOOLS:
				yield "%s, %s, %s" % (tool, prefix, kernels), sanitize, tool, prefix, kernels


def ways(check, chosen):
	"""(ranks, how they are called, --comm): on one GPU they share it; on two each has its own."""
	n = n_gpus(check, chosen)
	yield 2, " on one GPU" if n < 2 else "", "auto"
	yield 4, " on one GPU" if n < 2 else " on %d GPUs" % n if n < 4 else "", "auto"
	if n > 1 and has_nccl(check):
		yield 2, " through NCCL", "nccl"


def has_nccl(check):
	said = check.run([check.program, "doctor", "--model", nano(check)], wanted=None)
	return any(line.startswith("ok") and "NCCL" in line for line in said.splitlines())


def n_gpus(check, chosen):
	"""How many ranks can be tried; the CPU stands for two."""
	if REHEARSAL in chosen:
		return 2
	said = check.run([check.program, "doctor", "--model", nano(check)], wanted=None)
	return sum(line.startswith("ok") and " CUDA " in line and "capability" in line
		for line in said.splitlines())


def gpu_line(check):
	said = check.run([check.program, "doctor", "--model", nano(check)], wanted=None)
	for line in said.splitlines():
		if "CUDA 0" in line:
			return line if line.split()[0] == "ok" else None
	return None


def unpack(work):
	for name, folder in (("programs", work), ("models", os.path.join(work, "models"))):
		with tarfile.open(os.path.join(KIT, name + ".tar.xz")) as packed:
			packed.extractall(folder)


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--kernels", choices=KERNELS)
	parser.add_argument("--only", default="*")
	parser.add_argument("--skip", default="")
	parser.add_argument("--sanitize", action="store_true")
	parser.add_argument("--minutes", type=float, default=math.inf)
	parser.add_argument("--questions", type=int, default=200, help="of each kind, to the small model")
	parser.add_argument("--work")
	parser.add_argument("--list", action="store_true")
	parser.add_argument("--rehearse", action="store_true")
	asked = parser.parse_args()
	work = asked.work or tempfile.mkdtemp(prefix="gpu-check.")
	os.makedirs(work, exist_ok=True)
	unpack(work)
	check = Check(work, asked.questions)
	start = time.monotonic()
	chosen = [REHEARSAL] if asked.rehearse else [asked.kernels] if asked.kernels else KERNELS
	todo = [
		s for s in steps(check, chosen, asked.sanitize)
		if fnmatch.fnmatch(s[0], asked.only) and not fnmatch.fnmatch(s[0], asked.skip)
	]
	if asked.list:
		print("\n".join(s[0] for s in todo))
		return 0
	line = "the CPU instead of a GPU" if asked.rehearse else gpu_line(check)
	print(line or "skipped: no GPU that the program can use (dsv4chat doctor says why)")
	if not line:
		return 0
	for name, function, *rest in todo:
		if time.monotonic() - start > 60 * asked.minutes:
			check.results.append((name, "FAILED", 0, "no time left"))
			continue
		check.step(name, function, check, *rest)
	failed = [r for r in check.results if r[1] == "FAILED"]
	print("\n%d ok, %d failed, %d skipped, %.0f s" %
		(sum(r[1] == "ok" for r in check.results), len(failed),
		sum(r[1] == "skipped" for r in check.results), time.monotonic() - start))
	for name, state, _, note in failed:
		print("  FAILED %s: %s" % (name, note))
	return bool(failed)


if __name__ == "__main__":
	sys.exit(main())
