/* The real engine: its thread, loading, and the sequence that turns run in. */
#include "engine/session/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/thread.h"
#include "engine/checkpoint/generation.h"
#include "engine/checkpoint/identity.h"
#include "engine/pass/hosting.h"

#define QUEUE_EVENTS 1024

/* Loading. */

static int on_progress(void *ctx, uint64_t done, uint64_t all)
{
	struct session *s = ctx;
	struct event ev = {.kind = EV_LOAD, .progress = done, .progress_all = all};

	if (event_queue_push(s->base.events, &ev))
		return 1;
	return desk_cancelled(&s->desk, 0);
}

static void add_stop_id(struct session *s, int64_t id)
{
	if (id < 0 || id >= s->info.vocab || s->n_stop_ids == SESSION_MAX_STOPS)
		return;
	for (size_t i = 0; i < s->n_stop_ids; i++) {
		if (s->stop_ids[i] == id)
			return;
	}
	s->stop_ids[s->n_stop_ids++] = (token_id)id;
}

static int open_tokenizer(struct session *s, struct err *err)
{
	const struct model_config *cfg = model_config(s->model);
	struct generation_config generation;
	int64_t n_ids;
	int rc = tokenizer_open(&s->tok, s->model_dir, err);

	if (rc)
		return rc;
	n_ids = tokenizer_n_ids(s->tok);
	if (n_ids > cfg->vocab)
		return err_set(err, ERR_MODEL,
			       "%s/tokenizer.json: %lld ids, the model's vocabulary "
			       "holds %d",
			       s->model_dir, (long long)n_ids, cfg->vocab);
	s->n_choices = (int)n_ids;
	s->think = tokenizer_control(s->tok, TOKEN_THINK);
	s->think_end = tokenizer_control(s->tok, TOKEN_THINK_END);
	add_stop_id(s, tokenizer_control(s->tok, TOKEN_EOS));
	add_stop_id(s, cfg->eos_id);
	rc = generation_config_read(s->model_dir, &generation, err);
	for (size_t i = 0; !rc && i < generation.n_stop_ids; i++)
		add_stop_id(s, generation.stop_ids[i]);
	return rc;
}

/* A directory's last component, however many slashes it ends with. */
static struct str last_component(const char *path)
{
	struct str s = str_of(path);
	size_t from;

	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	for (from = s.n; from > 0 && s.p[from - 1] != '/'; from--)
		;
	return from < s.n ? (struct str){s.p + from, s.n - from} : s;
}

static void fill_info(struct session *s)
{
	struct engine_info *info = &s->info;
	struct model_memory mem = model_memory(s->model);
	struct str name = last_component(s->model_dir);

	snprintf(info->model_name, sizeof(info->model_name), "%.*s", (int)name.n, name.p);
	snprintf(info->model_path, sizeof(info->model_path), "%s", s->model_dir);
	snprintf(info->backend, sizeof(info->backend), "%s", model_backend_name(s->model));
	info->ctx_tokens = model_ctx_tokens(s->model);
	info->weight_bytes = mem.weight_bytes;
	info->load_s = model_load(s->model).seconds;
	info->cache_bytes = mem.cache_bytes;
	info->scratch_bytes = mem.scratch_bytes;
	info->has_title_task = prompt_has_task(s->tok, CHAT_TASK_TITLE);
}

/* Without it everything works as well, if slower the next time. */
static void open_disk(struct session *s)
{
	struct err err = {0};

	if (s->cache_dir && s->config.cache_bytes > 0 &&
	    disk_open(&s->disk, s->model, s->cache_dir, s->info.identity, s->config.cache_bytes,
		      &err))
		log_add(LOG_WARN, "prefix cache: %s", err.text);
}

static int load(struct session *s, struct err *err)
{
	struct model_options opt = model_options_of(&s->config);
	const struct model_config *cfg;
	int64_t began = clock_ms();
	int rc;

	opt.keeps = true;
	opt.progress = on_progress;
	opt.progress_ctx = s;
	rc = model_open(&s->model, &opt, err);
	if (rc)
		return rc;
	cfg = model_config(s->model);
	s->info.vocab = cfg->vocab;
	s->flavour = cfg->spark.present ? PROMPT_DSPARK : PROMPT_APRIL;
	rc = open_tokenizer(s, err);
	if (!rc)
		rc = checkpoint_identity(s->model_dir, model_files(s->model), s->info.identity,
					 err);
	if (!rc)
		rc = tree_init(&s->tree, s->model, err);
	if (!rc)
		rc = prefix_open(&s->prefix, &s->tree, tokenizer_control(s->tok, TOKEN_USER),
				 tokenizer_control(s->tok, TOKEN_ASSISTANT), err);
	if (rc)
		return rc;
	open_disk(s);
	drafting_init(&s->drafting, model_draft_most(s->model));
	s->drafting.is_sure = model_drafts_blocks(s->model);
	fill_info(s);
	log_add(LOG_INFO, "model %s (%s) on %s: %lld bytes of weights, context %lld, %lld ms",
		s->info.model_name, s->info.identity, s->info.backend,
		(long long)s->info.weight_bytes, (long long)s->info.ctx_tokens,
		(long long)(clock_ms() - began));
	return 0;
}

