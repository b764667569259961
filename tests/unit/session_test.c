/*
 * The real engine on a model of random weights (tests/golden/pro-micro) and a
 * tokenizer of single bytes, made here.  What it says means nothing, but it says
 * the same each time, in broken UTF-8 and stray control tokens.
 */
#include "tests/support/shared_files.h"

#include <string.h>
#include <unistd.h>

#include "engine/base/jsonw.h"
#include "engine/base/utf8.h"
#include "engine/engine.h"
#include "engine/store/kvdir.h"
#include "engine/text/prompt.h"
#include "tests/support/tmpdir.h"

#define MODEL "tests/golden/pro-micro"

enum { ID_EOS = 1, ID_THINK = 5, ID_THINK_END = 6, N_CONTROL = 9 };

static const char *const controls[N_CONTROL] = {
	TOKEN_BOS,   TOKEN_EOS,       "<｜▁pad▁｜>", TOKEN_USER,    TOKEN_ASSISTANT,
	TOKEN_THINK, TOKEN_THINK_END, TOKEN_DSML,    "<｜title｜>",
};

static struct tmpdir dir;
static const char *kept_in; /* a folder there that engines share; NULL: nothing outlives them */

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
	for (int i = 0; i < N_CONTROL; i++) {
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
	for (int i = 0; i < N_CONTROL; i++)
		jsonw_kv_int(&w, controls[i], i);
	for (int b = 0; b < 256; b++) {
		char utf8[4];
		size_t n = utf8_encode(byte_char(b), utf8);

		jsonw_key_str(&w, (struct str){utf8, n});
		jsonw_int(&w, N_CONTROL + b);
	}
	jsonw_end_object(&w);
	buf_addz(&out, ", \"merges\": []}}");
	assert_false(buf_failed(&out));
	tmpdir_write(&dir, "tokenizer.json", out.data, out.len);
	buf_release(&out);
}

static int make_model(void **state)
{
	static const char *const files[] = {
		MODEL "/config.json",
		MODEL "/model.safetensors.index.json",
		MODEL "/model-00001-of-00003.safetensors",
		MODEL "/model-00002-of-00003.safetensors",
		MODEL "/model-00003-of-00003.safetensors",
	};

	(void)state;
	tmpdir_init(&dir);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		tmpdir_copy(&dir, files[i]);
	write_tokenizer();
	return 0;
}

static int remove_model(void **state)
{
	(void)state;
	tmpdir_release(&dir);
	return 0;
}

/* What came of one turn. */
struct turn_log {
	struct buf thinking, text;
	token_id *ids;
	size_t n_ids;
	struct event last;
	int n_prefill;
	uint64_t prefill_done, prefill_all;
};

static void log_release(struct turn_log *log)
{
	buf_release(&log->thinking);
	buf_release(&log->text);
	free(log->ids);
	event_release(&log->last);
	*log = (struct turn_log){0};
}

static struct engine *open_model(int64_t ctx)
{
	struct engine_config config = {
		.model_dir = dir.path,
		.backend = "cpu",
		.n_threads = 1,
		.ctx_tokens = ctx,
		.prefill_chunk = 16,
		.cache_dir = kept_in ? tmpdir_file(&dir, kept_in) : NULL,
		.cache_bytes = 1000000000,
	};
	struct engine *e;
	struct event ev;
	struct err err = {0};

	if (engine_open(&e, &config, &err))
		fail_msg("%s", err.text);
	for (;;) {
		enum event_kind kind;

		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		kind = ev.kind;
		if (kind == EV_ERROR)
			fail_msg("%s", ev.err.text);
		event_release(&ev);
		if (kind == EV_READY)
			return e;
		assert_int_equal(kind, EV_LOAD);
	}
}

static void add_ids(struct turn_log *log, const struct event *ev)
{
	log->ids = realloc(log->ids, (log->n_ids + ev->n_ids) * sizeof(*log->ids));
	assert_non_null(log->ids);
	memcpy(log->ids + log->n_ids, ev->ids, ev->n_ids * sizeof(*ev->ids));
	log->n_ids += ev->n_ids;
}

