/*
 * What the program lets through to a terminal: 200 strings that act on one, in all that it is
 * given and shows again (answers, titles, files and their names, options, the environment,
 * checkpoints), by every verb and mode.  Nothing but text, newlines and tabs comes out, and the
 * few sequences that the program itself means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/jsonw.h"
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define PATIENCE_MS 60000

/* ---------------------------------------------------------------- what acts on a terminal */

static const char *const acts[] = {
	"\033]52;c;SGk=\a", /* the clipboard; ended by BEL, by ST */
	"\033]52;c;SGk=\033\\",
	"\033]0;title\a",       /* the window's title */
	"\033]8;;x:y\033\\",    /* a link */
	"\033]1337;File=:AA\a", /* a picture */
	"\033P$qm\033\\",       /* DCS: it answers, as if somebody typed */
	"\033P+q544e\033\\",
	"\033_Gf=24;AA\033\\", /* APC, PM, SOS */
	"\033^x\033\\",
	"\033Xx\033\\",
	"\033[2J\033[H", /* CSI: clear, move, colour, modes, report, insert */
	"\033[9A\033[31;7m",
	"\033[?1049h",
	"\033[?2004l\033[6n",
	"\033[21t\033[c",
	"\033c", /* reset; character sets; save */
	"\033(0\016",
	"\0337\033#8",
	"\2332J", /* C1 as bytes */
	"\23552;c;SGk=\234",
	"\220$qm\234",
	"\xC2\x9B"
	"2J", /* C1 in UTF-8 */
	"\xC2\x9D"
	"0;t\xC2\x9C",
	"\xC2\x90$qm\xC2\x85",
	"\rfalse", /* over what stands there */
	"xx\b\bno\177",
	"\v\f\005\a",
	"\u202Eesrever\u202C", /* bidi */
	"\u2066i\u2069\u2067\u2068",
	"\u200E\u200F\u061C\u202A",
	"z\u200Bw\uFEFF\u00AD", /* without width */
	"\u2060\u2063\u180E",
	"\u2028l\u2029p",       /* lines that are none */
	"\U000E0041\U000E007F", /* tags, private planes, notes */
	"\U000F0000\U0010FFFD",
	"\uFFF9a\uFFFAb\uFFFB",
	"\xC0\x9B[\xE0\x82\x9B", /* longer than need be, halves, no bytes of UTF-8 */
	"\xED\xA0\x80\xED\xB0\x80",
	"\xE2\x80",
	"\xFE\xFF\x1B[5m",
};

/* Where it stands; behind a newline, a backslash, half a character, too. */
static const struct {
	const char *before, *after;
} around[] = {{"", ""}, {"a", "b"}, {"a\n", ""}, {"\\", "\""}, {"\xE2", "\n"}};

#define N_ACTS    (sizeof(acts) / sizeof(acts[0]))
#define N_STRINGS (N_ACTS * (sizeof(around) / sizeof(around[0])))
_Static_assert(N_STRINGS == 200, "as many as were meant");

static void add_string(struct buf *out, size_t i)
{
	buf_addf(out, "%s%s%s", around[i / N_ACTS].before, acts[i % N_ACTS],
		 around[i / N_ACTS].after);
}

/* From *at on as many as `max` bytes hold, one at least; false: none is left. */
static bool next_strings(size_t *at, size_t max, struct buf *out)
{
	size_t begin = *at;

	buf_reset(out);
	for (; *at < N_STRINGS; (*at)++) {
		struct buf one = {0};
		bool fits;

		add_string(&one, *at);
		fits = *at == begin || out->len + one.len <= max;
		if (fits)
			buf_adds(out, buf_str(&one));
		buf_release(&one);
		if (!fits)
			break;
	}
	return *at > begin;
}

/* ---------------------------------------------------------------------- the terminal */

/* How far text may be shown; its length if all of it may. */
static size_t harmless(const struct buf *shown, const char *besides)
{
	size_t at = 0;

	while (at < shown->len) {
		uint32_t cp = 0;
		int n = utf8_decode(shown->data + at, shown->len - at, &cp);

		if (n <= 0 || termsafe_drops(cp) ||
		    (termsafe_map(cp) != cp && !(cp < 0x80 && strchr(besides, (int)cp))))
			break;
		at += (size_t)n;
	}
	return at;
}

