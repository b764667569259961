/* A change of a file, from the call to the store: what is asked, what is kept before the file
 * is changed, and what became of it, with the process that does it. */
#include "tests/support/shared_files.h"

#include <string.h>
#include <sys/stat.h>

#include "app/agent/agent.h"
#include "app/talk/store.h"
#include "tests/support/tmpdir.h"

struct stage {
	struct tmpdir d;
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

static void must(int rc)
{
	if (rc)
		fail_msg("%d: %s", rc, err.text);
}

/* ---- what the agent asks for ---- */

static int ask_model(void *ctx, bool again, struct err *e)
{
	(void)ctx;
	(void)again;
	(void)e;
	return 0;
}

static void stop_model(void *ctx)
{
	(void)ctx;
}

static void ask_user(void *ctx, const struct approval *p)
{
	struct stage *s = ctx;

	s->question = p->number;
	approval_add_text(&s->asked, p);
}

static void show(void *ctx, const struct agent_news *n)
{
	struct stage *s = ctx;

	if (n->kind != AGENT_RESULT)
		return;
	buf_adds(&s->results, n->text);
	buf_addc(&s->results, '\n');
}

static int keep(void *ctx, const struct talk_result *r, struct err *e)
{
	struct stage *s = ctx;

	return talk_store_say_result(&s->talks, s->talk, r, e);
}

static void expect_edit(const struct stage *s, size_t n, enum history_edit_state state,
			const char *path, const char *before)
{
	struct history_edits edits = {0};
	struct buf kept = {0};

	must(history_edits(s->talks.store, s->talk->stored, &edits, &err));
	assert_int_equal(edits.n, n);
	assert_int_equal(edits.items[0].state, state);
	assert_true(str_is(edits.items[0].path, path));
	assert_int_equal(edits.items[0].existed, before != NULL);
	if (before && state != HISTORY_EDIT_DROPPED) {
		must(history_edit_before(s->talks.store, edits.items[0].id, &kept, &err));
		assert_string_equal(buf_z(&kept), before);
	}
	buf_release(&kept);
	history_edits_release(&edits);
}

static int begin_call(void *ctx, const struct talk_call *c, struct err *e)
{
	struct stage *s = ctx;
	int rc = talk_store_begin_call(&s->talks, s->talk, c, e);

	if (!rc && c->edit)
		assert_true(*c->edit_id > 0);
	return rc;
}

static void ended(void *ctx, enum agent_end why, const struct err *e)
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

static int begin(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct agent_config c = {.mode = AGENT_ASK, .rounds = 25};
	struct runner_config rc = {0};
	char ws[300];

	assert_non_null(s);
	tmpdir_init(&s->d);
	snprintf(ws, sizeof(ws), "%s/ws", s->d.path);
	assert_int_equal(mkdir(ws, 0700), 0);
	rc.workspace.dir = str_of(ws);
	must(runner_start(&s->r, &rc, &err));
	must(tool_set_new(&s->tools, &(struct tool_set_config){0}, &err));
	must(history_open(&s->talks.store, tmpdir_file(&s->d, "history.db"), &err));
	must(talks_add(&s->talks, &s->talk, &err));
	c.place.workspace = "/";
	c.runner = s->r;
	c.tools = s->tools;
	must(agent_open(&s->agent, &c, &ops, s, &err));
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct stage *s = *state;

	agent_close(s->agent);
	runner_close(s->r);
	tool_set_free(s->tools);
	talks_release(&s->talks);
	buf_release(&s->asked);
	buf_release(&s->results);
	tmpdir_release(&s->d);
	free(s);
	return 0;
}

static void say_calls(struct stage *s, const char *const *tools, const char *const *args,
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
static void wait_for_round(struct stage *s, enum decision d)
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

static void expect_file(const struct stage *s, const char *text)
{
	struct buf now = {0};

	assert_true(whole_file(tmpdir_file(&s->d, "ws/a"), &now));
	assert_string_equal(buf_z(&now), text);
	buf_release(&now);
}

static void what_a_file_had_is_kept_before_it_is_changed(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "one\ntwo\n");
	assert_string_equal(turn(s, DECIDE_YES, ONE("edit_file", EDIT("two", "2"))),
			    "replaced 1 occurrence in a\n");
	assert_string_equal(buf_z(&s->asked), "Change this file?  edit_file\n  path\n    a\n"
					      "  @@ -1,2 +1,2 @@\n   one\n  -two\n  +2\n"
					      "  (write)\n");
	expect_file(s, "one\n2\n");
	expect_edit(s, 1, HISTORY_EDIT_APPLIED, "a", "one\ntwo\n");
	assert_string_equal(
		turn(s, DECIDE_YES,
		     ONE("write_file", "{\"path\": \"d/new\", \"content\": \"x\"}")),
		"wrote 1 bytes to d/new\n");
	expect_edit(s, 2, HISTORY_EDIT_APPLIED, "d/new", NULL);
}

static void what_is_not_allowed_or_cannot_be_leaves_file_and_store_alone(void **state)
{
	struct stage *s = *state;
	struct history_edits edits = {0};

	tmpdir_write_text(&s->d, "ws/a", "one\n");
	assert_string_equal(turn(s, DECIDE_NO, ONE("edit_file", EDIT("one", "1"))),
			    "error: denied by the user\n");
	assert_string_equal(turn(s, DECIDE_YES, ONE("edit_file", EDIT("zebra", "1"))),
			    "error: the text was not found in a\n");
	assert_string_equal(buf_z(&s->asked), "");
	assert_string_equal(
		turn(s, DECIDE_YES, ONE("write_file", "{\"path\": \"a\", \"content\": \"x\"}")),
		"error: a exists and was not read; read it first\n");
	expect_file(s, "one\n");
	must(history_edits(s->talks.store, s->talk->stored, &edits, &err));
	assert_int_equal(edits.n, 0);
	history_edits_release(&edits);
}

static void a_file_that_changes_while_it_is_asked_about_stays(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "one\n");
	s->touches = true;
	assert_string_equal(turn(s, DECIDE_YES, ONE("edit_file", EDIT("one", "1"))),
			    "error: the text was not found in a\n");
	expect_file(s, "theirs\n");
	expect_edit(s, 1, HISTORY_EDIT_DROPPED, "a", "one\n");
}

static void what_was_read_may_be_written(void **state)
{
	struct stage *s = *state;
	const char *tools[] = {"read_file", "write_file", "edit_file", "write_file"};
	const char *args[] = {"{\"path\": \"a\"}", "{\"path\": \"a\", \"content\": \"x\\n\"}",
			      EDIT("x", "y"), "{\"path\": \"a\", \"content\": \"z\\n\"}"};

	tmpdir_write_text(&s->d, "ws/a", "one\n");
	assert_string_equal(turn(s, DECIDE_YES, 4, tools, args),
			    "one\n\nwrote 2 bytes to a\nreplaced 1 occurrence in a\n"
			    "wrote 2 bytes to a\n");
	expect_file(s, "z\n");
	expect_edit(s, 3, HISTORY_EDIT_APPLIED, "a", "y\n");
}

#define WITH_STAGE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_STAGE(what_a_file_had_is_kept_before_it_is_changed),
		WITH_STAGE(what_is_not_allowed_or_cannot_be_leaves_file_and_store_alone),
		WITH_STAGE(a_file_that_changes_while_it_is_asked_about_stays),
		WITH_STAGE(what_was_read_may_be_written),
	};

	(void)argc;
	if (runner_is_called(argv))
		return runner_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
