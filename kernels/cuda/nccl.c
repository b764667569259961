/*
 * NCCL through dlopen(): its ends for the ranks of this process, and their sums.
 *
 * The functions and values used here are of an interface that all of NCCL 2 keeps, so no header
 * is needed; 2.20 is the oldest that is taken.  NVLink's multicast (NVLS) is left off unless
 * the environment says otherwise: it adds in an order of its own.  Of more than two ranks the
 * order in which values are added is NCCL's, and may follow from how many there are.
 */
#include "kernels/cuda/comm.h"

#include <dlfcn.h>
#include <stdlib.h>

#define LIBRARY "libnccl.so.2"
#define OLDEST  22000 /* 2.20.0 */

/* As NCCL 2 has them. */
typedef struct ncclComm *nccl_end;
#define NCCL_SUCCESS 0
#define NCCL_FLOAT32 7
#define NCCL_SUM     0

struct functions {
	const char *(*GetErrorString)(int result);
	int (*CommInitAll)(nccl_end *ends, int n, const int *devices);
	int (*CommDestroy)(nccl_end end);
	int (*CommAbort)(nccl_end end);
	int (*GroupStart)(void);
	int (*GroupEnd)(void);
	int (*AllReduce)(const void *in, void *out, size_t n, int type, int op, nccl_end end,
			 cudaStream_t stream);
};

#define FUNCTIONS(f)                                                                           \
	f(GetErrorString) f(CommInitAll) f(CommDestroy) f(CommAbort) f(GroupStart) f(GroupEnd) \
		f(AllReduce)

struct nccl {
	void *library;
	struct functions f;
	int n;
	int aborted;
	struct {
		nccl_end end; /* NULL: aborted */
		int device;
	} rank[PEER_MAX];
};

static int fail(const struct nccl *l, int result, const char *what, struct err *err)
{
	if (result == NCCL_SUCCESS)
		return 0;
	return err_set(err, ERR_MODEL, "NCCL: %s: %s", what, l->f.GetErrorString(result));
}

/* ------------------------------------------------------------------ opening */

/* The library, or NULL with why; *version is 0 where there is none at all. */
static void *library_open(int *version, struct err *err)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	int (*get_version)(int *);

	*version = 0;
	if (!library) {
		err_set(err, ERR_MODEL, "NCCL: no %s", LIBRARY);
		return NULL;
	}
	*(void **)&get_version = dlsym(library, "ncclGetVersion");
	if (get_version && get_version(version) == NCCL_SUCCESS && *version >= OLDEST)
		return library;
	err_set(err, ERR_MODEL, "NCCL: version %d.%d, expected 2.20 or newer",
		*version / 10000, *version / 100 % 100);
	dlclose(library);
	return NULL;
}

static int find_functions(struct nccl *l, struct err *err)
{
#define FIND(name)                                                                             \
	*(void **)&l->f.name = dlsym(l->library, "nccl" #name);                                \
	if (!l->f.name)                                                                        \
		return err_set(err, ERR_MODEL, "NCCL: %s has no nccl" #name, LIBRARY);
	FUNCTIONS(FIND)
#undef FIND
	return 0;
}

static int all_sum(struct nccl *l, const struct nccl_place *place, size_t n, struct err *err)
{
	struct err second = {0};
	int rc = fail(l, l->f.GroupStart(), "trying it", err);

	if (rc)
		return rc;
	for (int i = 0; i < l->n && !rc; i++)
		rc = nccl_sum(l, i, place[i].stream, place[i].room, n, err);
	if (fail(l, l->f.GroupEnd(), "trying it", rc ? &second : err) && !rc)
		rc = err->code;
	for (int i = 0; i < l->n && !rc; i++) {
		rc = cuda_fail(cudaSetDevice(place[i].device), "NCCL", err);
		if (!rc)
			rc = cuda_fail(cudaStreamSynchronize(place[i].stream), "NCCL", err);
	}
	return rc;
}

/* What it does at its first sums, small and large ones, stays out of recordings. */
static int try_sums(struct nccl *l, const struct nccl_place *place, size_t bytes,
		    struct err *err)
{
	int rc = 0;

	for (size_t n = 1024; n * sizeof(float) <= bytes && !rc; n *= 16)
		rc = all_sum(l, place, n, err);
	return rc ? rc : all_sum(l, place, bytes / sizeof(float), err);
}

int nccl_new(struct nccl **out, const struct nccl_place *place, int n, size_t bytes,
	     struct err *err)
{
	struct nccl *l = calloc(1, sizeof(*l));
	nccl_end ends[PEER_MAX] = {0};
	int devices[PEER_MAX], version, rc = 0;

	*out = NULL;
	if (!l)
		return err_nomem(err, "NCCL", sizeof(*l));
	(void)setenv("NCCL_NVLS_ENABLE", "0", 0);
	l->n = n;
	for (int i = 0; i < n; i++)
		devices[i] = l->rank[i].device = place[i].device;
	l->library = library_open(&version, err);
	if (!l->library)
		rc = err->code;
	if (!rc)
		rc = find_functions(l, err);
	if (!rc)
		rc = fail(l, l->f.CommInitAll(ends, n, devices), "joining GPUs", err);
	for (int i = 0; i < n && !rc; i++)
		l->rank[i].end = ends[i];
	if (!rc)
		rc = try_sums(l, place, bytes, err);
	if (rc) {
		nccl_free(l);
		return rc;
	}
	*out = l;
	return 0;
}

int nccl_is_whole(const struct nccl *l)
{
	return !__atomic_load_n(&l->aborted, __ATOMIC_ACQUIRE);
}

void nccl_abort(struct nccl *l, int rank)
{
	nccl_end end = l->rank[rank].end;

	l->rank[rank].end = NULL;
	__atomic_store_n(&l->aborted, 1, __ATOMIC_RELEASE);
	if (end)
		(void)l->f.CommAbort(end);
}

/* Where some were aborted, the others' ends are not worth waiting for. */
void nccl_free(struct nccl *l)
{
	if (!l)
		return;
	for (int i = 0; i < l->n; i++) {
		if (!l->rank[i].end || cudaSetDevice(l->rank[i].device) != cudaSuccess)
			continue;
		(void)(l->aborted ? l->f.CommAbort : l->f.CommDestroy)(l->rank[i].end);
	}
	if (l->library)
		dlclose(l->library);
	free(l);
}

void nccl_describe(struct buf *out)
{
	struct err why;
	int version;
	void *library = library_open(&version, &why);

	if (!library) {
		buf_addf(out, "no %s: GPUs' own sums serve\n", why.text);
		return;
	}
	buf_addf(out, "ok NCCL %d.%d.%d\n", version / 10000, version / 100 % 100,
		 version % 100);
	dlclose(library);
}

/* -------------------------------------------------------------------- sums */

int nccl_sum(struct nccl *l, int rank, cudaStream_t stream, float *x, size_t n,
	     struct err *err)
{
	if (!l->rank[rank].end)
		return err_set(err, ERR_MODEL, "NCCL: rank %d was ended in a failure", rank);
	return fail(l, l->f.AllReduce(x, x, n, NCCL_FLOAT32, NCCL_SUM, l->rank[rank].end, stream),
		    "all-reduce", err);
}
