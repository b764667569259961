"""Packs documents into training sequences, from as many generator processes as there are cores to spare.

A document is (ids, weights): what the program would send and get, and how much each token counts in the loss.
Documents follow each other in a sequence, each from a multiple of 4 on; what does not fit begins the next one.
"""
import json
import os
import re
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'text'))

PAD = 2


def documents(seed, tokenizer, commands=0.):
    """An endless stream of documents from the generator, a share of them about commands alone."""
    import generate
    import render
    encoder = render.Encoder(tokenizer)
    # Names made of any pieces of the vocabulary: a token that is never copied in training can't be copied later.
    with open(tokenizer, encoding='utf-8') as f:
        pieces = sorted(t for t in json.load(f)['model']['vocab'] if re.fullmatch('[A-Za-z]{2,}', t))
    for document in generate.stream(seed, pieces, commands):
        yield encoder.encode(render.render(document))


def pack(stream, rows, length):
    """Batches of ids, weights (float32) and document numbers, each [rows, length]."""
    rest = None
    while True:
        ids = torch.full((rows, length), PAD, dtype=torch.int32)
        weight, doc = torch.zeros(rows, length), torch.zeros(rows, length, dtype=torch.int32)
        for r in range(rows):
            at = n = 0
            while at < length:
                i, w = rest or next(stream)
                rest = None
                if at and at + len(i) > length:
                    rest = i, w
                    break
                i, w = i[:length], w[:length]
                end = min(length, at + len(i) + -len(i) % 4)
                ids[r, at:at + len(i)] = torch.tensor(i, dtype=torch.int32)
                weight[r, at:at + len(i)] = torch.tensor(w)
                weight[r, at] = 0
                doc[r, at:end] = n
                at, n = end, n + 1
            doc[r, at:] = n
        yield ids, weight, doc


class Packed(torch.utils.data.IterableDataset):
    def __init__(self, seed, tokenizer, rows, length, commands):
        super().__init__()
        self.seed, self.tokenizer, self.commands = seed, tokenizer, commands
        self.rows, self.length = rows, length

    def __iter__(self):
        torch.set_num_threads(1)
        info = torch.utils.data.get_worker_info()
        seed = self.seed * 1000 + (info.id if info else 0)
        return pack(documents(seed, self.tokenizer, self.commands), self.rows, self.length)


def loader(seed, tokenizer, rows, length, workers, commands=0.):
    packed = Packed(seed, tokenizer, rows, length, commands)
    return iter(torch.utils.data.DataLoader(packed, batch_size=None, num_workers=workers,
                                            prefetch_factor=4 if workers else None, pin_memory=torch.cuda.is_available()))
