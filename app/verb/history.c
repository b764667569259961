/*
 * history: the stored conversations, for people and scripts.
 *
 * One row of the table below for each subcommand; what they share is in struct run.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/exit.h"
#include "app/inputs.h"
#include "app/newfile.h"
#include "app/output.h"
#include "app/paths.h"
#include "app/linereader.h"
#include "app/verb/verb.h"
#include "app/verb/io.h"
#include "engine/base/jsonw.h"
#include "history/history.h"

struct run {
	struct history *h;
	const char *path;
	char **words; /* what follows the subcommand and its options */
	int n_words;
	bool json, all, archived, best, yes, off, repair, ids;
	const char *format, *to;
	unsigned scopes;
	size_t limit;
};

struct subcommand {
	const char *name;
	int (*run)(struct run *r, struct err *err);
	int least, most; /* words; most -1: any number */
	const char *usage;
	enum { WRITES, READS, WITHOUT } store; /* what it does with the file */
};

/* -- output ------------------------------------------------------------------- */

static int print(const struct run *r, const struct buf *out, struct err *err)
{
	return r->json ? verb_write_json(out, err) : verb_write(out, err);
}

static void add_time(struct buf *out, int64_t ms)
{
	time_t at = (time_t)(ms / 1000);
	struct tm tm = {0};
	char text[32];

	localtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M %z", &tm);
	buf_addz(out, text);
}

static void add_conversation_json(struct buf *out, const struct history_conversation *c)
{
	static const char *const title_from[] = {[HISTORY_TITLE_PROMPT] = "prompt",
						 [HISTORY_TITLE_MODEL] = "model",
						 [HISTORY_TITLE_USER] = "user"};
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "id", str_of(c->uid));
	jsonw_kv_string(&w, "title", str_of(c->title));
	jsonw_kv_bool(&w, "pinned", c->pinned);
	jsonw_kv_bool(&w, "archived", c->archived);
	jsonw_kv_int(&w, "messages", c->n_messages);
	jsonw_kv_int(&w, "created_ms", c->created_ms);
	jsonw_kv_int(&w, "updated_ms", c->updated_ms);
	jsonw_kv_string(&w, "title_from", str_of(title_from[c->title_from]));
	jsonw_end_object(&w);
	buf_addc(out, '\n');
}

static int run_list(struct run *r, struct err *err)
{
	enum history_which which = r->all        ? HISTORY_ALL
				   : r->archived ? HISTORY_ARCHIVED
						 : HISTORY_ACTIVE;
	struct history_list list = {0};
	struct buf out = {0};
	int rc = history_list(r->h, which, r->limit, &list, err);

	for (size_t i = 0; i < list.n; i++) {
		const struct history_conversation *c = &list.items[i];

		if (r->json) {
			add_conversation_json(&out, c);
			continue;
		}
		buf_addf(&out, "%s  ", c->uid);
		add_time(&out, c->updated_ms);
		buf_addf(&out, " %5lld  %s%s%s\n", (long long)c->n_messages,
			 c->pinned ? "* " : "", c->archived ? "(archived) " : "", c->title);
	}
	if (!rc)
		rc = print(r, &out, err);
	buf_release(&out);
	history_list_release(&list);
	return rc;
}

/* -- search -------------------------------------------------------------------- */

static void add_marked(struct buf *out, const char *snippet, const char *on, const char *off)
{
	for (; *snippet; snippet++) {
		if (*snippet == HISTORY_MARK_ON)
			buf_addz(out, on);
		else if (*snippet == HISTORY_MARK_OFF)
			buf_addz(out, off);
		else
			buf_addc(out, *snippet);
	}
}

static void add_hit_json(struct buf *out, const struct history_hit *hit)
{
	static const char *const roles[HISTORY_N_ROLES] = {"system", "user",      "assistant",
							   "tool",   "developer", "reminder"};
	static const char *const kinds[HISTORY_N_KINDS] = {
		"text", "thinking", "call", "result", "attachment", "notice", "tools"};
	struct buf snippet = {0};
	struct jsonw w;

	add_marked(&snippet, hit->snippet, "", "");
	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "id", str_of(hit->uid));
	jsonw_kv_string(&w, "title", str_of(hit->title));
	jsonw_kv_int(&w, "message", hit->message);
	jsonw_kv_string(&w, "role", str_of(roles[hit->role]));
	jsonw_kv_string(&w, "kind", str_of(kinds[hit->kind]));
	jsonw_kv_int(&w, "created_ms", hit->created_ms);
	jsonw_kv_string(&w, "snippet", buf_str(&snippet));
	jsonw_end_object(&w);
	buf_addc(out, '\n');
	out->failed |= snippet.failed;
	buf_release(&snippet);
}

