/* dsv4chat replay: what it says, and when it refuses; the program on the small model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "history/history.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define MODEL "share/nano"

static struct err err;

static int set_up(void **state)
{
	program_set_up(state);
	unsetenv("DSV4CHAT_MODEL");
	return 0;
}

static const char *db(void)
{
	return tmpdir_file(&test_dir, "dsv4chat/history.db");
}

static void ask(const char *text, const char *more)
{
	const char *argv[] = {"--model", MODEL, "--threads", "1",  "--temp", "3",  "--seed",
			      "7",       "-n",  "40",        "-p", text,     more, NULL};
	struct program_run run;

	program_run(&run, argv, (struct str){0}, 120);
	assert_true(run.status == 0 || run.status == 4);
	program_run_release(&run);
}

/* Runs it; `said` stands on stdout, or where it fails otherwise on stderr. */
static void replay(const char *which, const char *more, int status, const char *said)
{
	const char *argv[] = {"replay", "--model", MODEL, "--threads", "1", NULL, NULL, NULL};
	struct program_run run;
	size_t n = 5;

	if (more)
		argv[n++] = more;
	if (which)
		argv[n++] = which;
	program_run(&run, argv, (struct str){0}, 120);
	if (run.status != status ||
	    (!strstr(buf_z(&run.out), said) && !strstr(buf_z(&run.err), said)))
		fail_msg("status %d, expected %d and \"%s\":\n%s%s", run.status, status, said,
			 buf_z(&run.out), buf_z(&run.err));
	program_run_release(&run);
}

typedef void change_fn(struct history_run *run, int32_t *ids, size_t n);

/* The last answer of the conversation used last once more beside it, with a change. */
static void say_again(change_fn *change)
{
	const struct history_message *m;
	struct history_message copy;
	struct history_tree *t;
	struct history_run run;
	struct history *h;
	int32_t *ids;
	int64_t id;

	assert_int_equal(history_open(&h, db(), &err), 0);
	assert_int_equal(history_last(h, &id, &err), 0);
	assert_int_equal(history_tree_open(&t, h, id, &err), 0);
	m = history_tree_leaf(t);
	copy = *m;
	run = *m->run;
	ids = malloc(m->n_ids * sizeof(*ids));
	assert_non_null(ids);
	memcpy(ids, m->ids, m->n_ids * sizeof(*ids));
	change(&run, ids, m->n_ids);
	copy.ids = ids;
	copy.run = &run;
	history_tree_rewind(t, m->parent);
	assert_int_equal(history_tree_say(t, &copy, NULL, &err), 0);
	history_tree_free(t);
	history_close(h);
	free(ids);
}

static void as_it_was(struct history_run *run, int32_t *ids, size_t n)
{
	(void)run;
	(void)ids;
	(void)n;
}

static void other_id(struct history_run *run, int32_t *ids, size_t n)
{
	(void)run;
	assert_true(n > 7);
	ids[7] = ids[7] == 300 ? 301 : 300;
}

static void other_seed(struct history_run *run, int32_t *ids, size_t n)
{
	(void)ids;
	(void)n;
	run->seed++;
}

static void other_model(struct history_run *run, int32_t *ids, size_t n)
{
	(void)ids;
	(void)n;
	run->model = "larger";
	run->identity = "v2-00000000000000000000000000000000";
}

static void other_build(struct history_run *run, int32_t *ids, size_t n)
{
	(void)ids;
	(void)n;
	run->build = "0.0.1";
}

static void other_backend(struct history_run *run, int32_t *ids, size_t n)
{
	(void)ids;
	(void)n;
	run->device = "cuda H200, general kernels";
}

static void other_cpu(struct history_run *run, int32_t *ids, size_t n)
{
	(void)ids;
	(void)n;
	run->device = "cpu generic, 64 threads";
}

static void an_answer_comes_again_in_every_process(void **state)
{
	(void)state;
	replay(NULL, NULL, 2, "no conversation yet");
	ask("tell me about the river", NULL);
	ask("and the boats?", "-c");
	replay(NULL, NULL, 0, "identical: ");
	replay(":2", NULL, 0, "identical: ");
	replay("tell me about the river:4", NULL, 0, "identical: ");
	/* Nor does it matter whether it is read again. */
	setenv("DSV4CHAT_CACHE_DISK", "0", 1);
	replay(NULL, NULL, 0, "identical: ");
	unsetenv("DSV4CHAT_CACHE_DISK");
	replay(":3", NULL, 2, "no answer");
	replay(":5", NULL, 2, "the branch has 4 messages");
	replay("the sea", NULL, 2, "the sea");
}

static void what_differs_is_named_with_its_place(void **state)
{
	(void)state;
	ask("tell me about the river", NULL);
	say_again(as_it_was);
	replay(NULL, NULL, 0, "identical: ");
	say_again(other_id);
	replay(NULL, NULL, 1, "differs at token 8 of ");
	ask("tell me about the river", NULL);
	say_again(other_seed);
	replay(NULL, NULL, 1, "differs at token ");
}

static void nothing_is_promised_by_another_model_build_or_backend(void **state)
{
	static const struct {
		change_fn *change;
		const char *said;
	} cases[] = {{other_model, "model nano (v2-"},
		     {other_build, "build "},
		     {other_backend, ", then cuda H200, general kernels"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask("tell me about the river", NULL);
		say_again(cases[i].change);
		replay(NULL, NULL, 3, cases[i].said);
		replay(NULL, NULL, 3, "nothing is promised: ");
		replay(NULL, "--anyway", 0, cases[i].said);
		replay(NULL, "--anyway", 0, "identical: ");
	}
	/* Which CPU it was makes no difference. */
	say_again(as_it_was);
	ask("tell me about the river", NULL);
	say_again(other_cpu);
	replay(NULL, NULL, 0, "identical: ");
}

/* In the file, by other hands. */
static void run_sql(const char *sql)
{
	sqlite3 *file;

	assert_int_equal(sqlite3_open(db(), &file), SQLITE_OK);
	assert_int_equal(sqlite3_exec(file, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(file);
}

static void what_is_damaged_or_came_from_elsewhere_is_refused(void **state)
{
	const char *const export[] = {"history", "export", "--format", "jsonl", NULL};
	const char *const import[] = {"history", "import", NULL};
	struct program_run out, in;

	(void)state;
	ask("tell me about the river", NULL);
	program_run(&out, export, (struct str){0}, 60);
	assert_int_equal(out.status, 0);
	run_sql("UPDATE message SET token_ids = zeroblob(40) WHERE id ="
		" (SELECT max(id) FROM message)");
	replay(NULL, NULL, 6, "damaged");
	ask("and the boats?", "-c");
	replay(NULL, NULL, 6, "damaged");
	assert_int_equal(remove(db()), 0);
	program_run(&in, import, buf_str(&out.out), 60);
	assert_int_equal(in.status, 0);
	replay(NULL, NULL, 2, "imported");
	program_run_release(&out);
	program_run_release(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tmpdir_tear_down)
		T(an_answer_comes_again_in_every_process),
		T(what_differs_is_named_with_its_place),
		T(nothing_is_promised_by_another_model_build_or_backend),
		T(what_is_damaged_or_came_from_elsewhere_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
