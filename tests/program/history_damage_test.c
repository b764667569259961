/*
 * The program and a history that it cannot use: damaged, another program's, newer, read-only,
 * locked, or grown as far as it may.  Each mode says so in one line and exits 6, what was
 * answered has been printed, and a file that is not the program's stays as it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "engine/base/file.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define STORE "dsv4chat/history.db"

/* "alpha", a second, " omega" and what is long; again for each question. */
static void write_scripts(void)
{
	struct buf text = {0};

	tmpdir_write_text(&test_dir, "short",
			  "{\"turn\": {\"again\": true}}\n{\"text\": \"alpha omega\"}\n"
			  "{\"done\": {}}\n");
	tmpdir_write_text(&test_dir, "slow",
			  "{\"text\": \"alpha\"}\n{\"pause\": 1500}\n{\"text\": \" omega\"}\n"
			  "{\"done\": {}}\n");
	buf_addz(&text, "{\"text\": \"alpha");
	for (int i = 0; i < 100000; i++)
		buf_addz(&text, " beta");
	buf_addz(&text, " omega\"}\n{\"done\": {}}\n");
	tmpdir_write_text(&test_dir, "long", buf_z(&text));
	buf_release(&text);
}

static void run_words(const char *words, struct program_run *r)
{
	const char *argv[12];
	char copy[400];
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		argv[n++] = w;
	argv[n] = NULL;
	program_run(r, argv, (struct str){0}, 30);
}

static void run(const char *words, int status)
{
	struct program_run r;

	run_words(words, &r);
	if (r.status != status)
		fail_msg("%s: status %d: %s", words, r.status, buf_z(&r.err));
	program_run_release(&r);
}

static int set_up(void **state)
{
	char words[400];

	(void)state;
	tmpdir_init(&test_dir);
	setenv("XDG_DATA_HOME", test_dir.path, 1);
	setenv("XDG_STATE_HOME", test_dir.path, 1);
	setenv("XDG_CONFIG_HOME", test_dir.path, 1);
	write_scripts();
	snprintf(words, sizeof(words), "--engine-script %s -p first",
		 tmpdir_file(&test_dir, "short"));
	run(words, 0);
	return 0;
}

/* -- every mode at once ------------------------------------------------------------ */

/* $d is the program, $T the folder of the scripts. */
static const struct mode {
	const char *line;
	bool reads; /* needs the file for reading only */
} modes[] = {
	{"$d --engine-script $T/short -p question", false},
	{"$d -c --engine-script $T/short -p question", false},
	{"echo question | $d --engine-script $T/short", false},
	{"$d --json --engine-script $T/short -p question", false},
	{"echo '{\"text\": \"question\"}' | $d --input-format jsonl --engine-script $T/short",
	 false},
	{"$d history rename first second", false},
	{"$d history list", true},
	{"$d history search alpha", true},
	{"$d history export", true},
};
#define N_MODES (sizeof(modes) / sizeof(modes[0]))

struct result {
	int status;
	struct buf out, err;
};

static void read_of(const char *name, size_t i, struct buf *out)
{
	struct err err;
	char file[32];

	snprintf(file, sizeof(file), "%s.%zu", name, i);
	if (file_read(out, tmpdir_file(&test_dir, file), 1 << 24, &err))
		fail_msg("%s", err.text);
}

/* Runs all modes side by side, as a lock is waited for for seconds; `before` in each. */
static void run_modes(const char *before, struct result results[N_MODES])
{
	struct buf command = {0};

	buf_addf(&command, "d=%s; T=%s; ", program_path(), test_dir.path);
	for (size_t i = 0; i < N_MODES; i++)
		buf_addf(&command,
			 "{ { %s %s; echo $? >$T/status.%zu; } </dev/null 2>$T/err.%zu |"
			 " cat >$T/out.%zu; } & ",
			 before, modes[i].line, i, i, i);
	buf_addz(&command, "wait");
	fflush(NULL);
	assert_int_equal(system(buf_z(&command)), 0);
	for (size_t i = 0; i < N_MODES; i++) {
		struct buf status = {0};

		results[i] = (struct result){0};
		read_of("status", i, &status);
		results[i].status = atoi(buf_z(&status));
		read_of("out", i, &results[i].out);
		read_of("err", i, &results[i].err);
		buf_release(&status);
	}
	buf_release(&command);
}

