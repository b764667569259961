/*
 * Whole turns of the program, as a user runs it, in which one call fails: every allocation
 * and every call of the system once, and from every one on.  The turn ends promptly, with its
 * answer whole and kept, or with an error of one line and its exit code; nothing leaks; and
 * the history is whole whatever happened.
 *
 * Not all calls are tried each time.  With DSV4CHAT_SLOW=1 all are but those from a stack that
 * was tried twice, or (where a sanitizer makes the program slow) some more of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "history/history.h"
#include "tests/faults/faults.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLOW_PROGRAM true
#else
#define SLOW_PROGRAM false
#endif

#define STORE_MAX_BYTES ((size_t)64 << 20)
#define SECONDS         30

/* So many bad ends of one trial are enough to look at. */
#define WRONG_MAX 20

static struct tmpdir home, scratch;
static struct buf shim;  /* where faults.so is */
static struct buf store; /* the history's file before each run */

static const struct turn {
	const char *name;
	const char *args[14];
	const char *input;
	bool json;      /* what is printed */
	bool fresh;     /* no history's file yet */
	int n_messages; /* of the newest conversation afterwards */
} turns[] = {
	{.name = "a question to the small model",
	 /* what a GPU's libraries do without memory is their own */
	 .args = {"--model", "share/nano", "--backend", "cpu", "--threads", "1", "--temp", "0",
		  "--hide-thinking", "-p", "what is 2 + 3?"},
	 .n_messages = 2},
	{.name = "a question before there is a history",
	 .args = {"--engine-script", "answer", "--hide-thinking", "-p", "hello"},
	 .fresh = true,
	 .n_messages = 2},
	{.name = "a script's call, as JSON, in a conversation that goes on",
	 .args = {"--engine-script", "call", "--json", "-c", "-p", "hello"},
	 .json = true,
	 .n_messages = 4},
	{.name = "a session of lines",
	 .args = {"--engine-script", "answer", "--input-format", "jsonl", "--seed", "1"},
	 .input = "{\"text\": \"one\"}\n{\"role\": \"user\", \"content\": \"two\"}\n",
	 .json = true,
	 .n_messages = 4},
	{.name = "an agent session, in a conversation that goes on",
	 .args = {"--engine-script", "tools", "--runner-script", "results", "--tools", "--json", "-c",
		  "-p", "hello"},
	 .json = true,
	 .n_messages = 8},
	{.name = "a question to the small model over two ranks",
	 .args = {"--model", "share/nano", "--backend", "cpu", "--threads", "1", "--ranks", "2",
		  "--temp", "0", "--hide-thinking", "-p", "what is 2 + 3?"},
	 .n_messages = 2},
};

static const struct trial {
	size_t turn;
	const char *kind;
	const char *on;   /* "+": that call and all after it */
	unsigned n_tried; /* without DSV4CHAT_SLOW */
	bool harmless;    /* ends well, always */
} trials[] = {
	{0, "alloc", "", 50, false}, {0, "alloc", "+", 20, false}, {0, "io", "", 60, false},
	{0, "io", "+", 20, false},   {0, "eof", "", 15, false},    {0, "eof", "+", 5, false},
	{0, "short", "", 10, true},  {0, "short", "+", 1, true},   {1, "alloc", "", 30, false},
	{1, "io", "", 30, false},    {1, "io", "+", 8, false},     {2, "alloc", "", 25, false},
	{2, "alloc", "+", 8, false}, {2, "io", "", 25, false},     {3, "alloc", "", 25, false},
	{3, "io", "", 25, false},    {3, "short", "+", 1, true},  {4, "alloc", "", 30, false},
	{4, "alloc", "+", 8, false}, {4, "io", "", 25, false},     {5, "alloc", "", 40, false},
	{5, "alloc", "+", 10, false}, {5, "io", "", 20, false},
};

static const char *const kinds[FAULTS_N_KINDS] = {"alloc", "io", "eof", "short"};

static enum faults_kind kind_of(const char *name)
{
	int kind = 0;

	while (strcmp(kinds[kind], name) != 0)
		kind++;
	return (enum faults_kind)kind;
}

static const char *store_path(void)
{
	return tmpdir_file(&home, "dsv4chat/history.db");
}

