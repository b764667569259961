/*
 * The real engine on a model of random weights (tests/golden/pro-micro) and a tokenizer of single
 * bytes, made here.  What it says means nothing, but it says the same each time, in broken UTF-8
 * and stray control tokens.  Any trouble fails the running cmocka test.
 */
#ifndef TESTS_SUPPORT_BYTE_ENGINE_H
#define TESTS_SUPPORT_BYTE_ENGINE_H

#include "tests/support/shared_files.h"

#include "engine/engine.h"
#include "tests/support/tmpdir.h"

/* Ids of control tokens; those of bytes come behind all of them. */
enum { ID_EOS = 1, ID_THINK = 5, ID_THINK_END = 6, BYTE_ENGINE_CONTROLS = 9 };

/* The model lies in test_dir; tmpdir_tear_down() removes it. */
int byte_engine_set_up(void **state);
/* A folder of test_dir that engines share; NULL: nothing outlives them. */
extern const char *byte_engine_kept_in;
struct engine *byte_engine_open(int64_t ctx);

extern const struct chat_message byte_engine_question[1];
/* That question, sampled with a seed. */
struct turn_request byte_engine_ask(int64_t max_tokens);

/* What came of one turn. */
struct turn_log {
	struct buf thinking, text;
	token_id *ids;
	size_t n_ids;
	struct event last; /* EV_DONE or EV_ERROR */
	int n_prefill;
	uint64_t prefill_done, prefill_all;
};

void turn_log_release(struct turn_log *log);
/* Takes an event in; true: it is the last, which the log has now. */
bool turn_log_event(struct turn_log *log, struct event *ev);
uint64_t turn_submit(struct engine *e, const struct turn_request *req);
/* Until its end; nothing of another turn comes meanwhile. */
void turn_finish(struct engine *e, uint64_t turn, struct turn_log *log);
/* Both. */
void turn_play(struct engine *e, const struct turn_request *req, struct turn_log *log);
/* So, and it is no error. */
void turn_play_well(struct engine *e, const struct turn_request *req, struct turn_log *log);

#endif
