/*
 * Tools as a user meets them: the program's own runner in a real folder, called by the scripted
 * engine.
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

#include "app/tools/tools.h"
#include "tests/support/program.h"
#include "tests/support/sandboxed.h"
#include "tests/support/shared_files.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define DONE             "{\"done\": {}}\n"
#define CALL(name, args) "{\"call\": {\"name\": \"" name "\", \"arguments\": " args "}}\n"
/* What the result of the call before is to have in it. */
#define GIVES(text, say)                                                                       \
	"{\"turn\": {\"expect_tool\": \"" text "\"}}\n{\"text\": \"" say "\"}\n" DONE

static struct tmpdir d;

static int begin(void **state)
{
	(void)state;
	tmpdir_init(&d);
	mkdir(tmpdir_file(&d, "home"), 0700);
	mkdir(tmpdir_file(&d, "home/work"), 0700);
	mkdir(tmpdir_file(&d, "home/work/src"), 0700);
	tmpdir_write_text(&d, "home/secret", "hunter2\n");
	tmpdir_write_text(&d, "home/work/.env", "TOKEN=hunter2\n");
	tmpdir_write_text(&d, "home/work/notes.txt", "buy milk\ncall Ann\n");
	tmpdir_write_text(&d, "home/work/src/main.py", "x = 1  # TODO: more\n");
	return 0;
}

static int end(void **state)
{
	(void)state;
	tmpdir_release(&d);
	return 0;
}

/* Runs it in that folder with HOME beside; stderr goes to stdout.  The exit status. */
static int run_in(const char *where, const char *args, struct buf *out)
{
	char *program = realpath(program_path(), NULL),
	     *home = realpath(tmpdir_file(&d, "home"), NULL);
	struct buf line = {0};
	int status;

	assert_non_null(program);
	assert_non_null(home);
	buf_addf(&line,
		 "cd '%s' && HOME='%s' XDG_CONFIG_HOME= XDG_DATA_HOME= XDG_STATE_HOME= "
		 "XDG_CACHE_HOME= '%s' --tools %s 2>&1 </dev/null",
		 tmpdir_file(&d, where), home, program, args);
	buf_reset(out);
	status = program_shell(buf_z(&line), out);
	buf_release(&line);
	free(program);
	free(home);
	return status;
}

static void run_engine(const char *script, const char *args, struct buf *out)
{
	struct buf line = {0};
	int status;

	tmpdir_write_text(&d, "engine", script);
	buf_addf(&line, "--ephemeral --engine-script '%s' %s -p hi", tmpdir_file(&d, "engine"),
		 args);
	status = run_in("home/work", buf_z(&line), out);
	if (status != 0)
		fail_msg("%d: %s", status, buf_z(out));
	buf_release(&line);
}

static void a_call_reads_the_folder_the_program_was_started_in(void **state)
{
	static const struct {
		const char *script, *shown;
	} rows[] = {
		{CALL("read_file", "{\"path\": \"notes.txt\"}")
			 DONE GIVES("buy milk\\ncall Ann\\n", "A."),
		 "→ read_file notes.txt  (0."},
		{CALL("list_files", "{}") DONE GIVES(".env\\nnotes.txt\\nsrc/", "A."),
		 "→ list_files"},
		{CALL("search_files", "{\"pattern\": \"TODO\"}")
			 DONE GIVES("src/main.py:1:x = 1  # TODO: more", "A."),
		 "→ search_files TODO"},
		/* What it may not is told, and no more than that. */
		{CALL("read_file", "{\"path\": \"../secret\"}")
			 DONE GIVES("error: ../secret leads outside the workspace", "A."),
		 "(error, "},
		{CALL("read_file", "{\"path\": \".env\"}")
			 DONE GIVES("error: .env is hidden (it may hold secrets)", "A."),
		 "(error, "},
		{CALL("search_files", "{\"pattern\": \"hunter\"}")
			 DONE GIVES("no matches\\n[1 file not searched]", "A."),
		 "→ search_files hunter"},
	};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		run_engine(rows[i].script, "", &out);
		if (!strstr(buf_z(&out), rows[i].shown))
			fail_msg("'%s' lacks '%s'", buf_z(&out), rows[i].shown);
		assert_null(strstr(buf_z(&out), "hunter2"));
	}
	buf_release(&out);
}