static bool log_event(struct turn_log *log, struct event *ev)
{
	if (ev->kind == EV_THINKING || ev->kind == EV_TEXT)
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

static uint64_t submit(struct engine *e, const struct turn_request *req)
{
	struct err err = {0};
	uint64_t turn = 0;

	if (e->ops->submit(e, req, &turn, &err))
		fail_msg("%s", err.text);
	return turn;
}

static void finish_turn(struct engine *e, uint64_t turn, struct turn_log *log)
{
	bool over = false;

	while (!over) {
		struct event ev;

		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		assert_int_equal(ev.turn, turn);
		over = log_event(log, &ev);
		event_release(&ev);
	}
}

static void play(struct engine *e, const struct turn_request *req, struct turn_log *log)
{
	finish_turn(e, submit(e, req), log);
}

static void play_well(struct engine *e, const struct turn_request *req, struct turn_log *log)
{
	play(e, req, log);
	if (log->last.kind == EV_ERROR)
		fail_msg("%s", log->last.err.text);
}

static const struct chat_message question[] = {
	{.role = CHAT_USER, .content = {"What is the capital of France?", 30}},
};

static struct turn_request ask(int64_t max_tokens)
{
	return (struct turn_request){
		.chat = {.messages = question,
			 .n_messages = 1,
			 .effort = EFFORT_LOW,
			 .drop_thinking = true},
		.sampling = {.temperature = 1,
			     .top_p = 1,
			     .seed = 42,
			     .max_tokens = max_tokens},
	};
}

static void the_info_says_what_was_loaded(void **state)
{
	struct engine *e = open_model(256);
	const struct engine_info *info = e->ops->info(e);

	(void)state;
	assert_non_null(info);
	assert_int_equal(info->vocab, 320);
	assert_int_equal(info->ctx_tokens, 256);
	assert_int_equal(strlen(info->identity), 35);
	assert_true(info->has_title_task);
	assert_true(info->weight_bytes > 1000000);
	assert_string_equal(info->model_name, strrchr(dir.path, '/') + 1);
	e->ops->close(e);
}

static void a_seed_reproduces_a_turn_and_another_does_not(void **state)
{
	struct engine *e = open_model(512);
	struct turn_request req = ask(40);
	struct turn_log a = {0}, b = {0}, c = {0};

	(void)state;
	play_well(e, &req, &a);
	play_well(e, &req, &b);
	req.sampling.seed = 43;
	play_well(e, &req, &c);
	assert_int_equal(a.last.stop, STOP_LENGTH);
	assert_int_equal(a.n_ids, 41);
	assert_int_equal(a.ids[0], ID_THINK);
	assert_int_equal(a.last.usage.output_tokens, 40);
	assert_int_equal(a.prefill_done, a.prefill_all);
	assert_int_equal(a.last.usage.cached_tokens, 0);
	assert_int_equal(b.n_ids, a.n_ids);
	assert_memory_equal(a.ids, b.ids, a.n_ids * sizeof(token_id));
	assert_string_equal(buf_z(&a.thinking), buf_z(&b.thinking));
	assert_memory_not_equal(a.ids, c.ids, a.n_ids * sizeof(token_id));
	log_release(&a);
	log_release(&b);
	log_release(&c);
	e->ops->close(e);
}

static void the_next_turn_computes_only_what_is_new(void **state)
{
	struct engine *e = open_model(512);
	struct turn_request req = ask(20);
	struct turn_log first = {0}, warm = {0}, cold = {0};
	struct chat_message messages[3];

	(void)state;
	req.chat.effort = EFFORT_NONE;
	play_well(e, &req, &first);
	messages[0] = question[0];
	messages[1] = (struct chat_message){.role = CHAT_ASSISTANT,
					    .ids = first.ids,
					    .n_ids = first.n_ids,
					    .content = buf_str(&first.text)};
	messages[2] =
		(struct chat_message){.role = CHAT_USER, .content = STR_LIT("And Spain?")};
	req.chat.messages = messages;
	req.chat.n_messages = 3;
	play_well(e, &req, &warm);
	/* All of the first turn but its last id, which was chosen and not fed. */
	assert_int_equal(warm.last.usage.cached_tokens,
			 first.last.usage.prompt_tokens + first.last.usage.output_tokens - 1);
	assert_int_equal(warm.prefill_all,
			 warm.last.usage.prompt_tokens - warm.last.usage.cached_tokens);
	e->ops->close(e);
	e = open_model(512);
	play_well(e, &req, &cold);
	assert_int_equal(cold.last.usage.cached_tokens, 0);
	assert_int_equal(cold.n_ids, warm.n_ids);
	assert_memory_equal(cold.ids, warm.ids, cold.n_ids * sizeof(token_id));
	log_release(&first);
	log_release(&warm);
	log_release(&cold);
	e->ops->close(e);
}

/* A conversation for the tests below; messages point into the log of its first answer. */
struct talk {
	struct engine *e;
	struct turn_log first;
	struct chat_message messages[4];
	struct turn_request req;
	int64_t asked; /* ids of the first prompt up to <｜Assistant｜> */
};

static void talk_begin(struct talk *k, enum chat_effort effort, int64_t n_out)
{
	*k = (struct talk){.e = open_model(4096), .req = ask(n_out)};
	k->req.chat.effort = effort;
	play_well(k->e, &k->req, &k->first);
	k->asked = k->first.last.usage.prompt_tokens - 1;
	k->messages[0] = question[0];
	k->messages[1] = (struct chat_message){.role = CHAT_ASSISTANT,
					       .ids = k->first.ids,
					       .n_ids = k->first.n_ids,
					       .reasoning = buf_str(&k->first.thinking),
					       .content = buf_str(&k->first.text)};
	k->messages[2] =
		(struct chat_message){.role = CHAT_USER, .content = STR_LIT("And Spain?")};
	k->req.chat.messages = k->messages;
	k->req.chat.n_messages = 3;
}

static void talk_end(struct talk *k)
{
	log_release(&k->first);
	k->e->ops->close(k->e);
}

/* The next turn answers what a fresh engine answers, and finds so many tokens again. */
static void is_answered_like_fresh(struct talk *k, int64_t cached)
{
	struct turn_log warm = {0}, cold = {0};
	struct engine *fresh = open_model(4096);

	play_well(k->e, &k->req, &warm);
	play_well(fresh, &k->req, &cold);
	assert_int_equal(warm.last.usage.cached_tokens, cached);
	assert_int_equal(warm.prefill_all, warm.last.usage.prompt_tokens - cached);
	assert_int_equal(cold.last.usage.cached_tokens, 0);
	assert_int_equal(warm.n_ids, cold.n_ids);
	assert_memory_equal(warm.ids, cold.ids, cold.n_ids * sizeof(token_id));
	assert_string_equal(buf_z(&warm.text), buf_z(&cold.text));
	log_release(&warm);
	log_release(&cold);
	fresh->ops->close(fresh);
}

static void an_answer_made_anew_computes_one_id_of_its_prompt(void **state)
{
	static const int64_t n_out[] = {1, 8, 9, 30, 60};

	(void)state;
	for (size_t i = 0; i < sizeof(n_out) / sizeof(n_out[0]); i++) {
		struct talk k;

		talk_begin(&k, EFFORT_LOW, n_out[i]);
		assert_int_equal(k.first.last.stop, STOP_LENGTH);
		k.req.chat.n_messages = 1;
		k.req.sampling.seed++;
		k.req.sampling.max_tokens = 30;
		is_answered_like_fresh(&k, k.asked);
		k.req.sampling.seed--;
		is_answered_like_fresh(&k, k.asked);
		talk_end(&k);
	}
}

static void thinking_that_is_dropped_leaves_what_was_asked_in_place(void **state)
{
	struct talk k;

	(void)state;
	talk_begin(&k, EFFORT_LOW, 150);
	k.messages[1].content = STR_LIT("It is Paris.");
	k.req.sampling.max_tokens = 20;
	is_answered_like_fresh(&k, k.asked);
	/* The same with another effort: what the answer is opened with differs too. */
	k.req.chat.effort = EFFORT_NONE;
	is_answered_like_fresh(&k, k.asked + 1 + 12 + 1 + 1 + 10 + 1);
	talk_end(&k);
}

static void a_changed_message_is_read_from_the_answer_before_it(void **state)
{
	struct talk k;
	int64_t end;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	end = k.first.last.usage.prompt_tokens + k.first.last.usage.output_tokens - 1;
	k.req.sampling.max_tokens = 20;
	is_answered_like_fresh(&k, end);
	k.messages[2].content = STR_LIT("And Portugal?");
	is_answered_like_fresh(&k, end);
	/* and the first one from nothing, since nothing is before it */
	k.messages[0].content = STR_LIT("What is the capital of Spain?");
	k.req.chat.n_messages = 1;
	is_answered_like_fresh(&k, 0);
	talk_end(&k);
}

static void a_title_costs_the_conversation_nothing(void **state)
{
	(void)state;
	for (int effort = EFFORT_NONE; effort <= EFFORT_LOW; effort++) {
		struct talk plain, titled;
		struct turn_request title;
		struct turn_log name = {0}, log = {0};
		int64_t end;

		talk_begin(&plain, effort, 60);
		talk_begin(&titled, effort, 60);
		end = plain.first.last.usage.prompt_tokens + 59;
		title = titled.req;
		title.chat.n_messages = 2;
		title.sampling = (struct sampling){.top_p = 1, .max_tokens = 24};
		titled.messages[1].task = CHAT_TASK_TITLE;
		play_well(titled.e, &title, &name);
		titled.messages[1].task = CHAT_TASK_NONE;
		/* All of it was there but the answer's last id, its end, and the task. */
		assert_int_equal(name.last.usage.cached_tokens, end);
		assert_int_equal(name.last.usage.prompt_tokens, end + 3);
		assert_int_equal(name.thinking.len, 0);
		play_well(plain.e, &plain.req, &log);
		assert_int_equal(log.last.usage.cached_tokens, effort ? plain.asked : end);
		/* The title's prompt has read the answer's last id and its end as well. */
		is_answered_like_fresh(&titled, effort ? plain.asked : end + 2);
		log_release(&name);
		log_release(&log);
		talk_end(&plain);
		talk_end(&titled);
	}
}

/* Each goes on where it stopped, whatever was said in another one in between. */
static void conversations_do_not_push_one_another_out(void **state)
{
	struct talk k;
	struct turn_log other = {0};
	struct turn_request req = ask(40);
	const struct chat_message greeting = {.role = CHAT_USER,
					      .content = STR_LIT("Good morning!")};
	int64_t end;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	end = k.first.last.usage.prompt_tokens + k.first.last.usage.output_tokens - 1;
	req.chat.messages = &greeting;
	play_well(k.e, &req, &other);
	is_answered_like_fresh(&k, end);
	log_release(&other);
	play_well(k.e, &req, &other);
	assert_int_equal(other.last.usage.cached_tokens, other.last.usage.prompt_tokens - 1);
	log_release(&other);
	talk_end(&k);
}

/* Messages that the last price told of. */
static size_t n_in_memory;

/* How many tokens the engine says that the request would read, of *all. */
static int64_t price_of(struct engine *e, const struct turn_request *req, bool ahead, int64_t *all)
{
	struct err err = {0};
	struct event ev;
	uint64_t number;
	int64_t reads;

	if (e->ops->glance(e, req, ahead, &number, &err))
		fail_msg("%s", err.text);
	/* One before may tell its own anew. */
	do {
		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		assert_int_equal(ev.kind, EV_PRICE);
	} while (ev.turn < number);
	assert_int_equal(ev.turn, number);
	reads = (int64_t)ev.progress;
	*all = (int64_t)ev.progress_all;
	assert_int_equal((int64_t)ev.cached, *all - reads);
	n_in_memory = ev.in_memory;
	event_release(&ev);
	return reads;
}

static void a_glance_tells_what_the_turn_then_reads(void **state)
{
	struct turn_log log = {0};
	struct talk k;
	int64_t reads, all;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	reads = price_of(k.e, &k.req, false, &all);
	/* of the answer the last id was chosen, and not read */
	assert_int_equal(n_in_memory, 2);
	play_well(k.e, &k.req, &log);
	assert_int_equal(all, log.last.usage.prompt_tokens);
	assert_int_equal(reads, log.prefill_all);
	assert_in_range(reads, 1, 30);
	/* an earlier message changed */
	k.messages[0].content = STR_LIT("What is the capital of Italy?");
	reads = price_of(k.e, &k.req, false, &all);
	assert_int_equal(reads, all);
	assert_int_equal(n_in_memory, 0);
	log_release(&log);
	talk_end(&k);
}

/* A conversation that was never read here is read while its next message is written. */
static void what_stands_before_the_draft_is_read_ahead(void **state)
{
	struct turn_log log = {0};
	struct talk k;
	int64_t all, reads = 0, cold;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	k.e->ops->close(k.e);
	k.e = open_model(4096);
	k.messages[2].content = STR_LIT("And Sp");
	cold = price_of(k.e, &k.req, true, &all);
	assert_int_equal(cold, all);
	/* Each ends the one before, and finds what that has read until then. */
	for (int i = 0; i < 200 && (reads = price_of(k.e, &k.req, true, &all)) > 30; i++)
		usleep(20000);
	assert_in_range(reads, 1, 30);
	k.messages[2].content = STR_LIT("And Spain?");
	play_well(k.e, &k.req, &log);
	assert_int_equal(log.prefill_all, reads + 4);
	is_answered_like_fresh(&k, log.last.usage.prompt_tokens - 1);
	log_release(&log);
	talk_end(&k);
}

static void what_was_read_ahead_is_off_the_price_that_is_told_again(void **state)
{
	struct talk k;
	struct event ev;
	int64_t all, reads;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	k.e->ops->close(k.e);
	k.e = open_model(4096);
	reads = price_of(k.e, &k.req, true, &all);
	assert_int_equal(reads, all);
	assert_int_equal(event_queue_pop(k.e->events, &ev, 60000), 1);
	assert_int_equal(ev.kind, EV_PRICE);
	assert_int_equal((int64_t)ev.progress_all, all);
	assert_in_range((int64_t)ev.progress, 1, 30);
	assert_int_equal(ev.disk, 0);
	/* the question and its answer, and not what asks on */
	assert_int_equal(ev.in_memory, 2);
	assert_int_equal(ev.on_disk, 2);
	event_release(&ev);
	/* There is nothing more to read: it is told once. */
	reads = price_of(k.e, &k.req, true, &all);
	assert_in_range(reads, 1, 30);
	assert_int_equal(event_queue_pop(k.e->events, &ev, 100), 0);
	talk_end(&k);
}

static void a_turn_ends_a_glance_within_a_chunk(void **state)
{
	struct engine *e = open_model(4096);
	struct turn_request req = ask(2), other = ask(2);
	struct chat_message messages[2] = {{.role = CHAT_SYSTEM}, question[0]};
	struct err err = {0};
	struct turn_log log = {0};
	struct event ev;
	uint64_t number, turn;
	char *text = calloc(1, 3001);
	int64_t all, reads;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 3000);
	messages[0].content = str_of(text);
	req.chat.messages = messages;
	req.chat.n_messages = 2;
	assert_int_equal(e->ops->glance(e, &req, true, &number, &err), 0);
	assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
	assert_int_equal(ev.kind, EV_PRICE);
	event_release(&ev);
	turn = submit(e, &other);
	/* while it runs there is none */
	assert_int_equal(e->ops->glance(e, &req, true, &number, &err), ERR_USAGE);
	finish_turn(e, turn, &log);
	/* What was read until then is kept, and it was not all. */
	reads = price_of(e, &req, false, &all);
	assert_in_range(reads, 1000, all);
	log_release(&log);
	free(text);
	e->ops->close(e);
}

