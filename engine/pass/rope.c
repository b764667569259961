/*
 * Rotary frequencies.  Plain: theta^(-2i/64).  YaRN ("YaRN: Efficient Context
 * Window Extension of Large Language Models", Peng et al. 2023): between the
 * dimensions that turn beta_fast and beta_slow times within the original
 * context, a linear ramp from the plain frequency to the one divided by factor;
 * no magnitude scaling.
 *
 * Frequencies are float32 numbers, as they were when the model was trained: in
 * double they would be others, and at a million positions the angles with them.
 */
#include <math.h>

#include "engine/pass/model_internal.h"

static double ramp_dim(double turns, double original, double theta)
{
	return ROPE_DIM * log(original / (2 * M_PI * turns)) / (2 * log(theta));
}

void rope_frequencies(const struct model_config *cfg, enum rope_kind kind, double out[32])
{
	double theta = kind == ROPE_PLAIN ? cfg->rope_theta : cfg->compress_rope_theta;
	double low = floor(ramp_dim(cfg->yarn.beta_fast, cfg->yarn.original, theta));
	double high = ceil(ramp_dim(cfg->yarn.beta_slow, cfg->yarn.original, theta));

	low = fmin(fmax(low, 0), ROPE_DIM - 1);
	high = fmin(fmax(high, 0), ROPE_DIM - 1);
	if (high <= low)
		high = low + 0.001; /* a step instead of a ramp, without dividing by zero */
	for (int i = 0; i < ROPE_DIM / 2; i++) {
		float f = (float)pow(theta, -2.0 * i / ROPE_DIM);
		float keep = 1 - (float)fmin(fmax((i - low) / (high - low), 0), 1);

		if (kind == ROPE_YARN)
			f = f / (float)cfg->yarn.factor * (1 - keep) + f * keep;
		out[i] = (double)f;
	}
}
