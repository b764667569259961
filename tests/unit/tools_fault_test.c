/*
 * Every allocation of a piece of the tools' work fails once: the work ends in ERR_NOMEM, or
 * well where it could do without, and leaves nothing behind.
 */
#include "tests/support/shared_files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/file_tool.h"
#include "app/tools/parcel.h"
#include "app/tools/schema.h"
#include "tests/support/own_malloc.h"
#include "tests/support/tmpdir.h"

static struct tmpdir d;
static struct workspace w;

/* A success is all of it: what the first one made, every later one makes. */
static int same(struct buf *first, const struct buf *text, struct err *err)
{
	bool was = counting;

	if (first->len) {
		if (str_eq(buf_str(first), buf_str(text)))
			return 0;
		return err_set(err, ERR_FAILED, "\"%s\", expected \"%s\"", buf_z(text),
			       buf_z(first));
	}
	counting = false;
	buf_adds(first, buf_str(text));
	counting = was;
	return 0;
}

/* ---- the pieces ---- */

static int use_set(struct err *err)
{
	static struct buf first;
	struct tool_set *s = NULL;
	struct buf args = {0}, why = {0};
	int rc = tool_set_new(&s, &(struct tool_set_config){0}, err);

	if (!rc)
		rc = tool_set_check(s, STR_LIT("read_file"),
				    STR_LIT("{\"path\": \"a\\u00e9\", \"limit\": \"5\"}"),
				    &args, &why);
	if (!rc)
		rc = same(&first, &args, err);
	tool_set_free(s);
	buf_release(&args);
	buf_release(&why);
	return rc;
}

static int use_schema(struct err *err)
{
	static struct buf first;
	struct json_doc doc;
	struct buf fit = {0}, why = {0};
	int rc = json_doc_parse(
		&doc,
		STR_LIT("{\"properties\": {\"a\": {\"items\": {\"anyOf\": [{\"type\": "
			"\"string\"}, {\"minimum\": 3}]}}}}"),
		err);
	struct schema s = {&doc, doc.root};

	if (!rc)
		rc = schema_check(&s, STR_LIT("f"), STR_LIT("{\"a\": [\"x\", 5, 2]}"), &fit,
				  &why);
	if (rc == ERR_USAGE)
		rc = same(&first, &why, err);
	json_doc_release(&doc);
	buf_release(&fit);
	buf_release(&why);
	return rc;
}

static int open_workspace(struct err *err)
{
	struct workspace mine;
	struct str own = str_of(d.path), hide = STR_LIT("*.x");
	char ws[300];
	int rc;

	snprintf(ws, sizeof(ws), "%s/ws", d.path);
	rc = workspace_init(&mine,
			    &(struct workspace_config){.dir = str_of(ws),
						       .home = str_of(d.path),
						       .hide = &hide,
						       .n_hide = 1,
						       .show = &own,
						       .n_show = 1},
			    err);
	/* Nothing that is hidden may be forgotten. */
	if (!rc && !workspace_hides(&mine, STR_LIT("/etc/shadow")))
		rc = ERR_FAILED;
	if (!rc && !mine.home)
		rc = ERR_FAILED;
	workspace_close(&mine);
	return rc;
}

static int run_tool(const char *tool, const char *args, struct buf *first, struct err *err)
{
	struct file_job j = {.w = &w, .limit = OUTPUT_BYTES, .spills = -1, .spill = -1};
	enum tool_state state = file_tool_run(&j, str_of(tool), str_of(args));
	int rc;

	if (state == TOOL_OK)
		rc = same(first, &j.text, err);
	else if (!j.text.len || strcmp(buf_z(&j.text), "error: not enough memory") == 0)
		rc = ERR_NOMEM;
	else
		rc = err_set(err, ERR_FAILED, "%s", buf_z(&j.text));
	file_job_release(&j);
	return rc;
}

static int read_one(struct err *err)
{
	static struct buf first;

	return run_tool("read_file", "{\"path\": \" src/a.c\"}", &first, err);
}

static int read_converted(struct err *err)
{
	static struct buf first;

	return run_tool("read_file", "{\"path\": \"wide\"}", &first, err);
}

static int list_deep(struct err *err)
{
	static struct buf first;

	return run_tool("list_files", "{\"pattern\": \"**/*.c\"}", &first, err);
}

static int search_all(struct err *err)
{
	static struct buf first;

	return run_tool("search_files", "{\"pattern\": \"(x|y)+\", \"path\": \"src\"}", &first,
			err);
}

/* In both phases; what is made is taken away again, what is not made is not there. */
static int change_file(const char *tool, const char *args, const char *made, struct buf *first,
		       struct err *err)
{
	struct file_job j = {.w = &w, .spills = -1, .spill = -1, .phase = JOB_PREPARE};
	struct file_job end = {.w = &w, .spills = -1, .spill = -1, .phase = JOB_APPLY};
	int rc = 0;

	j.shown = end.shown = STR_LIT("[{\"path\": \"none\", \"hash\": \"\"}]");
	if (file_tool_run(&j, str_of(tool), str_of(args)) != TOOL_OK)
		rc = ERR_NOMEM;
	end.plan = buf_str(&j.new_plan);
	if (!rc && file_tool_run(&end, str_of(tool), str_of(args)) != TOOL_OK)
		rc = ERR_NOMEM;
	if (!rc)
		rc = same(first, &j.diff, err);
	if (unlink(tmpdir_file(&d, made)) != 0 && !rc)
		rc = err_set(err, ERR_FAILED, "%s was not made", made);
	else if (rc == ERR_NOMEM && access(tmpdir_file(&d, "ws/made"), F_OK) == 0)
		rc = err_set(err, ERR_FAILED, "a folder is left");
	rmdir(tmpdir_file(&d, "ws/made"));
	file_job_release(&j);
	file_job_release(&end);
	return rc;
}

