/* A turn begins: questions, what waits, interrupting. */
#include "app/screen/private.h"

#include <stdlib.h>

#include "app/talk/stop.h"
#include "engine/base/clock.h"

void screen_error(struct screen *s, const char *text)
{
	size_t i = transcript_add(s->said, ITEM_ERROR, 0, -1);

	if (i != TRANSCRIPT_NONE)
		transcript_append(s->said, i, str_of(text));
	else
		tui_say(s->tui, STYLE_ERROR, "%s", text);
	s->dirty = true;
}

void screen_ask_title(struct screen *s, struct talk *t)
{
	if (!screen_busy(s) && !s->queue && !tui_draft(s->tui).n)
		title_ask(&s->title, s->engine, s->opt, s->talks, t);
}

/* ---- answers ---- */

void screen_turn_begun(struct screen *s)
{
	s->live.n = 0;
	s->status.phase = s->ready ? STATUS_PREFILL : STATUS_LOADING;
	s->status.done = s->status.all = 0;
	s->status.rate = s->status.tokens_per_s = s->status.per_step = 0;
	s->status.on_gpu = 0;
	s->status.cached = -1;
	s->status.from_disk = 0;
	s->status.reads_of = 0;
	s->dirty = true;
}

/*
 * One answer at a time, to its very end.  Between the turns of tools the model is free, and
 * their conversation waits for it.
 */
static bool is_taken(struct screen *s)
{
	if (!screen_busy(s))
		return false;
	if (s->talk->back)
		talk_rewind(s->talk, s->talk->back);
	screen_show_talk(s);
	if (screen_acts(s))
		tui_say(s->tui, STYLE_NOTICE, "tools are at work in \"%s\": Esc stops them",
			buf_z(&s->acts.talk->title));
	else
		tui_say(s->tui, STYLE_NOTICE,
			"an answer is being written in \"%s\": Esc stops it",
			buf_z(&s->turn.talk->title));
	return true;
}

static bool begin(struct screen *s, struct talk_message *resume)
{
	struct err err = {0};

	if (is_taken(s))
		return false;
	title_cancel(&s->title, s->engine);
	if (turn_begin(&s->turn, s->talk, resume, &err)) {
		screen_show_talk(s);
		screen_error(s, err.text);
		return false;
	}
	screen_turn_begun(s);
	screen_begin_tools(s);
	return true;
}

static const char no_model[] = "there is no model: the message is kept; see the error above";

void screen_answer(struct screen *s)
{
	screen_show_talk(s);
	transcript_follow(s->said);
	if (!s->engine_failed) {
		begin(s, NULL);
		return;
	}
	s->talk->back = NULL;
	screen_error(s, no_model);
}

void screen_continue(struct screen *s, struct talk_message *m)
{
	struct err err = {0};
	bool did = false;
	const char *why;

	/* The chosen one may be what was asked: its answer is meant. */
	if (m->role == CHAT_USER && m->newest_child)
		m = m->newest_child;
	if (m == s->talk->leaf && screen_go_on_calls(s, &did, &err)) {
		screen_error(s, err.text);
		return;
	}
	if (did)
		return;
	why = stop_why_not_resumed(m, s->status.context_all);
	if (why) {
		tui_say(s->tui, STYLE_NOTICE, "%s", why);
		return;
	}
	if (!begin(s, m))
		return;
	screen_show_talk(s);
	transcript_follow(s->said);
}

int screen_go_on_calls(struct screen *s, bool *did, struct err *err)
{
	int rc;

	*did = s->acts.agent && agent_may_resume(s->talk);
	if (!*did || is_taken(s))
		return 0;
	if (s->engine_failed)
		return err_set(err, ERR_USAGE, "there is no model: see the error above");
	title_cancel(&s->title, s->engine);
	rc = screen_resume_tools(s, err);
	screen_show_talk(s);
	transcript_follow(s->said);
	return rc;
}

void screen_interrupt(struct screen *s)
{
	if (!screen_busy(s))
		return;
	/* What waits does not go off by itself when this is over, which may be at once. */
	screen_recall_queue(s);
	if (screen_acts(s))
		agent_stop(s->acts.agent);
	else
		turn_stop(&s->turn);
	s->status.phase = screen_phase(s);
	s->dirty = true;
}

/* ---- questions ---- */

static int enqueue(struct screen *s, struct talk_message *question,
		   const struct talk_message *instead, struct err *err)
{
	struct queued *q = calloc(1, sizeof(*q)), **at = &s->queue;

	if (!q) {
		talk_message_free(question);
		return err_nomem(err, "message", sizeof(*q));
	}
	q->question = question;
	q->instead = instead ? instead->id : 0;
	while (*at)
		at = &(*at)->next;
	*at = q;
	s->status.queued++;
	screen_add_queued(s, q);
	return 0;
}

