/* Attention on the CPU: rows that go together, rows alone, and plain sums in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/ops.h"

#define HEADS   5
#define WINDOW  128
#define RING    150
#define TOP_K   40
#define PAGES   40
#define MOST    20 /* tokens of a call */
#define SCALE   0.05f
#define OUT_ROW (HEADS * HEAD_DIM)

static struct backend *be;
static struct err why;
static uint64_t seed;
static uint64_t bits; /* a sum of all that came out */

static uint32_t draw(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

static dbuf room(size_t bytes)
{
	dbuf p = malloc(bytes);

	assert_non_null(p);
	return p;
}

/* n numbers from -1 to 1 */
static dbuf floats(size_t n)
{
	dbuf p = room(n * sizeof(float));

	for (size_t i = 0; i < n; i++)
		((float *)(void *)p)[i] = (float)draw() / 0x1p30f - 1;
	return p;
}

/* Cache rows with any codes but NaN. */
static dbuf cache_rows(size_t n)
{
	dbuf p = room(n * KV_ROW_BYTES);

	for (size_t i = 0; i < n * KV_ROW_BYTES; i++) {
		size_t at = i % KV_ROW_BYTES;

		p[i] = (unsigned char)draw();
		if (at < 448)
			p[i] ^= (p[i] & 0x7F) == 0x7F;
		else if (at < 456)
			p[i] = (unsigned char)(116 + p[i] % 4);
		else if (at % 2)
			p[i] = (unsigned char)(0x3E | (p[i] & 0x81));
	}
	return p;
}

static double row_value(const unsigned char *row, int c)
{
	int code = row[c], e = code >> 3 & 15, m = code & 7;
	uint16_t half;
	uint32_t u;
	float f;

	if (c >= 448) {
		memcpy(&half, row + 456 + (size_t)(c - 448) * 2, sizeof(half));
		u = (uint32_t)half << 16;
		memcpy(&f, &u, sizeof(f));
		return (double)f;
	}
	return (code & 128 ? -1 : 1) * (e ? ldexp(8 + m, e - 10) : ldexp(m, -9)) *
	       ldexp(1, row[448 + c / 64] - 127);
}

/* --------------------------------------------------------------- what is seen */

struct scene {
	struct attention_args a;
	int64_t pos0;
	const unsigned char *seen[WINDOW + PAGES * 32]; /* by the row at hand */
	int n_seen;
};

/* Rows that are chosen: every one, or TOP_K of them that no rule predicts. */
static void choose(struct scene *s, int t)
{
	int64_t n = (s->pos0 + t + 1) / 4, k = 0;
	int32_t *sel = (int32_t *)(void *)s->a.sel + (ptrdiff_t)t * TOP_K;

	for (int64_t b = 0; b < n && k < TOP_K; b++) {
		if (n - b <= TOP_K - k || draw() % (uint32_t)(n - b) < (uint32_t)(TOP_K - k))
			sel[k++] = (int32_t)b;
	}
	((int32_t *)(void *)s->a.n_sel)[t] = (int32_t)k;
	while (k < TOP_K)
		sel[k++] = -1;
}

static void see(struct scene *s, int t)
{
	const struct attention_args *a = &s->a;
	const int32_t *pages = (const int32_t *)(const void *)a->pages + PAGES; /* slot 1's */
	int64_t pos = s->pos0 + t, n = a->ratio ? (pos + 1) / a->ratio : 0;
	int64_t first = pos < WINDOW ? 0 : pos - WINDOW + 1;
	int per_page = a->ratio ? PAGE_TOKENS / a->ratio : 1;

	s->n_seen = 0;
	if (a->ratio == 4)
		n = ((const int32_t *)(const void *)a->n_sel)[t];
	for (int64_t i = 0; i < n; i++) {
		int64_t b = a->ratio == 4
				    ? ((const int32_t *)(const void *)a->sel)[t * TOP_K + i]
				    : i;

		s->seen[s->n_seen++] =
			a->rows +
			(size_t)(pages[b / per_page] * per_page + b % per_page) * KV_ROW_BYTES;
	}
	for (int64_t p = first; p <= pos; p++)
		s->seen[s->n_seen++] = a->ring + (size_t)(RING + p % RING) * KV_ROW_BYTES;
}

static const float *row_of(dbuf all, int t, int h)
{
	return (const float *)(const void *)all + (t * HEADS + h) * HEAD_DIM;
}

/* One head of row t, as the model defines it, against what there is of it. */
static void check_head(const struct scene *s, int t, int h)
{
	const float *q = row_of(s->a.q, t, h), *got = row_of(s->a.out, t, h);
	const float *cs = (const float *)(const void *)s->a.rope + (ptrdiff_t)t * ROPE_DIM;
	double o[HEAD_DIM] = {0},
	       sum = exp((double)((const float *)(const void *)s->a.sink)[h]);

	for (int i = 0; i < s->n_seen; i++) {
		double v[HEAD_DIM], score = 0;

		for (int c = 0; c < HEAD_DIM; c++) {
			v[c] = row_value(s->seen[i], c);
			score += (double)q[c] * v[c];
		}
		score = exp(score * (double)SCALE);
		sum += score;
		for (int c = 0; c < HEAD_DIM; c++)
			o[c] += score * v[c];
	}
	for (int c = HEAD_DIM - ROPE_DIM; c < HEAD_DIM; c += 2) {
		double re = o[c], im = o[c + 1];
		double cosine = (double)cs[c - (HEAD_DIM - ROPE_DIM)];
		double sine = (double)cs[c - (HEAD_DIM - ROPE_DIM) + 1];

		o[c] = re * cosine + im * sine;
		o[c + 1] = im * cosine - re * sine;
	}
	for (int c = 0; c < HEAD_DIM; c++) {
		if (!(fabs((double)got[c] - o[c] / sum) < 2e-5))
			fail_msg("ratio %d, row %d at %lld of %d, head %d, column %d: %g, "
				 "expected %g",
				 s->a.ratio, t, (long long)s->pos0, s->a.n_tok, h, c,
				 (double)got[c], o[c] / sum);
	}
}

/* Row t in a call of its own. */
static void check_alone(const struct scene *s, int t)
{
	struct attention_args a = s->a;
	struct step step = {.pos0 = s->pos0 + t, .n_tok = 1, .slot = 1};
	size_t bytes = OUT_ROW * sizeof(float);
	dbuf alone = room(bytes);

	a.n_tok = 1;
	a.step = (dbuf)&step;
	a.q += (size_t)t * OUT_ROW * sizeof(float);
	a.rope += (size_t)t * ROPE_DIM * sizeof(float);
	a.sel += (size_t)t * TOP_K * sizeof(int32_t);
	a.n_sel += (size_t)t * sizeof(int32_t);
	a.out = alone;
	assert_int_equal(be->ops->attention(be, &a, &why), 0);
	if (memcmp(alone, s->a.out + (size_t)t * bytes, bytes) != 0)
		fail_msg("ratio %d, %d rows at %lld: row %d differs alone", s->a.ratio,
			 s->a.n_tok, (long long)s->pos0, t);
	free(alone);
}

static void check(struct scene *s, int64_t pos0, int n)
{
	struct step step = {.pos0 = pos0, .n_tok = n, .slot = 1};

	s->pos0 = pos0;
	s->a.n_tok = n;
	s->a.step = (dbuf)&step;
	for (int t = 0; t < n; t++)
		choose(s, t);
	memset(s->a.out, 0xFF, (size_t)n * OUT_ROW * sizeof(float));
	assert_int_equal(be->ops->attention(be, &s->a, &why), 0);
	for (int t = 0; t < n; t++) {
		see(s, t);
		check_head(s, t, t % HEADS);
		check_alone(s, t);
	}
	for (size_t i = 0; i < (size_t)n * OUT_ROW * sizeof(float); i++)
		bits = (bits ^ s->a.out[i]) * 0x100000001b3;
}

/* ---------------------------------------------------------------------- tests */

static struct scene scene_new(int ratio)
{
	struct scene s = {
		.a =
			{
				.n_head = HEADS,
				.ring_rows = RING,
				.window = WINDOW,
				.ratio = ratio,
				.top_k = TOP_K,
				.max_pages = PAGES,
				.scale = SCALE,
				.q = floats((size_t)MOST * OUT_ROW),
				.rope = floats((size_t)MOST * ROPE_DIM),
				.sink = floats(HEADS),
				.ring = cache_rows(2 * (size_t)RING),
				.pages = room(2 * PAGES * sizeof(int32_t)),
				.rows = cache_rows(PAGES *
						   (ratio ? PAGE_TOKENS / (size_t)ratio : 1)),
				.sel = room((size_t)MOST * TOP_K * sizeof(int32_t)),
				.n_sel = room((size_t)MOST * sizeof(int32_t)),
				.out = room((size_t)MOST * OUT_ROW * sizeof(float)),
			},
	};

	for (int i = 0; i < 2 * PAGES; i++)
		((int32_t *)(void *)s.a.pages)[i] = i % PAGES * 7 % PAGES;
	return s;
}

static void scene_free(struct scene *s)
{
	dbuf all[] = {s->a.q,    s->a.rope, s->a.sink,  s->a.ring, s->a.pages,
		      s->a.rows, s->a.sel,  s->a.n_sel, s->a.out};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

/* Each of the calls below on a backend of that kind; false: another processor's. */
static bool run_calls(const char *isa, int n_threads)
{
	static const int ratios[] = {0, 4, 128};
	/* before the window is full, round the ring's end, where choosing begins, far behind */
	static const struct {
		int64_t pos0;
		int n;
	} calls[] = {{0, 1},   {0, 9},    {120, 10},  {147, 5},   {155, 12},
		     {300, 2}, {1000, 3}, {1023, 20}, {4090, 17}, {PAGES * PAGE_TOKENS - 3, 3}};
	const struct backend_options how = {.n_threads = n_threads, .isa = isa};

	if (backend_open_cpu(&be, &how, &why))
		return false;
	seed = 5;
	bits = 0xcbf29ce484222325;
	for (int r = 0; r < 3; r++) {
		struct scene s = scene_new(ratios[r]);

		for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
			check(&s, calls[c].pos0, calls[c].n);
		scene_free(&s);
	}
	be->close(be);
	return true;
}

static void a_row_sees_what_it_may_whoever_else_is_there(void **state)
{
	/* heads are shared out, and so are worked on by fives, threes, twos and alone */
	static const int threads[] = {1, 2, 7};
	uint64_t first = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(run_calls(NULL, threads[i]));
		first = i ? first : bits;
		assert_true(bits == first);
	}
}

static void every_instruction_set_gives_the_same_bits(void **state)
{
	static const char *const isas[] = {"v2", "v3", "v4", "generic"};
	uint64_t first = 0;
	int n_run = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(isas) / sizeof(isas[0]); i++) {
		if (!run_calls(isas[i], 2))
			continue;
		first = n_run++ ? first : bits;
		assert_true(bits == first);
	}
	assert_true(n_run > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_sees_what_it_may_whoever_else_is_there),
		cmocka_unit_test(every_instruction_set_gives_the_same_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
