/* Answers with tool calls, well-formed and not, whole and in pieces. */
#include "tests/support/shared_files.h"

#include <string.h>

#include <jansson.h>

#include "engine/base/jsonr.h"
#include "engine/text/dsml.h"
#include "engine/text/prompt.h"

/* Events as text, one a line, neighbouring runs of text joined. */
struct record {
	struct buf lines;
	struct buf text; /* of the run that is open */
	enum event_kind kind;
	bool open;
	struct buf thinking, answer; /* all of each */
	struct buf more; /* of the value that is read */
	int n_begun, n_end, n_bad;
};

static const char *kind_name(enum event_kind kind)
{
	return kind == EV_THINKING     ? "thinking"
	       : kind == EV_TEXT       ? "text"
	       : kind == EV_CALL_BEGIN ? "begin"
	       : kind == EV_CALL_TEXT  ? "more"
	       : kind == EV_CALL_CUT   ? "cut"
	       : kind == EV_CALL_PARAM ? "param"
	       : kind == EV_CALL_END   ? "end"
	       : kind == EV_CALL_BAD   ? "bad"
	       : kind == EV_NOTICE     ? "notice"
				       : "unexpected";
}

static void record_close(struct record *r)
{
	if (!r->open)
		return;
	buf_addf(&r->lines, "%s ", kind_name(r->kind));
	json_add_quoted(&r->lines, buf_str(&r->text));
	buf_addc(&r->lines, '\n');
	r->open = false;
}

/* A value's pieces are all of it: as it is, or in quotes. */
static void check_pieces(struct record *r, struct str parameter)
{
	struct buf quoted = {0};
	struct str as_is = buf_str(&r->more), end = parameter;

	json_add_quoted(&quoted, as_is);
	for (int i = 0; i < 2; i++) {
		struct str want = i ? as_is : buf_str(&quoted);

		if (want.n > end.n)
			continue;
		if (str_eq((struct str){end.p + end.n - want.n, want.n}, want))
			end.n = 0;
	}
	if (end.n)
		fail_msg("the pieces '%s' are not those of %.*s", buf_z(&r->more),
			 (int)parameter.n, parameter.p);
	buf_reset(&r->more);
	buf_release(&quoted);
}

static void on_event(void *ctx, enum event_kind kind, int call, struct str text)
{
	struct record *r = ctx;
	bool run = kind == EV_THINKING || kind == EV_TEXT;

	/* In pieces, which the value that follows is made of. */
	if (kind == EV_CALL_TEXT) {
		assert_int_equal(call, r->n_begun - 1);
		buf_adds(&r->more, text);
		return;
	}
	if (kind == EV_CALL_PARAM)
		check_pieces(r, text);
	r->n_begun += kind == EV_CALL_BEGIN;
	if (!run || !r->open || r->kind != kind)
		record_close(r);
	if (run) {
		assert_int_equal(call, -1);
		assert_true(text.n > 0);
		if (!r->open)
			buf_reset(&r->text);
		r->open = true;
		r->kind = kind;
		buf_adds(&r->text, text);
		buf_adds(kind == EV_TEXT ? &r->answer : &r->thinking, text);
		return;
	}
	r->n_end += kind == EV_CALL_END;
	r->n_bad += kind == EV_CALL_BAD;
	buf_addf(&r->lines, "%s %d ", kind_name(kind), call);
	json_add_quoted(&r->lines, text);
	buf_addc(&r->lines, '\n');
}

static void record_release(struct record *r)
{
	buf_release(&r->lines);
	buf_release(&r->text);
	buf_release(&r->thinking);
	buf_release(&r->answer);
	buf_release(&r->more);
}

static bool str_find_z(struct str text, const char *z)
{
	return memmem(text.p, text.n, z, strlen(z)) != NULL;
}

static bool str_starts_z(struct str text, const char *z)
{
	return text.n >= strlen(z) && memcmp(text.p, z, strlen(z)) == 0;
}

/* Reads `text` in pieces of `step` bytes; 0: of random sizes from 0 to 9. */
static struct record read_in(struct str text, enum dsml_mode mode, size_t step,
			     enum dsml_end end)
{
	struct record r = {0};
	struct dsml d;
	struct err err = {0};

	assert_int_equal(dsml_init(&d, mode, on_event, &r, &err), 0);
	while (text.n) {
		size_t n = step ? step : (size_t)(rand() % 10);

		n = n < text.n ? n : text.n;
		dsml_push(&d, (struct str){text.p, n});
		text.p += n;
		text.n -= n;
	}
	assert_int_equal(dsml_finish(&d, end, &err), 0);
	assert_int_equal(dsml_n_good_calls(&d), r.n_end);
	dsml_release(&d);
	record_close(&r);
	return r;
}

