/* Sampling settings: which make sense, and what a choice without one comes to. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/session/sampler.h"

static void settings_that_make_no_sense_are_named(void **state)
{
	static const struct {
		struct sampling how;
		const char *text;
	} cases[] = {
		{{.temperature = -1, .top_p = 1}, "temperature: found -1, expected 0 to 1000"},
		{{.temperature = NAN, .top_p = 1},
		 "temperature: found nan, expected 0 to 1000"},
		{{.temperature = 1, .top_p = 1.5}, "top_p: found 1.5, expected 0 to 1"},
		{{.temperature = 1, .top_p = 1, .min_p = -0.1},
		 "min_p: found -0.1, expected 0 to 1"},
		{{.temperature = 1, .top_p = 1, .top_k = -3},
		 "top_k: found -3, expected 0 or more"},
		{{.temperature = 1, .top_p = 1, .max_tokens = -3},
		 "max_tokens: found -3, expected 0 or more"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sample_how how;
		struct err err = {0};

		assert_int_equal(sampler_init(&how, &cases[i].how, 10, &err), ERR_USAGE);
		assert_string_equal(err.text, cases[i].text);
	}
}

static void every_setting_reaches_the_operation(void **state)
{
	const struct sampling asked = {.temperature = 0.5,
				       .top_p = 0.25,
				       .min_p = 0.125,
				       .top_k = 7,
				       .seed = 1ull << 60};
	struct sample_how how;
	struct err err = {0};

	(void)state;
	assert_int_equal(sampler_init(&how, &asked, 1234, &err), 0);
	assert_true(how.temperature == 0.5 && how.top_p == 0.25 && how.min_p == 0.125);
	assert_int_equal(how.top_k, 7);
	assert_int_equal(how.n_choice, 1234);
	assert_true(how.seed == 1ull << 60);
}

static void a_choice_that_was_none_is_an_error(void **state)
{
	const struct choice bad = {.id = -1, .bad = 31, .logit = -INFINITY};
	const struct choice good = {.id = 5, .bad = -1};
	struct err err = {0};
	token_id id = -7;

	(void)state;
	assert_int_equal(sampler_take(&bad, 17, &id, &err), ERR_MODEL);
	assert_string_equal(err.text, "position 17: the logit of token 31 is -inf, expected a "
				      "finite number");
	assert_int_equal(id, -7);
	assert_int_equal(sampler_take(&good, 17, &id, &err), 0);
	assert_int_equal(id, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_that_make_no_sense_are_named),
		cmocka_unit_test(every_setting_reaches_the_operation),
		cmocka_unit_test(a_choice_that_was_none_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
