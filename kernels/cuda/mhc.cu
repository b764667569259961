/*
 * Hyper-connections around a sublayer.
 *
 *   m = (fn · X) rsqrt(mean(X²) + eps), 24 values (4 at the head)
 *   pre, post = σ, comb = Sinkhorn of the rest;  u = sum_j pre[j] X[j];  out = RMSNorm(u)
 *   (mhc_head_sum: out = u)
 *   post: X'[k] = post[k] y + sum_j comb[j][k] X[j]
 *
 * Products: a block takes pieces of 64 columns of all four streams for up to 8 tokens and a
 * warp three of the 24 rows of fn; its sums over the block's columns go to `part`.  A second
 * kernel adds them in the order of the columns and finishes: a block of a token makes u, its
 * columns' streams loaded before the sums are there.  With `join` the first kernel applies post
 * to its columns before; of few rows, y may be a product that it makes itself (mhc_product.cuh).
 * Both load their weights before kernel_begin().  post and comb are
 * made beside something else, or, where nobody does that, by a third kernel. Floor, one token:
 * fn and the streams, 1.6 MB of Flash, 0.4 µs; the launches cost more.
 */
#include "kernels/cuda/linear_check.cuh"
#include "kernels/cuda/linear_stage.cuh"

#define PIECE     64 /* columns of each stream */
#define MANY      8  /* pieces a block takes where there are many rows */
#define WARPS     8
#define ROWS      3 /* of fn, a warp */
#define TILE_MANY 8 /* tokens a block takes */
#define TILE_SOME 4

struct products {
	int n_tok, d, n_out;
	int pieces; /* of a block */
	int n_part; /* blocks along the columns */
	const float *fn, *y, *post, *comb;
	float *x;
	float *part; /* [n_tok, OUT, n_part] */
};

/* One column of the four streams of a token, after post where that is asked. */
template <bool JOIN>
static __device__ __forceinline__ void column(const struct products &p, int64_t t, int col,
					      float x[4])
{
	float *at = p.x + t * 4 * p.d + col;

	for (int j = 0; j < 4; j++)
		x[j] = at[(int64_t)j * p.d];
	if (JOIN) {
		float4 post = ((const float4 *)p.post)[t], r;
		float y = p.y[t * p.d + col];

		r = make_float4(post.x * y, post.y * y, post.z * y, post.w * y);
		for (int j = 0; j < 4; j++) {
			float4 c = ((const float4 *)p.comb)[4 * t + j];

			r = make_float4(fmaf(c.x, x[j], r.x), fmaf(c.y, x[j], r.y),
					fmaf(c.z, x[j], r.z), fmaf(c.w, x[j], r.w));
		}
		x[0] = r.x;
		x[1] = r.y;
		x[2] = r.z;
		x[3] = r.w;
		for (int k = 0; k < 4; k++)
			at[(int64_t)k * p.d] = x[k];
	}
}

/* A warp's rows of fn in the columns from c0 on: lane l has columns 4 (l mod 16) … of streams
 * l / 16 and l / 16 + 2. */
static __device__ __forceinline__ void load_rows(const struct products &p, int c0,
						 float4 (&f)[ROWS][2])
{
	int lane = (int)threadIdx.x % WARP, first = (int)threadIdx.x / WARP * ROWS;
	int col = c0 + 4 * (lane % 16);

	for (int o = 0; o < ROWS; o++) {
		const float *row = p.fn + (int64_t)(first + o) * 4 * p.d;

		for (int k = 0; k < 2; k++) {
			f[o][k] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
			if (first + o < p.n_out && col < p.d)
				f[o][k] = *(const float4 *)(row +
							    (int64_t)(lane / 16 + 2 * k) * p.d +
							    col);
		}
	}
}

