"""Greedy answers of a checkpoint to the generator's evaluation questions, by the recipe's own forward pass.

usage: ask.py CHECKPOINT [--seed N] [--each N] [--tokens N]
"""
import argparse
import json
import os
import sys

import torch
import torch.nn.functional as F

import checkpoint
import model

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + '/text')


@torch.no_grad()
def continued(cfg, weights, prompts, count, device):
    """Each prompt's ids continued greedily up to `count` tokens or the end token; the share of drafts that agreed."""
    W = cfg.sliding_window
    length = -(-(max(map(len, prompts)) + count) // W) * W
    ids = torch.full((len(prompts), length), 2, device=device)
    at = torch.tensor([len(p) for p in prompts], device=device)
    for i, p in enumerate(prompts):
        ids[i, :len(p)] = torch.tensor(p, device=device)
    run = model.Forward(cfg, device, torch.bfloat16 if device == 'cuda' else torch.float32, length)
    row, live = torch.arange(len(prompts), device=device), torch.ones(len(prompts), dtype=torch.bool, device=device)
    same = drafted = 0
    guess = None
    for _ in range(count):
        end = min(length, -(-int(at.max()) // W) * W)
        x = ids[:, :end]
        out = run(weights, x, following=x.roll(-1, 1))
        best = F.linear(out.main[row, at - 1], weights['head.weight']).argmax(-1)
        if guess is not None:
            same, drafted = same + int((guess == best)[live].sum()), drafted + int(live.sum())
        ids[row[live], at[live]] = best[live]
        following = x.roll(-1, 1)
        following[row, at - 1] = best
        guess = F.linear(run(weights, x, following=following).drafts[0][row, at - 1], weights['head.weight']).argmax(-1)
        at = at + live
        live = live & (best != cfg.eos_token_id) & (at < length)
        if not live.any():
            break
    return [ids[i, len(p):at[i]].tolist() for i, p in enumerate(prompts)], same / max(drafted, 1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('checkpoint')
    p.add_argument('--seed', type=int, default=7)
    p.add_argument('--each', type=int, default=8)
    p.add_argument('--tokens', type=int, default=160)
    args = p.parse_args()
    import generate
    import render
    from tokenizers import Tokenizer
    from words import Source
    cfg = model.read_config(HERE + '/../config.json')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    weights = {n: w.to(device) for n, w in checkpoint.load(args.checkpoint).items()}
    encoder = render.Encoder(HERE + '/../tokenizer.json')
    words = Tokenizer.from_file(HERE + '/../tokenizer.json')
    source = Source(args.seed, evaluate=True)
    # Tasks in a folder are the program's: they need its tools.
    for kind in (k for k in generate.KINDS if k != 'tasks'):
        asked = [generate.question(source, kind) for _ in range(args.each)]
        prompts = [encoder.encode(render.render({'messages': q['messages'], 'thinking_mode':
                                                 'chat' if q['effort'] == 'none' else 'thinking'}))[0] for q in asked]
        answers, drafts = continued(cfg, weights, prompts, args.tokens, device)
        ended = sum(a[-1] == cfg.eos_token_id for a in answers)
        print(f'== {kind}: drafts as the main model {drafts:.3f}, ended {ended}/{len(answers)}')
        for q, a in zip(asked, answers):
            for mark, what in (('?', q['messages'][-1].get('content')), ('=', q['expect']),
                               ('>', words.decode(a, skip_special_tokens=False))):
                print(mark, json.dumps(what, ensure_ascii=False))


if __name__ == '__main__':
    main()
