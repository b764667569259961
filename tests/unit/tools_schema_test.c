/* Which arguments a tool takes, and what the model is told of others. */
#include "tests/support/shared_files.h"

#include <string.h>

#include "app/tools/schema.h"
#include "app/tools/tools.h"

struct row {
	const char *schema, *args;
	const char *fit; /* NULL: it does not, */
	const char *why; /* and this is why    */
};

static void check(const struct row *r)
{
	struct buf fit = {0}, why = {0};
	struct json_doc doc;
	struct schema s = {.doc = &doc};
	int rc;

	assert_int_equal(json_doc_parse(&doc, str_of(r->schema), NULL), 0);
	s.root = doc.root;
	rc = schema_check(&s, STR_LIT("tool"), str_of(r->args), &fit, &why);
	if (rc == 0 ? !r->fit || strcmp(buf_z(&fit), r->fit) != 0
		    : r->fit || !strstr(buf_z(&why), r->why))
		fail_msg("%s: %s: %d, \"%s\", \"%s\"", r->schema, r->args, rc, buf_z(&fit),
			 buf_z(&why));
	if (rc)
		assert_int_equal(rc, ERR_USAGE);
	buf_release(&fit);
	buf_release(&why);
	json_doc_release(&doc);
}

#define CHECK(rows)                                                                            \
	for (size_t i = 0; i < sizeof(rows) / sizeof(*(rows)); i++)                            \
	check(&(rows)[i])

#define OF(type) "{\"properties\": {\"a\": " type "}}"

static void each_type_takes_its_own_values(void **state)
{
	static const struct row rows[] = {
		{OF("{\"type\": \"string\"}"), "{\"a\": \"x\"}", "{\"a\": \"x\"}", 0},
		{OF("{\"type\": \"string\"}"), "{\"a\": 5}", 0,
		 "a: expected text, got number (tool)"},
		{OF("{\"type\": \"integer\"}"), "{\"a\": 5}", "{\"a\": 5}", 0},
		{OF("{\"type\": \"integer\"}"), "{\"a\": 5.0}", "{\"a\": 5}", 0},
		{OF("{\"type\": \"integer\"}"), "{\"a\": 5e2}", "{\"a\": 500}", 0},
		{OF("{\"type\": \"integer\"}"), "{\"a\": 5.5}", 0,
		 "a: expected integer, got number"},
		{OF("{\"type\": \"integer\"}"), "{\"a\": \"x\"}", 0,
		 "a: expected integer, got text"},
		{OF("{\"type\": \"integer\"}"), "{\"a\": true}", 0, "got true or false"},
		{OF("{\"type\": \"integer\"}"), "{\"a\": 123456789012345678901234567890}",
		 "{\"a\": 123456789012345678901234567890}", 0},
		{OF("{\"type\": \"number\"}"), "{\"a\": 1.50}", "{\"a\": 1.50}", 0},
		{OF("{\"type\": \"boolean\"}"), "{\"a\": false}", "{\"a\": false}", 0},
		{OF("{\"type\": \"boolean\"}"), "{\"a\": 0}", 0,
		 "a: expected true or false, got number"},
		{OF("{\"type\": \"null\"}"), "{\"a\": null}", "{\"a\": null}", 0},
		{OF("{\"type\": \"array\"}"), "{\"a\": [1, \"b\"]}", "{\"a\": [1, \"b\"]}", 0},
		{OF("{\"type\": \"array\"}"), "{\"a\": {}}", 0, "a: expected list, got object"},
		{OF("{\"type\": \"object\"}"), "{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1}}", 0},
		{OF("{\"type\": [\"integer\", \"null\"]}"), "{\"a\": null}", "{\"a\": null}",
		 0},
		{OF("{\"type\": [\"integer\", \"null\"]}"), "{\"a\": \"x\"}", 0,
		 "a: expected integer or null, got text"},
		{OF("{\"type\": \"colour\"}"), "{\"a\": 1}", "{\"a\": 1}", 0},
		{OF("{}"), "{\"a\": 1}", "{\"a\": 1}", 0},
		{OF("true"), "{\"a\": 1}", "{\"a\": 1}", 0},
		{OF("false"), "{\"a\": 1}", 0, "a: nothing may stand here"},
	};

	(void)state;
	CHECK(rows);
}