static void check_splits(struct str text, enum dsml_mode mode, enum dsml_end end)
{
	struct record whole = read_in(text, mode, text.n + 1, end);

	for (size_t step = 0; step < 12; step++) {
		struct record part = read_in(text, mode, step, end);

		if (!str_eq(buf_str(&part.lines), buf_str(&whole.lines)))
			fail_msg("in steps of %zu: %s\nwhole:\n%s\nparts:\n%s", step, text.p,
				 buf_z(&whole.lines), buf_z(&part.lines));
		record_release(&part);
	}
	record_release(&whole);
}

/* The events of a message that the official grammar accepts. */
static void check_events(const struct record *r, const struct dsml_message *m)
{
	struct buf end = {0};

	assert_true(str_eq(buf_str(&r->thinking), buf_str(&m->reasoning)));
	assert_true(str_eq(buf_str(&r->answer), buf_str(&m->content)));
	assert_int_equal(r->n_end, m->n_calls);
	assert_int_equal(r->n_bad, 0);
	for (size_t i = 0; i < m->n_calls; i++) {
		buf_reset(&end);
		buf_addf(&end, "end %zu ", i);
		json_add_quoted(&end, buf_str(&m->calls[i].arguments));
		assert_non_null(strstr(buf_z(&r->lines), buf_z(&end)));
	}
	buf_release(&end);
}

static void golden_completions_are_read_as_the_official_parser_does(void **state)
{
	struct buf golden = {0};
	struct str left, line;
	int n_line = 0, n_parsed = 0, n_error = 0, n_swallowed = 0;

	(void)state;
	assert_true(whole_file("tests/golden/encoding.jsonl", &golden));
	left = buf_str(&golden);
	while (str_line(&left, &line)) {
		json_t *row = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
		struct str text = json_str(json_object_get(row, "completion"));
		const char *mode_name =
			json_string_value(json_object_get(row, "thinking_mode"));
		enum dsml_mode mode = strcmp(mode_name, "thinking") ? DSML_CHAT : DSML_THINKING;
		json_t *parsed = json_object_get(row, "parsed"), *got;
		struct dsml_message m = {0};
		struct err err = {0};
		struct buf json = {0};
		struct jsonw w;
		struct record r;
		int rc;

		n_line++;
		if (!text.p) {
			json_decref(row);
			continue;
		}
		rc = dsml_message_parse(text, mode, &m, &err);
		r = read_in(text, mode, 1, DSML_END_STOP);
		if (parsed) {
			if (rc)
				fail_msg("line %d: %s", n_line, err.text);
			jsonw_init(&w, &json);
			dsml_message_write(&m, &w);
			got = json_loads(buf_z(&json), JSON_ALLOW_NUL, NULL);
			if (!json_equal(got, parsed))
				fail_msg("line %d: %s", n_line, buf_z(&json));
			json_decref(got);
			n_parsed++;
			/*
			 * Where a call is not closed the official grammar takes the next tag
			 * for a part of its name.  No tool is called that: such calls end
			 * badly.
			 */
			if (m.n_calls && str_find_z(buf_str(&m.calls[0].name), TOKEN_DSML)) {
				assert_int_equal(r.n_end, 0);
				assert_true(r.n_bad > 0);
				n_swallowed++;
			} else {
				check_events(&r, &m);
			}
		} else {
			assert_int_equal(rc, ERR_FAILED);
			/* What follows the end is never produced: alone it is no reason. */
			if (!str_find_z(text, TOKEN_EOS "junk"))
				assert_int_equal(r.n_end, 0);
			n_error++;
		}
		check_splits(text, mode, DSML_END_STOP);
		check_splits(text, mode, DSML_END_CUT);
		record_release(&r);
		dsml_message_release(&m);
		buf_release(&json);
		json_decref(row);
	}
	assert_int_equal(n_parsed, 78);
	assert_int_equal(n_error, 22);
	assert_int_equal(n_swallowed, 1);
	buf_release(&golden);
}

#define D            TOKEN_DSML
#define CALLS        "\n\n<" D "tool_calls>\n"
#define CALLS_END    "</" D "tool_calls>"
#define INVOKE(name) "<" D "invoke name=\"" name "\">\n"
#define INVOKE_END   "\n</" D "invoke>\n"
#define PARAM(name, string, value)                                                             \
	"<" D "parameter name=\"" name "\" string=\"" string "\">" value "</" D "parameter>"

