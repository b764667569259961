/* Lines that were heard, and wait. */
#include "app/line/peer.h"

#include "app/line/given.h"

/* stdin is waited for in such pieces. */
#define WAIT_MS 60000

/* A signal or the time's end interrupts the waiting for stdin; without waiting ERR_TIMEOUT says
 * that nothing is there yet. */
static int await_stdin(void *ctx, struct err *err)
{
	const struct peer *p = ctx;
	int rc;

	do {
		rc = given_await_stdin(p->app, p->waits ? WAIT_MS : 0, err);
	} while (!rc && p->waits);
	if (!rc)
		return err_set(err, ERR_TIMEOUT, "stdin: nothing yet");
	return rc < 0 ? rc : 0;
}

void peer_open(struct peer *p, const struct app *app, struct show *show)
{
	*p = (struct peer){.show = show, .app = app, .in = linereader_stdin()};
	p->in.json = true;
	p->in.wait = await_stdin;
	p->in.ctx = p;
	p->last = &p->first;
}

static struct said *take(struct peer *p, struct said **at)
{
	struct said *m = *at;

	*at = m->next;
	if (!m->next)
		p->last = at;
	m->next = NULL;
	p->n--;
	p->bytes -= m->text.len;
	return m;
}

void peer_close(struct peer *p)
{
	while (p->first)
		said_free(take(p, &p->first));
	linereader_release(&p->in);
}

static void put(struct peer *p, struct said *m)
{
	*p->last = m;
	p->last = &m->next;
	p->n++;
	p->bytes += m->text.len;
}

void peer_complain(struct peer *p, size_t line, struct err *err)
{
	err_prefix(err, "line %zu", line);
	show_error(p->show, err);
	*err = (struct err){0};
}

/* A line: 1, *m NULL: it was none, and that was told; 0 at the end; else why there is none. */
static int read_one(struct peer *p, struct said **m, struct err *err)
{
	struct str line;
	int rc = linereader_next(&p->in, &line, err);

	*m = NULL;
	if (rc <= 0)
		return rc;
	rc = said_read(m, line, err);
	if (!rc)
		(*m)->line = p->in.n;
	if (rc == ERR_USAGE) {
		peer_complain(p, p->in.n, err);
		p->worst = rc;
		rc = 0;
	}
	return rc ? rc : 1;
}

int peer_next(struct peer *p, struct said **m, struct err *err)
{
	int rc;

	if (p->first) {
		*m = take(p, &p->first);
		return 1;
	}
	if (p->ended) {
		*err = p->failed;
		return p->failed.code;
	}
	p->waits = true;
	do {
		rc = read_one(p, m, err);
	} while (rc > 0 && !*m);
	p->waits = false;
	return rc;
}

bool peer_hear(struct peer *p, struct said **answer)
{
	struct err err = {0};
	struct said *m;
	int rc;

	*answer = NULL;
	if (peer_fd(p) < 0)
		return false;
	rc = read_one(p, &m, &err);
	if (rc == ERR_TIMEOUT || rc == ERR_CANCELLED) /* who drives the turn sees why */
		return false;
	p->ended = rc <= 0;
	p->failed = err;
	if (rc <= 0)
		return false;
	if (m && m->kind == SAID_ANSWER)
		*answer = m;
	else if (m)
		put(p, m);
	return true;
}

bool peer_ended(const struct peer *p)
{
	return p->ended;
}

int peer_fd(const struct peer *p)
{
	return p->ended || p->n >= PEER_WAITING || p->bytes >= PEER_BYTES ? -1 : p->in.fd;
}

struct said *peer_take_joining(struct peer *p)
{
	for (struct said **at = &p->first; *at; at = &(*at)->next) {
		if ((*at)->kind == SAID_TEXT && !(*at)->after)
			return take(p, at);
	}
	return NULL;
}