static void what_was_removed_is_not_found_again(void **state)
{
	struct engine *e = open_model(512);
	struct turn_request req = ask(20);
	static const struct {
		const char *conversation, *removed;
		bool found;
	} steps[] = {{"one", NULL, false}, {"one", NULL, true},     {"one", "other", true},
		     {"one", "one", false}, {"other", NULL, true}, {"one", "other", true}};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct turn_log log = {0};

		if (steps[i].removed)
			e->ops->forget(e, str_of(steps[i].removed));
		req.conversation = str_of(steps[i].conversation);
		play_well(e, &req, &log);
		/* what two of them had said stays while one is there */
		assert_int_equal(log.last.usage.cached_tokens,
				 steps[i].found ? log.last.usage.prompt_tokens - 1 : 0);
		log_release(&log);
	}
	e->ops->close(e);
}

static size_t n_kept_files(void)
{
	struct kv_list list;
	struct err err = {0};
	size_t n;

	assert_int_equal(kvdir_list_all(tmpdir_file(&dir, "kv"), &list, &err), 0);
	kv_list_bytes(&list, &n);
	kv_list_release(&list);
	return n;
}

/* What it has read of a conversation goes with that, and is not written to disk. */
static void a_title_is_its_conversations(void **state)
{
	struct turn_log name = {0};
	struct turn_request title;
	struct talk k;
	size_t n_files;
	int64_t all;

	(void)state;
	kept_in = "kv";
	talk_begin(&k, EFFORT_NONE, 60);
	k.req.conversation = STR_LIT("one");
	title = k.req;
	title.chat.n_messages = 2;
	title.sampling = (struct sampling){.top_p = 1, .max_tokens = 24};
	play_well(k.e, &k.req, &name);
	log_release(&name);
	k.e->ops->close(k.e);
	n_files = n_kept_files();
	assert_true(n_files > 0);
	k.e = open_model(4096);
	k.messages[1].task = CHAT_TASK_TITLE;
	play_well(k.e, &title, &name);
	log_release(&name);
	assert_int_equal(price_of(k.e, &title, false, &all), 1);
	k.e->ops->forget(k.e, STR_LIT("other"));
	assert_int_equal(price_of(k.e, &title, false, &all), 1);
	k.e->ops->close(k.e);
	assert_int_equal(n_kept_files(), n_files);
	kept_in = NULL;
	k.e = open_model(4096);
	play_well(k.e, &title, &name);
	log_release(&name);
	assert_int_equal(price_of(k.e, &title, false, &all), 1);
	k.e->ops->forget(k.e, STR_LIT("one"));
	assert_int_equal(price_of(k.e, &title, false, &all), all);
	talk_end(&k);
}

