"""The doubly stochastic matrix of a hyper-connection: softmax of the rows, then turns of column and row division.

On a GPU one small kernel does all turns for a token; elsewhere plain PyTorch does.  The kernel's gradient takes the
result for the fixed point of the turns, which it is but for a rest too small to matter in training.
"""
import torch


def plain(z, turns, eps):
    C = torch.softmax(z, -1) + eps
    C = C / (C.sum(-2, keepdim=True) + eps)
    for _ in range(turns - 1):
        C = C / (C.sum(-1, keepdim=True) + eps)
        C = C / (C.sum(-2, keepdim=True) + eps)
    return C


try:
    import triton
    import triton.language as tl
except ImportError:
    triton = None

if triton is not None:
    BLOCK = 64

    @triton.jit
    def _forward(z, out, n, eps, TURNS: tl.constexpr, B: tl.constexpr):
        t = tl.program_id(0) * B + tl.arange(0, B)
        at = t[:, None, None] * 16 + tl.arange(0, 4)[None, :, None] * 4 + tl.arange(0, 4)[None, None, :]
        ok = (t < n)[:, None, None]
        x = tl.load(z + at, mask=ok, other=0.)
        x = tl.exp(x - tl.max(x, 2, keep_dims=True))
        x = x / tl.sum(x, 2, keep_dims=True) + eps
        x = x / (tl.sum(x, 1, keep_dims=True) + eps)
        for _ in range(TURNS - 1):
            x = x / (tl.sum(x, 2, keep_dims=True) + eps)
            x = x / (tl.sum(x, 1, keep_dims=True) + eps)
        tl.store(out + at, x, mask=ok)

    @triton.jit
    def _backward(c, grad, out, n, TURNS: tl.constexpr, B: tl.constexpr):
        # dz = C*(G - a_i - b_j), where a and b make every row and column of dz sum to zero.
        t = tl.program_id(0) * B + tl.arange(0, B)
        at = t[:, None, None] * 16 + tl.arange(0, 4)[None, :, None] * 4 + tl.arange(0, 4)[None, None, :]
        ok = (t < n)[:, None, None]
        x = tl.load(c + at, mask=ok, other=0.25)
        m = x * tl.load(grad + at, mask=ok, other=0.)
        rows, cols = tl.sum(m, 2, keep_dims=True), tl.sum(m, 1, keep_dims=True)
        b = cols * 0.
        a = rows
        for _ in range(TURNS):
            b = cols - tl.sum(x * a, 1, keep_dims=True)
            a = rows - tl.sum(x * b, 2, keep_dims=True)
        tl.store(out + at, m - x * (a + b), mask=ok)

    @torch.library.custom_op('nano::sinkhorn', mutates_args=())
    def _op(z: torch.Tensor, turns: int, eps: float) -> torch.Tensor:
        out, n = torch.empty_like(z), z.numel() // 16
        _forward[(triton.cdiv(n, BLOCK),)](z, out, n, eps, turns, BLOCK)
        return out

    @torch.library.custom_op('nano::sinkhorn_backward', mutates_args=())
    def _op_backward(c: torch.Tensor, grad: torch.Tensor, turns: int) -> torch.Tensor:
        out, n = torch.empty_like(c), c.numel() // 16
        _backward[(triton.cdiv(n, BLOCK),)](c, grad.contiguous(), out, n, turns, BLOCK)
        return out

    _op.register_fake(lambda z, turns, eps: torch.empty_like(z))
    _op_backward.register_fake(lambda c, grad, turns: torch.empty_like(c))

    def _setup(ctx, inputs, output):
        ctx.turns = inputs[1]
        ctx.save_for_backward(output)

    def _gradient(ctx, grad):
        return _op_backward(ctx.saved_tensors[0], grad, ctx.turns), None, None

    _op.register_autograd(_gradient, setup_context=_setup)


def sinkhorn(z, turns, eps):
    """z [..., 4, 4] float32, contiguous."""
    if z.is_cuda and triton is not None and z.shape[-1] == 4:
        return _op(z, turns, eps)
    return plain(z, turns, eps)