static int make_file(struct err *err)
{
	static struct buf first;

	return change_file("write_file", "{\"path\": \"made/f\", \"content\": \"x\\n\"}",
			   "ws/made/f", &first, err);
}

static int edit_file(struct err *err)
{
	static struct buf first;
	bool was = counting;

	counting = false;
	tmpdir_write_text(&d, "ws/edited", "one\ntwo\n");
	counting = was;
	return change_file("edit_file",
			   "{\"path\": \"edited\", \"old\": \"two\", \"new\": \"2\"}",
			   "ws/edited", &first, err);
}

static int look_for_nearest(struct err *err)
{
	struct file_job j = {.w = &w, .spills = -1, .spill = -1, .phase = JOB_PREPARE};
	static struct buf first;
	int rc;

	file_tool_run(&j, STR_LIT("edit_file"),
		      STR_LIT("{\"path\": \"src/a.c\", \"old\": \"int  x;\", \"new\": \"\"}"));
	if (strcmp(buf_z(&j.text), "error: not enough memory") == 0 || buf_failed(&j.text))
		rc = ERR_NOMEM;
	else
		rc = same(&first, &j.text, err);
	file_job_release(&j);
	return rc;
}

static int send_news(struct err *err)
{
	struct job_news n = {.state = TOOL_OK, .exit = -1}, got = {0};
	struct wire_message m = {0};
	struct buf body = {0}, packet = {0};
	int rc = 0;

	buf_addz(&n.text, "text");
	buf_addz(&n.info, "{}");
	parcel_add_news(&body, &n);
	if (buf_failed(&n.text) || buf_failed(&n.info) || buf_failed(&body))
		rc = ERR_NOMEM;
	buf_add(&packet, (uint32_t[]){WIRE_DONE, (uint32_t)body.len, 1, 0}, 16);
	buf_adds(&packet, buf_str(&body));
	if (!rc)
		rc = buf_failed(&packet) ? ERR_NOMEM : wire_parse(buf_str(&packet), &m, err);
	if (!rc && !parcel_take_news(&m, &got))
		rc = ERR_NOMEM;
	if (!rc && !str_is(buf_str(&got.text), "text"))
		rc = ERR_FAILED;
	buf_release(&body);
	buf_release(&packet);
	buf_release(&m.body);
	job_news_release(&n);
	job_news_release(&got);
	return rc;
}

static void each_allocation_fails_once_and_nothing_is_left(void **state)
{
	static const struct {
		const char *name;
		int (*work)(struct err *err);
		long at_least;
	} works[] = {
		{"use_set", use_set, 10},         {"use_schema", use_schema, 5},
		{"workspace", open_workspace, 6}, {"read_one", read_one, 6},
		{"converted", read_converted, 6}, {"list_deep", list_deep, 20},
		{"search_all", search_all, 15},   {"send_news", send_news, 5},
		{"make_file", make_file, 15},     {"edit_file", edit_file, 15},
		{"nearest", look_for_nearest, 8},
	};

	(void)state;
	if (!OWN_MALLOC)
		skip();
	for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++) {
		struct err err = {0};
		long n_failed = 0;
		int rc = works[i].work(&err);

		if (rc != 0)
			fail_msg("%s: %d: %s", works[i].name, rc, err.text);
		for (fail_at = 1; fail_at < 100000; fail_at++) {
			n_calls = n_live = 0;
			counting = true;
			rc = works[i].work(&err);
			counting = false;
			if (n_live != 0)
				fail_msg("%s, allocation %ld: %ld are left", works[i].name,
					 fail_at, n_live);
			if (n_calls < fail_at)
				break;
			if (rc != 0 && rc != ERR_NOMEM)
				fail_msg("%s, allocation %ld: %d: %s", works[i].name, fail_at,
					 rc, err.text);
			n_failed += rc == ERR_NOMEM;
		}
		assert_int_equal(rc, 0);
		if (n_failed < works[i].at_least)
			fail_msg("%s: %ld failed", works[i].name, n_failed);
	}
}

static int begin(void **state)
{
	static const char wide[] = "\xFF\xFE"
				   "h\0i\0\n";
	struct err err = {0};

	(void)state;
	tmpdir_init(&d);
	mkdir(tmpdir_file(&d, "ws"), 0700);
	mkdir(tmpdir_file(&d, "ws/src"), 0700);
	mkdir(tmpdir_file(&d, "ws/src/deep"), 0700);
	tmpdir_write_text(&d, "ws/.gitignore", "*.o\n/out\n");
	tmpdir_write_text(&d, "ws/src/a.c", "int x;\nint y\xff;\n");
	tmpdir_write_text(&d, "ws/src/deep/b.c", "xyxy\n");
	tmpdir_write(&d, "ws/wide", wide, sizeof(wide));
	return workspace_init(
		&w, &(struct workspace_config){.dir = str_of(tmpdir_file(&d, "ws"))}, &err);
}

static int end(void **state)
{
	(void)state;
	workspace_close(&w);
	tmpdir_release(&d);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_once_and_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