static void a_long_text_is_read_again_from_near_where_it_changed(void **state)
{
	struct talk k;
	char *text = malloc(6000);

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 6000; i++)
		text[i] = (char)('a' + i * i % 23);
	talk_begin(&k, EFFORT_NONE, 2);
	k.e->ops->close(k.e);
	k.e = open_model(4096);
	k.req.is_raw = true;
	k.req.raw = (struct str){text, 4000};
	is_answered_like_fresh(&k, 0);
	text[3900] = '!';
	is_answered_like_fresh(&k, 2048);
	/* A system prompt that is long enough serves another conversation. */
	k.req.is_raw = false;
	k.messages[0] = (struct chat_message){.role = CHAT_SYSTEM, .content = {text, 600}};
	k.messages[1] = question[0];
	k.req.chat.n_messages = 2;
	is_answered_like_fresh(&k, 0);
	k.messages[1].content = STR_LIT("hello");
	is_answered_like_fresh(&k, 601);
	talk_end(&k);
	free(text);
}

static void a_resumed_answer_goes_on_as_if_it_had_never_stopped(void **state)
{
	struct engine *e = open_model(512);
	struct turn_request req = ask(24);
	struct turn_log whole = {0};

	(void)state;
	play_well(e, &req, &whole);
	for (int64_t cut = 1; cut < 24; cut++) {
		struct turn_log a = {0}, b = {0};

		req = ask(cut);
		play_well(e, &req, &a);
		req = ask(24 - cut);
		req.resume_ids = a.ids;
		req.n_resume_ids = a.n_ids;
		play_well(e, &req, &b);
		assert_int_equal(a.n_ids + b.n_ids, whole.n_ids);
		assert_memory_equal(a.ids, whole.ids, a.n_ids * sizeof(token_id));
		assert_memory_equal(b.ids, whole.ids + a.n_ids, b.n_ids * sizeof(token_id));
		buf_adds(&a.thinking, buf_str(&b.thinking));
		buf_adds(&a.text, buf_str(&b.text));
		assert_string_equal(buf_z(&a.thinking), buf_z(&whole.thinking));
		assert_string_equal(buf_z(&a.text), buf_z(&whole.text));
		log_release(&a);
		log_release(&b);
	}
	log_release(&whole);
	e->ops->close(e);
}

