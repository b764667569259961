/* A turn's usage, as JSON the same in every event and answer that has it. */
#include "app/usage.h"

/* By place in the draft: [drafted, accepted]; the last ones that nothing was drafted at are not
 * there. */
static void write_places(struct jsonw *w, const struct turn_usage *u)
{
	jsonw_key(w, "drafts");
	jsonw_begin_array(w);
	for (int i = 0; i < USAGE_PLACES && u->drafted_at[i]; i++) {
		jsonw_begin_array(w);
		jsonw_int(w, u->drafted_at[i]);
		jsonw_int(w, u->accepted_at[i]);
		jsonw_end_array(w);
	}
	jsonw_end_array(w);
}

void usage_write(struct jsonw *w, const struct turn_usage *u)
{
	jsonw_key(w, "usage");
	jsonw_begin_object(w);
	jsonw_kv_int(w, "prompt_tokens", u->prompt_tokens);
	jsonw_kv_int(w, "cached_tokens", u->cached_tokens);
	jsonw_kv_int(w, "disk_tokens", u->disk_tokens);
	jsonw_kv_int(w, "disk_ms", u->disk_ms);
	jsonw_kv_int(w, "thinking_tokens", u->thinking_tokens);
	jsonw_kv_int(w, "output_tokens", u->output_tokens);
	jsonw_kv_int(w, "steps", u->steps);
	jsonw_kv_int(w, "drafted", u->drafted);
	jsonw_kv_int(w, "accepted", u->accepted);
	if (u->drafted)
		write_places(w, u);
	if (u->chosen_experts) {
		jsonw_kv_int(w, "chosen_experts", u->chosen_experts);
		jsonw_kv_int(w, "hosted_experts", u->hosted_experts);
	}
	jsonw_kv_int(w, "prefill_ms", u->prefill_ms);
	jsonw_kv_int(w, "decode_ms", u->decode_ms);
	jsonw_kv_int(w, "ms", u->total_ms);
	jsonw_end_object(w);
}

static void add_share(struct buf *out, const char *verb, int64_t n, int64_t of)
{
	buf_addf(out, "%s ", verb);
	buf_add_count(out, n);
	buf_addz(out, " of ");
	buf_add_count(out, of);
	buf_addz(out, " tokens");
}

void usage_add_price(struct buf *out, int64_t reads, int64_t of)
{
	add_share(out, "reads", reads, of);
}

void usage_add_reading(struct buf *out, const struct turn_usage *u)
{
	add_share(out, "read", u->prompt_tokens - u->cached_tokens, u->prompt_tokens);
	if (!u->disk_tokens)
		return;
	buf_addz(out, ", restored ");
	buf_add_count(out, u->disk_tokens);
	buf_addf(out, " tokens from disk in %lld ms", (long long)u->disk_ms);
}
