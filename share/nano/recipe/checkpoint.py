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


def round_parts(k, parts):
    return ROUND[k](parts)


def apart(k, w):
    """The weight as a list of what is rounded by itself; a view turns it back."""
    if k == 'fp8':
        return quant.tiles(w).transpose(-3, -2).reshape(-1, 128, 128)
    return w.reshape(-1, 32) if k == 'fp4' else w.reshape(-1)


def together(k, parts, shape):
    if k == 'fp8':
        *more, rows, columns = shape
        return parts.view(*more, rows // 128, columns // 128, 128, 128).transpose(-3, -2).reshape(shape)
    return parts.view(shape)


def rounded(weights, round_parts=round_parts):
    """All weights by name as a checkpoint would hold them, without gradients; `round_parts` may be a compiled one."""
    names, out = {}, dict(weights)
    for n in weights:
        names.setdefault(kind(n), []).append(n)
    for k in ROUND.keys() & names.keys():
        lists = [apart(k, weights[n]) for n in names[k]]
        values = round_parts(k, torch.cat(lists)).split([len(part) for part in lists])
        out.update((n, together(k, v, weights[n].shape)) for n, v in zip(names[k], values))
    return out


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
