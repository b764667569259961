/*
 * The program among hostile files, pipes and signals, as a shell starts it: one line that names
 * the file, the thing, what was found and what was expected; the exit code; promptly; and
 * nothing half-written, the history being whole after each.  (Broken checkpoints, tensor by
 * tensor, are in hostile_test.c, failing calls in program_fault_test.c.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "history/history.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define OUTPUT_MAX_BYTES ((size_t)64 << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PATIENCE 10 /* a sanitizer makes everything so much slower */
#else
#define PATIENCE 1
#endif

static struct tmpdir dir, home;

/* ------------------------------------------------------------------- lines of a shell */

/*
 * What a line may use.  $p is the program, d NAME … the program on the script NAME, $T a
 * directory for the taking; n makes the small model again in $m, by links; t FILTER filters its
 * tokenizer, c FILTER its config.json.  $L is a text of 500 words.
 */
static const char prelude[] =
	"p=%s; T=%s; m=$T/m; "
	"d() { s=$1; shift; $p --engine-script $T/$s \"$@\"; }; "
	"n() { rm -rf $m; mkdir $m; for f in config.json generation_config.json "
	"model.safetensors "
	"tokenizer.json; do ln -s $PWD/share/nano/$f $m/$f; done; }; "
	"t() { n; rm $m/tokenizer.json; \"$@\" <share/nano/tokenizer.json >$m/tokenizer.json; "
	"}; "
	"c() { n; rm $m/config.json; \"$@\" <share/nano/config.json >$m/config.json; }; "
	"L=$(i=0; while [ $i -lt 500 ]; do i=$((i+1)); printf 'word '; done); "
	"{ %s\n} 2>$T/stderr";

struct line_case {
	const char *line;
	int status;
	const char *err; /* a part of stderr's one line; "": nothing is there; NULL: anything */
	const char *out; /* all of stdout; NULL: anything */
};

static int run(const char *line, struct buf *out, struct buf *err)
{
	struct err why = {0};
	struct buf command = {0};
	int status;

	buf_addf(&command, prelude, program_path(), dir.path, line);
	status = program_shell(buf_z(&command), out);
	buf_release(&command);
	assert_int_equal(file_read(err, tmpdir_file(&dir, "stderr"), OUTPUT_MAX_BYTES, &why),
			 0);
	return status;
}

/* Only the program's own files are there, and the history is sound. */
static void check_home(const char *what)
{
	static const char *const own[] = {
		".", "..", "history.db", "history.db-wal", "history.db-shm", "log", "kv"};
	struct history *h = NULL;
	struct buf problems = {0};
	struct err err = {0};
	struct dirent *e;
	DIR *folder = opendir(tmpdir_file(&home, "dsv4chat"));
	size_t n = 0;

	while (folder && (e = readdir(folder))) {
		bool known = false;

		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			known |= strcmp(e->d_name, own[i]) == 0;
		if (!known)
			fail_msg("%s: left %s behind", what, e->d_name);
	}
	if (folder)
		closedir(folder);
	if (access(tmpdir_file(&home, "dsv4chat/history.db"), F_OK) != 0)
		return;
	if (history_open(&h, tmpdir_file(&home, "dsv4chat/history.db"), &err) ||
	    history_verify(h, &problems, &n, &err) || n)
		fail_msg("%s: %s%s", what, buf_z(&problems), err.text);
	history_close(h);
	buf_release(&problems);
}