static void a_value_that_is_written_as_text_is_taken_for_what_it_says(void **state)
{
	static const struct row rows[] = {
		{OF("{\"type\": \"integer\"}"), "{\"a\": \"5\"}", "{\"a\": 5}", 0},
		{OF("{\"type\": \"integer\"}"), "{\"a\": \"-7.0\"}", "{\"a\": -7}", 0},
		{OF("{\"type\": \"integer\"}"), "{\"a\": \"5 \"}", 0,
		 "expected integer, got text"},
		{OF("{\"type\": \"integer\"}"), "{\"a\": \"05\"}", 0,
		 "expected integer, got text"},
		{OF("{\"type\": \"integer\"}"), "{\"a\": \"5, 6\"}", 0,
		 "expected integer, got text"},
		{OF("{\"type\": \"integer\"}"), "{\"a\": \"\"}", 0,
		 "expected integer, got text"},
		{OF("{\"type\": \"number\"}"), "{\"a\": \"1.5\"}", "{\"a\": 1.5}", 0},
		{OF("{\"type\": \"boolean\"}"), "{\"a\": \"true\"}", "{\"a\": true}", 0},
		{OF("{\"type\": \"boolean\"}"), "{\"a\": \"yes\"}", 0,
		 "expected true or false, got text"},
		{OF("{\"type\": [\"integer\", \"string\"]}"), "{\"a\": \"5\"}",
		 "{\"a\": \"5\"}", 0},
		{OF("{\"type\": \"integer\", \"maximum\": 9}"), "{\"a\": \"10\"}", 0,
		 "at most 9"},
		{OF("{\"items\": {\"type\": \"integer\"}}"), "{\"a\": [\"1\", 2]}",
		 "{\"a\": [1, 2]}", 0},
		{OF("{\"anyOf\": [{\"type\": \"integer\"}]}"), "{\"a\": \"1\"}", 0,
		 "fits none"},
	};

	(void)state;
	CHECK(rows);
}

static void what_is_missing_or_unknown_is_named(void **state)
{
	static const struct row rows[] = {
		{"{\"properties\": {\"a\": {}, \"b\": {}}, \"required\": [\"a\"]}", "{}", 0,
		 "missing parameter: a (tool)"},
		{"{\"properties\": {\"a\": {}, \"b\": {}}}", "{\"c\": 1}", 0,
		 "unknown parameter: c; the parameters are a, b"},
		{"{}", "{\"c\": 1}", 0, "unknown parameter: c; it has none"},
		{"{\"additionalProperties\": true}", "{\"c\": 1}", "{\"c\": 1}", 0},
		{"{\"additionalProperties\": {\"type\": \"integer\"}}", "{\"c\": \"4\"}",
		 "{\"c\": 4}", 0},
		{"{\"additionalProperties\": {\"type\": \"integer\"}}", "{\"c\": \"x\"}", 0,
		 "c: expected integer"},
		/* Further down objects are open, as JSON Schema has it. */
		{OF("{\"properties\": {\"x\": {}}}"), "{\"a\": {\"y\": 1}}",
		 "{\"a\": {\"y\": 1}}", 0},
		{OF("{\"properties\": {\"x\": {}}, \"additionalProperties\": false}"),
		 "{\"a\": {\"y\": 1}}", 0, "unknown parameter: y"},
		{OF("{\"required\": [\"x\"]}"), "{\"a\": {}}", 0, "missing parameter: a.x"},
		{OF("{\"items\": {\"type\": \"integer\"}}"), "{\"a\": [1, {}]}", 0,
		 "a[1]: expected integer, got object"},
	};

	(void)state;
	CHECK(rows);
}

