/* What a case begins with: random numbers, pairs of buffers, what V4 has in them, weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/gpu/bench.h"

void *bench_room(struct bench *b, size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);
	void **grown = realloc(b->blocks, (size_t)(b->n_blocks + 1) * sizeof(*grown));

	assert_non_null(p);
	assert_non_null(grown);
	b->blocks = grown;
	b->blocks[b->n_blocks++] = p;
	return p;
}

void *bench_block(struct bench *b, size_t bytes)
{
	return memset(bench_room(b, bytes), 0, bytes ? bytes : 1);
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

#define SLAB_BYTES ((size_t)64 << 20) /* at least */

/* Device memory up to the case's end, with any contents. */
static dbuf from_slab(struct bench *b, int side, size_t bytes)
{
	struct slab *s = b->slabs[side];
	int n = b->n_slabs[side];

	bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	for (; n > 0; n--, s++) {
		if (bytes <= s->bytes - s->used)
			break;
	}
	if (!n) {
		n = b->n_slabs[side];
		s = realloc(b->slabs[side], (size_t)(n + 1) * sizeof(*s));
		assert_non_null(s);
		b->slabs[side] = s;
		s += n;
		*s = (struct slab){.bytes = bytes > SLAB_BYTES ? bytes : SLAB_BYTES};
		bench_check(
			b,
			b->be[side]->alloc(b->be[side], s->bytes, MEMORY_PLAIN, &s->p, &b->err),
			"memory");
		b->n_slabs[side]++;
	}
	s->used += bytes;
	return s->p + s->used - bytes;
}

void bench_return(struct bench *b)
{
	for (int side = 0; side < 2; side++) {
		for (int i = 0; i < b->n_slabs[side]; i++)
			b->slabs[side][i].used = 0;
	}
	for (struct placed *p = b->placed; p; p = p->next)
		p->taken = false;
}

void bench_release(struct bench *b)
{
	for (int side = 0; side < 2; side++) {
		for (int i = 0; i < b->n_slabs[side]; i++)
			b->be[side]->free(b->be[side], b->slabs[side][i].p);
		free(b->slabs[side]);
	}
	for (int i = 0; i < b->n_held; i++)
		b->be[CPU]->free(b->be[CPU], b->held[i]);
	free(b->held);
	while (b->placed) {
		struct placed *p = b->placed;

		b->placed = p->next;
		free(p->experts.e[CPU]);
		free(p->experts.e[GPU]);
		free(p);
	}
	free(b->again);
}

static struct buffer *new_buffer(struct bench *b, enum pair_kind kind, size_t n, enum use use)
{
	struct buffer *f = &b->buffers[b->n];

	assert_true(b->n < MAX_BUFFERS);
	b->n++;
	*f = (struct buffer){.pair = {.n = n, .kind = kind}, .use = use};
	for (int side = 0; side < 2; side++) {
		f->bytes[side] = n * bench_width(kind, side);
		f->initial[side] = bench_room(b, f->bytes[side] + GUARD);
		f->result[side] = bench_room(b, f->bytes[side] + GUARD);
		memset(f->initial[side], use == USE_IN ? 0 : 0xff, f->bytes[side]);
		memset(f->initial[side] + f->bytes[side], GUARD_BYTE, GUARD);
		f->pair.p[side] = from_slab(b, side, f->bytes[side] + GUARD);
	}
	return f;
}

static void set_values(struct buffer *f, const float *v)
{
	for (int side = 0; side < 2; side++) {
		void *to = f->initial[side];
		uint16_t *h = to;
		float *whole = to;
		size_t width = bench_width(f->pair.kind, side);

		assert_true(f->pair.kind != PAIR_I32 && f->pair.kind != PAIR_BYTES);
		if (f->pair.kind == PAIR_F32) {
			memcpy(whole, v, 4 * f->pair.n);
			continue;
		}
		for (size_t i = 0; width == 2 && i < f->pair.n; i++)
			h[i] = bf16_of(v[i]);
		for (size_t i = 0; width == 4 && i < f->pair.n; i++)
			whole[i] = bench_of_bf16(bf16_of(v[i]));
	}
}

struct pair bench_given(struct bench *b, enum pair_kind kind, const float *v, size_t n)
{
	struct buffer *f = new_buffer(b, kind, n, USE_IN);

	set_values(f, v);
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
#define RUN   256   /* values that a weight takes from one place on */

/* The first ones stand behind the last ones again. */
static struct {
	bool made;
	unsigned char e4m3[CODES + RUN], e2m1[CODES + RUN];
	unsigned char two_e2m1[CODES + RUN]; /* from each place on */
	float gauss[CODES + RUN];
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
	for (int i = CODES; i < CODES + RUN; i++) {
		codes.gauss[i] = codes.gauss[i - CODES];
		codes.e4m3[i] = codes.e4m3[i - CODES];
		codes.e2m1[i] = codes.e2m1[i - CODES];
	}
	for (int i = 0; i < CODES + RUN; i++)
		codes.two_e2m1[i] = (unsigned char)(codes.e2m1[i] |
						    codes.e2m1[(i + CODES / 2) % CODES] << 4);
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
	float *v = malloc((n ? n : 1) * sizeof(*v));
	struct draw d = {.b = b};
	struct pair p;

