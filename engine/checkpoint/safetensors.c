/*
 * Opening a checkpoint: its shards, mapped, found by the index; its tensors, found by name.
 */
#include "engine/checkpoint/safetensors_private.h"

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
#define SHARDS_MAX      4096

void *safetensors_room(void *array, size_t *cap, size_t n, size_t each, struct err *err)
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
	shards = safetensors_room(st->shards, &st->cap_shards, st->n_shards, sizeof(*s), err);
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
		rc = shard_file_parse(st, (int)st->n_shards - 1, err);
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

void safetensors_close(struct safetensors *st)
{
	if (!st)
		return;
	for (size_t i = 0; i < st->n_shards; i++) {
		struct shard_file *s = &st->shards[i];

		shard_file_unmap(s);
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

uint64_t safetensors_bytes(const struct safetensors *st)
{
	return st->bytes;
}