/* What lies elsewhere is asked about, what a rule denies is not there, for commands neither. */
static void rules_say_what_is_read(void **state)
{
	static const struct {
		const char *args, *script, *told;
	} rows[] = {
		{"", CALL("read_file", "{\"path\": \"~/secret\"}"),
		 "denied: nobody can be asked"},
		{"--approve auto", CALL("read_file", "{\"path\": \"~/secret\"}"), "hunter2"},
		{"--approve never", CALL("list_files", "{\"path\": \"/etc\"}"),
		 "denied: only what reads may run here"},
		{"--allow 'read /usr/share/**'", CALL("list_files", "{\"path\": \"src\"}"),
		 "main.py"},
		{"--allow 'read /etc/host*'",
		 CALL("read_file", "{\"path\": \"/etc/hostname\"}"), ""},
		{"--deny 'read src'", CALL("read_file", "{\"path\": \"src/main.py\"}"),
		 "denied: deny = read src"},
		{"--deny 'read **/*.py'", CALL("search_files", "{\"pattern\": \"TODO\"}"),
		 "no matches"},
		{"--deny 'read *.txt'", CALL("list_files", "{\"path\": \"src\"}"), "main.py"},
		{"--deny 'tool read_file'", CALL("read_file", "{\"path\": \"notes.txt\"}"),
		 "denied: deny = tool read_file"},
		{"--ask 'read notes.txt'", CALL("read_file", "{\"path\": \"notes.txt\"}"),
		 "nobody can be asked"},
	};
	struct buf out = {0}, script = {0}, args = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		buf_reset(&script);
		buf_addf(&script, "%s" DONE GIVES("%s", "A."), rows[i].script, rows[i].told);
		tmpdir_write_text(&d, "engine", buf_z(&script));
		buf_reset(&args);
		buf_addf(&args, "--ephemeral --engine-script '%s' %s -p hi",
			 tmpdir_file(&d, "engine"), rows[i].args);
		run_in("home/work", buf_z(&args), &out);
		if (!strstr(buf_z(&out), "A."))
			fail_msg("%s %s: %s", rows[i].args, rows[i].script, buf_z(&out));
	}
	buf_release(&out);
	buf_release(&script);
	buf_release(&args);
}

static void the_programs_own_folders_are_hidden(void **state)
{
	struct buf out = {0}, script = {0};

	(void)state;
	mkdir(tmpdir_file(&d, "home/work/config"), 0700);
	mkdir(tmpdir_file(&d, "home/work/config/dsv4chat"), 0700);
	tmpdir_write_text(&d, "home/work/config/dsv4chat/config", "# hunter2\n");
	buf_addz(&script, CALL("read_file", "{\"path\": \"config/dsv4chat/config\"}")
				  DONE GIVES("is hidden", "A."));
	tmpdir_write_text(&d, "engine", buf_z(&script));
	buf_reset(&script);
	buf_addf(&script,
		 "cd '%s' && XDG_CONFIG_HOME=\"$PWD/config\" '%s' --tools --ephemeral "
		 "--engine-script "
		 "'%s' -p hi 2>&1 </dev/null",
		 tmpdir_file(&d, "home/work"), realpath(program_path(), (char[4096]){0}),
		 tmpdir_file(&d, "engine"));
	if (program_shell(buf_z(&script), &out) != 0)
		fail_msg("%s", buf_z(&out));
	buf_release(&script);
	buf_release(&out);
}

/* In a session that is kept; the exit status. */
static int run_kept(const char *script, const char *args, struct buf *out)
{
	struct buf line = {0};
	int status;

	tmpdir_write_text(&d, "engine", script);
	buf_addf(&line, "--titles off --engine-script '%s' %s -p hi", tmpdir_file(&d, "engine"),
		 args);
	status = run_in("home/work", buf_z(&line), out);
	buf_release(&line);
	return status;
}

static void make_long_names(void)
{
	mkdir(tmpdir_file(&d, "home/work/many"), 0700);
	for (int i = 0; i < 700; i++) {
		char name[120];

		snprintf(name, sizeof(name), "home/work/many/%03d-%060d", i, 0);
		tmpdir_write_text(&d, name, "");
	}
}

