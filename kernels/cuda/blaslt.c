/*
 * cuBLASLt through dlopen(): its functions, one product of bf16 matrices, and what was chosen
 * for each shape.
 */
#include "kernels/cuda/blaslt.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <cublasLt.h>

/* The functions' types are those of the header at hand, so the library must be of its major. */
#define LIBRARY_2(major) "libcublasLt.so." #major
#define LIBRARY_1(major) LIBRARY_2(major)
#define LIBRARY          LIBRARY_1(CUBLAS_VER_MAJOR)

#define WORKSPACE ((size_t)32 << 20)
#define CHOSEN    64

#define FUNCTIONS(f)                                                                           \
	f(Create) f(Destroy) f(MatmulDescCreate) f(MatmulDescDestroy)                          \
		f(MatmulDescSetAttribute) f(MatrixLayoutCreate) f(MatrixLayoutDestroy)         \
			f(MatrixLayoutSetAttribute) f(MatmulPreferenceCreate)                  \
				f(MatmulPreferenceDestroy) f(MatmulPreferenceSetAttribute)     \
					f(MatmulAlgoGetHeuristic) f(Matmul)

struct functions {
#define MEMBER(name) __typeof__(cublasLt##name) *name;
	FUNCTIONS(MEMBER)
#undef MEMBER
};

struct chosen {
	struct blaslt_product shape; /* its addresses NULL */
	cublasLtMatmulAlgo_t algo;
};

struct cuda_blaslt {
	void *library;
	struct functions f;
	cublasLtHandle_t handle;
	void *workspace;
	struct chosen chosen[CHOSEN]; /* a ring */
	int n_chosen;
};

/* ------------------------------------------------------------------ opening */

/* The library and its version, or NULL. */
static void *library_open(size_t *version)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	size_t (*get_version)(void);

	*version = 0;
	if (!library)
		return NULL;
	*(void **)&get_version = dlsym(library, "cublasLtGetVersion");
	if (get_version)
		*version = get_version();
	if (*version / 10000 == CUBLAS_VER_MAJOR)
		return library;
	dlclose(library);
	return NULL;
}

static int find_functions(struct cuda_blaslt *lt)
{
#define FIND(name)                                                                             \
	*(void **)&lt->f.name = dlsym(lt->library, "cublasLt" #name);                          \
	if (!lt->f.name)                                                                       \
		return 0;
	FUNCTIONS(FIND)
#undef FIND
	return 1;
}

static struct cuda_blaslt *blaslt_open(void)
{
	struct cuda_blaslt *lt = calloc(1, sizeof(*lt));
	size_t version;

	if (!lt)
		return NULL;
	lt->library = library_open(&version);
	if (lt->library && find_functions(lt) &&
	    lt->f.Create(&lt->handle) == CUBLAS_STATUS_SUCCESS &&
	    cudaMalloc(&lt->workspace, WORKSPACE) == cudaSuccess)
		return lt;
	(void)cudaGetLastError();
	blaslt_close(lt);
	return NULL;
}

void blaslt_close(struct cuda_blaslt *lt)
{
	if (!lt)
		return;
	(void)cudaFree(lt->workspace);
	if (lt->handle)
		(void)lt->f.Destroy(lt->handle);
	if (lt->library)
		dlclose(lt->library);
	free(lt);
}

int cuda_blaslt_here(struct cuda *c)
{
	if (!c->lt_asked)
		c->lt = blaslt_open();
	c->lt_asked = 1;
	return c->lt != NULL;
}

void blaslt_describe(struct buf *out)
{
	size_t version;
	void *library = library_open(&version);

	if (library) {
		buf_addf(out, "ok cuBLASLt %zu.%zu\n", version / 10000, version / 100 % 100);
		dlclose(library);
	} else if (version) {
		buf_addf(out, "no cuBLASLt: version %zu, expected %d.x: own kernels serve\n",
			 version / 10000, CUBLAS_VER_MAJOR);
	} else {
		buf_addf(out, "no cuBLASLt: no %s: own kernels serve\n", LIBRARY);
	}
}

/* ------------------------------------------------------------------ products */

/*
 * The library's matrices stand column by column, so our row-major c is its transposed one:
 * cᵀ [n, m] = (b as [k, n], transposed) (a as [k, m]).
 */
struct plan {
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t a, b, c;
};

static int layout(struct cuda_blaslt *lt, cublasLtMatrixLayout_t *out, cudaDataType_t type,
		  int rows, int columns, int64_t ld, int n_batch, int64_t stride)
{
	const int32_t batch = n_batch;

	return lt->f.MatrixLayoutCreate(out, type, (uint64_t)rows, (uint64_t)columns, ld) ||
	       lt->f.MatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch,
					      sizeof(batch)) ||
	       lt->f.MatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
					      &stride, sizeof(stride));
}

