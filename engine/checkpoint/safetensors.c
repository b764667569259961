#include "engine/checkpoint/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "engine/base/file.h"
#include "engine/base/jsontree.h"
#include "engine/base/mapped.h"

#define INDEX_NAME      "model.safetensors.index.json"
#define SINGLE_NAME     "model.safetensors"
#define INDEX_MAX_BYTES ((size_t)256 << 20)
#define HEADER_MAX      ((uint64_t)100 << 20) /* the format's own limit */
#define NAME_MAX_BYTES  512
#define SHARDS_MAX      4096

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

struct shard_file {
	char *name; /* inside the directory; for messages and the index */
	char *path;
	int fd;
	void *map;
	size_t size;
	int mapped; /* handle of engine/base/mapped.h */
};

struct safetensors {
	struct shard_file *shards;
	size_t n_shards, cap_shards;
	struct tensor *tensors;
	size_t n_tensors, cap_tensors;
	uint32_t *slots; /* open addressing; 1 + index of a tensor, 0 = free */
	size_t n_slots;  /* a power of two */
	uint64_t bytes;
};

/*
 * Room for one more than the n elements of `each` bytes that `array` has: the array, moved
 * perhaps; or NULL (out of memory), and the old one stays as it was.
 */
static void *room_for_one(void *array, size_t *cap, size_t n, size_t each, struct err *err)
{
	size_t want = *cap ? *cap * 2 : 64;
	void *bigger;

	if (array && n < *cap)
		return array;
	bigger = reallocarray(array, want, each);
	if (bigger)
		*cap = want;
	else
		err_nomem(err, "table of tensors", want * each);
	return bigger;
}

static int join(char **out, const char *dir, const char *name, struct err *err)
{
	size_t n = strlen(dir) + strlen(name) + 2;

	*out = malloc(n);
	if (!*out)
		return err_nomem(err, "path", n);
	snprintf(*out, n, "%s/%s", dir, name);
	return 0;
}

/* ------------------------------------------------------------- one shard's header */

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
	size_t first = st->n_tensors;
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
		tensors = room_for_one(st->tensors, &st->cap_tensors, st->n_tensors, sizeof(*t),
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
	tensors = st->n_tensors > first ? st->tensors + first : NULL;
	if (tensors)
		qsort(tensors, st->n_tensors - first, sizeof(*tensors), by_data);
	return check_layout(h, tensors, st->n_tensors - first, err);
}

static int parse_header(struct safetensors *st, int shard, struct err *err)
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

/* ---------------------------------------------------------------- files */

static int map_shard(struct shard_file *s, struct err *err)
{
	s->fd = file_open_regular(s->path, &s->size, err);
	if (s->fd < 0)
		return s->fd;
	if (s->size < sizeof(uint64_t))
		return err_set(err, ERR_MODEL, "%s: %zu bytes, expected at least 8", s->name,
			       s->size);
	s->map = mmap(NULL, s->size, PROT_READ, MAP_SHARED, s->fd, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return err_errno(err, s->path, "cannot map");
	}
	s->mapped = mapped_add(s->map, s->size, s->path);
	return 0;
}

/* Takes `path`. */
static int add_shard(struct safetensors *st, const char *name, char *path, struct err *err)
{
	struct shard_file *shards, *s;
	int rc;

	if (st->n_shards >= SHARDS_MAX) {
		free(path);
		return err_set(err, ERR_MODEL, "%s: more than %d shards", INDEX_NAME,
			       SHARDS_MAX);
	}
	shards = room_for_one(st->shards, &st->cap_shards, st->n_shards, sizeof(*s), err);
	if (!shards) {
		free(path);
		return ERR_NOMEM;
	}
	st->shards = shards;
	s = &shards[st->n_shards++];
	*s = (struct shard_file){.name = strdup(name), .path = path, .fd = -1, .mapped = -1};
	if (!s->name)
		return err_nomem(err, "shard name", strlen(name));
	rc = map_shard(s, err);
	if (!rc)
		rc = parse_header(st, (int)st->n_shards - 1, err);
	return rc;
}