/* Tile of TILE tokens. */
template <int TILE, bool JOIN>
static __global__ void __launch_bounds__(WARPS *WARP) products(struct products p)
{
	__shared__ float4 xs[TILE][4][PIECE / 4];
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t t0 = (int64_t)blockIdx.y * TILE;
	int c0 = (int)blockIdx.x * p.pieces * PIECE, end = min(c0 + p.pieces * PIECE, p.d);
	float acc[TILE][ROWS], squares = 0.0f;
	float4 f[ROWS][2];

	for (int t = 0; t < TILE; t++)
		for (int o = 0; o < ROWS; o++)
			acc[t][o] = 0.0f;
	load_rows(p, c0, f);
	kernel_begin();
	for (; c0 < end; c0 += PIECE) {
		for (int i = (int)threadIdx.x; i < TILE * PIECE; i += WARPS * WARP) {
			int t = i / PIECE, c = i % PIECE;
			float x[4] = {0.0f, 0.0f, 0.0f, 0.0f};

			if (t0 + t < p.n_tok && c0 + c < p.d)
				column<JOIN>(p, t0 + t, c0 + c, x);
			for (int j = 0; j < 4; j++)
				((float *)xs[t][j])[c] = x[j];
		}
		__syncthreads();
#pragma unroll
		for (int t = 0; t < TILE; t++) {
			for (int k = 0; k < 2; k++) {
				float4 v = xs[t][lane / 16 + 2 * k][lane % 16];

				for (int o = 0; o < ROWS; o++)
					acc[t][o] = dot4(f[o][k], v, acc[t][o]);
				if (t == warp)
					squares = dot4(v, v, squares);
			}
		}
		if (c0 + PIECE < end)
			load_rows(p, c0 + PIECE, f);
		__syncthreads();
	}
#pragma unroll
	for (int t = 0; t < TILE; t++) {
		float *out = p.part + (t0 + t) * OUT * p.n_part + blockIdx.x;
		float sum[ROWS + 1];

		for (int o = 0; o < ROWS; o++)
			sum[o] = acc[t][o];
		sum[ROWS] = squares; /* of token `warp` */
		warp_sums(sum);
		if (lane || t0 + t >= p.n_tok)
			continue;
		for (int o = 0; o < ROWS; o++)
			if (warp * ROWS + o < p.n_out)
				out[(warp * ROWS + o) * p.n_part] = sum[o];
		if (t == warp)
			out[SQUARES * p.n_part] = sum[ROWS];
	}
}

static __global__ void __launch_bounds__(WARPS *WARP) mix_tokens(struct mhc_mix_args a)
{
	kernel_begin();
	__shared__ float c[WARPS][16];
	int warp = (int)threadIdx.x / WARP, t = (int)blockIdx.x * WARPS + warp;

	if (t < a.n_tok)
		mix_token(a, t, c[warp], (int)threadIdx.x % WARP);
}

/* --------------------------------------------------------------------------- post */

static __global__ void __launch_bounds__(256) post_columns(struct mhc_post_args a)
{
	kernel_begin();
	int64_t t = blockIdx.y;
	int i = (int)(blockIdx.x * blockDim.x + threadIdx.x), n = a.d / 4;
	const float *post = (const float *)a.post + 4 * t,
		    *comb = (const float *)a.comb + 16 * t;
	float4 *x = (float4 *)a.x + t * 4 * n, y, s[4];

	if (i >= n)
		return;
	y = ((const float4 *)a.y)[t * n + i];
	for (int j = 0; j < 4; j++)
		s[j] = x[(int64_t)j * n + i];
	for (int k = 0; k < 4; k++) {
		float p = post[k];
		float4 r = make_float4(p * y.x, p * y.y, p * y.z, p * y.w);

		for (int j = 0; j < 4; j++) {
			float c = comb[4 * j + k];

			r = make_float4(fmaf(c, s[j].x, r.x), fmaf(c, s[j].y, r.y),
					fmaf(c, s[j].z, r.z), fmaf(c, s[j].w, r.w));
		}
		x[(int64_t)k * n + i] = r;
	}
}

/* ------------------------------------------------------------------ launching */

static int pieces_of(int n_tok)
{
	return n_tok > CUDA_DECODE_ROWS ? MANY : 1;
}

static int parts_of(int n_tok, int d)
{
	int width = PIECE * pieces_of(n_tok);

	return (d + width - 1) / width;
}

static size_t part_bytes(int n_tok, int d)
{
	return sizeof(float) * OUT * (size_t)n_tok * (size_t)parts_of(n_tok, d);
}

static size_t raw_bytes(int n_tok)
{
	return sizeof(float) * MHC_RAW * (size_t)n_tok;
}

/* The same of a joint that makes its product. */
static size_t product_part_bytes(int n_tok, int d)
{
	return sizeof(float) * OUT * (size_t)n_tok * (size_t)(d / TILE_ROWS);
}

