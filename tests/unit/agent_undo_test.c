/* Edits taken back and made again: which, what is said of them, what the model is told, and
 * what a killed program leaves, with the process that does it. */
#include "tests/support/edit_stage.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/agent/undo.h"
#include "app/talk/question.h"

static void edit(struct stage *s, const char *args)
{
	turn(s, DECIDE_YES, ONE("edit_file", args));
	assert_true(strncmp(buf_z(&s->results), "replaced", 8) == 0);
}

static void write_new(struct stage *s, const char *path, const char *content)
{
	char args[300];

	snprintf(args, sizeof(args), "{\"path\": \"%s\", \"content\": \"%s\"}", path, content);
	turn(s, DECIDE_YES, ONE("write_file", args));
	assert_true(strncmp(buf_z(&s->results), "wrote", 5) == 0);
}

/* What it said before, and after; "": it did not begin, see err. */
static const char *undo(struct stage *s, enum undo_way way, size_t turns)
{
	static struct buf said;
	struct undo *u;

	buf_reset(&said);
	if (undo_look(&u, s->agent, &s->talks, s->talk, way, turns, &err)) {
		assert_null(u);
		return "";
	}
	undo_add_text(u, &said);
	buf_addz(&said, "--\n");
	must(undo_do(u, &err));
	undo_add_text(u, &said);
	undo_free(u);
	return buf_z(&said);
}

/* As another program would find the store. */
static void store_edits(const struct stage *s, const char *sql)
{
	char *why = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(tmpdir_file(&s->d, "history.db"), &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
	sqlite3_close(db);
}

static void expect_missing(const struct stage *s, const char *path)
{
	char in[300];

	snprintf(in, sizeof(in), "ws/%s", path);
	assert_int_not_equal(access(tmpdir_file(&s->d, in), F_OK), 0);
}

/* What the model reads with the next question. */
static void expect_told(struct stage *s, const char *text)
{
	struct talk_message *q = talk_message_say(CHAT_USER, STR_LIT("next"), &err);
	struct buf read = {0};

	must(undo_tell(s->agent, &s->talks, s->talk, q, &err));
	question_add_text(q, &read);
	assert_string_equal(buf_z(&read), text);
	assert_int_equal(question_has_note(q), read.len > 4);
	talk_say(s->talk, q, 3);
	must(talk_store_save(&s->talks, s->talk, &err));
	buf_release(&read);
}

static void an_edit_goes_back_and_forth(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "one\ntwo\n");
	edit(s, EDIT("two", "2"));
	assert_string_equal(undo(s, UNDO_BACK, 1), "  a: back to what it was before\n--\n"
						   "  a: as it was before\n");
	expect_file(s, "one\ntwo\n");
	assert_string_equal(undo(s, UNDO_BACK, 1), "");
	assert_string_equal(err.text, "no file edits here can be taken back");
	assert_string_equal(undo(s, UNDO_AGAIN, 1), "  a: to what the edits made of it\n--\n"
						    "  a: as the edits left it\n");
	expect_file(s, "one\n2\n");
	assert_string_equal(undo(s, UNDO_AGAIN, 1), "");
	assert_string_equal(err.text, "there are no file edits here to make again");
	undo(s, UNDO_BACK, 1);
	expect_file(s, "one\ntwo\n");
}

static void what_an_edit_made_goes_with_its_folders(void **state)
{
	struct stage *s = *state;

	write_new(s, "d/e/new", "x");
	assert_string_equal(undo(s, UNDO_BACK, 1),
			    "  d/e/new: goes, since an edit made it\n--\n"
			    "  d/e/new: removed\n");
	expect_missing(s, "d");
	assert_string_equal(undo(s, UNDO_AGAIN, 1), "  d/e/new: comes again\n--\n"
						    "  d/e/new: made again\n");
	tmpdir_write_text(&s->d, "ws/d/theirs", "kept");
	undo(s, UNDO_BACK, 1);
	expect_missing(s, "d/e");
	assert_int_equal(access(tmpdir_file(&s->d, "ws/d/theirs"), F_OK), 0);
}

