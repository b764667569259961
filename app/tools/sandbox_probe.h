/*
 * Which layer holds on this machine: each is tried with a real command that attacks
 * (sandbox_try.h), in a workspace made for it.
 */
#ifndef APP_TOOLS_SANDBOX_PROBE_H
#define APP_TOOLS_SANDBOX_PROBE_H

#include "app/tools/tools.h"

/* The least version of Landlock that makes a layer. */
#define PROBE_LANDLOCK 2

/*
 * The strongest that holds, none stronger than `from`; what is found goes to *out, to be
 * released.  `times`: how long a command takes in it, too.  ERR_IO, ERR_NOMEM.
 */
int probe_layers(struct sandbox_found *out, enum sandbox_layer from, bool times,
		 struct err *err);

#endif