	assert_non_null(v);
	make_codes();
	for (size_t i = 0; i < n; i++)
		v[i] = (float)deviation * codes.gauss[draw(&d)];
	p = bench_given(b, kind, v, n);
	free(v);
	return p;
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

/* In runs of neighbours from random places: one draw each would take longer than all else. */
static void fill_bytes(struct bench *b, unsigned char *to, size_t n, const unsigned char *from)
{
	struct draw d = {.b = b};

	for (size_t i = 0; i < n; i += RUN)
		memcpy(to + i, from + draw(&d), n - i < RUN ? n - i : RUN);
}

static void fill_floats(struct bench *b, dbuf to, enum weight_type type, size_t n, float one)
{
	struct draw d = {.b = b};
	void *place = to;
	float *f = place;
	uint16_t *h = place;

	for (size_t i = 0; i < n; i += RUN) {
		const float *from = codes.gauss + draw(&d);
		size_t now = n - i < RUN ? n - i : RUN;

		for (size_t j = 0; type == WEIGHT_F32 && j < now; j++)
			f[i + j] = one * from[j];
		for (size_t j = 0; type == WEIGHT_BF16 && j < now; j++)
			h[i + j] = bf16_of(one * from[j]);
	}
}

static void fill_weight(struct bench *b, struct weight *w)
{
	size_t out = (size_t)w->out, in = (size_t)w->in, n = out * in;
	float one = (float)(1.0 / sqrt((double)in));

	make_codes();
	switch (w->type) {
	case WEIGHT_F32:
	case WEIGHT_BF16:
		w->w = held(b, (w->type == WEIGHT_F32 ? 4 : 2) * n);
		fill_floats(b, w->w, w->type, n, one);
		break;
	case WEIGHT_F8:
		w->w = held(b, n);
		fill_bytes(b, w->w, n, codes.e4m3);
		fill_scales(b, w, (out + 127) / 128 * ((in + 127) / 128), codes.e4m3_deviation);
		break;
	case WEIGHT_FP4:
		w->w = held(b, n / 2);
		fill_bytes(b, w->w, n / 2, codes.two_e2m1);
		fill_scales(b, w, out * (in / 32), codes.e2m1_deviation);
		break;
	}
}

/*
 * Those of these sizes that the case has not taken yet.  *made: they are new, and the random
 * numbers are theirs until random_back(): a case's own are the same whoever made its weights.
 */
static struct placed *placed(struct bench *b, struct placed want, bool *made)
{
	const int sizes[] = {(int)want.type, want.out, want.in, want.n_group, want.n_expert};
	struct placed **p = &b->placed;
	uint64_t which = 1;

	for (; *p; p = &(*p)->next) {
		if ((*p)->type != want.type || (*p)->out != want.out || (*p)->in != want.in ||
		    (*p)->n_group != want.n_group || (*p)->n_expert != want.n_expert)
			continue;
		which++;
		if ((*p)->taken)
			continue;
		(*p)->taken = true;
		*made = false;
		return *p;
	}
	*p = calloc(1, sizeof(**p));
	assert_non_null(*p);
	**p = want;
	(*p)->taken = true;
	*made = true;
	b->of_case = b->random;
	b->random = which;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		b->random = (b->random ^ (uint64_t)sizes[i]) * 1099511628211u;
	return *p;
}

static void random_back(struct bench *b)
{
	b->random = b->of_case;
}

struct weight_pair bench_weight(struct bench *b, enum weight_type type, int out, int in,
				int n_group)
{
	struct weight w = {.type = type, .out = out, .in = in};
	struct backend *gpu = b->be[GPU];
	bool made;
	struct placed *p = placed(b, (struct placed){type, out, in, .n_group = n_group}, &made);

	if (!made)
		return p->weight;
	fill_weight(b, &w);
	random_back(b);
	p->weight = (struct weight_pair){{w, w}};
	if (!gpu->place)
		return p->weight;
	bench_check(b, gpu->place_begin(gpu, 0, NULL, &b->err), "place_begin");
	bench_check(b, gpu->place(gpu, &p->weight.w[GPU], n_group, &b->err), "place");
	bench_check(b, gpu->place_end(gpu, &b->err), "place_end");
	return p->weight;
}

struct experts_pair bench_experts(struct bench *b, enum weight_type type, int n, int d,
				  int inner)
{
	struct backend *gpu = b->be[GPU];
	size_t bytes = (size_t)n * sizeof(struct expert_weights);
	bool made;
	struct placed *p = placed(b, (struct placed){type, inner, d, .n_expert = n}, &made);
	struct experts_pair *x = &p->experts;

	if (!made)
		return *x;
	x->n = n;
	x->e[CPU] = calloc(1, bytes);
	x->e[GPU] = calloc(1, bytes);
	assert_non_null(x->e[CPU]);
	assert_non_null(x->e[GPU]);
	for (int i = 0; i < n; i++) {
		struct expert_weights *e = &x->e[CPU][i];

		e->w1 = e->w3 = (struct weight){.type = type, .out = inner, .in = d};
		e->w2 = (struct weight){.type = type, .out = d, .in = inner};
		fill_weight(b, &e->w1);
		fill_weight(b, &e->w2);
		fill_weight(b, &e->w3);
	}
	random_back(b);
	memcpy(x->e[GPU], x->e[CPU], bytes);
	if (!gpu->place_experts)
		return *x;
	bench_check(b, gpu->place_begin(gpu, 0, NULL, &b->err), "place_begin");
	bench_check(b, gpu->place_experts(gpu, x->e[GPU], n, n / 3, &x->table[GPU], &b->err),
		    "place_experts");
	bench_check(b, gpu->place_end(gpu, &b->err), "place_end");
	return *x;
}
