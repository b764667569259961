/* jansson on memory of our own, left by a jump when there is no more. */
#include "engine/base/jsontree.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (64u << 10)

struct json_block {
	struct json_block *next;
	size_t used, cap;
	alignas(max_align_t) char bytes[];
};

/* The tree that this thread is reading, and the way out of jansson. */
struct reading {
	struct json_tree *tree;
	jmp_buf no_memory;
};

static _Thread_local struct reading *reading;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *tree_malloc(struct json_tree *t, size_t n)
{
	struct json_block *b = t->blocks;
	size_t aligned = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	size_t cap = aligned < BLOCK_BYTES / 4 ? BLOCK_BYTES : aligned;
	void *p;

	if (aligned < n || cap > SIZE_MAX - sizeof(*b))
		return NULL;
	if (!b || aligned > b->cap - b->used) {
		b = malloc(sizeof(*b) + cap);
		if (!b)
			return NULL;
		b->next = t->blocks;
		b->used = 0;
		b->cap = cap;
		t->blocks = b;
	}
	p = b->bytes + b->used;
	b->used += aligned;
	return p;
}

static void *read_malloc(size_t n)
{
	void *p;

	if (!reading)
		return malloc(n);
	p = tree_malloc(reading->tree, n);
	if (!p)
		longjmp(reading->no_memory, 1);
	return p;
}

static void read_free(void *p)
{
	if (!reading)
		free(p);
}

static void install(void)
{
	json_set_alloc_funcs(read_malloc, read_free);
}

/* Sets the root; false where memory ran out.  Nothing here lives across the jump. */
static bool load(struct reading *r, struct str text, size_t flags, json_error_t *why)
{
	if (setjmp(r->no_memory))
		return false;
	r->tree->root = json_loadb(text.n ? text.p : "", text.n, flags, why);
	return true;
}

static int not_json(const json_error_t *why, struct str text, struct err *err)
{
	if (text.n && memchr(text.p, '\n', text.n))
		return err_set(err, ERR_FAILED, "line %d: %s", why->line, why->text);
	return err_set(err, ERR_FAILED, "%s", why->text);
}

int json_tree_parse(struct json_tree *t, struct str text, size_t flags, struct err *err)
{
	struct reading r = {.tree = t};
	json_error_t why;
	bool loaded;

	*t = (struct json_tree){0};
	pthread_once(&once, install);
	reading = &r;
	loaded = load(&r, text, flags, &why);
	reading = NULL;
	if (loaded && t->root)
		return 0;
	json_tree_release(t);
	return loaded ? not_json(&why, text, err) : err_nomem(err, "JSON values", text.n);
}

void json_tree_release(struct json_tree *t)
{
	struct json_block *b = t->blocks;

	while (b) {
		struct json_block *next = b->next;

		free(b);
		b = next;
	}
	*t = (struct json_tree){0};
}

struct str json_str(const json_t *v)
{
	return (struct str){json_string_value(v), json_string_length(v)};
}

const char *json_kind(const json_t *v)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "a number",
		[JSON_REAL] = "a number",    [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};

	return v ? names[json_typeof(v)] : "nothing";
}