static const struct slip {
	const char *text;
	enum dsml_mode mode;
	enum dsml_end end;
	const char *lines; /* what must come of it, bad reasons left out */
} slips[] = {
	{"plain" TOKEN_EOS, DSML_CHAT, DSML_END_STOP, "text \"plain\"\n"},
	{"a</think>b" TOKEN_EOS "never read", DSML_THINKING, DSML_END_STOP,
	 "thinking \"a\"\ntext \"b\"\n"},
	/* letters that spell a stray </think> or <think> stay */
	{"a</think>b" TOKEN_EOS, DSML_CHAT, DSML_END_STOP, "text \"a</think>b\"\n"},
	{"<think>a</think>b" TOKEN_EOS, DSML_THINKING, DSML_END_STOP,
	 "thinking \"<think>a\"\ntext \"b\"\n"},
	/* a call as it should be */
	{"x" CALLS INVOKE("f") PARAM("p", "true", "v") INVOKE_END CALLS_END TOKEN_EOS,
	 DSML_CHAT, DSML_END_STOP,
	 "text \"x\"\nbegin 0 \"f\"\nparam 0 \"\\\"p\\\": \\\"v\\\"\"\n"
	 "end 0 \"{\\\"p\\\": \\\"v\\\"}\"\n"},
	{CALLS INVOKE("f") INVOKE_END CALLS_END TOKEN_EOS, DSML_CHAT, DSML_END_STOP,
	 "begin 0 \"f\"\nend 0 \"{}\"\n"},
	/* tags inside a value are its text */
	{CALLS INVOKE("f") PARAM("p", "true", "<" D "invoke name=\"g\">\n" CALLS_END)
		 INVOKE_END CALLS_END TOKEN_EOS,
	 DSML_CHAT, DSML_END_STOP,
	 "begin 0 \"f\"\nparam 0 \"\\\"p\\\": \\\"<｜DSML｜invoke name=\\\\\\\"g\\\\\\\">\\\\n"
	 "</｜DSML｜tool_calls>\\\"\"\n"
	 "end 0 \"{\\\"p\\\": \\\"<｜DSML｜invoke name=\\\\\\\"g\\\\\\\">\\\\n"
	 "</｜DSML｜tool_calls>\\\"}\"\n"},
	/* numbers as they were written, of any size */
	{CALLS INVOKE("f") PARAM("n", "false", "123456789012345678901234567890") "\n" PARAM(
		 "x", "false", "1.50e+2") INVOKE_END CALLS_END TOKEN_EOS,
	 DSML_CHAT, DSML_END_STOP,
	 "begin 0 \"f\"\nparam 0 \"\\\"n\\\": 123456789012345678901234567890\"\n"
	 "param 0 \"\\\"x\\\": 1.50e+2\"\n"
	 "end 0 \"{\\\"n\\\": 123456789012345678901234567890, \\\"x\\\": 1.50e+2}\"\n"},
	/* what is no JSON becomes a string and is reported */
	{CALLS INVOKE("f") PARAM("n", "false", "{oops") INVOKE_END CALLS_END TOKEN_EOS,
	 DSML_CHAT, DSML_END_STOP,
	 "begin 0 \"f\"\nnotice -1 \"argument \\\"n\\\" is not JSON and is kept as a string\"\n"
	 "param 0 \"\\\"n\\\": \\\"{oops\\\"\"\nend 0 \"{\\\"n\\\": \\\"{oops\\\"}\"\n"},
	/* a block inside thinking */
	{"a" CALLS INVOKE("f") PARAM("p", "true", "v") INVOKE_END CALLS_END
	 "b</think>c" TOKEN_EOS,
	 DSML_THINKING, DSML_END_STOP,
	 "thinking \"a\"\nbegin 0 \"f\"\nparam 0 \"\\\"p\\\": \\\"v\\\"\"\nthinking \"b\"\n"
	 "text \"c\"\nbad 0\n"},
	/* the thinking ends inside a block */
	{"a" CALLS INVOKE("f") "</think>c" TOKEN_EOS, DSML_THINKING, DSML_END_STOP,
	 "thinking \"a\"\nbegin 0 \"f\"\ntext \"c\"\nbad 0\n"},
	/* a call not closed before the next */
	{CALLS INVOKE("f") PARAM("p", "true", "v") "\n" INVOKE("g")
		 INVOKE_END CALLS_END TOKEN_EOS,
	 DSML_CHAT, DSML_END_STOP,
	 "begin 0 \"f\"\nparam 0 \"\\\"p\\\": \\\"v\\\"\"\nbegin 1 \"g\"\nbad 0\nbad 1\n"},
	/* a parameter never closed */
	{CALLS INVOKE("f") "<" D "parameter name=\"p\" string=\"true\">v" INVOKE_END CALLS_END
		 TOKEN_EOS,
	 DSML_CHAT, DSML_END_STOP,
	 "begin 0 \"f\"\nparam 0 \"\\\"p\\\": \\\"v\\\\n\\\"\"\nbad 0\n"},
	{CALLS INVOKE("f") "<" D "parameter name=\"p\" string=\"true\">v\n<" D
			   "parameter name=\"q\" string=\"false\">7\n",
	 DSML_CHAT, DSML_END_CUT,
	 "begin 0 \"f\"\nparam 0 \"\\\"p\\\": \\\"v\\\\n\\\"\"\nparam 0 \"\\\"q\\\": 7\\n\"\n"
	 "bad 0\n"},
	/* a wrong wrapper, or none */
	{"\n\n<" D "function_calls>\n" INVOKE("f") INVOKE_END "</" D
							      "function_calls>" TOKEN_EOS,
	 DSML_CHAT, DSML_END_STOP, "begin 0 \"f\"\nbad 0\n"},
	{"x" INVOKE("f") INVOKE_END "y" TOKEN_EOS, DSML_CHAT, DSML_END_STOP,
	 "text \"x\"\nbegin 0 \"f\"\ntext \"\\ny\"\nbad 0\n"},
	/* text between tags, after a block, and a second block */
	{CALLS "so: " INVOKE("f") INVOKE_END CALLS_END "\nand" CALLS INVOKE("g")
		 INVOKE_END CALLS_END TOKEN_EOS,
	 DSML_CHAT, DSML_END_STOP,
	 "text \"\\nso: \"\nbegin 0 \"f\"\ntext \"\\nand\"\nbegin 1 \"g\"\nbad 0\nbad 1\n"},
	/* heads that are not as they should be */
	{CALLS "<" D "invoke>\n" INVOKE_END CALLS_END TOKEN_EOS, DSML_CHAT, DSML_END_STOP,
	 "begin 0 \"\"\nbad 0\n"},
	{CALLS INVOKE("f") PARAM("p", "maybe", "v") INVOKE_END CALLS_END TOKEN_EOS, DSML_CHAT,
	 DSML_END_STOP, "begin 0 \"f\"\nparam 0 \"\\\"p\\\": \\\"v\\\"\"\nbad 0\n"},
	{CALLS INVOKE("f") PARAM("p", "true", "1") "\n" PARAM("p", "true", "2")
		 INVOKE_END CALLS_END TOKEN_EOS,
	 DSML_CHAT, DSML_END_STOP,
	 "begin 0 \"f\"\nparam 0 \"\\\"p\\\": \\\"1\\\"\"\nparam 0 \"\\\"p\\\": "
	 "\\\"2\\\"\"\nbad 0\n"},
	/* a parameter without a call, and a closing tag of nothing */
	{"\n\n" PARAM("p", "true", "v") TOKEN_EOS, DSML_CHAT, DSML_END_STOP, "text \"v\"\nbad 0\n"},
	{"a" CALLS_END "b" TOKEN_EOS, DSML_CHAT, DSML_END_STOP, "text \"ab\"\n"},
	/* cut: anywhere within a call, and right before the end token */
	{CALLS INVOKE("f") PARAM("p", "true", "v"), DSML_CHAT, DSML_END_CUT,
	 "begin 0 \"f\"\nparam 0 \"\\\"p\\\": \\\"v\\\"\"\nbad 0\n"},
	{CALLS INVOKE("f") INVOKE_END CALLS_END, DSML_CHAT, DSML_END_CUT,
	 "begin 0 \"f\"\nbad 0\n"},
	{CALLS INVOKE("f") INVOKE_END CALLS_END, DSML_CHAT, DSML_END_STOP,
	 "begin 0 \"f\"\nend 0 \"{}\"\n"},
	{"a" CALLS "<" D "invoke name=\"f", DSML_CHAT, DSML_END_CUT,
	 "text \"a\"\nnotice -1 \"the answer ends within a tag\"\n"},
	/* the beginning of a word that never comes is text */
	{"a<" D, DSML_CHAT, DSML_END_CUT, "text \"a<｜DSML｜\"\n"},
	{"a<" D "and</" D "b>c<" D "tool_calls d", DSML_CHAT, DSML_END_CUT,
	 "text \"a<｜DSML｜andc d\"\n"},
	{"a\n\n<｜DSM", DSML_CHAT, DSML_END_CUT, "text \"a\\n\\n<｜DSM\"\n"},
	{"a</thin", DSML_THINKING, DSML_END_CUT, "thinking \"a</thin\"\n"},
	{"a<｜end▁of", DSML_CHAT, DSML_END_CUT, "text \"a<｜end▁of\"\n"},
	{"", DSML_THINKING, DSML_END_STOP, ""},
};