/* The beginning is told with the answer, or is a message of the prompt: what follows is the
 * same. */
static void an_answer_goes_on_from_the_beginning_it_was_given(void **state)
{
	static const char beginning[] = "Paris is";
	static const enum chat_effort efforts[] = {EFFORT_LOW, EFFORT_NONE};
	struct engine *e = open_model(512);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct chat_message messages[] = {
			question[0],
			{.role = CHAT_ASSISTANT,
			 .content = STR_LIT(beginning),
			 .goes_on = true},
		};
		const token_id opening[] = {efforts[i] ? ID_THINK : ID_THINK_END, ID_THINK_END};
		size_t n_opening = efforts[i] ? 2 : 1;
		size_t n_told = n_opening + sizeof(beginning) - 1;
		struct turn_request req = ask(24);
		struct turn_log told = {0}, given = {0}, cut = {0}, resumed = {0};

		req.sampling.temperature = 0;
		req.chat.effort = efforts[i];
		req.prefill = STR_LIT(beginning);
		play_well(e, &req, &told);
		assert_int_equal(told.thinking.len, 0);
		assert_memory_equal(buf_z(&told.text), beginning, sizeof(beginning) - 1);
		assert_int_equal(told.n_ids, n_told + 24);
		assert_int_equal(told.last.usage.output_tokens, 24);
		assert_memory_equal(told.ids, opening, n_opening * sizeof(token_id));
		for (size_t k = n_opening; k < n_told; k++)
			assert_int_equal(told.ids[k],
					 N_CONTROL + (unsigned char)beginning[k - n_opening]);

		req.prefill = (struct str){0};
		req.chat.messages = messages;
		req.chat.n_messages = 2;
		play_well(e, &req, &given);
		assert_int_equal(given.last.usage.prompt_tokens, told.last.usage.prompt_tokens);
		assert_int_equal(given.n_ids, 24);
		assert_memory_equal(given.ids, told.ids + n_told, 24 * sizeof(token_id));
		assert_string_equal(buf_z(&given.text),
				    buf_z(&told.text) + sizeof(beginning) - 1);

		req.chat.n_messages = 1;
		req.prefill = STR_LIT(beginning);
		req.sampling.max_tokens = 10;
		play_well(e, &req, &cut);
		req.resume_ids = cut.ids;
		req.n_resume_ids = cut.n_ids;
		req.sampling.max_tokens = 14;
		play_well(e, &req, &resumed);
		assert_memory_equal(resumed.ids, told.ids + cut.n_ids, 14 * sizeof(token_id));
		buf_adds(&cut.text, buf_str(&resumed.text));
		assert_string_equal(buf_z(&cut.text), buf_z(&told.text));
		log_release(&told);
		log_release(&given);
		log_release(&cut);
		log_release(&resumed);
	}
	e->ops->close(e);
}