static size_t count_outputs(void)
{
	struct buf line = {0}, out = {0};
	size_t n;

	buf_addf(&line, "find '%s' -type f 2>/dev/null | wc -l",
		 tmpdir_file(&d, "home/.cache/dsv4chat/tools"));
	program_shell(buf_z(&line), &out);
	n = (size_t)atoi(buf_z(&out));
	buf_release(&line);
	buf_release(&out);
	return n;
}

static void what_was_cut_can_be_read_until_the_conversation_is_removed(void **state)
{
	static const char lists[] = CALL("list_files", "{\"path\": \"many\"}")
		DONE GIVES("whole output: read_file OUT:1]", "A.");
	static const char reads[] =
		CALL("read_file", "{\"path\": \"OUT:1\", \"offset\": 350, \"limit\": 1}")
			DONE GIVES("349-000", "B.");
	struct buf out = {0}, line = {0};

	(void)state;
	make_long_names();
	if (run_kept(lists, "", &out) || run_kept(reads, "-c", &out))
		fail_msg("%s", buf_z(&out));
	assert_int_equal(count_outputs(), 1);
	/* Another conversation knows nothing of it, and what is not kept leaves nothing. */
	if (run_kept(CALL("read_file", "{\"path\": \"OUT:1\"}") DONE GIVES("error: ", "C."), "",
		     &out) ||
	    run_kept(lists, "", &out))
		fail_msg("%s", buf_z(&out));
	assert_int_equal(count_outputs(), 2);
	buf_addf(&line,
		 "HOME='%s' XDG_DATA_HOME= XDG_STATE_HOME= XDG_CACHE_HOME= XDG_CONFIG_HOME= sh "
		 "-c "
		 "'for i in $(%s history list | cut -d\" \" -f1); do %s history rm --yes $i; "
		 "done' 2>&1",
		 tmpdir_file(&d, "home"), program_path(), program_path());
	buf_reset(&out);
	program_shell(buf_z(&line), &out);
	if (count_outputs() != 0)
		fail_msg("%s", buf_z(&out));
	buf_release(&out);
	buf_release(&line);
}

static void with_nobody_to_ask_nothing_is_changed_and_nothing_runs(void **state)
{
	static const char *const calls[] = {
		CALL("edit_file",
		     "{\"path\": \"notes.txt\", \"old\": \"milk\", \"new\": \"tea\"}"),
		CALL("write_file", "{\"path\": \"made\", \"content\": \"x\"}"),
		CALL("shell", "{\"command\": \"touch made; echo tea > notes.txt\"}"),
	};
	struct buf line = {0}, out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		buf_reset(&line);
		buf_addf(&line, "%s%s", calls[i],
			 DONE GIVES("error: denied: nobody can be asked", "A."));
		tmpdir_write_text(&d, "engine", buf_z(&line));
		buf_reset(&line);
		buf_addf(&line, "--ephemeral --engine-script '%s' -p hi",
			 tmpdir_file(&d, "engine"));
		assert_int_equal(run_in("home/work", buf_z(&line), &out), 5);
		if (!strstr(buf_z(&out), "1 call was refused, since nobody could be asked"))
			fail_msg("%s", buf_z(&out));
	}
	buf_reset(&out);
	assert_true(whole_file(tmpdir_file(&d, "home/work/notes.txt"), &out));
	assert_non_null(strstr(buf_z(&out), "milk"));
	assert_int_equal(access(tmpdir_file(&d, "home/work/made"), F_OK), -1);
	buf_release(&line);
	buf_release(&out);
}

/* ---- rules and modes, with nobody to ask ---- */

/* What the model is told of a command, and whether it left a file. */
static void expect_ruled(const char *args, const char *command, const char *told, bool made)
{
	struct buf script = {0}, out = {0};

	buf_addf(
		&script,
		"{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"%s\"}}}\n" DONE
			GIVES("%s", "There."),
		command, told);
	tmpdir_write_text(&d, "engine", buf_z(&script));
	buf_reset(&script);
	buf_addf(&script, "--ephemeral --engine-script '%s' %s -p hi",
		 tmpdir_file(&d, "engine"), args);
	run_in("home/work", buf_z(&script), &out);
	if (!strstr(buf_z(&out), "There.") ||
	    (unlink(tmpdir_file(&d, "home/work/made")) == 0) != made)
		fail_msg("%s, %s: %s", args, command, buf_z(&out));
	buf_release(&script);
	buf_release(&out);
}