/* The history's file as it was, or none; and no KV cache, whose files would grow more with each run. */
static void restore(const struct turn *t)
{
	tmpdir_clear(&home, "dsv4chat/kv");
	unlink(store_path());
	unlink(tmpdir_file(&home, "dsv4chat/history.db-wal"));
	unlink(tmpdir_file(&home, "dsv4chat/history.db-shm"));
	if (!t->fresh)
		tmpdir_write(&home, "dsv4chat/history.db", store.data, store.len);
}

static bool is_script(const char *option)
{
	return strcmp(option, "--engine-script") == 0 || strcmp(option, "--runner-script") == 0;
}

static void run(const struct turn *t, const char *wish, struct program_run *r,
		struct faults_report *report)
{
	struct buf path = {0}, text = {0};
	struct err err = {0};
	const char *args[15];
	size_t n = 0;

	for (; t->args[n]; n++)
		args[n] = n && is_script(t->args[n - 1]) ? tmpdir_file(&scratch, t->args[n])
							  : t->args[n];
	args[n] = NULL;
	*report = (struct faults_report){0};
	tmpdir_write(&scratch, "report", report, sizeof(*report));
	buf_addz(&path, tmpdir_file(&scratch, "report"));
	setenv("FAULTS_REPORT", buf_z(&path), 1);
	setenv("FAULTS", wish, 1);
	setenv("LD_PRELOAD", buf_z(&shim), 1);
	program_run(r, args, str_of(t->input ? t->input : ""), SECONDS);
	unsetenv("LD_PRELOAD");
	assert_int_equal(file_read(&text, buf_z(&path), sizeof(*report), &err), 0);
	assert_int_equal(text.len, sizeof(*report));
	memcpy(report, text.data, sizeof(*report));
	buf_release(&text);
	buf_release(&path);
}

/*
 * How many messages the newest conversation has; every message of the file can be read.  -1 and
 * what is wrong where it is not whole.
 */
static int count_messages(struct buf *wrong)
{
	struct history_list list = {0};
	struct history *h = NULL;
	struct err err = {0};
	size_t n_problems = 0;
	int n = 0;
	int rc = history_open(&h, store_path(), &err);

	if (!rc)
		rc = history_recover(h, &list, &err);
	history_list_release(&list);
	if (!rc)
		rc = history_verify(h, wrong, &n_problems, &err);
	if (!rc)
		rc = history_list(h, HISTORY_ALL, 1, &list, &err);
	if (!rc && list.n)
		n = (int)list.items[0].n_messages;
	if (rc)
		buf_addz(wrong, err.text);
	history_list_release(&list);
	history_close(h);
	return rc || n_problems ? -1 : n;
}

/* Nothing failed: the history has what the turn says. */
static void check_whole(const struct turn *t)
{
	struct buf wrong = {0};

	assert_int_equal(count_messages(&wrong), t->n_messages);
	buf_release(&wrong);
}

static size_t count_lines(const struct buf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += text->data[i] == '\n';
	return n;
}

static bool is_error(const struct program_run *r)
{
	static const char event[] = "{\"type\": \"error\"";

	return strncmp(buf_z(&r->err), "dsv4chat: ", 10) == 0 ||
	       memmem(buf_z(&r->out), r->out.len, event, strlen(event));
}

/* What the journal loses is told at once, and again as the reason of the exit code. */
static size_t is_told_early(const struct buf *text)
{
	return strncmp(buf_z(text), "dsv4chat: not kept", 18) == 0;
}

/* Of the lines of JSON those that end an answer: how many come before them differs. */
static size_t count_done(const struct buf *text)
{
	static const char event[] = "\n{\"type\": \"done\"";
	size_t n = 0;

	for (const char *at = buf_z(text); (at = strstr(at, event)) != NULL; at++)
		n++;
	return n;
}

static bool same_output(const struct turn *t, const struct buf *a, const struct buf *b)
{
	return t->json ? count_done(a) == count_done(b) : str_eq(buf_str(a), buf_str(b));
}

/* NULL, or what is wrong about an end that only looks at the program. */
static const char *wrong_end(const struct trial *trial, const struct program_run *want,
			     const struct program_run *r, int n_messages)
{
	const struct turn *t = &turns[trial->turn];

	if (r->status == 0) {
		if (!same_output(t, &r->out, &want->out))
			return "success, and not all of the answer";
		if (n_messages != t->n_messages)
			return "success, and the answer was not kept";
		return count_lines(&r->err) > 1 ? "success, and more than one line of warning"
						: NULL;
	}
	if (trial->harmless)
		return "half a read or write is no error";
	if (r->status != 1 && r->status != 3 && r->status != 6)
		return "exit code 1, 3 or 6 expected";
	if (!is_error(r))
		return "no error was told";
	if (!*trial->on && count_lines(&r->err) > 1 + is_told_early(&r->err))
		return "one line expected";
	return NULL;
}

