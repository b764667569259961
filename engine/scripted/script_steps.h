/* The kinds of steps as a script's lines name them. */
#ifndef ENGINE_SCRIPTED_SCRIPT_STEPS_H
#define ENGINE_SCRIPTED_SCRIPT_STEPS_H

#include "engine/scripted/script_fields.h"

struct script_step_row {
	const char *name;
	enum step_kind kind;
	const char *keys; /* beside its own name */
	int chunk;        /* where the line gives none */
	bool ends_turn;
	int (*fill)(struct script_reader *r, struct script_step *st, json_t *v);
};

/* The row that a line's object names; NULL without one. */
const struct script_step_row *script_step_of(const json_t *o);

#endif
