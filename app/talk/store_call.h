/* Inside the store: what is kept of calls with the messages that tell their results. */
#ifndef APP_TALK_STORE_CALL_H
#define APP_TALK_STORE_CALL_H

#include "app/talk/store.h"
#include "engine/base/jsontree.h"

/* What a result says of its call; borrows from message and `info`, which is to be released. */
struct told_call {
	struct history_call call;
	struct json_tree info;
};

/* False: the message tells no result, or not what became of the call. */
bool told_call_read(struct told_call *c, const struct talk_message *m);

#endif
