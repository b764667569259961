/* Calls of operations on both sides, and comparing what comes out. */
#include <glob.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/gpu/bench.h"

#define REPEATS 4 /* of the same call on the GPU */

static const char *chosen_kernels;              /* --kernels */
static const char *chosen_experts;              /* --moe-backend */
static const char *tested = "cuda";             /* --backend */
static const char *models = "../shared/golden"; /* --models */
static const char *threads = "0";               /* --threads */

struct backend *bench_backend(struct bench *b, int side)
{
	return b->be[side];
}

void bench_fail(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	printf("FAILED %s: ", b->name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	b->failures++;
}

void bench_check(struct bench *b, int rc, const char *what)
{
	if (!rc)
		return;
	bench_fail(b, "%s: %s", what, b->err.text);
	fail_msg("%s: %s", what, b->err.text);
}

/* ------------------------------------------------------------------ cases */

static void case_end(struct bench *b)
{
	if (b->be[GPU]->forget)
		b->be[GPU]->forget(b->be[GPU]);
	for (int i = 0; i < b->n_blocks; i++)
		free(b->blocks[i]);
	b->n = b->n_blocks = 0;
	bench_return(b);
}

void bench_case(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	case_end(b);
	va_start(ap, fmt);
	vsnprintf(b->name, sizeof(b->name), fmt, ap);
	va_end(ap);
	b->random = 1469598103934665603u; /* FNV-1a of the name */
	for (const char *p = b->name; *p; p++)
		b->random = (b->random ^ (unsigned char)*p) * 1099511628211u;
}

static void put_step(struct bench *b, int side, int t0, int n)
{
	struct step step = {b->pos0 + t0, n, b->slot};

	for (int i = 0; i < b->n; i++) {
		struct buffer *f = &b->buffers[i];

		if (f->use != USE_STEP)
			continue;
		memcpy(f->initial[side], &step, sizeof(step));
		bench_check(b,
			    b->be[side]->put(b->be[side], f->pair.p[side], &step, sizeof(step),
					     &b->err),
			    "step");
	}
}

static void restore(struct bench *b, int side, int n_tok)
{
	for (int i = 0; i < b->n; i++) {
		struct buffer *f = &b->buffers[i];

		if (side == GPU && f->stands)
			continue;
		bench_check(b,
			    b->be[side]->put(b->be[side], f->pair.p[side], f->initial[side],
					     f->bytes[side] + GUARD, &b->err),
			    "put");
	}
	put_step(b, side, 0, n_tok);
}

static void fetch(struct bench *b, int side, const struct buffer *f, unsigned char *to)
{
	bench_check(b,
		    b->be[side]->get(b->be[side], to, f->pair.p[side], f->bytes[side] + GUARD,
				     &b->err),
		    "get");
}

/* The contents behind the first run, and what may not have been touched. */
static void keep_results(struct bench *b, int side)
{
	for (int i = 0; i < b->n; i++) {
		struct buffer *f = &b->buffers[i];
		size_t at = f->bytes[side];

		fetch(b, side, f, f->result[side]);
		while (at < f->bytes[side] + GUARD && f->result[side][at] == GUARD_BYTE)
			at++;
		if (at < f->bytes[side] + GUARD)
			bench_fail(b, "side %d wrote behind buffer %d (byte %zu of %zu)", side,
				   i, at, f->bytes[side]);
	}
}

static void compare_inputs(struct bench *b)
{
	for (int i = 0; i < b->n; i++) {
		struct buffer *f = &b->buffers[i];

		f->stands = f->use == USE_IN &&
			    memcmp(f->initial[GPU], f->result[GPU], f->bytes[GPU] + GUARD) == 0;
		if (f->use == USE_IN && !f->stands &&
		    memcmp(f->initial[CPU], f->result[CPU], f->bytes[CPU]) == 0)
			bench_fail(b, "changed buffer %d, which is an input", i);
	}
}

/* Room for the contents of any buffer, kept from run to run. */
static unsigned char *room_again(struct bench *b, size_t bytes)
{
	if (bytes > b->again_bytes) {
		free(b->again);
		b->again = malloc(bytes);
		b->again_bytes = bytes;
	}
	assert_non_null(b->again);
	return b->again;
}

/* Another run must have left the same bytes. */
static void compare_again(struct bench *b, const char *how)
{
	for (int i = 0; i < b->n; i++) {
		struct buffer *f = &b->buffers[i];
		unsigned char *again;
		size_t at = 0;

		if (f->use == USE_SCRATCH || f->use == USE_STEP)
			continue;
		again = room_again(b, f->bytes[GPU] + GUARD);
		fetch(b, GPU, f, again);
		f->stands =
			f->stands && memcmp(again, f->initial[GPU], f->bytes[GPU] + GUARD) == 0;
		if (memcmp(again, f->result[GPU], f->bytes[GPU]) == 0)
			continue;
		while (again[at] == f->result[GPU][at])
			at++;
		bench_fail(b, "%s: other bytes in buffer %d, from byte %zu of %zu", how, i, at,
			   f->bytes[GPU]);
	}
}

struct body {
	struct bench *b;
	bench_call_fn call;
	void *ctx;
	int n_tok;
};

static int issue(void *ctx, struct err *err)
{
	struct body *body = ctx;

	return body->call(body->b->be[GPU], GPU, 0, body->n_tok, body->ctx, err);
}

static void run_repeatedly(struct bench *b, int n_tok, bench_call_fn call, void *ctx)
{
	struct backend *gpu = b->be[GPU];
	struct body body = {b, call, ctx, n_tok};
	char how[40];

	for (int i = 0; i < REPEATS; i++) {
		restore(b, GPU, n_tok);
		bench_check(b, issue(&body, &b->err), "gpu");
		snprintf(how, sizeof(how), "repetition %d", i + 1);
		compare_again(b, how);
	}
	b->key++;
	for (int i = 0; i < 2 && gpu->run; i++) {
		restore(b, GPU, n_tok);
		bench_check(b, gpu->run(gpu, b->key, issue, &body, &b->err), "run");
		compare_again(b, i ? "replay" : "recording");
	}
}

static void run_in_pieces(struct bench *b, int n_tok, int piece, bench_call_fn call, void *ctx)
{
	char how[40];

	restore(b, GPU, n_tok);
	for (int t = 0; t < n_tok; t += piece) {
		int n = piece < n_tok - t ? piece : n_tok - t;

		put_step(b, GPU, t, n);
		bench_check(b, call(b->be[GPU], GPU, t, n, ctx, &b->err), "gpu");
	}
	snprintf(how, sizeof(how), "%d row(s) at a time", piece);
	compare_again(b, how);
}

void bench_run_whole(struct bench *b, int n_tok, bench_call_fn call, void *ctx)
{
	for (int side = 0; side < 2; side++) {
		restore(b, side, n_tok);
		bench_check(b, call(b->be[side], side, 0, n_tok, ctx, &b->err),
			    side ? "gpu" : "cpu");
		keep_results(b, side);
	}
	compare_inputs(b);
	run_repeatedly(b, n_tok, call, ctx);
}

void bench_run(struct bench *b, int n_tok, bench_call_fn call, void *ctx)
{
	bench_run_whole(b, n_tok, call, ctx);
	if (n_tok == 1 || n_tok > BENCH_ROWS)
		return;
	run_in_pieces(b, n_tok, 1, call, ctx);
	if (n_tok > 2)
		run_in_pieces(b, n_tok, (n_tok + 1) / 2, call, ctx);
}

void bench_refuses(struct bench *b, bench_call_fn call, void *ctx)
{
	struct err err = {0};

	if (strcmp(tested, "cpu") == 0)
		return; /* which has no shape that it cannot do */
	put_step(b, GPU, 0, 1);
	if (call(b->be[GPU], GPU, 0, 1, ctx, &err) != ERR_MODEL)
		bench_fail(b, "expected a refusal, got code %d \"%s\"", err.code, err.text);
}

/* ------------------------------------------------------------- comparisons */

static struct buffer *buffer_of(struct bench *b, const struct pair *p)
{
	for (int i = 0; i < b->n; i++) {
		if (b->buffers[i].pair.p[GPU] == p->p[GPU])
			return &b->buffers[i];
	}
	fail_msg("%s: no such pair", b->name);
	return NULL;
}

const void *bench_fetch(struct bench *b, const struct pair *p, int side)
{
	return buffer_of(b, p)->result[side];
}

const float *bench_values(struct bench *b, const struct pair *p, int side)
{
	struct buffer *f = buffer_of(b, p);
	float *v = f->values[side];

	if (!v)
		v = f->values[side] = bench_room(b, p->n * sizeof(*v));
	for (size_t i = 0; i < p->n; i++) {
		if (bench_width(p->kind, side) == 4) {
			memcpy(v + i, f->result[side] + 4 * i, 4);
		} else {
			uint16_t h;

			memcpy(&h, f->result[side] + 2 * i, 2);
			v[i] = bench_of_bf16(h);
		}
	}
	return v;
}

/* |y - x| / |x|; infinite where one has a NaN that the other has not. */
static double row_error(const float *x, const float *y, size_t n)
{
	double off = 0, all = 0;

	for (size_t i = 0; i < n; i++) {
		double d = (double)y[i] - (double)x[i];

		if (isnan(x[i]) && isnan(y[i]))
			continue;
		if (isnan(d))
			return HUGE_VAL;
		off += d * d;
		all += (double)x[i] * (double)x[i];
	}
	return all > 0 ? sqrt(off / all) : off > 0 ? HUGE_VAL : 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void bench_compare(struct bench *b, const char *what, const struct pair *p, int rows,
		   size_t row, double median, double largest)
{
	const float *x = bench_values(b, p, CPU), *y = bench_values(b, p, GPU);
	double *error = bench_block(b, (size_t)rows * sizeof(*error));
	int worst = 0;
	double most;

	assert_true((size_t)rows * row <= p->n);
	for (int t = 0; t < rows; t++) {
		error[t] = row_error(x + (size_t)t * row, y + (size_t)t * row, row);
		worst = error[t] > error[worst] ? t : worst;
	}
	most = error[worst];
	qsort(error, (size_t)rows, sizeof(*error), by_size);
	printf("%s: %s: median %.2e, most %.2e (row %d)\n", b->name, what, error[rows / 2],
	       most, worst);
	if (!(error[rows / 2] <= median) || !(most <= largest))
		bench_fail(b, "%s: median %.3e, most %.3e (row %d), allowed %.1e and %.1e",
			   what, error[rows / 2], most, worst, median, largest);
}

void bench_same_bytes(struct bench *b, const char *what, const struct pair *p, double allowed)
{
	const struct buffer *f = buffer_of(b, p);
	size_t other = 0, first = 0, n = f->bytes[CPU];

	assert_true(n == f->bytes[GPU]);
	if (memcmp(f->result[CPU], f->result[GPU], n) == 0)
		n = 0;
	for (size_t i = n; i-- > 0;) {
		if (f->result[CPU][i] != f->result[GPU][i]) {
			other++;
			first = i;
		}
	}
	printf("%s: %s: %zu of %zu bytes differ\n", b->name, what, other, f->bytes[CPU]);
	if ((double)other > allowed * (double)f->bytes[CPU])
		bench_fail(
			b,
			"%s: %zu of %zu bytes differ, the first is %zu (%02x, expected %02x)",
			what, other, f->bytes[CPU], first, f->result[GPU][first],
			f->result[CPU][first]);
}

/* ------------------------------------------------------------------ running */

struct backend_options bench_options(int side)
{
	int n_threads = (int)strtol(threads, NULL, 10);

	if (side == CPU)
		return (struct backend_options){.name = "cpu", .n_threads = n_threads};
	return (struct backend_options){
		.name = tested,
		.n_threads = n_threads,
		.kernels = chosen_kernels,
		.experts = chosen_experts,
	};
}

int bench_open(struct backend **out, int side, struct err *err)
{
	struct backend_options o = bench_options(side);

	return backend_open(out, &o, err);
}

bool bench_model(const char *name, char *path, size_t size)
{
	char pattern[300];
	glob_t found;
	bool there;

	snprintf(pattern, sizeof(pattern), "%s/%s*", models, name);
	there = glob(pattern, 0, NULL, &found) == 0;
	if (there)
		snprintf(path, size, "%s", found.gl_pathv[0]);
	globfree(&found);
	return there;
}

void bench_ok(int rc, const struct err *err)
{
	if (rc)
		fail_msg("%s", err->text);
}

int32_t bench_token(int vocab, int i)
{
	uint64_t z = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 31) * 0xbf58476d1ce4e5b9u;
	return (int32_t)((z >> 33) % (uint64_t)vocab);
}

int bench_setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (!b || bench_open(&b->be[CPU], CPU, &b->err) ||
	    bench_open(&b->be[GPU], GPU, &b->err)) {
		printf("FAILED: %s\n", b ? b->err.text : "no memory");
		return -1;
	}
	for (int side = 0; side < 2; side++) {
		struct backend_caps caps;

		b->be[side]->caps(b->be[side], &caps);
		bench_act_bytes[side] = (size_t)caps.act_bytes;
	}
	*state = b;
	return 0;
}

