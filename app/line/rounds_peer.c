/* Whoever writes the session's lines answers for the user, and says what joins a round. */
#include "app/line/rounds_inside.h"

#include <poll.h>

#include "app/signals.h"
#include "app/talk/store.h"
#include "engine/base/clock.h"

#define HEAR_MS 100

/* Of what the call at hand is not about, it is told. */
static void take_answer(struct rounds *r, const struct said *m)
{
	bool asked = agent_state(r->agent) == AGENT_WAITS && r->question == AGENT_ASKS_CALL;
	bool learns = m->decision == DECIDE_SESSION || m->decision == DECIDE_ALWAYS;
	struct str said = buf_str(&m->text);
	struct err err = {0};

	if (!asked || !str_is(buf_str(&m->id), r->asked_id))
		err_set(&err, ERR_USAGE, "tool_answer: '%.40s', but %s waits for an answer",
			buf_z(&m->id), asked ? r->asked_id : "no call");
	else if (learns && !r->suggest.len)
		err_set(&err, ERR_USAGE,
			"decision: no rule can be made of %s, expected once, no or stop",
			r->asked_id);
	else if (m->grade && !agent_widen(r->agent, r->number, m->grade))
		err_set(&err, ERR_USAGE,
			"with: only a command in a sandbox takes more than it has");
	if (err.code) {
		peer_complain(r->peer, m->line, &err);
		return;
	}
	r->stopped = m->decision == DECIDE_STOP;
	if (learns) /* the rule that was suggested */
		said.n = 0;
	agent_decide(r->agent, r->number, m->decision, said);
}

void rounds_hear_peer(struct rounds *r)
{
	int64_t until_ms = clock_ms() + HEAR_MS;
	struct said *answer;

	r->heard_all = !r->peer;
	while (!r->heard_all && !signals_seen() && rounds_time_left_ms(r) &&
	       clock_left_ms(until_ms)) {
		r->heard_all = !peer_hear(r->peer, &answer);
		if (answer)
			take_answer(r, answer);
		said_free(answer);
	}
}

/* What it said to the model meanwhile follows the results. */
static int join(void *ctx, struct err *err)
{
	struct rounds *r = ctx;
	struct said *m;
	size_t n = 0;
	int rc = 0;

	rounds_hear_peer(r);
	while (!rc && (m = peer_take_joining(r->peer))) {
		struct talk_message *said = talk_message_say(CHAT_USER, buf_str(&m->text), err);

		said_free(m);
		if (said)
			talk_say(r->talk, said, clock_wall_ms());
		rc = said ? talk_store_save(r->turn->talks, r->talk, err) : ERR_NOMEM;
		n++;
	}
	if (n)
		show_joined(r->show, n);
	return rc;
}

void rounds_ask_peer(struct rounds *r, struct peer *peer)
{
	r->peer = peer;
	r->ops.ask_user = rounds_ask_user;
	r->ops.join = join;
}

/* -1: neither. */
static int sooner_ms(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

static bool still_asks(const struct rounds *r, uint64_t number)
{
	return agent_state(r->agent) == AGENT_WAITS && r->number == number;
}

void rounds_wait_for_peer(struct rounds *r)
{
	struct pollfd fds[2] = {{.fd = signals_fd(), .events = POLLIN}, {.events = POLLIN}};
	uint64_t number = r->number;
	int left_ms;

	rounds_hear_peer(r);
	if (!still_asks(r, number))
		return;
	/* Who cannot be asked does not answer. */
	if (r->show->lost) {
		r->gone = true;
		agent_stop(r->agent);
		return;
	}
	/* More rounds are the option's to give, and a grade the answer's. */
	if (r->question != AGENT_ASKS_CALL) {
		agent_decide(r->agent, number, DECIDE_NO, (struct str){0});
		return;
	}
	if (peer_ended(r->peer))
		r->ops.ask_user = NULL;
	if (peer_ended(r->peer) || !clock_left_ms(r->answer_by_ms)) {
		agent_decide(r->agent, number, DECIDE_NOBODY, (struct str){0});
		return;
	}
	fds[1].fd = peer_fd(r->peer);
	left_ms = sooner_ms(rounds_time_left_ms(r), clock_left_ms(r->answer_by_ms));
	poll(fds, 2, r->heard_all ? left_ms : 0);
	if (!rounds_time_left_ms(r)) {
		r->late = true;
		agent_stop(r->agent);
	} else if (fds[0].revents) {
		rounds_take_signals(r);
	}
}
