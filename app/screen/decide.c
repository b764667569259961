/*
 * The user's word to a call.  It is asked about in the transcript, whole, and answered from the
 * composer, so that nothing that was typed for something else is a yes, and nothing typed is
 * lost.
 */
#include "app/screen/private.h"

#include <string.h>
#include <strings.h>

#include "engine/base/clock.h"

/* So long a question has been in sight before it can be answered. */
#define SEEN_MS 600

/* ---- asking ---- */

void screen_show_asked(struct screen *s)
{
	struct buf keys = {0};

	s->acts.asked_item = screen_add_notice(s, buf_str(&s->acts.asked));
	buf_addz(&keys, "y and Enter: yes.");
	if (s->acts.suggest.len)
		buf_addz(&keys, "  s: yes, in this session.  a: yes, always here.");
	if (s->acts.widens)
		buf_addz(&keys, "  w network, w git, w outside: yes, with that.");
	buf_addz(&keys, "  n: no.");
	if (s->acts.asks_reason)
		buf_addz(&keys, "  n REASON: no, and the model is told why.");
	buf_addz(&keys, "  Esc: no, and stop.");
	screen_add_notice(s, buf_str(&keys));
	buf_release(&keys);
}

void screen_ask_user(void *ctx, const struct approval *p)
{
	struct screen *s = ctx;

	s->acts.number = p->number;
	s->acts.asks_reason = p->question == AGENT_ASKS_CALL;
	s->acts.asked_ms = clock_ms();
	s->acts.saw_first = s->acts.saw_last = false;
	buf_reset(&s->acts.asked);
	buf_reset(&s->acts.suggest);
	approval_add_text(&s->acts.asked, p);
	buf_adds(&s->acts.suggest, p->suggest);
	s->acts.widens = p->widens;
	s->acts.asks = true;
	screen_tell_queue(s);
	if (screen_acts_here(s))
		screen_show_asked(s);
	else
		tui_say(s->tui, STYLE_NOTICE, "a tool waits for your word in \"%s\"",
			buf_z(&s->acts.talk->title));
}

void screen_note_seen(struct screen *s)
{
	size_t i = s->acts.asked_item;

	if (!s->acts.asks || !screen_acts_here(s) || i >= transcript_n(s->said))
		return;
	s->acts.saw_first = s->acts.saw_first || transcript_saw_first(s->said, i);
	s->acts.saw_last = s->acts.saw_last || transcript_saw_last(s->said, i);
}

/* ---- answering ---- */

/* "n", "no"; with `rest` also "n REST". */
static bool is_word(struct str s, const char *word, struct str *rest)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] != ' ' || !rest))
		n++;
	if (!n || (n != 1 && n != strlen(word)) || strncasecmp(s.p, word, n) != 0)
		return false;
	if (rest)
		*rest = str_trimmed((struct str){s.p + n, s.n - n});
	return true;
}

/* What was typed, as a decision; false: it is none. */
static bool read_word(const struct screen *s, struct str typed, enum decision *d,
		      struct str *rest)
{
	bool call = s->acts.asks_reason, rules = s->acts.suggest.len > 0;

	*rest = (struct str){"", 0};
	*d = DECIDE_YES;
	if (is_word(typed, "yes", NULL))
		return true;
	/* "w network" */
	if (s->acts.widens && is_word(typed, "wider", rest) && agent_grade(*rest))
		return true;
	*rest = (struct str){"", 0};
	*d = DECIDE_SESSION;
	if (rules && is_word(typed, "session", NULL))
		return true;
	*d = DECIDE_ALWAYS;
	/* "a day in …" is a message: what is no rule is none of these. */
	if (rules && is_word(typed, "always", rest) &&
	    (!rest->n || strncmp(rest->p, "shell ", 6) == 0 ||
	     strncmp(rest->p, "edit ", 5) == 0 || strncmp(rest->p, "read ", 5) == 0))
		return true;
	*rest = (struct str){"", 0};
	*d = DECIDE_NO;
	return is_word(typed, "no", call ? rest : NULL) ||
	       (call && is_word(typed, "reason", rest) && rest->n);
}

/* Said, and what was typed stays to be sent again. */
static void hold(struct screen *s, struct str typed, const char *why)
{
	tui_edit(s->tui, 0, typed);
	tui_say(s->tui, STYLE_NOTICE, "%s", why);
}

/* The rule stands in the input before it is kept, and may be changed there. */
static bool holds_rule(struct screen *s, struct str typed, struct str rules)
{
	struct buf text = {0};
	struct err err;
	bool whole = rules.n > 0;

	if (whole && !rules_check(rules, &err))
		return false;
	if (whole) {
		hold(s, typed, err.text);
		return true;
	}
	buf_addz(&text, "always ");
	buf_adds(&text, buf_str(&s->acts.suggest));
	hold(s, buf_str(&text),
	     "Enter keeps this for this folder, from now on; it may be changed");
	buf_release(&text);
	return true;
}

bool screen_decides(struct screen *s, struct str typed)
{
	struct str rest;
	enum decision d;

	if (!screen_asks(s) || !screen_acts_here(s))
		return false;
	typed = str_trimmed(typed);
	if (!read_word(s, typed, &d, &rest))
		return false;
	if (clock_ms() - s->acts.asked_ms < SEEN_MS) {
		hold(s, typed, "this came up just now: Enter again answers it");
		return true;
	}
	if (d != DECIDE_NO && (!s->acts.saw_first || !s->acts.saw_last)) {
		hold(s, typed, "not all of it was in sight yet: PgUp and PgDn scroll");
		return true;
	}
	if (d == DECIDE_ALWAYS && holds_rule(s, typed, rest))
		return true;
	if (d == DECIDE_YES && rest.n)
		agent_widen(s->acts.agent, s->acts.number, agent_grade(rest));
	s->acts.asks = false;
	agent_decide(s->acts.agent, s->acts.number, d, rest);
	screen_show_talk(s);
	s->status.phase = screen_phase(s);
	return true;
}
