/* `dsv4chat history` as scripts and people meet it, while things happen to the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

static struct tmpdir dir, shown;

static int set_up(void **state)
{
	(void)state;
	tmpdir_init(&dir);
	tmpdir_init(&shown);
	setenv("O", shown.path, 1);
	setenv("XDG_DATA_HOME", dir.path, 1);
	setenv("XDG_STATE_HOME", dir.path, 1);
	setenv("XDG_CONFIG_HOME", dir.path, 1);
	setenv("d", program_path(), 1);
	setenv("T", dir.path, 1);
	tmpdir_write_text(&dir, "short",
			  "{\"turn\": {\"again\": true}}\n{\"text\": \"alpha omega\"}\n"
			  "{\"done\": {}}\n");
	tmpdir_write_text(
		&dir, "slow",
		"{\"turn\": {\"again\": true}}\n{\"text\": \"alpha\"}\n{\"pause\": 1200}\n"
		"{\"text\": \" omega\"}\n{\"done\": {}}\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tmpdir_release(&dir);
	tmpdir_release(&shown);
	return 0;
}

/* What the shell makes of it: $d is the program, $T the folder; output and errors appended. */
static int run(const char *command, struct buf *out, struct buf *err)
{
	struct buf line = {0};
	struct err why;
	int status;

	buf_addf(&line, "{ %s\n} >$O/.out 2>$O/.err </dev/null", command);
	fflush(NULL);
	status = system(buf_z(&line));
	buf_release(&line);
	if (file_read(out, tmpdir_file(&shown, ".out"), 1 << 26, &why) ||
	    file_read(err, tmpdir_file(&shown, ".err"), 1 << 20, &why))
		fail_msg("%s", why.text);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* One row: a command, and what comes of it. */
struct row {
	const char *command;
	int status;
	const char *out, *err; /* stand somewhere in it; NULL: it is empty */
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct buf out = {0}, err = {0};
		int status = run(rows[i].command, &out, &err);

		if (status != rows[i].status)
			fail_msg("%s: status %d, expected %d: %s", rows[i].command, status,
				 rows[i].status, buf_z(&err));
		if (rows[i].out ? !strstr(buf_z(&out), rows[i].out) : out.len != 0)
			fail_msg("%s: printed: %s", rows[i].command, buf_z(&out));
		if (rows[i].err ? !strstr(buf_z(&err), rows[i].err) : err.len != 0)
			fail_msg("%s: said: %s", rows[i].command, buf_z(&err));
		buf_release(&out);
		buf_release(&err);
	}
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof(rows[0]))

/* What was answered is printed, that it is not kept is told, and it is no success. */
static void a_history_that_goes_away_during_an_answer_is_told(void **state)
{
	static const char *const damages[] = {
		"rm $H", "mv $H $T/away", "cp $H $T/new && mv $T/new $H", ": > $H", "rm $H-wal",
	};
	/* And what of the answer's end is printed, which events may have in pieces. */
	static const struct {
		const char *line, *end;
	} modes[] = {
		{"$d --engine-script $T/slow -p question", "omega"},
		{"$d --engine-script $T/slow --json -p question", "\"done\""},
		{"echo question | $d --engine-script $T/slow", "omega"},
		{"echo '{\"text\": \"question\"}' | $d --engine-script $T/slow"
		 " --input-format jsonl",
		 "\"done\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		for (size_t k = 0; k < sizeof(modes) / sizeof(modes[0]); k++) {
			char command[1000];
			struct buf out = {0}, err = {0};
			int status;

			snprintf(command, sizeof(command),
				 "H=$T/dsv4chat/history.db; rm -rf $T/dsv4chat;"
				 " $d --engine-script $T/short -p first >/dev/null 2>&1;"
				 " (sleep 0.6; %s) & %s; status=$?; wait; exit $status",
				 damages[i], modes[k].line);
			status = run(command, &out, &err);
			if (status != 6)
				fail_msg("%s, %s: status %d: %s", damages[i], modes[k].line,
					 status, buf_z(&err));
			if (!strstr(buf_z(&out), modes[k].end))
				fail_msg("%s, %s: printed: %s", damages[i], modes[k].line,
					 buf_z(&out));
			if (!strstr(buf_z(&err), "while it was open") &&
			    !strstr(buf_z(&out), "while it was open"))
				fail_msg("%s, %s: said: %s", damages[i], modes[k].line,
					 buf_z(&err));
			buf_release(&out);
			buf_release(&err);
		}
	}
}

