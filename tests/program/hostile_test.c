/*
 * Broken and malicious model directories, and what the program makes of them: one
 * line that names file, thing, found and expected, the exit code of a broken
 * model, promptly, and no output file.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define GOLDEN "tests/golden/pro-micro"
#define SHARD1 "model-00001-of-00003.safetensors"
#define SHARD3 "model-00003-of-00003.safetensors"
#define INDEX  "model.safetensors.index.json"

enum how {
	KEEP,     /* as it is: the control case                                 */
	REPLACE,  /* text by text, in a JSON file or in a shard's header        */
	TRUNCATE, /* to so many bytes                                           */
	APPEND,   /* so many zero bytes                                         */
	LENGTH,   /* the header's length becomes this                           */
	REMOVE,
	DANGLE, /* a symbolic link to nowhere                                 */
	LOOP,   /* a symbolic link to itself                                  */
	FIFO,
	FOLDER,
	ZERO, /* a symbolic link to /dev/zero                               */
};

struct broken {
	const char *file;
	enum how how;
	const char *from, *to; /* REPLACE */
	uint64_t n;            /* TRUNCATE, APPEND, LENGTH */
	const char *expect;    /* stands in the message; NULL: it works */
};

static const struct broken checkpoints[] = {
	{SHARD1, KEEP, NULL, NULL, 0, NULL},

	{SHARD1, TRUNCATE, NULL, NULL, 0, SHARD1 ": 0 bytes, expected at least 8"},
	{SHARD1, TRUNCATE, NULL, NULL, 7, SHARD1 ": 7 bytes, expected at least 8"},
	{SHARD1, TRUNCATE, NULL, NULL, 8, SHARD1 ": header of 19264 bytes, expected at most 0"},
	{SHARD1, TRUNCATE, NULL, NULL, 9000, SHARD1 ": header of 19264 bytes"},
	{SHARD1, TRUNCATE, NULL, NULL, 100000, SHARD1 ": "},
	{SHARD1, APPEND, NULL, NULL, 16, "16 bytes after the last tensor"},
	{SHARD1, LENGTH, NULL, NULL, UINT64_MAX, "header of 18446744073709551615 bytes"},
	{SHARD1, LENGTH, NULL, NULL, UINT64_MAX - 7, "header of 18446744073709551608 bytes"},
	{SHARD1, LENGTH, NULL, NULL, 1, "expected a JSON object"},
	{SHARD1, REMOVE, NULL, NULL, 0, SHARD1 ": cannot open: No such file"},
	{SHARD1, DANGLE, NULL, NULL, 0, SHARD1 ": cannot open: No such file"},
	{SHARD1, LOOP, NULL, NULL, 0, SHARD1 ": cannot open: Too many levels"},
	{SHARD1, FIFO, NULL, NULL, 0, SHARD1 ": not a regular file"},
	{SHARD1, FOLDER, NULL, NULL, 0, SHARD1 ": not a regular file"},
	{SHARD1, ZERO, NULL, NULL, 0, SHARD1 ": not a regular file"},
	{SHARD1, REPLACE, "\"layers.0.attn.wkv.weight\":{\"dtype\":\"F8_E4M3\"",
	 "\"layers.0.attn.wkv.weight\":{\"dtype\":\"F8_E5M2\"", 0,
	 SHARD1 ": layers.0.attn.wkv.weight: dtype F8_E5M2, expected F8_E4M3"},
	{SHARD1, REPLACE, "\"layers.0.attn.wkv.weight\":{\"dtype\":\"F8_E4M3\"",
	 "\"layers.0.attn.wkv.weight\":{\"dtype\":\"BF16\"", 0,
	 SHARD1 ": layers.0.attn.wkv.weight: 65536 bytes of data, expected 131072"},
	{SHARD1, REPLACE, "\"shape\":[512,128],\"data_offsets\"",
	 "\"shape\":[128,512],\"data_offsets\"", 0, "expected [512, 128]"},
	{SHARD1, REPLACE, "\"shape\":[512,128],\"data_offsets\"",
	 "\"shape\":[65536],\"data_offsets\"", 0, "shape [65536], expected [512, 128]"},
	{SHARD1, REPLACE, "\"shape\":[512,128],\"data_offsets\"",
	 "\"shape\":[4611686018427387904,4611686018427387904],\"data_offsets\"", 0, "shape[1]"},
	{SHARD1, REPLACE, "\"data_offsets\":[0,", "\"data_offsets\":[8,", 0,
	 "bytes of data, expected"},
	{SHARD1, REPLACE, "\"data_offsets\":[0,15360]", "\"data_offsets\":[7680,23040]", 0,
	 "no gap"},
	{SHARD1, REPLACE, "\"data_offsets\":[15360,15376]", "\"data_offsets\":[15344,15360]", 0,
	 "overlaps"},
	{SHARD1, REPLACE, "\"layers.0.attn.attn_sink\"", "\"layers.0.attn.attn_sunk\"", 0,
	 "layers.0.attn.attn_sink: not in " SHARD1},
	{SHARD1, REPLACE, "\"layers.0.attn.attn_sink\"", "\"layers.0.attn\\u0000\"", 0,
	 SHARD1 ": header"},
	{SHARD1, REPLACE, "{\"layers.0.ffn", "{\"\xff\xfe", 0, SHARD1 ": header"},

	{INDEX, REMOVE, NULL, NULL, 0, "found neither " INDEX " nor model.safetensors"},
	{INDEX, TRUNCATE, NULL, NULL, 0, INDEX ": '[' or '{' expected near end of file"},
	{INDEX, TRUNCATE, NULL, NULL, 5000, INDEX ": line"},
	{INDEX, FIFO, NULL, NULL, 0, INDEX ": not a regular file"},
	{INDEX, ZERO, NULL, NULL, 0, INDEX ": not a regular file"},
	{INDEX, REPLACE, "\"weight_map\"", "\"weights\"", 0, INDEX ": weight_map"},
	{INDEX, REPLACE, "\"" SHARD3 "\"", "\"../" SHARD3 "\"", 0, "plain name"},
	{INDEX, REPLACE, "\"" SHARD3 "\"", "\"/etc/passwd\"", 0, "plain name"},
	{INDEX, REPLACE, "\"" SHARD3 "\"", "17", 0, "plain name"},
	{INDEX, REPLACE, "\"" SHARD3 "\"", "\"" SHARD1 "\"", 0, "not in " SHARD1},
	{INDEX, REPLACE, "\"layers.0.attn.attn_sink\"", "\"layers.0.attn.attn_sunk\"", 0,
	 "not in " SHARD1},

	{"config.json", REMOVE, NULL, NULL, 0, "config.json: cannot open"},
	{"config.json", TRUNCATE, NULL, NULL, 0,
	 "config.json: '[' or '{' expected near end of file"},
	{"config.json", TRUNCATE, NULL, NULL, 500, "config.json: line"},
	{"config.json", APPEND, NULL, NULL, 5000000,
	 "config.json: 5001424 bytes, expected at most"},
	{"config.json", FIFO, NULL, NULL, 0, "config.json: not a regular file"},
	{"config.json", FOLDER, NULL, NULL, 0, "config.json: not a regular file"},
	{"config.json", ZERO, NULL, NULL, 0, "config.json: not a regular file"},
	{"config.json", REPLACE, "\"hidden_size\": 128", "\"hidden_size\": 256", 0,
	 "expected [320, 256]"},
	{"config.json", REPLACE, "\"hidden_size\": 128", "\"hidden_size\": -128", 0,
	 "hidden_size: found -128"},
	{"config.json", REPLACE, "\"hidden_size\": 128", "\"hidden_size\": 1e99", 0,
	 "hidden_size"},
	{"config.json", REPLACE, "\"vocab_size\": 320", "\"vocab_size\": 999999999999999", 0,
	 "vocab_size: found 999999999999999"},
	{"config.json", REPLACE, "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5", 0,
	 "num_nextn_predict_layers"},
	{"config.json", REPLACE, "\"n_routed_experts\": 10", "\"n_routed_experts\": 12", 0,
	 "expected [12, 128]"},
	{"config.json", REPLACE, "\"num_hash_layers\": 1", "\"num_hash_layers\": 2", 0,
	 "missing layers.1.ffn.gate.tid2eid"},
	{"config.json", REPLACE, "\"expert_dtype\": \"fp4\"", "\"expert_dtype\": \"fp8\"", 0,
	 "dtype I8, expected F8_E4M3"},
	{"config.json", REPLACE, "\"scoring_func\": \"sqrtsoftplus\"",
	 "\"scoring_func\": \"sigmoid\"", 0, "scoring_func: found \"sigmoid\""},
};

