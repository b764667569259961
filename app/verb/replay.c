/* replay: a stored answer again, and the first token that is another. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/output.h"
#include "app/talk/replay.h"
#include "app/talk/store.h"
#include "app/talk/turn.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"
#include "engine/base/clock.h"
#include "engine/base/jsonw.h"
#include "engine/text/prompt.h"

struct replay_job {
	struct app own;
	struct talks talks;
	struct tokenizer *tok;
	struct replay replay;
	bool anyway;
	int64_t told_ms; /* when progress was told last */
};

/* ---- which answer ---- */

/* "ID:N" and "ID"; *n = 0: the last answer.  The name is the caller's to free. */
static int split(const char *word, char **name, long *n, struct err *err)
{
	char *colon;

	*n = 0;
	*name = strdup(word);
	if (!*name)
		return err_nomem(err, "name", strlen(word));
	colon = strrchr(*name, ':');
	/* A title may have a colon, too. */
	if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return 0;
	*colon = '\0';
	return verb_number("message", colon + 1, INT32_MAX, n, err);
}

/* The conversation; without a name the one used last. */
static int find_talk(struct replay_job *j, const char *name, struct talk **t, struct err *err)
{
	int64_t id = 0;
	int rc = name && *name ? history_find(j->talks.store, name, &id, err)
			       : history_last(j->talks.store, &id, err);

	if (!rc && !id)
		rc = err_set(err, ERR_USAGE, "there is no conversation yet");
	if (!rc)
		rc = talks_get(&j->talks, id, t, err);
	return rc ? rc : talk_store_load(&j->talks, *t, err);
}

/* Message n of the branch, from 1; 0: its last answer. */
static int find_answer(struct talk *t, long n, struct talk_message **m, struct err *err)
{
	size_t n_path = talk_path(t, NULL, 0);

	*m = n ? t->leaf : talk_last(t, CHAT_ASSISTANT);
	for (long i = (long)n_path; n && *m && i > n; i--)
		*m = (*m)->parent;
	if (n > (long)n_path || !*m)
		return err_set(err, ERR_USAGE, "message %ld: the branch has %zu messages%s", n,
			       n_path, n ? "" : ", and no answer");
	return 0;
}

static int find(struct replay_job *j, const char *word, struct err *err)
{
	struct talk_message *m = NULL;
	struct talk *t = NULL;
	char *name = NULL;
	long n = 0;
	int rc = talks_open_for(&j->talks, &j->own.opt, err);

	if (!rc && word)
		rc = split(word, &name, &n, err);
	if (!rc)
		rc = find_talk(j, name, &t, err);
	if (!rc)
		rc = find_answer(t, n, &m, err);
	if (!rc)
		rc = replay_init(&j->replay, t, m, err);
	free(name);
	return rc;
}

/* ---- giving it again ---- */

static void tell_progress(void *ctx, size_t n)
{
	struct replay_job *j = ctx;
	int64_t now = clock_ms();

	if (now - j->told_ms < 100 || !app_color(&j->own, STDERR_FILENO))
		return;
	j->told_ms = now;
	output_format(STDERR_FILENO, "\r\033[K%zu of %zu tokens", n, j->replay.answer->n_ids);
}

static void end_progress(const struct replay_job *j)
{
	if (j->told_ms)
		output_own(STDERR_FILENO, "\r\033[K");
}

static int hear_nothing(void *ctx, const struct event *ev)
{
	(void)ctx;
	(void)ev;
	return 0;
}

/* What is not as it was is refused, or with --anyway told. */
static int check(const struct replay_job *j, const struct engine_info *info, struct err *err)
{
	struct buf other = {0}, text = {0};
	int rc = 0;

	replay_add_differences(&j->replay, info, &other);
	if (buf_failed(&other)) {
		rc = err_nomem(err, "replay", other.len);
	} else if (other.len && !j->anyway) {
		rc = err_set(err, ERR_MODEL, "nothing is promised: %.400s (--anyway compares)",
			     buf_z(&other));
	} else if (other.len) {
		buf_addf(&text, "replay: nothing is promised: %s", buf_z(&other));
		app_tell(buf_z(&text));
	}
	buf_release(&other);
	buf_release(&text);
	return rc;
}

