/*
 * The tools that read and change files, as functions over an open workspace: read_file,
 * list_files, search_files; write_file, edit_file.
 *
 * They run in a process of their own that is ended when its time is up, and may be confined
 * (confine.h); what they are given is hostile, names and contents.  One at a time in a process.
 */
#ifndef APP_TOOLS_FILE_TOOL_H
#define APP_TOOLS_FILE_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/tools/output.h"
#include "app/tools/tools.h"
#include "app/tools/workspace.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/jsonr.h"

struct file_job {
	const struct workspace *w;
	struct json_doc args; /* an object that fits the tool's schema */
	bool outside;         /* the path may lead out of the workspace */
	size_t limit;         /* bytes of the result, OUTPUT_BYTES at most */
	int spills;           /* the folder of the spill files; -1: there is none */
	int spill;            /* one of them, for what the result has no room for; -1 */
	unsigned n_spill;     /* its number */
	enum job_phase phase;
	struct str shown, plan; /* of a change, as struct job has them */
	/* what it gives: */
	struct buf text; /* the result, or a sentence on why there is none */
	struct buf info; /* JSON: which file was read and how far; may be empty */
	bool cut;        /* there was more than the text: the spill file, if any, has it */
	struct buf new_plan, diff, before; /* of a preparation, as struct job_news has them */
	struct buf files;                  /* of an undo, as well */
};

/* A tool: 0; ERR_USAGE: `text` says why not; ERR_NOMEM. */
int tool_read_file(struct file_job *j);
int tool_list_files(struct file_job *j);
int tool_search_files(struct file_job *j);
int tool_write_file(struct file_job *j);
int tool_edit_file(struct file_job *j);
/* For the user, not for the model: undo.h. */
int tool_undo(struct file_job *j);

/*
 * Runs the tool of that name.  TOOL_OK, or TOOL_ERROR: then the text begins with "error: ".
 * Memory that runs out is such an error, too.
 */
enum tool_state file_tool_run(struct file_job *j, struct str tool, struct str args);
void file_job_release(struct file_job *j);

/* Is there such a tool for this phase, and may it run so long? */
bool file_tool_is(struct str tool, enum job_phase phase);
#define FILE_TOOL_MS 20000

/* ---- what they share ---- */

/* The text of an argument; `none` where it is not there. */
struct str file_arg(const struct file_job *j, const char *name, struct str none);
/* A whole number, drawn into what fits. */
int64_t file_arg_number(const struct file_job *j, const char *name, int64_t none);

/* `text` becomes PATH and what is wrong with it; ERR_USAGE. */
int file_refuse(struct file_job *j, struct str path, const char *what);

/*
 * Opens what the path leads to, "OUT:N" too.  A regular file gives a descriptor for reading,
 * a directory one for listing; anything else is ERR_USAGE.  *p is to be closed either way; of a
 * spill file its `path` is the name as written.
 */
int file_open(struct file_job *j, struct str path, struct place *p, int *fd);

/* Does a file that begins so hold what is no text: a NUL, where one would be soon? */
bool file_is_binary(struct str begin);

/* Bytes of a name as text: controls, and what is no UTF-8, as \xHH. */
void file_add_name(struct buf *out, struct str name);

#endif