size_t cuda_mhc_scratch(const struct cuda *c, const struct pass_shape *s)
{
	int few = s->rows < CUDA_DECODE_ROWS ? s->rows : CUDA_DECODE_ROWS;
	size_t a = part_bytes(few, s->d), b = part_bytes(s->rows, s->d);
	size_t p = product_part_bytes(few, s->d);

	(void)c;
	a = a > p ? a : p;
	return (a > b ? a : b) + raw_bytes(s->rows);
}

static int check(const char *op, int n_tok, int d, struct err *err)
{
	if (n_tok < 1 || n_tok > CUDA_MAX_ROWS || d < 4 || d % 4 || d > MAX_D)
		return cuda_refuse(err, op, "%d rows of %d columns (a multiple of 4, up to %d)",
				   n_tok, d, MAX_D);
	return 0;
}

template <bool JOIN> static void launch_products(struct cuda *c, const struct products &p)
{
	int tile = p.n_tok > CUDA_DECODE_ROWS ? TILE_MANY : p.n_tok > 1 ? TILE_SOME : 1;
	dim3 grid((unsigned)p.n_part, (unsigned)((p.n_tok + tile - 1) / tile));

	if (tile == 1)
		launch_kernel(c, products<1, JOIN>, grid, WARPS * WARP, 0, p);
	else if (tile == TILE_SOME)
		launch_kernel(c, products<TILE_SOME, JOIN>, grid, WARPS * WARP, 0, p);
	else
		launch_kernel(c, products<TILE_MANY, JOIN>, grid, WARPS * WARP, 0, p);
}

int cuda_mhc_mix(struct backend *be, const struct mhc_mix_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	launch_kernel(c, mix_tokens, (unsigned)((a->n_tok + WARPS - 1) / WARPS), WARPS * WARP,
		      0, *a);
	return cuda_check_launch(c, "mhc_mix", err);
}

/* What is made of the sums of n_part blocks; scratch: them, and behind them the raw numbers
 * where nobody else wants them. */
static int launch_finish(struct cuda *c, const char *op, const struct mhc_pre_args *a, int n_out,
			 int n_part, float *scratch, struct err *err)
{
	struct finish f = {a->d, n_part, n_out, a->eps, a->rms_eps, scratch, (float *)a->x};
	struct mhc_mix_args rest = {a->n_tok, a->n_iter, a->eps};

	f.base = (const float *)a->base;
	f.scale = (const float *)a->scale;
	f.norm = (const uint16_t *)a->norm;
	f.out = (uint16_t *)a->out;
	f.raw = a->raw ? (float *)a->raw : scratch + (size_t)a->n_tok * OUT * (size_t)n_part;
	if (a->d <= 4 * FINISH)
		launch_kernel(c, finish<1>, (unsigned)a->n_tok, FINISH, 0, f);
	else
		launch_kernel(c, finish<3>, (unsigned)a->n_tok, FINISH, 0, f);
	if (cuda_check_launch(c, op, err))
		return err->code;
	if (a->raw || !a->comb)
		return 0;
	rest.raw = (dbuf)f.raw;
	rest.post = a->post;
	rest.comb = a->comb;
	return cuda_mhc_mix(&c->base, &rest, err);
}

/* Products of fn with the streams, and what is made of them; post: what is applied before. */
static int mix(struct cuda *c, const char *op, const struct mhc_pre_args *a, int n_out,
	       const struct mhc_post_args *post, struct err *err)
{
	struct products p = {a->n_tok, a->d, n_out, pieces_of(a->n_tok),
			     parts_of(a->n_tok, a->d)};
	void *part;

	if (check(op, a->n_tok, a->d, err) ||
	    cuda_scratch(c, part_bytes(a->n_tok, a->d) + raw_bytes(a->n_tok), op, &part, err))
		return err->code;
	p.fn = (const float *)a->fn;
	p.x = (float *)a->x;
	p.part = (float *)part;
	if (post) {
		p.y = (const float *)post->y;
		p.post = (const float *)post->post;
		p.comb = (const float *)post->comb;
		launch_products<true>(c, p);
	} else {
		launch_products<false>(c, p);
	}
	if (cuda_check_launch(c, op, err))
		return err->code;
	return launch_finish(c, op, a, n_out, p.n_part, p.part, err);
}

