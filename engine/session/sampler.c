/* Sampling settings: their defaults, their ranges, and what comes of a choice. */
#include "engine/session/sampler.h"

struct sampling sampling_default(void)
{
	return (struct sampling){.temperature = 1.0, .top_p = 1.0};
}

int sampler_init(struct sample_how *how, const struct sampling *asked, int n_choice,
		 struct err *err)
{
	const struct {
		const char *name;
		double value, hi;
	} ranges[] = {
		{"temperature", asked->temperature, 1000.0},
		{"top_p", asked->top_p, 1.0},
		{"min_p", asked->min_p, 1.0},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (!(ranges[i].value >= 0 && ranges[i].value <= ranges[i].hi))
			return err_set(err, ERR_USAGE, "%s: found %g, expected 0 to %g",
				       ranges[i].name, ranges[i].value, ranges[i].hi);
	}
	if (asked->top_k < 0)
		return err_set(err, ERR_USAGE, "top_k: found %d, expected 0 or more",
			       asked->top_k);
	if (asked->max_tokens < 0)
		return err_set(err, ERR_USAGE, "max_tokens: found %lld, expected 0 or more",
			       (long long)asked->max_tokens);
	*how = (struct sample_how){
		.temperature = asked->temperature,
		.top_p = asked->top_p,
		.min_p = asked->min_p,
		.seed = asked->seed,
		.top_k = asked->top_k,
		.n_choice = n_choice,
	};
	return 0;
}

int sampler_take(const struct choice *c, int64_t position, token_id *chosen, struct err *err)
{
	if (c->id < 0)
		return err_set(err, ERR_MODEL,
			       "position %lld: the logit of token %d is %f, expected a finite "
			       "number",
			       (long long)position, c->bad, (double)c->logit);
	*chosen = c->id;
	return 0;
}
