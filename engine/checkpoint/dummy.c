/*
 * Random weights, and the shapes they are drawn for.
 */
#include "engine/checkpoint/dummy.h"

#include <stdlib.h>
#include <string.h>

#include "engine/checkpoint/hostmem.h"

/* Numbers of one type that are given out again and again. */
struct stock {
	unsigned char *p;
	size_t bytes, at; /* at: where the next tensor begins */
};

#define STOCK_BYTES ((size_t)256 << 20) /* at least: caches hold none of it */
#define STOCK_ALIGN 256

struct dummy {
	struct hostmem mem;
	uint64_t seed;
	bool copied;
	struct stock stock[DTYPE_F64 + 1]; /* by dtype */
	;
};

/* The last layers are read, as many as there were if there are so many. */
static void cut_targets(struct spark_config *spark, int n_layers)
{
	if (spark->n_targets > n_layers)
		spark->n_targets = n_layers;
	for (int i = 0; i < spark->n_targets; i++)
		spark->target_layer[i] = n_layers - spark->n_targets + i;
}

int dummy_config(const char *shape, int n_layers, struct model_config *cfg, struct err *err)
{
	const int first =
		4; /* behind the layers that are different: window-only, hash-routed */

	if (!model_config_published(shape, cfg))
		return err_set(err, ERR_USAGE,
			       "shape %.40s: expected flash, flash-dspark, "
			       "flash-base, pro or pro-base",
			       shape);
	if (n_layers == 0 || n_layers == cfg->n_layers)
		return 0;
	if (n_layers < 1 || n_layers > cfg->n_layers - first)
		return err_set(err, ERR_USAGE, "layers: %d, expected 1 to %d, or all %d",
			       n_layers, cfg->n_layers - first, cfg->n_layers);
	for (int i = 0; i < n_layers; i++)
		cfg->compress_ratio[i] = cfg->compress_ratio[first + i];
	for (int i = 0; i < cfg->n_draft_layers; i++)
		cfg->compress_ratio[n_layers + i] = 0;
	cfg->n_layers = n_layers;
	cut_targets(&cfg->spark, n_layers);
	cfg->n_hash_layers = 0;
	return 0;
}

int dummy_new(struct dummy **out, bool copied, struct err *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return err_nomem(err, "random weights", sizeof(**out));
	(*out)->seed = 1;
	(*out)->copied = copied;
	return 0;
}

void dummy_free(struct dummy *d)
{
	if (!d)
		return;
	hostmem_release(&d->mem);
	free(d);
}

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016)
 */
static uint64_t draw(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 0x2545F4914F6CDD1Du;
}

/* Masks over eight bytes that leave every number finite, and within 2^-7 … 2^-5 for floats. */
static void mask_of(enum dtype dtype, uint64_t *keep, uint64_t *set)
{
	*keep = ~(uint64_t)0;
	*set = 0;
	switch (dtype) {
	case DTYPE_F32:
		*keep = 0x807FFFFF807FFFFFu;
		*set = 0x3C8000003C800000u;
		break;
	case DTYPE_BF16:
	case DTYPE_F16:
		*keep = 0x807F807F807F807Fu;
		*set = 0x3C803C803C803C80u;
		break;
	case DTYPE_F8_E4M3: /* all but the largest exponent, which holds the NaN */
	case DTYPE_F8_E5M2:
		*keep = 0xBFBFBFBFBFBFBFBFu;
		break;
	case DTYPE_F8_E8M0: /* 2^-8 or 2^-7 */
		*keep = 0x0101010101010101u;
		*set = 0x7777777777777777u & ~*keep;
		break;
	case DTYPE_I64: /* expert numbers below 128 */
	case DTYPE_U64:
	case DTYPE_F64:
		*keep = 0x7F;
		break;
	case DTYPE_BOOL:
	case DTYPE_U8:
	case DTYPE_I8:
	case DTYPE_I16:
	case DTYPE_U16:
	case DTYPE_I32:
	case DTYPE_U32:
		break;
	}
}

void dummy_fill(enum dtype dtype, void *p, size_t n_bytes, uint64_t *seed)
{
	unsigned char *at = p;
	uint64_t keep, set;

	mask_of(dtype, &keep, &set);
	for (; n_bytes >= 8; n_bytes -= 8, at += 8) {
		uint64_t v = (draw(seed) & keep) | set;

		memcpy(at, &v, sizeof(v));
	}
	if (n_bytes) {
		uint64_t v = (draw(seed) & keep) | set;

		memcpy(at, &v, n_bytes);
	}
}

static int from_stock(struct dummy *d, const struct tensor_spec *spec, const void **data,
		      struct err *err)
{
	struct stock *s = &d->stock[spec->dtype];
	size_t n = (spec->part_bytes + STOCK_ALIGN - 1) / STOCK_ALIGN * STOCK_ALIGN;

	if (n > s->bytes) { /* what was given of a smaller one stays */
		size_t bytes = n > STOCK_BYTES ? n : STOCK_BYTES;
		void *p;
		int rc = hostmem_take(&d->mem, bytes, spec->name, &p, err);

		if (rc)
			return rc;
		dummy_fill(spec->dtype, p, bytes, &d->seed);
		*s = (struct stock){.p = p, .bytes = bytes};
	}
	if (n > s->bytes - s->at)
		s->at = 0;
	*data = s->p + s->at;
	s->at += n;
	return 0;
}

static int get(void *ctx, const struct tensor_spec *spec, const void **data, struct err *err)
{
	struct dummy *d = ctx;
	struct hostmem whole = {0};
	void *p, *from;
	int rc;

	if (d->copied)
		return from_stock(d, spec, data, err);
	rc = hostmem_take(&d->mem, spec->part_bytes, spec->name, &p, err);

	*data = p;
	if (rc)
		return rc;
	if (spec->part_bytes == spec->n_bytes) {
		dummy_fill(spec->dtype, p, spec->n_bytes, &d->seed);
		return 0;
	}
	/* All is drawn, so that the ranks' parts are those of the same tensors. */
	rc = hostmem_take(&whole, spec->n_bytes, spec->name, &from, err);
	if (rc)
		return rc;
	dummy_fill(spec->dtype, from, spec->n_bytes, &d->seed);
	spec_copy(spec, from, p);
	hostmem_release(&whole);
	return 0;
}

struct weight_source dummy_source(struct dummy *d)
{
	return (struct weight_source){.get = get, .ctx = d};
}
