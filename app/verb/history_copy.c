/*
 * history's subcommands that take conversations out of the store and into it: export, import,
 * backup.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/linereader.h"
#include "app/newfile.h"
#include "app/output.h"
#include "app/verb/history_job.h"
#include "app/verb/io.h"

static int format_of(const char *name, enum history_format *format, struct err *err)
{
	static const struct {
		const char *name;
		enum history_format format;
	} formats[] = {
		{"md", HISTORY_MARKDOWN}, {"json", HISTORY_JSON}, {"jsonl", HISTORY_JSONL}};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i].name, name) == 0) {
			*format = formats[i].format;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "--format: '%.40s', expected md, json or jsonl", name);
}

static int export_one(struct history_job *r, int64_t id, enum history_format format, FILE *to,
		      struct err *err)
{
	struct buf out = {0};
	int rc = history_export(r->h, id, format, &out, err);

	if (!rc && to && fwrite(buf_z(&out), 1, out.len, to) != out.len)
		rc = err_errno(err, r->to, "cannot write it");
	else if (!rc && !to)
		rc = format == HISTORY_MARKDOWN ? verb_write(&out, err)
						: verb_write_json(&out, err);
	buf_release(&out);
	return rc;
}

/* Whether a failure is that the conversation was removed since it was listed. */
static bool is_gone(struct history_job *r, int64_t id)
{
	struct history_list list = {0};
	struct err ignored;
	bool gone = history_get(r->h, id, &list, &ignored) == 0 && list.n == 0;

	history_list_release(&list);
	return gone;
}

/* Everything there is; *n_gone of it was removed meanwhile, and said. */
static int export_all(struct history_job *r, enum history_format format, FILE *to,
		      size_t *n_gone, struct err *err)
{
	struct history_list list = {0};
	int rc = history_list(r->h, HISTORY_ALL, 0, &list, err);

	for (size_t i = 0; i < list.n && !rc; i++) {
		rc = export_one(r, list.items[i].id, format, to, err);
		if (!rc || !is_gone(r, list.items[i].id))
			continue;
		output_format(STDERR_FILENO,
			      "dsv4chat: history: %s was removed meanwhile: left out\n",
			      list.items[i].uid);
		(*n_gone)++;
		rc = 0;
	}
	history_list_release(&list);
	return rc;
}

static int export_to(struct history_job *r, enum history_format format, FILE *to,
		     size_t *n_gone, struct err *err)
{
	int64_t id;
	int rc = 0;

	if (r->n_words == 0)
		return export_all(r, format, to, n_gone, err);
	for (int i = 0; i < r->n_words && !rc; i++) {
		rc = history_job_find(r, i, &id, err);
		if (!rc)
			rc = export_one(r, id, format, to, err);
	}
	return rc;
}

int verb_history_export(struct history_job *r, struct err *err)
{
	enum history_format format = HISTORY_JSONL;
	struct newfile file = {0};
	size_t n_gone = 0;
	int rc = r->format ? format_of(r->format, &format, err) : 0;

	if (!rc && r->to)
		rc = newfile_open(&file, r->to, err);
	if (!rc)
		rc = export_to(r, format, file.to, &n_gone, err);
	if (file.to)
		rc = newfile_close(&file, rc, err);
	if (!rc && n_gone)
		rc = err_set(err, ERR_FAILED, "%zu conversation%s not exported", n_gone,
			     n_gone == 1 ? "" : "s");
	return rc;
}

/* A message of the largest question there is, with what JSON makes of it. */
#define IMPORT_LINE_MAX ((size_t)512 << 20)

static void tell_imported(const struct history_imported *done)
{
	size_t n = done->n_new;

	output_format(STDERR_FILENO, "%zu conversation%s imported", n, n == 1 ? "" : "s");
	if (done->n_grown)
		output_format(STDERR_FILENO, ", %zu gone on with", done->n_grown);
	if (done->n_known)
		output_format(STDERR_FILENO, ", %zu known already", done->n_known);
	output_own(STDERR_FILENO, "\n");
}

int verb_history_import(struct history_job *r, struct err *err)
{
	struct linereader from = linereader_stdin();
	struct history_import *in = NULL;
	struct history_imported done = {0};
	struct str line;
	int rc;

	from.as_is = true;
	from.max = IMPORT_LINE_MAX;
	if (r->n_words) {
		from.name = r->words[0];
		from.fd = open(from.name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
	if (from.fd < 0)
		return err_errno(err, from.name, "cannot read it");
	rc = history_import_begin(&in, r->h, err);
	while (!rc && (rc = linereader_next(&from, &line, err)) > 0)
		rc = history_import_line(in, line, err);
	if (rc)
		history_import_end(in, &done, NULL);
	else
		rc = history_import_end(in, &done, err);
	if (r->n_words)
		close(from.fd);
	linereader_release(&from);
	if (!rc || done.n_new || done.n_grown)
		tell_imported(&done);
	return rc;
}

int verb_history_backup(struct history_job *r, struct err *err)
{
	return history_backup(r->h, r->words[0], err);
}
