"""DeepSeek V4 in PyTorch: the whole forward pass over sequences, for training and as a reference.

Weights are a dictionary by the published names, but for the routed experts, whose matrices are stacked
(`….ffn.experts.w1` [experts, inner, d], `w3` alike, `w2` [experts, d, inner]).  The roundings that belong to the
model (cached rows, indexer rows and queries) are made here, with straight-through gradients.

Shapes: B sequences, T tokens (a multiple of 128), d hidden, H heads, R compressed rows, E experts.
`doc` [B, T] numbers the packed documents; a token sees nothing of another document.  A document must begin at
a multiple of 4, so that no ratio-4 block holds tokens of two.
"""
import json
import math
from types import SimpleNamespace

import torch
import torch.nn.functional as F

import quant
from sinkhorn import sinkhorn

NEG = -1e30


def read_config(path):
    with open(path) as f:
        return SimpleNamespace(**json.load(f))


def rms(x, weight, eps):
    x = x.float()
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    return x if weight is None else x * weight.float()


def rotary_table(cfg, ratio, length, device):
    """cos and sin [length, 32]; angles in double, since float32 loses digits at long positions."""
    dims, theta = cfg.qk_rope_head_dim, cfg.compress_rope_theta if ratio else cfg.rope_theta
    i = torch.arange(dims // 2, dtype=torch.float64)
    f = theta ** (-2 * i / dims)
    if ratio:
        s = cfg.rope_scaling
        def dim(r):
            return dims * math.log(s['original_max_position_embeddings'] / (2 * math.pi * r)) / (2 * math.log(theta))
        low = min(max(math.floor(dim(s['beta_fast'])), 0), dims - 1)
        high = min(max(math.ceil(dim(s['beta_slow'])), 0), dims - 1)
        t = 1 - ((i - low) / max(high - low, 1e-3)).clamp(0, 1)
        f = f / s['factor'] * (1 - t) + f * t
    a = torch.arange(length, dtype=torch.float64)[:, None] * f
    return a.cos().float().to(device), a.sin().float().to(device)


def rotate(x, cos, sin, inverse=False):
    """Turns the last 64 values of x, adjacent pairs; cos and sin broadcast over x's leading dimensions."""
    n = 2 * cos.shape[-1]
    keep, turn = x[..., :-n], x[..., -n:].unflatten(-1, (-1, 2))
    a, b = turn[..., 0], turn[..., 1]
    if inverse:
        sin = -sin
    return torch.cat((keep, torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)), -1)


def cached_row(x, cfg):
    """A window or compressed row as the cache holds it: FP8, then bf16 for the rotary part."""
    n = cfg.qk_rope_head_dim
    return torch.cat((quant.round_fp8_row(x[..., :-n]), quant.round_bf16(x[..., -n:])), -1)


def hadamard(n, device):
    h = torch.ones(1, 1, device=device)
    while h.shape[0] < n:
        h = torch.cat((torch.cat((h, h), 1), torch.cat((h, -h), 1)), 0)
    return h * n ** -.5