static int run(struct replay_job *j, struct err *err)
{
	const struct turn_watch watch = {.event = hear_nothing, .wake_fd = -1};
	struct buf dir = {0};
	int rc = app_model_dir(&j->own.opt, &dir, err);

	if (!rc)
		rc = tokenizer_open(&j->tok, buf_z(&dir), err);
	if (!rc)
		rc = app_open_engine(&j->own, err);
	if (!rc)
		rc = turn_await_ready(j->own.engine, &watch, err);
	if (!rc)
		rc = check(j, j->own.engine->ops->info(j->own.engine), err);
	j->replay.draft = j->own.opt.sampling.draft;
	j->replay.progress = tell_progress;
	j->replay.ctx = j;
	if (!rc)
		rc = replay_run(&j->replay, j->own.engine,
				tokenizer_control(j->tok, TOKEN_THINK_END), err);
	end_progress(j);
	buf_release(&dir);
	return rc;
}

/* ---- what came of it ---- */

static void add_token(struct buf *out, const struct replay_job *j, token_id id)
{
	buf_addf(out, "%ld ", (long)id);
	json_add_quoted(out, tokenizer_bytes(j->tok, id));
}

/* The exit code, or negative. */
static int tell(const struct replay_job *j, struct err *err)
{
	const struct replay *r = &j->replay;
	struct buf out = {0};
	int rc;

	if (r->differs) {
		buf_addf(&out, "differs at token %zu of %zu: ", r->at + 1, r->answer->n_ids);
		add_token(&out, j, r->answer->ids[r->at]);
		buf_addz(&out, ", now ");
		if (r->ended)
			buf_addz(&out, "the end");
		else
			add_token(&out, j, r->now);
	} else {
		buf_addf(&out, "identical: %zu tokens", r->answer->n_ids);
	}
	if (r->run->resumed_tokens)
		buf_addf(&out, " (%lld of them were given: the answer went on from there)",
			 (long long)r->run->resumed_tokens);
	buf_addc(&out, '\n');
	rc = verb_write(&out, err);
	buf_release(&out);
	return rc ? rc : r->differs ? EXIT_FAILED : EXIT_DONE;
}

static int read_options(struct replay_job *j, int argc, char **argv, struct err *err)
{
	/* The names are those of the table of options, which knows how to read them. */
	static const struct option flags[] = {
		{"model", required_argument, NULL, 'm'},
		VERB_ENGINE_FLAGS,
		{"ctx", required_argument, NULL, 'o'},
		{"anyway", no_argument, NULL, 'a'},
		{0},
	};
	int rc = app_read_settings(&j->own.opt, err);
	int c, at = 0;

	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, "m:", flags, &at)) != -1) {
		const char *name = c == 'm' ? "model" : flags[at].name;

		if (c == '?')
			return verb_refuse(argv);
		if (c == 'a')
			j->anyway = true;
		else
			rc = option_set(&j->own.opt, option_find(name), optarg, err);
	}
	return rc || optind + 1 >= argc ? rc : verb_usage(argv[0]);
}

int verb_replay(int argc, char **argv)
{
	struct replay_job j = {0};
	struct err err = {0};
	int rc = read_options(&j, argc, argv, &err);
	int code = rc;

	if (!rc)
		rc = find(&j, argv[optind], &err);
	if (!rc)
		rc = run(&j, &err);
	if (!rc)
		code = rc = tell(&j, &err);
	app_close_engine(&j.own);
	tokenizer_close(j.tok);
	talks_release(&j.talks);
	options_release(&j.own.opt);
	return rc < 0 ? verb_status(argv[0], rc, &err) : code;
}