static void check(const struct line_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct line_case *c = &cases[i];
		struct buf out = {0}, err = {0};
		int64_t start = clock_ms();
		int status = run(c->line, &out, &err);
		int64_t ms = clock_ms() - start;
		const char *end = strchr(buf_z(&err), '\n');
		const char *wrong = NULL;

		if (status != c->status)
			wrong = "another exit code";
		else if (c->out && strcmp(buf_z(&out), c->out) != 0)
			wrong = "other output";
		else if (c->err && !*c->err && err.len)
			wrong = "something on stderr";
		else if (c->err && *c->err && !strstr(buf_z(&err), c->err))
			wrong = "another message";
		else if (c->err && *c->err && (!end || end[1]))
			wrong = "more or less than one line on stderr";
		else if (ms > 10000 * PATIENCE)
			wrong = "late";
		if (wrong)
			fail_msg("%s\n%s: %d after %lld ms, expected %d \"%s\"\n"
				 "stdout: %.500s\nstderr: %.500s",
				 c->line, wrong, status, (long long)ms, c->status,
				 c->err ? c->err : "", buf_z(&out), buf_z(&err));
		check_home(c->line);
		buf_release(&out);
		buf_release(&err);
	}
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof((cases)[0]))
#define ASK          " $p -m $m hi </dev/null"

static void a_broken_tokenizer_is_refused(void **state)
{
	static const struct line_case cases[] = {
		{"t cat;" ASK " >/dev/null", 0, NULL, NULL},
		{"t true;" ASK, 3, "tokenizer.json: '[' or '{' expected near end of file", ""},
		{"t head -c 5000;" ASK, 3, "tokenizer.json: ", ""},
		{"t echo '[1]';" ASK, 3, "tokenizer.json: ", ""},
		{"t echo '{}';" ASK, 3, "tokenizer.json: ", ""},
		{"t head -c 1000000 /dev/urandom;" ASK, 3, "tokenizer.json: ", ""},
		/* enormous */
		{"t truncate -s 40G $m/big; rm $m/tokenizer.json; mv $m/big "
		 "$m/tokenizer.json;" ASK,
		 3, "tokenizer.json: 42949672960 bytes, expected at most", ""},
		{"n; ln -sf /dev/zero $m/tokenizer.json;" ASK, 3,
		 "tokenizer.json: not a regular file", ""},
		/* cyclic, and as deep as a cycle would be */
		{"n; ln -sf tokenizer.json $m/tokenizer.json;" ASK, 3,
		 "tokenizer.json: cannot open: Too many levels", ""},
		{"t sh -c 'head -c 1000000 /dev/zero | tr \"\\0\" \"[\"';" ASK, 3,
		 "tokenizer.json: ", ""},
		{"t sed "
		 "'s/\"pretokenizers\":\\[/&{\"type\":\"Sequence\",\"pretokenizers\":[]},/"
		 "';" ASK,
		 3, "tokenizer.json: pre_tokenizer", ""},
		{"t sed 's/\"merges\":\\[/&[\"zzzzzzzz\",\"qqqqqqqq\"],/';" ASK, 3,
		 "tokenizer.json: ", ""},
		{"t sed 's/\"merges\":\\[/&\"a b c\",/';" ASK, 3, "tokenizer.json: ", ""},
		{"t sed 's/\"merges\":\\[/&7,/';" ASK, 3, "tokenizer.json: ", ""},
		/* ids out of range, or twice */
		{"t sed 's/\"id\":4033,/\"id\":999999999,/';" ASK, 3, "tokenizer.json: ", ""},
		{"t sed 's/\"id\":4033,/\"id\":-1,/';" ASK, 3, "tokenizer.json: ", ""},
		{"t sed 's/\"id\":4033,/\"id\":40.5,/';" ASK, 3, "tokenizer.json: ", ""},
		{"t sed 's/\"id\":4034,/\"id\":4033,/';" ASK, 3, "tokenizer.json: ", ""},
		/* patterns that are none, or never end */
		{"t sed 's/\"Regex\":\"[^\"]*\"/\"Regex\":\"(\"/';" ASK, 3,
		 "tokenizer.json: ", ""},
		{"t sed 's/\"Regex\":\"[^\"]*\"/\"Regex\":\"(w+)+[xy]|x\"/'; W=$(printf %0200d "
		 "0 "
		 "| tr 0 w); "
		 "echo $W | $p tokens -m $m",
		 3, "pattern", ""},
		{"n; rm $m/tokenizer.json;" ASK, 3, "tokenizer.json: cannot open: No such file",
		 ""},
		{"n; rm $m/tokenizer.json; mkfifo $m/tokenizer.json;" ASK, 3,
		 "tokenizer.json: not a regular file", ""},
	};

	(void)state;
	CHECK(cases);
}