static void unload(struct session *s)
{
	disk_close(s->disk);
	prefix_release(&s->prefix);
	tree_release(&s->tree);
	tokenizer_close(s->tok);
	s->tok = NULL;
	if (s->model)
		model_close(s->model);
	s->model = NULL;
}

/* What was removed while a turn ran, or none. */
static void forget_removed(struct session *s)
{
	struct forgotten *f;

	while ((f = desk_take_forgotten(&s->desk))) {
		const struct str name = {f->name, f->n};

		prefix_forget(&s->prefix, name);
		if (s->disk)
			disk_forget(s->disk, name);
		free(f);
	}
}

/* A title and the like: what is read of the conversation is the talk's, and kept by its turns. */
static bool is_task(const struct turn_request *req)
{
	size_t n = req->chat.n_messages;

	return n && req->chat.messages[n - 1].task != CHAT_TASK_NONE;
}

static void take_turn(struct session *s, const struct turn_request *req, uint64_t number)
{
	const struct prefix *p = &s->prefix;
	struct err err;

	session_turn(s, req, number);
	prefix_own(&s->prefix, req->conversation);
	if (s->disk && !is_task(req))
		disk_store(s->disk, &s->tree, req->conversation, p->held.ids,
			   (int64_t)p->held.n);
	if (hosting_settle(s->model, &err))
		log_add(LOG_ERROR, "experts that change places: %s", err.text);
}

static void take_glance(struct session *s)
{
	struct turn_request *req;
	uint64_t number;
	bool ahead;

	if (!desk_take_glance(&s->desk, &req, &number, &ahead))
		return;
	session_glance(s, req, number, ahead);
	free(req);
}

/* Model and sequence are made, used and freed on this thread alone. */
static void *run(void *arg)
{
	struct session *s = arg;
	struct event ev = {.kind = EV_READY};
	struct turn_request *req;
	uint64_t number;
	struct err err = {0};

	if (load(s, &err)) {
		/* A file that cannot be read is a broken model to whoever opens one. */
		if (err.code == ERR_IO)
			err.code = ERR_MODEL;
		log_add(LOG_ERROR, "model %s: %s", s->model_dir, err.text);
		desk_fail(&s->desk, &err, s->base.events);
	} else {
		atomic_store(&s->ready, true);
		event_queue_push(s->base.events, &ev);
		while (desk_take(&s->desk, &req, &number)) {
			forget_removed(s);
			if (req)
				take_turn(s, req, number);
			free(req);
			take_glance(s);
		}
		forget_removed(s);
	}
	unload(s);
	return NULL;
}

/* The table. */

static struct session *of(struct engine *e)
{
	return (struct session *)e;
}

static int session_submit(struct engine *e, const struct turn_request *req, uint64_t *turn,
			  struct err *err)
{
	return desk_submit(&of(e)->desk, req, turn, err);
}

static int session_look(struct engine *e, const struct turn_request *req, bool ahead,
			 uint64_t *number, struct err *err)
{
	return desk_glance(&of(e)->desk, req, ahead, number, err);
}

static void session_cancel(struct engine *e, uint64_t turn)
{
	desk_cancel(&of(e)->desk, turn);
}

static void session_end_thinking(struct engine *e, uint64_t turn)
{
	desk_end_thinking(&of(e)->desk, turn);
}

static void session_end_call(struct engine *e, uint64_t turn)
{
	desk_end_call(&of(e)->desk, turn);
}

static void session_forget(struct engine *e, struct str conversation)
{
	if (!desk_forget(&of(e)->desk, conversation))
		log_add(LOG_WARN, "no memory to forget what was kept of a conversation");
}

static const struct engine_info *session_info(struct engine *e)
{
	return atomic_load(&of(e)->ready) ? &of(e)->info : NULL;
}

static void session_free(struct session *s)
{
	event_queue_free(s->base.events);
	desk_release(&s->desk);
	free(s->model_dir);
	free(s->cache_dir);
	free(s);
}

static void session_close(struct engine *e)
{
	struct session *s = of(e);

	desk_close(&s->desk);
	event_queue_close(s->base.events);
	pthread_join(s->thread, NULL);
	session_free(s);
}

static const struct engine_ops session_ops = {
	.submit = session_submit,
	.glance = session_look,
	.cancel = session_cancel,
	.end_thinking = session_end_thinking,
	.end_call = session_end_call,
	.forget = session_forget,
	.info = session_info,
	.close = session_close,
};

int engine_open(struct engine **out, const struct engine_config *config, struct err *err)
{
	struct session *s = calloc(1, sizeof(*s));
	int rc = 0;

	*out = NULL;
	if (!s)
		return err_nomem(err, "engine", sizeof(*s));
	s->base.ops = &session_ops;
	desk_init(&s->desk);
	s->model_dir = strdup(config->model_dir);
	s->config = *config;
	s->config.model_dir = s->model_dir;
	if (config->cache_dir)
		s->cache_dir = strdup(config->cache_dir);
	s->config.cache_dir = s->cache_dir;
	if (!s->model_dir || (config->cache_dir && !s->cache_dir))
		rc = err_nomem(err, "engine", 0);
	if (!rc)
		rc = event_queue_new(&s->base.events, QUEUE_EVENTS, err);
	if (!rc)
		rc = thread_start(&s->thread, run, s, "engine thread", err);
	if (rc) {
		session_free(s);
		return rc;
	}
	*out = &s->base;
	return 0;
}
