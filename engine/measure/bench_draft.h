/*
 * What a cycle of drafting costs here, by depth.
 */
#ifndef ENGINE_MEASURE_BENCH_DRAFT_H
#define ENGINE_MEASURE_BENCH_DRAFT_H

#include "engine/measure/bench.h"

/*
 * Appends a table: milliseconds of a cycle for each depth that the draft head has, off among
 * them, medians of cycles side by side.  What is drafted of random tokens says nothing, so that
 * tokens per second are derived, and said to be: from what is accepted of the published
 * model's drafts.
 */
int bench_draft(const struct bench_request *req, struct buf *out, struct err *err);

#endif
