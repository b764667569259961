/* Pairs of buffers, calls of operations on both sides, and comparing what comes out. */
#include "tests/gpu/harness.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD       4096 /* bytes behind each buffer */
#define GUARD_BYTE  0xa5
#define MAX_BUFFERS 64
#define REPEATS     4 /* of the same call on the GPU */

enum use { USE_IN, USE_OUT, USE_SCRATCH, USE_STEP };

/* What is known of one pair. */
struct buffer {
	struct pair pair;
	enum use use;
	size_t bytes[2];
	unsigned char *initial[2]; /* contents before each run */
	unsigned char *result[2];  /* behind the first whole run */
	float *values[2];          /* bench_values() */
};

struct bench {
	struct backend *be[2];
	struct err err;
	char name[200];
	uint64_t random;
	uint64_t key; /* of recordings */
	struct buffer buffers[MAX_BUFFERS];
	int n;
	int64_t pos0; /* of bench_step() */
	int slot;
	void **blocks; /* host memory of the case */
	int n_blocks;
	dbuf *held; /* the CPU's memory of weights */
	int n_held;
	int failures;
};

static const char *chosen_kernels;              /* --kernels */
static const char *chosen_experts;              /* --moe-backend */
static const char *tested = "cuda";             /* --backend */
static const char *models = "../shared/golden"; /* --models */

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

/* Behind a lost device nothing means anything. */
static void check(struct bench *b, int rc, const char *what)
{
	if (!rc)
		return;
	bench_fail(b, "%s: %s", what, b->err.text);
	fail_msg("%s: %s", what, b->err.text);
}

static void *block(struct bench *b, size_t bytes)
{
	void *p = calloc(bytes ? bytes : 1, 1);
	void **grown = realloc(b->blocks, (size_t)(b->n_blocks + 1) * sizeof(*grown));

	assert_non_null(p);
	assert_non_null(grown);
	b->blocks = grown;
	b->blocks[b->n_blocks++] = p;
	return p;
}

/* ---------------------------------------------------------------- random */

