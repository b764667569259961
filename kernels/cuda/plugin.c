/*
 * What the program opens the plug-in by, and what is known of the GPUs and the libraries: for
 * doctor, a line each.
 */
#include "kernels/cuda/comm.h"
#include "kernels/cuda/blaslt.h"
#include "kernels/cuda/tile_policy.h"

#include <stdio.h>
#include <string.h>

/* Versions count as 13000 for 13.0. */
static int major_of(int version)
{
	return version / 1000;
}

static int minor_of(int version)
{
	return version % 1000 / 10;
}

int device_count(int *n, struct err *err)
{
	int driver = 0, runtime = CUDART_VERSION;
	cudaError_t rc;

	*n = 0;
	(void)cudaDriverGetVersion(&driver);
	(void)cudaRuntimeGetVersion(&runtime);
	if (!driver)
		return err_set(err, ERR_MODEL, "no NVIDIA driver on this machine");
	rc = cudaGetDeviceCount(n);
	if (rc == cudaErrorInsufficientDriver)
		return err_set(err, ERR_MODEL,
			       "the NVIDIA driver serves CUDA %d.%d, expected %d.%d or newer",
			       major_of(driver), minor_of(driver), major_of(runtime),
			       minor_of(runtime));
	if (rc == cudaErrorNoDevice || (rc == cudaSuccess && !*n))
		return err_set(err, ERR_MODEL, "the NVIDIA driver shows no GPU");
	return cuda_fail(rc, "counting GPUs", err);
}

int device_facts(int device, struct device_facts *f, struct err *err)
{
	struct cudaDeviceProp prop;
	int rc = cuda_fail(cudaGetDeviceProperties(&prop, device), "device", err);

	if (rc)
		return rc;
	*f = (struct device_facts){
		.sm = 10 * prop.major + prop.minor,
		.n_sm = prop.multiProcessorCount,
		.block_shared = (int)prop.sharedMemPerBlockOptin,
		.memory = prop.totalGlobalMem,
	};
	snprintf(f->name, sizeof(f->name), "%.*s", (int)sizeof(f->name) - 1, prop.name);
	return 0;
}

/* One GPU's line; returns whether it can be used. */
static int describe_device(struct buf *out, int device)
{
	struct device_facts f;
	struct tile_policy p;
	struct err err = {0};

	if (device_facts(device, &f, &err)) {
		buf_addf(out, "no CUDA %d: %s\n", device, err.text);
		return 0;
	}
	p = tile_policy(f.sm, f.memory, 0);
	if (p.variant == VARIANT_NONE) {
		buf_addf(out, "no CUDA %d: %s: capability %d.%d, expected 8.0 or newer\n",
			 device, f.name, f.sm / 10, f.sm % 10);
		return 0;
	}
	buf_addf(out,
		 "ok CUDA %d: %s, capability %d.%d, %d multiprocessors, %.1f GiB, %s "
		 "kernels%s%s\n",
		 device, f.name, f.sm / 10, f.sm % 10, f.n_sm,
		 (double)f.memory / (double)(UINT64_C(1) << 30),
		 p.variant == VARIANT_SM90A ? "sm_90a" : "general",
		 p.has_code ? "" : " (compiled by the driver when first used)",
		 p.has_run ? "" : ": compiled, never run on such a GPU");
	return 1;
}

static void describe_libraries(struct buf *out)
{
	int driver = 0;

	(void)cudaDriverGetVersion(&driver);
	buf_addf(out, "ok CUDA runtime %d.%d, driver for CUDA %d.%d\n",
		 major_of(CUDART_VERSION), minor_of(CUDART_VERSION), major_of(driver),
		 minor_of(driver));
	blaslt_describe(out);
	nccl_describe(out);
}

int cuda_describe(struct buf *out)
{
	struct err err = {0};
	int n = 0, n_ready = 0;

	if (device_count(&n, &err)) {
		buf_addf(out, "no CUDA: %s\n", err.text);
		return 0;
	}
	for (int i = 0; i < n; i++)
		n_ready += describe_device(out, i);
	if (n_ready)
		describe_libraries(out);
	return n_ready;
}

#define EXPORTED __attribute__((visibility("default")))

extern EXPORTED const struct backend_plugin dsv4chat_backend_plugin;
EXPORTED const struct backend_plugin dsv4chat_backend_plugin = {
	.abi = BACKEND_ABI,
	.backend_bytes = sizeof(struct backend),
	.ops_bytes = sizeof(struct ops),
	.name = "cuda",
	.open = cuda_open,
	.describe = cuda_describe,
};