/* The reason is for people: what counts is that there is one. */
static void check_lines(const struct slip *slip, const struct record *r)
{
	struct str left = buf_str(&r->lines), line;
	struct buf got = {0};

	while (str_line(&left, &line)) {
		const char *reason =
			str_starts_z(line, "bad ") ? memchr(line.p, '"', line.n) : NULL;

		if (reason) {
			assert_true(line.n - (size_t)(reason - line.p) > 10);
			line.n = (size_t)(reason - line.p) - 1;
		}
		buf_adds(&got, line);
		buf_addc(&got, '\n');
	}
	if (strcmp(buf_z(&got), slip->lines) != 0)
		fail_msg("%s\ngot:\n%swant:\n%s", slip->text, buf_z(&got), slip->lines);
	buf_release(&got);
}

static void every_slip_is_survived_and_reported(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(slips) / sizeof(*slips); i++) {
		struct str text = str_of(slips[i].text);
		struct record r = read_in(text, slips[i].mode, text.n + 1, slips[i].end);

		check_lines(&slips[i], &r);
		check_splits(text, slips[i].mode, slips[i].end);
		record_release(&r);
	}
}

static const char *const words[] = {
	"a",
	"\n",
	"\n\n",
	"<",
	">",
	"</",
	"/",
	"\"",
	" ",
	"{",
	"1",
	"é",
	"\xff",
	"<" D,
	"</" D,
	D,
	TOKEN_THINK,
	TOKEN_THINK_END,
	CALLS,
	CALLS_END,
	INVOKE("f"),
	INVOKE("g"),
	INVOKE_END,
	"<" D "parameter name=\"p\" string=\"true\">",
	"<" D "parameter name=\"q\" string=\"false\">",
	"</" D "parameter>",
	"</" D "parameter>\n",
	"<" D "tool_calls",
	"<" D "invoke",
	"tool_calls>",
};