/* dir becomes a copy of the golden checkpoint, by links. */
static void link_golden(const struct tmpdir *dir)
{
	static const char *const files[] = {"config.json", INDEX, SHARD1,
					    "model-00002-of-00003.safetensors", SHARD3};
	char *golden = realpath(GOLDEN, NULL);

	assert_non_null(golden);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct buf target = {0};

		buf_addf(&target, "%s/%s", golden, files[i]);
		assert_int_equal(symlink(buf_z(&target), tmpdir_file(dir, files[i])), 0);
		buf_release(&target);
	}
	free(golden);
}

static void replace(struct buf *b, size_t begin, size_t end, const struct broken *how)
{
	size_t n_from = strlen(how->from), n_to = strlen(how->to);
	char *at = memmem(b->data + begin, end - begin, how->from, n_from);
	struct buf out = {0};
	size_t where, n_header;

	if (!at)
		fail_msg("%s: no %s in it", how->file, how->from);
	where = (size_t)(at - b->data);
	buf_add(&out, b->data, where);
	buf_add(&out, how->to, n_to);
	buf_add(&out, b->data + where + n_from, end - where - n_from);
	/* A shard's data stays aligned: spaces, and the new length before the header. */
	while (begin && out.len % 8)
		buf_addc(&out, ' ');
	n_header = out.len - begin;
	if (begin)
		memcpy(out.data, &n_header, sizeof(n_header));
	buf_add(&out, b->data + end, b->len - end);
	assert_false(buf_failed(&out));
	buf_release(b);
	*b = out;
}