class Forward:
    """The model's functions for one configuration, device and compute type (of the large products)."""

    def __init__(self, cfg, device='cpu', dtype=torch.float32, length=1024, compile=False):
        self.cfg, self.dtype, self.device, self.training = cfg, dtype, device, compile
        self.tables = {r: rotary_table(cfg, r, length, device) for r in set(cfg.compress_ratios)}
        self.hadamard = hadamard(cfg.index_head_dim, device)
        if compile:
            # Each sublayer by itself: what layers have in common is compiled once.
            for name in ('entered', 'left', 'attention', 'experts', 'draft_input', 'head'):
                setattr(self, name, torch.compile(getattr(self, name), dynamic=False))

    def linear(self, x, w):
        return F.linear(x.to(self.dtype), w.to(self.dtype)).float()

    # -- hyper-connections

    def mix(self, p, X):
        """pre [B,T,4], post [B,T,4] and C [B,T,4,4] of one sublayer; X [B,T,4,d] float32."""
        cfg, n = self.cfg, self.cfg.hc_mult
        x = X.flatten(-2)
        m = F.linear(x, p['fn']) * torch.rsqrt(x.square().mean(-1, keepdim=True) + cfg.rms_norm_eps)
        s, b = p['scale'], p['base']
        pre = torch.sigmoid(m[..., :n] * s[0] + b[:n]) + cfg.hc_eps
        post = 2 * torch.sigmoid(m[..., n:2 * n] * s[1] + b[n:2 * n])
        C = (m[..., 2 * n:] * s[2] + b[2 * n:]).unflatten(-1, (n, n))
        return pre, post, sinkhorn(C.contiguous(), cfg.hc_sinkhorn_iters, cfg.hc_eps)

    @staticmethod
    def gather(pre, X):
        return (pre[..., None] * X).sum(-2)

    def entered(self, p, norm, X):
        """What a sublayer gets of the streams, and the post and C with which its output goes back to them."""
        pre, post, C = self.mix(p, X)
        return rms(self.gather(pre, X), norm, self.cfg.rms_norm_eps), post, C

    def left(self, post, C, X, y):
        return post[..., None] * y[..., None, :] + (C[..., None] * X[..., None, :]).sum(-3)

    def head(self, p, X):
        """The streams' weighted sum, normalised: what the vocabulary matrix is applied to."""
        cfg, x = self.cfg, X.flatten(-2)
        m = F.linear(x, p['fn']) * torch.rsqrt(x.square().mean(-1, keepdim=True) + cfg.rms_norm_eps)
        w = torch.sigmoid(m * p['scale'] + p['base']) + cfg.hc_eps
        return rms(self.gather(w, X), p['norm'], cfg.rms_norm_eps)

    # -- attention

    def compress(self, p, u, doc, ratio, width):
        """Compressed rows [B, T/ratio, width], normalised and turned, not yet rounded."""
        B, T, _ = u.shape
        a = self.linear(u, p['wkv.weight']).unflatten(1, (-1, ratio))
        z = self.linear(u, p['wgate.weight']).unflatten(1, (-1, ratio)) + p['ape']
        d = doc.unflatten(1, (-1, ratio))
        # The document of a block is that of its last token; tokens of earlier documents in it do not count.
        own = d == d[..., -1:]
        if ratio == 4:
            def pair(t, absent):
                old = F.pad(t[:, :-1, :, :width], (0, 0, 0, 0, 1, 0), value=absent)
                return torch.cat((old, t[:, :, :, width:]), 2)
            before = F.pad(d[:, :-1], (0, 0, 1, 0), value=-1) == d[..., -1:]
            a, z, own = pair(a, 0.), pair(z, 0.), torch.cat((before, own), 2)
        w = torch.softmax(z.masked_fill(~own[..., None], NEG), 2)
        row = rms((w * a).sum(2), p['norm.weight'], self.cfg.rms_norm_eps)
        cos, sin = (t[:T:ratio] for t in self.tables[ratio])
        return rotate(row, cos, sin)

    def index(self, p, u, qr, doc, ratio):
        """Scores [B, T, R] of the compressed rows; inputs are detached, so that only the KL term trains it."""
        cfg, T = self.cfg, u.shape[1]
        u, qr, n = u.detach(), qr.detach(), cfg.index_n_heads
        inner = {k[11:]: v for k, v in p.items() if k.startswith('compressor.')}
        row = self.compress(inner, u, doc, ratio, cfg.index_head_dim)
        row = quant.round_fp4_row(F.linear(row, self.hadamard))
        q = self.linear(qr, p['wq_b.weight']).unflatten(-1, (n, -1))
        cos, sin = (t[:T, None] for t in self.tables[ratio])
        q = quant.round_fp4_row(F.linear(rotate(q, cos, sin), self.hadamard))
        w = self.linear(u, p['weights_proj.weight']) * (cfg.index_head_dim * n) ** -.5
        s = torch.matmul(q.flatten(1, 2).to(self.dtype), row.to(self.dtype).transpose(1, 2)).float()
        return (s.unflatten(1, (-1, n)).relu() * w[..., None]).sum(2)

    def choose(self, score, visible):
        """Mask [B, T, R] of the index_topk best visible rows; of equal scores the lower row wins."""
        k = min(self.cfg.index_topk, score.shape[-1])
        score = score.masked_fill(~visible, NEG)
        if self.training:
            # All of equal scores are seen, which costs a compiler much less than a stable sort.
            return visible & (score >= score.topk(k, -1).values[..., -1:])
        order = torch.sort(score, dim=-1, descending=True, stable=True).indices[..., :k]
        return torch.zeros_like(visible).scatter(-1, order, True) & visible

    def attention(self, p, u, doc, ratio, select, past=None):
        """The sublayer's output, the indexer's loss and the window rows.

        With `past` [B, T, D] (ratio 0 alone) a token sees those of itself and, of the tokens before it, these.
        """
        cfg, (B, T, _) = self.cfg, u.shape
        H, D, W, eps = cfg.num_attention_heads, cfg.head_dim, cfg.sliding_window, cfg.rms_norm_eps
        cos, sin = (t[:T] for t in self.tables[ratio])
        qr = rms(self.linear(u, p['wq_a.weight']), p['q_norm.weight'], eps)
        q = rms(self.linear(qr, p['wq_b.weight']).unflatten(-1, (H, D)), None, eps)
        q = (rotate(q, cos[:, None], sin[:, None]) * D ** -.5).to(self.dtype)
        kv = rms(self.linear(u, p['wkv.weight']), p['kv_norm.weight'], eps)
        kv = cached_row(rotate(kv, cos, sin), cfg).to(self.dtype)

        # Window: a chunk of W queries sees its own chunk of rows and the one before.
        n, rows = T // W, kv if past is None else past
        before = F.pad(rows, (0, 0, W, 0))[:, :T].unflatten(1, (n, W))
        keys = torch.cat((before, rows.unflatten(1, (n, W))), 2).flatten(0, 1)
        d = doc.unflatten(1, (n, W))
        dk = torch.cat((F.pad(doc, (W, 0), value=-1)[:, :T].unflatten(1, (n, W)), d), 2)
        t, s = torch.arange(W, device=u.device)[:, None], torch.arange(2 * W, device=u.device)[None]
        seen = (s > t) & (s <= t + W) & (d[..., None] == dk[:, :, None])
        win = torch.matmul(q.view(B * n, W * H, D), keys.transpose(1, 2)).float().view(B, T, H, 2 * W)
        itself = (s == t + W).expand(B, n, W, 2 * W).reshape(B, T, 1, 2 * W)
        if past is not None:
            win = torch.where(itself, torch.matmul(q, kv[..., None]).float(), win)
        win = win.masked_fill(~seen.view(B, T, 1, 2 * W), NEG)
        sink = p['attn_sink'].float().view(1, 1, H, 1)
        top = torch.maximum(win.detach().amax(-1, keepdim=True), sink.detach())
        loss = u.new_zeros(())

        if ratio:
            inner = {k[11:]: v for k, v in p.items() if k.startswith('compressor.')}
            blocks = cached_row(self.compress(inner, u, doc, ratio, D), cfg).to(self.dtype)
            R = blocks.shape[1]
            far = torch.matmul(q.view(B, T * H, D), blocks.transpose(1, 2)).float().view(B, T, H, R)
            last = doc[:, ratio - 1::ratio]
            done = torch.arange(1, R + 1, device=u.device) * ratio <= torch.arange(1, T + 1, device=u.device)[:, None]
            visible = done & (doc[..., None] == last[:, None])
            if ratio == 4:
                inner = {k[8:]: v for k, v in p.items() if k.startswith('indexer.')}
                score = self.index(inner, u, qr, doc, ratio)
                # Teach the indexer the attention mass that each visible row gets, whether it was chosen or not.
                mass = torch.softmax(far.detach().masked_fill(~visible[:, :, None], NEG), -1).mean(2)
                guess = torch.log_softmax(score.masked_fill(~visible, NEG), -1)
                kl = torch.where(visible, mass * ((mass + 1e-9).log() - guess), 0.).sum(-1)
                some = visible.any(-1)
                loss = (kl * some).sum() / some.sum().clamp_min(1)
                if select:
                    visible = self.choose(score.detach(), visible)
            far = far.masked_fill(~visible[:, :, None], NEG)
            top = torch.maximum(top, far.detach().amax(-1, keepdim=True))
            e = torch.exp(far - top)
            total = e.sum(-1, keepdim=True)
            o = torch.matmul(e.to(self.dtype).view(B, T * H, R), blocks).float().view(B, T, H, D)
        else:
            total, o = 0., 0.
        e = torch.exp(win - top)
        total = total + e.sum(-1, keepdim=True) + torch.exp(sink - top)
        o = o + torch.matmul(e.to(self.dtype).view(B * n, W * H, 2 * W), keys).float().view(B, T, H, D)
        if past is not None:
            o = o + (e * itself).sum(-1, keepdim=True) * (kv.float() - past.float())[:, :, None]
        o = rotate(o / total, cos[:, None], sin[:, None], inverse=True)

        G = cfg.o_groups
        o = o.view(B, T, G, -1).to(self.dtype)
        a = p['wo_a.weight'].to(self.dtype).view(G, cfg.o_lora_rank, -1)
        low = torch.einsum('btgi,goi->btgo', o, a).flatten(-2)
        return self.linear(low, p['wo_b.weight']), loss, kv

    # -- experts

    def route(self, p, u, ids):
        """Weights [B, T, E] of the experts (0 where not chosen) and the choice as 0/1."""
        cfg = self.cfg
        s = torch.sqrt(F.softplus(F.linear(u.float(), p['gate.weight'].float())))
        if 'gate.tid2eid' in p:
            e = torch.arange(cfg.n_routed_experts, device=u.device)
            chosen = (p['gate.tid2eid'][ids][..., None] == e).any(-2)
        else:
            # The rank of each expert by a count of the better ones; of equals the lower one is better.
            b = s.detach() + p['gate.bias']
            e = torch.arange(cfg.n_routed_experts, device=u.device)
            better = (b[..., None, :] > b[..., None]) | ((b[..., None, :] == b[..., None]) & (e < e[:, None]))
            chosen = better.sum(-1) < cfg.num_experts_per_tok
        w = s * chosen
        return w / w.sum(-1, keepdim=True) * cfg.routed_scaling_factor, chosen.float()

    def experts(self, p, u, ids):
        cfg, lim = self.cfg, self.cfg.swiglu_limit
        weight, chosen = self.route(p, u, ids)

        def gated(g, v):
            return F.silu(g.clamp(max=lim)) * v.clamp(-lim, lim)
        E = cfg.n_routed_experts
        g = self.linear(u, p['experts.w1'].flatten(0, 1))
        v = self.linear(u, p['experts.w3'].flatten(0, 1))
        t = gated(g, v).unflatten(-1, (E, -1)) * weight[..., None]
        y = self.linear(t.flatten(-2), p['experts.w2'].transpose(0, 1).flatten(1, 2))
        for k in range(cfg.n_shared_experts):
            g = self.linear(u, p['shared_experts.w1.weight'])
            v = self.linear(u, p['shared_experts.w3.weight'])
            y = y + self.linear(gated(g, v), p['shared_experts.w2.weight'])
        return y, chosen.sum((0, 1))

    # -- layers

    def layer(self, p, X, ids, doc, ratio, select, past=None):
        """One layer.  Returns the streams, the indexer's loss, how often each expert was chosen, and window rows."""
        u, post, C = self.entered(part(p, 'hc_attn_'), p['attn_norm.weight'], X)
        y, loss, kv = self.attention(part(p, 'attn.'), u, doc, ratio, select, past)
        X = self.left(post, C, X, y)
        u, post, C = self.entered(part(p, 'hc_ffn_'), p['ffn_norm.weight'], X)
        y, load = self.experts(part(p, 'ffn.'), u, ids)
        return self.left(post, C, X, y), loss, load, kv

    def draft_input(self, p, embed, X, following):
        eps = self.cfg.rms_norm_eps
        e = self.linear(rms(F.embedding(following, embed), p['enorm.weight'], eps), p['e_proj.weight'])
        return e[..., None, :] + self.linear(rms(X, p['hnorm.weight'], eps), p['h_proj.weight'])

    def __call__(self, weights, ids, doc=None, following=None, select=True, places=1):
        """Hidden rows before the vocabulary matrix: `main` [B,T,d], and `drafts` where `following` (next ids) is given.

        `drafts` are `places` such, for chains of so many tokens: that at place k of position t has been told the token
        of t + 1 and stands on the block's own streams of the k positions before it, so it is valid from t = k on.
        Also `streams` after each layer, the mean indexer loss, and `load`: {layer prefix: [E] counts}.
        """
        cfg = self.cfg
        if doc is None:
            doc = torch.zeros_like(ids)
        X = F.embedding(ids, weights['embed.weight']).float()[..., None, :].repeat(1, 1, cfg.hc_mult, 1)
        out = SimpleNamespace(streams=[], load={}, index_loss=0., drafts=[])
        for n in range(cfg.num_hidden_layers):
            X, loss, load, _ = self.layer(part(weights, f'layers.{n}.'), X, ids, doc, cfg.compress_ratios[n], select)
            out.index_loss = out.index_loss + loss
            out.streams.append(X)
            out.load[f'layers.{n}.'] = load
        out.main = self.head(self.head_of(weights, ''), X)
        if following is None:
            return out
        p, past = part(weights, 'mtp.0.'), None
        inputs = {k: p[k] for k in ('enorm.weight', 'hnorm.weight', 'e_proj.weight', 'h_proj.weight')}
        for place in range(places):
            X = self.draft_input(inputs, weights['embed.weight'], X.roll(1, 1) if place else X, following)
            X, _, load, kv = self.layer(p, X, following, doc, cfg.compress_ratios[cfg.num_hidden_layers], select, past)
            past = kv if past is None else past
            out.load['mtp.0.'] = out.load.get('mtp.0.', 0) + load
            out.drafts.append(self.head(self.head_of(weights, 'mtp.0.'), X))
        return out

    @staticmethod
    def head_of(weights, prefix):
        return {**part(weights, prefix + 'hc_head_'), 'norm': weights[prefix + 'norm.weight']}


def part(weights, prefix):
    return {k[len(prefix):]: v for k, v in weights.items() if k.startswith(prefix)}
