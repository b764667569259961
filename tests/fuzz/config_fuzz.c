/* Any bytes as config.json. */
#include "engine/checkpoint/config.h"
#include "engine/checkpoint/weights.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t bytes[N_WEIGHT_KINDS];
	struct model_config cfg;
	struct err err = {0};

	if (model_config_parse((struct str){(const char *)data, size}, "config.json", &cfg, &err)) {
		/* A refusal names the file, on one line. */
		BUG_ON(err.code != ERR_MODEL && err.code != ERR_NOMEM);
		BUG_ON(err.text[0] == '\0');
		return 0;
	}
	/* Whatever is taken has sizes that can be summed; small ones, lest a run take minutes. */
	if ((int64_t)cfg.n_layers * cfg.n_experts >= 1000)
		return 0;
	for (int n = 1; n <= SHARD_MAX_RANKS; n *= 2) {
		struct shard shard;

		if (!shard_init(&shard, &cfg, n - 1, n, &err))
			BUG_ON(weights_measure(&cfg, &shard, bytes, &err) != 0);
	}
	return 0;
}
