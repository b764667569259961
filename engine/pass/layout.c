/* The sizes of rings and rows, layer by layer. */
#include "engine/pass/layout.h"

#include "engine/pass/model.h"
#include "kernels/ops.h"

/* Of ratio 4: the block before the unfinished one, and up to three tokens of that. */
#define KEPT_OF_RATIO_4 7
/* Of ratio 128: its running state holds the block. */
#define KEPT_OF_RATIO_128 1
/* The draft head reads the streams of the position before. */
#define KEPT_STREAMS 1

_Static_assert(SEQ_MAX_ROLLBACK + KEPT_OF_RATIO_4 <= COMPRESS_RING, "a roll-back finds its block");
_Static_assert(SEQ_MAX_ROLLBACK + KEPT_STREAMS <= STREAM_RING, "a roll-back finds its streams");

struct layer_layout layout_layer(int ratio, int window, int ring_rows)
{
	/* see compress_args: a and z in two halves each, or maximum, sum and weighted sum */
	const size_t halves = (size_t)2 * 2 * sizeof(float), state = 3 * sizeof(float);
	struct layer_layout l = {.ring[RING_WINDOW] = {KV_ROW_BYTES, ring_rows, window}};

	if (ratio == 4) {
		l.ring[RING_COMPRESSOR] =
			(struct ring_layout){halves * HEAD_DIM, COMPRESS_RING, KEPT_OF_RATIO_4};
		l.ring[RING_INDEXER] = (struct ring_layout){halves * INDEX_DIM, COMPRESS_RING,
							    KEPT_OF_RATIO_4};
		l.rows[ROWS_KV] = (struct rows_layout){KV_ROW_BYTES, 4};
		l.rows[ROWS_INDEX] = (struct rows_layout){INDEX_ROW_BYTES, 4};
	} else if (ratio == 128) {
		l.ring[RING_COMPRESSOR] = (struct ring_layout){state * HEAD_DIM, COMPRESS_RING,
							       KEPT_OF_RATIO_128};
		l.rows[ROWS_KV] = (struct rows_layout){KV_ROW_BYTES, 128};
	}
	return l;
}

struct ring_layout layout_streams(int dim)
{
	return (struct ring_layout){HC_MULT * (size_t)dim * sizeof(float), STREAM_RING,
				    KEPT_STREAMS};
}

size_t layout_ring_bytes(struct ring_layout r)
{
	return r.entry_bytes * (size_t)r.entries;
}

size_t layout_kept_bytes(struct ring_layout r)
{
	return r.entry_bytes * (size_t)r.kept;
}

size_t layout_page_bytes(struct rows_layout r)
{
	return r.row_bytes ? r.row_bytes * (size_t)(PAGE_TOKENS / r.tokens) : 0;
}
