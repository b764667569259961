/*
 * Every allocation of a piece of work fails once: the work ends in ERR_NOMEM,
 * or well where it could do without, and leaves nothing behind.
 */
#include "tests/support/own_malloc.h"
#include "tests/support/shared_files.h"

#include <errno.h>
#include <string.h>

#include "engine/base/jsonw.h"
#include "engine/base/utf8.h"
#include "engine/text/dsml.h"
#include "engine/text/prompt.h"
#include "engine/text/prompt_json.h"

static struct buf tokenizer_json;
static struct tokenizer *tok;

static int load(struct err *err)
{
	struct tokenizer *t = NULL;
	struct tokens ids = {0};
	int rc = tokenizer_parse(&t, buf_str(&tokenizer_json), "test", err);

	if (!rc)
		rc = tokenizer_encode_special(t, STR_LIT("abc<x> abc \xff"), &ids, NULL, err);
	tokens_release(&ids);
	tokenizer_close(t);
	return rc;
}

/* A success is all of it: what the first one made, every later one makes. */
static int same_as_first(const struct buf *text, const struct tokens *ids, struct err *err)
{
	static size_t first_text, first_ids;

	if (first_text == 0) {
		first_text = text->len;
		first_ids = ids->n;
	}
	if (text->len == first_text && ids->n == first_ids)
		return 0;
	return err_set(err, ERR_FAILED, "%zu bytes and %zu ids, expected %zu and %zu",
		       text->len, ids->n, first_text, first_ids);
}

static int prompt(struct err *err)
{
	static const char json[] = "{\"tools\": [{\"function\": {\"name\": \"f\", \"x\": "
				   "1e5}}], \"effort\": \"max\", "
				   "\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, "
				   "{\"role\": \"assistant\", "
				   "\"content\": \"a\", \"tool_calls\": [{\"id\": \"1\", "
				   "\"function\": {\"name\": \"f\", "
				   "\"arguments\": \"{\\\"n\\\": [1], \\\"s\\\": "
				   "\\\"t\\\"}\"}}]}, {\"role\": \"tool\", "
				   "\"tool_call_id\": \"1\", \"content\": \"r\"}]}";
	struct chat_doc *doc = NULL;
	struct tokens ids = {0};
	struct buf text = {0};
	int rc = chat_doc_parse(&doc, STR_LIT(json), err);

	if (!rc)
		rc = prompt_text(chat_doc_chat(doc), PROMPT_APRIL, &text, err);
	if (!rc)
		rc = prompt_encode(chat_doc_chat(doc), PROMPT_APRIL, tok, &ids, NULL, err);
	if (!rc)
		rc = same_as_first(&text, &ids, err);
	chat_doc_free(doc);
	tokens_release(&ids);
	buf_release(&text);
	return rc;
}

static const char completion[] =
	"t</think>x\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
	"<｜DSML｜parameter name=\"p\" string=\"false\">[1, {\"a\": 2}]</｜DSML｜parameter>\n"
	"<｜DSML｜parameter name=\"q\" string=\"true\">v</｜DSML｜parameter>\n"
	"</｜DSML｜invoke>\n</｜DSML｜tool_calls><｜end▁of▁sentence｜>";

static int parse_whole(struct err *err)
{
	struct dsml_message m = {0};
	struct buf json = {0};
	struct jsonw w;
	int rc = dsml_message_parse(STR_LIT(completion), DSML_THINKING, &m, err);

	jsonw_init(&w, &json);
	dsml_message_write(&m, &w);
	if (!rc && buf_failed(&json))
		rc = ERR_NOMEM;
	dsml_message_release(&m);
	buf_release(&json);
	return rc;
}

static int n_good, n_bad;

static void count_ends(void *ctx, enum event_kind kind, int call, struct str text)
{
	(void)ctx;
	(void)call;
	n_good += kind == EV_CALL_END && str_is(text, "{\"p\": [1, {\"a\": 2}], \"q\": \"v\"}");
	n_bad += kind == EV_CALL_BAD;
}

static int parse_stream(struct err *err)
{
	struct dsml d = {0};
	int rc = dsml_init(&d, DSML_THINKING, count_ends, NULL, err);

	if (rc)
		return rc;
	n_good = n_bad = 0;
	for (size_t i = 0; i + 1 < sizeof(completion); i++)
		dsml_push(&d, (struct str){completion + i, 1});
	rc = dsml_finish(&d, DSML_END_STOP, err);
	/* a call is good as a whole, or it is not good */
	if (!rc && n_good != 1)
		rc = ERR_FAILED;
	dsml_release(&d);
	return rc;
}

static int n_cut;

static void count_cuts(void *ctx, enum event_kind kind, int call, struct str text)
{
	(void)ctx;
	(void)call;
	(void)text;
	n_good += kind == EV_CALL_END;
	n_cut += kind == EV_CALL_CUT;
	n_bad += kind == EV_CALL_BAD;
}