static void join_words(struct run *r, int from, struct buf *out)
{
	for (int i = from; i < r->n_words; i++) {
		if (i > from)
			buf_addc(out, ' ');
		buf_addz(out, r->words[i]);
	}
}

static int run_search(struct run *r, struct err *err)
{
	struct history_query q = {.scopes = r->scopes, .by_rank = r->best, .limit = r->limit};
	struct history_hits hits = {0};
	struct buf text = {0}, out = {0};
	int rc;

	join_words(r, 0, &text);
	q.text = buf_str(&text);
	rc = history_search(r->h, &q, &hits, err);
	for (size_t i = 0; i < hits.n; i++) {
		const struct history_hit *hit = &hits.items[i];

		if (r->json) {
			add_hit_json(&out, hit);
			continue;
		}
		buf_addf(&out, "%s  ", hit->uid);
		add_time(&out, hit->created_ms);
		buf_addf(&out, "  %s\n    ", hit->title);
		add_marked(&out, hit->snippet, "[", "]");
		buf_addc(&out, '\n');
	}
	if (!rc)
		rc = print(r, &out, err);
	if (!rc && !hits.n)
		rc = err_set(err, ERR_FAILED, "not found");
	buf_release(&text);
	buf_release(&out);
	history_hits_release(&hits);
	return rc;
}

/* -- one conversation ------------------------------------------------------------ */

static int find(struct run *r, int word, int64_t *id, struct err *err)
{
	return history_find(r->h, r->words[word], id, err);
}

/* One answer a line: its place, whose its ids are, and they. */
static void add_ids(struct buf *out, size_t place, const struct history_message *m)
{
	const int32_t *ids = m->foreign ? m->foreign->ids : m->ids;
	size_t n = m->foreign ? m->foreign->n_ids : m->n_ids;

	buf_addf(out, "%zu\t%s\t%zu\t", place,
		 m->damaged   ? "damaged"
		 : m->foreign ? "imported"
			      : "own",
		 n);
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%s%ld", i ? " " : "", (long)ids[i]);
	buf_addc(out, '\n');
}

static int show_ids(struct run *r, int64_t id, struct buf *out, struct err *err)
{
	const struct history_message *const *path;
	struct history_tree *t;
	int rc = history_tree_open(&t, r->h, id, err);
	size_t n;

	if (rc)
		return rc;
	path = history_tree_path(t, &n);
	for (size_t i = 0; i < n; i++) {
		if (path[i]->role == HISTORY_ASSISTANT)
			add_ids(out, i + 1, path[i]);
	}
	history_tree_free(t);
	return 0;
}

static int run_show(struct run *r, struct err *err)
{
	struct buf out = {0};
	int64_t id;
	int rc = find(r, 0, &id, err);

	if (!rc && r->ids)
		rc = show_ids(r, id, &out, err);
	else if (!rc)
		rc = history_export(r->h, id, r->json ? HISTORY_JSON : HISTORY_MARKDOWN, &out,
				    err);
	if (!rc)
		rc = print(r, &out, err);
	buf_release(&out);
	return rc;
}

static int run_rename(struct run *r, struct err *err)
{
	struct buf title = {0};
	int64_t id;
	int rc = find(r, 0, &id, err);

	join_words(r, 1, &title);
	if (!rc)
		rc = history_set_title(r->h, id, buf_str(&title), HISTORY_TITLE_USER, err);
	buf_release(&title);
	return rc;
}

static int run_pin(struct run *r, struct err *err)
{
	int64_t id;
	int rc = find(r, 0, &id, err);

	return rc ? rc : history_set_pinned(r->h, id, !r->off, err);
}

static int run_archive(struct run *r, struct err *err)
{
	int64_t id;
	int rc = find(r, 0, &id, err);

	return rc ? rc : history_set_archived(r->h, id, !r->off, err);
}

/* -- in and out -------------------------------------------------------------------- */

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