static void a_broken_configuration_is_refused(void **state)
{
	static const struct line_case cases[] = {
		{"c cat;" ASK " >/dev/null", 0, NULL, NULL},
		{"c grep -v hidden_size;" ASK, 3, "hidden_size: found nothing, expected", ""},
		{"c sed 's/hidden_size\": 256/hidden_size\": -256/';" ASK, 3,
		 "hidden_size: found -256", ""},
		{"c sed 's/hidden_size\": 256/hidden_size\": 99999999999999/';" ASK, 3,
		 "hidden_size: found 99999999999999", ""},
		{"c sed 's/hidden_size\": 256/hidden_size\": 99999999999999999999/';" ASK, 3,
		 "config.json: ", ""},
		{"c sed 's/hidden_size\": 256/hidden_size\": 256.5/';" ASK, 3,
		 "hidden_size: found 256.5", ""},
		{"c sed 's/hidden_size\": 256/hidden_size\": \"256\"/';" ASK, 3,
		 "hidden_size: found \"256\"", ""},
		{"c sed 's/hidden_size\": 256/hidden_size\": 256, \"hidden_size\": 512/';" ASK,
		 3, "config.json: line ", ""},
		/* contradictory: each is good alone */
		{"c sed 's/hidden_size\": 256/hidden_size\": 512/';" ASK, 3, "expected [", ""},
		{"c sed 's/experts_per_tok\": 3/experts_per_tok\": 7/';" ASK, 3,
		 "num_experts_per_tok: found 7, expected", ""},
		{"c sed 's/num_hash_layers\": 1/num_hash_layers\": 6/';" ASK, 3,
		 "num_hash_layers: found 6, expected", ""},
		{"c sed 's/nextn_predict_layers\": 1/nextn_predict_layers\": 2/';" ASK, 3,
		 "num_nextn_predict_layers: found 2, expected", ""},
		{"n; rm $m/generation_config.json;" ASK " >/dev/null", 0, NULL, NULL},
		{"n; rm $m/generation_config.json; mkfifo $m/generation_config.json;" ASK, 3,
		 "generation_config.json: not a regular file", ""},
		{"n; ln -sf /dev/zero $m/generation_config.json;" ASK, 3,
		 "generation_config.json: not a regular file", ""},
		{"n; ln -sf nowhere $m/generation_config.json;" ASK, 3,
		 "generation_config.json: cannot open", ""},
		{"n; rm $m/generation_config.json; echo '{' >$m/generation_config.json;" ASK, 3,
		 "generation_config.json: line 2: ", ""},
		{"n; rm $m/model.safetensors;" ASK, 3, "found neither", ""},
		{"$p -m $T/nowhere hi </dev/null", 3, "nowhere/config.json: cannot open", ""},
		{"$p -m $T/stderr hi </dev/null", 3,
		 "stderr/config.json: cannot open: Not a directory", ""},
		{"$p -m '' hi </dev/null", 2, "model: empty, expected a checkpoint's directory",
		 ""},
		{"$p -m $(printf %05000d 0) hi </dev/null", 3,
		 "cannot open: File name too long", ""},
	};

	(void)state;
	CHECK(cases);
}