/* Without a model it is kept all the same. */
static int keep_question(struct screen *s, struct talk_message *question, struct err *err)
{
	int rc = talk_ask(s->talk, question, s->opt->system, clock_wall_ms(), err);

	if (rc) {
		talk_message_free(question);
		return rc;
	}
	s->talk->back = NULL;
	if (talk_store_save(s->talks, s->talk, err))
		screen_tell_unsaved(s, s->talk, err);
	return 0;
}

/*
 * `waited`: it goes off by itself, and its writer may read elsewhere.  The question is taken
 * over.
 */
static int ask(struct screen *s, struct talk_message *question, bool waited, struct err *err)
{
	bool news = screen_catch_up(s);
	int rc = screen_prepare_tools(s, question, err);

	title_cancel(&s->title, s->engine);
	if (rc)
		talk_message_free(question);
	else
		rc = s->engine_failed ? keep_question(s, question, err)
				      : turn_ask(&s->turn, s->talk, question, err);
	if (rc)
		return rc;
	if (!s->engine_failed) {
		screen_turn_begun(s);
		screen_begin_tools(s);
	}
	screen_show_talk(s);
	screen_tell_prepared(s);
	if (news)
		screen_tell_news(s);
	if (!waited)
		transcript_follow(s->said);
	screen_show_list(s);
	if (s->engine_failed)
		screen_error(s, no_model);
	return 0;
}

/* It did not fit: its words, and what waits behind it, are to be edited. */
void screen_give_back(struct screen *s, const struct err *why)
{
	struct str words = buf_str(&s->turn.given_back);
	struct buf text = {0};

	screen_recall_queue(s);
	buf_adds(&text, words);
	if (words.n && tui_draft(s->tui).n)
		buf_addc(&text, '\n');
	buf_adds(&text, tui_draft(s->tui));
	if (!buf_failed(&text) && words.n)
		tui_edit(s->tui, s->asked_instead, buf_str(&text));
	screen_show_talk(s);
	buf_reset(&text);
	buf_addf(&text, "not %s: %s; %s", words.n ? "sent" : "answered", why->text,
		 turn_helps(&s->turn));
	screen_error(s, buf_z(&text));
	transcript_follow(s->said);
	buf_release(&text);
}

/* In the place of a message, or after what is shown.  The question is taken over. */
static int ask_instead(struct screen *s, struct talk_message *question,
		       const struct talk_message *instead, bool waited, struct err *err)
{
	s->asked_instead = instead ? instead->id : 0;
	if (instead)
		talk_try_from(s->talk, instead->parent);
	return ask(s, question, waited, err);
}

static int send(struct screen *s, struct str typed, const struct talk_message *instead,
		struct err *err)
{
	struct question_typed told = {0};
	struct talk_message *question;
	int rc = question_check(&s->doubted, typed, "Enter again", err);

	if (!rc)
		rc = question_type(&question, typed, instead, &told, err);
	if (rc)
		return rc;
	rc = screen_busy(s) || s->queue ? enqueue(s, question, instead, err)
					: ask_instead(s, question, instead, false, err);
	if (!rc && told.n_replaced)
		tui_say(s->tui, STYLE_NOTICE, "%zu invalid UTF-8 sequence%s became U+FFFD",
			told.n_replaced, told.n_replaced > 1 ? "s" : "");
	return rc;
}

int screen_send(struct screen *s, struct str typed, const struct talk_message *instead,
		struct err *err)
{
	int rc = !instead && screen_decides(s, typed) ? 0 : send(s, typed, instead, err);

	if (rc)
		tui_edit(s->tui, instead ? instead->id : 0, typed);
	return rc ? err_prefix(err, "not sent") : 0;
}

void screen_send_next(struct screen *s)
{
	struct queued *q = s->queue;
	struct err err = {0};
	struct buf text = {0};

	if (!q || screen_busy(s))
		return;
	s->queue = q->next;
	s->status.queued--;
	talk_message_add_text(q->question, HISTORY_TEXT, &text);
	if (ask_instead(s, q->question, talk_find(s->talk, q->instead), true, &err)) {
		tui_edit(s->tui, q->instead, buf_str(&text));
		tui_say(s->tui, STYLE_ERROR, "not sent: %s", err.text);
	}
	buf_release(&text);
	free(q);
}

void screen_drop_queue(struct screen *s)
{
	while (s->queue) {
		struct queued *q = s->queue;

		s->queue = q->next;
		talk_message_free(q->question);
		free(q);
	}
	s->status.queued = 0;
}

/* What waits comes back to be edited, rather than going off by itself. */
void screen_recall_queue(struct screen *s)
{
	int64_t editing = tui_editing(s->tui);
	struct buf back = {0};

	if (!s->queue)
		return;
	if (!editing)
		editing = s->queue->instead;
	for (const struct queued *q = s->queue; q; q = q->next) {
		talk_message_add_text(q->question, HISTORY_TEXT, &back);
		buf_addc(&back, '\n');
	}
	buf_adds(&back, tui_draft(s->tui));
	if (!buf_failed(&back)) {
		tui_edit(s->tui, editing, buf_str(&back));
		screen_drop_queue(s);
		screen_show_talk(s);
	}
	buf_release(&back);
}
