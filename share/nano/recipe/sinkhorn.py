"""The doubly stochastic matrix of a hyper-connection: softmax of the rows, then turns of column and row division.

On a GPU one small kernel does all turns for a token, and another goes back through them; elsewhere plain PyTorch does.
The gradient can't take the result for the fixed point of the turns: where a matrix is far from that, such a gradient
is large where the true one is nearly zero, and a training runs away.
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
    def _backward(z, grad, kept, out, n, eps, TURNS: tl.constexpr, B: tl.constexpr):
        # The turns are made again, what each division begins with is kept, and then they are gone back through.
        t = tl.program_id(0) * B + tl.arange(0, B)
        at = t[:, None, None] * 16 + tl.arange(0, 4)[None, :, None] * 4 + tl.arange(0, 4)[None, None, :]
        ok = (t < n)[:, None, None]
        x = tl.load(z + at, mask=ok, other=0.)
        x = tl.exp(x - tl.max(x, 2, keep_dims=True))
        p = x / tl.sum(x, 2, keep_dims=True)
        x = p + eps
        size = n.to(tl.int64) * 16
        for k in range(TURNS - 1):
            tl.store(kept + 2 * k * size + at, x, mask=ok)
            x = x / (tl.sum(x, 1, keep_dims=True) + eps)
            tl.store(kept + (2 * k + 1) * size + at, x, mask=ok)
            x = x / (tl.sum(x, 2, keep_dims=True) + eps)
        tl.debug_barrier()
        g = tl.load(grad + at, mask=ok, other=0.)
        s = tl.sum(x, 1, keep_dims=True) + eps
        g = (g - tl.sum(g * x / s, 1, keep_dims=True)) / s
        for i in range(TURNS - 1):
            k = TURNS - 2 - i
            x = tl.load(kept + (2 * k + 1) * size + at, mask=ok, other=0.)
            s = tl.sum(x, 2, keep_dims=True) + eps
            g = (g - tl.sum(g * x / s, 2, keep_dims=True)) / s
            x = tl.load(kept + 2 * k * size + at, mask=ok, other=0.)
            s = tl.sum(x, 1, keep_dims=True) + eps
            g = (g - tl.sum(g * x / s, 1, keep_dims=True)) / s
        tl.store(out + at, p * (g - tl.sum(g * p, 2, keep_dims=True)), mask=ok)

    @torch.library.custom_op('nano::sinkhorn', mutates_args=())
    def _op(z: torch.Tensor, turns: int, eps: float) -> torch.Tensor:
        out, n = torch.empty_like(z), z.numel() // 16
        _forward[(triton.cdiv(n, BLOCK),)](z, out, n, eps, turns, BLOCK)
        return out

    @torch.library.custom_op('nano::sinkhorn_backward', mutates_args=())
    def _op_backward(z: torch.Tensor, grad: torch.Tensor, turns: int, eps: float) -> torch.Tensor:
        out, n = torch.empty_like(z), z.numel() // 16
        kept = z.new_empty((max(1, 2 * (turns - 1)), n, 16))
        _backward[(triton.cdiv(n, BLOCK),)](z, grad.contiguous(), kept, out, n, eps, turns, BLOCK)
        return out

    _op.register_fake(lambda z, turns, eps: torch.empty_like(z))
    _op_backward.register_fake(lambda z, grad, turns, eps: torch.empty_like(z))

    def _setup(ctx, inputs, output):
        ctx.turns, ctx.eps = inputs[1:]
        ctx.save_for_backward(inputs[0])

    def _gradient(ctx, grad):
        return _op_backward(ctx.saved_tensors[0], grad, ctx.turns, ctx.eps), None, None

    _op.register_autograd(_gradient, setup_context=_setup)


def sinkhorn(z, turns, eps):
    """z [..., 4, 4] float32, contiguous."""
    if z.is_cuda and triton is not None and z.shape[-1] == 4:
        return _op(z, turns, eps)
    return plain(z, turns, eps)