static void prompts_that_do_not_fit_and_bytes_that_are_no_text(void **state)
{
	static const struct line_case cases[] = {
		{"$p -m share/nano --ctx 256 \"$L\" </dev/null", 4,
		 " tokens, the context holds 256", ""},
		{"echo \"$L\" | $p -m share/nano --ctx 256", 4,
		 " tokens, the context holds 256", ""},
		{"$p -m share/nano --ctx 256 -f share/nano/README.md what </dev/null", 4,
		 " tokens, the context holds 256", ""},
		{"$p -m share/nano --ctx 1000000000 hi </dev/null", 2,
		 "--ctx: '1000000000', expected a whole number", ""},
		{"$p -m share/nano --ctx -5 hi </dev/null", 2, "--ctx: ", ""},
		{"$p -m share/nano --ctx 1e99 hi </dev/null", 2, "--ctx: ", ""},
		{"$p -m share/nano --threads 99999999 hi </dev/null", 2, "--threads: ", ""},
		{"$p -f /dev/zero what </dev/null", 2, "/dev/zero: more than 268435456 bytes",
		 ""},
		{"mkfifo $T/fifo; $p --timeout 0.8 -f $T/fifo what </dev/null", 124,
		 "fifo: the time is up", ""},
		{"truncate -s 1G $T/huge; $p -f $T/huge what </dev/null", 2,
		 "huge: more than 268435456 bytes", ""},
		{"printf 'a\\377b' | d answer", 0, "1 invalid UTF-8 sequence became U+FFFD",
		 "an answer\n"},
		{"d answer \"$(printf 'a\\377b')\" </dev/null", 0,
		 "1 invalid UTF-8 sequence became U+FFFD", "an answer\n"},
		{"head -c 3000 /dev/urandom >$T/noise; d answer -f $T/noise what </dev/null", 1,
		 "noise: no text: ", ""},
		{"printf '\\377\\n{\"text\": \"a\\377b\"}\\n' | d answer --input-format jsonl "
		 ">/dev/null",
		 2, NULL, NULL},
		{"printf '\\000' | d answer", 1, "stdin: no text: a NUL byte", ""},
		{"echo 99999999 | $p tokens --decode -m share/nano", 2,
		 "id 99999999, expected 0 to", ""},
		{"echo -1 | $p tokens --decode -m share/nano", 2, "-1", ""},
		{"printf '{\"text\": \"a\"}\\n{\"text\": \"b\"\\n' | $p tokens --json -m "
		 "share/nano "
		 ">/dev/null",
		 2, "line 2: '}' expected near end of file", NULL},
		{"echo '{\"messages\": 7}' | $p complete -m share/nano | grep -c error", 0, "",
		 "1\n"},
	};

	(void)state;
	CHECK(cases);
}

static void output_that_nobody_takes_is_said(void **state)
{
	static const struct line_case cases[] = {
		{"d answer hi </dev/null >/dev/full", 1, "No space left on device", ""},
		{"d answer --json hi </dev/null >/dev/full", 1, "No space left on device", ""},
		{"d answer hi </dev/null >&-", 1,
		 "stdout: the answer could not be written: Bad file", ""},
		{"{ d flood hi </dev/null; echo $? >$T/code; } | true; exit $(cat "
		 "$T/code)",
		 1, "Broken pipe", ""},
		{"{ d flood --json hi </dev/null; echo $? >$T/code; } | true; exit "
		 "$(cat $T/code)",
		 1, "Broken pipe", ""},
		{"{ d flood hi </dev/null; echo $? >$T/code; } | head -c 10 >/dev/null; "
		 "exit $(cat $T/code)",
		 1, "Broken pipe", ""},
		{"d answer hi </dev/null 2>&-", 0, "", "an answer\n"},
		{"d answer hi </dev/null 2>/dev/full", 0, "", "an answer\n"},
		{"d answer hi <&-", 0, "", "an answer\n"},
		{"d answer <&-", 2, "nothing is asked", ""},
		{"d answer hi <&- >&- 2>&-", 1, "", ""},
		{"$p --help >/dev/full", 1, "stdout: write: No space left on device", ""},
		{"$p paths >/dev/full", 1, "paths: stdout: write: No space left on device", ""},
		{"$p history list >/dev/full", 1, "No space left on device", ""},
		{"echo x | $p tokens -m share/nano >/dev/full", 1, "No space left on device",
		 ""},
		{"$p doctor -m share/nano >/dev/full", 1, "No space left on device", ""},
		{"XDG_DATA_HOME=/dev/null d answer hi </dev/null", 6, "/dev/null", ""},
		{"XDG_DATA_HOME=/proc/nowhere d answer hi </dev/null", 6, "/proc/nowhere", ""},
		{"XDG_STATE_HOME=/dev/null d answer hi </dev/null", 0, "", "an answer\n"},
		{"XDG_CONFIG_HOME=/dev/null d answer hi </dev/null", 0, "", "an answer\n"},
		{"mkdir -p $T/x/dsv4chat/history.db; XDG_DATA_HOME=$T/x d answer hi </dev/null",
		 6, "history.db: ", ""},
		{"mkdir -p $T/y/dsv4chat; head -c 9000 /dev/zero | tr '\\0' x "
		 ">$T/y/dsv4chat/history.db; "
		 "XDG_DATA_HOME=$T/y d answer hi </dev/null",
		 6, "history.db: ", ""},
		{"mkdir -p $T/z/dsv4chat/config; XDG_CONFIG_HOME=$T/z d answer hi </dev/null",
		 1, "config: not a regular file", ""},
	};

	(void)state;
	CHECK(cases);
}

