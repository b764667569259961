"""Between the published tensors and the dictionary of float32 weights that model.py computes with."""
import re

import torch

import quant
import tensors

EXPERT = re.compile(r'(.*\.experts)\.(\d+)\.(w[123])\.weight')


def dequantise(raw):
    """The published tensors of a checkpoint as weights, the experts stacked."""
    out, experts = {}, {}
    for name, t in raw.items():
        if name.endswith('.scale'):
            continue
        scale = raw.get(name.removesuffix('weight') + 'scale') if name.endswith('weight') else None
        if t.dtype == torch.int8:
            w = quant.spread_fp4(quant.unpack_fp4(t), quant.unpack_e8m0(scale))
        elif t.dtype == torch.float8_e4m3fn:
            w = quant.spread_fp8(t, quant.unpack_e8m0(scale))
        else:
            w = t if t.dtype == torch.int64 else t.float()
        m = EXPERT.fullmatch(name)
        if m and '.shared_' not in name:
            experts.setdefault(f'{m[1]}.{m[3]}', {})[int(m[2])] = w
        else:
            out[name] = w
    for name, by in experts.items():
        out[name] = torch.stack([by[e] for e in range(len(by))])
    return out


def load(folder):
    return dequantise(tensors.read_checkpoint(folder))


def kind(name):
    """How a weight is stored: 'fp4', 'fp8', 'bf16', 'f32' or 'i64'."""
    if name.endswith('tid2eid'):
        return 'i64'
    if re.search(r'\.experts\.w[123]$', name):
        return 'fp4'
    if re.search(r'\.(wq_a|wq_b|wkv|wo_a|wo_b|w1|w2|w3|e_proj|h_proj)\.weight$', name) and '.compressor.' not in name:
        return 'fp8'
    if re.search(r'(hc_\w+|attn_sink|\.ape|gate\.bias)$', name):
        return 'f32'
    return 'bf16'


ROUND = {'fp4': quant.round_fp4_weight, 'fp8': quant.round_fp8_weight, 'bf16': quant.round_bf16}


def round_all(weights):
    """Of {kind: [weight]}, each as a checkpoint would hold it, with straight-through gradients."""
    return {k: [ROUND[k](w) if k in ROUND else w for w in ws] for k, ws in weights.items()}


def rounded(weights, round_all=round_all):
    """All weights by name as a checkpoint would hold them; `round_all` may be a compiled one."""
    names = {}
    for n in weights:
        names.setdefault(kind(n), []).append(n)
    values = round_all({k: [weights[n] for n in ns] for k, ns in names.items()})
    return {n: w for k, ns in names.items() for n, w in zip(ns, values[k])}


def save(path, weights):
    """Writes one published file."""
    out, types = {}, {}
    for name, w in weights.items():
        k, w = kind(name), w.detach().cpu()
        if k == 'fp4':
            stem, m = name.rsplit('.', 1)
            values, scale = quant.fp4_weight(w)
            for e in range(len(w)):
                out[f'{stem}.{e}.{m}.weight'] = quant.pack_fp4(values[e])
                out[f'{stem}.{e}.{m}.scale'] = quant.pack_e8m0(scale[e])
                types[f'{stem}.{e}.{m}.scale'] = 'F8_E8M0'
        elif k == 'fp8':
            scale = name.removesuffix('weight') + 'scale'
            out[name], s = quant.fp8_weight(w)
            out[scale], types[scale] = quant.pack_e8m0(s), 'F8_E8M0'
        else:
            out[name] = w.to({'bf16': torch.bfloat16, 'f32': torch.float32, 'i64': torch.int64}[k])
    tensors.write_file(path, out, types)
