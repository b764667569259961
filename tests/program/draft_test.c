/* --draft, as the program has it: what it takes, what it reports, and that the text is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "engine/base/buf.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

/* What a shell line prints; `$d` stands for the program. */
static int run(const char *line, struct buf *out)
{
	struct buf command = {0};
	int status;

	buf_addf(&command,
		 "unset DSV4CHAT_MODEL; d='%s --ephemeral -m share/nano --ctx 1024'; { %s; } 2>&1",
		 program_path(), line);
	status = program_shell(buf_z(&command), out);
	buf_release(&command);
	return status;
}

static void the_text_does_not_depend_on_it(void **state)
{
	static const char *const ways[] = {"auto", "1", "3", "8"};
	struct buf off = {0};

	(void)state;
	assert_int_equal(run("$d --seed 4 --draft off -p 'What is 17 * 23?'", &off), 0);
	assert_true(off.len > 20);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct buf line = {0}, out = {0};

		buf_addf(&line, "DSV4CHAT_DRAFT=%s $d --seed 4 -p 'What is 17 * 23?'", ways[i]);
		assert_int_equal(run(buf_z(&line), &out), 0);
		assert_string_equal(buf_z(&out), buf_z(&off));
		buf_release(&line);
		buf_release(&out);
	}
	buf_release(&off);
}

static void the_usage_counts_drafts_by_place(void **state)
{
	struct buf out = {0};
	const char *done, *at;
	int drafted[2], accepted[2];

	(void)state;
	assert_int_equal(run("$d --json --temp 0 --draft 2 -p 'What is 17 * 23?'", &out), 0);
	done = strstr(buf_z(&out), "\"type\": \"done\"");
	assert_non_null(done);
	at = strstr(done, "\"drafts\": ");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "\"drafts\": [[%d, %d], [%d, %d]]", &drafted[0], &accepted[0],
				&drafted[1], &accepted[1]),
			 4);
	assert_true(accepted[0] > drafted[0] / 2 && accepted[1] < drafted[1]);
	buf_reset(&out);
	assert_int_equal(run("$d --json --temp 0 --draft off -p 'hello'", &out), 0);
	assert_non_null(strstr(buf_z(&out), "\"drafted\": 0, \"accepted\": 0, \"prefill_ms\""));
	buf_release(&out);
}

static void the_history_keeps_what_the_usage_counts(void **state)
{
	struct buf line = {0}, out = {0};
	struct tmpdir dir;
	const char *done, *kept;
	int drafted[2], accepted[2], said[2], right[2];

	(void)state;
	tmpdir_init(&dir);
	buf_addf(&line,
		 "p=${d%%%% *}; for x in DATA STATE CACHE CONFIG; do export XDG_${x}_HOME=%s; done; "
		 "$p -m share/nano --ctx 1024 --json --temp 0 --draft 2 -p 'What is 17 * 23?'; "
		 "$p history show --json $($p history list | cut -d' ' -f1)",
		 dir.path);
	assert_int_equal(run(buf_z(&line), &out), 0);
	done = strstr(buf_z(&out), "\"drafts\": [[");
	assert_non_null(done);
	assert_int_equal(sscanf(done, "\"drafts\": [[%d, %d], [%d, %d]]", &drafted[0],
				&accepted[0], &drafted[1], &accepted[1]),
			 4);
	kept = strstr(done, "\"drafts\": \"");
	assert_non_null(kept);
	assert_int_equal(sscanf(kept, "\"drafts\": \"%d/%d %d/%d\"", &right[0], &said[0],
				&right[1], &said[1]),
			 4);
	assert_memory_equal(said, drafted, sizeof(said));
	assert_memory_equal(right, accepted, sizeof(right));
	assert_null(strstr(kept, "\"steps\": 0,"));
	buf_release(&line);
	buf_release(&out);
	tmpdir_release(&dir);
}

static void what_it_cannot_be_is_refused(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_int_equal(run("$d --draft 9 -p hello", &out), 2);
	assert_non_null(strstr(buf_z(&out), "draft"));
	assert_non_null(strstr(buf_z(&out), "auto, off, 1"));
	buf_release(&out);
}

/* Every depth has a row, in both tables. */
static void bench_tells_what_it_brings(void **state)
{
	struct buf out = {0};

	(void)state;
	if (!getenv("DSV4CHAT_SLOW")) {
		print_message("only with DSV4CHAT_SLOW: it takes a minute\n");
		skip();
	}
	assert_int_equal(run("${d%% *} bench --draft -m share/nano --ctx 2048", &out), 0);
	assert_non_null(strstr(buf_z(&out), "\n    off "));
	assert_non_null(strstr(buf_z(&out), "\n      8 "));
	assert_non_null(strstr(buf_z(&out), "\n   auto "));
	assert_non_null(strstr(buf_z(&out), "derived"));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_does_not_depend_on_it),
		cmocka_unit_test(the_usage_counts_drafts_by_place),
		cmocka_unit_test(the_history_keeps_what_the_usage_counts),
		cmocka_unit_test(what_it_cannot_be_is_refused),
		cmocka_unit_test(bench_tells_what_it_brings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
