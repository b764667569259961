/*
 * A plug-in that is none: as small as one can be, to see what the program makes of it.
 * Compiled once for each KIND, which says what is wrong with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ops.h"

enum kind {
	RIGHT,
	NO_DEVICE,     /* opens, but there is nothing that it could work on */
	OTHER_ABI,
	OTHER_BACKEND, /* its struct backend is of another size             */
	OTHER_OPS,     /* its struct ops is                                 */
	OTHER_NAME,
	OTHER_LIBRARY, /* without the symbol: SYMBOL is given, too          */
};

struct fake {
	struct backend base;
	char name[64];
};

static void caps(const struct backend *be, struct backend_caps *c)
{
	*c = (struct backend_caps){.act_bytes = 2, .max_rows = 16, .prefill_rows = 16};
	memcpy(c->name, ((const struct fake *)(const void *)be)->name, sizeof(c->name));
}

static void close_fake(struct backend *be)
{
	free(be);
}

static int open_fake(struct backend **out, const struct backend_options *o, struct err *err)
{
	struct fake *f;

	if (KIND == NO_DEVICE)
		return err_set(err, ERR_MODEL, "nothing to compute with");
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_nomem(err, "fake", sizeof(*f));
	f->base.caps = caps;
	f->base.close = close_fake;
	snprintf(f->name, sizeof(f->name), "fake %s %s %d", o->kernels ? o->kernels : "-",
		 o->experts ? o->experts : "-", o->device);
	*out = &f->base;
	return 0;
}

static int describe(struct buf *out)
{
	buf_addz(out, KIND == NO_DEVICE ? "no CUDA: nothing to compute with\n"
					: "ok CUDA 0: fake\n");
	return KIND != NO_DEVICE;
}

#define EXPORTED __attribute__((visibility("default")))

#if defined(SYMBOL)
#define dsv4chat_backend_plugin SYMBOL
#endif

extern EXPORTED const struct backend_plugin dsv4chat_backend_plugin;
EXPORTED const struct backend_plugin dsv4chat_backend_plugin = {
	.abi = BACKEND_ABI + (KIND == OTHER_ABI),
	.backend_bytes = sizeof(struct backend) + 8 * (KIND == OTHER_BACKEND),
	.ops_bytes = sizeof(struct ops) - 8 * (KIND == OTHER_OPS),
	.name = KIND == OTHER_NAME ? "opencl" : "cuda",
	.open = open_fake,
	.describe = describe,
};