static void turns_go_back_newest_first_and_forth_oldest_first(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "0\n");
	edit(s, EDIT("0", "1"));
	turn(s, DECIDE_YES, ONE("read_file", "{\"path\": \"a\"}"));
	edit(s, EDIT("1", "2"));
	edit(s, EDIT("2", "3"));
	undo(s, UNDO_BACK, 1);
	expect_file(s, "2\n");
	/* Two at once: one step for the file. */
	assert_string_equal(undo(s, UNDO_BACK, 2), "  a: back to what it was before\n--\n"
						   "  a: as it was before\n");
	expect_file(s, "0\n");
	undo(s, UNDO_AGAIN, 1);
	expect_file(s, "1\n");
	undo(s, UNDO_AGAIN, 5);
	expect_file(s, "3\n");
	undo(s, UNDO_BACK, 9);
	expect_file(s, "0\n");
	undo(s, UNDO_AGAIN, 2);
	expect_file(s, "2\n");
}

static void a_file_that_somebody_changed_stays_and_others_go(void **state)
{
	struct stage *s = *state;
	const char *tools[] = {"edit_file", "write_file"};
	const char *args[] = {EDIT("one", "1"), "{\"path\": \"b\", \"content\": \"x\"}"};

	tmpdir_write_text(&s->d, "ws/a", "one\n");
	turn(s, DECIDE_YES, 2, tools, args);
	tmpdir_write_text(&s->d, "ws/a", "theirs\n");
	assert_string_equal(undo(s, UNDO_BACK, 1),
			    "  b: goes, since an edit made it\n  a changed since: kept\n--\n"
			    "  b: removed\n  a changed since: kept\n");
	expect_file(s, "theirs\n");
	expect_missing(s, "b");
	/* It was not taken back: when the file is as it was left again, it can be. */
	tmpdir_write_text(&s->d, "ws/a", "1\n");
	undo(s, UNDO_BACK, 1);
	expect_file(s, "one\n");
	expect_told(s, "next\n\n[the user took back the edits of b, a]");
}

static void what_changed_between_two_edits_parts_them(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "0\n");
	edit(s, EDIT("0", "1"));
	tmpdir_write_text(&s->d, "ws/a", "1 and theirs\n");
	edit(s, EDIT("1", "2"));
	assert_non_null(strstr(undo(s, UNDO_BACK, 2), "earlier edits of it stay"));
	expect_file(s, "1 and theirs\n");
	assert_string_equal(undo(s, UNDO_BACK, 1),
			    "  a changed since: kept\n--\n  a changed since: kept\n");
}

static void the_next_edit_ends_the_way_forth(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "0\n");
	edit(s, EDIT("0", "1"));
	undo(s, UNDO_BACK, 1);
	edit(s, EDIT("0", "5"));
	assert_string_equal(undo(s, UNDO_AGAIN, 1), "");
	undo(s, UNDO_BACK, 1);
	expect_file(s, "0\n");
	assert_string_equal(undo(s, UNDO_BACK, 1), "");
}

static void the_model_is_told_once_what_it_finds_otherwise(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "0\n");
	edit(s, EDIT("0", "1"));
	expect_told(s, "next");
	undo(s, UNDO_BACK, 1);
	expect_told(s, "next\n\n[the user took back the edits of a]");
	expect_told(s, "next");
	undo(s, UNDO_AGAIN, 1);
	undo(s, UNDO_BACK, 1);
	expect_told(s, "next");
	undo(s, UNDO_AGAIN, 1);
	expect_told(s, "next\n\n[the user made again the edits of a]");
}

static void what_was_read_before_is_read_again(void **state)
{
	struct stage *s = *state;

	write_new(s, "n", "x\\n");
	write_new(s, "n", "y\\n"); /* it wrote it: it knows it */
	undo(s, UNDO_BACK, 1);
	turn(s, DECIDE_YES, ONE("write_file", "{\"path\": \"n\", \"content\": \"z\"}"));
	assert_string_equal(buf_z(&s->results),
			    "error: n exists and was not read; read it first\n");
}

static void commands_of_the_same_turn_are_not_covered_and_it_says_so(void **state)
{
	struct stage *s = *state;
	const char *tools[] = {"edit_file", "shell"};
	const char *args[] = {EDIT("one", "1"), "{\"command\": \"echo hello\"}"};

	tmpdir_write_text(&s->d, "ws/a", "one\n");
	turn(s, DECIDE_YES, 2, tools, args);
	assert_non_null(
		strstr(undo(s, UNDO_BACK, 1),
		       "Commands ran in the same turns: what they changed is not covered"));
	tmpdir_write_text(&s->d, "ws/a", "one\n");
	edit(s, EDIT("one", "1"));
	assert_null(strstr(undo(s, UNDO_BACK, 1), "Commands"));
}

