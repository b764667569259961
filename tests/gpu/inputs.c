/* What a case begins with: random numbers, pairs of buffers, what V4 has in them, weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/gpu/bench.h"

void *bench_block(struct bench *b, size_t bytes)
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

float bench_of_bf16(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

/* --------------------------------------------------------------- buffers */

size_t bench_act_bytes[2];

size_t bench_width(enum pair_kind kind, int side)
{
	switch (kind) {
	case PAIR_ACT:
		return bench_act_bytes[side];
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
	return p->p[side] + i * bench_width(p->kind, side);
}

static struct buffer *new_buffer(struct bench *b, enum pair_kind kind, size_t n, enum use use)
{
	struct buffer *f = &b->buffers[b->n];

	assert_true(b->n < MAX_BUFFERS);
	b->n++;
	*f = (struct buffer){.pair = {.n = n, .kind = kind}, .use = use};
	for (int side = 0; side < 2; side++) {
		f->bytes[side] = n * bench_width(kind, side);
		f->initial[side] = bench_block(b, f->bytes[side] + GUARD);
		f->result[side] = bench_block(b, f->bytes[side] + GUARD);
		memset(f->initial[side], use == USE_IN ? 0 : 0xff, f->bytes[side]);
		memset(f->initial[side] + f->bytes[side], GUARD_BYTE, GUARD);
		bench_check(b,
			    b->be[side]->alloc(b->be[side], f->bytes[side] + GUARD,
					       MEMORY_PLAIN, &f->pair.p[side], &b->err),
			    "memory");
	}
	return f;
}

static void set_value(struct buffer *f, size_t i, float v)
{
	uint16_t h = bf16_of(v);
	float rounded = bench_of_bf16(h);

	switch (f->pair.kind) {
	case PAIR_ACT:
		for (int side = 0; side < 2; side++) {
			if (bench_act_bytes[side] == 4)
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
	float *v = bench_block(b, n * sizeof(*v));
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
	int32_t *page = bench_block(b, n * sizeof(*page));

	for (size_t i = 0; i < n; i++) {
		size_t j = (size_t)(bench_bits(b) % (i + 1));

		page[i] = page[j];
		page[j] = (int32_t)i;
	}
	return bench_ints(b, page, n);
}

struct pair bench_few_pages(struct bench *b, int slots, int64_t max_pages)
{
	size_t n = (size_t)slots * (size_t)max_pages;
	int32_t *page = bench_block(b, n * sizeof(*page));

	for (size_t i = 0; i < n; i++)
		page[i] = (int32_t)(i * 5 % BENCH_FEW_PAGES);
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
	unsigned char *all = bench_block(b, n_rows * bytes);

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
	bench_check(b,
		    b->be[CPU]->alloc(b->be[CPU], bytes, MEMORY_PLAIN, &b->held[b->n_held],
				      &b->err),
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
	bench_check(b, gpu->place_begin(gpu, 0, &b->err), "place_begin");
	bench_check(b, gpu->place(gpu, &p.w[GPU], n_group, &b->err), "place");
	bench_check(b, gpu->place_end(gpu, &b->err), "place_end");
	return p;
}

struct experts_pair bench_experts(struct bench *b, enum weight_type type, int n, int d,
				  int inner)
{
	struct experts_pair p = {.n = n};
	struct backend *gpu = b->be[GPU];
	size_t bytes = (size_t)n * sizeof(*p.e[0]);

	p.e[CPU] = bench_block(b, bytes);
	p.e[GPU] = bench_block(b, bytes);
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
	bench_check(b, gpu->place_begin(gpu, 0, &b->err), "place_begin");
	bench_check(b, gpu->place_experts(gpu, p.e[GPU], n, n / 3, &p.table[GPU], &b->err),
		    "place_experts");
	bench_check(b, gpu->place_end(gpu, &b->err), "place_end");
	return p;
}