/* Within the second value it is closed, and cut; where it cannot be it is no good call. */
static int end_call(struct err *err)
{
	const char *at = strstr(completion, "true\">v") + 7;
	struct buf closing = {0};
	struct dsml d = {0};
	int rc = dsml_init(&d, DSML_THINKING, count_cuts, NULL, err);

	if (rc)
		return rc;
	n_good = n_bad = n_cut = 0;
	dsml_push(&d, (struct str){completion, (size_t)(at - completion)});
	if (dsml_closing(&d, &closing) == DSML_CLOSES) {
		dsml_cut_call(&d, STR_LIT("enough"));
		dsml_push(&d, buf_str(&closing));
	}
	rc = dsml_finish(&d, DSML_END_STOP, err);
	if (!rc && (n_good || n_cut + n_bad != 1))
		rc = ERR_FAILED;
	buf_release(&closing);
	dsml_release(&d);
	return rc;
}

/* A block that is accepted is one, whatever memory there is; another is a malformed call. */
static int no_call(const char *text, int bad, struct err *err)
{
	struct dsml d = {0};
	int rc = dsml_init(&d, DSML_CHAT, count_cuts, NULL, err);

	if (rc)
		return rc;
	n_good = n_bad = n_cut = 0;
	dsml_push(&d, str_of(text));
	rc = dsml_finish(&d, DSML_END_STOP, err);
	if (!rc && n_bad != bad)
		rc = ERR_FAILED;
	dsml_release(&d);
	return rc;
}

static int empty_block(struct err *err)
{
	return no_call("x\n\n<｜DSML｜tool_calls>\n</｜DSML｜tool_calls>", 0, err);
}

static int open_block(struct err *err)
{
	return no_call("x\n\n<｜DSML｜tool_calls>\n", 1, err);
}

static void check(int (*work)(struct err *err), long at_least)
{
	struct err err = {0};
	long n_failed = 0;
	int rc;

	if (!OWN_MALLOC)
		skip();
	assert_int_equal(work(&err), 0); /* what is made once is made */
	for (fail_at = 1; fail_at < 100000; fail_at++) {
		n_calls = n_live = 0;
		counting = true;
		rc = work(&err);
		counting = false;
		assert_int_equal(n_live, 0);
		if (n_calls < fail_at)
			break;
		if (rc != 0 && rc != ERR_NOMEM)
			fail_msg("allocation %ld: %d: %s", fail_at, rc, err.text);
		n_failed += rc == ERR_NOMEM;
	}
	assert_int_equal(rc, 0);
	assert_true(n_failed >= at_least);
}

static void a_tokenizer_loads_and_encodes_or_says_no_memory(void **state)
{
	(void)state;
	check(load, 20);
}

static void a_prompt_is_written_or_says_no_memory(void **state)
{
	(void)state;
	check(prompt, 100);
}

static void a_completion_is_parsed_or_says_no_memory(void **state)
{
	(void)state;
	check(parse_whole, 8);
}

static void a_call_is_whole_or_never_ends_well(void **state)
{
	(void)state;
	check(parse_stream, 10);
}

static int set_up(void **state)
{
	struct err err = {0};
	int next = 0x100;

	(void)state;
	buf_addz(&tokenizer_json, "{\"model\": {\"vocab\": {");
	for (int b = 0; b < 256; b++) {
		bool plain = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad);
		char utf8[4];
		size_t n = utf8_encode((uint32_t)(plain ? b : next++), utf8);

		json_add_quoted(&tokenizer_json, (struct str){utf8, n});
		buf_addf(&tokenizer_json, ": %d, ", b);
	}
	buf_addz(&tokenizer_json,
		 "\"ab\": 256, \"abc\": 257}, \"merges\": [\"a b\", [\"ab\", \"c\"]]}, "
		 "\"added_tokens\": [{\"id\": 300, \"content\": \"<x>\"}], \"pre_tokenizer\": "
		 "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", "
		 "\"behavior\": "
		 "\"Isolated\", \"pattern\": {\"Regex\": \"\\\\s+\"}}, {\"type\": "
		 "\"ByteLevel\"}]}}");
	return tokenizer_open(&tok, "share/nano", &err);
}

static int tear_down(void **state)
{
	(void)state;
	buf_release(&tokenizer_json);
	tokenizer_close(tok);
	return 0;
}

static void a_call_is_closed_and_cut_or_never_ends_well(void **state)
{
	(void)state;
	check(end_call, 5);
}

static void a_block_without_a_call_is_what_it_is_or_says_no_memory(void **state)
{
	(void)state;
	check(empty_block, 3);
	check(open_block, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tokenizer_loads_and_encodes_or_says_no_memory),
		cmocka_unit_test(a_prompt_is_written_or_says_no_memory),
		cmocka_unit_test(a_completion_is_parsed_or_says_no_memory),
		cmocka_unit_test(a_call_is_whole_or_never_ends_well),
		cmocka_unit_test(a_call_is_closed_and_cut_or_never_ends_well),
		cmocka_unit_test(a_block_without_a_call_is_what_it_is_or_says_no_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