static void add_random_text(struct buf *out)
{
	for (int n = rand() % 25; n > 0; n--)
		buf_addz(out, words[(size_t)rand() % (sizeof(words) / sizeof(*words))]);
}

/* Ends well only with the official grammar, and then with its very message. */
static void random_answers_are_read_the_same_in_any_pieces(void **state)
{
	int n_calls = 0;

	(void)state;
	srand(11);
	for (int round = 0; round < 4000; round++) {
		enum dsml_mode mode = rand() % 2 ? DSML_CHAT : DSML_THINKING;
		struct buf text = {0};
		struct dsml_message m = {0};
		struct record r;

		add_random_text(&text);
		if (rand() % 2) /* often something that could be right */
			buf_addz(&text, CALLS INVOKE("f"));
		if (rand() % 2)
			buf_addz(&text, PARAM("p", "true", "v") "\n</" D "invoke>\n" CALLS_END);
		if (rand() % 8 == 0)
			add_random_text(&text);
		check_splits(buf_str(&text), mode, rand() % 2 ? DSML_END_STOP : DSML_END_CUT);
		r = read_in(buf_str(&text), mode, 1, DSML_END_STOP);
		buf_addz(&text, TOKEN_EOS);
		if (dsml_message_parse(buf_str(&text), mode, &m, NULL) == 0 && r.n_end)
			check_events(&r, &m);
		else
			assert_int_equal(r.n_end, 0);
		n_calls += r.n_end;
		record_release(&r);
		dsml_message_release(&m);
		buf_release(&text);
	}
	assert_true(n_calls > 10);
}

/* Letters outside of tags are digits here: whatever the tags do, all of them come out. */
static void no_text_is_lost(void **state)
{
	(void)state;
	srand(12);
	for (int round = 0; round < 2000; round++) {
		enum dsml_mode mode = rand() % 2 ? DSML_CHAT : DSML_THINKING;
		enum dsml_end end = rand() % 2 ? DSML_END_STOP : DSML_END_CUT;
		struct buf text = {0};
		struct record r;
		int n = 1 + rand() % 20;
		char digits[24];

		for (int i = 0; i < n; i++) {
			buf_addz(&text,
				 words[13 +
				       (size_t)rand() % (sizeof(words) / sizeof(*words) - 15)]);
			buf_addf(&text, ">[%d]", i);
		}
		r = read_in(buf_str(&text), mode, 3, end);
		for (int i = 0; i < n; i++) {
			snprintf(digits, sizeof(digits), "[%d]", i);
			if (!strstr(buf_z(&r.lines), digits))
				fail_msg("%s\nlost %s:\n%s", buf_z(&text), digits,
					 buf_z(&r.lines));
		}
		record_release(&r);
		buf_release(&text);
	}
}

