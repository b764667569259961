/* Weights into tiles, on the host. */
#include "kernels/cuda/tiles.h"

#include <string.h>

static void put_codes(unsigned char *to, const unsigned char *from)
{
	uint32_t w[PIECE_ROW / 4];

	memcpy(w, from, PIECE_ROW);
	for (int i = 0; i < PIECE_ROW / 4; i++)
		w[i] = tiles_of_e4m3(w[i]);
	memcpy(to, w, PIECE_ROW);
}

void tiles_fill(int type, unsigned char *to, const unsigned char *from, size_t row_bytes,
		size_t n_tile)
{
	for (size_t row = 0; row < n_tile * TILE_ROWS; row++) {
		unsigned char *tile = to + row / TILE_ROWS * (TILE_ROWS * row_bytes);

		for (size_t at = 0; at < row_bytes; at += PIECE_ROW) {
			unsigned char *piece =
				tile + at * TILE_ROWS + row % TILE_ROWS * PIECE_ROW;

			if (type == WEIGHT_F8)
				put_codes(piece, from + row * row_bytes + at);
			else
				memcpy(piece, from + row * row_bytes + at, PIECE_ROW);
		}
	}
}