/* All that stands in the file that the program did not get to say, and where. */
static void check_shown(const char *what, const struct buf *shown, const char *besides)
{
	size_t at = harmless(shown, besides);
	struct buf hex = {0};

	if (at == shown->len)
		return;
	for (size_t i = at; i < shown->len && i < at + 6; i++)
		buf_addf(&hex, " %02x", (unsigned char)shown->data[i]);
	fail_msg("%s: the terminal got%s at %zu of:\n%s", what, buf_z(&hex), at, buf_z(shown));
}

/* The first line of *typed is typed each time that the program asks for one. */
static void answer(int fd, const struct buf *shown, size_t *seen, const char **typed)
{
	const char *all = buf_z(shown) + *seen, *at = strstr(all, "\n> ");
	size_t n = strcspn(*typed, "\n");

	at = at ? at : strstr(all, "[y/N] ");
	if (!at || !**typed)
		return;
	n += (*typed)[n] == '\n';
	assert_int_equal(write(fd, *typed, n), (ssize_t)n);
	*typed += n;
	*seen = (size_t)(at - buf_z(shown)) + 4;
}

/* A shell's line in a terminal of its own that changes no byte. */
static void show(const char *line, const char *typed, struct buf *shown)
{
	struct winsize ws = {.ws_col = 200, .ws_row = 50};
	int64_t end = clock_ms() + PATIENCE_MS;
	size_t seen = 0;
	struct termios raw;
	int fd, slave, status = 0;
	pid_t child;

	buf_reset(shown);
	assert_int_equal(openpty(&fd, &slave, NULL, NULL, &ws), 0);
	assert_int_equal(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(fd);
		login_tty(slave);
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	close(slave);
	for (bool more = true; more;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char bytes[65536];
		ssize_t n = poll(&p, 1, 100) > 0 ? read(fd, bytes, sizeof(bytes)) : 0;

		if (n > 0)
			buf_add(shown, bytes, (size_t)n);
		if (typed)
			answer(fd, shown, &seen, &typed);
		more = n >= 0 && clock_ms() < end;
	}
	if (clock_ms() >= end)
		kill(child, SIGKILL);
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) > 7 && WEXITSTATUS(status) != 130))
		fail_msg("%s: status %x, after:\n%s", line, (unsigned)status, buf_z(shown));
}

/* ------------------------------------------------------------- what the lines below use */

static void add_quoted(struct buf *out, const char *before, const char *text, const char *after)
{
	struct buf clean = {0};

	utf8_add_clean(&clean, str_of(text));
	buf_addz(out, before);
	json_add_quoted(out, buf_str(&clean));
	buf_addz(out, after);
	buf_release(&clean);
}

static void write_buf(const char *name, struct buf *text)
{
	assert_false(buf_failed(text));
	tmpdir_write(&test_dir, name, buf_z(text), text->len);
	buf_release(text);
}

/* A scripted engine that says it in all the ways there are. */
static void write_scripts(const char *h)
{
	struct buf b = {0};

	add_quoted(&b, "{\"turn\": {\"again\": true}}\n{\"thinking\": ", h, "}\n");
	add_quoted(&b, "{\"notice\": ", h, "}\n");
	add_quoted(&b, "{\"text\": ", h, "}\n");
	add_quoted(&b, "{\"call\": {\"name\": ", h, ", ");
	add_quoted(&b, "\"arguments\": {\"x\": ", h, "}}}\n");
	add_quoted(&b, "{\"bad_call\": {\"name\": \"f\", \"why\": ", h, "}}\n");
	buf_addz(&b, "{\"done\": {}}\n");
	write_buf("says", &b);
	add_quoted(&b, "{\"info\": {\"model_name\": ", h, ", ");
	add_quoted(&b, "\"backend\": ", h, "}}\n{\"text\": \"x\"}\n{\"done\": {}}\n");
	write_buf("names", &b);
	add_quoted(&b, "{\"text\": \"x\"}\n{\"error\": ", h, "}\n");
	write_buf("fails", &b);
	add_quoted(&b, "{\"load\": {\"error\": ", h, "}}\n{\"text\": \"x\"}\n{\"done\": {}}\n");
	write_buf("stays away", &b);
}