static void ended_thinking_closes_with_its_token_and_goes_on_as_answer(void **state)
{
	struct engine *e = open_model(512);
	struct turn_request req = ask(20);
	struct turn_log log = {0};
	uint64_t turn;

	(void)state;
	turn = submit(e, &req);
	e->ops->end_thinking(e, turn);
	finish_turn(e, turn, &log);
	assert_int_equal(log.ids[0], ID_THINK);
	assert_int_equal(log.ids[1], ID_THINK_END);
	assert_int_equal(log.last.usage.thinking_tokens, 1);
	assert_int_equal(log.thinking.len, 0);
	log_release(&log);
	e->ops->close(e);
}

static void cancelling_keeps_what_was_said_and_the_engine_goes_on(void **state)
{
	struct engine *e = open_model(20000);
	struct turn_request req = ask(0);
	struct turn_log log = {0};
	struct event ev = {0};
	uint64_t turn;

	(void)state;
	req.sampling.seed = 3;
	turn = submit(e, &req);
	do {
		event_release(&ev);
		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		assert_false(log_event(&log, &ev));
	} while (ev.kind != EV_TOKENS);
	event_release(&ev);
	e->ops->cancel(e, turn);
	finish_turn(e, turn, &log);
	assert_int_equal(log.last.kind, EV_DONE);
	assert_int_equal(log.last.stop, STOP_INTERRUPTED);
	assert_int_equal(log.n_ids, log.last.usage.output_tokens + 1);
	log_release(&log);
	req = ask(3);
	play_well(e, &req, &log);
	assert_int_equal(log.last.stop, STOP_LENGTH);
	log_release(&log);
	e->ops->close(e);
}

