/* What went wrong on the GPU, in one line that says where. */
#include "kernels/cuda/cuda.h"

#include <stdarg.h>
#include <stdio.h>

/* Errors behind which nothing of this program runs on the device any more. */
static int is_lost(cudaError_t rc)
{
	static const cudaError_t lost[] = {
		cudaErrorIllegalAddress,      cudaErrorLaunchFailure,
		cudaErrorLaunchTimeout,       cudaErrorECCUncorrectable,
		cudaErrorHardwareStackError,  cudaErrorIllegalInstruction,
		cudaErrorMisalignedAddress,   cudaErrorInvalidAddressSpace,
		cudaErrorInvalidPc,           cudaErrorAssert,
		cudaErrorNvlinkUncorrectable, cudaErrorUnknown,
	};

	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		if (rc == lost[i])
			return 1;
	}
	return 0;
}

int cuda_fail(cudaError_t rc, const char *what, struct err *err)
{
	if (rc == cudaSuccess)
		return 0;
	/* What is not sticky must not be found again by the next launch's check. */
	(void)cudaGetLastError();
	if (rc == cudaErrorMemoryAllocation)
		return err_set(err, ERR_NOMEM, "cuda: %s: out of GPU memory", what);
	return err_set(err, ERR_MODEL, "cuda: %s: %s (%s)%s", what, cudaGetErrorString(rc),
		       cudaGetErrorName(rc),
		       is_lost(rc) ? ": the GPU is lost to this program, start it again" : "");
}

int cuda_check_launch(struct cuda *c, const char *op, struct err *err)
{
	(void)c;
	return cuda_fail(cudaGetLastError(), op, err);
}

int cuda_refuse(struct err *err, const char *op, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, ERR_MODEL, "cuda %s: %s", op, text);
}
