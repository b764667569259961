#!/usr/bin/env python3
"""Trains the small model's tokenizer.json on the generator's text.

    tokenizer.py OUT.json [--documents N] [--size V]

A byte-level BPE of the published models' kind: the same pre-tokenizer, decoder, post-processor
and control tokens by name.  Ids: begin, end, pad, then bytes and merges, then the other control
tokens, so that the size is exact.  While training, digits stand alone: no merge joins two of
them, and a number is spelled digit by digit, which is what arithmetic needs.  Marks and blanks
stand apart from letters, so that a name is cut the same way wherever it stands, which is what
copying needs; only then the commonest words get a form that takes the blank before them along.
"""

import argparse
import collections
import json
import re

import generate
import render
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

NUMBERS = r"\p{N}{1,3}"
CJK = "[一-龥\u3040-ゟ゠-ヿ]+"
WORDS = (
	r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"""
	r""" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""").replace(r"\r\n", "\r\n")

FIRST = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>")
# Found in plain text before BPE, not "special" to the library.
COMMON = """<｜fim▁hole｜> <｜fim▁begin｜> <｜fim▁end｜> <｜User｜> <｜Assistant｜> <|EOT|> <｜tool▁calls▁begin｜>
<｜tool▁calls▁end｜> <｜tool▁call▁begin｜> <｜tool▁call▁end｜> <｜tool▁outputs▁begin｜> <｜tool▁outputs▁end｜>
<｜tool▁output▁begin｜> <｜tool▁output▁end｜> <｜tool▁sep｜> <｜begin▁of▁repo▁name｜> <｜end▁of▁repo▁name｜>
<｜begin▁of▁file▁name｜> <｜end▁of▁file▁name｜> <｜begin▁of▁file｜> <｜end▁of▁file｜> <think> </think> ｜DSML｜
<｜begin▁sys｜> <｜end▁sys｜> <｜latest_reminder｜> <｜action｜> <｜query｜> <｜authority｜> <｜domain｜> <｜task｜>
<｜political｜> <｜entity｜> <｜title｜> <｜safety｜> <｜answer｜> <｜search｜> <dsml: </dsml: <｜search▁begin｜>
<｜search▁end｜> <｜extracted_url｜> <｜read_url｜>""".split()
SPECIAL = """<｜end_of_query｜> <｜rl_image_pad｜> <｜rl_image_start｜> <｜/polygon｜> <｜polygon｜> <｜/point｜>
<｜point｜> <｜/box｜> <｜box｜> <｜/ref｜> <｜ref｜> <｜image｜>""".split()
TABLES = "<｜image2｜> <｜/table>｜ <｜table｜> <｜/td｜> <｜td｜> <｜/tr｜> <｜tr｜>".split()
BLANK_WORDS = 700  # as many words have a form with a blank before them
ORDER = COMMON + SPECIAL[:3] + TABLES + SPECIAL[3:]


def split(pattern):
	return {
		"type": "Split",
		"pattern": {
		"Regex": pattern
		},
		"behavior": "Isolated",
		"invert": False
	}


def added(name, number):
	return {
		"id": number,
		"content": name,
		"single_word": False,
		"lstrip": False,
		"rstrip": False,
		"normalized": name in COMMON,
		"special": name in SPECIAL or name in FIRST
	}


def texts(documents):
	"""Plain text as the model meets it; a text that repeats (tool schemas) counts once."""
	seen = set()
	for document in generate.documents(20, documents):
		run = ""
		for piece, _ in render.render(document).pieces + [(render.Control(""), 0)]:
			if isinstance(piece, str):
				run += piece
				continue
			if run and run not in seen:
				seen.add(run)
				yield run
			run = ""


def train(documents, size):
	"""The BPE model as tokenizer.json has it, of `size` tokens."""
	corpus = list(texts(documents))
	bpe = Tokenizer(models.BPE())
	bpe.pre_tokenizer = pre_tokenizers.Sequence([
		pre_tokenizers.Split(Regex(r"\p{N}"), "isolated"),
		pre_tokenizers.Split(Regex(r"[\p{P}\p{S}]+(?=\p{L})"), "isolated"),
		pre_tokenizers.Split(Regex(r" (?=\p{L})"), "isolated"),
		pre_tokenizers.Split(Regex(CJK), "isolated"),
		pre_tokenizers.Split(Regex(WORDS), "isolated"),
		pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
	])
	bpe.decoder = decoders.ByteLevel()
	trainer = trainers.BpeTrainer(vocab_size=size - BLANK_WORDS,
		show_progress=False,
		initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
	bpe.train_from_iterator(corpus, trainer)
	model = json.loads(bpe.to_str())["model"]
	counts = collections.Counter()
	for text in corpus:
		counts.update(re.findall(r" ([A-Za-z]+)", text))
	common = [
		w for w, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
		if w in model["vocab"]
	]
	for word in common[:BLANK_WORDS]:
		model["merges"].append(["\u0120", word])
		model["vocab"]["\u0120" + word] = len(model["vocab"])
	return model


def main():
	parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
	parser.add_argument("out")
	parser.add_argument("--documents", type=int, default=30000)
	parser.add_argument("--size", type=int, default=4096)
	args = parser.parse_args()

	model = train(args.documents, args.size - len(FIRST) - len(ORDER))
	names = list(FIRST) + [
		t for t, _ in sorted(model["vocab"].items(), key=lambda item: item[1])
	]
	tokens = [added(name, number) for number, name in enumerate(FIRST)]
	tokens += [added(name, len(names) + i) for i, name in enumerate(ORDER)]
	if len(names) + len(ORDER) != args.size:
		raise SystemExit("the text is too small for %d tokens" % args.size)
	merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
	level = {
		"type": "ByteLevel",
		"add_prefix_space": True,
		"trim_offsets": True,
		"use_regex": True
	}
	data = {
		"version": "1.0",
		"truncation": None,
		"padding": None,
		"added_tokens": tokens,
		"normalizer": {
		"type": "Sequence",
		"normalizers": []
		},
		"pre_tokenizer": {
		"type": "Sequence",
		"pretokenizers": [
		split(NUMBERS),
		split(CJK),
		split(WORDS),
		dict(level, add_prefix_space=False, use_regex=False)
		]
		},
		"post_processor": dict(level, trim_offsets=False),
		"decoder": level,
		"model": {
		"type": "BPE",
		"dropout": None,
		"unk_token": None,
		"continuing_subword_prefix": None,
		"end_of_word_suffix": None,
		"fuse_unk": False,
		"byte_fallback": False,
		"vocab": {
		name: number
		for number, name in enumerate(names)
		},
		"merges": merges
		},
	}
	Tokenizer.from_str(json.dumps(data))
	with open(args.out, "w", encoding="utf-8") as f:
		json.dump(data, f, ensure_ascii=False, separators=(",", ":"))
		f.write("\n")


if __name__ == "__main__":
	main()