/* Pieces that make no tag, whatever follows whatever; the first two are an open block's. */
static const char *const no_tags[] = {
	"so ",
	" and ",
	"\n",
	"\n\n",
	"<",
	"</",
	"> ",
	"/",
	"=\"",
	" name=\"f\"",
	"é",
	"<thi",
	"</thin ",
	"<｜",
	"<｜DSML",
	"<｜end▁of",
	"<" D " ",
	"\n\n<" D " ",
	"</" D " ",
	"<" D "\n",
	"</" D "\n",
	"<" D "=",
	"</" D "<" D ">",
	"</" D "\">",
	"<" D "tools\n",
	"<" D "a tag> ",
	"</" D "an end\n",
	"<" D "invoke me later\n",
	"<" D "invoke na me",
	"<" D "parameter of life ",
	"<" D "invoke\n\nname it ",
	"<" D "invoke                        name=\"far\">",
	"</" D "parameters\n",
	D,
	D " ",
};

/* Outside of parsed tags text is text: all of it comes out, as it was. */
static void what_is_no_tag_comes_out_as_it_was(void **state)
{
	static const char half[] = "Half a tag: <" D " and </" D " and <thi and";
	struct record r = read_in(STR_LIT(half), DSML_CHAT, 1, DSML_END_STOP);

	(void)state;
	assert_string_equal(buf_z(&r.answer), half);
	record_release(&r);
	srand(13);
	for (int round = 0; round < 4000; round++) {
		enum dsml_end end = rand() % 2 ? DSML_END_STOP : DSML_END_CUT;
		bool thinking = rand() % 2, in_block = !thinking && rand() % 4 == 0;
		struct buf text = {0}, want = {0};
		struct str all;
		int n = 1 + rand() % 12;

		if (in_block)
			buf_addz(&text, CALLS);
		for (int i = 0; i < n; i++) {
			size_t at = (size_t)rand() % (sizeof(no_tags) / sizeof(*no_tags));

			/* In a block white space alone is the grammar's. */
			at = in_block && i == 0 ? 0 : at;
			buf_addz(&text, no_tags[at]);
			buf_addz(&want, no_tags[at]);
		}
		/* a name at the very end may have been about to become a tag */
		buf_addz(&text, " .\n");
		buf_addz(&want, " .\n");
		r = read_in(buf_str(&text), thinking ? DSML_THINKING : DSML_CHAT,
			    (size_t)(rand() % 12), end);
		all = buf_str(thinking ? &r.thinking : &r.answer);
		if (in_block && all.n && all.p[0] == '\n') {
			all.p++;
			all.n--;
		}
		if (!str_eq(all, buf_str(&want)))
			fail_msg("%s\nbecame\n%s", buf_z(&text), all.p);
		/* A block that has no call is one of which nothing could be read. */
		assert_int_equal(r.n_end, 0);
		assert_int_equal(r.n_bad, in_block && end == DSML_END_STOP);
		check_splits(buf_str(&text), thinking ? DSML_THINKING : DSML_CHAT, end);
		record_release(&r);
		buf_release(&text);
		buf_release(&want);
	}
}

/* The ids of `text`, control tokens parsed. */
static void push_ids(struct dsml *d, struct detok *detok, const char *text)
{
	struct tokens ids = {0};

	assert_int_equal(tokenizer_encode_special(detok->tok, str_of(text), &ids, NULL, NULL),
			 0);
	for (size_t i = 0; i < ids.n; i++)
		dsml_push_id(d, detok, ids.ids[i]);
	tokens_release(&ids);
}

static void push_plain(struct dsml *d, struct detok *detok, const char *text)
{
	struct tokens ids = {0};

	assert_int_equal(tokenizer_encode(detok->tok, str_of(text), &ids, NULL, NULL), 0);
	for (size_t i = 0; i < ids.n; i++)
		dsml_push_id(d, detok, ids.ids[i]);
	tokens_release(&ids);
}

