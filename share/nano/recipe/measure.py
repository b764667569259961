"""Perplexity of the answers in generated conversations, and how often drafts are what the main model chooses.

usage: measure.py CHECKPOINT [--unrounded FOLDER] [--documents N] [--seed N]

CHECKPOINT is the published folder, FOLDER what train.py left: the same on its unrounded weights, to compare.
"""
import argparse
import math
import os
import sys

import torch
import torch.nn.functional as F

import checkpoint
import model
import train

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'text'))


@torch.no_grad()
def measured(cfg, weights, documents, device):
    """(perplexity, shares of drafts agreed, tokens) over the tokens that the model has to write itself.

    The shares are of first drafts, and of second ones after a first that agrees and is the text's.
    """
    loss = n = 0
    agreed, drafted = [0, 0], [0, 0]
    for ids, weight in documents:
        x = F.pad(torch.tensor(ids), (0, -len(ids) % cfg.sliding_window))[None].to(device)
        out = model.Forward(cfg, device, length=x.shape[1])(weights, x, following=x.roll(-1, 1), places=2)
        main = F.linear(out.main[0, :len(ids)], weights['head.weight'])
        own = torch.tensor(weight, device=device) > .5
        ce = F.cross_entropy(main[:-1], x[0, 1:len(ids)], reduction='none')
        loss, n = loss + ce[own[1:]].sum().item(), n + int(own[1:].sum())
        # The draft at t, told the token of t + 1, is the guess for t + 2.
        first, second = (F.linear(d[0, :len(ids)], weights['head.weight'])[:-2].argmax(-1) for d in out.drafts)
        wanted, counted = main[1:-1].argmax(-1), own[2:]
        text = (first == wanted) & (first == x[0, 2:len(ids)])
        for place, (draft, of) in enumerate(((first, counted), (second, counted & text.roll(1)))):
            of[0] &= place == 0
            agreed[place] += int((draft == wanted)[of].sum())
            drafted[place] += int(of.sum())
    return math.exp(loss / n), [a / max(d, 1) for a, d in zip(agreed, drafted)], n


def main():
    p = argparse.ArgumentParser()
    p.add_argument('checkpoint')
    p.add_argument('--unrounded')
    p.add_argument('--documents', type=int, default=60)
    p.add_argument('--seed', type=int, default=9)
    args = p.parse_args()
    import generate
    import render
    encoder = render.Encoder(args.checkpoint + '/tokenizer.json')
    documents = [encoder.encode(render.render(d)) for d in generate.documents(args.seed, args.documents)]
    cfg = model.read_config(args.checkpoint + '/config.json')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.set_flush_denormal(True)
    sets = [('published', checkpoint.load(args.checkpoint))]
    if args.unrounded:
        sets.append(('unrounded', train.load_pieces(args.unrounded)))
    found = []
    for name, weights in sets:
        perplexity, shares, n = measured(cfg, {k: w.to(device) for k, w in weights.items()}, documents, device)
        found.append(perplexity)
        print(f'{name}: perplexity {perplexity:.4f}, first and second drafts as the main model '
              f'{100 * shares[0]:.1f} and {100 * shares[1]:.1f} %, {n} tokens')
    if len(found) > 1:
        print(f'rounding costs {100 * (found[0] / found[1] - 1):.2f} %')


if __name__ == '__main__':
    main()
