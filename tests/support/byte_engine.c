/* The engine that the sessions' tests open, and what came of its turns. */
#include "tests/support/byte_engine.h"

#include <string.h>

#include "engine/base/jsonw.h"
#include "engine/base/utf8.h"
#include "engine/text/prompt.h"
#include "tests/support/ready_engine.h"

#define MODEL "tests/golden/pro-micro"

static const char *const controls[BYTE_ENGINE_CONTROLS] = {
	TOKEN_BOS,   TOKEN_EOS,       "<｜▁pad▁｜>", TOKEN_USER,    TOKEN_ASSISTANT,
	TOKEN_THINK, TOKEN_THINK_END, TOKEN_DSML,    "<｜title｜>",
};

const char *byte_engine_kept_in;

/* The printable stand-in that byte-level tokenizers write for a byte. */
static uint32_t byte_char(int byte)
{
	uint32_t next = 256;

	for (int b = 0; b < 256; b++) {
		bool shown = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
		uint32_t cp = shown ? (uint32_t)b : next++;

		if (b == byte)
			return cp;
	}
	return 0;
}

static void write_tokenizer(void)
{
	struct buf out = {0};
	struct jsonw w;

	buf_addz(&out,
		 "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, "
		 "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": []}, "
		 "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": "
		 "[{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\s+\"}, "
		 "\"behavior\": \"Isolated\", \"invert\": false}, "
		 "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
		 "\"trim_offsets\": true, \"use_regex\": false}]}, "
		 "\"post_processor\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
		 "\"trim_offsets\": false, \"use_regex\": true}, "
		 "\"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
		 "\"trim_offsets\": true, \"use_regex\": true}, \"added_tokens\": ");
	jsonw_init(&w, &out);
	jsonw_begin_array(&w);
	for (int i = 0; i < BYTE_ENGINE_CONTROLS; i++) {
		jsonw_begin_object(&w);
		jsonw_kv_int(&w, "id", i);
		jsonw_kv_string(&w, "content", str_of(controls[i]));
		jsonw_kv_bool(&w, "single_word", false);
		jsonw_kv_bool(&w, "lstrip", false);
		jsonw_kv_bool(&w, "rstrip", false);
		jsonw_kv_bool(&w, "normalized", false);
		jsonw_kv_bool(&w, "special", true);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	buf_addz(&out,
		 ", \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
		 "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, "
		 "\"fuse_unk\": false, \"byte_fallback\": false, \"vocab\": ");
	jsonw_init(&w, &out);
	jsonw_begin_object(&w);
	for (int i = 0; i < BYTE_ENGINE_CONTROLS; i++)
		jsonw_kv_int(&w, controls[i], i);
	for (int b = 0; b < 256; b++) {
		char utf8[4];
		size_t n = utf8_encode(byte_char(b), utf8);

		jsonw_key_str(&w, (struct str){utf8, n});
		jsonw_int(&w, BYTE_ENGINE_CONTROLS + b);
	}
	jsonw_end_object(&w);
	buf_addz(&out, ", \"merges\": []}}");
	assert_false(buf_failed(&out));
	tmpdir_write(&test_dir, "tokenizer.json", out.data, out.len);
	buf_release(&out);
}

int byte_engine_set_up(void **state)
{
	static const char *const files[] = {
		MODEL "/config.json",
		MODEL "/model.safetensors.index.json",
		MODEL "/model-00001-of-00003.safetensors",
		MODEL "/model-00002-of-00003.safetensors",
		MODEL "/model-00003-of-00003.safetensors",
	};

	tmpdir_set_up(state);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		tmpdir_copy(&test_dir, files[i]);
	write_tokenizer();
	return 0;
}

void turn_log_release(struct turn_log *log)
{
	buf_release(&log->thinking);
	buf_release(&log->text);
	free(log->ids);
	event_release(&log->last);
	*log = (struct turn_log){0};
}

struct engine *byte_engine_open(int64_t ctx)
{
	struct engine_config config = {
		.model_dir = test_dir.path,
		.backend = "cpu",
		.n_threads = 1,
		.ctx_tokens = ctx,
		.prefill_chunk = 16,
		.cache_dir = byte_engine_kept_in ? tmpdir_file(&test_dir, byte_engine_kept_in) : NULL,
		.cache_bytes = 1000000000,
	};

	return ready_engine_open(&config);
}

static void add_ids(struct turn_log *log, const struct event *ev)
{
	log->ids = realloc(log->ids, (log->n_ids + ev->n_ids) * sizeof(*log->ids));
	assert_non_null(log->ids);
	memcpy(log->ids + log->n_ids, ev->ids, ev->n_ids * sizeof(*ev->ids));
	log->n_ids += ev->n_ids;
}

bool turn_log_event(struct turn_log *log, struct event *ev)
{
	if (ev->kind == EV_THINKING || ev->kind == EV_TEXT || ev->kind == EV_CALL_TEXT)
		assert_true(utf8_valid(buf_str(&ev->text)));
	if (ev->kind == EV_THINKING)
		buf_adds(&log->thinking, buf_str(&ev->text));
	if (ev->kind == EV_TEXT)
		buf_adds(&log->text, buf_str(&ev->text));
	if (ev->kind == EV_TOKENS)
		add_ids(log, ev);
	if (ev->kind == EV_PREFILL) {
		log->n_prefill++;
		log->prefill_done = ev->progress;
		log->prefill_all = ev->progress_all;
	}
	if (ev->kind != EV_DONE && ev->kind != EV_ERROR)
		return false;
	log->last = *ev;
	*ev = (struct event){0};
	return true;
}

uint64_t turn_submit(struct engine *e, const struct turn_request *req)
{
	struct err err = {0};
	uint64_t turn = 0;

	if (e->ops->submit(e, req, &turn, &err))
		fail_msg("%s", err.text);
	return turn;
}

void turn_finish(struct engine *e, uint64_t turn, struct turn_log *log)
{
	bool over = false;

	while (!over) {
		struct event ev;

		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		assert_int_equal(ev.turn, turn);
		over = turn_log_event(log, &ev);
		event_release(&ev);
	}
}

void turn_play(struct engine *e, const struct turn_request *req, struct turn_log *log)
{
	turn_finish(e, turn_submit(e, req), log);
}

void turn_play_well(struct engine *e, const struct turn_request *req, struct turn_log *log)
{
	turn_play(e, req, log);
	if (log->last.kind == EV_ERROR)
		fail_msg("%s", log->last.err.text);
}

const struct chat_message byte_engine_question[1] = {
	{.role = CHAT_USER, .content = {"What is the capital of France?", 30}},
};

struct turn_request byte_engine_ask(int64_t max_tokens)
{
	return (struct turn_request){
		.chat = {.messages = byte_engine_question,
			 .n_messages = 1,
			 .effort = EFFORT_LOW,
			 .drop_thinking = true},
		.sampling = {.temperature = 1,
			     .top_p = 1,
			     .seed = 42,
			     .max_tokens = max_tokens},
	};
}
