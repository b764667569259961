#include "tests/unit/shared_files.h"

#include <string.h>

#include <jansson.h>

#include "engine/base/jsonr.h"
#include "engine/prompt.h"
#include "engine/prompt_json.h"

static void golden_messages_become_golden_prompts(void **state)
{
	struct buf golden = {0};
	struct str rest, line;
	int n = 0, n_lines = 0;

	(void)state;
	assert_true(whole_file("tests/golden/encoding.jsonl", &golden));
	rest = buf_str(&golden);
	while (line_next(&rest, &line)) {
		json_t *row = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
		struct str want = json_str(json_object_get(row, "prompt"));
		struct chat_doc *doc = NULL;
		struct buf text = {0};
		struct err err = {0};

		n_lines++;
		if (want.p) {
			if (chat_doc_parse(&doc, line, &err) ||
			    prompt_text(chat_doc_chat(doc), PROMPT_APRIL, &text, &err))
				fail_msg("line %d: %s", n_lines, err.text);
			if (!str_eq(buf_str(&text), want)) {
				print_message("got  %s\nwant %s\n", buf_z(&text), want.p);
				fail_msg("line %d", n_lines);
			}
			n++;
		}
		buf_release(&text);
		chat_doc_free(doc);
		json_decref(row);
	}
	assert_int_equal(n, 200);
	buf_release(&golden);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_messages_become_golden_prompts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
