/* What the files of this room share of a sequence. */
#ifndef ENGINE_CACHE_SEQ_INTERNAL_H
#define ENGINE_CACHE_SEQ_INTERNAL_H

#include "engine/cache/seq.h"

struct seq {
	struct model *m;
	int slot;
	int64_t len;
	int64_t high; /* the longest it has been since it was empty: roll-back counts from here
		       */
};

#endif
