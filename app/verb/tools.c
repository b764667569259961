/* tools: which there are, what the configured rules say of a command, and whether they work. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/verb/io.h"
#include "app/verb/tools_test.h"
#include "app/verb/verb.h"

static void add_list(const struct rules *r, const struct options *o, struct buf *out)
{
	enum rule_says says;
	struct str rule;

	buf_addz(out, "read     read_file list_files search_files\n"
		      "edit     edit_file write_file\n"
		      "run      shell\n");
	buf_addz(out, "approve  ");
	option_get(o, option_find("approve"), out);
	buf_addz(out, "\n");
	for (size_t i = 0; (rule = rules_at(r, i, &says)).n; i++) {
		buf_addz(out, rules_from(r, i) == RULES_HERE ? "here     " : "rule     ");
		buf_adds(out, rule);
		buf_addc(out, '\n');
	}
}

/* `command` NULL: the list. */
static int answer(const struct options *o, const char *command, struct err *err)
{
	char here[PATH_MAX];
	struct reads *reads = NULL;
	struct rules *r = NULL;
	struct buf out = {0};
	int rc = realpath(".", here) ? app_rules_here(&r, o, here, err)
				     : err_errno(err, ".", "the folder that this runs in");

	if (!rc && command)
		rc = app_reads(&reads, r, here, err);
	if (!rc && command) {
		rules_set_reads(r, reads);
		rules_explain(r, str_of(command), &out);
	} else if (!rc) {
		add_list(r, o, &out);
	}
	if (!rc)
		rc = verb_write(&out, err);
	rules_free(r);
	reads_free(reads);
	buf_release(&out);
	return rc;
}

/* What it found is told also where that is bad. */
static int run_test(struct err *err)
{
	struct buf out = {0};
	struct err lost = {0};
	int rc = tools_test(&out, err);

	if (verb_write(&out, &lost) && !rc) {
		*err = lost;
		rc = lost.code;
	}
	buf_release(&out);
	return rc;
}

int verb_tools(int argc, char **argv)
{
	bool check = argc == 3 && strcmp(argv[1], "check") == 0;
	bool list = argc == 1 || (argc == 2 && strcmp(argv[1], "list") == 0);
	struct options o;
	struct err err = {0};
	int rc;

	if (argc == 2 && strcmp(argv[1], "test") == 0) {
		rc = run_test(&err);
		return verb_status(argv[0], rc, &err);
	}
	if (!check && !list)
		return verb_usage(argv[0]);
	rc = app_read_settings(&o, &err);
	if (!rc)
		rc = answer(&o, check ? argv[2] : NULL, &err);
	options_release(&o);
	return verb_status(argv[0], rc, &err);
}
