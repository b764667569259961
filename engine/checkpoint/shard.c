/*
 * Which counts of ranks divide a model, and what each rank then holds.
 */
#include "engine/checkpoint/shard.h"

#include "engine/base/buf.h"

#define F8_BLOCK  128 /* rows and columns to one scale */
#define FP4_BLOCK 32  /* columns to one scale; every `in` is a multiple of it, too */

/* n elements in parts of which none straddles a block: whole blocks, or equal parts of one. */
static bool fits_blocks(int64_t n, int n_ranks)
{
	int64_t part = n / n_ranks;

	return n % n_ranks == 0 && part % FP4_BLOCK == 0 &&
	       (part % F8_BLOCK == 0 || F8_BLOCK % part == 0);
}

/* Whole groups, or equal parts of one. */
static bool fits_groups(const struct model_config *cfg, int n)
{
	int groups = cfg->o_groups;
	int64_t width = (int64_t)groups * cfg->o_lora_rank;

	return cfg->n_heads % n == 0 &&
	       ((groups % n == 0 && fits_blocks(width, n)) ||
		(n % groups == 0 && fits_blocks(width, groups)));
}

static bool divides(const struct model_config *cfg, int n)
{
	return n == 1 || (fits_groups(cfg, n) && cfg->vocab >= n && fits_blocks(cfg->moe_inter, n));
}

static int refuse(const struct model_config *cfg, int n_ranks, struct err *err)
{
	struct buf counts = {0};
	int rc;

	for (int n = 1; n <= SHARD_MAX_RANKS; n++)
		if (divides(cfg, n))
			buf_addf(&counts, "%s%d", n > 1 ? ", " : "", n);
	rc = err_set(err, ERR_USAGE,
		     "ranks: %d do not divide %d heads in %d output groups and an inner size of %d in "
		     "blocks of %d; expected one of %s",
		     n_ranks, cfg->n_heads, cfg->o_groups, cfg->moe_inter, F8_BLOCK,
		     buf_z(&counts));
	buf_release(&counts);
	return rc;
}

static void set_part(struct shard *s, enum shard_unit unit, int of, int rank, int n_ranks)
{
	int64_t n = of;

	s->part[unit].of = of;
	s->part[unit].first = (int)(n * rank / n_ranks);
	s->part[unit].count = (int)(n * (rank + 1) / n_ranks) - s->part[unit].first;
}

static void fill(struct shard *s, const struct model_config *cfg, int rank, int n_ranks)
{
	int to_group = n_ranks / cfg->o_groups; /* ranks */

	if (to_group < 1)
		to_group = 1;
	*s = (struct shard){.rank = rank, .n_ranks = n_ranks};
	set_part(s, SHARD_NONE, 1, 0, 1);
	set_part(s, SHARD_HEADS, cfg->n_heads, rank, n_ranks);
	set_part(s, SHARD_GROUPS, cfg->o_groups, rank / to_group, n_ranks / to_group);
	set_part(s, SHARD_GROUP_HEADS, cfg->n_heads / cfg->o_groups, rank % to_group, to_group);
	set_part(s, SHARD_INNER, cfg->moe_inter, rank, n_ranks);
	set_part(s, SHARD_VOCAB, cfg->vocab, rank, n_ranks);
}

int shard_init(struct shard *s, const struct model_config *cfg, int rank, int n_ranks,
	       struct err *err)
{
	if (n_ranks < 1 || n_ranks > SHARD_MAX_RANKS)
		return err_set(err, ERR_USAGE, "ranks: %d, expected 1 to %d", n_ranks,
			       SHARD_MAX_RANKS);
	BUG_ON(rank < 0 || rank >= n_ranks);
	if (!divides(cfg, n_ranks))
		return refuse(cfg, n_ranks, err);
	fill(s, cfg, rank, n_ranks);
	return 0;
}

int shard_most_ranks(const struct model_config *cfg, int most)
{
	int n = most < SHARD_MAX_RANKS ? most : SHARD_MAX_RANKS;

	while (n > 1 && !divides(cfg, n))
		n--;
	return n > 1 ? n : 1;
}

struct shard shard_whole(const struct model_config *cfg)
{
	struct shard s;

	fill(&s, cfg, 0, 1);
	return s;
}

struct span shard_span(const struct shard *s, enum shard_unit by, int64_t n)
{
	int64_t each = n / s->part[by].of;

	return (struct span){s->part[by].first * each, s->part[by].count * each};
}

struct span span_blocks(struct span s, int64_t block)
{
	int64_t first = s.first / block;

	return (struct span){first, (s.first + s.count + block - 1) / block - first};
}