/* Exit code 6 with one line that has the word; those that only read may do well. */
static void check_modes(const char *what, const char *before, const char *word, bool readable)
{
	struct result results[N_MODES];

	run_modes(before, results);
	for (size_t i = 0; i < N_MODES; i++) {
		struct result *r = &results[i];
		const char *said = strstr(buf_z(&r->err), "dsv4chat: ");

		if (readable && modes[i].reads && r->status == 0 && r->err.len == 0)
			goto next;
		if (r->status != 6 || !said || !strstr(said, word) ||
		    strchr(said, '\n') != r->err.data + r->err.len - 1)
			fail_msg("%s: %s: status %d, said: %s", what, modes[i].line, r->status,
				 buf_z(&r->err));
		if (strstr(buf_z(&r->out), "alpha") && !strstr(buf_z(&r->out), "omega"))
			fail_msg("%s: %s: half an answer: %s", what, modes[i].line,
				 buf_z(&r->out));
	next:
		buf_release(&r->out);
		buf_release(&r->err);
	}
}

/* -- the ways to be of no use -------------------------------------------------------- */

static void sql(const char *text)
{
	sqlite3 *db;
	char *why = NULL;

	assert_int_equal(sqlite3_open(tmpdir_file(&test_dir, STORE), &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
	sqlite3_close(db);
}

static void write_at(long at, const char *bytes, size_t n)
{
	FILE *f = fopen(tmpdir_file(&test_dir, STORE), "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void make_garbage(void)
{
	struct buf text = {0};

	for (int i = 0; i < 1000; i++)
		buf_addz(&text, "My diary. ");
	tmpdir_write(&test_dir, STORE, text.data, text.len);
	buf_release(&text);
}

static void make_other(void)
{
	unlink(tmpdir_file(&test_dir, STORE));
	sql("CREATE TABLE recipe (name TEXT)");
}

static void make_newer(void)
{
	sql("PRAGMA user_version = 99");
}

static void make_folder(void)
{
	unlink(tmpdir_file(&test_dir, STORE));
	assert_int_equal(mkdir(tmpdir_file(&test_dir, STORE), 0700), 0);
}

/* The schema says where tables are, and nothing is there. */
static void make_cut(void)
{
	assert_int_equal(truncate(tmpdir_file(&test_dir, STORE), 4096 * 3), 0);
}

static void make_scribbled(void)
{
	struct buf noise = {0};
	struct stat st;

	assert_int_equal(stat(tmpdir_file(&test_dir, STORE), &st), 0);
	while ((off_t)noise.len < st.st_size - 4096)
		buf_addc(&noise, (char)0xa5);
	write_at(4096, noise.data, noise.len);
	buf_release(&noise);
}

/* The format's number for writers is one that SQLite does not know: it writes no more. */
static void make_read_only(void)
{
	write_at(18, "\3", 1);
}

static void each_unusable_file_is_told_by_every_mode(void **state)
{
	static const struct {
		const char *what;
		void (*make)(void);
		const char *word;
		bool readable; /* it can still be read */
		bool not_ours; /* not a byte of it changes */
	} cases[] = {
		{"garbage", make_garbage, "no history, or damaged", false, true},
		{"another program's", make_other, "another program's database", false, true},
		{"newer", make_newer, "a newer dsv4chat", false, true},
		{"a folder", make_folder, "directory", false, false},
		{"cut", make_cut, "history", false, false},
		{"scribbled", make_scribbled, "malformed", false, false},
		{"read-only", make_read_only, "readonly", true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf before = {0}, after = {0};
		struct err err;

		tmpdir_tear_down(NULL);
		set_up(NULL);
		cases[i].make();
		if (cases[i].not_ours)
			assert_int_equal(
				file_read(&before, tmpdir_file(&test_dir, STORE), 1 << 24, &err), 0);
		check_modes(cases[i].what, "", cases[i].word, cases[i].readable);
		if (cases[i].not_ours)
			assert_int_equal(
				file_read(&after, tmpdir_file(&test_dir, STORE), 1 << 24, &err), 0);
		assert_true(str_eq(buf_str(&before), buf_str(&after)));
		buf_release(&before);
		buf_release(&after);
	}
}

static void a_file_that_may_not_grow_is_told_by_every_mode(void **state)
{
	(void)state;
	/* 512 bytes each: less than the file's index already takes, when it is opened. */
	check_modes("no growth", "ulimit -f 40;", "I/O error", true);
	run("history verify", 0);
}

/* The question is kept, the long answer does not fit: it has been printed all the same. */
static void an_answer_that_does_not_fit_has_been_printed(void **state)
{
	struct buf command = {0}, out = {0}, err = {0}, status = {0};

	(void)state;
	buf_addf(&command,
		 "{ ulimit -f 500; %s --engine-script %s -p question 2>%s; echo $? >%s; } |"
		 " cat >%s",
		 program_path(), tmpdir_file(&test_dir, "long"), tmpdir_file(&test_dir, "err.0"),
		 tmpdir_file(&test_dir, "status.0"), tmpdir_file(&test_dir, "out.0"));
	assert_int_equal(system(buf_z(&command)), 0);
	read_of("out", 0, &out);
	read_of("err", 0, &err);
	read_of("status", 0, &status);
	assert_int_equal(atoi(buf_z(&status)), 6);
	assert_true(out.len > 500000);
	assert_memory_equal(out.data + out.len - 7, " omega\n", 7);
	assert_non_null(strstr(buf_z(&err), "I/O error"));
	run("history verify", 0);
	run("history search question", 0);
	buf_release(&command);
	buf_release(&out);
	buf_release(&err);
	buf_release(&status);
}

static bool slow_began(void)
{
	struct buf out = {0};
	struct err err;
	bool began = access(tmpdir_file(&test_dir, "slow.out"), F_OK) == 0 &&
		     file_read(&out, tmpdir_file(&test_dir, "slow.out"), 1 << 20, &err) == 0 &&
		     strstr(buf_z(&out), "alpha");

	buf_release(&out);
	return began;
}

/* Another process writes for longer than the program waits; one answer is already coming. */
static void a_file_that_stays_locked_is_told_by_every_mode(void **state)
{
	struct buf command = {0}, out = {0}, err = {0};
	struct err why;
	sqlite3 *db;
	FILE *slow;

	(void)state;
	buf_addf(&command, "%s --engine-script %s -p slow >%s 2>%s", program_path(),
		 tmpdir_file(&test_dir, "slow"), tmpdir_file(&test_dir, "slow.out"),
		 tmpdir_file(&test_dir, "slow.err"));
	slow = popen(buf_z(&command), "r");
	assert_non_null(slow);
	for (int i = 0; i < 2000 && !slow_began(); i++)
		usleep(10000);
	assert_true(slow_began());
	assert_int_equal(sqlite3_open(tmpdir_file(&test_dir, STORE), &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 1000);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	check_modes("locked", "", "another process is writing", true);
	assert_int_equal(pclose(slow), 6 << 8);
	sqlite3_close(db);
	assert_int_equal(file_read(&out, tmpdir_file(&test_dir, "slow.out"), 1 << 20, &why), 0);
	assert_int_equal(file_read(&err, tmpdir_file(&test_dir, "slow.err"), 1 << 20, &why), 0);
	assert_string_equal(buf_z(&out), "alpha omega\n");
	assert_non_null(strstr(buf_z(&err), "another process is writing"));
	/* The question was kept before. */
	run("history show slow", 0);
	buf_release(&command);
	buf_release(&out);
	buf_release(&err);
}

/* Whoever writes rows of their own ends no run of the program by a crash or a hang. */
static void rows_by_other_hands_are_survived(void **state)
{
	static const char *const rows[] = {
		"UPDATE message SET parent_id = 4 WHERE id = 1",
		"UPDATE message SET parent_id = id WHERE id = 3",
		"UPDATE message SET parent_id = 2 WHERE id = 1",
		"UPDATE message SET depth = -5",
		"UPDATE message SET depth = 9223372036854775807 WHERE id = 2",
		"UPDATE message SET token_ids = x'010203'",
		"UPDATE message SET token_ids = zeroblob(50000000) WHERE id = 2",
		"UPDATE message SET created_ms = -9223372036854775808",
		"UPDATE message SET conversation_id = 1",
		"UPDATE conversation SET leaf_id = 99999",
		"UPDATE conversation SET leaf_id = NULL",
		"UPDATE conversation SET tree_id = 999",
		"UPDATE conversation SET uid = id || char(27, 91) || uid",
		"UPDATE conversation SET title = char(27) || ']0;x' || char(7)",
		"UPDATE conversation SET updated_ms = 9223372036854775807",
		"UPDATE part SET seq = -seq - 1",
		"UPDATE part SET seq = seq * 1000000000",
		"UPDATE run SET temperature = 9e999, top_p = -9e999",
		"UPDATE run SET stop = NULL",
		"UPDATE run SET message_id = 2",
		"INSERT INTO journal VALUES (1, 1, 2, 1, 'nobody', 0);"
		"INSERT INTO journal_piece VALUES (1, 1, -1, 'tokens', '', '', '', x'0102')",
		"INSERT INTO journal VALUES (1, 1, 2, 1, 'nobody', 0);"
		"INSERT INTO journal_piece VALUES (1, 1, -1, 'tokens', '', '', '', "
		"x'01000000');"
		"INSERT INTO journal_piece VALUES (1, 2, 5, 'text', '', '', '', x'41');"
		"INSERT INTO journal_piece VALUES (1, 3, 9223372036854775807, 'none', '', '', "
		"'',"
		" x'41')",
		"INSERT INTO chore VALUES ('scrub'), ('something else')",
		"DELETE FROM part",
		"DELETE FROM message WHERE id = 2",
		"CREATE TRIGGER t AFTER INSERT ON message BEGIN DELETE FROM message; END",
	};
	static const char *const lines[] = {
		"history list",         "history list --json",
		"history show first",   "history export",
		"history search alpha", "history verify",
		"-c -p more",           "--fork -p aside",
		"history gc",           "history rm --yes first",
	};
	size_t step = getenv("DSV4CHAT_SLOW") ? 1 : 3;
	char words[400];

	(void)state;
	snprintf(words, sizeof(words), "-c --engine-script %s -p second",
		 tmpdir_file(&test_dir, "short"));
	run(words, 0);
	snprintf(words, sizeof(words), "--fork --engine-script %s -p third",
		 tmpdir_file(&test_dir, "short"));
	run(words, 0);
	assert_int_equal(rename(tmpdir_file(&test_dir, STORE), tmpdir_file(&test_dir, "history.db")), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i += step) {
		struct tmpdir store = {0};

		snprintf(store.path, sizeof(store.path), "%s", tmpdir_file(&test_dir, "dsv4chat"));
		unlink(tmpdir_file(&test_dir, STORE "-wal"));
		unlink(tmpdir_file(&test_dir, STORE "-shm"));
		tmpdir_copy(&store, tmpdir_file(&test_dir, "history.db"));
		sql(rows[i]);
		for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++) {
			struct program_run r;

			snprintf(words, sizeof(words), "%s%s%s", lines[k],
				 lines[k][0] == '-' ? " --engine-script " : "",
				 lines[k][0] == '-' ? tmpdir_file(&test_dir, "short") : "");
			run_words(words, &r);
			/* a search ends with 1 where the word is gone */
			if (r.status != 0 && r.status != 2 && r.status != 6 &&
			    !(r.status == 1 && strstr(words, " search ")))
				fail_msg("%s: %s: status %d: %s", rows[i], words, r.status,
					 buf_z(&r.err));
			program_run_release(&r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tmpdir_tear_down)
		T(each_unusable_file_is_told_by_every_mode),
		T(a_file_that_may_not_grow_is_told_by_every_mode),
		T(an_answer_that_does_not_fit_has_been_printed),
		T(rows_by_other_hands_are_survived),
		T(a_file_that_stays_locked_is_told_by_every_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