static void rules_and_modes_decide_which_commands_run(void **state)
{
	static const struct {
		const char *args, *command, *told;
		bool made;
	} rows[] = {
		{"--allow 'shell touch made'", "touch made && touch 'made'", "(no output)",
		 true},
		{"--allow 'shell touch made'", "touch made; touch other", "nobody can be asked",
		 false},
		{"--allow 'shell touch made'", "touch $x made", "nobody can be asked", false},
		{"--approve auto", "touch made; echo $((1 + 1))", "2", true},
		{"--approve auto --deny 'shell touch'", "touch made",
		 "denied: deny = shell touch", false},
		{"--approve auto --deny 'shell rm'", "touch made; $x", "nobody can be asked",
		 false},
		{"--approve auto --ask 'shell touch'", "touch made", "nobody can be asked",
		 false},
		{"--approve edits", "touch made", "nobody can be asked", false},
		{"--approve never", "touch made", "only what reads may run", false},
		{"--approve never --allow 'shell touch *'", "touch made", "(no output)", true},
		{"--sandbox off --approve auto", "touch made", "nobody can be asked", false},
		{"--sandbox off --allow 'shell *'", "touch made", "nobody can be asked", false},
		{"--sandbox read-only --allow 'shell *'", "touch made", "[exit code 1]", false},
		/* What only looks needs none, and can do no more than that. */
		{"", "cat notes.txt | head -n 1 && ls src", "buy milk\\nmain.py", false},
		{"--approve never", "grep -c x src/*.py", "1", false},
		{"--deny 'shell cat'", "cat notes.txt", "denied: deny = shell cat", false},
		{"--ask 'shell cat'", "cat notes.txt", "nobody can be asked", false},
		{"", "cat ../secret", "nobody can be asked", false},
		{"", "cat .env", "nobody can be asked", false},
		{"--sandbox off", "cat notes.txt", "nobody can be asked", false},
		{"--deny 'read notes.txt'", "cat notes.txt", "denied: deny = read notes.txt",
		 false},
		{"--deny 'read **/*.py' --approve auto", "cat src/m*; echo $?", "1", false},
		{"--sandbox off --allow 'shell touch * with outside'", "touch made",
		 "(no output)", true},
		{"--allow 'shell touch * with outside'", "touch made ../escaped; ls ../escaped",
		 "nobody", false},
		{"--allow 'shell touch * with outside'", "touch made", "(no output)", true},
		/* A rule widens its own command alone. */
		{"--allow 'shell cat *'", "cat /proc/net/dev", "lo:", false},
		{"--allow 'shell touch made with network'", "touch made", "(no output)", true},
	};

	(void)state;
	if (!has_sandbox())
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect_ruled(rows[i].args, rows[i].command, rows[i].told, rows[i].made);
}

/* By the name that the model gave it, and by where that leads. */
static void an_edit_is_ruled_by_its_name_and_its_true_path(void **state)
{
	static const struct {
		const char *args, *path, *told;
	} rows[] = {
		{"--allow 'edit src/**'", "src/main.py", "replaced 1"},
		{"--allow 'edit src/**'", "link/main.py", "nobody can be asked"},
		{"--allow 'edit src/**' --allow 'edit link/*'", "link/main.py", "replaced 1"},
		{"--allow 'edit link/**'", "link/main.py", "nobody can be asked"},
		{"--approve edits", "link/main.py", "replaced 1"},
		{"--approve edits --deny 'edit src'", "link/main.py",
		 "denied: deny = edit src"},
		{"--approve auto --ask 'edit src'", "link/main.py", "nobody can be asked"},
		{"--approve auto --allow 'edit **'", "link/AGENTS.md", "nobody can be asked"},
		{"--approve never", "src/main.py", "only what reads may run"},
		{"--allow 'tool edit_file'", "src/main.py", "replaced 1"},
		{"--approve never --allow 'tool *_file'", "src/main.py", "replaced 1"},
		{"--allow 'tool edit_file' --deny 'edit src'", "link/main.py",
		 "denied: deny = edit src"},
		{"--allow 'tool edit_file' --ask 'edit src'", "src/main.py",
		 "nobody can be asked"},
		{"--allow 'tool edit_file'", "link/AGENTS.md", "nobody can be asked"},
		{"--allow 'tool write_file'", "src/main.py", "nobody can be asked"},
		{"--approve plan --allow 'tool edit_file'", "src/main.py", "plan mode"},
	};
	struct buf script = {0}, out = {0};

	(void)state;
	if (!tools_landlock())
		skip();
	assert_int_equal(symlink("src", tmpdir_file(&d, "home/work/link")), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		tmpdir_write_text(&d, "home/work/src/main.py", "x = 1\n");
		tmpdir_write_text(&d, "home/work/src/AGENTS.md", "x = 1\n");
		buf_reset(&script);
		buf_addf(&script,
			 "{\"call\": {\"name\": \"edit_file\", \"arguments\": {\"path\": "
			 "\"%s\", "
			 "\"old\": \"1\", \"new\": \"2\"}}}\n" DONE GIVES("%s", "There."),
			 rows[i].path, rows[i].told);
		tmpdir_write_text(&d, "engine", buf_z(&script));
		buf_reset(&script);
		buf_addf(&script, "--ephemeral --engine-script '%s' %s -p hi",
			 tmpdir_file(&d, "engine"), rows[i].args);
		run_in("home/work", buf_z(&script), &out);
		if (!strstr(buf_z(&out), "There."))
			fail_msg("%s %s: %s", rows[i].args, rows[i].path, buf_z(&out));
	}
	buf_release(&script);
	buf_release(&out);
}

