/*
 * What the messages of wire.h carry: the runner's configuration, a job, its news.  Each is
 * added to a body and taken from a message; what does not fit is no message.
 */
#ifndef APP_TOOLS_PARCEL_H
#define APP_TOOLS_PARCEL_H

#include <stdbool.h>

#include "app/tools/tools.h"
#include "app/tools/wire.h"

#define PARCEL_LIST 64 /* entries of a list */

/* A configuration as it was taken: its texts are borrowed from the message. */
struct parcel_config {
	struct runner_config c;
	struct str scratch; /* the folder that commands have for what is temporary */
	struct workspace_more more[PARCEL_LIST];
	struct str own[PARCEL_LIST], hide[PARCEL_LIST], show[PARCEL_LIST];
};

/* ERR_USAGE: a list is too long. */
int parcel_add_config(struct buf *body, const struct runner_config *c, struct str scratch,
		      struct err *err);
bool parcel_take_config(const struct wire_message *m, struct parcel_config *c);

void parcel_add_job(struct buf *body, const struct job *j);
/* Borrowed from the message. */
bool parcel_take_job(const struct wire_message *m, struct job *j);

/* Its kind and its id are the message's. */
void parcel_add_news(struct buf *body, const struct job_news *n);
/* Copies; *n is to be released either way.  Checks that the text is what job_news says it is.
 */
bool parcel_take_news(const struct wire_message *m, struct job_news *n);

#endif
