/*
 * Ranks: what each holds, and that what they hold is the model.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/checkpoint/dummy.h"
#include "engine/checkpoint/weights.h"

#define GOLDEN "tests/golden/pro-micro"

/* ------------------------------------------------------------- which counts divide */

static struct model_config published(const char *name)
{
	struct model_config cfg;

	assert_true(model_config_published(name, &cfg));
	return cfg;
}

static void counts_that_do_not_divide_are_refused_with_those_that_do(void **state)
{
	static const struct {
		const char *shape;
		int n;
		const char *expected;
	} cases[] = {
		{"flash", 3, "one of 1, 2, 4, 8, 16, 32, 64"},
		{"flash", 5, "64 heads in 8 output groups and an inner size of 2048"},
		{"pro", 3, "one of 1, 2, 4, 8"},
		{"pro", 16, "inner size of 3072 in blocks of 128"},
		{"flash", 0, "expected 1 to 64"},
		{"flash", -1, "expected 1 to 64"},
		{"flash", 65, "expected 1 to 64"},
	};
	struct shard s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct model_config cfg = published(cases[i].shape);
		struct err err = {0};

		assert_int_equal(shard_init(&s, &cfg, 0, cases[i].n, &err), ERR_USAGE);
		if (!strstr(err.text, cases[i].expected))
			fail_msg("'%s' without '%s'", err.text, cases[i].expected);
	}
}

static void one_rank_is_the_configuration(void **state)
{
	struct model_config cfg = published("flash");
	const int sizes[N_SHARD_UNITS] = {1, 64, 8, 8, 2048, 129280};
	struct err err = {0};
	struct shard a, b;

	(void)state;
	assert_int_equal(shard_init(&a, &cfg, 0, 1, &err), 0);
	b = shard_whole(&cfg);
	assert_memory_equal(&a, &b, sizeof(a));
	for (int u = 0; u < N_SHARD_UNITS; u++) {
		assert_int_equal(a.part[u].first, 0);
		assert_int_equal(a.part[u].count, sizes[u]);
		assert_int_equal(a.part[u].of, sizes[u]);
	}
}

static void ranks_have_equal_parts_one_after_another(void **state)
{
	static const struct {
		const char *shape;
		int n, heads, groups, group_heads, inner;
	} cases[] = {
		{"flash", 2, 32, 4, 8, 1024}, {"flash", 8, 8, 1, 8, 256},
		{"flash", 16, 4, 1, 4, 128},  {"pro", 4, 32, 4, 8, 768},
		{"pro", 8, 16, 2, 8, 384},
	};
	struct shard s;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct model_config cfg = published(cases[i].shape);
		int next[N_SHARD_UNITS] = {0};

		for (int r = 0; r < cases[i].n; r++) {
			assert_int_equal(shard_init(&s, &cfg, r, cases[i].n, &err), 0);
			assert_int_equal(s.part[SHARD_HEADS].count, cases[i].heads);
			assert_int_equal(s.part[SHARD_GROUPS].count, cases[i].groups);
			assert_int_equal(s.part[SHARD_GROUP_HEADS].count, cases[i].group_heads);
			assert_int_equal(s.part[SHARD_INNER].count, cases[i].inner);
			/* a rank's heads are those of its groups */
			assert_int_equal(s.part[SHARD_HEADS].first,
					 s.part[SHARD_GROUPS].first * s.part[SHARD_GROUP_HEADS].of +
						 s.part[SHARD_GROUP_HEADS].first);
			assert_int_equal(s.part[SHARD_HEADS].count,
					 s.part[SHARD_GROUPS].count *
						 s.part[SHARD_GROUP_HEADS].count);
			for (int u = SHARD_HEADS; u < N_SHARD_UNITS; u++) {
				if (u == SHARD_GROUPS || u == SHARD_GROUP_HEADS)
					continue;
				assert_int_equal(s.part[u].first, next[u]);
				next[u] += s.part[u].count;
			}
		}
		assert_int_equal(next[SHARD_HEADS], cfg.n_heads);
		assert_int_equal(next[SHARD_INNER], cfg.moe_inter);
		assert_int_equal(next[SHARD_VOCAB], cfg.vocab);
	}
}