static void write_texts(const char *h)
{
	struct buf b = {0}, said = {0};

	tmpdir_write_text(&test_dir, "H", h);
	add_quoted(&b, "{\"text\": ", h, "}\n");
	write_buf("text.jsonl", &b);
	buf_addf(&said, "%s<｜end▁of▁sentence｜>", h);
	add_quoted(&b, "{\"completion\": ", buf_z(&said), ", \"thinking_mode\": \"chat\"}\n");
	write_buf("parse.jsonl", &b);
	write_buf("parse", &said);
	add_quoted(&b, "{\"messages\": [{\"role\": \"user\", \"content\": ", h, "}], ");
	add_quoted(&b, "\"id\": ", h, "}\n");
	write_buf("chat.jsonl", &b);
	add_quoted(&b, "{\"messages\": [{\"role\": ", h, ", \"content\": \"x\"}]}\n");
	add_quoted(&b, "{\"role\": ", h, ", \"content\": \"x\"}\n");
	add_quoted(&b, "{", h, ": 1}\n");
	write_buf("bad.jsonl", &b);
	add_quoted(&b, "{\"messages\": [{\"role\": \"user\", \"content\": ", h, "}]}\n");
	write_buf("prompt.jsonl", &b);
	mkdir(tmpdir_file(&test_dir, "c"), 0700);
	mkdir(tmpdir_file(&test_dir, "c/dsv4chat"), 0700);
	buf_addf(&b, "%s = 1\n", h);
	write_buf("c/dsv4chat/config", &b);
	mkdir(tmpdir_file(&test_dir, "k"), 0700);
	add_quoted(&b, "{\"scoring_func\": ", h, "}\n");
	write_buf("k/config.json", &b);
}

/* The small model, with a tensor more whose name it is: at the end, of no bytes. */
static void write_checkpoint(const char *h)
{
	struct buf all = {0}, b = {0};
	struct err err = {0};
	uint64_t n;
	char *end;

	assert_int_equal(file_read(&all, "share/nano/model.safetensors", 1 << 26, &err), 0);
	memcpy(&n, all.data, sizeof(n));
	end = all.data + 8 + n;
	while (*--end != '}')
		;
	buf_add(&b, "\0\0\0\0\0\0\0\0", 8);
	buf_add(&b, all.data + 8, (size_t)(end - all.data) - 8);
	add_quoted(&b, ",", h, "");
	buf_addf(&b, ":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[%zu,%zu]}}",
		 all.len - 8 - (size_t)n, all.len - 8 - (size_t)n);
	while (b.len % 8)
		buf_addc(&b, ' ');
	assert_false(buf_failed(&b));
	for (int i = 0; i < 8; i++)
		b.data[i] = (char)((b.len - 8) >> 8 * i & 255);
	buf_add(&b, all.data + 8 + n, all.len - 8 - (size_t)n);
	mkdir(tmpdir_file(&test_dir, "m"), 0700);
	write_buf("m/model.safetensors", &b);
	buf_release(&all);
	mkdir(tmpdir_file(&test_dir, "b"), 0700);
	buf_add(&b, "\0\0\0\0\0\0\0\0", 8);
	add_quoted(&b, "{", h, ":{\"dtype\":\"XX\",\"shape\":[0],\"data_offsets\":[0,0]}}");
	assert_false(buf_failed(&b));
	for (int i = 0; i < 8; i++)
		b.data[i] = (char)((b.len - 8) >> 8 * i & 255);
	write_buf("b/model.safetensors", &b);
}

/*
 * $p is the program, $s the program on the script, $T the folder; $H the strings, which $T/H
 * holds, too.  Standard input is the terminal where a line does not say otherwise.
 */
#define PRELUDE                                                                                \
	"s=\"$p --ephemeral --engine-script $T/says\"; d=\"$p --engine-script $T/says\"; n() " \
	"{ "                                                                                   \
	"ln -sf $PWD/share/nano/config.json $PWD/share/nano/tokenizer.json $1; }; "

struct spot {
	const char *line;
	const char *typed; /* line by line, where it asks */
	size_t max;        /* bytes of the strings at a time */
};

#define NAME 200   /* of a file */
#define CUT  40    /* what messages show of a word; a fifth of them, another in each spot */
#define TEXT 65536 /* all of them */
#define MUTE 1     /* and they are not shown at all */

/* Takes out what the program itself means where there are colours; no string above holds it. */
static void take_own_out(struct buf *shown)
{
	static const char *const own[] = {"\r\033[K", "\033[2m", "\033[1m", "\033[0m"};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const char *at;

		while ((at = strstr(buf_z(shown), own[i])))
			buf_remove(shown, (size_t)(at - shown->data), strlen(own[i]));
	}
}

