/* What an exported message and run look like: names shared by export and import. */
#ifndef HISTORY_EXPORT_H
#define HISTORY_EXPORT_H

#include "engine/base/jsontree.h"
#include "engine/base/jsonw.h"
#include "history/tree.h"

#define EXPORT_FORMAT 1

/* The run's numbers, in the order of the file. */
struct run_number {
	const char *name;
	size_t at; /* of an int64_t in struct history_run */
	bool late; /* what was exported by an early program lacks it: 0 */
};
extern const struct run_number export_run_numbers[]; /* ends with a row without a name */

struct run_word {
	const char *name;
	size_t at; /* of a const char * */
};
extern const struct run_word export_run_words[];

struct run_real {
	const char *name;
	size_t at; /* of a double */
};
extern const struct run_real export_run_reals[];

/* Bytes that are no UTF-8 come as NAME_base64, so that nothing is lost. */
void export_bytes(struct jsonw *w, const char *name, struct str bytes);
/* The bytes of KEY or KEY_base64, in the pool; an absent one is empty.  ERR_USAGE: no base64,
 * ERR_NOMEM; neither says so. */
int import_bytes(struct pool *pool, const json_t *o, const char *key, struct str *out);
/* Is it a whole number? */
bool import_int(const json_t *o, const char *key, int64_t *out);
struct str import_str(const json_t *o, const char *key);

/*
 * What was done of the calls of an answer, as the field "tool_runs", where something was: without
 * what files held before.
 */
int export_tool_runs(struct history *h, struct jsonw *w, int64_t answer, struct err *err);
/*
 * Inside a write transaction: those of the answer that are not here.  What ran there is lost, and
 * no edit can be undone here.  ERR_USAGE with what is wrong.
 */
int import_tool_runs(struct history_tree *t, const json_t *message, int64_t answer,
		     struct err *err);
/* The same: the message tells the results of calls of the answer that it follows. */
int import_results(struct history *h, const struct history_message *m, int64_t id,
		   struct err *err);

#endif