static size_t slot_of(const struct safetensors *st, const char *name)
{
	size_t i = (size_t)XXH3_64bits(name, strlen(name)) & (st->n_slots - 1);

	while (st->slots[i] && strcmp(st->tensors[st->slots[i] - 1].name, name) != 0)
		i = (i + 1) & (st->n_slots - 1);
	return i;
}

static int build_names(struct safetensors *st, struct err *err)
{
	st->n_slots = 16;
	while (st->n_slots < st->n_tensors * 2)
		st->n_slots *= 2;
	st->slots = calloc(st->n_slots, sizeof(*st->slots));
	if (!st->slots)
		return err_nomem(err, "table of names", st->n_slots * sizeof(*st->slots));
	for (size_t i = 0; i < st->n_tensors; i++) {
		const struct tensor *t = &st->tensors[i];
		size_t at = slot_of(st, t->name);

		if (st->slots[at])
			return err_set(err, ERR_MODEL,
				       "%s: %.200s: stands in %s too, expected every name once",
				       st->shards[t->shard].name, t->name,
				       st->shards[st->tensors[st->slots[at] - 1].shard].name);
		st->slots[at] = (uint32_t)(i + 1);
	}
	return 0;
}

const struct tensor *safetensors_find(const struct safetensors *st, const char *name)
{
	uint32_t i = st->slots[slot_of(st, name)];

	return i ? &st->tensors[i - 1] : NULL;
}

/* ---------------------------------------------------------------- the index */

static bool plain_name(const char *name)
{
	return name && *name && *name != '.' && !strchr(name, '/') && strlen(name) < 200;
}

static int find_shard(const struct safetensors *st, const char *name)
{
	for (size_t i = 0; i < st->n_shards; i++)
		if (!strcmp(st->shards[i].name, name))
			return (int)i;
	return -1;
}

static int add_indexed_shards(struct safetensors *st, const char *dir, json_t *map,
			      struct err *err)
{
	const char *last = "", *tensor;
	json_t *v;

	json_object_foreach (map, tensor, v) {
		const char *name = json_string_value(v);
		char *path = NULL;
		int rc;

		if (!plain_name(name))
			return err_set(
				err, ERR_MODEL,
				"%s: %.200s: shard %.100s, expected the plain name of a file "
				"beside the index",
				INDEX_NAME, tensor, name ? name : "that is not a string");
		if (!strcmp(name, last) || find_shard(st, name) >= 0)
			continue;
		rc = join(&path, dir, name, err);
		if (!rc)
			rc = add_shard(st, name, path, err);
		if (rc)
			return rc;
		last = name;
	}
	return 0;
}

/* Every tensor stands where the index says, and the index knows every tensor. */
static int check_index(const struct safetensors *st, json_t *map, struct err *err)
{
	const char *name;
	json_t *v;

	json_object_foreach (map, name, v) {
		const struct tensor *t = safetensors_find(st, name);

		if (!t || strcmp(st->shards[t->shard].name, json_string_value(v)) != 0)
			return err_set(err, ERR_MODEL,
				       "%s: %.200s: not in %.100s, expected there by the index",
				       INDEX_NAME, name, json_string_value(v));
	}
	for (size_t i = 0; i < st->n_tensors; i++)
		if (!json_object_get(map, st->tensors[i].name))
			return err_set(err, ERR_MODEL,
				       "%s: %.200s: found in the file, not in %s",
				       st->shards[st->tensors[i].shard].name,
				       st->tensors[i].name, INDEX_NAME);
	return 0;
}

static int open_indexed(struct safetensors *st, const char *dir, const char *index,
			struct err *err)
{
	struct buf text = {0};
	struct json_tree tree = {0};
	struct err why;
	json_t *map;
	int rc;

