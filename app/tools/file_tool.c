/* Arguments, opening, and which tool is which. */
#include "app/tools/file_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/tools/place.h"
#include "app/tools/spill.h"
#include "app/tools/undo.h"
#include "engine/base/utf8.h"

#define LOOK_BYTES 8192 /* where a NUL makes it a binary file */

static const struct {
	const char *name;
	int (*run)(struct file_job *j);
	bool changes;
} tools[] = {
	{"read_file", tool_read_file, false},
	{"list_files", tool_list_files, false},
	{"search_files", tool_search_files, false},
	{"write_file", tool_write_file, true},
	{"edit_file", tool_edit_file, true},
	{UNDO_TOOL, tool_undo, true},
};

#define N_TOOLS (sizeof(tools) / sizeof(*tools))

static bool fits(size_t i, struct str tool, enum job_phase phase)
{
	return str_is(tool, tools[i].name) && tools[i].changes == (phase != JOB_WHOLE);
}

bool file_tool_is(struct str tool, enum job_phase phase)
{
	for (size_t i = 0; i < N_TOOLS; i++)
		if (fits(i, tool, phase))
			return true;
	return false;
}

static int run(struct file_job *j, struct str tool)
{
	for (size_t i = 0; i < N_TOOLS; i++)
		if (fits(i, tool, j->phase))
			return tools[i].run(j);
	return file_refuse(j, tool, ": no such tool");
}

enum tool_state file_tool_run(struct file_job *j, struct str tool, struct str args)
{
	struct buf failed = {0};
	struct err err = {0};
	int rc = json_doc_parse_unique(&j->args, args, &err);

	if (rc)
		buf_addz(&j->text, err.text);
	else
		rc = run(j, tool);
	if (!rc && !buf_failed(&j->text) && !buf_failed(&j->info) &&
	    !buf_failed(&j->new_plan) && !buf_failed(&j->diff) && !buf_failed(&j->before) &&
	    !buf_failed(&j->files))
		return TOOL_OK;
	j->cut = false;
	buf_reset(&j->info);
	buf_reset(&j->new_plan);
	buf_reset(&j->diff);
	buf_reset(&j->before);
	buf_reset(&j->files);
	buf_addz(&failed, "error: ");
	if (rc == 0 || rc == ERR_NOMEM || buf_failed(&j->text))
		buf_addz(&failed, "not enough memory");
	else
		buf_adds(&failed, buf_str(&j->text));
	buf_release(&j->text);
	j->text = failed;
	return TOOL_ERROR;
}

void file_job_release(struct file_job *j)
{
	json_doc_release(&j->args);
	buf_release(&j->text);
	buf_release(&j->info);
	buf_release(&j->new_plan);
	buf_release(&j->diff);
	buf_release(&j->before);
	buf_release(&j->files);
}

struct str file_arg(const struct file_job *j, const char *name, struct str none)
{
	const json_t *v = json_object_get(j->args.root, name);

	return json_is_string(v) ? json_str(v) : none;
}

int64_t file_arg_number(const struct file_job *j, const char *name, int64_t none)
{
	struct str number = json_doc_number(&j->args, json_object_get(j->args.root, name));
	char z[32];

	if (!number.n)
		return none;
	/* What is longer has more digits than fit: strtoll() gives the nearest that does. */
	snprintf(z, sizeof(z), "%.*s", (int)(number.n < 31 ? number.n : 31), number.p);
	return strtoll(z, NULL, 10);
}

int file_refuse(struct file_job *j, struct str path, const char *what)
{
	return place_refuse(&j->text, path, what);
}

static const char *kind_said(mode_t mode)
{
	if (S_ISFIFO(mode))
		return " is no file but a pipe";
	if (S_ISSOCK(mode))
		return " is no file but a socket";
	return " is no file but a device";
}

/* Again, for reading, through /proc: what O_PATH holds is what was judged. */
static int open_place(struct file_job *j, struct str path, const struct place *p, int *fd)
{
	char again[32];

	if (!S_ISREG(p->st.st_mode) && !S_ISDIR(p->st.st_mode))
		return file_refuse(j, path, kind_said(p->st.st_mode));
	snprintf(again, sizeof(again), "/proc/self/fd/%d", p->fd);
	*fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	return file_refuse(j, path,
			   errno == EACCES || errno == EPERM ? ": permission denied"
							     : ": cannot be opened");
}

static int open_spill(struct file_job *j, struct str path, struct place *p, int *fd)
{
	*fd = j->spills < 0 ? -1 : spill_open(j->spills, spill_number(path));
	if (*fd < 0)
		return file_refuse(j, path, ": there is no such output, or no more");
	if (fstat(*fd, &p->st) != 0 || !S_ISREG(p->st.st_mode))
		return file_refuse(j, path, " is no file");
	buf_adds(&p->path, path);
	return buf_failed(&p->path) ? ERR_NOMEM : 0;
}

int file_open(struct file_job *j, struct str path, struct place *p, int *fd)
{
	int rc;

	*fd = -1;
	*p = (struct place){.fd = -1};
	if (spill_number(path))
		rc = open_spill(j, path, p, fd);
	else
		rc = workspace_find(j->w, path, j->outside, p, &j->text);
	if (!rc && *fd < 0)
		rc = open_place(j, path, p, fd);
	if (rc && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	return rc;
}

bool file_is_binary(struct str begin)
{
	return begin.n &&
	       memchr(begin.p, '\0', begin.n < LOOK_BYTES ? begin.n : LOOK_BYTES);
}

void file_add_name(struct buf *out, struct str name)
{
	for (size_t i = 0; i < name.n;) {
		unsigned char c = (unsigned char)name.p[i];
		uint32_t cp = 0;
		int n = utf8_decode(name.p + i, name.n - i, &cp);

		if (n > 0 && cp >= 0x20 && (cp < 0x7F || cp >= 0xA0)) {
			buf_add(out, name.p + i, (size_t)n);
			i += (size_t)n;
		} else {
			buf_addf(out, "\\x%02x", c);
			i++;
		}
	}
}