static int export_one(struct run *r, int64_t id, enum history_format format, FILE *to,
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
static bool is_gone(struct run *r, int64_t id)
{
	struct history_list list = {0};
	struct err ignored;
	bool gone = history_get(r->h, id, &list, &ignored) == 0 && list.n == 0;

	history_list_release(&list);
	return gone;
}

/* Everything there is; *n_gone of it was removed meanwhile, and said. */
static int export_all(struct run *r, enum history_format format, FILE *to, size_t *n_gone,
		      struct err *err)
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

static int export_to(struct run *r, enum history_format format, FILE *to, size_t *n_gone,
		     struct err *err)
{
	int64_t id;
	int rc = 0;

	if (r->n_words == 0)
		return export_all(r, format, to, n_gone, err);
	for (int i = 0; i < r->n_words && !rc; i++) {
		rc = find(r, i, &id, err);
		if (!rc)
			rc = export_one(r, id, format, to, err);
	}
	return rc;
}

static int run_export(struct run *r, struct err *err)
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

static int run_import(struct run *r, struct err *err)
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

/* -- upkeep ------------------------------------------------------------------------- */

/* Asks on the terminal; without one --yes has to say it. */
static int confirmed(const char *uid, const char *title, struct err *err)
{
	char answer[16];
	int rc = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return err_set(err, ERR_USAGE, "removal cannot be undone: confirm with --yes");
	output_format(STDERR_FILENO, "Remove %s \"%s\" for good? [y/N] ", uid, title);
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
		rc = err_set(err, ERR_CANCELLED, "not removed");
	return rc;
}

static int remove_one(struct run *r, int word, struct err *err)
{
	struct history_list list = {0};
	struct inputs typed = {0};
	int64_t id;
	int rc = find(r, word, &id, err);

	if (!rc)
		rc = history_get(r->h, id, &list, err);
	if (!rc && !r->yes && list.n)
		rc = confirmed(list.items[0].uid, list.items[0].title, err);
	/* What was typed also stands in the input line's memory. */
	if (!rc)
		rc = inputs_gather(&typed, r->h, id, err);
	if (!rc)
		rc = history_remove(r->h, id, err);
	if (!rc)
		rc = inputs_forget(&typed, NULL, err);
	inputs_release(&typed);
	history_list_release(&list);
	return rc;
}

static int run_rm(struct run *r, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < r->n_words && !rc; i++)
		rc = remove_one(r, i, err);
	return rc;
}

static int run_gc(struct run *r, struct err *err)
{
	return history_gc(r->h, err);
}

static int verify(struct run *r, size_t *n, struct err *err)
{
	struct buf problems = {0};
	int rc = history_verify(r->h, &problems, n, err);

	if (!rc && *n == 0)
		buf_addz(&problems, "ok\n");
	if (!rc)
		rc = verb_write(&problems, err);
	buf_release(&problems);
	return rc;
}

static int run_verify(struct run *r, struct err *err)
{
	size_t n = 0;
	int rc = verify(r, &n, err);

	if (!rc && n && r->repair) {
		rc = history_repair(r->h, err);
		if (!rc)
			output_own(STDERR_FILENO, "the search was made anew; what is left:\n");
		if (!rc)
			rc = verify(r, &n, err);
	}
	if (!rc && n)
		rc = err_set(err, ERR_STORE, "%s: %zu problem%s", r->path, n,
			     n == 1 ? "" : "s");
	return rc;
}

static int run_backup(struct run *r, struct err *err)
{
	return history_backup(r->h, r->words[0], err);
}

static int run_path(struct run *r, struct err *err)
{
	struct buf out = {0};
	int rc;

	buf_addf(&out, "%s\n", r->path);
	rc = verb_write(&out, err);
	buf_release(&out);
	return rc;
}

/* -- the table ------------------------------------------------------------------------ */

static const struct subcommand subcommands[] = {
	{"list", run_list, 0, 0, "[--json] [--all|--archived] [-n N]", READS},
	{"search", run_search, 1, -1,
	 "[--json] [--in said|thinking|tools|all] [--best] [-n N] WORD…", READS},
	{"show", run_show, 1, 1, "[--json|--ids] ID", READS},
	{"export", run_export, 0, -1, "[--format md|json|jsonl] [-o FILE] [ID…]", READS},
	{"import", run_import, 0, 1, "[FILE]", WRITES},
	{"rename", run_rename, 2, -1, "ID TITLE…", WRITES},
	{"pin", run_pin, 1, 1, "[--off] ID", WRITES},
	{"archive", run_archive, 1, 1, "[--off] ID", WRITES},
	{"rm", run_rm, 1, -1, "[--yes] ID…", WRITES},
	{"gc", run_gc, 0, 0, "", WRITES},
	{"verify", run_verify, 0, 0, "[--repair]", WRITES},
	{"backup", run_backup, 1, 1, "FILE", WRITES},
	{"path", run_path, 0, 0, "", WITHOUT},
};

