/*
 * Who computes experts on the host, as a plan has it: a backend that hosts experts is played by
 * the CPU's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/checkpoint/plan.h"
#include "engine/pass/model.h"
#include "tests/support/golden.h"

static void (*cpu_caps)(const struct backend *be, struct backend_caps *caps);

static void caps_with_hosting(const struct backend *be, struct backend_caps *caps)
{
	cpu_caps(be, caps);
	caps->hosts_experts = 1;
}

static int n_lent, lending_fails;

static int compute_hosted(struct backend *be, struct backend *cpu, struct err *err)
{
	assert_true(be != cpu);
	n_lent++;
	cpu->close(cpu);
	return lending_fails ? err_set(err, ERR_NOMEM, "none of it, says the test") : 0;
}

/* So many of each layer's experts are on the device. */
static struct model_options options(const char *hosting, int gpu_experts, bool computes)
{
	const struct backend_options one = {.n_threads = 1};
	struct model_options opt = {.dir = GOLDEN,
				    .n_threads = 1,
				    .ctx_tokens = 1024,
				    .hosting = hosting,
				    .gpu_experts = gpu_experts};
	struct err err;

	if (backend_open_cpu(&opt.be, &one, &err))
		fail_msg("%s", err.text);
	cpu_caps = opt.be->caps;
	opt.be->caps = caps_with_hosting;
	opt.be->compute_hosted = computes ? compute_hosted : NULL;
	n_lent = lending_fails = 0;
	return opt;
}

static int plan(struct memory_plan *p, const char *hosting, int gpu_experts, bool computes,
		struct err *err)
{
	const struct model_options opt = options(hosting, gpu_experts, computes);
	int rc = model_plan(&opt, p, err);

	assert_int_equal(n_lent, 0);
	return rc;
}

static void who_computes_is_measured_or_said(void **state)
{
	struct memory_plan p;
	struct err err;

	(void)state;
	assert_int_equal(plan(&p, NULL, 3, true, &err), 0);
	assert_int_equal(p.n_hosted, p.n_experts - 3);
	assert_true(p.rates.own > 0 && p.rates.bus > 0 && p.rates.cpu > 0);
	assert_int_equal(p.hosting, plan_hosting(HOSTING_AUTO, &p.rates));
	assert_true(plan_step_s(&p) > 0);
	assert_int_equal(plan(&p, "cpu", 3, true, &err), 0);
	assert_int_equal(p.hosting, HOSTING_COMPUTED);
	assert_true(p.staged > 0 && p.staged < p.expert);
	assert_int_equal(plan(&p, "host", 3, true, &err), 0);
	assert_int_equal(p.hosting, HOSTING_READ);
	assert_true(p.rates.cpu == 0 && p.staged == 0);
	assert_int_equal(plan(&p, "auto", 3, false, &err), 0);
	assert_int_equal(p.hosting, HOSTING_READ);
}

static void the_device_alone_is_measured_where_all_are_on_it(void **state)
{
	static const char *const all[] = {NULL, "auto", "gpu", "host", "cpu"};
	struct memory_plan p;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(plan(&p, all[i], 0, true, &err), 0);
		assert_int_equal(p.n_hosted, 0);
		assert_true(p.rates.own > 0 && p.rates.bus == 0 && p.rates.cpu == 0);
		assert_true(plan_step_s(&p) > 0 && plan_chunk_s(&p) == 0);
	}
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct memory_plan p;
	struct err err;

	(void)state;
	assert_int_equal(plan(&p, "gpu", 3, true, &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "gpu-experts: 3 of "));
	assert_int_equal(plan(&p, "bus", 0, true, &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "\"bus\", expected auto, gpu, host or cpu"));
	assert_int_equal(plan(&p, "cpu", 3, false, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "experts: cpu"));
}

static void what_computes_them_is_lent_when_the_model_is_opened(void **state)
{
	struct model_options opt = options("cpu", 3, true);
	struct model *m;
	struct err err;

	(void)state;
	assert_int_equal(model_open(&m, &opt, &err), 0);
	assert_int_equal(n_lent, 1);
	assert_true(model_n_hosted(m) > 0);
	model_close(m);
	opt = options("host", 3, true);
	assert_int_equal(model_open(&m, &opt, &err), 0);
	assert_int_equal(n_lent, 0);
	model_close(m);
	opt = options("cpu", 3, true);
	lending_fails = 1;
	assert_int_equal(model_open(&m, &opt, &err), ERR_NOMEM);
	assert_string_equal(err.text, "none of it, says the test");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_computes_is_measured_or_said),
		cmocka_unit_test(the_device_alone_is_measured_where_all_are_on_it),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(what_computes_them_is_lent_when_the_model_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
