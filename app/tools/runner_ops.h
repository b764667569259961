/*
 * What stands behind struct runner: each kind embeds it as its first member.
 */
#ifndef APP_TOOLS_RUNNER_OPS_H
#define APP_TOOLS_RUNNER_OPS_H

#include "app/tools/tools.h"

/* Each as the function of that name in tools.h has it. */
struct runner_ops {
	int (*fd)(const struct runner *r);
	int (*run)(struct runner *r, const struct job *j, uint64_t *id, struct err *err);
	void (*stop)(struct runner *r, uint64_t id);
	int (*next)(struct runner *r, struct job_news *n);
	enum sandbox_layer (*sandbox)(const struct runner *r, struct str *why);
	int (*restart)(struct runner *r, struct err *err);
	void (*close)(struct runner *r);
};

struct runner {
	const struct runner_ops *ops;
};

#endif
