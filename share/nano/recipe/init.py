"""Fresh weights for a configuration, by the names of model.py."""
import torch


def fresh(cfg, seed=1):
    g = torch.Generator().manual_seed(seed)
    d, D, H, V = cfg.hidden_size, cfg.head_dim, cfg.num_attention_heads, cfg.vocab_size
    E, inner, used, n = cfg.n_routed_experts, cfg.moe_intermediate_size, cfg.num_experts_per_tok, cfg.hc_mult
    w = {}

    def matrix(name, *shape, gain=1.):
        w[name] = torch.randn(*shape, generator=g) * gain * shape[-1] ** -.5

    def streams(name, at):
        """One sublayer reads mostly the stream `at`, writes to all, and lets each stream pass."""
        w[name + '_fn'] = torch.randn((2 + n) * n, n * d, generator=g) * .01
        pre = torch.full((n,), -1.)
        pre[at % n] = 1.
        through = torch.full((n, n), -2.) + torch.eye(n) * 5 + torch.randn(n, n, generator=g) * .1
        w[name + '_base'] = torch.cat((pre, torch.randn(n, generator=g) * .1, through.flatten()))
        w[name + '_scale'] = torch.ones(3)

    def end(prefix):
        w[prefix + 'hc_head_fn'] = torch.randn(n, n * d, generator=g) * .01
        w[prefix + 'hc_head_base'] = torch.zeros(n)
        w[prefix + 'hc_head_scale'] = torch.ones(1)
        w[prefix + 'norm.weight'] = torch.ones(d)

    def compressor(p, ratio, width):
        c = 2 if ratio == 4 else 1
        matrix(p + 'wkv.weight', c * width, d)
        matrix(p + 'wgate.weight', c * width, d, gain=.2)
        w[p + 'ape'] = torch.zeros(ratio, c * width)
        w[p + 'norm.weight'] = torch.ones(width)

    def layer(p, at, ratio, hashed):
        streams(p + 'hc_attn', 2 * at)
        streams(p + 'hc_ffn', 2 * at + 1)
        w[p + 'attn_norm.weight'] = torch.ones(d)
        w[p + 'ffn_norm.weight'] = torch.ones(d)
        a = p + 'attn.'
        matrix(a + 'wq_a.weight', cfg.q_lora_rank, d)
        w[a + 'q_norm.weight'] = torch.ones(cfg.q_lora_rank)
        matrix(a + 'wq_b.weight', H * D, cfg.q_lora_rank)
        matrix(a + 'wkv.weight', D, d)
        w[a + 'kv_norm.weight'] = torch.ones(D)
        matrix(a + 'wo_a.weight', cfg.o_groups * cfg.o_lora_rank, H * D // cfg.o_groups)
        matrix(a + 'wo_b.weight', d, cfg.o_groups * cfg.o_lora_rank, gain=.5)
        w[a + 'attn_sink'] = torch.zeros(H)
        if ratio:
            compressor(a + 'compressor.', ratio, D)
        if ratio == 4:
            matrix(a + 'indexer.wq_b.weight', cfg.index_n_heads * cfg.index_head_dim, cfg.q_lora_rank)
            matrix(a + 'indexer.weights_proj.weight', cfg.index_n_heads, d)
            compressor(a + 'indexer.compressor.', ratio, cfg.index_head_dim)
        f = p + 'ffn.'
        matrix(f + 'gate.weight', E, d)
        if hashed:
            order = torch.rand(V, E, generator=g).argsort(-1)
            w[f + 'gate.tid2eid'] = order[:, :used].contiguous()
        else:
            w[f + 'gate.bias'] = torch.zeros(E)
        for k, shape in (('w1', (inner, d)), ('w3', (inner, d)), ('w2', (d, inner))):
            matrix(f + 'experts.' + k, E, *shape, gain=.5 if k == 'w2' else 1.)
            matrix(f + f'shared_experts.{k}.weight', *shape, gain=.5 if k == 'w2' else 1.)

    w['embed.weight'] = torch.randn(V, d, generator=g) * .5
    for k in range(cfg.num_hidden_layers):
        layer(f'layers.{k}.', k, cfg.compress_ratios[k], k < cfg.num_hash_layers)
    end('')
    matrix('head.weight', V, d, gain=.5)
    p = 'mtp.0.'
    for k in ('e_proj', 'h_proj'):
        matrix(p + k + '.weight', d, d)
    w[p + 'enorm.weight'] = torch.ones(d)
    w[p + 'hnorm.weight'] = torch.ones(d)
    layer(p, 0, cfg.compress_ratios[cfg.num_hidden_layers], False)
    end(p)
    return w