static void bounds_and_choices_hold(void **state)
{
	static const struct row rows[] = {
		{OF("{\"minimum\": 1, \"maximum\": 9}"), "{\"a\": 1}", "{\"a\": 1}", 0},
		{OF("{\"minimum\": 1}"), "{\"a\": 0}", 0, "a: expected at least 1"},
		{OF("{\"maximum\": 9.5}"), "{\"a\": 10}", 0, "a: expected at most 9.5"},
		{OF("{\"minLength\": 1}"), "{\"a\": \"\"}", 0, "at least 1 characters, got 0"},
		{OF("{\"maxLength\": 2}"), "{\"a\": \"\xc3\xa9\xc3\xa9\"}",
		 "{\"a\": \"\xc3\xa9\xc3\xa9\"}", 0},
		{OF("{\"maxLength\": 2}"), "{\"a\": \"abc\"}", 0,
		 "at most 2 characters, got 3"},
		{OF("{\"enum\": [\"x\", 1.0]}"), "{\"a\": 1}", "{\"a\": 1}", 0},
		{OF("{\"enum\": [\"x\", \"y\"]}"), "{\"a\": \"z\"}", 0,
		 "a: expected one of \"x\", \"y\""},
		{OF("{\"const\": {\"k\": [1, null]}}"), "{\"a\": {\"k\": [1, null]}}",
		 "{\"a\": {\"k\": [1, null]}}", 0},
		{OF("{\"const\": {\"k\": [1, null]}}"), "{\"a\": {\"k\": [1]}}", 0,
		 "a: expected {\"k\""},
	};

	(void)state;
	CHECK(rows);
}

static void combinations_count_what_fits(void **state)
{
	static const struct row rows[] = {
		{OF("{\"allOf\": [{\"minimum\": 1}, {\"maximum\": 3}]}"), "{\"a\": 2}",
		 "{\"a\": 2}", 0},
		{OF("{\"allOf\": [{\"minimum\": 1}, {\"maximum\": 3}]}"), "{\"a\": 4}", 0,
		 "at most 3"},
		{OF("{\"anyOf\": [{\"type\": \"string\"}, {\"minimum\": 3}]}"), "{\"a\": 4}",
		 "{\"a\": 4}", 0},
		{OF("{\"anyOf\": [{\"type\": \"string\"}, {\"minimum\": 3}]}"), "{\"a\": 2}", 0,
		 "fits none"},
		{OF("{\"oneOf\": [{\"minimum\": 1}, {\"minimum\": 3}]}"), "{\"a\": 2}",
		 "{\"a\": 2}", 0},
		{OF("{\"oneOf\": [{\"minimum\": 1}, {\"minimum\": 3}]}"), "{\"a\": 4}", 0,
		 "more than one"},
	};

	(void)state;
	CHECK(rows);
}

static void a_reference_stays_within_the_schema_and_ends(void **state)
{
	static const struct row rows[] = {
		{"{\"properties\": {\"a\": {\"$ref\": \"#/$defs/n~1m\"}}, "
		 "\"$defs\": {\"n/m\": {\"type\": \"integer\"}}}",
		 "{\"a\": \"5\"}", "{\"a\": 5}", 0},
		{"{\"properties\": {\"a\": {\"$ref\": \"#/$defs/n\"}}, "
		 "\"$defs\": {\"n\": {\"type\": \"integer\"}}}",
		 "{\"a\": []}", 0, "a: expected integer, got list"},
		{OF("{\"$ref\": \"http://example.com/x\"}"), "{\"a\": 1}", "{\"a\": 1}", 0},
		{OF("{\"$ref\": \"#/nowhere\"}"), "{\"a\": 1}", "{\"a\": 1}", 0},
		{OF("{\"$ref\": \"#/properties/a\"}"), "{\"a\": 1}", 0, "goes too deep"},
		{OF("{\"allOf\": [{\"$ref\": \"#/properties/a\"}, {\"$ref\": "
		    "\"#/properties/a\"}, "
		    "{\"$ref\": \"#/properties/a\"}]}"),
		 "{\"a\": 1}", 0, "tool"},
	};

	(void)state;
	CHECK(rows);
}