static void control_ids_act_and_never_show(void **state)
{
	struct tokenizer *tok = NULL;
	struct detok detok;
	struct dsml d;
	struct record r = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(tokenizer_open(&tok, "share/nano", &err), 0);
	detok_init(&detok, tok);
	assert_int_equal(dsml_init(&d, DSML_THINKING, on_event, &r, &err), 0);
	push_ids(&d, &detok, TOKEN_THINK "one" TOKEN_USER TOKEN_THINK D " two");
	assert_true(dsml_in_thinking(&d));
	push_ids(&d, &detok, TOKEN_THINK_END);
	assert_false(dsml_in_thinking(&d));
	push_ids(&d, &detok, "three" TOKEN_THINK_END " four" D);
	push_plain(&d, &detok, " " TOKEN_THINK_END TOKEN_EOS TOKEN_USER);
	push_ids(&d, &detok,
		 CALLS INVOKE("f") PARAM("p", "true", "v") INVOKE_END CALLS_END TOKEN_EOS
		 "never read");
	assert_int_equal(dsml_finish(&d, DSML_END_CUT, &err), 0);
	record_close(&r);
	assert_string_equal(buf_z(&r.thinking), "one two");
	assert_string_equal(buf_z(&r.answer),
			    "three four </think><｜end▁of▁sentence｜><｜User｜>");
	assert_int_equal(r.n_end, 0);
	assert_int_equal(r.n_bad, 1);
	dsml_release(&d);
	record_release(&r);
	tokenizer_close(tok);
}

static void a_call_of_ids_ends_well(void **state)
{
	struct tokenizer *tok = NULL;
	struct detok detok;
	struct dsml d;
	struct record r = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(tokenizer_open(&tok, "share/nano", &err), 0);
	detok_init(&detok, tok);
	assert_int_equal(dsml_init(&d, DSML_CHAT, on_event, &r, &err), 0);
	push_ids(&d, &detok,
		 TOKEN_THINK_END "x" CALLS INVOKE("f") PARAM("p", "true", "</think>é")
			 INVOKE_END CALLS_END TOKEN_EOS);
	assert_int_equal(dsml_finish(&d, DSML_END_STOP, &err), 0);
	assert_int_equal(dsml_n_good_calls(&d), 1);
	assert_non_null(strstr(buf_z(&r.lines), "end 0 \"{\\\"p\\\": \\\"</think>é\\\"}\"\n"));
	dsml_release(&d);
	record_release(&r);
	tokenizer_close(tok);
}