/* By what stands for it. */
static bool shows_what_acted(const char *shown)
{
	return strstr(shown, "\u241B") || strstr(shown, "\\u001b") ||
	       strstr(shown, "\\u001B") || strstr(shown, "\uFFFD");
}

static void check(const struct spot *spots, size_t n_spots, void (*write_files)(const char *h))
{
	const size_t part = getenv("DSV4CHAT_SLOW") ? 1 : 5;

	for (size_t i = 0; i < n_spots; i++) {
		struct buf strings = {0}, shown = {0}, line = {0};
		size_t at = 0, nth = i, max = spots[i].max & ~(size_t)MUTE;
		bool mute = max != spots[i].max;
		bool spoke = false;

		buf_addf(&line, PRELUDE "%s", spots[i].line);
		while (next_strings(&at, max, &strings)) {
			if (max == CUT && nth++ % part)
				continue;
			setenv("H", buf_z(&strings), 1);
			write_files(buf_z(&strings));
			show(buf_z(&line), spots[i].typed, &shown);
			take_own_out(&shown);
			/* What libedit moves the cursor with, where there is nothing else. */
			check_shown(spots[i].line, &shown, spots[i].typed ? "\r\b" : "");
			spoke |= shows_what_acted(buf_z(&shown));
		}
		if (spoke == mute)
			fail_msg("%s: the last shown was:\n%s", spots[i].line, buf_z(&shown));
		buf_release(&strings);
		buf_release(&shown);
		buf_release(&line);
	}
}

#define CHECK(spots, files) check(spots, sizeof(spots) / sizeof((spots)[0]), files)

static void write_all(const char *h)
{
	write_scripts(h);
	write_texts(h);
}

static void answers_and_what_went_wrong_with_them(void **state)
{
	static const struct spot spots[] = {
		{"$s -p x", NULL, TEXT},
		{"$s -p x >/dev/null", NULL, TEXT},
		{"TERM=xterm $s -p x", NULL, TEXT},
		{"$s --color always -p x", NULL, TEXT},
		{"$s --json -p x", NULL, TEXT},
		{"$s --input-format jsonl <$T/text.jsonl", NULL, TEXT},
		{"$s <$T/H", NULL, TEXT},
		{"$p --ephemeral --engine-script $T/fails -p x", NULL, NAME},
		{"$p --ephemeral --engine-script $T/fails --json -p x", NULL, NAME},
		{"$p --ephemeral --engine-script \"$T/stays away\" -p x", NULL, NAME},
		{"$p --ephemeral --engine-script \"$T/stays away\" --json -p x", NULL, NAME},
		{"$s --input-format jsonl <$T/bad.jsonl", NULL, CUT},
		{"$p --ephemeral --engine-script $T/names --json -p x", NULL, CUT},
	};

	(void)state;
	CHECK(spots, write_all);
}

static void options_files_and_the_environment(void **state)
{
	static const struct spot spots[] = {
		{"$p \"--$H\"", NULL, CUT},
		{"$p --ctx \"$H\" -p x", NULL, CUT},
		{"$p -m \"$T/$H\" -p x", NULL, NAME},
		{"$p -m $T/k -p x", NULL, CUT},
		{"$p --engine-script \"$T/$H\" -p x", NULL, NAME},
		{"$s -f \"$T/$H\" x", NULL, NAME},
		{"$d -r \"nowhere $H\" -p x", NULL, CUT},
		{"XDG_CONFIG_HOME=$T/c $s -p x", NULL, CUT},
		{"DSV4CHAT_EFFORT=\"$H\" $s -p x", NULL, CUT},
		{"XDG_DATA_HOME=\"/dev/null/$H\" $d -p x", NULL, NAME},
		{"XDG_STATE_HOME=\"/dev/null/$H\" $s -p x", NULL, NAME},
		{"mkdir -p \"$T/$H/dsv4chat/log\"; XDG_STATE_HOME=\"$T/$H\" $s -p x", NULL,
		 NAME},
	};

	(void)state;
	CHECK(spots, write_all);
}

static void last_words_of_the_screen(void **state)
{
	static const struct spot spots[] = {
		{"TERM=xterm $d -r \"nowhere $H\"", NULL, CUT},
		{"TERM=\"$H\" $s", "/quit\n", CUT},
		{"$s --script \"$T/$H\"", NULL, NAME},
		{"$s --script $T/H", NULL, NAME},
		{"TERM=xterm XDG_DATA_HOME=\"/dev/null/$H\" $d", NULL, NAME},
		{"TERM=xterm $p -m \"$T/$H\" --ctx \"$H\"", NULL, CUT},
	};

	(void)state;
	CHECK(spots, write_all);
}

