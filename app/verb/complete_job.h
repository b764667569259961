/*
 * One line of `complete`, read: what it asks of the engine.  The keys are told in complete.c.
 */
#ifndef APP_VERB_COMPLETE_JOB_H
#define APP_VERB_COMPLETE_JOB_H

#include "engine/base/jsonr.h"
#include "engine/engine.h"
#include "engine/text/prompt_json.h"

struct complete_job {
	struct json_doc json;
	struct chat_doc *doc;
	struct chat_message *messages; /* a copy, where the task must be set */
	struct turn_request req;       /* borrows from the line and from these */
};

/* ERR_USAGE says which key, what was found, what is expected.  To be released either way. */
int complete_job_read(struct complete_job *j, bool raw, struct str line, struct err *err);
void complete_job_release(struct complete_job *j);

#endif