static void the_official_grammar_says_what_it_missed(void **state)
{
	static const struct {
		const char *text;
		enum dsml_mode mode;
		const char *said;
	} cases[] = {
		{"a", DSML_CHAT, "the answer does not end"},
		{"a" TOKEN_EOS "b", DSML_CHAT, "text after the end"},
		{"a" TOKEN_EOS, DSML_THINKING, "the thinking does not end"},
		{"a" CALLS INVOKE("f") INVOKE_END CALLS_END "</think>" TOKEN_EOS, DSML_THINKING,
		 "the thinking does not end"},
		{"a" D TOKEN_EOS, DSML_CHAT, "a control token within text: " D},
		{CALLS, DSML_CHAT, "the call block does not end"},
		{CALLS INVOKE("f") INVOKE_END CALLS_END "b" TOKEN_EOS, DSML_CHAT,
		 "text after the call block"},
		{CALLS "<" D "invoke>\n" INVOKE_END CALLS_END TOKEN_EOS, DSML_CHAT, "name="},
		{CALLS INVOKE("f") PARAM("p", "no", "v") INVOKE_END CALLS_END TOKEN_EOS,
		 DSML_CHAT, "expected a parameter"},
		{CALLS INVOKE("f") PARAM("p", "true", "v") "\n" PARAM("p", "true", "v")
			 INVOKE_END CALLS_END TOKEN_EOS,
		 DSML_CHAT, "a parameter stands twice"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dsml_message m = {0};
		struct err err = {0};

		assert_int_equal(
			dsml_message_parse(str_of(cases[i].text), cases[i].mode, &m, &err),
			ERR_FAILED);
		if (!strstr(err.text, cases[i].said))
			fail_msg("case %zu: %s", i, err.text);
		dsml_message_release(&m);
	}
}

/* ---- an answer that is ended where it stands ---- */

static const char two_calls[] =
	"I look." CALLS INVOKE("read_file") PARAM("path", "true", "a <b>/｜</x") INVOKE_END
		INVOKE("write_file") PARAM("path", "true", "ä.c") "\n"
			PARAM("content", "true", "one\ntwo</｜DSML") "\n"
				PARAM("n", "false", "[1, 2]") INVOKE_END CALLS_END;

/* The answer's first n bytes, and what closes them; *cut: a call was open. */
static enum dsml_closing close_at(struct record *r, size_t n, struct buf *closing, bool *cut)
{
	enum dsml_closing how;
	struct dsml d;

	assert_int_equal(dsml_init(&d, DSML_CHAT, on_event, r, NULL), 0);
	dsml_push(&d, (struct str){two_calls, n});
	how = dsml_closing(&d, closing);
	if (how == DSML_CLOSES)
		dsml_cut_call(&d, STR_LIT("enough"));
	dsml_push(&d, buf_str(closing));
	assert_int_equal(dsml_finish(&d, DSML_END_STOP, NULL), 0);
	*cut = strstr(buf_z(&r->lines), "cut ") != NULL;
	dsml_release(&d);
	return how;
}

/* At each byte: it closes, or a tag stands in the way; what was whole stays so. */
static void an_answer_closes_wherever_no_tag_is_open(void **state)
{
	const char *first_end = strstr(two_calls, "</" TOKEN_DSML "invoke>"),
		   *second = strstr(two_calls, "write_file\">");
	size_t n_closed = 0, n_cut = 0;

	(void)state;
	for (size_t n = 0; n < sizeof(two_calls); n++) {
		struct buf closing = {0};
		struct record r = {0};
		bool cut, early = two_calls + n < strstr(two_calls, "read_file\">") + 11;
		enum dsml_closing how = close_at(&r, n, &closing, &cut);

		if (how == DSML_CLOSES_NEVER)
			fail_msg("%.*s: closes never", (int)n, two_calls);
		n_closed += how == DSML_CLOSES;
		n_cut += cut;
		if (early)
			assert_int_equal(how, DSML_CLOSES_LATER);
		if (how == DSML_CLOSES) {
			assert_true(closing.len <= 120);
			if (r.n_bad)
				fail_msg("%.*s: %s", (int)n, two_calls, buf_z(&r.lines));
			assert_int_equal(r.n_end + cut, two_calls + n >= second + 12 ? 2 : 1);
		}
		if (how == DSML_CLOSES && two_calls + n > first_end + 30)
			assert_non_null(strstr(buf_z(&r.lines), "end 0 \"{\\\"path\\\": "
								"\\\"a <b>/｜</x\\\"}\""));
		buf_release(&closing);
		record_release(&r);
	}
	assert_in_range(n_cut, 40, sizeof(two_calls));
	assert_in_range(n_closed, n_cut, sizeof(two_calls));
}

/* What the grammar does not accept cannot be closed, nor is it early. */
static void a_slip_is_neither_early_nor_closed(void **state)
{
	static const struct {
		enum dsml_mode mode;
		const char *text;
		enum dsml_closing how;
	} rows[] = {
		{DSML_CHAT, CALLS INVOKE("f"), DSML_CLOSES},
		{DSML_CHAT, INVOKE("f"), DSML_CLOSES_NEVER},
		{DSML_THINKING, "hm" CALLS INVOKE("f"),
		 DSML_CLOSES_NEVER},
		{DSML_THINKING, "hm</think>" CALLS INVOKE("f"),
		 DSML_CLOSES},
		{DSML_CHAT, CALLS "text<" TOKEN_DSML "invoke name=\"f\">\n",
		 DSML_CLOSES_NEVER},
		{DSML_CHAT, CALLS INVOKE("f") INVOKE_END CALLS_END, DSML_CLOSES},
		{DSML_CHAT, CALLS INVOKE("f") INVOKE_END CALLS_END "more", DSML_CLOSES_NEVER},
		{DSML_CHAT, "no call", DSML_CLOSES_LATER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf closing = {0};
		struct record r = {0};
		struct dsml d;

		assert_int_equal(dsml_init(&d, rows[i].mode, on_event, &r, NULL), 0);
		dsml_push(&d, str_of(rows[i].text));
		if (dsml_closing(&d, &closing) != rows[i].how)
			fail_msg("%s: not as expected", rows[i].text);
		assert_int_equal(dsml_early(&d), rows[i].how == DSML_CLOSES ||
							 strstr(rows[i].text, "more") != NULL);
		dsml_release(&d);
		buf_release(&closing);
		record_release(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_closes_wherever_no_tag_is_open),
		cmocka_unit_test(a_slip_is_neither_early_nor_closed),
		cmocka_unit_test(golden_completions_are_read_as_the_official_parser_does),
		cmocka_unit_test(every_slip_is_survived_and_reported),
		cmocka_unit_test(random_answers_are_read_the_same_in_any_pieces),
		cmocka_unit_test(no_text_is_lost),
		cmocka_unit_test(what_is_no_tag_comes_out_as_it_was),
		cmocka_unit_test(control_ids_act_and_never_show),
		cmocka_unit_test(a_call_of_ids_ends_well),
		cmocka_unit_test(the_official_grammar_says_what_it_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
