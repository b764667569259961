/*
 * What one of several ranks holds of a model: which heads, output groups, part of the
 * experts' inner size, rows of the vocabulary.
 *
 * Ranks share every layer.  Attention is cut by heads (and by the output groups that
 * these make up), experts by their inner size and never by expert (six experts on
 * eight ranks would load them unevenly); embedding and head by vocabulary.  What is
 * small or common to all heads is on every rank: key and value rows, compressors,
 * router, hyper-connections, norms.  So is the indexer: cut by heads its scores would
 * have to be summed over the ranks in every layer that has one, which takes longer than
 * reading its queries' weights whole, and sums of another order would choose other rows.
 * Constant once made; any thread.
 */
#ifndef ENGINE_CHECKPOINT_SHARD_H
#define ENGINE_CHECKPOINT_SHARD_H

#include <stdint.h>

#include "engine/base/err.h"
#include "engine/checkpoint/config.h"

#define SHARD_MAX_RANKS 64

/* What a model is counted in where it is cut. */
enum shard_unit {
	SHARD_NONE,        /* not cut: one unit, which every rank has          */
	SHARD_HEADS,       /* query heads, and their sinks                     */
	SHARD_GROUPS,      /* output groups of consecutive heads; more ranks than groups share them … */
	SHARD_GROUP_HEADS, /* … and have of each of theirs only these heads    */
	SHARD_INNER,       /* of every expert, the shared one too              */
	SHARD_VOCAB,       /* rows of embedding and head                       */
	N_SHARD_UNITS,
};

struct shard {
	int rank, n_ranks;
	struct {
		int first, count, of; /* `count` units from `first`, of so many in all */
	} part[N_SHARD_UNITS];
};

/*
 * Rank `rank` (below n_ranks) of n_ranks; with one rank every part is the whole.  ERR_USAGE
 * where that many do not divide the model names the counts that do.  The vocabulary need not
 * divide: parts differ by a row at most.
 */
int shard_init(struct shard *s, const struct model_config *cfg, int rank, int n_ranks,
	       struct err *err);

/* The greatest number of ranks up to `most` that divides the model; 1 at least. */
int shard_most_ranks(const struct model_config *cfg, int most);

/* The only rank. */
struct shard shard_whole(const struct model_config *cfg);

/* Elements along one dimension of a tensor. */
struct span {
	int64_t first, count;
};

/* This rank's of n elements that are counted in `by`: n is a multiple of all units. */
struct span shard_span(const struct shard *s, enum shard_unit by, int64_t n);

/*
 * The blocks that hold these elements.  A block that several ranks share is in all their parts;
 * then each has elements of that block alone (shard_init() sees to it), so that element i of a
 * part always belongs to block i / block of it.
 */
struct span span_blocks(struct span s, int64_t block);

#endif