static void write_broken(const struct tmpdir *dir, const struct broken *how)
{
	const char *path = tmpdir_file(dir, how->file);
	bool shard = strstr(how->file, ".safetensors") && strcmp(how->file, INDEX) != 0;
	struct buf b = {0};
	struct err err = {0};
	uint64_t header = 0;

	assert_int_equal(file_read(&b, path, (size_t)64 << 20, &err), 0);
	if (shard)
		memcpy(&header, b.data, sizeof(header));
	switch (how->how) {
	case REPLACE:
		replace(&b, shard ? 8 : 0, shard ? 8 + (size_t)header : b.len, how);
		break;
	case TRUNCATE:
		buf_truncate(&b, how->n);
		break;
	case APPEND:
		for (uint64_t i = 0; i < how->n; i++)
			buf_addc(&b, ' ');
		break;
	case LENGTH:
		memcpy(b.data, &how->n, sizeof(how->n));
		break;
	case KEEP:
	case REMOVE:
	case DANGLE:
	case LOOP:
	case FIFO:
	case FOLDER:
	case ZERO:
		break;
	}
	assert_int_equal(unlink(path), 0);
	tmpdir_write(dir, how->file, b.data, b.len);
	buf_release(&b);
}

static void break_file(const struct tmpdir *dir, const struct broken *how)
{
	const char *path = tmpdir_file(dir, how->file);

	switch (how->how) {
	case KEEP:
		return;
	case REPLACE:
	case TRUNCATE:
	case APPEND:
	case LENGTH:
		write_broken(dir, how);
		return;
	case REMOVE:
	case DANGLE:
	case LOOP:
	case FIFO:
	case FOLDER:
	case ZERO:
		break;
	}
	assert_int_equal(unlink(path), 0);
	if (how->how == DANGLE)
		assert_int_equal(symlink("/nowhere/at/all", path), 0);
	else if (how->how == LOOP)
		assert_int_equal(symlink(path, path), 0);
	else if (how->how == FIFO)
		assert_int_equal(mkfifo(path, 0600), 0);
	else if (how->how == FOLDER)
		assert_int_equal(mkdir(path, 0700), 0);
	else if (how->how == ZERO)
		assert_int_equal(symlink("/dev/zero", path), 0);
}

/* stderr is one line, names the trouble, and the exit code is that of a broken model. */
static void check_refusal(size_t row, const char *expect, const struct program_run *run)
{
	const char *text = buf_z(&run->err), *end = strchr(text, '\n');

	if (run->status != 3)
		fail_msg("row %zu: exit %d, expected 3: %s", row, run->status, text);
	if (!end || end[1] || end == text)
		fail_msg("row %zu: expected one line, found: %s", row, text);
	if (!strstr(text, expect))
		fail_msg("row %zu: \"%s\" lacks \"%s\"", row, text, expect);
	assert_int_equal(run->out.len, 0);
}

static void every_broken_checkpoint_is_refused_in_one_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(checkpoints) / sizeof(checkpoints[0]); i++) {
		const struct broken *how = &checkpoints[i];
		struct program_run run;
		struct tmpdir dir, out;

		tmpdir_init(&dir);
		tmpdir_init(&out);
		link_golden(&dir);
		break_file(&dir, how);
		program_run(&run,
			    (const char *const[]){"logits", "--model", dir.path, "--prefill",
						  "2", "-o",
						  tmpdir_file(&out, "out.safetensors"), NULL},
			    STR_LIT("[5, 6, 7]"), 20);
		if (!how->expect) {
			assert_int_equal(run.status, 0);
			assert_int_equal(run.err.len, 0);
			assert_int_equal(unlink(tmpdir_file(&out, "out.safetensors")), 0);
		} else {
			check_refusal(i, how->expect, &run);
		}
		/* Empty again: no half-written file stays behind. */
		assert_int_equal(rmdir(out.path), 0);
		program_run_release(&run);
		tmpdir_release(&dir);
	}
}

