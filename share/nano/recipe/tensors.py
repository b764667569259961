"""Reads and writes safetensors files, with the few element types that published checkpoints use."""
import json
import os
import struct

import torch

TYPES = {
    'F32': torch.float32, 'BF16': torch.bfloat16, 'F16': torch.float16, 'I64': torch.int64, 'I32': torch.int32,
    'I8': torch.int8, 'U8': torch.uint8, 'F8_E4M3': torch.float8_e4m3fn, 'F8_E8M0': torch.uint8,
}
NAMES = {v: k for k, v in TYPES.items() if k != 'F8_E8M0'}


def read_file(path):
    """The tensors of one file by name.  E8M0 scales come as their bytes (uint8)."""
    with open(path, 'rb') as f:
        size, = struct.unpack('<Q', f.read(8))
        head = json.loads(f.read(size))
        data = bytearray(f.read())
    out = {}
    for name, entry in head.items():
        if name == '__metadata__':
            continue
        begin, end = entry['data_offsets']
        raw = torch.frombuffer(data, dtype=torch.uint8, count=end - begin, offset=begin).clone()
        out[name] = raw.view(TYPES[entry['dtype']]).view(entry['shape'])
    return out


def read_checkpoint(folder):
    """All tensors of a checkpoint folder, sharded or not."""
    out = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith('model') and name.endswith('.safetensors'):
            out.update(read_file(os.path.join(folder, name)))
    return out


def write_file(path, tensors, types=()):
    """Writes tensors, the widest types first, so that each lies at a multiple of its element size.

    `types` names the type of those whose bytes are uint8 but mean something else.
    """
    tensors = dict(sorted(tensors.items(), key=lambda item: -item[1].element_size()))
    types, head, begin = dict(types), {}, 0
    for name, t in tensors.items():
        end = begin + t.numel() * t.element_size()
        head[name] = {'dtype': types.get(name) or NAMES[t.dtype], 'shape': list(t.shape), 'data_offsets': [begin, end]}
        begin = end
    text = json.dumps(head, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text)
        for t in tensors.values():
            f.write(t.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
