/* Models on the CPU that several ranks compute, small enough for tests. */
#ifndef TESTS_SUPPORT_RANKS_H
#define TESTS_SUPPORT_RANKS_H

#include "engine/pass/model.h"

/* Two sequences of 1024 tokens, prompts 64 at a time, beginnings kept; a thread for each rank. */
struct model_options ranks_options(const char *dir, int n_ranks);

/* Fails the test where the model cannot be opened so. */
struct model *ranks_open(const char *dir, int n_ranks);

#endif