static void a_turn_behind_cancelled_ones_starts_when_they_have_ended(void **state)
{
	struct engine *e = open_model(20000);
	struct turn_request endless = ask(0), req = ask(5);
	struct turn_log log = {0}, alone = {0};
	uint64_t turns[4], more;
	struct err err = {0};

	(void)state;
	endless.sampling.seed = 3;
	for (int i = 0; i < 3; i++) {
		turns[i] = submit(e, &endless);
		assert_int_equal(e->ops->submit(e, &req, &more, &err), ERR_USAGE);
		e->ops->cancel(e, turns[i]);
	}
	turns[3] = submit(e, &req);
	for (int i = 0; i < 4; i++) {
		finish_turn(e, turns[i], &log);
		assert_int_equal(log.last.kind, EV_DONE);
		assert_int_equal(log.last.stop, i < 3 ? STOP_INTERRUPTED : STOP_LENGTH);
		if (i < 3)
			log_release(&log);
	}
	play_well(e, &req, &alone);
	assert_int_equal(log.n_ids, alone.n_ids);
	assert_memory_equal(log.ids, alone.ids, log.n_ids * sizeof(token_id));
	log_release(&log);
	log_release(&alone);
	e->ops->close(e);
}

static void closing_in_the_middle_of_a_turn_ends_it(void **state)
{
	struct engine *e = open_model(20000);
	struct turn_request req = ask(0);

	(void)state;
	submit(e, &req);
	e->ops->close(e);
}

static void the_context_fills_to_its_last_place_and_no_further(void **state)
{
	struct engine *e = open_model(64);
	struct turn_request req = ask(0);
	struct turn_log log = {0};
	char *longer = calloc(1, 101);

	(void)state;
	assert_non_null(longer);
	req.sampling.seed = 1;
	play_well(e, &req, &log);
	assert_int_equal(log.last.stop, STOP_CONTEXT);
	assert_int_equal(log.last.usage.prompt_tokens + log.last.usage.output_tokens, 64);
	log_release(&log);
	memset(longer, 'x', 100);
	req.chat.messages = &(struct chat_message){.role = CHAT_USER, .content = {longer, 100}};
	play(e, &req, &log);
	assert_int_equal(log.last.kind, EV_ERROR);
	assert_int_equal(log.last.err.code, ERR_LIMIT);
	assert_string_equal(log.last.err.text,
			    "the conversation has 104 tokens, the context holds 64");
	log_release(&log);
	free(longer);
	e->ops->close(e);
}

static void plain_text_is_continued_without_any_grammar(void **state)
{
	struct engine *e = open_model(512);
	struct turn_request req = ask(30);
	struct turn_log a = {0}, b = {0};

	(void)state;
	req.is_raw = true;
	req.raw = STR_LIT("Once upon a time </think> there");
	play_well(e, &req, &a);
	assert_int_equal(a.last.usage.prompt_tokens, 1 + 31);
	assert_int_equal(a.n_ids, a.last.usage.output_tokens);
	assert_int_equal(a.thinking.len, 0);
	req.resume_ids = a.ids;
	req.n_resume_ids = a.n_ids;
	play_well(e, &req, &b);
	assert_int_equal(b.last.usage.prompt_tokens, 1 + 31 + 30);
	log_release(&a);
	log_release(&b);
	e->ops->close(e);
}

