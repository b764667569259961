/* Jobs and their news: names, and the way to whichever runner there is. */
#include "app/tools/tools.h"

#include <errno.h>
#include <poll.h>

#include "app/tools/runner_ops.h"
#include "engine/base/clock.h"

const char *tool_class_name(enum tool_class cls)
{
	static const char *const names[] = {
		[TOOL_READ] = "read",   [TOOL_READ_OUTSIDE] = "read-outside",
		[TOOL_EDIT] = "edit",   [TOOL_RUN] = "run",
		[TOOL_LEAVE] = "leave", [TOOL_FORBIDDEN] = "forbidden",
	};

	return names[cls];
}

const char *tool_state_name(enum tool_state state)
{
	static const char *const names[] = {
		[TOOL_OK] = "ok",           [TOOL_ERROR] = "error",
		[TOOL_DENIED] = "denied",   [TOOL_REFUSED] = "refused",
		[TOOL_STOPPED] = "stopped", [TOOL_TIMEOUT] = "timeout",
		[TOOL_LOST] = "lost",       [TOOL_SKIPPED] = "skipped",
	};

	return names[state];
}

void tool_grade_add(struct buf *out, unsigned grade)
{
	static const char *const names[] = {"write", "git", "net", "outside"};
	bool more = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(grade & 1u << i))
			continue;
		buf_addf(out, "%s%s", more ? "+" : "", names[i]);
		more = true;
	}
	if (!more)
		buf_addz(out, "read");
}

void job_news_release(struct job_news *n)
{
	buf_release(&n->text);
	buf_release(&n->spill);
	buf_release(&n->info);
	buf_release(&n->plan);
	buf_release(&n->diff);
	buf_release(&n->before);
	buf_release(&n->files);
	*n = (struct job_news){0};
}

int runner_fd(const struct runner *r)
{
	return r->ops->fd(r);
}

int runner_run(struct runner *r, const struct job *j, uint64_t *id, struct err *err)
{
	return r->ops->run(r, j, id, err);
}

void runner_stop(struct runner *r, uint64_t id)
{
	r->ops->stop(r, id);
}

int runner_next(struct runner *r, struct job_news *n)
{
	return r->ops->next(r, n);
}

int runner_await(struct runner *r, uint64_t id, int64_t ms, struct job_news *n, struct err *err)
{
	int64_t deadline = clock_ms() + ms;
	int rc;

	while ((rc = runner_next(r, n)) >= 0 && (n->id != id || n->kind != JOB_DONE)) {
		struct pollfd p = {.fd = runner_fd(r), .events = POLLIN};
		int left = clock_left_ms(deadline);

		if (rc == 1) {
			job_news_release(n);
			continue;
		}
		if (!left)
			return err_set(err, ERR_TIMEOUT, "the tools' process takes too long");
		if (poll(&p, 1, left) < 0 && errno != EINTR)
			return err_errno(err, "poll", "waiting for the tools' process");
	}
	return rc < 0 ? err_set(err, ERR_FAILED, "the tools' process has ended") : 0;
}

enum sandbox_layer runner_sandbox(const struct runner *r, struct str *why)
{
	return r->ops->sandbox(r, why);
}

const char *sandbox_layer_name(enum sandbox_layer layer)
{
	static const char *const names[] = {
		[SANDBOX_BWRAP] = "bubblewrap",  [SANDBOX_BWRAP_PROC] = "bubblewrap-proc",
		[SANDBOX_LANDLOCK] = "landlock", [SANDBOX_OFF] = "off",
		[SANDBOX_NONE] = "none",
	};

	return names[layer];
}

int runner_restart(struct runner *r, struct err *err)
{
	return r->ops->restart(r, err);
}

void runner_close(struct runner *r)
{
	if (r)
		r->ops->close(r);
}
