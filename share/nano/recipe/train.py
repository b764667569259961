"""Trains the model, its weights rounded at every step as the checkpoint will hold them.

usage: train.py --seconds S --out FOLDER [--steps N] [--from FOLDER] [--seed N] [--rows N] [--length N] …

Main and draft losses go together; the indexer learns the attention mass of the compressed rows.  The learning rate
follows the steps: up, flat, down to zero at the last; where the loss runs away, training goes on from before, at half
the rate.  Without --steps there are as many as fit into the seconds, found out once all is compiled; the log says how
many, and with that number the same run can be made again, on a slower machine, too, if the seconds allow (as many
--workers as then: each makes documents of its own).  FOLDER gets the unrounded weights in pieces of under 16 MB
(matrices as bf16), from which --from goes on, and the published checkpoint.
"""
import argparse
import json
import math
import os
import re
import time

import torch
import torch.nn.functional as F

import checkpoint
import data
import init
import model
import optim
import tensors

HERE = os.path.dirname(os.path.abspath(__file__))
PIECE = 15_000_000
TIMED = (15, 40, 600)  # since the first, at the others, it is found out how many steps fit


def losses(hidden, head, target, weight):
    """Weighted mean loss, and the share of weighted targets hit."""
    logits = F.linear(hidden.to(torch.bfloat16), head.to(torch.bfloat16)).float()
    ce = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction='none').view(target.shape)
    total = weight.sum().clamp_min(1e-6)
    strong = (weight > .5).float()
    hit = ((logits.argmax(-1) == target) * strong).sum() / strong.sum().clamp_min(1)
    return (ce * weight).sum() / total, hit.detach(), (ce.detach() * strong).sum() / strong.sum().clamp_min(1)


def same_document(doc, back):
    """Whether the token so many places back, or with a minus ahead, belongs to the document, too."""
    same = doc == doc.roll(back, 1)
    same[:, slice(back) if back > 0 else slice(back, None)] = False
    return same


def targets(ids, weight, doc, ahead):
    """The ids `ahead` places on and their weights, 0 where another document begins."""
    return ids.roll(-ahead, 1), weight.roll(-ahead, 1) * same_document(doc, -ahead)


def save_pieces(folder, weights):
    os.makedirs(folder, exist_ok=True)
    piece, size, n = {}, 0, 0
    for name, w in list(weights.items()) + [(None, None)]:
        if name is not None:
            w = w.detach().cpu()
            w = w.bfloat16() if w.is_floating_point() and w.dim() > 1 else w
        if name is None or size + w.numel() * w.element_size() > PIECE:
            tensors.write_file(f'{folder}/weights-{n}.safetensors', piece)
            piece, size, n = {}, 0, n + 1
        if name is not None:
            piece[name] = w
            size += w.numel() * w.element_size()


def load_pieces(folder):
    """Unrounded weights, or where there are none those of a published checkpoint."""
    if not os.path.exists(folder + '/weights-0.safetensors'):
        return checkpoint.load(folder)
    out = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith('weights-'):
            out.update(tensors.read_file(f'{folder}/{name}'))
    return {n: w.float() if w.is_floating_point() else w for n, w in out.items()}


def carry_over(weights, old, new):
    """Embedding and head rows of a new vocabulary, from those of an old one by the tokens' text.

    What the old one did not hold gets the mean of the rows of the longest old tokens it is made of.
    """
    vocabularies = []
    for path in (old, new):
        with open(path, encoding='utf-8') as f:
            data = json.load(f)
        v = dict(data['model']['vocab'])
        v.update({t['content']: t['id'] for t in data['added_tokens']})
        vocabularies.append(v)
    was, now = vocabularies

    def rows(text):
        found = []
        while text:
            n = next(n for n in range(len(text), 0, -1) if text[:n] in was or n == 1)
            found.append(was.get(text[:n], 0))
            text = text[n:]
        return found
    for name in ('embed.weight', 'head.weight'):
        table = weights[name].clone()
        for text, i in now.items():
            table[i] = weights[name][rows(text)].mean(0)
        weights[name] = table


