#include "tests/unit/shared_files.h"

#include <string.h>

#include <jansson.h>

#include "engine/base/jsonr.h"
#include "engine/dsml.h"
#include "engine/prompt.h"

/* Events as text, one a line, neighbouring runs of text joined. */
struct record {
	struct buf lines;
	struct buf text; /* of the run that is open */
	enum event_kind kind;
	bool open;
	struct buf thinking, answer; /* all of each */
	int n_end, n_bad;
};

static const char *kind_name(enum event_kind kind)
{
	return kind == EV_THINKING	? "thinking"
	       : kind == EV_TEXT	? "text"
	       : kind == EV_CALL_BEGIN	? "begin"
	       : kind == EV_CALL_PARAM	? "param"
	       : kind == EV_CALL_END	? "end"
	       : kind == EV_CALL_BAD	? "bad"
	       : kind == EV_NOTICE	? "notice"
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

static void on_event(void *ctx, enum event_kind kind, int call, struct str text)
{
	struct record *r = ctx;
	bool run = kind == EV_THINKING || kind == EV_TEXT;

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
}

static bool str_find_z(struct str text, const char *z)
{
	return memmem(text.p, text.n, z, strlen(z)) != NULL;
}

/* Reads `text` in pieces of `step` bytes; 0: of random sizes from 0 to 9. */
static struct record read_in(struct str text, enum dsml_mode mode, size_t step, enum dsml_end end)
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
	assert_int_equal(dsml_n_calls(&d), r.n_end + r.n_bad);
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
	while (line_next(&left, &line)) {
		json_t *row = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
		struct str text = json_str(json_object_get(row, "completion"));
		const char *mode_name = json_string_value(json_object_get(row, "thinking_mode"));
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
			 * Where a call is not closed the official grammar takes the next tag for
			 * a part of its name.  No tool is called that: such calls end badly.
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_completions_are_read_as_the_official_parser_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
