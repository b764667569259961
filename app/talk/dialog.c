#include "app/talk/dialog.h"

#include <stdlib.h>
#include <string.h>

static void free_str(struct str s)
{
	free((void *)(uintptr_t)s.p);
}

static void free_message(struct chat_message *m)
{
	free_str(m->content);
	free_str(m->reasoning);
	for (size_t i = 0; i < m->n_calls; i++) {
		free_str(m->calls[i].name);
		free_str(m->calls[i].arguments);
	}
	free((void *)(uintptr_t)m->calls);
	free((void *)(uintptr_t)m->ids);
}

void dialog_release(struct dialog *d)
{
	dialog_drop(d, d->n);
	free(d->messages);
	*d = (struct dialog){0};
}

void dialog_drop(struct dialog *d, size_t n)
{
	for (; n && d->n; n--)
		free_message(&d->messages[--d->n]);
}

static int copy_bytes(const void *p, size_t n, const void **out, struct err *err)
{
	void *copy = NULL;

	if (n) {
		copy = malloc(n);
		if (!copy)
			return err_nomem(err, "conversation", n);
		memcpy(copy, p, n);
	}
	*out = copy;
	return 0;
}

static int copy_str(struct str s, struct str *out, struct err *err)
{
	const void *p = NULL;
	int rc = copy_bytes(s.p, s.n, &p, err);

	if (!rc)
		*out = (struct str){p, s.n};
	return rc;
}

/* Puts m at `at`; on failure m is freed. */
static int insert(struct dialog *d, size_t at, struct chat_message *m, int rc, struct err *err)
{
	struct chat_message *grown = NULL;

	if (!rc) {
		grown = realloc(d->messages, (d->n + 1) * sizeof(*grown));
		if (!grown)
			rc = err_nomem(err, "conversation", (d->n + 1) * sizeof(*grown));
	}
	if (rc || !grown) {
		free_message(m);
		return rc;
	}
	d->messages = grown;
	memmove(grown + at + 1, grown + at, (d->n - at) * sizeof(*grown));
	grown[at] = *m;
	d->n++;
	return 0;
}

int dialog_set_system(struct dialog *d, struct str text, struct err *err)
{
	struct chat_message m = {.role = CHAT_SYSTEM};
	bool had = d->n && d->messages[0].role == CHAT_SYSTEM;
	int rc;

	if (text.n) {
		rc = copy_str(text, &m.content, err);
		rc = insert(d, 0, &m, rc, err);
		if (rc)
			return rc;
	}
	if (had) {
		size_t at = text.n ? 1 : 0;

		free_message(&d->messages[at]);
		memmove(d->messages + at, d->messages + at + 1,
			(d->n - at - 1) * sizeof(*d->messages));
		d->n--;
	}
	return 0;
}

int dialog_add(struct dialog *d, enum chat_role role, struct str text, struct err *err)
{
	struct chat_message m = {.role = role};
	int rc = copy_str(text, &m.content, err);

	return insert(d, d->n, &m, rc, err);
}

static int copy_calls(const struct turn_answer *a, struct chat_message *m, struct err *err)
{
	struct chat_call *calls;
	int rc = 0;

	if (!a->n_calls)
		return 0;
	calls = calloc(a->n_calls, sizeof(*calls));
	if (!calls)
		return err_nomem(err, "conversation", a->n_calls * sizeof(*calls));
	m->calls = calls;
	for (size_t i = 0; !rc && i < a->n_calls; i++) {
		if (a->calls[i].bad)
			continue; /* it never became a call */
		rc = copy_str(buf_str(&a->calls[i].name), &calls[m->n_calls].name, err);
		if (!rc)
			rc = copy_str(buf_str(&a->calls[i].arguments),
				      &calls[m->n_calls].arguments, err);
		m->n_calls++;
	}
	return rc;
}

int dialog_add_answer(struct dialog *d, const struct turn_answer *a, struct err *err)
{
	struct chat_message m = {.role = CHAT_ASSISTANT};
	const void *ids = NULL;
	int rc;

	if (!a->n_ids && !a->text.len && !a->thinking.len && !a->n_calls)
		return 0;
	rc = copy_str(buf_str(&a->text), &m.content, err);
	if (!rc)
		rc = copy_str(buf_str(&a->thinking), &m.reasoning, err);
	if (!rc)
		rc = copy_calls(a, &m, err);
	/* ids stand in for a finished answer only: an interrupted one lacks its end token */
	if (!rc && a->done && (a->stop == STOP_END || a->stop == STOP_CALLS)) {
		rc = copy_bytes(a->ids, a->n_ids * sizeof(*a->ids), &ids, err);
		m.ids = ids;
		m.n_ids = rc ? 0 : a->n_ids;
	}
	return insert(d, d->n, &m, rc, err);
}

struct chat dialog_chat(const struct dialog *d, enum chat_effort effort)
{
	return (struct chat){
		.messages = d->messages,
		.n_messages = d->n,
		.effort = effort,
		.drop_thinking = true,
	};
}