static void the_rule_that_decided_is_kept(void **state)
{
	struct buf line = {0}, out = {0};

	(void)state;
	if (!tools_landlock())
		skip();
	if (run_kept(CALL("edit_file", "{\"path\": \"notes.txt\", \"old\": \"milk\", "
				       "\"new\": \"tea\"}") DONE GIVES("replaced 1", "A."),
		     "--allow 'edit *.txt'", &out))
		fail_msg("%s", buf_z(&out));
	buf_addf(&line,
		 "HOME='%s' XDG_DATA_HOME= XDG_STATE_HOME= XDG_CACHE_HOME= XDG_CONFIG_HOME= "
		 "'%s' history export --format json",
		 tmpdir_file(&d, "home"), program_path());
	buf_reset(&out);
	assert_int_equal(program_shell(buf_z(&line), &out), 0);
	if (!strstr(buf_z(&out), "allow = edit *.txt"))
		fail_msg("%s", buf_z(&out));
	buf_release(&line);
	buf_release(&out);
}

/* Where a sandbox holds all is well; else that is what is wrong. */
static void the_verb_tries_each_tool(void **state)
{
	struct buf line = {0}, out = {0};
	int status;

	(void)state;
	buf_addf(&line, "TMPDIR='%s' '%s' tools test; s=$?; ls '%s'; exit $s",
		 tmpdir_file(&d, "home"), program_path(), tmpdir_file(&d, "home"));
	status = program_shell(buf_z(&line), &out);
	assert_null(strstr(buf_z(&out), "dsv4chat-tools-"));
	assert_non_null(strstr(buf_z(&out), "ok    read_file     refuses .env\n"));
	if (strstr(buf_z(&out), "FAIL  sandbox       none"))
		assert_int_equal(status, 1);
	else if (status || strstr(buf_z(&out), "FAIL") || !strstr(buf_z(&out), "ok    shell"))
		fail_msg("%d: %s", status, buf_z(&out));
	buf_release(&line);
	buf_release(&out);
}

static void doctor_warns_of_rules_that_allow_more_than_they_seem_to(void **state)
{
	static const struct {
		const char *config, *line;
	} rows[] = {
		{"allow = shell git *\n", "warn  rules     allow = shell git *: allows all that"},
		{"allow = shell *\n", "warn  rules     allow = shell *: allows every command"},
		{"allow = shell python3 *\n", "allow = shell python3 *: allows whatever code"},
		{"allow = shell bash -c *\n", "allow = shell bash -c *: allows whatever code"},
		{"allow = shell env X *\n", "allow = shell env X *: allows every other program"},
		{"allow = shell git status *\ndeny = shell git *\nallow = shell git\n",
		 "ok    rules     3"},
	};
	struct buf line = {0}, out = {0};

	(void)state;
	mkdir(tmpdir_file(&d, "home/dsv4chat"), 0700);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tmpdir_write_text(&d, "home/dsv4chat/config", rows[i].config);
		buf_reset(&line);
		buf_reset(&out);
		buf_addf(&line, "XDG_CONFIG_HOME='%s' '%s' doctor --model /nonexistent",
			 tmpdir_file(&d, "home"), program_path());
		program_shell(buf_z(&line), &out);
		if (!strstr(buf_z(&out), rows[i].line))
			fail_msg("row %zu: %s", i, buf_z(&out));
	}
	buf_release(&line);
	buf_release(&out);
}

