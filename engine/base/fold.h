/*
 * When two texts are the same to one who searches: whatever their case, width and accents, and
 * whether accented letters are one character or two.  The search of the history, that on the
 * screen and what is typed to filter a list all ask here.
 *
 * Pure functions over borrowed bytes.
 */
#ifndef ENGINE_BASE_FOLD_H
#define ENGINE_BASE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"

#define FOLD_MAX 32 /* characters that one character is compared as */

/* What a character that fold_char() gave is to words. */
enum fold_sign {
	FOLD_BREAK,   /* between words */
	FOLD_NOTHING, /* as if it were not there: accents, joiners */
	FOLD_ON,      /* goes on with what is open, begins nothing */
	FOLD_WORD,    /* of a word */
	FOLD_ALONE,   /* a word by itself, as in scripts without spaces */
};

/* The characters that cp is compared as: in pieces, small; what is FOLD_NOTHING still there. */
size_t fold_char(uint32_t cp, uint32_t out[FOLD_MAX]);
enum fold_sign fold_sign(uint32_t cp);

bool fold_is_hangul_letter(uint32_t cp);
/* Vowels and finals go on with the syllable that a leading consonant began. */
bool fold_is_hangul_rest(uint32_t cp);

/* Appends the text as it is compared, without what is FOLD_NOTHING; no UTF-8 becomes U+FFFD. */
void fold_add(struct buf *out, struct str text);
/* The first place of folded `hay` where folded `needle` stands as whole characters; or NULL. */
const char *fold_find(struct str hay, struct str needle);
/* Does every word of what was typed, cut at blanks, stand somewhere in the text?  Neither is
 * folded yet. */
bool fold_has_words(struct str text, struct str typed);

#endif
