/*
 * One shard's header: what it says of every tensor, checked against the file's length.
 */
#include "engine/checkpoint/safetensors_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/jsontree.h"

#define HEADER_MAX     ((uint64_t)100 << 20) /* the format's own limit */
#define NAME_MAX_BYTES 512

static const struct {
	const char *name;
	size_t bytes;
} dtypes[] = {
	[DTYPE_BOOL] = {"BOOL", 1},       [DTYPE_U8] = {"U8", 1},
	[DTYPE_I8] = {"I8", 1},           [DTYPE_F8_E4M3] = {"F8_E4M3", 1},
	[DTYPE_F8_E5M2] = {"F8_E5M2", 1}, [DTYPE_F8_E8M0] = {"F8_E8M0", 1},
	[DTYPE_I16] = {"I16", 2},         [DTYPE_U16] = {"U16", 2},
	[DTYPE_F16] = {"F16", 2},         [DTYPE_BF16] = {"BF16", 2},
	[DTYPE_I32] = {"I32", 4},         [DTYPE_U32] = {"U32", 4},
	[DTYPE_F32] = {"F32", 4},         [DTYPE_I64] = {"I64", 8},
	[DTYPE_U64] = {"U64", 8},         [DTYPE_F64] = {"F64", 8},
};

#define N_DTYPES (sizeof(dtypes) / sizeof(dtypes[0]))

const char *dtype_name(enum dtype dtype)
{
	return dtypes[dtype].name;
}

size_t dtype_bytes(enum dtype dtype)
{
	return dtypes[dtype].bytes;
}

const char *shape_text(char text[100], const int64_t *shape, int n_dims)
{
	size_t n = 1;

	text[0] = '[';
	for (int i = 0; i < n_dims; i++)
		n += (size_t)snprintf(text + n, 100 - n, "%s%lld", i ? ", " : "",
				      (long long)shape[i]);
	text[n] = ']';
	text[n + 1] = '\0';
	return text;
}

struct header {
	const char *shard;
	uint64_t data_at;   /* where the data begins in the file */
	uint64_t data_size; /* how much there is                 */
	const unsigned char *map;
};

static int parse_dtype(struct tensor *t, const struct header *h, const json_t *v,
		       struct err *err)
{
	const char *name = json_string_value(v);

	for (size_t i = 0; name && i < N_DTYPES; i++) {
		if (!strcmp(name, dtypes[i].name)) {
			t->dtype = (enum dtype)i;
			return 0;
		}
	}
	return err_set(err, ERR_MODEL,
		       "%s: %.200s: dtype %.40s, expected one such as F8_E4M3 or BF16",
		       h->shard, t->name, name ? name : "missing");
}

/* Sets shape and n_bytes = element size · product of the shape, or says that it overflows. */
static int parse_shape(struct tensor *t, const struct header *h, const json_t *v,
		       struct err *err)
{
	size_t n = json_array_size(v), bytes = dtype_bytes(t->dtype);

	if (!json_is_array(v) || n > TENSOR_MAX_DIMS)
		return err_set(
			err, ERR_MODEL,
			"%s: %.200s: shape of %zu dimensions, expected an array of at most %d",
			h->shard, t->name, n, TENSOR_MAX_DIMS);
	t->n_dims = (int)n;
	for (size_t i = 0; i < n; i++) {
		const json_t *dim = json_array_get(v, i);
		json_int_t d = json_is_integer(dim) ? json_integer_value(dim) : -1;

		if (d < 0 || __builtin_mul_overflow(bytes, (size_t)d, &bytes))
			return err_set(err, ERR_MODEL,
				       "%s: %.200s: shape[%zu] is %lld, expected a size of "
				       "memory that "
				       "can exist",
				       h->shard, t->name, i, (long long)d);
		t->shape[i] = d;
	}
	t->n_bytes = bytes;
	return 0;
}

static int parse_offsets(struct tensor *t, const struct header *h, const json_t *v,
			 struct err *err)
{
	const json_t *first = json_array_get(v, 0), *last = json_array_get(v, 1);
	uint64_t begin, end;

	if (json_array_size(v) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
	    json_integer_value(first) < 0 ||
	    json_integer_value(last) < json_integer_value(first))
		return err_set(err, ERR_MODEL,
			       "%s: %.200s: data_offsets are not two ascending positions",
			       h->shard, t->name);
	begin = (uint64_t)json_integer_value(first);
	end = (uint64_t)json_integer_value(last);
	if (end > h->data_size)
		return err_set(
			err, ERR_MODEL,
			"%s: %.200s: data ends at %llu, expected at most %llu, the end of the "
			"file",
			h->shard, t->name, (unsigned long long)end,
			(unsigned long long)h->data_size);
	if (end - begin != t->n_bytes)
		return err_set(
			err, ERR_MODEL,
			"%s: %.200s: %llu bytes of data, expected %zu from dtype and shape",
			h->shard, t->name, (unsigned long long)(end - begin), t->n_bytes);
	t->at = h->data_at + begin;
	t->data = h->map + t->at;
	if ((uintptr_t)t->data % dtype_bytes(t->dtype))
		return err_set(
			err, ERR_MODEL,
			"%s: %.200s: data at byte %llu of the file, expected a multiple of %zu",
			h->shard, t->name, (unsigned long long)(h->data_at + begin),
			dtype_bytes(t->dtype));
	return 0;
}