static void the_verb_tells_how_a_command_is_split_and_judged(void **state)
{
	struct buf line = {0}, out = {0};

	(void)state;
	mkdir(tmpdir_file(&d, "home/dsv4chat"), 0700);
	tmpdir_write_text(&d, "home/dsv4chat/config",
			  "allow = shell make\ndeny = shell git push\nallow = edit out/**\n");
	buf_addf(&line,
		 "export XDG_CONFIG_HOME='%s'; p='%s'; case $p in /*) ;; *) p=$PWD/$p;; esac; "
		 "t() { \"$p\" tools \"$@\"; }; "
		 "t check 'make > out/x'; t check 'a *.c; git push'; t check 'b $x'; t check "
		 "'ls /usr'; t list; "
		 "DSV4CHAT_ALLOW='shell rm' t check 'rm'; "
		 "cd '%s'; echo 'allow = tool shell' > dsv4chat/config; t check 'b $x'; "
		 "echo 'deny = shell a;b' > dsv4chat/config; t check a 2>&1; echo $?; "
		 "t check 2>&1 | head -c 6",
		 tmpdir_file(&d, "home"), program_path(), tmpdir_file(&d, "home"));
	program_shell(buf_z(&line), &out);
	buf_reset(&line);
	buf_addf(&line,
		 "words    [make] > out/x\nclass    run\nverdict  run: allow = shell make (a "
		 "rule)\n"
		 "words    [a] [*.c] (pattern)\nwords    ; [git] [push]\n"
		 "class    run\nverdict  deny: deny = shell git push (a rule)\n"
		 "words    not understood: an expansion, at byte 3\n"
		 "class    run\nverdict  ask: it is not understood, and there are rules that "
		 "ask or deny\n"
		 "words    [ls] [/usr]\nclass    read\n"
		 "verdict  run: it only looks, where nothing can be written\n"
		 "read     read_file list_files search_files\nedit     edit_file write_file\n"
		 "run      shell\napprove  ask\nrule     deny = shell git push\n"
		 "rule     allow = shell make\nrule     allow = edit out/**\n"
		 "words    [rm]\nclass    run\nverdict  as --approve says: no rule allows all "
		 "of it\n"
		 "words    not understood: an expansion, at byte 3\n"
		 "class    run\nverdict  run: allow = tool shell (a rule)\n"
		 "dsv4chat: tools: %s/dsv4chat/config: line 1: deny: column 8: ';', expected "
		 "words "
		 "without quotes and operators\n2\nusage:",
		 tmpdir_file(&d, "home"));
	assert_string_equal(buf_z(&out), buf_z(&line));
	buf_release(&line);
	buf_release(&out);
}

/* ---- commands, at a terminal ---- */

/* One question with that option, which may be NULL, and `script` for a model. */
static void open_asked(struct stage *st, const char *option, const char *value,
		       const char *script)
{
	const char *args[] = {"--tools", "--ephemeral", "-p", "hi", option, value, NULL};
	struct stage_setup su = {.args = args,
				 .home = d.path,
				 .folder = tmpdir_file(&d, "home/work"),
				 .engine_script = script};

	stage_open(st, &su);
}

