/* Which backends there are, and opening one. */
#include "kernels/backend.h"

#include <string.h>

int backend_open(struct backend **out, const struct backend_options *o, struct err *err)
{
	*out = NULL;
	if (o->name && strcmp(o->name, "cpu") != 0)
		return err_set(err, ERR_MODEL, "backend %s: this build has only cpu", o->name);
	return backend_open_cpu(out, o, err);
}