static void a_vocabulary_that_does_not_divide_is_cut_all_the_same(void **state)
{
	struct model_config cfg = published("flash");
	struct err err = {0};
	int sum = 0;

	(void)state;
	cfg.vocab = 1003;
	for (int r = 0; r < 8; r++) {
		struct shard s;

		assert_int_equal(shard_init(&s, &cfg, r, 8, &err), 0);
		assert_int_equal(s.part[SHARD_VOCAB].first, sum);
		assert_in_range(s.part[SHARD_VOCAB].count, 125, 126);
		sum += s.part[SHARD_VOCAB].count;
	}
	assert_int_equal(sum, 1003);
}

/* -------------------------------------------------------- the parts make up the whole */

#define MAX_TENSORS 2000

struct specs {
	struct tensor_spec spec[MAX_TENSORS];
	char name[MAX_TENSORS][64];
	size_t n;
};

static int note_spec(void *ctx, const struct tensor_spec *spec, const void **data, struct err *err)
{
	struct specs *s = ctx;

	(void)err;
	assert_true(s->n < MAX_TENSORS);
	s->spec[s->n] = *spec;
	snprintf(s->name[s->n], sizeof(s->name[0]), "%s", spec->name);
	s->n++;
	*data = NULL;
	return 0;
}

static void specs_of(struct specs *s, const struct model_config *cfg, const struct shard *shard)
{
	struct weight_source source = {.get = note_spec, .ctx = s};
	struct weights *w;
	struct err err = {0};

	s->n = 0;
	assert_int_equal(weights_new(&w, cfg, shard, &source, &err), 0);
	weights_free(w);
}

/* The addresses of all tensors, in the order in which they were asked for. */
struct addresses {
	const unsigned char *p[MAX_TENSORS];
	size_t n;
};

static size_t type_bytes(const struct weight *w)
{
	size_t n = (size_t)w->out * (size_t)w->in;

	return w->type == WEIGHT_FP4 ? n / 2 : w->type == WEIGHT_BF16 ? 2 * n : n;
}

static void add_weight(struct addresses *a, const struct specs *s, const struct weight *w)
{
	assert_int_equal(s->spec[a->n].part_bytes, type_bytes(w));
	a->p[a->n++] = w->w;
	if (w->type == WEIGHT_BF16)
		return;
	if (w->type == WEIGHT_F8)
		assert_int_equal(s->spec[a->n].part_bytes,
				 (w->out + 127) / 128 * ((w->in + 127) / 128));
	else
		assert_int_equal(s->spec[a->n].part_bytes, w->out * (w->in / 32));
	a->p[a->n++] = w->scale;
}

static void addresses_of(struct addresses *a, const struct specs *s, const struct weights *w)
{
	a->n = 0;
	for (size_t i = 0; i < w->n_parts; i++) {
		const struct weight_part *part = &w->parts[i];
		size_t from = a->n, bytes = 0;

		switch (part->kind) {
		case PART_BYTES:
			a->p[a->n++] = *part->at;
			break;
		case PART_LINEAR:
			add_weight(a, s, part->linear);
			break;
		case PART_EXPERTS:
			for (int e = 0; e < part->n; e++) {
				add_weight(a, s, &part->experts[e].w1);
				add_weight(a, s, &part->experts[e].w2);
				add_weight(a, s, &part->experts[e].w3);
			}
			break;
		}
		while (from < a->n)
			bytes += s->spec[from++].part_bytes;
		assert_int_equal(part->bytes, bytes);
	}
	assert_int_equal(a->n, s->n);
}

/* Puts the elements of one part where they belong, counting how often each was put. */
static void put_part(const struct tensor_spec *t, const unsigned char *part, unsigned char *whole,
		     unsigned char *count)
{
	int64_t columns = t->n_dims == 2 ? t->shape[1] : 1;
	size_t each = dtype_bytes(t->dtype);

	assert_true(t->rows.first >= 0 && t->rows.first + t->rows.count <= t->shape[0]);
	assert_true(t->columns.first >= 0 && t->columns.first + t->columns.count <= columns);
	for (int64_t i = 0; i < t->rows.count; i++)
		for (int64_t j = 0; j < t->columns.count; j++) {
			size_t at = (size_t)((t->rows.first + i) * columns + t->columns.first + j);

			memcpy(whole + at * each, part, each);
			part += each;
			count[at]++;
		}
}

struct rank {
	struct specs specs;
	struct addresses at;
	struct weights *weights;
	struct dummy *dummy;
};