uint64_t bench_bits(struct bench *b)
{
	uint64_t z = b->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

double bench_uniform(struct bench *b, double low, double high)
{
	return low + (high - low) * ((double)(bench_bits(b) >> 11) * 0x1p-53);
}

int bench_below(struct bench *b, int n)
{
	return (int)(bench_bits(b) % (uint64_t)n);
}

double bench_gauss(struct bench *b)
{
	double u = bench_uniform(b, 1e-12, 1.0), v = bench_uniform(b, 0.0, 1.0);

	return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

static uint16_t bf16_of(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static float of_bf16(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

/* --------------------------------------------------------------- buffers */

/* Of an activation on each side; one test at a time. */
static size_t act_bytes[2];

static size_t width(enum pair_kind kind, int side)
{
	switch (kind) {
	case PAIR_ACT:
		return act_bytes[side];
	case PAIR_F32:
	case PAIR_I32:
		return 4;
	case PAIR_BF16:
		return 2;
	case PAIR_BYTES:
		break;
	}
	return 1;
}

dbuf bench_at(const struct pair *p, int side, size_t i)
{
	return p->p[side] + i * width(p->kind, side);
}

static struct buffer *buffer_of(struct bench *b, const struct pair *p)
{
	for (int i = 0; i < b->n; i++) {
		if (b->buffers[i].pair.p[GPU] == p->p[GPU])
			return &b->buffers[i];
	}
	fail_msg("%s: no such pair", b->name);
	return NULL;
}

static struct buffer *new_buffer(struct bench *b, enum pair_kind kind, size_t n, enum use use)
{
	struct buffer *f = &b->buffers[b->n];

	assert_true(b->n < MAX_BUFFERS);
	b->n++;
	*f = (struct buffer){.pair = {.n = n, .kind = kind}, .use = use};
	for (int side = 0; side < 2; side++) {
		f->bytes[side] = n * width(kind, side);
		f->initial[side] = block(b, f->bytes[side] + GUARD);
		f->result[side] = block(b, f->bytes[side] + GUARD);
		memset(f->initial[side], use == USE_IN ? 0 : 0xff, f->bytes[side]);
		memset(f->initial[side] + f->bytes[side], GUARD_BYTE, GUARD);
		check(b,
		      b->be[side]->alloc(b->be[side], f->bytes[side] + GUARD, MEMORY_PLAIN,
					 &f->pair.p[side], &b->err),
		      "memory");
	}
	return f;
}

static void set_value(struct buffer *f, size_t i, float v)
{
	uint16_t h = bf16_of(v);
	float rounded = of_bf16(h);

	switch (f->pair.kind) {
	case PAIR_ACT:
		for (int side = 0; side < 2; side++) {
			if (act_bytes[side] == 4)
				memcpy(f->initial[side] + 4 * i, &rounded, 4);
			else
				memcpy(f->initial[side] + 2 * i, &h, 2);
		}
		return;
	case PAIR_BF16:
		for (int side = 0; side < 2; side++)
			memcpy(f->initial[side] + 2 * i, &h, 2);
		return;
	case PAIR_F32:
		for (int side = 0; side < 2; side++)
			memcpy(f->initial[side] + 4 * i, &v, 4);
		return;
	case PAIR_I32:
	case PAIR_BYTES:
		break;
	}
	fail_msg("a value for a pair of integers");
}

struct pair bench_given(struct bench *b, enum pair_kind kind, const float *v, size_t n)
{
	struct buffer *f = new_buffer(b, kind, n, USE_IN);

	for (size_t i = 0; i < n; i++)
		set_value(f, i, v[i]);
	return f->pair;
}

struct pair bench_bytes(struct bench *b, const void *v, size_t bytes)
{
	struct buffer *f = new_buffer(b, PAIR_BYTES, bytes, USE_IN);

	for (int side = 0; side < 2; side++)
		memcpy(f->initial[side], v, bytes);
	return f->pair;
}

struct pair bench_ints(struct bench *b, const int32_t *v, size_t n)
{
	struct buffer *f = new_buffer(b, PAIR_I32, n, USE_IN);

	for (int side = 0; side < 2; side++)
		memcpy(f->initial[side], v, 4 * n);
	return f->pair;
}

struct pair bench_out(struct bench *b, enum pair_kind kind, size_t n)
{
	return new_buffer(b, kind, n, USE_OUT)->pair;
}

struct pair bench_scratch(struct bench *b, enum pair_kind kind, size_t n)
{
	return new_buffer(b, kind, n, USE_SCRATCH)->pair;
}

struct pair bench_step(struct bench *b, int64_t pos0, int slot)
{
	b->pos0 = pos0;
	b->slot = slot;
	return new_buffer(b, PAIR_BYTES, sizeof(struct step), USE_STEP)->pair;
}

/* -------------------------------------------------------- what V4 has in it */

static void frequencies(double freq[ROPE_DIM / 2])
{
	for (int i = 0; i < ROPE_DIM / 2; i++)
		freq[i] = pow(10000.0, -2.0 * i / ROPE_DIM);
}

struct pair bench_freq(struct bench *b)
{
	double freq[ROPE_DIM / 2];

	frequencies(freq);
	return bench_bytes(b, freq, sizeof(freq));
}

struct pair bench_rope(struct bench *b, int64_t pos0, int n_tok)
{
	size_t n = (size_t)n_tok * ROPE_DIM;
	float *v = block(b, n * sizeof(*v));
	double freq[ROPE_DIM / 2];

	frequencies(freq);
	for (size_t i = 0; i < n / 2; i++) {
		double angle = (double)(pos0 + (int64_t)(i / 32)) * freq[i % 32];

		v[2 * i] = (float)cos(angle);
		v[2 * i + 1] = (float)sin(angle);
	}
	return bench_given(b, PAIR_F32, v, n);
}

struct pair bench_pages(struct bench *b, int slots, int64_t max_pages)
{
	size_t n = (size_t)slots * (size_t)max_pages;
	int32_t *page = block(b, n * sizeof(*page));

	for (size_t i = 0; i < n; i++) {
		size_t j = (size_t)(bench_bits(b) % (i + 1));

		page[i] = page[j];
		page[j] = (int32_t)i;
	}
	return bench_ints(b, page, n);
}

/* Any e4m3 but NaN; mostly small exponents, as values that were divided by their scale have. */
static unsigned char some_e4m3(struct bench *b)
{
	uint64_t u = bench_bits(b);
	unsigned char code = (unsigned char)(u & 0xff);

	return (code & 0x7f) == 0x7f ? 0 : code;
}

struct pair bench_rows(struct bench *b, size_t n_rows, bool kv)
{
	size_t bytes = kv ? KV_ROW_BYTES : INDEX_ROW_BYTES;
	unsigned char *all = block(b, n_rows * bytes);

	for (size_t r = 0; r < n_rows; r++) {
		unsigned char *row = all + r * bytes;

		for (size_t i = 0; i < (kv ? 448u : 64u); i++)
			row[i] = kv ? some_e4m3(b) : (unsigned char)bench_bits(b);
		for (size_t i = 0; i < (kv ? 8u : 4u); i++)
			row[(kv ? 448 : 64) + i] =
				(unsigned char)((kv ? 117 : 125) + bench_below(b, 4));
		for (size_t i = 0; kv && i < ROPE_DIM; i++) {
			uint16_t h = bf16_of((float)bench_gauss(b));

			memcpy(row + 456 + 2 * i, &h, 2);
		}
	}
	return bench_bytes(b, all, n_rows * bytes);
}

/* ---------------------------------------------------------------- weights */

#define CODES 65536 /* random values to draw from, each kind's made once */

static struct {
	bool made;
	unsigned char e4m3[CODES], e2m1[CODES];
	float gauss[CODES];
	double e4m3_deviation, e2m1_deviation;
} codes;

static double e4m3_value(int code)
{
	int e = code >> 3 & 15, m = code & 7;

	return e ? ldexp(8.0 + m, e - 10) : ldexp((double)m, -9);
}

static void make_codes(void)
{
	static const double fp4[8] = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};
	struct bench r = {.random = 99};
	double sum8 = 0, sum4 = 0;

	if (codes.made)
		return;
	codes.made = true;
	for (int i = 0; i < CODES; i++) {
		double g = bench_gauss(&r), x8 = fabs(g) * 32, x4 = fabs(g) * 2;
		int c8 = 0, c4 = 0;

		while (c8 < 126 && (e4m3_value(c8) + e4m3_value(c8 + 1)) / 2 < x8)
			c8++;
		while (c4 < 7 && (fp4[c4] + fp4[c4 + 1]) / 2 < x4)
			c4++;
		sum8 += e4m3_value(c8) * e4m3_value(c8);
		sum4 += fp4[c4] * fp4[c4];
		codes.gauss[i] = (float)g;
		codes.e4m3[i] = (unsigned char)(c8 | (g < 0 ? 0x80 : 0));
		codes.e2m1[i] = (unsigned char)(c4 | (g < 0 ? 8 : 0));
	}
	codes.e4m3_deviation = sqrt(sum8 / CODES);
	codes.e2m1_deviation = sqrt(sum4 / CODES);
}

/* One draw of a code: 16 of each 64 random bits. */
struct draw {
	struct bench *b;
	uint64_t bits;
	int left;
};

static unsigned draw(struct draw *d)
{
	unsigned v;

	if (!d->left) {
		d->bits = bench_bits(d->b);
		d->left = 4;
	}
	v = (unsigned)(d->bits & 0xffff);
	d->bits >>= 16;
	d->left--;
	return v;
}

struct pair bench_normal(struct bench *b, enum pair_kind kind, size_t n, double deviation)
{
	struct buffer *f = new_buffer(b, kind, n, USE_IN);
	struct draw d = {.b = b};

	make_codes();
	for (size_t i = 0; i < n; i++)
		set_value(f, i, (float)deviation * codes.gauss[draw(&d)]);
	return f->pair;
}

static dbuf held(struct bench *b, size_t bytes)
{
	dbuf *grown = realloc(b->held, (size_t)(b->n_held + 1) * sizeof(*grown));

	assert_non_null(grown);
	b->held = grown;
	check(b,
	      b->be[CPU]->alloc(b->be[CPU], bytes, MEMORY_PLAIN, &b->held[b->n_held], &b->err),
	      "weights");
	return b->held[b->n_held++];
}

static void fill_scales(struct bench *b, struct weight *w, size_t n, double deviation)
{
	int middle = 127 - (int)lround(log2(deviation * sqrt((double)w->in)));

	w->scale = held(b, n);
	for (size_t i = 0; i < n; i++)
		w->scale[i] = (unsigned char)(middle - 1 + bench_below(b, 3));
}

static void fill_weight(struct bench *b, struct weight *w)
{
	size_t out = (size_t)w->out, in = (size_t)w->in, n = out * in;
	float one = (float)(1.0 / sqrt((double)in));
	struct draw d = {.b = b};

	make_codes();
	switch (w->type) {
	case WEIGHT_F32:
		w->w = held(b, 4 * n);
		for (size_t i = 0; i < n; i++)
			((float *)(void *)w->w)[i] = one * codes.gauss[draw(&d)];
		break;
	case WEIGHT_BF16:
		w->w = held(b, 2 * n);
		for (size_t i = 0; i < n; i++)
			((uint16_t *)(void *)w->w)[i] = bf16_of(one * codes.gauss[draw(&d)]);
		break;
	case WEIGHT_F8:
		w->w = held(b, n);
		for (size_t i = 0; i < n; i++)
			w->w[i] = codes.e4m3[draw(&d)];
		fill_scales(b, w, (out + 127) / 128 * ((in + 127) / 128), codes.e4m3_deviation);
		break;
	case WEIGHT_FP4:
		w->w = held(b, n / 2);
		for (size_t i = 0; i < n / 2; i++)
			w->w[i] = (unsigned char)(codes.e2m1[draw(&d)] | codes.e2m1[draw(&d)]
										 << 4);
		fill_scales(b, w, out * (in / 32), codes.e2m1_deviation);
		break;
	}
}

struct weight_pair bench_weight(struct bench *b, enum weight_type type, int out, int in,
				int n_group)
{
	struct weight_pair p = {{{.type = type, .out = out, .in = in}}};
	struct backend *gpu = b->be[GPU];

	fill_weight(b, &p.w[CPU]);
	p.w[GPU] = p.w[CPU];
	if (!gpu->place)
		return p;
	check(b, gpu->place_begin(gpu, 0, &b->err), "place_begin");
	check(b, gpu->place(gpu, &p.w[GPU], n_group, &b->err), "place");
	check(b, gpu->place_end(gpu, &b->err), "place_end");
	return p;
}

struct experts_pair bench_experts(struct bench *b, enum weight_type type, int n, int d,
				  int inner)
{
	struct experts_pair p = {.n = n};
	struct backend *gpu = b->be[GPU];
	size_t bytes = (size_t)n * sizeof(*p.e[0]);

	p.e[CPU] = block(b, bytes);
	p.e[GPU] = block(b, bytes);
	for (int i = 0; i < n; i++) {
		struct expert_weights *e = &p.e[CPU][i];

		e->w1 = e->w3 = (struct weight){.type = type, .out = inner, .in = d};
		e->w2 = (struct weight){.type = type, .out = d, .in = inner};
		fill_weight(b, &e->w1);
		fill_weight(b, &e->w2);
		fill_weight(b, &e->w3);
	}
	memcpy(p.e[GPU], p.e[CPU], bytes);
	if (!gpu->place_experts)
		return p;
	check(b, gpu->place_begin(gpu, 0, &b->err), "place_begin");
	check(b, gpu->place_experts(gpu, p.e[GPU], n, &p.table[GPU], &b->err), "place_experts");
	check(b, gpu->place_end(gpu, &b->err), "place_end");
	return p;
}

/* ------------------------------------------------------------------ cases */

static void case_end(struct bench *b)
{
	if (b->be[GPU]->forget)
		b->be[GPU]->forget(b->be[GPU]);
	for (int i = 0; i < b->n; i++) {
		for (int side = 0; side < 2; side++)
			b->be[side]->free(b->be[side], b->buffers[i].pair.p[side]);
	}
	for (int i = 0; i < b->n_held; i++)
		b->be[CPU]->free(b->be[CPU], b->held[i]);
	for (int i = 0; i < b->n_blocks; i++)
		free(b->blocks[i]);
	b->n = b->n_held = b->n_blocks = 0;
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
		check(b,
		      b->be[side]->put(b->be[side], f->pair.p[side], &step, sizeof(step),
				       &b->err),
		      "step");
	}
}

static void restore(struct bench *b, int side, int n_tok)
{
	for (int i = 0; i < b->n; i++) {
		struct buffer *f = &b->buffers[i];

		check(b,
		      b->be[side]->put(b->be[side], f->pair.p[side], f->initial[side],
				       f->bytes[side] + GUARD, &b->err),
		      "put");
	}
	put_step(b, side, 0, n_tok);
}

static void fetch(struct bench *b, int side, const struct buffer *f, unsigned char *to)
{
	check(b,
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
		const struct buffer *f = &b->buffers[i];

		if (f->use == USE_IN &&
		    memcmp(f->initial[CPU], f->result[CPU], f->bytes[CPU]) == 0 &&
		    memcmp(f->initial[GPU], f->result[GPU], f->bytes[GPU]) != 0)
			bench_fail(b, "changed buffer %d, which is an input", i);
	}
}

/* Another run must have left the same bytes. */
static void compare_again(struct bench *b, const char *how)
{
	for (int i = 0; i < b->n; i++) {
		const struct buffer *f = &b->buffers[i];
		unsigned char *again;
		size_t at = 0;

		if (f->use == USE_SCRATCH || f->use == USE_STEP)
			continue;
		again = malloc(f->bytes[GPU] + GUARD);
		assert_non_null(again);
		fetch(b, GPU, f, again);
		while (at < f->bytes[GPU] && again[at] == f->result[GPU][at])
			at++;
		if (at < f->bytes[GPU])
			bench_fail(b, "%s: other bytes in buffer %d, from byte %zu of %zu", how,
				   i, at, f->bytes[GPU]);
		free(again);
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
		check(b, issue(&body, &b->err), "gpu");
		snprintf(how, sizeof(how), "repetition %d", i + 1);
		compare_again(b, how);
	}
	b->key++;
	for (int i = 0; i < 2 && gpu->run; i++) {
		restore(b, GPU, n_tok);
		check(b, gpu->run(gpu, b->key, issue, &body, &b->err), "run");
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
		check(b, call(b->be[GPU], GPU, t, n, ctx, &b->err), "gpu");
	}
	snprintf(how, sizeof(how), "%d row(s) at a time", piece);
	compare_again(b, how);
}

void bench_run_whole(struct bench *b, int n_tok, bench_call_fn call, void *ctx)
{
	for (int side = 0; side < 2; side++) {
		restore(b, side, n_tok);
		check(b, call(b->be[side], side, 0, n_tok, ctx, &b->err), side ? "gpu" : "cpu");
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

const void *bench_fetch(struct bench *b, const struct pair *p, int side)
{
	return buffer_of(b, p)->result[side];
}

const float *bench_values(struct bench *b, const struct pair *p, int side)
{
	struct buffer *f = buffer_of(b, p);
	float *v = f->values[side];

	if (!v)
		v = f->values[side] = block(b, p->n * sizeof(*v));
	for (size_t i = 0; i < p->n; i++) {
		if (width(p->kind, side) == 4) {
			memcpy(v + i, f->result[side] + 4 * i, 4);
		} else {
			uint16_t h;

			memcpy(&h, f->result[side] + 2 * i, 2);
			v[i] = of_bf16(h);
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
	double *error = block(b, (size_t)rows * sizeof(*error));
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
	size_t other = 0, first = 0;

	assert_true(f->bytes[CPU] == f->bytes[GPU]);
	for (size_t i = f->bytes[CPU]; i-- > 0;) {
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
	if (side == CPU)
		return (struct backend_options){.name = "cpu"};
	return (struct backend_options){
		.name = tested,
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
		act_bytes[side] = (size_t)caps.act_bytes;
	}
	*state = b;
	return 0;
}

int bench_teardown(void **state)
{
	struct bench *b = *state;
	int failures = b->failures;

	case_end(b);
	for (int side = 0; side < 2; side++)
		b->be[side]->close(b->be[side]);
	free(b->blocks);
	free(b->held);
	free(b);
	return failures ? -1 : 0;
}

int bench_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
	enum { N_OPTIONS = 4 };
	static const struct {
		const char *name;
		const char **value;
	} options[N_OPTIONS] = {
		{"--kernels", &chosen_kernels},
		{"--moe-backend", &chosen_experts},
		{"--backend", &tested},
		{"--models", &models},
	};

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
		else
			cmocka_set_test_filter(argv[i]);
	}
	return _cmocka_run_group_tests(argv[0], tests, n, NULL, NULL);
}