/* The first one fills the pipe, so that the second can go before it is read. */
static void an_export_of_everything_goes_on_where_one_vanishes(void **state)
{
	static const struct row rows[] = {
		{"for q in one two three; do $d --engine-script $T/short -p $q; done", 0,
		 "alpha omega", ""},
		{"head -c 200000 /dev/zero | tr '\\0' x | $d --engine-script $T/short -p big",
		 0, "alpha omega", ""},
		{"{ $d history export; echo $? >$T/status; } | { sleep 1;"
		 " $d history rm --yes two; cat; } >$T/all; cat $T/status; grep -c"
		 " '\"conversation\"' $T/all",
		 0, "1\n3\n", "was removed meanwhile: left out"},
		{"{ $d history export -o /dev/null/x; }", 1, NULL, "/dev/null/x"},
	};

	(void)state;
	CHECK(rows);
}

static void a_search_that_finds_nothing_says_so_and_fails(void **state)
{
	static const struct row rows[] = {
		{"$d --engine-script $T/short -p question", 0, "alpha omega", ""},
		{"$d history search alpha", 0, "[alpha]", NULL},
		{"$d history search nowhere", 1, NULL, "not found"},
		{"$d history search --json nowhere", 1, NULL, "not found"},
		{"TZ=EST5 $d history list", 0, " -0500 ", NULL},
		{"TZ=EST5 $d history show question", 0, " -0500\n", NULL},
		{"TZ=EST5 $d history search alpha", 0, " -0500 ", NULL},
	};

	(void)state;
	CHECK(rows);
}

static void verify_repairs_and_import_tells_what_is_known(void **state)
{
	static const struct row rows[] = {
		{"$d --engine-script $T/short -p question", 0, "alpha omega", ""},
		{"$d history verify", 0, "ok\n", NULL},
		{"$d history verify --repair", 0, "ok\n", NULL},
		{"$d history show --ids question", 0, "\town\t", NULL},
		{"$d history export -o $T/e.jsonl && $d history import $T/e.jsonl", 0, NULL,
		 "0 conversations imported, 1 known already"},
		{"$d history rm --yes question && $d history import $T/e.jsonl", 0, NULL,
		 "1 conversation imported\n"},
		{"$d history show --ids question", 0, "\timported\t", NULL},
		{"$d history search alpha", 0, "[alpha] omega", NULL},
	};

	(void)state;
	CHECK(rows);
}

/* Its ids are a claim, as are its times and counts, however large. */
static void a_cut_answer_that_was_imported_is_shown_and_not_offered_to_go_on_with(void **state)
{
	static const struct row rows[] = {
		{"$d --engine-script $T/cut -p question", 4, "half of it", "limit of tokens"},
		{"printf ':wait-idle\\n:save-display %s\\n' $O/display >$T/keys; $d -c --script "
		 "$T/keys --engine-script $T/short; cat $O/display",
		 0, "/continue goes on with it", ""},
		{"$d history export -o $T/e.jsonl && $d history rm --yes question", 0, "", ""},
		{"sed 's/\"\\([a-z]*_ms\\|[a-z]*_tokens\\)\": [0-9]*/\"\\1\": "
		 "9223372036854775807/g' $T/e.jsonl | $d history import",
		 0, "", "1 conversation imported"},
		{"$d history list", 0, "292278994-08-17 07:12", ""},
		{"$d -c --script $T/keys --engine-script $T/short; cat $O/display; "
		 "! grep -q /continue $O/display",
		 0, "cut, but without its own tokens", ""},
		{"printf ':wait-idle\\n:type /continue\\nEnter\\n:wait 100\\n:save-display %s\\n' "
		 "$O/display >$T/keys; $d -c --script $T/keys --engine-script $T/short; tail -60 "
		 "$O/display",
		 0, "/regen answers anew", ""},
	};

	(void)state;
	setenv("TZ", "UTC", 1);
	tmpdir_write_text(&dir, "cut",
			  "{\"turn\": {\"again\": true}}\n{\"text\": \"half of it\"}\n"
			  "{\"done\": {\"stop\": \"length\"}}\n");
	CHECK(rows);
}