static void open_rank(struct rank *k, const struct model_config *cfg, int rank, int n_ranks,
		      const struct safetensors *files)
{
	struct shard shard;
	struct err err = {0};
	int rc;

	if (shard_init(&shard, cfg, rank, n_ranks, &err))
		fail_msg("%s", err.text);
	specs_of(&k->specs, cfg, &shard);
	k->dummy = NULL;
	if (files) {
		rc = weights_open(&k->weights, cfg, &shard, files, &err);
	} else {
		struct weight_source source;

		assert_int_equal(dummy_new(&k->dummy, false, &err), 0);
		source = dummy_source(k->dummy);
		rc = weights_new(&k->weights, cfg, &shard, &source, &err);
	}
	if (rc)
		fail_msg("%s", err.text);
	addresses_of(&k->at, &k->specs, k->weights);
}

static void close_rank(struct rank *k)
{
	weights_free(k->weights);
	dummy_free(k->dummy);
}

/* Elements that are on several ranks though the tensor is cut: blocks that straddle none. */
static void check_counts(const struct tensor_spec *t, const char *name,
			 const unsigned char *count, int n_ranks)
{
	size_t n = t->n_bytes / dtype_bytes(t->dtype), n_once = 0;
	bool is_cut = t->rows_by != SHARD_NONE || t->columns_by != SHARD_NONE;

	for (size_t i = 0; i < n; i++) {
		if (!count[i] || (!is_cut && count[i] != n_ranks))
			fail_msg("%s[%zu]: on %d of %d ranks", name, i, count[i], n_ranks);
		n_once += count[i] == 1;
	}
	if (is_cut && t->dtype != DTYPE_F8_E8M0 && t->rows_by != SHARD_GROUPS &&
	    t->columns_by != SHARD_GROUPS)
		assert_int_equal(n_once, n);
}

/* Elements of a part find their scales as those of a whole tensor do: block i / n is i's. */
static void check_blocks(struct span values, struct span scales, int64_t n)
{
	for (int64_t i = 0; i < values.count; i++)
		assert_int_equal((values.first + i) / n - scales.first, i / n);
	assert_int_equal((values.count + n - 1) / n, scales.count);
}

static void check_scales(const struct specs *s)
{
	for (size_t i = 1; i < s->n; i++) {
		const struct tensor_spec *w = &s->spec[i - 1], *scale = &s->spec[i];
		bool packed = w->dtype == DTYPE_I8; /* FP4 in pairs */

		if (scale->dtype != DTYPE_F8_E8M0)
			continue;
		check_blocks(w->rows, scale->rows, packed ? 1 : 128);
		check_blocks(w->columns, scale->columns, packed ? 16 : 128);
	}
}

/* Returns how many tensors were cut. */
static int compare(const struct model_config *cfg, const struct safetensors *files, int n_ranks)
{
	struct rank *whole = calloc(1, sizeof(*whole)), *ranks = calloc((size_t)n_ranks, sizeof(*ranks));
	int n_cut = 0;

	assert_non_null(whole);
	assert_non_null(ranks);
	open_rank(whole, cfg, 0, 1, files);
	for (int r = 0; r < n_ranks; r++)
		open_rank(&ranks[r], cfg, r, n_ranks, files);
	for (int r = 0; r < n_ranks; r++)
		check_scales(&ranks[r].specs);
	for (size_t i = 0; i < whole->specs.n; i++) {
		const struct tensor_spec *t = &whole->specs.spec[i];
		unsigned char *put = calloc(1, t->n_bytes), *count = calloc(1, t->n_bytes);

		assert_non_null(put);
		assert_non_null(count);
		for (int r = 0; r < n_ranks; r++) {
			assert_string_equal(ranks[r].specs.name[i], whole->specs.name[i]);
			assert_int_equal(ranks[r].specs.spec[i].n_bytes, t->n_bytes);
			put_part(&ranks[r].specs.spec[i], ranks[r].at.p[i], put, count);
		}
		if (memcmp(put, whole->at.p[i], t->n_bytes) != 0)
			fail_msg("%s: %d ranks: other bytes than the whole", whole->specs.name[i],
				 n_ranks);
		check_counts(t, whole->specs.name[i], count, n_ranks);
		n_cut += t->rows_by != SHARD_NONE || t->columns_by != SHARD_NONE;
		free(put);
		free(count);
	}
	for (int r = 0; r < n_ranks; r++)
		close_rank(&ranks[r]);
	close_rank(whole);
	free(ranks);
	free(whole);
	return n_cut;
}

