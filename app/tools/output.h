/*
 * What a tool puts out, cut to what the model may read: the first quarter and the end, on line
 * borders, lines clipped; all of it, clean, goes to a spill file meanwhile.
 *
 * Memory is bounded by the limit, however much comes.  One thread at a time.
 */
#ifndef APP_TOOLS_OUTPUT_H
#define APP_TOOLS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/tools/clean.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"

#define OUTPUT_BYTES       (32u << 10) /* what a result has at most, but for what says so     */
#define OUTPUT_LEAST_BYTES (2u << 10)
#define OUTPUT_CLIP_BYTES  2000u /* of a line */
#define OUTPUT_SPILL_BYTES (64u << 20)

struct output {
	struct clean clean;
	size_t limit;
	int spill;             /* borrowed; -1: there is none, or no more */
	uint64_t spilled;      /* bytes there */
	bool spill_short;      /* it could not take all */
	uint64_t raw_bytes;    /* as they came */
	uint64_t bytes, lines; /* of the text after clipping; lines: newlines */
	size_t line_bytes;     /* of the line that clipping is at */
	uint64_t left_out;     /* of it */
	bool clipped;          /* of some line */
	struct buf head;       /* the first bytes, a quarter of the limit */
	char *ring; /* the last bytes, `limit` of them: byte i of the text at i % limit */
};

/* `limit` is taken as at least OUTPUT_LEAST_BYTES.  ERR_NOMEM.  To be released either way. */
int output_init(struct output *o, size_t limit, int spill, struct err *err);
void output_release(struct output *o);

void output_feed(struct output *o, struct str raw);
void output_end(struct output *o);

/*
 * Appends what came since the text had *from bytes, at most the last `most` of it, in whole
 * characters, and sets *from to all there is.  Of a line what is whole by then.
 */
void output_add_since(const struct output *o, uint64_t *from, size_t most, struct buf *text);

/* After output_end(): is there more than output_add_text() gives? */
bool output_is_cut(const struct output *o);
/*
 * After output_end(): appends the text; `spill` is the number of the spill file that the model
 * may read the rest in, 0 where it may not.
 */
void output_add_text(const struct output *o, unsigned spill, struct buf *text);

/* What is appended next begins a line. */
void output_begin_line(struct buf *text);
/* Behind what a command printed: its signal, else its exit code, or that it printed nothing. */
void output_add_ending(int exit, int signal, struct buf *text);

#endif