/* Whether the turn ended as it should; tells what it did where not. */
static bool check_end(const struct trial *trial, const char *wish,
		      const struct program_run *want, const struct program_run *r, long leaked)
{
	struct buf history = {0};
	int n_messages = count_messages(&history);
	const char *wrong = n_messages < 0 ? buf_z(&history) : NULL;

	/* The call that failed may have been the sanitizer's own. */
	if (!wrong && !(SLOW_PROGRAM &&
			strstr(buf_z(&r->err), "AddressSanitizer: CHECK failed: sanitizer_")))
		wrong = wrong_end(trial, want, r, n_messages);
	/* The sanitizer allocates for itself, too; and looks for leaks at the end. */
	if (!wrong && leaked > 0 && !SLOW_PROGRAM)
		wrong = "memory leaked";
	if (wrong)
		print_message("%s, %s: %s\nexit %d, %ld blocks more than without, %d messages\n"
			      "stdout: %s\nstderr: %s\n",
			      turns[trial->turn].name, wish, wrong, r->status, leaked,
			      n_messages, buf_z(&r->out), buf_z(&r->err));
	buf_release(&history);
	return !wrong;
}

/* Which calls are tried: `step` apart. */
static unsigned long step_of(const struct trial *trial, unsigned long n_calls)
{
	unsigned long step = n_calls / trial->n_tried;

	if (getenv("DSV4CHAT_SLOW"))
		step = SLOW_PROGRAM ? step / 2 : 1;
	return step ? step : 1;
}

/* The sanitizer would take what unwinds the stacks for a leak. */
static bool tries_all(void)
{
	return getenv("DSV4CHAT_SLOW") && !SLOW_PROGRAM;
}

/* Where all calls are tried: whether this one comes from where enough of them came. */
static bool is_repetition(const struct faults_report *whole, enum faults_kind kind,
			  unsigned long n)
{
	return tries_all() && n <= whole->calls[kind] && n < FAULTS_MARKED &&
	       !(whole->fresh[kind][n / 8] >> n % 8 & 1);
}

/* Returns how many ended badly. */
static unsigned long try_all(const struct trial *trial)
{
	const struct turn *t = &turns[trial->turn];
	enum faults_kind kind = kind_of(trial->kind);
	struct faults_report whole, report;
	struct program_run want;
	unsigned long step, n_tried = 0, n_wrong = 0;
	bool failed = true;

	restore(t);
	run(t, tries_all() ? "stacks" : "none", &want, &whole);
	if (want.status != 0 || want.err.len)
		fail_msg("%s: exit %d: %s", t->name, want.status, buf_z(&want.err));
	check_whole(t);
	step = step_of(trial, whole.calls[kind]);
	/* Where the threads run otherwise there are a few calls more or less. */
	for (unsigned long n = 1;
	     failed && n_wrong < WRONG_MAX && n < 2 * whole.calls[kind] + 100; n += step) {
		struct program_run r;
		struct buf wish = {0};

		if (is_repetition(&whole, kind, n))
			continue;
		buf_addf(&wish, "%s:%lu%s", trial->kind, n, trial->on);
		restore(t);
		run(t, buf_z(&wish), &r, &report);
		failed = report.failed > 0;
		n_tried += failed;
		n_wrong += !check_end(trial, buf_z(&wish), &want, &r,
				      report.live_at_end - whole.live_at_end);
		program_run_release(&r);
		buf_release(&wish);
	}
	if (failed && n_wrong < WRONG_MAX)
		fail_msg("there is no end to the calls");
	print_message("%s, %s:N%s: %lu of %lu calls failed, %lu ended badly\n", t->name,
		      trial->kind, trial->on, n_tried, whole.calls[kind], n_wrong);
	assert_true(n_tried >= trial->n_tried / 2);
	program_run_release(&want);
	return n_wrong;
}

