/* Reading a line of `complete`: JSON to a request. */
#include "app/verb/complete_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/talk/request.h"

void complete_job_release(struct complete_job *j)
{
	chat_doc_free(j->doc);
	free(j->messages);
	json_doc_release(&j->json);
	*j = (struct complete_job){0};
}

static int read_number(const struct json_doc *doc, const json_t *v, const char *key, bool whole,
		       double *real, long long *integer, struct err *err)
{
	struct str s = json_doc_number(doc, v);
	char text[64] = "", *end = text;

	if (s.n > 0 && s.n < sizeof(text)) {
		memcpy(text, s.p, s.n);
		text[s.n] = '\0';
		errno = 0;
		if (whole)
			*integer = strtoll(text, &end, 10);
		else
			*real = strtod(text, &end);
	}
	if (end == text || *end != '\0' || errno == ERANGE)
		return err_set(err, ERR_USAGE, "sampling: %s: found %.*s, expected a%s number",
			       key, s.n ? (int)(s.n < 40 ? s.n : 40) : 7, s.n ? s.p : "nothing",
			       whole ? " whole" : "");
	return 0;
}

/* Seeds use all 64 bits, so they are read apart from the other whole numbers. */
static int read_seed(const struct json_doc *doc, const json_t *v, uint64_t *seed,
		     struct err *err)
{
	struct str s = json_doc_number(doc, v);
	uint64_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		uint64_t digit = (uint64_t)(s.p[i] - '0');

		if (s.p[i] < '0' || s.p[i] > '9' || n > (UINT64_MAX - digit) / 10)
			s.n = 0;
		else
			n = 10 * n + digit;
	}
	if (s.n == 0)
		return err_set(err, ERR_USAGE,
			       "sampling: seed: expected a whole number from 0 to 2^64 - 1");
	*seed = n;
	return 0;
}

static int read_sampling(const struct json_doc *doc, const json_t *o, struct sampling *s,
			 struct err *err)
{
	const struct {
		const char *key;
		double *real;
	} rows[] = {
		{"temperature", &s->temperature},
		{"top_p", &s->top_p},
		{"min_p", &s->min_p},
	};
	const size_t n_rows = sizeof(rows) / sizeof(rows[0]);
	const char *key;
	json_t *v;
	int rc = 0;

	if (!json_is_object(o))
		return err_set(err, ERR_USAGE, "sampling: %s, expected an object",
			       json_kind(o));
	json_object_foreach ((json_t *)o, key, v) {
		long long n = 0;
		size_t row = 0;

		while (row < n_rows && strcmp(key, rows[row].key) != 0)
			row++;
		if (row < n_rows) {
			rc = read_number(doc, v, key, false, rows[row].real, NULL, err);
		} else if (strcmp(key, "seed") == 0) {
			rc = read_seed(doc, v, &s->seed, err);
		} else if (strcmp(key, "top_k") == 0) {
			rc = read_number(doc, v, key, true, NULL, &n, err);
			/* More than any vocabulary is all of it. */
			s->top_k = n > INT32_MAX ? INT32_MAX : n < -1 ? -1 : (int)n;
		} else if (strcmp(key, "max_tokens") == 0) {
			rc = read_number(doc, v, key, true, NULL, &n, err);
			s->max_tokens = n;
		} else {
			rc = err_set(err, ERR_USAGE, "sampling: unknown key \"%s\"", key);
		}
		if (rc)
			return rc;
	}
	return 0;
}

static int check_keys(const json_t *o, bool raw, struct err *err)
{
	static const char *const chat_keys[] = {
		"id",
		"sampling",
		"messages",
		"tools",
		"effort",
		"thinking_mode",
		"reasoning_effort",
		"drop_thinking",
		"task",
		NULL,
	};
	static const char *const raw_keys[] = {"id", "sampling", "prompt", NULL};
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return err_set(err, ERR_USAGE, "%s, expected an object", json_kind(o));
	json_object_foreach ((json_t *)o, key, v) {
		const char *const *known = raw ? raw_keys : chat_keys;

		while (*known && strcmp(*known, key) != 0)
			known++;
		if (!*known)
			return err_set(err, ERR_USAGE, "unknown key \"%s\"", key);
	}
	return 0;
}

/* {"task": …} beside the messages is the task of the last one. */
static int set_task(struct complete_job *j, const json_t *task, struct err *err)
{
	const struct chat *chat = chat_doc_chat(j->doc);
	size_t n = chat->n_messages;

	if (!json_is_string(task) || strcmp(json_string_value(task), "title") != 0)
		return err_set(err, ERR_USAGE, "task: expected \"title\"");
	if (n == 0)
		return err_set(err, ERR_USAGE, "task: there are no messages");
	j->messages = calloc(n, sizeof(*j->messages));
	if (!j->messages)
		return err_nomem(err, "messages", n * sizeof(*j->messages));
	memcpy(j->messages, chat->messages, n * sizeof(*j->messages));
	j->messages[n - 1].task = CHAT_TASK_TITLE;
	j->req.chat.messages = j->messages;
	return 0;
}

static int read_prompt(struct complete_job *j, bool raw, struct str line, struct err *err)
{
	const json_t *prompt = json_object_get(j->json.root, "prompt");
	const json_t *task = json_object_get(j->json.root, "task");
	int rc;

	if (raw) {
		if (!json_is_string(prompt))
			return err_set(err, ERR_USAGE, "prompt: %s, expected a string",
				       json_kind(prompt));
		j->req.is_raw = true;
		j->req.raw = json_str(prompt);
		return 0;
	}
	rc = chat_doc_parse(&j->doc, line, err);
	if (rc)
		return rc;
	j->req.chat = *chat_doc_chat(j->doc);
	return task ? set_task(j, task, err) : 0;
}

int complete_job_read(struct complete_job *j, bool raw, struct str line, struct err *err)
{
	const json_t *sampling;
	int rc = json_doc_parse(&j->json, line, err);

	if (rc) {
		err->code = rc = rc == ERR_FAILED ? ERR_USAGE : rc;
		return rc;
	}
	rc = check_keys(j->json.root, raw, err);
	if (rc)
		return rc;
	j->req.sampling = sampling_default();
	j->req.sampling.seed = request_seed();
	sampling = json_object_get(j->json.root, "sampling");
	if (sampling)
		rc = read_sampling(&j->json, sampling, &j->req.sampling, err);
	return rc ? rc : read_prompt(j, raw, line, err);
}