	rc = file_read(&text, index, INDEX_MAX_BYTES, err);
	if (rc)
		goto done;
	rc = json_tree_parse(&tree, buf_str(&text), JSON_REJECT_DUPLICATES, &why);
	buf_release(&text);
	if (rc) {
		rc = rc == ERR_FAILED
			     ? err_set(err, ERR_MODEL, "%s: %s, expected a JSON object",
				       INDEX_NAME, why.text)
			     : err_set(err, rc, "%s: %s", INDEX_NAME, why.text);
		goto done;
	}
	map = json_object_get(tree.root, "weight_map");
	if (!json_is_object(map)) {
		rc = err_set(err, ERR_MODEL, "%s: weight_map: not found, expected an object",
			     INDEX_NAME);
		goto done;
	}
	rc = add_indexed_shards(st, dir, map, err);
	if (!rc)
		rc = build_names(st, err);
	if (!rc)
		rc = check_index(st, map, err);
done:
	json_tree_release(&tree);
	buf_release(&text);
	return rc;
}

/* *is: something of that name is there.  Not being allowed to know is an error. */
static int is_there(const char *path, bool *is, struct err *err)
{
	*is = !access(path, F_OK);
	return *is || errno == ENOENT ? 0 : err_errno(err, path, "cannot open");
}

static int open_dir(struct safetensors *st, const char *dir, struct err *err)
{
	bool has_index = false, has_single = false;
	char *index = NULL, *single = NULL;
	int rc = join(&index, dir, INDEX_NAME, err);

	if (!rc)
		rc = join(&single, dir, SINGLE_NAME, err);
	if (!rc)
		rc = is_there(index, &has_index, err);
	if (!rc && !has_index)
		rc = is_there(single, &has_single, err);
	if (rc)
		goto done;
	if (has_index) {
		rc = open_indexed(st, dir, index, err);
	} else if (has_single) {
		rc = add_shard(st, SINGLE_NAME, single, err);
		single = NULL;
		if (!rc)
			rc = build_names(st, err);
	} else {
		rc = err_set(err, ERR_MODEL, "%.300s: found neither %s nor %s", dir, INDEX_NAME,
			     SINGLE_NAME);
	}
done:
	free(index);
	free(single);
	return rc;
}

/* A file that cannot be read is a broken model to whoever opens a checkpoint. */
static int finish_open(struct safetensors **out, struct safetensors *st, int rc,
		       struct err *err)
{
	if (!rc) {
		*out = st;
		return 0;
	}
	safetensors_close(st);
	if (rc == ERR_IO) {
		rc = ERR_MODEL;
		if (err)
			err->code = rc;
	}
	return rc;
}

int safetensors_open(struct safetensors **out, const char *dir, struct err *err)
{
	struct safetensors *st = calloc(1, sizeof(*st));

	*out = NULL;
	if (!st)
		return err_nomem(err, "checkpoint", sizeof(*st));
	return finish_open(out, st, open_dir(st, dir, err), err);
}

int safetensors_open_file(struct safetensors **out, const char *path, struct err *err)
{
	struct safetensors *st = calloc(1, sizeof(*st));
	const char *slash = strrchr(path, '/');
	char *copy = strdup(path);
	int rc;

	*out = NULL;
	if (!st || !copy) {
		free(st);
		free(copy);
		return err_nomem(err, "checkpoint", sizeof(*st));
	}
	rc = add_shard(st, slash ? slash + 1 : path, copy, err);
	if (!rc)
		rc = build_names(st, err);
	return finish_open(out, st, rc, err);
}

static void unmap(struct shard_file *s)
{
	mapped_remove(s->mapped);
	s->mapped = -1;
	if (s->map)
		munmap(s->map, s->size);
	s->map = NULL;
}

void safetensors_unmap(struct safetensors *st)
{
	for (size_t i = 0; i < st->n_shards; i++)
		unmap(&st->shards[i]);
	for (size_t i = 0; i < st->n_tensors; i++)
		st->tensors[i].data = NULL;
}

void safetensors_close(struct safetensors *st)
{
	if (!st)
		return;
	for (size_t i = 0; i < st->n_shards; i++) {
		struct shard_file *s = &st->shards[i];

		unmap(s);
		if (s->fd >= 0)
			close(s->fd);
		free(s->name);
		free(s->path);
	}
	for (size_t i = 0; i < st->n_tensors; i++)
		free((char *)st->tensors[i].name);
	free(st->shards);
	free(st->tensors);
	free(st->slots);
	free(st);
}