static void edits_of_another_machine_are_never_taken_back(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "0\n");
	edit(s, EDIT("0", "1"));
	store_edits(s, "UPDATE file_edit SET machine = 'ffffffffffffffffffffffffffffffff'");
	assert_string_equal(undo(s, UNDO_BACK, 1), "");
	assert_non_null(strstr(err.text, "made on another machine"));
	expect_file(s, "1\n");
}

static void a_folder_that_became_a_link_leads_nowhere(void **state)
{
	struct stage *s = *state;

	write_new(s, "d/new", "x");
	must(rename(tmpdir_file(&s->d, "ws/d"), tmpdir_file(&s->d, "outside")));
	must(symlink(tmpdir_file(&s->d, "outside"), tmpdir_file(&s->d, "ws/d")));
	assert_non_null(strstr(undo(s, UNDO_BACK, 1), "leads outside the workspace"));
	assert_int_equal(access(tmpdir_file(&s->d, "outside/new"), F_OK), 0);
	/* Nor where it stays inside. */
	must(unlink(tmpdir_file(&s->d, "ws/d")));
	must(rename(tmpdir_file(&s->d, "outside"), tmpdir_file(&s->d, "ws/inside")));
	must(symlink("inside", tmpdir_file(&s->d, "ws/d")));
	assert_non_null(strstr(undo(s, UNDO_BACK, 1), "changed since: kept"));
	assert_int_equal(access(tmpdir_file(&s->d, "ws/inside/new"), F_OK), 0);
}

static void without_tools_or_while_they_work_nothing_is_taken_back(void **state)
{
	struct stage *s = *state;
	struct undo *u;

	assert_int_equal(undo_look(&u, NULL, &s->talks, s->talk, UNDO_BACK, 1, &err),
			 ERR_USAGE);
	assert_non_null(strstr(err.text, "--tools"));
	agent_begin(s->agent);
	assert_int_equal(undo_look(&u, s->agent, &s->talks, s->talk, UNDO_BACK, 1, &err),
			 ERR_USAGE);
	assert_non_null(strstr(err.text, "at work"));
	agent_leave(s->agent);
}

/* ---- after a crash ---- */

static void expect_state(const struct stage *s, size_t i, enum history_edit_state state)
{
	struct history_edits edits;

	must(history_edits(s->talks.store, s->talk->stored, &edits, &err));
	assert_true(i < edits.n);
	assert_int_equal(edits.items[i].state, state);
	history_edits_release(&edits);
}

static void what_became_of_a_planned_edit_is_found_out(void **state)
{
	static const struct {
		const char *text;
		enum history_edit_state state;
	} rows[] = {
		{"1\n", HISTORY_EDIT_APPLIED},
		{"0\n", HISTORY_EDIT_DROPPED},
		{"theirs\n", HISTORY_EDIT_LOST},
	};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tmpdir_write_text(&s->d, "ws/a", "0\n");
		edit(s, EDIT("0", "1"));
		store_edits(s, "UPDATE file_edit SET state = 'planned' WHERE id ="
			       " (SELECT max(id) FROM file_edit)");
		tmpdir_write_text(&s->d, "ws/a", rows[i].text);
		undo_settle(s->agent, &s->talks, s->talk);
		expect_state(s, 0, rows[i].state);
	}
	expect_told(s, "next");
}

static void what_became_of_an_undo_is_found_out_and_told(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "0\n");
	edit(s, EDIT("0", "1"));
	edit(s, EDIT("1", "2"));
	/* Ended before the file was changed, and behind that. */
	store_edits(s, "UPDATE file_edit SET state = 'planned', after = x'00'");
	undo_settle(s->agent, &s->talks, s->talk);
	expect_state(s, 0, HISTORY_EDIT_APPLIED);
	expect_state(s, 1, HISTORY_EDIT_APPLIED);
	expect_told(s, "next");
	store_edits(s, "UPDATE file_edit SET state = 'planned', after = x'00'");
	tmpdir_write_text(&s->d, "ws/a", "0\n");
	undo_settle(s->agent, &s->talks, s->talk);
	expect_state(s, 0, HISTORY_EDIT_UNDONE);
	expect_state(s, 1, HISTORY_EDIT_UNDONE);
	expect_told(s, "next\n\n[the user took back the edits of a]");
}