#define N_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

const char *verb_history_row(size_t row, const char **usage)
{
	if (row >= N_SUBCOMMANDS)
		return NULL;
	*usage = subcommands[row].usage;
	return subcommands[row].name;
}

static int usage(const struct subcommand *s)
{
	for (size_t i = 0; i < N_SUBCOMMANDS; i++) {
		if (!s || s == &subcommands[i])
			output_format(STDERR_FILENO, "usage: dsv4chat history %s %s\n",
				      subcommands[i].name, subcommands[i].usage);
	}
	return exit_code_of(ERR_USAGE);
}

static int scopes_of(const char *name, unsigned *scopes)
{
	static const struct {
		const char *name;
		unsigned scopes;
	} rows[] = {{"said", HISTORY_IN_SAID},
		    {"thinking", HISTORY_IN_THINKING},
		    {"tools", HISTORY_IN_TOOLS},
		    {"all", HISTORY_IN_SAID | HISTORY_IN_THINKING | HISTORY_IN_TOOLS}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name) == 0) {
			*scopes = rows[i].scopes;
			return 0;
		}
	}
	return ERR_USAGE;
}

static int read_options(struct run *r, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"all", no_argument, NULL, 'a'},
		{"archived", no_argument, NULL, 'A'},
		{"best", no_argument, NULL, 'b'},
		{"yes", no_argument, NULL, 'y'},
		{"off", no_argument, NULL, 'x'},
		{"repair", no_argument, NULL, 'R'},
		{"ids", no_argument, NULL, 'I'},
		{"format", required_argument, NULL, 'f'},
		{"in", required_argument, NULL, 'i'},
		{0},
	};
	bool *const switches[] = {
		['j'] = &r->json, ['a'] = &r->all, ['A'] = &r->archived, ['b'] = &r->best,
		['y'] = &r->yes,  ['x'] = &r->off, ['R'] = &r->repair,   ['I'] = &r->ids};
	char *end;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "n:o:", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			r->limit = strtoul(optarg, &end, 10);
			if (*end || end == optarg || *optarg == '-')
				return ERR_USAGE;
			break;
		case 'o':
			r->to = optarg;
			break;
		case 'f':
			r->format = optarg;
			break;
		case 'i':
			if (scopes_of(optarg, &r->scopes))
				return ERR_USAGE;
			break;
		case '?':
			output_format(STDERR_FILENO,
				      "dsv4chat: history: option %s: not known, or without "
				      "its value\n",
				      verb_unknown(argv));
			return ERR_USAGE;
		default:
			*switches[c] = true;
		}
	}
	r->words = argv + optind;
	r->n_words = argc - optind;
	return 0;
}

/* What is there and may not be written can be read all the same. */
static bool may_write(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buf folder = {0};
	bool may;

	buf_add(&folder, path, slash ? (size_t)(slash - path) + 1 : 0);
	may = access(path, F_OK) != 0 ||
	      (access(path, W_OK) == 0 && access(buf_z(&folder), W_OK) == 0);
	buf_release(&folder);
	return may;
}

static int open_store(const struct subcommand *s, struct run *r, struct err *err)
{
	int rc;

	if (s->store != READS || may_write(r->path))
		return history_open(&r->h, r->path, err);
	rc = history_open_to_read(&r->h, r->path, err);
	return rc == ERR_USAGE ? err_set(err, ERR_STORE, "%s", err->text) : rc;
}

static int run_subcommand(const struct subcommand *s, struct run *r)
{
	struct buf path = {0};
	struct err err = {0};
	int rc = path_of(PATH_HISTORY, &path, &err);

	r->path = buf_z(&path);
	if (!rc && s->store != WITHOUT)
		rc = open_store(s, r, &err);
	if (!rc)
		rc = s->run(r, &err);
	history_close(r->h);
	buf_release(&path);
	return verb_status("history", rc, &err);
}

int verb_history(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "list";
	struct run r = {0};

	for (size_t i = 0; i < N_SUBCOMMANDS; i++) {
		const struct subcommand *s = &subcommands[i];

		if (strcmp(s->name, name) != 0)
			continue;
		if (argc > 1)
			argc--, argv++;
		if (read_options(&r, argc, argv) || r.n_words < s->least ||
		    (s->most >= 0 && r.n_words > s->most))
			return usage(s);
		return run_subcommand(s, &r);
	}
	return usage(NULL);
}