size_t safetensors_count(const struct safetensors *st)
{
	return st->n_tensors;
}

const struct tensor *safetensors_at(const struct safetensors *st, size_t i)
{
	return &st->tensors[i];
}

size_t safetensors_n_shards(const struct safetensors *st)
{
	return st->n_shards;
}

const char *safetensors_shard_name(const struct safetensors *st, int shard)
{
	return st->shards[shard].name;
}

uint64_t safetensors_shard_bytes(const struct safetensors *st, int shard)
{
	return st->shards[shard].size;
}

int safetensors_read(const struct safetensors *st, int shard, uint64_t at, void *out, size_t n,
		     struct err *err)
{
	const struct shard_file *s = &st->shards[shard];
	unsigned char *to = out;

	while (n) {
		ssize_t got = pread(s->fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, s->path, "cannot read");
		if (!got)
			return err_set(err, ERR_MODEL,
				       "%s: ends at byte %llu, expected %zu as when it was opened",
				       s->name, (unsigned long long)at, s->size);
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

uint64_t safetensors_bytes(const struct safetensors *st)
{
	return st->bytes;
}

int safetensors_check(const struct safetensors *st, struct err *err)
{
	for (size_t i = 0; i < st->n_shards; i++) {
		const struct shard_file *s = &st->shards[i];
		struct stat now;

		if (!s->map)
			continue;
		if (fstat(s->fd, &now) < 0)
			return err_errno(err, s->path, "cannot stat");
		if (now.st_size < 0 || (uint64_t)now.st_size < s->size)
			return err_set(err, ERR_MODEL,
				       "%s: %lld bytes now, expected %zu as when it was opened",
				       s->name, (long long)now.st_size, s->size);
	}
	return 0;
}

#define LOAD_STEP ((size_t)32 << 20)

/* MADV_POPULATE_READ reports what a plain touch would raise; kernels before 5.14 lack it. */
static int populate(const struct shard_file *s, size_t at, size_t n, struct err *err)
{
	char *from = (char *)s->map + at;

	while (madvise(from, n, MADV_POPULATE_READ) < 0) {
		if (errno == EINTR || errno == EAGAIN)
			continue;
		if (errno == EINVAL || errno == ENOSYS) {
			(void)madvise(from, n, MADV_WILLNEED);
			return 0;
		}
		return err_set(err, ERR_MODEL, "%s: cannot read bytes %zu to %zu: %s", s->name,
			       at, at + n,
			       errno == EFAULT ? "not there any more" : strerror(errno));
	}
	return 0;
}

int safetensors_touch(const struct safetensors *st, const void *data, size_t n, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < st->n_shards; i++) {
		const struct shard_file *s = &st->shards[i];
		size_t at = (size_t)((uintptr_t)data - (uintptr_t)s->map);

		/* below the mapping `at` has wrapped round, beyond every size */
		if (!s->map || at >= s->size || n > s->size - at)
			continue;
		return populate(s, at - at % page, n + at % page, err);
	}
	return 0;
}

int safetensors_load(const struct safetensors *st,
		     int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
		     struct err *err)
{
	uint64_t done = 0, all = 0;
	int rc = safetensors_check(st, err);

	for (size_t i = 0; i < st->n_shards; i++)
		all += st->shards[i].size;
	for (size_t i = 0; i < st->n_shards && !rc; i++) {
		const struct shard_file *s = &st->shards[i];

		for (size_t at = 0; at < s->size && !rc; at += LOAD_STEP) {
			size_t n = s->size - at < LOAD_STEP ? s->size - at : LOAD_STEP;

			rc = populate(s, at, n, err);
			done += n;
			if (!rc && progress && progress(ctx, done, all))
				rc = err_set(err, ERR_CANCELLED, "loading was interrupted");
		}
	}
	return rc;
}