static int plan_open(struct cuda_blaslt *lt, struct plan *plan, const struct blaslt_product *p)
{
	const cublasOperation_t transposed = CUBLAS_OP_T;

	return lt->f.MatmulDescCreate(&plan->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) ||
	       lt->f.MatmulDescSetAttribute(plan->desc, CUBLASLT_MATMUL_DESC_TRANSA,
					    &transposed, sizeof(transposed)) ||
	       layout(lt, &plan->b, CUDA_R_16BF, p->k, p->n, p->ldb, p->n_batch, p->batch_b) ||
	       layout(lt, &plan->a, CUDA_R_16BF, p->k, p->m, p->lda, p->n_batch, p->batch_a) ||
	       layout(lt, &plan->c, p->c_f32 ? CUDA_R_32F : CUDA_R_16BF, p->n, p->m, p->ldc,
		      p->n_batch, p->batch_c);
}

static void plan_close(struct cuda_blaslt *lt, struct plan *plan)
{
	if (plan->c)
		(void)lt->f.MatrixLayoutDestroy(plan->c);
	if (plan->b)
		(void)lt->f.MatrixLayoutDestroy(plan->b);
	if (plan->a)
		(void)lt->f.MatrixLayoutDestroy(plan->a);
	if (plan->desc)
		(void)lt->f.MatmulDescDestroy(plan->desc);
}

static int same_shape(const struct blaslt_product *a, const struct blaslt_product *b)
{
	return a->m == b->m && a->n == b->n && a->k == b->k && a->lda == b->lda &&
	       a->ldb == b->ldb && a->ldc == b->ldc && a->n_batch == b->n_batch &&
	       a->batch_a == b->batch_a && a->batch_b == b->batch_b &&
	       a->batch_c == b->batch_c && a->c_f32 == b->c_f32;
}

static const cublasLtMatmulAlgo_t *choose(struct cuda_blaslt *lt, const struct plan *plan,
					  const struct blaslt_product *p)
{
	const size_t workspace = WORKSPACE;
	cublasLtMatmulPreference_t wish = NULL;
	cublasLtMatmulHeuristicResult_t best = {0};
	struct chosen *new;
	int found = 0, failed;

	for (int i = 0; i < lt->n_chosen && i < CHOSEN; i++) {
		if (same_shape(&lt->chosen[i].shape, p))
			return &lt->chosen[i].algo;
	}
	failed = lt->f.MatmulPreferenceCreate(&wish) ||
		 lt->f.MatmulPreferenceSetAttribute(wish,
						    CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
						    &workspace, sizeof(workspace)) ||
		 lt->f.MatmulAlgoGetHeuristic(lt->handle, plan->desc, plan->b, plan->a, plan->c,
					      plan->c, wish, 1, &best, &found);
	if (wish)
		(void)lt->f.MatmulPreferenceDestroy(wish);
	if (failed || !found)
		return NULL;
	new = &lt->chosen[lt->n_chosen++ % CHOSEN];
	if (lt->n_chosen >= 2 * CHOSEN)
		lt->n_chosen -= CHOSEN;
	new->shape = *p;
	new->algo = best.algo;
	return &new->algo;
}

int cuda_blaslt_product(struct cuda *c, const struct blaslt_product *p, struct err *err)
{
	static const float one = 1.0f, zero = 0.0f;
	struct cuda_blaslt *lt = c->lt;
	struct plan plan = {0};
	const cublasLtMatmulAlgo_t *algo = NULL;
	int status = plan_open(lt, &plan, p);

	if (!status)
		algo = choose(lt, &plan, p);
	if (algo)
		status = lt->f.Matmul(lt->handle, plan.desc, &one, p->b, plan.b, p->a, plan.a,
				      &zero, p->c, plan.c, p->c, plan.c, algo, lt->workspace,
				      WORKSPACE, c->stream);
	plan_close(lt, &plan);
	if (status || !algo)
		return cuda_refuse(err, "linear",
				   "cuBLASLt refused [%d, %d] x [%d, %d] (status %d)", p->m,
				   p->k, p->n, p->k, status);
	return 0;
}
