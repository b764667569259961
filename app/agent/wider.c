/*
 * A command that failed for want of the network, in the sandbox: whoever can be asked says
 * whether it runs again with it.  No is what is meant by anything but yes.
 */
#include "app/agent/machine.h"

#include <string.h>

#define NO_NETWORK "\n[the sandbox has no network]"

/* What programs print that looked for it. */
static bool wants_network(struct str text)
{
	static const char *const words[] = {
		"ould not resolve",
		"Temporary failure in name resolution",
		"Network is unreachable",
		"Name or service not known",
		"getaddrinfo",
		"ENOTFOUND",
		"EAI_AGAIN",
		"nodename nor servname",
		"No address associated with hostname",
	};

	for (size_t i = 0; text.n && i < sizeof(words) / sizeof(*words); i++)
		if (memmem(text.p, text.n, words[i], strlen(words[i])))
			return true;
	return false;
}

/* Could it be that? */
static bool failed_without(const struct agent *a, const struct job_news *job)
{
	const struct agent_news n = machine_news(a, AGENT_RESULT);

	return job->state == TOOL_ERROR && job->exit > 0 && machine_sandboxed(a) &&
	       !(n.grade & GRADE_NET) && wants_network(buf_str(&job->text));
}

bool machine_asks_wider(struct agent *a, struct job_news *job)
{
	enum agent_mode mode = a->config.mode;

	if (!failed_without(a, job))
		return false;
	if (a->skip || a->state == AGENT_STOPS || !a->ops->ask_user ||
	    (mode != AGENT_ASK && mode != AGENT_EDITS)) {
		buf_addz(&job->text, NO_NETWORK);
		return false;
	}
	a->failed_run = *job;
	*job = (struct job_news){0};
	machine_ask(a, AGENT_ASKS_WIDER);
	return true;
}

void machine_keep_narrow(struct agent *a)
{
	struct job_news job = a->failed_run;

	a->failed_run = (struct job_news){0};
	buf_addz(&job.text, NO_NETWORK);
	machine_answer_job(a, &job);
	job_news_release(&job);
}

bool machine_run_wider(struct agent *a)
{
	struct agent_news n;

	job_news_release(&a->failed_run);
	a->widened |= GRADE_NET;
	a->by = "once";
	n = machine_news(a, AGENT_STARTS);
	if (!machine_begin_job(a, &n))
		return true;
	a->ops->show(a->ctx, &n);
	return false;
}
