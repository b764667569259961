/*
 * Messages between the program, its runner and the runner's wardens: one packet of a
 * SOCK_SEQPACKET pair each, a header of 16 bytes and fields; what is longer than a packet may
 * be lies in a sealed memfd that goes along.
 *
 * Both ends are the same program, yet what comes is checked as any stranger's: a process that
 * reads hostile files is at the other end.  Any thread.
 */
#ifndef APP_TOOLS_WIRE_H
#define APP_TOOLS_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

#define WIRE_PACKET_BYTES (60u << 10) /* fields that go in the packet itself */
#define WIRE_MOST_BYTES   (16u << 20) /* and beside it */

enum wire_kind {
	WIRE_CONFIG = 1, /* to the runner: the workspace, once                    */
	WIRE_READY,      /* from it: it works                                     */
	WIRE_FAILED,     /* or not, and why; it ends                              */
	WIRE_RUN,        /* a job                                                 */
	WIRE_STOP,       /* the job is to end; again: at once                     */
	WIRE_OUTPUT,     /* from the runner, from a warden: the job goes on       */
	WIRE_DONE,       /* its end                                               */
};

struct wire_message {
	enum wire_kind kind;
	uint64_t id;
	struct buf body;
};

/* A pair of which neither end is inherited by what is executed.  ERR_IO. */
int wire_pair(int ends[2], struct err *err);

/*
 * Sends one; 0, 1: there is no room now, or ERR_FAILED: nobody is there.  ERR_NOMEM, ERR_IO.
 */
int wire_send(int sock, enum wire_kind kind, uint64_t id, struct str body, struct err *err);

/*
 * Takes one: 1; 0: none waits; ERR_FAILED: nobody is there, or what came is no message.
 * ERR_NOMEM.  The body is to be released.
 */
int wire_receive(int sock, struct wire_message *m, struct err *err);

/* A packet as it came, without what goes along: is it a message?  Its body is copied. */
int wire_parse(struct str packet, struct wire_message *m, struct err *err);

/* ---- fields ---- */

void wire_add_number(struct buf *body, uint64_t v);
void wire_add_text(struct buf *body, struct str s);

/* Fields are taken in the order they were added; one that is not there fails all that follow.
 */
struct wire_fields {
	struct str rest;
	bool failed;
};

struct wire_fields wire_fields(const struct wire_message *m);
uint64_t wire_number(struct wire_fields *f);
struct str wire_text(struct wire_fields *f); /* borrowed from the message */
/* All were there, and nothing else is. */
bool wire_complete(const struct wire_fields *f);

#endif