static void try_turn(size_t turn)
{
	unsigned long n_wrong = 0;

	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
		if (trials[i].turn == turn)
			n_wrong += try_all(&trials[i]);
	}
	assert_int_equal(n_wrong, 0);
}

static void a_question_to_the_model_ends_well_or_with_an_error(void **state)
{
	(void)state;
	try_turn(0);
}

static void the_first_question_ends_well_or_with_an_error(void **state)
{
	(void)state;
	try_turn(1);
}

static void a_conversation_that_goes_on_ends_well_or_with_an_error(void **state)
{
	(void)state;
	try_turn(2);
}

static void a_session_of_lines_ends_well_or_with_an_error(void **state)
{
	(void)state;
	try_turn(3);
}

static void an_agent_session_with_tools_ends_well_or_with_an_error(void **state)
{
	(void)state;
	try_turn(4);
}

static void a_question_to_several_ranks_ends_well_or_with_an_error(void **state)
{
	(void)state;
	try_turn(5);
}

/* A history that was made by the program itself: two messages. */
static void make_store(void)
{
	const struct turn *t = &turns[1];
	struct faults_report report;
	struct program_run r;
	struct err err = {0};

	run(t, "none", &r, &report);
	if (r.status != 0)
		fail_msg("exit %d: %s", r.status, buf_z(&r.err));
	assert_true(report.calls[FAULTS_ALLOC] > 100 && report.calls[FAULTS_IO] > 20);
	program_run_release(&r);
	check_whole(t);
	assert_int_equal(file_read(&store, store_path(), STORE_MAX_BYTES, &err), 0);
}

static int set_up(void **state)
{
	static const char *const homes[] = {"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
					    "XDG_STATE_HOME", "XDG_CACHE_HOME"};
	const char *slash = strrchr(program_path(), '/');

	(void)state;
	/* Thousands of turns that really sync would take many minutes. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	tmpdir_init(&home);
	tmpdir_init(&scratch);
	assert_int_equal(mkdir(tmpdir_file(&home, "dsv4chat"), 0700), 0);
	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
		setenv(homes[i], home.path, 1);
	unsetenv("DSV4CHAT_MODEL");
	/* strerror() keeps translations in memory elsewhere */
	setenv("LC_ALL", "C", 1);
	/* the one library that comes before the sanitizer's is ours */
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
	assert_non_null(slash);
	buf_add(&shim, program_path(), (size_t)(slash - program_path()) + 1);
	buf_addz(&shim, "tests/faults/faults.so");
	if (access(buf_z(&shim), R_OK) != 0)
		fail_msg("%s is not there", buf_z(&shim));
	tmpdir_write_text(&scratch, "answer",
			  "{\"turn\": {\"again\": true}}\n{\"thinking\": \"hm\"}\n"
			  "{\"text\": \"this is an answer\"}\n{\"done\": {}}\n");
	tmpdir_write_text(
		&scratch, "call",
		"{\"text\": \"so I call\"}\n{\"call\": {\"name\": \"shell\", \"arguments\": "
		"{\"command\": \"ls\", \"n\": 1.50}}}\n{\"done\": {}}\n");
	tmpdir_write_text(
		&scratch, "tools",
		"{\"text\": \"I look\"}\n{\"call\": {\"name\": \"read_file\", \"arguments\": "
		"{\"path\": \"a\"}}}\n{\"call\": {\"name\": \"list_files\", \"arguments\": {}}}\n"
		"{\"done\": {}}\n{\"text\": \"There.\"}\n{\"done\": {}}\n");
	tmpdir_write_text(&scratch, "results",
			  "{\"output\": \"so it says\", \"chunk\": 4}\n{\"exit\": 2}\n");
	make_store();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tmpdir_release(&home);
	tmpdir_release(&scratch);
	buf_release(&shim);
	buf_release(&store);
	return 0;
}

/* With an argument only the turns of that name, in which * stands for anything. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_to_the_model_ends_well_or_with_an_error),
		cmocka_unit_test(the_first_question_ends_well_or_with_an_error),
		cmocka_unit_test(a_conversation_that_goes_on_ends_well_or_with_an_error),
		cmocka_unit_test(a_session_of_lines_ends_well_or_with_an_error),
		cmocka_unit_test(an_agent_session_with_tools_ends_well_or_with_an_error),
		cmocka_unit_test(a_question_to_several_ranks_ends_well_or_with_an_error),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
