/*
 * The last row: what runs, how far it is, what it costs.
 */
#ifndef TUI_STATUS_H
#define TUI_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "tui/surface.h"

enum status_phase {
	STATUS_LOADING, /* done of all: bytes; rate: bytes/s   */
	STATUS_IDLE,
	STATUS_PREFILL, /* done of all: tokens; rate: tokens/s */
	STATUS_THINKING,
	STATUS_ANSWERING,
	STATUS_RUNNING,  /* a tool does                          */
	STATUS_ASKING,   /* the user, whether one may            */
	STATUS_STOPPING, /* interrupted, the engine not there yet */
	STATUS_NO_ENGINE,
};

struct status {
	enum status_phase phase;
	char model[64]; /* "" = not known yet */
	char backend[64];
	int64_t context_used, context_all; /* tokens; 0 = unknown */
	int64_t cached;                    /* tokens of this turn's prompt; -1 = unknown */
	int64_t from_disk, disk_ms;        /* of these, and what that took; 0 = none */
	int64_t reads, reads_of;           /* tokens, should the draft be sent; of 0: not known */
	double reads_s;                    /* seconds that takes; 0 = not known */
	uint64_t done, all;
	double rate; /* per second; 0 = unknown */
	double tokens_per_s;
	double per_step; /* tokens a draft step; 0 = no drafts */
	double on_gpu;   /* of the experts that were chosen, the part in its memory; 0 = not told */
	int64_t memory;  /* bytes; 0 = unknown */
	bool turn;       /* one runs or waits for the model: it can be stopped */
	int queued;      /* messages that wait */
	const char *mode; /* in which tools work, borrowed; NULL: nothing is said */
};

/* `hint`: behind all, e.g. "F1 help". */
void status_draw(const struct status *s, const char *hint, struct view v);

#endif
