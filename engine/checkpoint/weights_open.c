/*
 * The weights of an opened checkpoint: what is missing, what does not fit, what
 * is too many; then a rank's part of each.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "engine/checkpoint/weights.h"

#define MISSING_NAMED 4   /* in the message; the log has the rest */
#define LOGGED_MAX    200 /* of each kind */

struct opening {
	const struct safetensors *st;
	bool *used; /* [safetensors_count] */
	size_t n_used, n_missing;
	struct buf missing; /* the first names */
	struct hostmem copies;
};

static int mismatch(const struct safetensors *st, const struct tensor *t,
		    const struct tensor_spec *spec, struct err *err)
{
	const char *shard = safetensors_shard_name(st, t->shard);
	char found[100], expected[100];

	if (t->dtype != spec->dtype)
		return err_set(err, ERR_MODEL, "%s: %s: dtype %s, expected %s", shard, t->name,
			       dtype_name(t->dtype), dtype_name(spec->dtype));
	if (t->n_dims != spec->n_dims ||
	    memcmp(t->shape, spec->shape, (size_t)t->n_dims * sizeof(t->shape[0])) != 0)
		return err_set(err, ERR_MODEL, "%s: %s: shape %s, expected %s", shard, t->name,
			       shape_text(found, t->shape, t->n_dims),
			       shape_text(expected, spec->shape, spec->n_dims));
	return 0;
}

/* Checks a tensor, and leaves its data alone. */
static int check(void *ctx, const struct tensor_spec *spec, const void **data, struct err *err)
{
	struct opening *o = ctx;
	const struct tensor *t = safetensors_find(o->st, spec->name);
	int rc;

	*data = NULL;
	if (!t) {
		if (o->n_missing++ < MISSING_NAMED)
			buf_addf(&o->missing, "%s%s", o->missing.len ? ", " : "", spec->name);
		if (o->n_missing <= LOGGED_MAX)
			log_add(LOG_ERROR, "checkpoint: missing %s", spec->name);
		return 0;
	}
	rc = mismatch(o->st, t, spec, err);
	if (rc)
		return rc;
	o->used[t - safetensors_at(o->st, 0)] = true;
	o->n_used++;
	return 0;
}

/* The part of a tensor that check() has seen. */
static int get(void *ctx, const struct tensor_spec *spec, const void **data, struct err *err)
{
	struct opening *o = ctx;
	const unsigned char *whole = safetensors_find(o->st, spec->name)->data;
	size_t at = spec_offset(spec);
	void *part;
	int rc;

	if (at != SIZE_MAX) {
		*data = whole + at;
		return 0;
	}
	rc = hostmem_take(&o->copies, spec->part_bytes, spec->name, &part, err);
	if (!rc)
		spec_copy(spec, whole, part);
	*data = part;
	return rc;
}

static int check_missing(const struct opening *o, struct err *err)
{
	if (!o->n_missing)
		return 0;
	if (o->n_missing <= MISSING_NAMED)
		return err_set(err, ERR_MODEL, "checkpoint: missing %s", buf_z(&o->missing));
	return err_set(err, ERR_MODEL, "checkpoint: missing %s and %zu more tensors",
		       buf_z(&o->missing), o->n_missing - MISSING_NAMED);
}

/* The draft layer that a tensor is of, the rest of its name in *rest; -1: of none. */
static int draft_layer_of(const char *name, const char **rest)
{
	char *end;
	long n;

	if (strncmp(name, "mtp.", 4) != 0 || name[4] < '0' || name[4] > '9')
		return -1;
	n = strtol(name + 4, &end, 10);
	*rest = end + 1;
	return *end == '.' && n < CONFIG_MAX_LAYERS ? (int)n : CONFIG_MAX_LAYERS;
}

/* What only stages of a block drafter have. */
static bool is_stage_own(const char *rest)
{
	static const char *const own[] = {"main_proj.", "main_norm.", "markov_head.",
					  "confidence_head."};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strncmp(rest, own[i], strlen(own[i])) == 0)
			return true;
	return false;
}

/*
 * Whether the draft head is the one that the configuration tells of, whole: a checkpoint must
 * not run with another, or with a part of one, or silently without it.  A one-token head that
 * the configuration has none of is only left over.
 */
static int check_draft_layers(const struct opening *o, const struct model_config *cfg,
			      struct err *err)
{
	bool there[CONFIG_MAX_DRAFT] = {false};

