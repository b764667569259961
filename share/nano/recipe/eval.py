"""Logits of a checkpoint by this recipe's own forward pass, in float32 on the dequantised weights.

usage: eval.py CHECKPOINT IDS.safetensors OUT.safetensors [--name ids]

IDS holds int32 `ids` (or the tensor that --name names); OUT gets float32 `logits` [n, vocab] and `mtp_logits` [n-1, vocab].
"""
import argparse

import torch
import torch.nn.functional as F

import checkpoint
import model
import tensors


@torch.no_grad()
def logits(cfg, weights, ids):
    """Main and draft logits of one sequence of ids, padded at its end to whole windows (which changes nothing before)."""
    n = len(ids)
    padded = F.pad(ids.long(), (0, -n % cfg.sliding_window))[None]
    run = model.Forward(cfg, length=padded.shape[1])
    out = run(weights, padded, following=padded.roll(-1, 1))
    return F.linear(out.main[0, :n], weights['head.weight']), F.linear(out.drafts[0][0, :n - 1], weights['head.weight'])


def main():
    args = argparse.ArgumentParser()
    args.add_argument('checkpoint')
    args.add_argument('ids')
    args.add_argument('out')
    args.add_argument('--name', default='ids')
    args = args.parse_args()
    cfg, weights = model.read_config(args.checkpoint + '/config.json'), checkpoint.load(args.checkpoint)
    a, b = logits(cfg, weights, tensors.read_file(args.ids)[args.name])
    tensors.write_file(args.out, {'logits': a, 'mtp_logits': b})


if __name__ == '__main__':
    main()