static void what_is_no_object_without_doubles_is_refused(void **state)
{
	static const struct row rows[] = {
		{"{}", "[]", 0, "not an object"},
		{"{}", "", 0, "no valid JSON"},
		{"{}", "{\"a\": }", 0, "no valid JSON"},
		{OF("{}"), "{\"a\": 1, \"a\": 2}", 0, "duplicate"},
		{OF("{}"), "{\"a\": {\"b\": 1, \"b\": 2}}", 0, "duplicate"},
		{OF("{}"), "{\"a\": 1} {\"a\": 2}", 0, "no valid JSON"},
	};

	(void)state;
	CHECK(rows);
}

/* ---- the set ---- */

static void the_set_is_the_six_tools_of_the_file(void **state)
{
	struct tool_set_config c = {0};
	struct tool_set *s = NULL;
	struct buf file = {0}, text = {0};
	struct json_doc doc;
	struct err err = {0};
	struct jsonw w;

	(void)state;
	assert_int_equal(tool_set_new(&s, &c, &err), 0);
	assert_true(whole_file("share/tools/builtin.json", &file));
	assert_int_equal(json_doc_parse(&doc, buf_str(&file), &err), 0);
	jsonw_init(&w, &text);
	json_doc_write(&doc, doc.root, &w);
	assert_true(str_eq(tool_set_json(s), buf_str(&text)));
	json_doc_release(&doc);
	buf_release(&file);
	buf_release(&text);
	tool_set_free(s);
}

static void a_call_is_checked_against_its_tool(void **state)
{
	static const char *const names[] = {"read_file", "list_files"};
	static const struct {
		const char *tool, *args, *fit, *why;
	} rows[] = {
		{"read_file", "{\"path\": \"a\", \"limit\": \"3\"}",
		 "{\"path\": \"a\", \"limit\": 3}", 0},
		{"read_file", "{\"limit\": 3}", 0, "missing parameter: path (read_file)"},
		{"read_file", "{\"file\": \"a\"}", 0,
		 "unknown parameter: file; the parameters are path, offset, limit (read_file)"},
		{"list_files", "{}", "{}", 0},
		{"shell", "{\"command\": \"ls\"}", 0,
		 "unknown tool: shell; the tools are read_file, list_files"},
		{"", "{}", 0, "unknown tool: ; the tools are"},
	};
	struct tool_set_config c = {.names = names, .n_names = 2};
	struct buf args = {0}, why = {0};
	struct tool_set *s = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(tool_set_new(&s, &c, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int rc = tool_set_check(s, str_of(rows[i].tool), str_of(rows[i].args), &args,
					&why);

		assert_int_equal(rc, rows[i].fit ? 0 : ERR_USAGE);
		if (rows[i].fit)
			assert_string_equal(buf_z(&args), rows[i].fit);
		else
			assert_non_null(strstr(buf_z(&why), rows[i].why));
	}
	tool_set_free(s);
	c.names = (const char *const[]){"read_file", "fly"};
	assert_int_equal(tool_set_new(&s, &c, &err), ERR_USAGE);
	assert_string_equal(err.text, "fly: no such tool");
	buf_release(&args);
	buf_release(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_takes_its_own_values),
		cmocka_unit_test(a_value_that_is_written_as_text_is_taken_for_what_it_says),
		cmocka_unit_test(what_is_missing_or_unknown_is_named),
		cmocka_unit_test(bounds_and_choices_hold),
		cmocka_unit_test(combinations_count_what_fits),
		cmocka_unit_test(a_reference_stays_within_the_schema_and_ends),
		cmocka_unit_test(what_is_no_object_without_doubles_is_refused),
		cmocka_unit_test(the_set_is_the_six_tools_of_the_file),
		cmocka_unit_test(a_call_is_checked_against_its_tool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
