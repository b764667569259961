/*
 * What reads a script's lines: fields of JSON objects, each with its bounds.  Where a field is
 * not as expected the functions return ERR_USAGE, and the reader's error names line and field.
 */
#ifndef ENGINE_SCRIPTED_SCRIPT_FIELDS_H
#define ENGINE_SCRIPTED_SCRIPT_FIELDS_H

#include "engine/base/jsontree.h"
#include "engine/scripted/script.h"

#define SCRIPT_MAX_MS    3600000
#define SCRIPT_MAX_COUNT 1000000000

struct script_reader {
	struct script *s;
	struct err *err;
	int line;
	bool in_turn; /* the last turn is open */
};

/* A table of names ends with one that is NULL. */
struct script_name {
	const char *name;
	int value;
};

__attribute__((format(printf, 2, 3))) int script_bad(struct script_reader *r, const char *fmt,
						     ...);

/* Without such a key *out stays what it is. */
int script_get_int(struct script_reader *r, const json_t *o, const char *key, int64_t lo,
		   int64_t hi, int64_t *out);
int script_get_small(struct script_reader *r, const json_t *o, const char *key, int lo, int hi,
		     int *out);
int script_get_bool(struct script_reader *r, const json_t *o, const char *key, bool *out);
/* *has, unless NULL: whether there is such a key. */
int script_get_text(struct script_reader *r, const json_t *o, const char *key, struct buf *out,
		    bool *has);

/* The value itself, which is there. */
int script_take_text(struct script_reader *r, const json_t *v, const char *key,
		     struct buf *out);
int script_get_name(struct script_reader *r, const json_t *v, const char *key,
		    const struct script_name *table, int *out);

/* Every key of `o` must be one of the space-separated `known`. */
int script_check_keys(struct script_reader *r, json_t *o, const char *what, const char *known);

#endif
