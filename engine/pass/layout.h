/*
 * What a sequence's caches consist of: rings, which hold the last entries by position modulo
 * their size and exist once for each slot, and rows, which only ever grow and lie in pages.
 * Whoever allocates, copies or counts them asks here.  Pure functions; any thread.
 */
#ifndef ENGINE_PASS_LAYOUT_H
#define ENGINE_PASS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/checkpoint/config.h"

/* The rings of one layer, and its growing rows. */
enum layer_ring { RING_WINDOW, RING_COMPRESSOR, RING_INDEXER, N_LAYER_RINGS };
enum layer_rows { ROWS_KV, ROWS_INDEX, N_LAYER_ROWS };

struct ring_layout {
	size_t entry_bytes; /* 0: the layer has no such ring */
	int entries;
	int kept; /* so many of the last ones are all that matters to later positions */
};

struct rows_layout {
	size_t row_bytes; /* 0: none */
	int tokens;       /* that one row is for; divides PAGE_TOKENS */
};

struct layer_layout {
	struct ring_layout ring[N_LAYER_RINGS];
	struct rows_layout rows[N_LAYER_ROWS];
};

/* Of a layer with this ratio, its window ring of ring_rows entries (≥ window). */
struct layer_layout layout_layer(int ratio, int window, int ring_rows);

/* The ring of final streams, one for all layers. */
struct ring_layout layout_streams(int dim);

size_t layout_ring_bytes(struct ring_layout r); /* of one slot */
size_t layout_kept_bytes(struct ring_layout r); /* of what matters of it */
size_t layout_page_bytes(struct rows_layout r); /* of PAGE_TOKENS tokens */

#endif