static void input_that_never_ends_or_never_comes(void **state)
{
	static const struct line_case cases[] = {
		{"d answer what </dev/zero", 2, "stdin: more than 268435456 bytes", ""},
		{"yes | d answer what", 2, "stdin: more than 268435456 bytes", ""},
		{"d answer --input-format jsonl </dev/zero >/dev/null", 4, "stdin: ", NULL},
		{"$p tokens -m share/nano </dev/zero", 4, "stdin: ", ""},
		{"$p tokens --json -m share/nano </dev/zero", 4, "stdin: ", ""},
		{"$p complete -m share/nano </dev/zero >/dev/null", 4, "stdin: ", NULL},
		{"$p history import /dev/zero", 4,
		 "/dev/zero: a line of more than 536870912 bytes", ""},
		{"mkdir -p $T/w/dsv4chat; ln -s /dev/zero $T/w/dsv4chat/config; "
		 "XDG_CONFIG_HOME=$T/w "
		 "d answer hi </dev/null",
		 1, "config: not a regular file", ""},
		/* the writer stays, and says nothing */
		{"sleep 1 | d answer --timeout 0.5 what", 124, "stdin: the time is up", ""},
		{"sleep 1 | d answer --input-format jsonl --timeout 0.5 >/dev/null", 124,
		 "stdin: the time is up", NULL},
		{"sleep 1 | d answer", 2, NULL, ""},
		{"d forever --timeout 0.5 what </dev/null", 124, "the time is up", ""},
	};

	(void)state;
	CHECK(cases);
}

/* ---------------------------------------------------------------------------- signals */

/* A program with its stdout in a pipe, which is read or not. */
struct running {
	pid_t pid;
	int out, in; /* the program's stdout, and stdin */
};

