/* paths: where the program keeps its files. */

#include "app/paths.h"
#include "app/verb/verb.h"
#include "app/verb/io.h"

int verb_paths(int argc, char **argv)
{
	struct buf out = {0};
	struct err err = {0};
	int rc = 0;

	(void)argv;
	if (argc > 1)
		return verb_usage("paths");
	for (int kind = 0; !rc && kind < N_PATHS; kind++) {
		buf_addf(&out, "%-8s ", path_name((enum path_kind)kind));
		rc = path_of((enum path_kind)kind, &out, &err);
		buf_addc(&out, '\n');
	}
	if (!rc) {
		size_t before = out.len;

		buf_addz(&out, "model    ");
		if (path_nano(&out, NULL) != 0)
			buf_truncate(&out, before);
		else
			buf_addc(&out, '\n');
		rc = verb_write(&out, &err);
	}
	buf_release(&out);
	return verb_status("paths", rc, &err);
}
