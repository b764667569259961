/*
 * An agent with a scripted runner, in a conversation of its own that begins with a question.
 * Trouble fails the running cmocka test.
 */
#ifndef TESTS_SUPPORT_SCRIPTED_AGENT_H
#define TESTS_SUPPORT_SCRIPTED_AGENT_H

#include "app/agent/agent.h"

struct scripted_agent {
	struct agent *agent;
	struct talks talks;
	struct talk *talk;
	struct runner *runner;
	struct tool_set *tools;
	struct rules *rules;
};

struct scripted_agent_setup {
	enum agent_mode mode;
	int64_t rounds;       /* 0: 25 */
	const char *jobs;     /* the runner's script; NULL: none runs */
	const char *rules[3]; /* one of each, as enum rule_says; NULL: none */
	struct tool_set_config tools;
};

/* Its turn has begun. */
void scripted_agent_open(struct scripted_agent *a, const struct scripted_agent_setup *su,
			 const struct agent_ops *ops, void *ctx);
void scripted_agent_close(struct scripted_agent *a);
/* Until the runner has something new, which the agent takes. */
void scripted_agent_await(struct scripted_agent *a);

#endif
