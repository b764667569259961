/*
 * General categories of characters in Unicode 16, the version whose classes the
 * tokenizers of the models were made with.  A system's libraries know whatever
 * version they are of, and ids would depend on it.  Constants; any thread.
 */
#ifndef ENGINE_TEXT_UNICODE_H
#define ENGINE_TEXT_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"

#define UNICODE_LAST 0x10ffffu

/* Cc in two: control characters that are white space (U+0009–000D, U+0085) stand apart, as CW.
 */
enum unicode_category {
	UNICODE_LU,
	UNICODE_LL,
	UNICODE_LT,
	UNICODE_LM,
	UNICODE_LO,
	UNICODE_MN,
	UNICODE_MC,
	UNICODE_ME,
	UNICODE_ND,
	UNICODE_NL,
	UNICODE_NO,
	UNICODE_PC,
	UNICODE_PD,
	UNICODE_PS,
	UNICODE_PE,
	UNICODE_PI,
	UNICODE_PF,
	UNICODE_PO,
	UNICODE_SM,
	UNICODE_SC,
	UNICODE_SK,
	UNICODE_SO,
	UNICODE_ZS,
	UNICODE_ZL,
	UNICODE_ZP,
	UNICODE_CC,
	UNICODE_CF,
	UNICODE_CS,
	UNICODE_CO,
	UNICODE_CN,
	UNICODE_CW,
	UNICODE_N_CATEGORIES,
};

/*
 * Runs of characters of one category, ascending, the first from U+0000, each as far as the
 * next, the last to UNICODE_LAST: first character << UNICODE_RUN_SHIFT | category.
 */
#define UNICODE_RUN_SHIFT 5
extern const uint32_t unicode_runs[];
extern const size_t unicode_n_runs;

/* Sets of categories have bit 1 << category for each. */
#define UNICODE_ALL ((uint32_t)(UINT32_C(1) << UNICODE_N_CATEGORIES) - 1)

/* The set that a property's name (L, Lu, …) stands for; 0: unknown here. */
uint32_t unicode_property(struct str name);

/* White_Space. */
uint32_t unicode_white_space(void);

#endif
