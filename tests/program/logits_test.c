/*
 * `logits --mtp` on a checkpoint that drafts blocks: what it writes, whatever the prefill's chunks,
 * and what it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/checkpoint/safetensors.h"
#include "tests/support/checkpoint.h"
#include "tests/support/program.h"
#include "tests/support/shared_files.h"

#define IDS     "[5, 6, 7, 190, 9, 10, 3, 12, 13, 14, 200]"
#define N_IDS   11
#define PREFILL 7
#define BLOCK   4

static struct tmpdir dir;

static int make_model(void **state)
{
	(void)state;
	tmpdir_init(&dir);
	checkpoint_put(&dir,
		       (struct block_drafter){.stages = 2, .block = BLOCK, .targets = "1, 2"});
	return 0;
}

static int remove_model(void **state)
{
	(void)state;
	tmpdir_release(&dir);
	return 0;
}

static void run(struct program_run *r, const char *model, const char *prefill, const char *chunk,
		const char *out)
{
	program_run(r,
		    (const char *const[]){"logits", "--model", model, "--prefill", prefill, "--chunk",
					  chunk, "--mtp", "-o", out, NULL},
		    STR_LIT(IDS), 60);
}

static const struct tensor *shaped(const struct safetensors *st, const char *name,
				   enum dtype dtype, const char *shape)
{
	const struct tensor *t = safetensors_find(st, name);
	char text[100];

	assert_non_null(t);
	assert_int_equal(t->dtype, dtype);
	assert_string_equal(shape_text(text, t->shape, t->n_dims), shape);
	return t;
}

static void a_block_stands_behind_each_step_but_the_last(void **state)
{
	static const int32_t next[] = {13, 14, 200}; /* after positions 7, 8, 9 */
	const char *out = tmpdir_file(&dir, "out.safetensors");
	struct safetensors *st;
	struct program_run r;
	struct err err = {0};
	const int32_t *ids;
	const float *logits;

	(void)state;
	run(&r, dir.path, "7", "512", out);
	assert_string_equal(buf_z(&r.err), "");
	assert_int_equal(r.status, 0);
	program_run_release(&r);
	if (safetensors_open_file(&st, out, &err))
		fail_msg("%s", err.text);
	assert_int_equal(safetensors_count(st), 4);
	shaped(st, "logits", DTYPE_F32, "[11, 203]");
	ids = shaped(st, "draft_ids", DTYPE_I32, "[3, 5]")->data;
	logits = shaped(st, "draft_logits", DTYPE_F32, "[3, 4, 203]")->data;
	shaped(st, "confidence", DTYPE_F32, "[3, 4]");
	for (int i = 0; i < N_IDS - PREFILL - 1; i++) {
		assert_int_equal(ids[i * (1 + BLOCK)], next[i]);
		/* Greedily: no logit of a draft's row is above its own. */
		for (int k = 0; k < BLOCK; k++) {
			const float *row = logits + (i * BLOCK + k) * 203;

			for (int v = 0; v < 203; v++)
				assert_true(row[v] <= row[ids[i * (1 + BLOCK) + 1 + k]]);
		}
	}
	safetensors_close(st);
}

static void chunks_change_no_byte_of_it(void **state)
{
	static const char *const chunks[] = {"1", "3", "7"};
	const char *first = tmpdir_file(&dir, "first.safetensors");
	const char *out = tmpdir_file(&dir, "other.safetensors");
	struct buf a = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct program_run r;
		struct buf b = {0};

		run(&r, dir.path, "7", chunks[i], i ? out : first);
		assert_int_equal(r.status, 0);
		program_run_release(&r);
		assert_true(whole_file(i ? out : first, i ? &b : &a));
		if (i) {
			assert_int_equal(a.len, b.len);
			assert_memory_equal(a.data, b.data, a.len);
		}
		buf_release(&b);
	}
	buf_release(&a);
}

static void without_steps_there_is_nothing_to_draft_after(void **state)
{
	const char *out = tmpdir_file(&dir, "none.safetensors");
	struct program_run r;
	struct buf none = {0};

	(void)state;
	run(&r, dir.path, "10", "512", out);
	assert_int_equal(r.status, 2);
	assert_string_equal(buf_z(&r.err),
			    "dsv4chat: logits: --mtp: 11 ids with a prefill of 10: this model drafts "
			    "after single steps, expected two ids behind the prefill at least\n");
	program_run_release(&r);
	assert_false(whole_file(out, &none));
}

static void a_model_without_a_draft_head_is_refused(void **state)
{
	struct program_run r;
	struct tmpdir bare;
	struct checkpoint c;
	char *keys;

	(void)state;
	checkpoint_make(&c, (struct block_drafter){.stages = 2, .block = BLOCK, .targets = "1, 2"});
	checkpoint_rename(&c, "mtp.", NULL);
	checkpoint_config(&c, "128, 0, 0]", "128]");
	checkpoint_config(&c, "\"num_nextn_predict_layers\": 1", "\"num_nextn_predict_layers\": 0");
	keys = strstr(c.config, ",\n\"dspark_block_size");
	assert_non_null(keys);
	strcpy(keys, "}\n");
	tmpdir_init(&bare);
	checkpoint_write(&c, &bare);
	checkpoint_release(&c);
	run(&r, bare.path, "7", "512", tmpdir_file(&bare, "out"));
	assert_int_equal(r.status, 3);
	assert_string_equal(buf_z(&r.err),
			    "dsv4chat: logits: --mtp: the model has no draft head\n");
	program_run_release(&r);
	tmpdir_release(&bare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_stands_behind_each_step_but_the_last),
		cmocka_unit_test(chunks_change_no_byte_of_it),
		cmocka_unit_test(without_steps_there_is_nothing_to_draft_after),
		cmocka_unit_test(a_model_without_a_draft_head_is_refused),
	};

	return cmocka_run_group_tests(tests, make_model, remove_model);
}
