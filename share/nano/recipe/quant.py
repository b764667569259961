"""The number formats of a checkpoint and of the caches: FP8 (e4m3), FP4 (e2m1) and power-of-two scales.

The `round_*` functions give the nearest representable value; those of rows with a straight-through gradient, which
training needs.  The `pack_*` and `unpack_*` functions go to and from the published bytes.
"""
import torch

FP8_MAX, FP4_MAX = 448.0, 6.0
FP4_VALUES = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6])


def power_above(x):
    """The smallest power of two that is not below x (x > 0, float32), from its bits, so exactly."""
    bits = (x.view(torch.int32) + 0x7fffff) & 0x7f800000
    return bits.view(torch.float32)


def to_e4m3(x):
    return x.to(torch.float8_e4m3fn).to(torch.float32)


def to_e2m1(x):
    """Nearest of the eight FP4 magnitudes, ties to the even code."""
    a = x.abs()
    m = (.5 * ((a > .25).float() + (a >= .75).float() + (a > 1.25).float() + (a >= 1.75).float())
         + (a > 2.5).float() + (a >= 3.5).float() + 2 * (a > 5).float())
    return torch.copysign(m, x)


def through(x, q):
    """q in the forward pass, the gradient of x in the backward pass."""
    return x + (q - x).detach()


def round_fp8_row(x, block=64):
    """Rows as the attention cache stores them: FP8 in blocks of the last dimension."""
    b = x.detach().reshape(*x.shape[:-1], -1, block)
    s = power_above(b.abs().amax(-1, keepdim=True).clamp_min(1e-4) / FP8_MAX)
    return through(x, (to_e4m3(b / s) * s).reshape(x.shape))


def round_fp4_row(x, block=32):
    """Indexer rows and queries: FP4 in blocks of the last dimension; a block of zeros stays zero."""
    b = x.detach().reshape(*x.shape[:-1], -1, block)
    s = power_above(b.abs().amax(-1, keepdim=True).clamp_min(1e-30) / FP4_MAX)
    return through(x, (to_e2m1(b / s) * s).reshape(x.shape))


def round_bf16(x):
    return through(x, x.detach().to(torch.bfloat16).to(torch.float32))


def tiles(w):
    """[..., out, in] as [..., out/128, 128, in/128, 128]."""
    return w.reshape(*w.shape[:-2], w.shape[-2] // 128, 128, w.shape[-1] // 128, 128)


def fp8_weight(w):
    """Codes (e4m3) and power-of-two scales [..., out/128, in/128] of a weight."""
    t = tiles(w.detach().float())
    s = power_above(t.abs().amax((-3, -1), keepdim=True).clamp_min(1e-10) / FP8_MAX)
    return (t / s).to(torch.float8_e4m3fn).reshape(w.shape), s.squeeze(-1).squeeze(-2)


def fp4_weight(w):
    """Values (of the 16) and power-of-two scales [..., out, in/32] of a weight."""
    b = w.detach().float().reshape(*w.shape[:-1], -1, 32)
    s = power_above(b.abs().amax(-1, keepdim=True).clamp_min(1e-10) / FP4_MAX)
    return to_e2m1(b / s).reshape(w.shape), s.squeeze(-1)


def spread_fp8(codes, scale):
    s = scale[..., :, None, :, None]
    return (tiles(codes.float()) * s).reshape(codes.shape)


def spread_fp4(values, scale):
    return (values.reshape(*scale.shape, 32) * scale[..., None]).reshape(values.shape)


def round_fp8_weight(w):
    return spread_fp8(*fp8_weight(w))


def round_fp4_weight(w):
    return spread_fp4(*fp4_weight(w))


def pack_e8m0(scale):
    return ((scale.contiguous().view(torch.int32) >> 23) & 255).to(torch.uint8)


def unpack_e8m0(raw):
    return (raw.to(torch.int32).clamp_min(1) << 23).view(torch.float32)


def pack_fp4(values):
    """Two codes a byte, the even column in the low nibble."""
    a = values.abs()
    code = sum((a >= v).to(torch.uint8) for v in (.5, 1, 1.5, 2, 3, 4, 6))
    code = code + 8 * torch.signbit(values).to(torch.uint8) * (code > 0)
    return (code[..., 0::2] | (code[..., 1::2] << 4)).view(torch.int8)


def unpack_fp4(raw):
    b = raw.view(torch.uint8).to(torch.int64)
    return torch.stack((FP4_VALUES[b & 15], FP4_VALUES[b >> 4]), -1).flatten(-2)
