/* bench --draft on a checkpoint that can be asked: what drafting brings to real answers. */
#ifndef APP_VERB_BENCH_DRAFT_H
#define APP_VERB_BENCH_DRAFT_H

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct engine_config;

/*
 * Appends a table: the same answers with every way of drafting, side by side: tokens per
 * second, tokens a step, how many drafts are accepted at each place.  A checkpoint without a
 * tokenizer takes no question; the report then says so.
 */
int verb_bench_draft(const struct engine_config *config, struct buf *out, struct err *err);

#endif