def shortened(value):
    if isinstance(value, dict):
        return {k: shortened(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shortened(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value


def rate_factor(step, steps, warm, hold):
    """Up for `warm` steps, flat until the share `hold` of all, down to zero; `steps` None: not known yet."""
    up = min(1., (step + 1) / max(warm, 1))
    if steps is None or step < hold * steps:
        return up
    return min(up, max(0., (steps - step) / (steps * (1 - hold))))


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument('--config', default=HERE + '/../config.json')
    p.add_argument('--tokenizer', default=HERE + '/../tokenizer.json')
    p.add_argument('--seconds', type=float, required=True)
    p.add_argument('--out', required=True)
    p.add_argument('--from', dest='start')
    p.add_argument('--from-tokenizer', help='the tokenizer that --from was trained with, if another')
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--rows', type=int, default=16)
    p.add_argument('--length', type=int, default=2048)
    p.add_argument('--workers', type=int, default=max(1, (os.cpu_count() or 2) - 2))
    p.add_argument('--steps', type=int, help='how many there are; without it as many as fit')
    p.add_argument('--rate', type=float, default=1., help='scales all learning rates')
    p.add_argument('--warm', type=int, default=200, help='steps in which the rate rises')
    p.add_argument('--hold', type=float, default=.35)
    p.add_argument('--select-after', type=float, default=0., help="share of the steps without the indexer's choice")
    p.add_argument('--commands', type=float, default=0., help='share of documents about commands alone')
    p.add_argument('--keep', help='pattern of the weights that stay as they are')
    p.add_argument('--draft', type=float, default=.3, help="weight of the draft's loss")
    p.add_argument('--places', type=int, default=1,
                   help='how many tokens the draft chains, every other step; each weighs .6 of the one before')
    p.add_argument('--compile', action=argparse.BooleanOptionalAction, default=torch.cuda.is_available())
    return p.parse_args()


def main():
    args, began = arguments(), time.time()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    dtype = torch.bfloat16 if device == 'cuda' else torch.float32
    torch.backends.cuda.matmul.allow_tf32 = True
    # A trained softmax is full of denormals, which a CPU computes a hundred times slower.
    torch.set_flush_denormal(True)
    batches = data.loader(args.seed, args.tokenizer, args.rows, args.length, args.workers, args.commands)
    cfg = model.read_config(args.config)
    weights = load_pieces(args.start) if args.start else init.fresh(cfg, args.seed)
    if args.from_tokenizer:
        carry_over(weights, args.from_tokenizer, args.tokenizer)
    weights = {n: w.to(device) for n, w in weights.items()}
    run = model.Forward(cfg, device, dtype, args.length, args.compile)
    rounding = torch.compile(checkpoint.round_parts, dynamic=False) if args.compile else checkpoint.round_parts
    loss_of = torch.compile(losses, dynamic=False) if args.compile else losses
    rates = {'matrix': 4e-3, 'table': 4e-3, 'gate': 2e-3, 'mix': 1e-3, 'small': 3e-3}
    learns = frozenset(n for n, w in weights.items() if w.is_floating_point() and not n.endswith('gate.bias'))
    trained = [n for n in weights if n in learns and not (args.keep and re.match(args.keep, n))]
    opt = optim.Optimiser(weights, trained, cfg, {k: v * args.rate for k, v in rates.items()}, compile=args.compile)
    guard = optim.Guard(opt)
    step, tokens, log = 0, 0, []
    mark, mark_tokens, steps, timed = time.time(), 0, args.steps, began
    counted = args.steps is None
    while steps is None or step < steps:
        ids, weight, doc = (t.to(device, non_blocking=True) for t in next(batches))
        ids = ids.long()
        now = time.time()
        if now - began >= args.seconds:
            break
        if counted and step in TIMED:
            if device == 'cuda':
                torch.cuda.synchronize()
            now = time.time()
            if step == TIMED[0]:
                timed = now
            else:
                # Something is kept for a slower minute, and for writing the files.
                steps = step + int(.97 * (began + args.seconds - now) / (now - timed) * (step - TIMED[0]))
                print('steps in all:', steps, flush=True)
        done = step / steps if steps else 0.
        with torch.no_grad():
            q = checkpoint.rounded(weights, rounding)
        q = {n: (w.detach().requires_grad_() if n in learns else w) for n, w in q.items()}
        out = run(q, ids, doc, ids.roll(-1, 1), select=done >= args.select_after or bool(args.start),
                  places=args.places if step % 2 else 1)
        main_loss, hit, strong = loss_of(out.main, q['head.weight'], *targets(ids, weight, doc, 1))
        total, goal, drafted = main_loss + .1 * out.index_loss, targets(ids, weight, doc, 2), []
        for place, hidden in enumerate(out.drafts):
            if place:
                goal = goal[0], goal[1] * same_document(doc, place)
            drafted.append(loss_of(hidden, q['head.weight'], *goal)[:2])
            total = total + args.draft * .6 ** place * drafted[-1][0]
        total.backward()
        grads = {n: q[n].grad if q[n].grad is not None else torch.zeros_like(q[n]) for n in trained}
        norm = torch.stack(torch._foreach_norm(list(grads.values()))).norm()
        scale = (1. / norm).clamp(max=1.)
        torch._foreach_mul_(list(grads.values()), scale)
        factor = rate_factor(step, steps, args.warm, args.hold)
        opt.step(grads, max(factor, 1e-3) * guard.slow)
        if guard.watch(step + 1, main_loss):
            print(f'step {step + 1}: the loss ran away; from before, with the rate times {guard.slow}', flush=True)
        for prefix, load in out.load.items():
            bias = weights.get(prefix + 'ffn.gate.bias')
            if bias is not None:
                bias += 2e-3 * factor * torch.sign(load.mean() - load)
        step, tokens = step + 1, tokens + ids.numel()
        if step in (1, 2, 3, 10, 30) or step % 100 == 0:
            load = torch.stack(list(out.load.values()))
            spread = (load.max(1).values / load.mean(1)).max()
            line = dict(step=step, of=steps, s=round(now - began, 1), tokens=tokens, rate=round(factor * guard.slow, 3),
                        loss=main_loss.item(), strong=strong.item(),
                        hit=hit.item(), draft=[loss.item() for loss, _ in drafted],
                        draft_hit=[hit.item() for _, hit in drafted], index=out.index_loss.item(),
                        norm=norm.item(), spread=spread.item(), per_s=int((tokens - mark_tokens) / (time.time() - mark)))
            mark, mark_tokens = time.time(), tokens
            log.append(line)
            print(json.dumps(shortened(line)), flush=True)
            if not math.isfinite(line['loss']):
                raise SystemExit('the loss is not finite')
    if steps is None or step < steps:
        print(f'the time ran out at step {step} of {steps}: the rate was not yet down', flush=True)
    os.makedirs(args.out, exist_ok=True)
    save_pieces(args.out, weights)
    checkpoint.save(args.out + '/model.safetensors', {n: w.detach() for n, w in weights.items()})
    with open(args.out + '/log.jsonl', 'w') as f:
        f.writelines(json.dumps(line) + '\n' for line in log)
    print('steps', step, 'tokens', tokens, 'seconds', round(time.time() - began, 1), flush=True)


if __name__ == '__main__':
    main()
