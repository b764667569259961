"""The optimiser: Muon (orthogonalised momentum) for the large matrices, Adam for all else."""
import math
import re

import torch

MATRIX = re.compile(r'\.(wq_a|wq_b|wkv|wgate|wo_a|wo_b|e_proj|h_proj)\.weight$|experts\.(w[123])(\.weight)?$')


def pieces(name, w, cfg):
    """A matrix as the stack of matrices that it really is: heads, groups, experts, halves."""
    if name.endswith('attn.wq_b.weight'):
        return w.view(cfg.num_attention_heads, -1, w.shape[1])
    if name.endswith('wo_a.weight'):
        return w.view(cfg.o_groups, -1, w.shape[1])
    if 'indexer.wq_b' in name:
        return w.view(cfg.index_n_heads, -1, w.shape[1])
    return w.view(-1, *w.shape[-2:])


def orthogonal(g):
    """Newton–Schulz steps that bring all singular values of each matrix near 1."""
    tall = g.shape[-2] > g.shape[-1]
    x = g.mT if tall else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.bfloat16() if x.is_cuda else x
    for a, b, c in ((4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037),
                    (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012)):
        s = x @ x.mT
        x = a * x + (b * s + c * (s @ s)) @ x
    return (x.mT if tall else x).float()


class Optimiser:
    def __init__(self, weights, trained, cfg, rates, decay=0.05, compile=False):
        """`trained` names the weights that change; `rates` maps 'matrix', 'table' (embedding and head), 'gate', 'mix' (of
        the streams) and 'small' to peak learning rates.
        """
        self.cfg, self.rates, self.decay, self.steps = cfg, rates, decay, 0
        self.orthogonal = torch.compile(orthogonal, dynamic=False) if compile else orthogonal
        self.matrices = [n for n in trained if MATRIX.search(n)]
        self.groups = {
            'table': [n for n in trained if n in ('embed.weight', 'head.weight')],
            'gate': [n for n in trained if n.endswith(('gate.weight', 'weights_proj.weight'))],
            'mix': [n for n in trained if n.endswith('_fn')],
        }
        rest = set(self.matrices) | set(sum(self.groups.values(), []))
        self.groups['small'] = [n for n in trained if n not in rest]
        self.weights = weights
        self.momentum = {n: torch.zeros_like(weights[n]) for n in self.matrices}
        self.first = {n: torch.zeros_like(weights[n]) for g in self.groups.values() for n in g}
        self.second = {n: torch.zeros_like(w) for n, w in self.first.items()}

    @torch.no_grad()
    def step(self, grads, factor):
        """One update by `grads`; `factor` (0…1) scales all learning rates."""
        self.steps += 1
        for kind, names in self.groups.items():
            rate = self.rates[kind] * factor
            w, g = [self.weights[n] for n in names], [grads[n] for n in names]
            m, v = [self.first[n] for n in names], [self.second[n] for n in names]
            torch._foreach_lerp_(m, g, 0.1)
            torch._foreach_mul_(v, 0.95)
            torch._foreach_addcmul_(v, g, g, 0.05)
            d = torch._foreach_sqrt(torch._foreach_div(v, 1 - 0.95 ** self.steps))
            torch._foreach_add_(d, 1e-9)
            torch._foreach_addcdiv_(w, m, d, -rate / (1 - 0.9 ** self.steps))
        rate = self.rates['matrix'] * factor
        names = self.matrices
        m, g = [self.momentum[n] for n in names], [grads[n] for n in names]
        torch._foreach_lerp_(m, g, 0.05)
        look = torch._foreach_lerp(g, m, 0.95)
        by_shape = {}
        for n, u in zip(names, look):
            p = pieces(n, u, self.cfg)
            by_shape.setdefault(p.shape[-2:], []).append((n, p))
        w = [self.weights[n] for n in names]
        torch._foreach_mul_(w, 1 - rate * self.decay)
        for shape, items in by_shape.items():
            o = self.orthogonal(torch.cat([p for _, p in items]))
            scale = 0.2 * max(shape) ** .5
            at = 0
            for n, p in items:
                self.weights[n].add_(o[at:at + len(p)].reshape(self.weights[n].shape), alpha=-rate * scale)
                at += len(p)

    def state(self):
        """All that a step changes, the weights too, as tensors that the steps work on."""
        return [self.weights[n] for n in [*self.momentum, *self.first]] + [
            *self.momentum.values(), *self.first.values(), *self.second.values()]


class Guard:
    """Goes back to where the loss was low when it runs away, and halves `slow`, which scales all rates from then on.

    What is gone back to is the older of two copies, made while the loss was near its lowest: the younger one may
    already be on its way up.
    """

    def __init__(self, optimiser, every=20):
        self.optimiser, self.every, self.slow = optimiser, every, 1.
        self.mean, self.best, self.copies = None, math.inf, []

    @torch.no_grad()
    def watch(self, step, loss):
        """Told the loss of each step; whether it went back."""
        self.mean = loss.detach().clone() if self.mean is None else torch.lerp(self.mean, loss.detach(), .05)
        if step % self.every:
            return False
        mean = self.mean.item()
        if self.copies and not mean < 1.4 * self.best + .1:
            torch._foreach_copy_(self.optimiser.state(), self.copies[0])
            self.copies, self.mean, self.slow = self.copies[:1], None, self.slow / 2
            return True
        if mean < 1.1 * self.best + .02:
            self.best = min(mean, self.best)
            self.copies = self.copies[-1:] + [[t.clone() for t in self.optimiser.state()]]
        return False