int bench_teardown(void **state)
{
	struct bench *b = *state;
	int failures = b->failures;

	case_end(b);
	bench_release(b);
	for (int side = 0; side < 2; side++)
		b->be[side]->close(b->be[side]);
	free(b->blocks);
	free(b);
	return failures ? -1 : 0;
}

int bench_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
	enum { N_OPTIONS = 5 };
	static const struct {
		const char *name;
		const char **value;
	} options[N_OPTIONS] = {
		{"--kernels", &chosen_kernels}, {"--moe-backend", &chosen_experts},
		{"--backend", &tested},         {"--models", &models},
		{"--threads", &threads},
	};

	/* Cases make and free the same large blocks: none goes back to the system meanwhile. */
	(void)mallopt(M_MMAP_MAX, 0);
	(void)mallopt(M_TRIM_THRESHOLD, -1);
	for (int i = 1; i < argc; i++) {
		size_t o = 0;

		if (strcmp(argv[i], "--list") == 0) {
			for (size_t j = 0; j < n; j++)
				printf("%s\n", tests[j].name);
			return 0;
		}
		while (o < N_OPTIONS && strcmp(argv[i], options[o].name) != 0)
			o++;
		if (o < N_OPTIONS && i + 1 < argc)
			*options[o].value = argv[++i];
		else if (strcmp(argv[i], "--skip") == 0 && i + 1 < argc)
			cmocka_set_skip_filter(argv[++i]);
		else
			cmocka_set_test_filter(argv[i]);
	}
	return _cmocka_run_group_tests(argv[0], tests, n, NULL, NULL);
}
