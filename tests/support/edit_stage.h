/*
 * A conversation whose model calls tools that change files, with the store, and the process
 * that does it, in a workspace of its own ("ws" in the stage's folder).
 */
#ifndef TESTS_SUPPORT_EDIT_STAGE_H
#define TESTS_SUPPORT_EDIT_STAGE_H

#include "tests/support/shared_files.h"

#include <string.h>
#include <sys/stat.h>

#include "app/agent/agent.h"
#include "app/talk/store.h"
#include "tests/support/tmpdir.h"

struct stage {
	struct tmpdir d;
	char ws[300];
	struct talks talks;
	struct talk *talk;
	struct runner *r;
	struct tool_set *tools;
	struct agent *agent;
	struct buf asked, results;
	uint64_t question;
	bool ended, touches; /* touches: somebody changes the file while it is asked about */
};

static struct err err;

static inline void must(int rc)
{
	if (rc)
		fail_msg("%d: %s", rc, err.text);
}

/* ---- what the agent asks for ---- */

static inline int ask_model(void *ctx, bool again, struct err *e)
{
	(void)ctx;
	(void)again;
	(void)e;
	return 0;
}

static inline void stop_model(void *ctx)
{
	(void)ctx;
}

static inline void ask_user(void *ctx, const struct approval *p)
{
	struct stage *s = ctx;

	s->question = p->number;
	approval_add_text(&s->asked, p);
}

static inline void show(void *ctx, const struct agent_news *n)
{
	struct stage *s = ctx;

	if (n->kind != AGENT_RESULT)
		return;
	buf_adds(&s->results, n->text);
	buf_addc(&s->results, '\n');
}

static inline int keep(void *ctx, const struct talk_result *r, struct err *e)
{
	struct stage *s = ctx;

	return talk_store_say_result(&s->talks, s->talk, r, e);
}

static inline int begin_call(void *ctx, const struct talk_call *c, struct err *e)
{
	struct stage *s = ctx;
	int rc = talk_store_begin_call(&s->talks, s->talk, c, e);

	if (!rc && c->edit)
		assert_true(*c->edit_id > 0);
	return rc;
}

static inline void ended(void *ctx, enum agent_end why, const struct err *e)
{
	struct stage *s = ctx;

	if (why != AGENT_DONE && why != AGENT_STOPPED)
		fail_msg("%s", e->text);
	s->ended = true;
}

static const struct agent_ops ops = {
	.ask_model = ask_model,
	.stop_model = stop_model,
	.ask_user = ask_user,
	.show = show,
	.keep = keep,
	.begin = begin_call,
	.ended = ended,
};

/* ---- the stage ---- */

/* With the store and the workspace that are there. */
static inline void stage_start(struct stage *s)
{
	struct agent_config c = {.mode = AGENT_ASK, .rounds = 25};
	struct runner_config rc = {0};

	snprintf(s->ws, sizeof(s->ws), "%s/ws", s->d.path);
	rc.workspace.dir = str_of(s->ws);
	must(runner_start(&s->r, &rc, &err));
	must(tool_set_new(&s->tools, &(struct tool_set_config){0}, &err));
	must(history_open(&s->talks.store, tmpdir_file(&s->d, "history.db"), &err));
	c.place.workspace = s->ws;
	c.runner = s->r;
	c.tools = s->tools;
	must(agent_open(&s->agent, &c, &ops, s, &err));
}

static inline void stage_stop(struct stage *s)
{
	agent_close(s->agent);
	runner_close(s->r);
	tool_set_free(s->tools);
	talks_release(&s->talks);
	s->talks = (struct talks){0};
}

static inline int begin(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	tmpdir_init(&s->d);
	assert_int_equal(mkdir(tmpdir_file(&s->d, "ws"), 0700), 0);
	stage_start(s);
	must(talks_add(&s->talks, &s->talk, &err));
	*state = s;
	return 0;
}

static inline int end(void **state)
{
	struct stage *s = *state;

	stage_stop(s);
	buf_release(&s->asked);
	buf_release(&s->results);
	tmpdir_release(&s->d);
	free(s);
	return 0;
}

static inline void say_calls(struct stage *s, const char *const *tools, const char *const *args,
			     size_t n)
{
	struct talk_message *m = talk_message_new(CHAT_ASSISTANT, &err);
	struct agent_answer a = {.done = true, .stop = STOP_END};

	assert_non_null(m);
	for (size_t i = 0; i < n; i++) {
		struct talk_part *p = talk_message_add_part(m, HISTORY_CALL, &err);

		assert_non_null(p);
		buf_addf(&p->ref, "%zu", i);
		buf_addz(&p->name, tools[i]);
		buf_addz(&p->text, args[i]);
		p->call = CALL_WHOLE;
	}
	talk_say(s->talk, m, 2);
	a.said = m;
	agent_answered(s->agent, &a);
}

/* Until it is the model's turn again, or the end; questions are answered with `d`. */
static inline void wait_for_round(struct stage *s, enum decision d)
{
	while (!s->ended && agent_state(s->agent) != AGENT_ANSWERING) {
		struct pollfd p;

		if (agent_state(s->agent) == AGENT_WAITS) {
			if (s->touches)
				tmpdir_write_text(&s->d, "ws/a", "theirs\n");
			agent_decide(s->agent, s->question, d, (struct str){"", 0});
			continue;
		}
		assert_int_equal(agent_fds(s->agent, &p, 1), 1);
		assert_int_equal(poll(&p, 1, 30000), 1);
		agent_poll(s->agent);
	}
}

/* One answer with these calls, and one without; what the model is told. */
static const char *turn(struct stage *s, enum decision d, size_t n, const char *const *tools,
			const char *const *args)
{
	s->ended = false;
	buf_reset(&s->asked);
	buf_reset(&s->results);
	talk_say(s->talk, talk_message_say(CHAT_USER, STR_LIT("q"), &err), 1);
	agent_begin(s->agent);
	say_calls(s, tools, args, n);
	wait_for_round(s, d);
	if (!s->ended)
		say_calls(s, NULL, NULL, 0);
	assert_true(s->ended);
	return buf_z(&s->results);
}

#define EDIT(old, new) "{\"path\": \"a\", \"old\": \"" old "\", \"new\": \"" new "\"}"
#define ONE(tool, args)                                                                        \
	1, (const char *[]){tool}, (const char *[])                                            \
	{                                                                                      \
		args                                                                           \
	}

static inline void expect_file(const struct stage *s, const char *text)
{
	struct buf now = {0};

	assert_true(whole_file(tmpdir_file(&s->d, "ws/a"), &now));
	assert_string_equal(buf_z(&now), text);
	buf_release(&now);
}

#define WITH_STAGE(f) cmocka_unit_test_setup_teardown(f, begin, end)

#endif