int cuda_mhc_pre(struct backend *be, const struct mhc_pre_args *a, struct err *err)
{
	return mix(cuda_of(be), "mhc_pre", a, 24, NULL, err);
}

/* Whether the product's kernel takes the joint along: all warps of a block share a tile. */
static int joins_product(const struct linear_args *a)
{
	return a->n_tok <= CUDA_DECODE_ROWS && a->n_group == 1 && a->w.layout == LAYOUT_TILES &&
	       warps_of_tiles((int)a->w.type, a->w.in, a->w.out / TILE_ROWS) == STREAM_WARPS;
}

/* The same behind a product that is made on the way. */
static int mix_product(struct cuda *c, const struct mhc_join_args *a, struct err *err)
{
	const struct mhc_pre_args *pre = &a->pre;
	struct tiles_stage s = {};
	size_t bytes, more = join_bytes(pre->n_tok);
	void *part;

	if (cuda_scratch(c, product_part_bytes(pre->n_tok, pre->d) + raw_bytes(pre->n_tok),
			 "mhc_join", &part, err))
		return err->code;
	s.join = {pre->d, pre->d / TILE_ROWS, (const float *)pre->fn};
	s.join.post = (const float *)a->post.post;
	s.join.comb = (const float *)a->post.comb;
	s.join.x = (float *)pre->x;
	s.join.part = (float *)part;
	if (tiles_batch_of(c, &a->product, 1, NULL, more, &s.batch, &bytes, err) ||
	    cuda_linear_stage(c, &s, bytes + more, "mhc_join", err))
		return err->code;
	return launch_finish(c, "mhc_join", pre, 24, s.join.n_part, s.join.part, err);
}

static int check_join(const struct mhc_join_args *a, struct err *err)
{
	const struct linear_args *p = &a->product;

	if (a->post.x != a->pre.x || a->post.n_tok != a->pre.n_tok || a->post.d != a->pre.d ||
	    a->post.post == a->pre.post || a->post.comb == a->pre.comb)
		return cuda_refuse(err, "mhc_join",
				   "post and pre are not of the same streams, "
				   "or share what they write");
	if (check("mhc_join", a->pre.n_tok, a->pre.d, err))
		return err->code;
	if (!p->w.w)
		return 0;
	if (p->y != a->post.y || !p->out_f32 || p->n_tok != a->post.n_tok ||
	    p->w.out != a->post.d)
		return cuda_refuse(err, "mhc_join",
				   "a product of %d rows of %d that is not post's y, %d of %d",
				   p->n_tok, p->w.out, a->post.n_tok, a->post.d);
	return linear_check(p, err);
}

int cuda_mhc_join(struct backend *be, const struct mhc_join_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (check_join(a, err))
		return err->code;
	if (a->product.w.w && joins_product(&a->product))
		return mix_product(c, a, err);
	if (a->product.w.w && cuda_linear(be, &a->product, err))
		return err->code;
	return mix(c, "mhc_join", &a->pre, 24, &a->post, err);
}

/* norm NULL: without it, in float32 */
static int head(struct backend *be, const char *op, const struct mhc_head_args *a, dbuf norm,
		struct err *err)
{
	struct mhc_pre_args pre = {a->n_tok, a->d, 0, a->eps, a->rms_eps};

	pre.x = a->x;
	pre.fn = a->fn;
	pre.base = a->base;
	pre.scale = a->scale;
	pre.norm = norm;
	pre.out = a->out;
	return mix(cuda_of(be), op, &pre, 4, NULL, err);
}

int cuda_mhc_head(struct backend *be, const struct mhc_head_args *a, struct err *err)
{
	return head(be, "mhc_head", a, a->norm, err);
}

int cuda_mhc_head_sum(struct backend *be, const struct mhc_head_args *a, struct err *err)
{
	return head(be, "mhc_head_sum", a, NULL, err);
}

int cuda_mhc_post(struct backend *be, const struct mhc_post_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	dim3 grid((unsigned)((a->d / 4 + 255) / 256), (unsigned)a->n_tok);

	if (check("mhc_post", a->n_tok, a->d, err))
		return err->code;
	launch_kernel(c, post_columns, grid, 256, 0, *a);
	return cuda_check_launch(c, "mhc_post", err);
}