static void a_hash_table_that_names_no_expert_is_refused(void **state)
{
	struct program_run run;
	struct tmpdir dir;
	struct buf b = {0};
	struct err err = {0};
	uint64_t header;
	const int64_t bad = 10;

	(void)state;
	tmpdir_init(&dir);
	link_golden(&dir);
	assert_int_equal(file_read(&b, GOLDEN "/" SHARD1, (size_t)64 << 20, &err), 0);
	memcpy(&header, b.data, sizeof(header));
	/* The table is the first thing in the data; this is row 2, column 1 of [320, 6]. */
	memcpy(b.data + 8 + header + 13 * sizeof(bad), &bad, sizeof(bad));
	assert_int_equal(unlink(tmpdir_file(&dir, SHARD1)), 0);
	tmpdir_write(&dir, SHARD1, b.data, b.len);
	buf_release(&b);
	program_run(&run,
		    (const char *const[]){"logits", "--model", dir.path, "--prefill", "1", "-o",
					  tmpdir_file(&dir, "out"), NULL},
		    STR_LIT("[5, 6]"), 20);
	check_refusal(0,
		      "layers.0.ffn.gate.tid2eid[2, 1]: found 10, expected an expert below 10",
		      &run);
	program_run_release(&run);
	tmpdir_release(&dir);
}

static void tensors_too_many_are_no_error(void **state)
{
	static const struct broken fewer = {
		"config.json",           REPLACE, "\"num_hash_layers\": 1",
		"\"num_hash_layers\":1", 0,       NULL};
	struct program_run run;
	struct tmpdir dir;

	(void)state;
	tmpdir_init(&dir);
	link_golden(&dir);
	break_file(&dir, &fewer);
	/* Without its draft layer the model is whole, and mtp.0.* is left over. */
	break_file(&dir,
		   &(struct broken){"config.json", REPLACE, "\"num_nextn_predict_layers\": 1",
				    "\"num_nextn_predict_layers\": 0", 0, NULL});
	break_file(&dir,
		   &(struct broken){"config.json", REPLACE, " 4,\n  0\n ]", " 4\n ]", 0, NULL});
	program_run(&run,
		    (const char *const[]){"logits", "--model", dir.path, "--prefill", "1", "-o",
					  tmpdir_file(&dir, "out"), NULL},
		    STR_LIT("[5, 6]"), 20);
	assert_string_equal(buf_z(&run.err), "");
	assert_int_equal(run.status, 0);
	program_run_release(&run);
	tmpdir_release(&dir);
}

static void output_that_cannot_be_written_is_said_and_leaves_nothing(void **state)
{
	static const struct {
		const char *out, *expect;
	} cases[] = {
		{"/dev/full", "/dev/full: cannot write: No space left on device"},
		{"/nowhere/out.safetensors",
		 "/nowhere/out.safetensors: cannot write: No such file"},
		{"/", "/: cannot write: Is a directory"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct program_run run;

		program_run(&run,
			    (const char *const[]){"logits", "--model", GOLDEN, "--prefill", "1",
						  "-o", cases[i].out, NULL},
			    STR_LIT("[5, 6]"), 20);
		assert_int_equal(run.status, 1);
		if (!strstr(buf_z(&run.err), cases[i].expect))
			fail_msg("\"%s\" lacks \"%s\"", buf_z(&run.err), cases[i].expect);
		program_run_release(&run);
	}
}

static void ids_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *ids, *expect;
		int status;
	} cases[] = {
		{"[1, 320]", "token id 320 at position 1: expected 0 to 319", 2},
		{"[1, -1]", "element 1", 2},
		{"[1, 2.5]", "element 1", 2},
		{"[1, 99999999999]", "element 1", 2},
		{"[1, 99999999999999999999999]", "stdin", 2},
		{"[1, \"2\"]", "element 1", 2},
		{"[[1]]", "element 0", 2},
		{"[1", "stdin", 2},
		{"", "stdin", 2},
		{"{}", "stdin", 2},
		{"\xff\xff", "stdin", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct program_run run;

		program_run(&run,
			    (const char *const[]){"logits", "--model", GOLDEN, "--prefill", "1",
						  "-o", "/dev/null", NULL},
			    str_of(cases[i].ids), 20);
		if (run.status != cases[i].status || !strstr(buf_z(&run.err), cases[i].expect))
			fail_msg("%s: exit %d, \"%s\" lacks \"%s\"", cases[i].ids, run.status,
				 buf_z(&run.err), cases[i].expect);
		program_run_release(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_broken_checkpoint_is_refused_in_one_line),
		cmocka_unit_test(a_hash_table_that_names_no_expert_is_refused),
		cmocka_unit_test(tensors_too_many_are_no_error),
		cmocka_unit_test(output_that_cannot_be_written_is_said_and_leaves_nothing),
		cmocka_unit_test(ids_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