/* Commands that were agreed to, and what the model is told of them. */
static void a_command_runs_when_the_user_agrees(void **state)
{
	static const struct {
		const char *option, *value, *command, *asked, *told;
		bool made;
	} rows[] = {
		{NULL, NULL, "touch made && cat notes.txt", "write; in the sandbox, no network",
		 "buy milk\\ncall Ann\\n", true},
		{NULL, NULL, "echo x > ../outside; touch made; cat .env", "write",
		 "[exit code 1]", true},
		{"--sandbox", "read-only", "touch made", "read; in the sandbox, no network",
		 "[exit code 1]", false},
		{"--sandbox", "off", "touch made && echo yes", "write; without a sandbox",
		 "yes", true},
		{"--ask", "shell touch", "touch made && echo yes",
		 "no network; as you want it: ask = shell touch)", "yes", true},
	};

	(void)state;
	if (!has_sandbox())
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf script = {0};
		struct stage st;

		buf_addf(&script,
			 "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": "
			 "\"%s\"}}}\n" DONE GIVES("%s", "There."),
			 rows[i].command, rows[i].told);
		open_asked(&st, rows[i].option, rows[i].value, buf_z(&script));
		stage_wait_for(&st, "Run this command?  shell");
		stage_wait_for(&st, rows[i].asked);
		stage_wait_for(&st, "(Ctrl-C stops):");
		stage_settle(&st);
		assert_int_equal(access(tmpdir_file(&d, "home/work/made"), F_OK), -1);
		stage_type(&st, "y\n");
		stage_wait_for(&st, "There.");
		assert_int_equal(stage_close(&st), 0);
		assert_int_equal(unlink(tmpdir_file(&d, "home/work/made")) == 0, rows[i].made);
		assert_int_equal(access(tmpdir_file(&d, "home/outside"), F_OK), -1);
		buf_release(&script);
	}
}

static void what_needs_no_question_runs_without_one_at_a_terminal(void **state)
{
	static const char *const ways[][2] = {{"--approve", "auto"},
					      {"--allow", "shell touch *"}};

	(void)state;
	if (!has_sandbox())
		skip();
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct stage st;

		open_asked(&st, ways[i][0], ways[i][1],
			   CALL("shell", "{\"command\": \"touch made\"}")
				   DONE GIVES("(no output)", "There."));
		stage_wait_for(&st, "→ shell touch made  (");
		stage_wait_for(&st, "There.");
		assert_int_equal(stage_close(&st), 0);
		assert_int_equal(unlink(tmpdir_file(&d, "home/work/made")), 0);
	}
}

static void a_command_that_is_refused_does_not_run(void **state)
{
	struct stage st;

	(void)state;
	if (!has_sandbox())
		skip();
	open_asked(&st, NULL, NULL,
		   CALL("shell", "{\"command\": \"touch made\"}")
			   DONE GIVES("error: denied by the user: not now", "There."));
	stage_wait_for(&st, "(Ctrl-C stops):");
	stage_settle(&st);
	stage_type(&st, "r\n");
	stage_settle(&st);
	stage_type(&st, "not now\n");
	stage_wait_for(&st, "There.");
	assert_int_equal(stage_close(&st), 0);
	assert_int_equal(access(tmpdir_file(&d, "home/work/made"), F_OK), -1);
}

static void a_home_is_no_workspace(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_int_equal(run_in("home", "-p hi", &out), 2);
	if (!strstr(buf_z(&out), "has your home in it: start in the folder of a project"))
		fail_msg("%s", buf_z(&out));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_needs_no_question_runs_without_one_at_a_terminal, begin, end),
		cmocka_unit_test_setup_teardown(the_rule_that_decided_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(rules_and_modes_decide_which_commands_run,
						begin, end),
		cmocka_unit_test_setup_teardown(an_edit_is_ruled_by_its_name_and_its_true_path,
						begin, end),
		cmocka_unit_test_setup_teardown(the_verb_tries_each_tool, begin, end),
		cmocka_unit_test_setup_teardown(
			doctor_warns_of_rules_that_allow_more_than_they_seem_to, begin, end),
		cmocka_unit_test_setup_teardown(
			the_verb_tells_how_a_command_is_split_and_judged, begin, end),
		cmocka_unit_test_setup_teardown(
			a_call_reads_the_folder_the_program_was_started_in, begin, end),
		cmocka_unit_test_setup_teardown(rules_say_what_is_read, begin, end),
		cmocka_unit_test_setup_teardown(the_programs_own_folders_are_hidden, begin,
						end),
		cmocka_unit_test_setup_teardown(
			what_was_cut_can_be_read_until_the_conversation_is_removed, begin, end),
		cmocka_unit_test_setup_teardown(
			with_nobody_to_ask_nothing_is_changed_and_nothing_runs, begin, end),
		cmocka_unit_test_setup_teardown(a_command_runs_when_the_user_agrees, begin,
						end),
		cmocka_unit_test_setup_teardown(a_command_that_is_refused_does_not_run, begin,
						end),
		cmocka_unit_test_setup_teardown(a_home_is_no_workspace, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
