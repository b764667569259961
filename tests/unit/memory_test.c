/*
 * Memory as it is, beside memory as it was planned: what the kernel says of this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/seq.h"

#define NANO   "share/nano"
#define GOLDEN "tests/golden/pro-micro"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MEMORY 0 /* the sanitizers' shadow is counted, too */
#else
#define OWN_MEMORY 1
#endif

struct usage {
	int64_t size, rss, anonymous, private_dirty; /* bytes */
};

/* Adds up the lines of one file of /proc: those of the mapping of `name`, or all. */
static struct usage usage_of(const char *path, const char *name)
{
	struct usage u = {0};
	char line[1024];
	bool in = !name;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		long kb = 0;
		unsigned long from, to;

		if (name && sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = strstr(line, name) != NULL;
		if (!in)
			continue;
		if (sscanf(line, "VmSize: %ld", &kb) == 1 ||
		    sscanf(line, "Size: %ld", &kb) == 1)
			u.size += kb * 1024;
		else if (sscanf(line, "Rss: %ld", &kb) == 1)
			u.rss += kb * 1024;
		else if (sscanf(line, "Anonymous: %ld", &kb) == 1)
			u.anonymous += kb * 1024;
		else if (sscanf(line, "Private_Dirty: %ld", &kb) == 1)
			u.private_dirty += kb * 1024;
	}
	fclose(f);
	return u;
}

static struct usage whole(void)
{
	struct usage u = usage_of("/proc/self/smaps_rollup", NULL);

	u.size = usage_of("/proc/self/status", NULL).size;
	return u;
}

static struct model *open_model(const char *dir, int64_t ctx)
{
	struct model_options opt = {.dir = dir, .n_threads = 1, .ctx_tokens = ctx};
	struct model *m = NULL;
	struct err err = {0};

	if (model_open(&m, &opt, &err))
		fail_msg("%s", err.text);
	return m;
}

static void go_on_to(struct seq *s, struct model *m, int64_t n)
{
	int32_t ids[512];
	float *logits = malloc((size_t)model_config(m)->vocab * sizeof(float));
	struct err err = {0};

	assert_non_null(logits);
	for (int i = 0; i < 512; i++)
		ids[i] = 5 + i % 300;
	while (seq_len(s) < n) {
		int rows = model_prefill_chunk(m) < 512 ? model_prefill_chunk(m) : 512;

		if (seq_forward(s, ids, rows, WANT_LAST, logits, NULL, &err))
			fail_msg("%s", err.text);
	}
	free(logits);
}

static void what_is_resident_is_what_was_planned(void **state)
{
	static const int64_t lengths[] = {512, 2048, 8192};
	struct usage before;
	struct model *m;
	struct seq *s = NULL;
	struct err err = {0};

	(void)state;
	if (!OWN_MEMORY)
		skip();
	before = whole();
	m = open_model(NANO, 0);
	assert_int_equal(seq_new(&s, m, &err), 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct model_memory plan = model_resident(m, lengths[i]);
		int64_t planned = plan.weight_bytes + plan.cache_bytes + plan.scratch_bytes,
			found;

		go_on_to(s, m, lengths[i]);
		found = whole().anonymous - before.anonymous +
			usage_of("/proc/self/smaps", NANO "/model.safetensors").rss;
		print_message("%lld tokens: %.2f MB, planned %.2f MB\n", (long long)lengths[i],
			      (double)found / 1e6, (double)planned / 1e6);
		assert_in_range(found, planned * 95 / 100, planned * 105 / 100);
	}
	seq_free(s);
	model_close(m);
}

static void weights_are_mapped_and_none_of_them_copied(void **state)
{
	struct model *m = open_model(NANO, 0);
	struct usage u;
	struct seq *s = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(seq_new(&s, m, &err), 0);
	go_on_to(s, m, 512);
	u = usage_of("/proc/self/smaps", NANO "/model.safetensors");
	/* all of it is there, and clean: the page cache's, which other processes share */
	assert_true(u.rss >= model_memory(m).weight_bytes);
	assert_int_equal(u.rss, u.size);
	assert_int_equal(u.private_dirty, 0);
	assert_int_equal(u.anonymous, 0);
	seq_free(s);
	model_close(m);
}

static void a_context_of_a_million_tokens_reserves_addresses_alone(void **state)
{
	struct usage before, u;
	struct model *m;
	struct seq *s = NULL;
	struct err err = {0};
	int64_t full;

	(void)state;
	if (!OWN_MEMORY)
		skip();
	before = whole();
	m = open_model(GOLDEN, 1 << 20);
	full = model_memory(m).cache_bytes;
	assert_int_equal(seq_new(&s, m, &err), 0);
	u = whole();
	assert_true(full > 200 << 20);
	assert_true(u.size - before.size > full);
	assert_true(u.anonymous - before.anonymous < full / 100);
	go_on_to(s, m, 512);
	u = whole();
	print_message("cache of %.1f MB: %.1f MB with 512 tokens, work area included\n",
		      (double)full / 1e6, (double)(u.anonymous - before.anonymous) / 1e6);
	assert_true(u.anonymous - before.anonymous <
		    model_resident(m, 512).cache_bytes + model_resident(m, 512).scratch_bytes +
			    (4 << 20));
	seq_free(s);
	model_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_resident_is_what_was_planned),
		cmocka_unit_test(weights_are_mapped_and_none_of_them_copied),
		cmocka_unit_test(a_context_of_a_million_tokens_reserves_addresses_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