static void the_ranks_of_a_checkpoint_together_are_the_checkpoint(void **state)
{
	struct safetensors *files;
	struct model_config cfg;
	struct err err = {0};

	(void)state;
	assert_int_equal(model_config_read(GOLDEN, &cfg, &err), 0);
	assert_int_equal(safetensors_open(&files, GOLDEN, &err), 0);
	for (int n = 1; n <= 4; n *= 2)
		/* 5 blocks of 3 + 2 + 2 tensors in attention and 11 experts of 6, head and
		 * embedding */
		assert_int_equal(compare(&cfg, files, n), 5 * (7 + 11 * 6) + 2);
	safetensors_close(files);
}

/* A published shape with as many heads, groups and columns, and little else. */
static struct model_config slim(const char *name)
{
	struct model_config cfg = published(name);

	cfg.n_layers = 2;
	cfg.compress_ratio[0] = 4;
	cfg.compress_ratio[1] = 128;
	cfg.compress_ratio[2] = cfg.compress_ratio[3] = 0;
	cfg.n_hash_layers = 1;
	cfg.dim = 128;
	cfg.q_lora_rank = 32;
	cfg.o_lora_rank = 32;
	cfg.n_experts = 2;
	cfg.vocab = 1003;
	return cfg;
}

static void the_ranks_of_random_weights_together_are_those_of_one(void **state)
{
	static const char *const shapes[] = {"flash", "pro", "pro-base"};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct model_config cfg = slim(shapes[i]);

		for (int n = 1; n <= 8; n *= 2)
			assert_true(compare(&cfg, NULL, n) > 70);
	}
}

static void more_ranks_than_output_groups_share_them(void **state)
{
	struct model_config cfg = slim("flash");

	(void)state;
	compare(&cfg, NULL, 16);
	cfg.o_groups = 2;
	cfg.moe_inter = 128;
	compare(&cfg, NULL, 4);
}

static void the_block_drafter_is_cut_by_its_vocabulary(void **state)
{
	struct model_config cfg = slim("flash");

	(void)state;
	cfg.n_draft_layers = 2;
	cfg.spark.present = true;
	cfg.spark.block_size = 5;
	cfg.spark.markov_rank = 64;
	cfg.spark.n_targets = 2;
	cfg.spark.target_layer[1] = 1;
	compare(&cfg, NULL, 8);
}

static void what_a_rank_will_hold_is_measured_before(void **state)
{
	static const char *const shapes[] = {"flash", "pro"};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct model_config cfg = published(shapes[i]);
		uint64_t whole[N_WEIGHT_KINDS], part[N_WEIGHT_KINDS];
		struct shard s = shard_whole(&cfg);
		struct err err = {0};

		assert_int_equal(weights_measure(&cfg, &s, whole, &err), 0);
		assert_int_equal(shard_init(&s, &cfg, 5, 8, &err), 0);
		assert_int_equal(weights_measure(&cfg, &s, part, &err), 0);
		assert_int_equal(part[WEIGHT_KIND_EXPERTS] * 8, whole[WEIGHT_KIND_EXPERTS]);
		assert_int_equal(part[WEIGHT_KIND_EMBED] * 8, whole[WEIGHT_KIND_EMBED]);
		assert_int_equal(part[WEIGHT_KIND_MHC], whole[WEIGHT_KIND_MHC]);
		assert_int_equal(part[WEIGHT_KIND_ROUTER], whole[WEIGHT_KIND_ROUTER]);
		assert_true(part[WEIGHT_KIND_ATTENTION] * 8 > whole[WEIGHT_KIND_ATTENTION]);
		assert_true(part[WEIGHT_KIND_ATTENTION] * 4 < whole[WEIGHT_KIND_ATTENTION]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_that_do_not_divide_are_refused_with_those_that_do),
		cmocka_unit_test(one_rank_is_the_configuration),
		cmocka_unit_test(ranks_have_equal_parts_one_after_another),
		cmocka_unit_test(a_vocabulary_that_does_not_divide_is_cut_all_the_same),
		cmocka_unit_test(the_ranks_of_a_checkpoint_together_are_the_checkpoint),
		cmocka_unit_test(the_ranks_of_random_weights_together_are_those_of_one),
		cmocka_unit_test(more_ranks_than_output_groups_share_them),
		cmocka_unit_test(the_block_drafter_is_cut_by_its_vocabulary),
		cmocka_unit_test(what_a_rank_will_hold_is_measured_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