static void line_mode_from_its_greeting_on(void **state)
{
	static const struct spot spots[] = {
		{"$p --ephemeral --engine-script $T/names --plain", "/quit\n", CUT},
		{"$s --system \"$H\" --plain", "/help\n/set\n/system\n/quit\n", NAME},
		{"$s --plain", "x\n/title\n/list\n/quit\n", NAME},
		{"$d -p \"$H\" </dev/null >/dev/null 2>&1; $d --plain -c",
		 "/list\n/search a\n/quit\n", NAME},
		{"$p --ephemeral --engine-script $T/fails --plain", "x\n/quit\n", NAME},
		{"$d -r \"nowhere $H\" --plain", "", CUT},
	};

	(void)state;
	CHECK(spots, write_all);
}

static void verbs_of_the_engine(void **state)
{
	static const struct spot spots[] = {
		{"$p complete --engine-script $T/says <$T/chat.jsonl", NULL, TEXT},
		{"$p complete --engine-script $T/fails <$T/chat.jsonl", NULL, NAME},
		{"$p complete --engine-script $T/says <$T/bad.jsonl", NULL, NAME},
		{"$p complete --engine-script $T/says <$T/H", NULL, NAME},
		{"$p complete \"--$H\"", NULL, CUT},
		{"$p tokens -m share/nano <$T/H >$T/ids; $p tokens -m share/nano --decode "
		 "<$T/ids",
		 NULL, TEXT},
		{"$p tokens -m share/nano --json <$T/text.jsonl | $p tokens -m share/nano "
		 "--json "
		 "--decode",
		 NULL, TEXT},
		{"$p tokens -m share/nano --decode <$T/H", NULL, CUT},
		{"$p tokens -m \"$H\"", NULL, NAME},
		{"$p tokens \"--$H\"", NULL, CUT},
		{"$p tokens \"-$H\"", NULL, CUT},
		{"$p parse --chat <$T/parse", NULL, TEXT},
		{"$p parse --jsonl <$T/parse.jsonl", NULL, TEXT},
		{"$p parse --jsonl <$T/H", NULL, NAME},
		{"$p parse \"--$H\"", NULL, CUT},
		{"$p prompt -m share/nano <$T/prompt.jsonl", NULL, TEXT},
		{"$p prompt \"--$H\"", NULL, CUT},
		{"$p score -m share/nano \"$T/$H\"", NULL, NAME},
		{"echo '[1]' | $p logits -m share/nano --prefill 1 -o \"$T/no/$H\"", NULL,
		 NAME},
		{"$p logits \"--$H\"", NULL, CUT},
		{"$p bench --dummy \"$H\"", NULL, CUT},
		{"$p bench -m \"$T/$H\"", NULL, NAME},
		{"$p bench -m $T/k", NULL, CUT},
		{"XDG_DATA_HOME=\"/dev/null/$H\" $p paths", NULL, NAME},
		{"DSV4CHAT_EFFORT=\"$H\" $p doctor -m $T/k", NULL, CUT},
		{"XDG_DATA_HOME=\"/dev/null/$H\" TERM=\"$H\" $p doctor -m \"$T/$H\"", NULL,
		 NAME},
	};

	(void)state;
	CHECK(spots, write_all);
}

static void write_with_checkpoint(const char *h)
{
	write_all(h);
	write_checkpoint(h);
}

static void a_tensor_of_such_a_name(void **state)
{
	static const struct spot spots[] = {
		{"n $T/m; $p doctor -m $T/m", NULL, TEXT | MUTE},
		{"n $T/m; DSV4CHAT_LOG_LEVEL=debug $p -m $T/m --ephemeral --max-tokens 1 -p x",
		 NULL, NAME | MUTE},
		/* refused by name */
		{"n $T/b; $p doctor -m $T/b", NULL, NAME},
		{"n $T/b; $p bench -m $T/b", NULL, NAME},
		{"n $T/b; $p --ephemeral -m $T/b -p x", NULL, NAME},
	};

	(void)state;
	CHECK(spots, write_with_checkpoint);
}

/* One conversation all over again for each. */
#define TALK                                                                                   \
	"rm -rf $T/dsv4chat; $d -p \"x $H\" </dev/null >/dev/null 2>&1; "                      \
	"i=$($p history list | sed 's/ .*//;q'); $p history rename $i \"$H\"; "

