/* A branch made ready for the next question: agent_prepare(). */
#ifndef APP_AGENT_PREPARE_H
#define APP_AGENT_PREPARE_H

#include "app/agent/agent.h"

/* All borrowed. */
struct prepare {
	const struct agent_config *config;
	const struct agent_ops *ops; /* show and keep are called */
	void *ctx;
	const char *fresh;
	int64_t ctx_tokens;
};

/* Calls of the answer that had begun, and have no result, get it. */
int prepare_lost(const struct prepare *a, const struct talk *t, struct err *err);

int prepare_branch(const struct prepare *a, struct talk *t, struct err *err);
/* agent_look() */
int prepare_look(const struct prepare *a, const struct talk *t, struct buf *text,
		 struct str *tools, struct err *err);

#endif
