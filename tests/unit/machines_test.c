/*
 * What the plan makes of Flash on machines that there are: a GPU of so much memory, a host of
 * so much.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/checkpoint/plan.h"
#include "engine/pass/model.h"
#include "kernels/backend.h"

#define GB           1000000000ull
#define FLASH_LAYERS 43

static void (*cpu_caps)(const struct backend *be, struct backend_caps *caps);
static uint64_t gpu_bytes;

static void caps(const struct backend *be, struct backend_caps *c)
{
	cpu_caps(be, c);
	c->hosts_experts = 1;
	c->act_bytes = 2;
	c->max_rows = 2048;
	c->prefill_rows = 1024;
}

static uint64_t memory_free(const struct backend *be)
{
	(void)be;
	return gpu_bytes;
}

static int measured(struct backend *be, dbuf p, size_t bytes, struct err *err)
{
	(void)be;
	(void)p;
	(void)bytes;
	(void)err;
	return 0;
}

/* The CPU, taken for a GPU that has so much free; a model's to close. */
static struct backend *open_gpu(uint64_t bytes)
{
	const struct backend_options one = {.n_threads = 1};
	struct backend *be;
	struct err err;

	if (backend_open_cpu(&be, &one, &err))
		fail_msg("%s", err.text);
	cpu_caps = be->caps;
	be->caps = caps;
	be->memory_free = memory_free;
	be->read = measured;
	gpu_bytes = bytes;
	return be;
}

/* Flash, all of it on a GPU of any size: what its parts need. */
static struct memory_plan flash(void)
{
	struct model_options opt = {.dummy = "flash", .n_threads = 1, .hosting = "gpu"};
	struct memory_plan p;
	struct err err;

	opt.be = open_gpu(1000 * GB);
	if (model_plan(&opt, &p, &err))
		fail_msg("%s", err.text);
	return p;
}

/* The same on a machine, with the rates of an RTX 4090 and eight channels of DDR5. */
static struct memory_plan on(const struct memory_plan *all, uint64_t gpu, uint64_t host)
{
	struct memory_plan p = *all;

	p.hosting = HOSTING_AUTO;
	p.available = gpu * GB;
	p.host_available = host * GB;
	p.reserve = (uint64_t)1 << 30;
	p.rates = (struct hosting_rates){1e12, 25e9, 60e9};
	plan_host_experts(&p);
	if (p.n_hosted)
		plan_choose_hosting(&p, HOSTING_AUTO, p.expert / FLASH_LAYERS);
	if (plan_ctx_that_fits(&p))
		p.ctx_tokens = plan_ctx_that_fits(&p);
	return p;
}

/* What a GPU leaves free of its memory, and a host: GB, some of it gone. */
static void each_machine_is_told_how_flash_fits(void **state)
{
	static const struct {
		uint64_t gpu, host;
		int n_hosted; /* of 256; -1: refused */
		enum hosted_by by;
		int64_t ctx;  /* at least */
		double per_s; /* tokens, at most; so it is told */
		const char *refusal;
	} cases[] = {
		{15, 250, 255, HOSTING_READ, 32 << 10, 6.9, NULL},
		{23, 250, 254, HOSTING_COMPUTED, 1 << 20, 15.4, NULL},
		{23, 120, -1, HOSTING_AUTO, 0, 0, "of the host's memory for experts would do"},
		{23, 60, -1, HOSTING_AUTO, 0, 0, "there are 60.0 GB"},
		{11, 250, -1, HOSTING_AUTO, 0, 0, "the least is 13."},
		{47, 250, 211, HOSTING_COMPUTED, 1 << 20, 18.1, NULL},
		{47, 120, 208, HOSTING_COMPUTED, 256 << 10, 18.3, NULL},
		{47, 60, -1, HOSTING_AUTO, 0, 0, "of the host's memory for experts would do"},
		{79, 120, 154, HOSTING_COMPUTED, 1 << 20, 23.6, NULL},
		{79, 60, -1, HOSTING_AUTO, 0, 0, "of the host's memory for experts would do"},
		{139, 60, 47, HOSTING_COMPUTED, 1 << 20, 54.5, NULL},
		{139, 30, 47, HOSTING_COMPUTED, 1 << 20, 54.5, NULL},
		{190, 30, 0, HOSTING_AUTO, 1 << 20, 89.0, NULL},
	};
	const struct memory_plan all = flash();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct memory_plan p = on(&all, cases[i].gpu, cases[i].host);
		struct err err = {0};
		int rc = plan_check(&p, &err);

		if (cases[i].n_hosted < 0) {
			assert_int_equal(rc, ERR_MODEL);
			if (!strstr(err.text, cases[i].refusal))
				fail_msg("%s", err.text);
			continue;
		}
		if (rc)
			fail_msg("%s", err.text);
		assert_int_equal(p.n_hosted, cases[i].n_hosted);
		assert_int_equal(p.hosting, cases[i].by);
		assert_true(p.ctx_tokens >= cases[i].ctx);
		if (fabs(1 / plan_step_s(&p) - cases[i].per_s) > 0.06)
			fail_msg("%d + %d GB: %.2f tokens/s", (int)cases[i].gpu,
				 (int)cases[i].host, 1 / plan_step_s(&p));
	}
}

/* A context that somebody wants is not cut for the sake of speed, and not cut at all. */
static void a_context_that_is_told_stays(void **state)
{
	struct memory_plan all = flash(), p;
	struct err err = {0};

	(void)state;
	all.ctx_told = true;
	p = on(&all, 47, 120);
	assert_int_equal(p.hosting, HOSTING_READ);
	assert_int_equal(p.ctx_tokens, 1 << 20);
	assert_int_equal(plan_check(&p, &err), 0);
}

static void several_gpus_are_proposed_where_one_is_too_small(void **state)
{
	struct model_options opt = {.dummy = "flash", .n_threads = 1, .hosting = "gpu"};
	struct memory_plan p;
	struct err err;

	(void)state;
	opt.be = open_gpu(79 * GB);
	opt.ctx_tokens = 65536;
	assert_int_equal(model_plan(&opt, &p, &err), 0);
	assert_int_equal(plan_check(&p, &err), ERR_MODEL);
	if (!strstr(err.text, "4 such GPUs would do (--ranks 4)"))
		fail_msg("%s", err.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_machine_is_told_how_flash_fits),
		cmocka_unit_test(a_context_that_is_told_stays),
		cmocka_unit_test(several_gpus_are_proposed_where_one_is_too_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