/* As somebody whom modes hold back: $U in a command. */
static bool without_rights(void)
{
	char command[1400];

	setenv("U", "", 1);
	if (geteuid() != 0)
		return true;
	setenv("U", "setpriv --reuid 65534 --regid 65534 --clear-groups", 1);
	snprintf(command, sizeof(command),
		 "chown -R 65534:65534 %s && $U $d --version >/dev/null && $U test -r %s/short",
		 dir.path, dir.path);
	return system(command) == 0;
}

static void what_may_not_be_written_can_be_read_and_the_rest_says_why(void **state)
{
#define H "H=$T/dsv4chat/history.db; "
	static const struct row rows[] = {
		{H "$U $d --engine-script $T/short -p question", 0, "alpha omega", ""},
		/* the file */
		{H "chmod 0444 $H; $U $d history list", 0, "question", NULL},
		{H "$U $d history search alpha", 0, "[alpha]", NULL},
		{H "$U $d history show question", 0, "alpha omega", NULL},
		{H "$U $d history export", 0, "alpha omega", NULL},
		{H "$U $d history rename question x", 6, NULL, "Permission denied"},
		/* its folder as well */
		{H "chmod 0555 $T/dsv4chat; $U $d history list", 0, "question", NULL},
		{H "$U $d history search alpha", 0, "[alpha]", NULL},
		{H "$U $d history export", 0, "alpha omega", NULL},
		{H "chmod 0644 $H; $U $d history list", 0, "question", NULL},
		{H "$U $d --engine-script $T/short -p more", 6, NULL, "may not be written"},
		{H "$U $d --engine-script $T/short -p more", 6, NULL, "--ephemeral"},
		{H "$U $d doctor", 6, "FAIL  history", NULL},
		/* what is no file, or may not be read, is said, not waited for */
		{H "chmod 0755 $T/dsv4chat; chmod 0 $H; $U $d history list", 6, NULL,
		 "Permission denied"},
		{H "$U $d doctor", 6, "history.db: cannot open the history: Permission denied",
		 NULL},
		{H "mv $H $H.kept; mkfifo -m 0666 $H; $U timeout 10 $d history list", 6, NULL,
		 "not a regular file"},
		{H "$U timeout 10 $d --engine-script $T/short -p more", 6, NULL,
		 "not a regular file"},
		{H "$U timeout 10 $d doctor", 6, "not a regular file", NULL},
		{H "rm $H; mkdir $H; $U $d history list", 6, NULL, "not a regular file"},
		{H "rmdir $H; mv $H.kept $H; chmod 0444 $H; chmod 0555 $T/dsv4chat; $U $d doctor",
		 6, "can be read, not written", NULL},
		/* nothing is there, and nothing can be made */
		{H "chmod 0755 $T/dsv4chat; rm -r $T/dsv4chat; chmod 0555 $T;"
		   " $U $d --engine-script $T/short -p more",
		 6, NULL, "Permission denied"},
		{H "$U $d --engine-script $T/short -p more", 6, NULL, "--ephemeral"},
		{H "echo more | $U $d --engine-script $T/short", 6, NULL, "Permission denied"},
		{H "$U $d history list", 6, NULL, "Permission denied"},
		{H "$U $d doctor", 6, "can't be made: no permission", NULL},
		{"XDG_DATA_HOME= HOME= $U $d --engine-script $T/short -p more", 2, NULL,
		 "--ephemeral"},
		{H "chmod 0755 $T; mkdir $T/dsv4chat; echo diary >$H; chmod 0666 $H; $U $d "
		   "doctor | grep"
		   " 'history '",
		 0, "FAIL  history", NULL},
	};

	(void)state;
	if (!without_rights()) {
		print_message("skipped: nobody else can run the program, or reach its files, here\n");
		skip();
	}
	/* All is written below one folder, but for the shell's own files. */
	setenv("XDG_STATE_HOME", "/nowhere", 1);
	CHECK(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_history_that_goes_away_during_an_answer_is_told),
		T(an_export_of_everything_goes_on_where_one_vanishes),
		T(a_search_that_finds_nothing_says_so_and_fails),
		T(what_may_not_be_written_can_be_read_and_the_rest_says_why),
		T(verify_repairs_and_import_tells_what_is_known),
		T(a_cut_answer_that_was_imported_is_shown_and_not_offered_to_go_on_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