static void bytes_that_are_not_utf8_are_replaced_and_said_so(void **state)
{
	struct engine *e = open_model(512);
	struct turn_request req = ask(1);
	struct event ev = {0};
	bool noticed = false, over = false;

	(void)state;
	req.chat.messages = &(struct chat_message){.role = CHAT_USER,
						   .content = STR_LIT("a\xff"
								      "b\xfe")};
	submit(e, &req);
	while (!over) {
		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		if (ev.kind == EV_NOTICE) {
			assert_string_equal(buf_z(&ev.text),
					    "2 byte sequences of the prompt were "
					    "not UTF-8 and became U+FFFD");
			noticed = true;
		}
		over = ev.kind == EV_DONE;
		assert_true(ev.kind != EV_ERROR);
		event_release(&ev);
	}
	assert_true(noticed);
	e->ops->close(e);
}

static void requests_that_make_no_sense_fail_and_leave_the_engine_well(void **state)
{
	static const struct chat_message answered[] = {
		{.role = CHAT_USER, .content = {"hi", 2}},
		{.role = CHAT_ASSISTANT, .content = {"ho", 2}},
	};
	static const token_id ended[] = {ID_THINK, ID_THINK_END, ID_EOS};
	static const token_id headless[] = {100, 101};
	struct engine *e = open_model(512);
	struct turn_request good = ask(2), req;
	struct turn_log log = {0};

	(void)state;
	for (int i = 0; i < 4; i++) {
		req = ask(2);
		switch (i) {
		case 0:
			req.chat.messages = answered;
			req.chat.n_messages = 2;
			break;
		case 1:
			req.sampling.temperature = -1;
			break;
		case 2:
			req.resume_ids = ended;
			req.n_resume_ids = 3;
			break;
		case 3:
			req.resume_ids = headless;
			req.n_resume_ids = 2;
			break;
		}
		play(e, &req, &log);
		assert_int_equal(log.last.kind, EV_ERROR);
		assert_int_equal(log.last.err.code, ERR_USAGE);
		assert_int_equal(log.n_ids, 0);
		log_release(&log);
		play_well(e, &good, &log);
		log_release(&log);
	}
	e->ops->close(e);
}

static void a_directory_without_a_model_says_so(void **state)
{
	struct engine_config config = {.model_dir = "tests/unit", .backend = "cpu"};
	struct turn_request req = ask(1);
	struct engine *e;
	struct err err = {0};
	struct event ev;
	uint64_t turn;

	(void)state;
	assert_int_equal(engine_open(&e, &config, &err), 0);
	assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
	assert_int_equal(ev.kind, EV_ERROR);
	assert_int_equal(ev.turn, 0);
	assert_non_null(strstr(ev.err.text, "tests/unit"));
	assert_non_null(strstr(ev.err.text, "config.json"));
	event_release(&ev);
	assert_int_not_equal(e->ops->submit(e, &req, &turn, &err), 0);
	e->ops->close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_info_says_what_was_loaded),
		cmocka_unit_test(a_seed_reproduces_a_turn_and_another_does_not),
		cmocka_unit_test(the_next_turn_computes_only_what_is_new),
		cmocka_unit_test(an_answer_made_anew_computes_one_id_of_its_prompt),
		cmocka_unit_test(thinking_that_is_dropped_leaves_what_was_asked_in_place),
		cmocka_unit_test(a_changed_message_is_read_from_the_answer_before_it),
		cmocka_unit_test(a_title_costs_the_conversation_nothing),
		cmocka_unit_test(conversations_do_not_push_one_another_out),
		cmocka_unit_test(a_glance_tells_what_the_turn_then_reads),
		cmocka_unit_test(what_stands_before_the_draft_is_read_ahead),
		cmocka_unit_test(what_was_read_ahead_is_off_the_price_that_is_told_again),
		cmocka_unit_test(a_turn_ends_a_glance_within_a_chunk),
		cmocka_unit_test(what_was_removed_is_not_found_again),
		cmocka_unit_test(a_title_is_its_conversations),
		cmocka_unit_test(a_long_text_is_read_again_from_near_where_it_changed),
		cmocka_unit_test(a_resumed_answer_goes_on_as_if_it_had_never_stopped),
		cmocka_unit_test(an_answer_goes_on_from_the_beginning_it_was_given),
		cmocka_unit_test(ended_thinking_closes_with_its_token_and_goes_on_as_answer),
		cmocka_unit_test(cancelling_keeps_what_was_said_and_the_engine_goes_on),
		cmocka_unit_test(a_turn_behind_cancelled_ones_starts_when_they_have_ended),
		cmocka_unit_test(closing_in_the_middle_of_a_turn_ends_it),
		cmocka_unit_test(the_context_fills_to_its_last_place_and_no_further),
		cmocka_unit_test(plain_text_is_continued_without_any_grammar),
		cmocka_unit_test(bytes_that_are_not_utf8_are_replaced_and_said_so),
		cmocka_unit_test(requests_that_make_no_sense_fail_and_leave_the_engine_well),
		cmocka_unit_test(a_directory_without_a_model_says_so),
	};

	return cmocka_run_group_tests(tests, make_model, remove_model);
}