static int parse_tensor(struct tensor *t, const struct header *h, const json_t *v,
			struct err *err)
{
	int rc;

	if (!json_is_object(v))
		return err_set(err, ERR_MODEL,
			       "%s: %.200s: not an object of dtype, shape, offsets", h->shard,
			       t->name);
	rc = parse_dtype(t, h, json_object_get(v, "dtype"), err);
	if (!rc)
		rc = parse_shape(t, h, json_object_get(v, "shape"), err);
	if (!rc)
		rc = parse_offsets(t, h, json_object_get(v, "data_offsets"), err);
	return rc;
}

static int by_data(const void *a, const void *b)
{
	const struct tensor *x = a, *y = b;
	uintptr_t p = (uintptr_t)x->data, q = (uintptr_t)y->data;

	if (p != q)
		return p < q ? -1 : 1;
	return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes); /* empty ones first */
}

/* The format has neither overlaps nor gaps; either would mean that some offset is wrong. */
static int check_layout(const struct header *h, const struct tensor *t, size_t n,
			struct err *err)
{
	const unsigned char *at = h->map + h->data_at;
	uint64_t left;

	for (size_t i = 0; i < n; i++) {
		const unsigned char *data = t[i].data;

		if (data < at)
			return err_set(err, ERR_MODEL,
				       "%s: %.150s: overlaps %.150s, expected it to "
				       "begin where that ends",
				       h->shard, t[i].name, t[i - 1].name);
		if (data > at)
			return err_set(
				err, ERR_MODEL,
				"%s: %.200s: begins %zu bytes after the end of what stands "
				"before it, expected no gap",
				h->shard, t[i].name, (size_t)(data - at));
		at = data + t[i].n_bytes;
	}
	left = h->data_size - (uint64_t)(at - (h->map + h->data_at));
	if (left)
		return err_set(
			err, ERR_MODEL,
			"%s: %llu bytes after the last tensor, expected the end of the file",
			h->shard, (unsigned long long)left);
	return 0;
}

static int add_tensors(struct safetensors *st, int shard, const struct header *h, json_t *root,
		       struct err *err)
{
	size_t first = st->n_tensors, n;
	struct tensor *tensors, *t;
	const char *name;
	json_t *v;
	int rc;

	json_object_foreach (root, name, v) {
		if (!strcmp(name, "__metadata__"))
			continue;
		if (strlen(name) > NAME_MAX_BYTES || !*name)
			return err_set(err, ERR_MODEL,
				       "%s: a tensor name of %zu bytes, expected 1 to %d",
				       h->shard, strlen(name), NAME_MAX_BYTES);
		tensors = safetensors_room(st->tensors, &st->cap_tensors, st->n_tensors, sizeof(*t),
				       err);
		if (!tensors)
			return ERR_NOMEM;
		st->tensors = tensors;
		t = &tensors[st->n_tensors];
		*t = (struct tensor){.name = strdup(name), .shard = shard};
		if (!t->name)
			return err_nomem(err, "tensor name", strlen(name));
		st->n_tensors++;
		rc = parse_tensor(t, h, v, err);
		if (rc)
			return rc;
		st->bytes += t->n_bytes;
	}
	n = st->n_tensors - first;
	tensors = n ? st->tensors + first : NULL;
	if (n)
		qsort(tensors, n, sizeof(*tensors), by_data);
	return check_layout(h, tensors, n, err);
}

int shard_file_parse(struct safetensors *st, int shard, struct err *err)
{
	const struct shard_file *s = &st->shards[shard];
	struct header h = {.shard = s->name, .map = s->map};
	struct json_tree tree;
	struct err why;
	uint64_t n = 0;
	int rc;

	BUG_ON(!s->map || s->size < sizeof(n));
	/* Little-endian, as every target of this program is. */
	memcpy(&n, s->map, sizeof(n));
	if (n > HEADER_MAX || n > s->size - sizeof(n))
		return err_set(
			err, ERR_MODEL,
			"%s: header of %llu bytes, expected at most %llu in a file of %zu",
			s->name, (unsigned long long)n,
			(unsigned long long)(HEADER_MAX < s->size - sizeof(n)
						     ? HEADER_MAX
						     : s->size - sizeof(n)),
			s->size);
	h.data_at = sizeof(n) + n;
	h.data_size = s->size - h.data_at;
	rc = json_tree_parse(&tree, (struct str){(const char *)s->map + sizeof(n), (size_t)n},
			     JSON_REJECT_DUPLICATES, &why);
	if (rc == ERR_FAILED)
		return err_set(err, ERR_MODEL, "%s: header: %s, expected a JSON object",
			       s->name, why.text);
	if (rc)
		return err_set(err, rc, "%s: header: %s", s->name, why.text);
	if (json_is_object(tree.root))
		rc = add_tensors(st, shard, &h, tree.root, err);
	else
		rc = err_set(err, ERR_MODEL, "%s: header is not a JSON object", s->name);
	json_tree_release(&tree);
	return rc;
}