/* `reads`: its stdin stays open, and comes from r->in. */
static void start(struct running *r, const char *const *args, bool reads)
{
	const char *argv[16] = {program_path()};
	int in[2], out[2];
	size_t n = 1;

	for (; args[n - 1]; n++)
		argv[n] = args[n - 1];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (!r->pid) {
		int err = open(tmpdir_file(&dir, "stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err, 2);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	r->in = reads ? in[1] : -1;
	if (!reads)
		close(in[1]);
	r->out = out[0];
}

/* Waits so long for its end; the code as a shell has it, or -1. */
static int end_within(struct running *r, int64_t ms)
{
	int64_t end = clock_ms() + ms;
	int status = 0;
	pid_t got;

	while ((got = waitpid(r->pid, &status, WNOHANG)) == 0 && clock_ms() < end)
		usleep(2000);
	if (!got) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, &status, 0);
		status = -1;
	}
	if (r->in >= 0)
		close(r->in);
	close(r->out);
	if (status == -1)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void drain(int fd)
{
	char part[65536];

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (read(fd, part, sizeof(part)) > 0)
		;
}

/* What the program is at when the signal comes. */
static const struct phase {
	const char *name;
	const char *args[10];
	bool unread; /* nobody reads its stdout */
	bool reads;  /* its stdin */
} phases[] = {
	{"waiting for stdin", {"--engine-script", "answer"}, false, true},
	{"loading", {"--engine-script", "loads", "-p", "x"}, false, false},
	{"prefill", {"--engine-script", "reads", "-p", "x"}, false, false},
	{"decode", {"--engine-script", "talks", "-p", "x"}, false, false},
	{"decode, as JSON", {"--engine-script", "talks", "--json", "-p", "x"}, false, false},
	{"writing to a pipe that is full", {"--engine-script", "big", "-p", "x"}, true, false},
	{"writing JSON to a pipe that is full",
	 {"--engine-script", "big", "--json", "-p", "x"},
	 true,
	 false},
	{"reading lines",
	 {"--engine-script", "answer", "--input-format", "jsonl"},
	 false,
	 true},
	{"the real engine", {"--model", "share/nano", "--seed", "1", "-p", "x"}, false, false},
	{"a verb that reads", {"tokens", "--model", "share/nano"}, false, true},
	{"a verb that computes", {"complete", "--model", "share/nano"}, false, true},
};

/* What the program said on stderr. */
static const char *said(void)
{
	static char text[1000];
	FILE *f = fopen(tmpdir_file(&dir, "stderr"), "r");

	text[f ? fread(text, 1, sizeof(text) - 1, f) : 0] = '\0';
	if (f)
		fclose(f);
	return text;
}

static void signalled(const struct phase *phase, int signo, int delay_ms)
{
	const char *args[11];
	struct running r;
	struct buf what = {0};
	size_t n = 0;
	int code, expected = signo == SIGTERM ? 143 : signo == SIGHUP ? 129 : 128 + signo;

	for (; phase->args[n]; n++)
		args[n] = n && strcmp(phase->args[n - 1], "--engine-script") == 0
				  ? tmpdir_file(&dir, phase->args[n])
				  : phase->args[n];
	args[n] = NULL;
	buf_addf(&what, "%s, signal %d after %d ms", phase->name, signo, delay_ms);
	start(&r, args, phase->reads);
	usleep((useconds_t)delay_ms * 1000);
	if (!phase->unread)
		drain(r.out);
	kill(r.pid, signo);
	if (signo == SIGPIPE) { /* is not listened to once it has begun; then it is ended */
		usleep(20000);
		kill(r.pid, SIGTERM);
	}
	code = end_within(&r, 2000 * PATIENCE);
	if (code != expected && !(code == 143 && (signo == SIGPIPE || signo == SIGHUP)) &&
	    /* it may have come to its end before */
	    !(code == 0 && strcmp(phase->name, "the real engine") == 0))
		fail_msg("%s: %d, expected %d: %s", buf_z(&what), code, expected, said());
	check_home(buf_z(&what));
	buf_release(&what);
}

static void signals_end_it_at_any_moment(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	/* Early and late for each: all moments over the phases and signals. */
	static const int delays_ms[] = {0, 50 * PATIENCE, 2, 100 * PATIENCE, 10};

	(void)state;
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		for (size_t k = 0; k < sizeof(signals) / sizeof(signals[0]); k++) {
			size_t at = (i * 4 + k) % (sizeof(delays_ms) / sizeof(delays_ms[0]));

			signalled(&phases[i], signals[k], delays_ms[at]);
		}
	}
}

/* Of what was said before the signal everything is in the history. */
static void what_was_said_before_a_signal_is_kept(void **state)
{
	const char *const args[] = {"--engine-script", tmpdir_file(&dir, "talks"), "-p",
				    "a question of its own", NULL};
	struct history_list list = {0};
	struct history *h = NULL;
	struct err err = {0};
	struct running r;
	char first;

	(void)state;
	start(&r, args, false);
	assert_int_equal(read(r.out, &first, 1), 1);
	kill(r.pid, SIGTERM);
	assert_int_equal(end_within(&r, 2000 * PATIENCE), 143);
	assert_int_equal(history_open(&h, tmpdir_file(&home, "dsv4chat/history.db"), &err), 0);
	assert_int_equal(history_list(h, HISTORY_ALL, 1, &list, &err), 0);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.items[0].title, "a question of its own");
	assert_int_equal(list.items[0].n_messages, 2);
	history_list_release(&list);
	history_close(h);
}

