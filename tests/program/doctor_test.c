/*
 * doctor: what it finds, and that it knows what a model needs before it reads one.
 */
#include "tests/support/shared_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/checkpoint/weights.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define NANO "share/nano"

static void doctor(struct program_run *run, const char *model, const char *option,
		   const char *value)
{
	const char *const argv[] = {"doctor", "--model", model, option, value, NULL};

	program_run(run, argv, (struct str){0}, 60);
}

static bool says(const struct program_run *run, const char *what)
{
	return strstr(buf_z(&run->out), what) != NULL;
}

static void the_small_model_is_looked_through_and_loaded(void **state)
{
	static const char *const lines[] = {
		"  tools     3 that read",
		"  sandbox   ",
		"\nok    backend   CPU ",
		"\nok    model     " NANO ": ",
		" tensors in 1 shard, ",
		"\nok    memory    routed experts ",
		"\nok    memory    needed ",
		"\nok    memory    available ",
		"\nok    engine    loaded in ",
		" s, weights at ",
		", on cpu ",
	};
	struct program_run run = {0};

	(void)state;
	doctor(&run, NANO, "--backend", "cpu");
	assert_int_equal(run.status, 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!says(&run, lines[i]))
			fail_msg("without '%s':\n%s", lines[i], buf_z(&run.out));
	assert_false(says(&run, "FAIL"));
	program_run_release(&run);
}

static void a_model_that_is_not_there_is_a_failure(void **state)
{
	struct program_run run = {0};

	(void)state;
	doctor(&run, "/nowhere", NULL, NULL);
	assert_int_equal(run.status, 3);
	assert_true(says(&run, "\nFAIL  model     "));
	assert_true(says(&run, "/nowhere"));
	assert_false(says(&run, "engine"));
	program_run_release(&run);
}

/* What is wrong decides, the first of several: the history and the model are, here. */
static void the_exit_code_tells_what_is_wrong(void **state)
{
	static const struct {
		const char *folder, *file, *model, *says;
		int status;
	} cases[] = {
		{"dsv4chat/history.db", "no database, but long enough to be looked at", NANO,
		 "\nFAIL  history ", 6},
		{"dsv4chat/history.db", "no database, but long enough to be looked at",
		 "/nowhere", "\nFAIL  model ", 6},
		{"dsv4chat/other", "", "/nowhere", "\nFAIL  model ", 3},
		{"dsv4chat/other", "", NANO, "\nok    history ", 0},
	};
	const char *before = getenv("XDG_DATA_HOME");
	char *kept = before ? strdup(before) : NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct program_run run = {0};
		struct tmpdir d;

		tmpdir_init(&d);
		assert_int_equal(mkdir(tmpdir_file(&d, "dsv4chat"), 0700), 0);
		tmpdir_write(&d, cases[i].folder, cases[i].file, strlen(cases[i].file));
		setenv("XDG_DATA_HOME", d.path, 1);
		doctor(&run, cases[i].model, "--backend", "cpu");
		if (run.status != cases[i].status || !says(&run, cases[i].says))
			fail_msg("case %zu: %d\n%s", i, run.status, buf_z(&run.out));
		program_run_release(&run);
		tmpdir_release(&d);
	}
	if (kept)
		setenv("XDG_DATA_HOME", kept, 1);
	else
		unsetenv("XDG_DATA_HOME");
	free(kept);
}