	for (size_t i = 0; i < safetensors_count(o->st); i++) {
		const struct tensor *t = safetensors_at(o->st, i);
		const char *shard = safetensors_shard_name(o->st, t->shard), *rest;
		int n = draft_layer_of(t->name, &rest);

		if (n < 0)
			continue;
		if (!cfg->spark.present && is_stage_own(rest))
			return err_set(err, ERR_MODEL,
				       "%s: %s: of a block drafter, expected its dspark_* keys in "
				       "config.json",
				       shard, t->name);
		if (cfg->n_draft_layers && n >= cfg->n_draft_layers)
			return err_set(err, ERR_MODEL,
				       "%s: %s: a draft layer too many, expected %d, as "
				       "compress_ratios in config.json has them",
				       shard, t->name, cfg->n_draft_layers);
		if (n < CONFIG_MAX_DRAFT)
			there[n] = true;
	}
	for (int n = 0; n < cfg->n_draft_layers; n++)
		if (!there[n])
			return err_set(err, ERR_MODEL,
				       "checkpoint: no mtp.%d.*, expected %d draft layers, as "
				       "compress_ratios in config.json has them",
				       n, cfg->n_draft_layers);
	return 0;
}

static void log_extra(const struct opening *o)
{
	size_t n = safetensors_count(o->st), n_logged = 0;

	for (size_t i = 0; i < n && n_logged < LOGGED_MAX; i++) {
		const struct tensor *t = safetensors_at(o->st, i);

		if (o->used[i])
			continue;
		log_add(LOG_WARN, "%s: %s: not used by this model",
			safetensors_shard_name(o->st, t->shard), t->name);
		n_logged++;
	}
	if (n > o->n_used)
		log_add(LOG_WARN, "checkpoint: %zu tensors not used by this model", n - o->n_used);
}

/* The routing operation indexes experts with these, unchecked. */
static int check_hash_tables(const struct weights *w, const struct model_config *cfg,
			     struct err *err)
{
	size_t n = (size_t)cfg->vocab * (size_t)cfg->n_experts_used;

	for (int i = 0; i < w->n_layers; i++) {
		const int64_t *table = (const int64_t *)(const void *)w->layers[i].tid2eid;

		for (size_t j = 0; table && j < n; j++)
			if (table[j] < 0 || table[j] >= cfg->n_experts)
				return err_set(err, ERR_MODEL,
					       "checkpoint: layers.%d.ffn.gate.tid2eid[%zu, %zu]: "
					       "found %" PRId64 ", expected an expert below %d",
					       i, j / (size_t)cfg->n_experts_used,
					       j % (size_t)cfg->n_experts_used, table[j],
					       cfg->n_experts);
	}
	return 0;
}

static int check_all(struct opening *o, const struct model_config *cfg, struct err *err)
{
	struct weight_source source = {.get = check, .ctx = o};
	struct shard whole = shard_whole(cfg);
	struct weights *w;
	int rc = check_draft_layers(o, cfg, err);

	if (rc)
		return rc;
	rc = weights_new(&w, cfg, &whole, &source, err);
	if (!rc)
		rc = check_missing(o, err);
	weights_free(w);
	return rc;
}

static int take_all(struct weights **out, struct opening *o, const struct model_config *cfg,
		    const struct shard *shard, struct err *err)
{
	struct weight_source source = {.get = get, .ctx = o};
	int rc = weights_new(out, cfg, shard, &source, err);

	if (rc)
		return rc;
	(*out)->copies = o->copies;
	o->copies = (struct hostmem){0};
	return check_hash_tables(*out, cfg, err);
}

static int begin(struct opening *o, const struct safetensors *st, struct err *err)
{
	size_t n = safetensors_count(st);

	*o = (struct opening){.st = st, .used = calloc(n + 1, sizeof(bool))};
	return o->used ? 0 : err_nomem(err, "table of tensors", n);
}

static void end(struct opening *o)
{
	hostmem_release(&o->copies);
	free(o->used);
	buf_release(&o->missing);
}

int weights_check(const struct model_config *cfg, const struct safetensors *st, size_t *n_extra,
		  struct err *err)
{
	struct opening o;
	int rc = begin(&o, st, err);

	if (!rc)
		rc = check_all(&o, cfg, err);
	*n_extra = safetensors_count(st) - o.n_used;
	end(&o);
	return rc;
}

int weights_open(struct weights **out, const struct model_config *cfg,
		 const struct shard *shard, const struct safetensors *st, struct err *err)
{
	struct opening o;
	struct weights *w = NULL;
	int rc = begin(&o, st, err);

	*out = NULL;
	if (!rc)
		rc = check_all(&o, cfg, err);
	if (!rc)
		rc = take_all(&w, &o, cfg, shard, err);
	if (!rc) {
		log_extra(&o);
		w->n_extra = safetensors_count(st) - o.n_used;
		*out = w;
		w = NULL;
	}
	weights_free(w);
	end(&o);
	return rc;
}