static void what_another_process_is_at_or_another_workspace_has_is_left(void **state)
{
	struct stage *s = *state;
	char sql[400];

	tmpdir_write_text(&s->d, "ws/a", "0\n");
	edit(s, EDIT("0", "1"));
	store_edits(s, "UPDATE file_edit SET state = 'planned', root = '/elsewhere'");
	undo_settle(s->agent, &s->talks, s->talk);
	expect_state(s, 0, HISTORY_EDIT_PLANNED);
	store_edits(s, "UPDATE tool_run SET owner = 'elsewhere x y 1 1'");
	snprintf(sql, sizeof(sql), "UPDATE file_edit SET root = '%s'", s->ws);
	store_edits(s, sql);
	undo_settle(s->agent, &s->talks, s->talk);
	expect_state(s, 0, HISTORY_EDIT_PLANNED);
}

/* ---- any way there and back ---- */

#define MOST 40
#define KEPT 3

static uint32_t seed = 11;

static uint32_t next_number(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

/* What the files are to have, behind each turn. */
struct book {
	int v[MOST + 1][KEPT];
	size_t at, n; /* turns that hold, and that there are */
};

static void expect_book(const struct stage *s, const struct book *b)
{
	for (int f = 0; f < KEPT; f++) {
		struct buf now = {0};
		char name[16], text[16];

		snprintf(name, sizeof(name), "ws/f%d", f);
		snprintf(text, sizeof(text), "v%d.\n", b->v[b->at][f]);
		assert_true(whole_file(tmpdir_file(&s->d, name), &now));
		assert_string_equal(buf_z(&now), text);
		buf_release(&now);
	}
}

/* One to three edits in an answer, also of the same file, also back to what it had. */
static void edit_book(struct stage *s, struct book *b)
{
	const char *tools[] = {"edit_file", "edit_file", "edit_file"}, *args[3];
	static char text[3][100];
	size_t n = 1 + next_number(3);
	int *v = b->v[b->at + 1];

	memcpy(v, b->v[b->at], sizeof(b->v[0]));
	for (size_t i = 0; i < n; i++) {
		int f = (int)next_number(KEPT), to = (v[f] + 1 + (int)next_number(3)) % 4;

		snprintf(text[i], sizeof(text[i]),
			 "{\"path\": \"f%d\", \"old\": \"v%d.\", \"new\": \"v%d.\"}", f, v[f],
			 to);
		args[i] = text[i];
		v[f] = to;
	}
	turn(s, DECIDE_YES, n, tools, args);
	b->n = ++b->at;
}

static void any_sequence_of_edits_undos_and_redos_is_as_it_should_be(void **state)
{
	struct stage *s = *state;
	struct book b = {0};

	for (int f = 0; f < KEPT; f++) {
		char name[16];

		snprintf(name, sizeof(name), "ws/f%d", f);
		tmpdir_write_text(&s->d, name, "v0.\n");
	}
	for (int i = 0; i < 120; i++) {
		size_t what = next_number(3), turns = 1 + next_number(3);

		if (what == 0 && b.at < MOST) {
			edit_book(s, &b);
		} else if (what == 1) {
			undo(s, UNDO_BACK, turns);
			b.at -= turns < b.at ? turns : b.at;
		} else if (what == 2) {
			undo(s, UNDO_AGAIN, turns);
			b.at += turns < b.n - b.at ? turns : b.n - b.at;
		}
		expect_book(s, &b);
	}
}

/* ---- killed ---- */

#define FILES 12

static char *self; /* this program */

/* All that can go back does, or else all that can come again. */
static int child(const char *dir, const char *way)
{
	struct stage s = {0};
	struct undo *u;

	snprintf(s.d.path, sizeof(s.d.path), "%s", dir);
	stage_start(&s);
	must(talks_get(&s.talks, 1, &s.talk, &err));
	must(talk_store_load(&s.talks, s.talk, &err));
	must(undo_look(&u, s.agent, &s.talks, s.talk, *way == 'b' ? UNDO_BACK : UNDO_AGAIN, 1,
		       &err));
	must(undo_do(u, &err));
	undo_free(u);
	stage_stop(&s);
	return 0;
}

static bool has(const struct stage *s, int file, const char *text)
{
	struct buf now = {0};
	char name[16];
	bool same;

	snprintf(name, sizeof(name), "ws/f%d", file);
	same = whole_file(tmpdir_file(&s->d, name), &now) && strcmp(buf_z(&now), text) == 0;
	buf_release(&now);
	return same;
}

static void kill_child(const struct stage *s, const char *way, int round)
{
	const char *made = *way == 'b' ? "new\n" : "old\n";
	pid_t pid = fork();

	if (pid == 0) {
		execl(self, self, "--undo", s->d.path, way, (char *)NULL);
		_exit(9);
	}
	for (int i = 0; round % 2 && i < 20000 && has(s, FILES - 1, made); i++)
		usleep(50);
	usleep(next_number(round % 2 ? 1500 : 60000));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Each file is what the store says of it; how many are back. */
static int check_files(struct stage *s)
{
	struct history_edits edits;
	struct buf problems = {0};
	size_t n_problems;
	int n = 0;

	undo_settle(s->agent, &s->talks, s->talk);
	must(history_edits(s->talks.store, s->talk->stored, &edits, &err));
	assert_int_equal(edits.n, FILES);
	for (int i = 0; i < FILES; i++) {
		const struct history_edit *e = &edits.items[FILES - 1 - i];
		bool back = e->state == HISTORY_EDIT_UNDONE;

		assert_true(back || e->state == HISTORY_EDIT_APPLIED);
		assert_true(has(s, i, back ? "old\n" : "new\n"));
		assert_int_equal(e->untold, back);
		n += back;
	}
	history_edits_release(&edits);
	must(history_verify(s->talks.store, &problems, &n_problems, &err));
	assert_string_equal(buf_z(&problems), "");
	buf_release(&problems);
	return n;
}

static void whenever_it_is_killed_store_and_files_agree(void **state)
{
	struct stage *s = *state;
	const char *tools[FILES], *args[FILES];
	static char text[FILES][100];
	int n_between = 0;

	for (int i = 0; i < FILES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "ws/f%d", i);
		tmpdir_write_text(&s->d, name, "old\n");
		snprintf(text[i], sizeof(text[i]),
			 "{\"path\": \"f%d\", \"old\": \"old\", \"new\": \"new\"}", i);
		tools[i] = "edit_file";
		args[i] = text[i];
	}
	turn(s, DECIDE_YES, FILES, tools, args);
	for (int round = 0; round < 40; round++) {
		const char *way = round % 4 < 2 ? "back" : "again";
		int back;

		stage_stop(s);
		kill_child(s, way, round);
		stage_start(s);
		must(talks_get(&s->talks, 1, &s->talk, &err));
		must(talk_store_load(&s->talks, s->talk, &err));
		back = check_files(s);
		n_between += back > 0 && back < FILES;
		/* The rest goes the same way, and then back to where the next begins. */
		undo(s, *way == 'b' ? UNDO_BACK : UNDO_AGAIN, 1);
		undo(s, (round + 1) % 4 < 2 ? UNDO_AGAIN : UNDO_BACK, 1);
		assert_int_equal(check_files(s), (round + 1) % 4 < 2 ? 0 : FILES);
	}
	print_message("killed between files: %d of 40\n", n_between);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_STAGE(an_edit_goes_back_and_forth),
		WITH_STAGE(what_an_edit_made_goes_with_its_folders),
		WITH_STAGE(turns_go_back_newest_first_and_forth_oldest_first),
		WITH_STAGE(a_file_that_somebody_changed_stays_and_others_go),
		WITH_STAGE(what_changed_between_two_edits_parts_them),
		WITH_STAGE(the_next_edit_ends_the_way_forth),
		WITH_STAGE(the_model_is_told_once_what_it_finds_otherwise),
		WITH_STAGE(what_was_read_before_is_read_again),
		WITH_STAGE(commands_of_the_same_turn_are_not_covered_and_it_says_so),
		WITH_STAGE(edits_of_another_machine_are_never_taken_back),
		WITH_STAGE(a_folder_that_became_a_link_leads_nowhere),
		WITH_STAGE(without_tools_or_while_they_work_nothing_is_taken_back),
		WITH_STAGE(what_became_of_a_planned_edit_is_found_out),
		WITH_STAGE(what_became_of_an_undo_is_found_out_and_told),
		WITH_STAGE(what_another_process_is_at_or_another_workspace_has_is_left),
		WITH_STAGE(any_sequence_of_edits_undos_and_redos_is_as_it_should_be),
		WITH_STAGE(whenever_it_is_killed_store_and_files_agree),
	};

	if (runner_is_called(argv))
		return runner_main(argv);
	if (argc == 4 && strcmp(argv[1], "--undo") == 0)
		return child(argv[2], argv[3]);
	self = argv[0];
	/* A disk's syncs would be nearly all of the time, where there is another place. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