static void weights_that_are_cut_short_while_in_use_end_it(void **state)
{
	const char *args[] = {"--model", NULL, "--input-format", "jsonl", "--seed", "1", NULL};
	struct running r;
	struct buf said = {0}, text = {0};
	struct err err = {0};
	char part[4096];
	ssize_t n;
	int code;

	(void)state;
	run("n; rm $m/model.safetensors; cp share/nano/model.safetensors $m", &said, &text);
	args[1] = tmpdir_file(&dir, "m");
	start(&r, args, true);
	assert_int_equal(write(r.in, "{\"text\": \"hi\"}\n", 15), 15);
	buf_reset(&said);
	while (!strstr(buf_z(&said), "\"done\"") && (n = read(r.out, part, sizeof(part))) > 0)
		buf_add(&said, part, (size_t)n);
	assert_non_null(strstr(buf_z(&said), "\"done\""));
	assert_int_equal(truncate(tmpdir_file(&dir, "m/model.safetensors"), 4096), 0);
	assert_int_equal(write(r.in, "{\"text\": \"ho\"}\n", 15), 15);
	code = end_within(&r, 5000 * PATIENCE);
	buf_reset(&text);
	assert_int_equal(file_read(&text, tmpdir_file(&dir, "stderr"), OUTPUT_MAX_BYTES, &err),
			 0);
	if (code != 3 ||
	    !strstr(buf_z(&text), "m/model.safetensors: found cut short while in use, "
				  "expected to stay as it was when opened\n"))
		fail_msg("%d: %s", code, buf_z(&text));
	check_home("cut short");
	buf_release(&said);
	buf_release(&text);
}

/* ------------------------------------------------------------------------------------ */

static int set_up(void **state)
{
	static const char *const homes[] = {"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
					    "XDG_STATE_HOME", "XDG_CACHE_HOME"};
	static const struct {
		const char *name, *text;
	} scripts[] = {
		{"answer",
		 "{\"turn\": {\"again\": true}}\n{\"text\": \"an answer\"}\n{\"done\": {}}\n"},
		{"loads", "{\"load\": {\"steps\": 1000, \"delay_ms\": 20}}\n{\"text\": \"x\"}\n"
			  "{\"done\": {}}\n"},
		{"reads", "{\"prefill\": {\"tokens\": 1000, \"cached\": 0}, \"delay_ms\": 20, "
			  "\"chunk\": 1}\n{\"done\": {}}\n"},
		{"talks", "{\"text\": \"word \", \"repeat\": 100000, \"delay_ms\": "
			  "2}\n{\"done\": {}}\n"},
		{"flood", "{\"text\": \"word \", \"repeat\": 100000}\n{\"done\": {}}\n"},
		{"big", "{\"text\": \"0123456789 \", \"chunk\": 11, \"repeat\": "
			"100000}\n{\"done\": {}}\n"},
		{"forever", "{\"pause\": -1}\n{\"done\": {}}\n"},
	};

	(void)state;
	tmpdir_init(&dir);
	tmpdir_init(&home);
	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
		setenv(homes[i], home.path, 1);
	unsetenv("DSV4CHAT_MODEL");
	setenv("LC_ALL", "C.UTF-8", 1);
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		tmpdir_write_text(&dir, scripts[i].name, scripts[i].text);
	tmpdir_write_text(&dir, "stderr", "");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tmpdir_release(&dir);
	tmpdir_release(&home);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_broken_tokenizer_is_refused),
		cmocka_unit_test(a_broken_configuration_is_refused),
		cmocka_unit_test(prompts_that_do_not_fit_and_bytes_that_are_no_text),
		cmocka_unit_test(output_that_nobody_takes_is_said),
		cmocka_unit_test(input_that_never_ends_or_never_comes),
		cmocka_unit_test(signals_end_it_at_any_moment),
		cmocka_unit_test(what_was_said_before_a_signal_is_kept),
		cmocka_unit_test(weights_that_are_cut_short_while_in_use_end_it),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
