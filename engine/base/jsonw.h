/*
 * A JSON writer whose bytes equal Python's json.dumps(ensure_ascii=False):
 * ", " and ": ", key order as written, floats in shortest form.  The model was
 * trained on exactly these bytes, which no C library writes.
 *
 * Separators are placed by the writer.  Appends to a struct buf, whose sticky
 * failure is the only error.  Reading JSON is jansson's business.
 */
#ifndef ENGINE_BASE_JSONW_H
#define ENGINE_BASE_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct jsonw {
	struct buf *out;
	bool more; /* a value already stands at this level: a separator is due */
};

void jsonw_init(struct jsonw *w, struct buf *out);
void jsonw_begin_object(struct jsonw *w);
void jsonw_end_object(struct jsonw *w);
void jsonw_begin_array(struct jsonw *w);
void jsonw_end_array(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key);
void jsonw_key_str(struct jsonw *w, struct str key);
void jsonw_string(struct jsonw *w, struct str s); /* bytes from 0x20 on pass unchanged */
void jsonw_int(struct jsonw *w, int64_t v);
void jsonw_double(struct jsonw *w, double v); /* repr(): 1e-07, 100.0, 1e+21; NaN, Infinity */
void jsonw_bool(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
void jsonw_raw(struct jsonw *w, struct str json); /* a value that is JSON text already */

/* key + value in one, for flat objects */
void jsonw_kv_string(struct jsonw *w, const char *key, struct str s);
void jsonw_kv_int(struct jsonw *w, const char *key, int64_t v);
void jsonw_kv_double(struct jsonw *w, const char *key, double v);
void jsonw_kv_bool(struct jsonw *w, const char *key, bool v);

/* Appends s as a JSON string with its quotes. */
void json_add_quoted(struct buf *out, struct str s);

#endif
