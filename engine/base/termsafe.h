/*
 * Text from models, files and tools, made safe to show on a terminal.
 *
 * What reaches the terminal is decoded UTF-8 in which no character can move
 * the cursor, change a mode, reorder its neighbours or hide itself: controls
 * become their visible pictures, everything else of that kind U+FFFD.  What is
 * invisible and does no more than hint (soft hyphens, zero width spaces, marks of
 * byte order and direction) is left out.  Joiners, variation selectors and
 * combining marks stay, since languages and emoji need them.  Pure functions; any
 * bytes are accepted.
 */
#ifndef ENGINE_BASE_TERMSAFE_H
#define ENGINE_BASE_TERMSAFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"

/*
 * What stands for cp on a screen: cp itself, U+2400… (C0 and DEL) or U+FFFD.
 * '\n' and '\t' are themselves; the caller lays them out.
 */
uint32_t termsafe_map(uint32_t cp);

/* Nobody misses cp: termsafe_add() leaves it out. */
bool termsafe_drops(uint32_t cp);

/*
 * Appends s, invalid sequences as U+FFFD and every character mapped or dropped; a '\r' right
 * before a '\n' is dropped, too.
 */
void termsafe_add(struct buf *out, struct str s);

#define TERMSAFE_MAX 12 /* bytes that one character becomes at most */

/*
 * Takes the first character of *s, which is not empty, away from it and writes what stands for
 * it: so many bytes, 0 where it is dropped.  Without memory, in a signal handler, too.
 */
size_t termsafe_next(struct str *s, char out[TERMSAFE_MAX]);

/*
 * The same for JSON text: what acts on a terminal can stand in its strings alone and becomes
 * \uXXXX there, which reads as the same text; nothing is dropped.
 */
size_t termsafe_next_json(struct str *s, char out[TERMSAFE_MAX]);

#endif