static void the_history(void **state)
{
	static const struct spot spots[] = {
		{TALK "$p history list; $p history list --json; $p history search x; "
		      "$p history search --json x; $p history search \"$H\"",
		 NULL, NAME},
		{TALK "$p history show $i; $p history show --json $i; $p history export; "
		      "$p history export --format json; $p history export --format md",
		 NULL, TEXT},
		{TALK "$p history show --ids $i; $p history export -o \"$T/no/$H\"; "
		      "$p history import \"$T/$H\"; $p history import <$T/H; "
		      "$p history import <$T/bad.jsonl; $p history backup \"$T/no/$H\"",
		 NULL, NAME},
		{TALK "$p history rm $i", "n\n", NAME},
		{TALK "$p history export --format \"$H\"; $p history export \"$H\"; "
		      "$p history rm --yes \"$H\"; $p history show \"$H\"; "
		      "$p history \"--$H\"; $p history list \"-$H\"; $p history \"$H\"",
		 NULL, CUT},
		{"XDG_DATA_HOME=\"/dev/null/$H\" $p history path", NULL, NAME},
		{"XDG_DATA_HOME=\"/dev/null/$H\" $p history verify", NULL, NAME},
	};

	(void)state;
	CHECK(spots, write_all);
}

/* A person looks at it with a pager, or as it grows. */
static void the_log(void **state)
{
	struct buf log = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(file_read(&log, tmpdir_file(&test_dir, "dsv4chat/log"), 1 << 26, &err), 0);
	assert_non_null(strstr(buf_z(&log), "not used by this model"));
	check_shown("the log", &log, "");
	buf_release(&log);
}

/* -------------------------------------------------------------------------- a pipe */

static const char hostile[] = "\033]0;t\a\u202E\xC2\x9B\x7F";

static void a_pipe_gets_the_bytes_as_they_are(void **state)
{
	static const struct {
		const char *line, *out;
	} rows[] = {
		{"$s -p x 2>/dev/null", hostile},
		{"$s --json -p x 2>/dev/null", "\\u001b]0;t\\u0007\u202E\xC2\x9B\x7F"},
		{"$p tokens -m share/nano <$T/H | $p tokens -m share/nano --decode", hostile},
		{"$p parse --chat <$T/parse", "\u202E\xC2\x9B\x7F"},
		/* a title holds nothing that acts */
		{TALK "$p history list", "]0;t\n"},
		{TALK "$p history export", "\u202E\xC2\x9B\x7F"},
		{TALK "$p history export --format md", hostile},
		{"XDG_DATA_HOME=\"$T/$H\" $p paths", hostile},
	};

	(void)state;
	setenv("H", hostile, 1);
	write_all(hostile);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf line = {0}, shown = {0}, out = {0};
		struct err err = {0};

		buf_addf(&line, PRELUDE "{ %s\n} | cat >$T/out", rows[i].line);
		show(buf_z(&line), NULL, &shown);
		assert_int_equal(file_read(&out, tmpdir_file(&test_dir, "out"), 1 << 20, &err), 0);
		if (!strstr(buf_z(&out), rows[i].out))
			fail_msg("%s: %s", rows[i].line, buf_z(&out));
		buf_release(&line);
		buf_release(&shown);
		buf_release(&out);
	}
}

static int set_up(void **state)
{
	static const char *const homes[] = {"XDG_CONFIG_HOME", "XDG_DATA_HOME",
					    "XDG_STATE_HOME", "XDG_CACHE_HOME", "T"};

	(void)state;
	tmpdir_init(&test_dir);
	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
		setenv(homes[i], test_dir.path, 1);
	setenv("p", program_path(), 1);
	setenv("TERM", "dumb", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	unsetenv("DSV4CHAT_MODEL");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_and_what_went_wrong_with_them),
		cmocka_unit_test(options_files_and_the_environment),
		cmocka_unit_test(last_words_of_the_screen),
		cmocka_unit_test(line_mode_from_its_greeting_on),
		cmocka_unit_test(verbs_of_the_engine),
		cmocka_unit_test(the_history),
		cmocka_unit_test(a_tensor_of_such_a_name),
		cmocka_unit_test(the_log),
		cmocka_unit_test(a_pipe_gets_the_bytes_as_they_are),
	};

	return cmocka_run_group_tests(tests, set_up, tmpdir_tear_down);
}
