/*
 * Every code point between what may stand around it, as tests/golden/code_points.py puts and
 * hashes them: tests/golden/code_points.txt has a line for each CODE_POINTS of them.
 */
#ifndef TESTS_SUPPORT_CODE_POINTS_H
#define TESTS_SUPPORT_CODE_POINTS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"

#define CODE_POINTS 4096

/* The lines of those from `first` on, without surrogates. */
void code_points_add(struct buf *out, uint32_t first);

#define CODE_POINTS_HASH 0xcbf29ce484222325u
/* The hash of one number more. */
uint64_t code_points_hash(uint64_t hash, size_t number);

#endif