static void values_that_no_option_takes_are_refused(void **state)
{
	static const struct {
		const char *option, *value;
	} cases[] = {{"--backend", "abacus"}, {"--gpu", "-1"}, {"--ctx", "many"}, {"--loud", "1"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct program_run run = {0};

		doctor(&run, NANO, cases[i].option, cases[i].value);
		assert_int_equal(run.status, 2);
		assert_int_equal(run.out.len, 0);
		program_run_release(&run);
	}
}

/* ------------------------------------------------------------ what no machine holds */

struct header {
	struct buf text;
	uint64_t bytes;
};

static int add_tensor(void *ctx, const struct tensor_spec *t, const void **data, struct err *err)
{
	struct header *h = ctx;

	(void)err;
	*data = NULL;
	buf_addf(&h->text, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%" PRId64,
		 h->bytes ? "," : "{", t->name, dtype_name(t->dtype), t->shape[0]);
	if (t->n_dims == 2)
		buf_addf(&h->text, ",%" PRId64, t->shape[1]);
	buf_addf(&h->text, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", h->bytes,
		 h->bytes + t->n_bytes);
	h->bytes += t->n_bytes;
	return 0;
}

/* The tiny model's configuration with the widest rows and the most tokens that may be. */
static void write_config(const struct tmpdir *d)
{
	static const struct {
		const char *from, *to;
	} changes[] = {{"\"hidden_size\": 128", "\"hidden_size\": 65536"},
		       {"\"vocab_size\": 320", "\"vocab_size\": 16777216"}};
	struct buf text = {0}, out = {0};
	const char *at;

	assert_true(whole_file("tests/golden/pro-micro/config.json", &text));
	at = buf_z(&text);
	while (*at) {
		size_t i = 0, n = sizeof(changes) / sizeof(changes[0]);

		while (i < n && strncmp(at, changes[i].from, strlen(changes[i].from)) != 0)
			i++;
		if (i < n) {
			buf_addz(&out, changes[i].to);
			at += strlen(changes[i].from);
		} else {
			buf_addc(&out, *at++);
		}
	}
	tmpdir_write(d, "config.json", out.data, out.len);
	buf_release(&text);
	buf_release(&out);
}

/* A checkpoint of holes: as long as it says, and next to nothing on the disk. */
static bool write_holes(const struct tmpdir *d)
{
	struct header h = {0};
	struct weight_source source = {.get = add_tensor, .ctx = &h};
	struct model_config cfg;
	struct weights *w;
	struct shard whole;
	struct buf out = {0};
	struct err err = {0};
	uint64_t n;
	bool done;

	write_config(d);
	if (model_config_read(d->path, &cfg, &err))
		fail_msg("%s", err.text);
	whole = shard_whole(&cfg);
	assert_int_equal(weights_new(&w, &cfg, &whole, &source, &err), 0);
	weights_free(w);
	buf_addz(&h.text, "}");
	while (h.text.len % 8)
		buf_addc(&h.text, ' ');
	n = h.text.len;
	buf_add(&out, &n, sizeof(n));
	buf_add(&out, h.text.data, h.text.len);
	tmpdir_write(d, "model.safetensors", out.data, out.len);
	done = truncate(tmpdir_file(d, "model.safetensors"), (off_t)(out.len + h.bytes)) == 0;
	buf_release(&h.text);
	buf_release(&out);
	return done;
}

static void what_does_not_fit_is_told_part_by_part_and_not_read(void **state)
{
	struct program_run run = {0};
	struct tmpdir d;
	int64_t began;

	(void)state;
	tmpdir_init(&d);
	if (!write_holes(&d)) {
		print_message("skipped: no file of 4 TB here\n");
		tmpdir_release(&d);
		skip();
	}
	began = clock_ms();
	doctor(&run, d.path, "--backend", "cpu");
	print_message("%lld ms\n", (long long)(clock_ms() - began));
	assert_int_equal(run.status, 3);
	assert_true(says(&run, " tensors in 1 shard, 4."));
	assert_true(says(&run, "\nwarn  memory    embedding                 2.20 TB"));
	assert_true(says(&run, "\nwarn  memory    head                      2.20 TB"));
	assert_true(says(&run, "\nFAIL  memory    memory: the model needs "));
	assert_false(says(&run, "engine"));
	program_run_release(&run);
	tmpdir_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_small_model_is_looked_through_and_loaded),
		cmocka_unit_test(a_model_that_is_not_there_is_a_failure),
		cmocka_unit_test(the_exit_code_tells_what_is_wrong),
		cmocka_unit_test(values_that_no_option_takes_are_refused),
		cmocka_unit_test(what_does_not_fit_is_told_part_by_part_and_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
