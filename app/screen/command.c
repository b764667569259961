/* Slash commands on the screen, and completion. */
#include "app/screen/private.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "app/attach.h"
#include "app/paths.h"

/* At most so many files are offered at once. */
#define MAX_FILES 500

size_t screen_add_notice(struct screen *s, struct str text)
{
	size_t i = transcript_add(s->said, ITEM_NOTICE, 0, -1);

	if (i != TRANSCRIPT_NONE)
		transcript_append(s->said, i, text);
	s->dirty = true;
	return i;
}

void screen_notice(struct screen *s, struct str text)
{
	screen_add_notice(s, text);
	transcript_follow(s->said);
}

/* ---- what commands ask for (app/cmd/host.h) ---- */

static struct screen *screen_of(const struct cmd_host *h)
{
	return (struct screen *)(uintptr_t)h;
}

static struct talk *host_talk(const struct cmd_host *h)
{
	return screen_of(h)->talk;
}

static int64_t host_ctx_tokens(const struct cmd_host *h)
{
	return screen_of(h)->status.context_all;
}

static void host_say(struct cmd_host *h, const char *text)
{
	tui_say(screen_of(h)->tui, STYLE_FAINT, "%.400s", text);
}

static void host_tell(struct cmd_host *h, struct str text)
{
	screen_notice(screen_of(h), text);
}

static void host_help(struct cmd_host *h)
{
	tui_action(screen_of(h)->tui, ACTION_HELP);
}

static int host_copy(struct cmd_host *h, struct str text, struct err *err)
{
	struct screen *s = screen_of(h);

	return s->terminal ? terminal_copy(s->terminal, text, err)
			   : err_set(err, ERR_USAGE, "there is no terminal to copy with");
}

static void host_show_option(struct cmd_host *h, const struct option_row *row)
{
	struct screen *s = screen_of(h);
	struct buf now = {0};

	if (!row) {
		screen_show_options(s);
		return;
	}
	option_get(s->opt, row, &now);
	tui_say(s->tui, STYLE_FAINT, "%s: %s", row->name, buf_z(&now));
	buf_release(&now);
}

static void host_options_changed(struct cmd_host *h)
{
	screen_apply_options(screen_of(h));
}

static bool host_is_writing(struct cmd_host *h)
{
	return screen_is_writing(screen_of(h));
}

static int host_open(struct cmd_host *h, struct talk *t, struct err *err)
{
	(void)err;
	screen_open(screen_of(h), t);
	return 0;
}

static int host_open_new(struct cmd_host *h, struct err *err)
{
	(void)err;
	screen_new(screen_of(h));
	return 0;
}

static int host_open_branch(struct cmd_host *h, struct talk *t, struct err *err)
{
	(void)err;
	screen_open_branch(screen_of(h), t);
	return 0;
}

static int host_remove(struct cmd_host *h, struct talk *t, struct err *err)
{
	(void)err;
	screen_delete(screen_of(h), t);
	return 0;
}

static void host_renamed(struct cmd_host *h)
{
	screen_show_list(screen_of(h));
}

static int host_ask(struct cmd_host *h, struct str text, const struct talk_message *instead,
		    struct err *err)
{
	return screen_send(screen_of(h), text, instead, err);
}

static int host_answer(struct cmd_host *h, struct err *err)
{
	(void)err;
	screen_answer(screen_of(h));
	return 0;
}

static int host_go_on(struct cmd_host *h, struct talk_message *m, struct err *err)
{
	(void)err;
	screen_continue(screen_of(h), m);
	return 0;
}

static int host_go_on_calls(struct cmd_host *h, bool *did, struct err *err)
{
	return screen_go_on_calls(screen_of(h), did, err);
}

static int host_undo(struct cmd_host *h, bool again, size_t turns, struct err *err)
{
	return screen_undo(screen_of(h), again, turns, err);
}

static int host_approve(struct cmd_host *h, const char *arg, struct err *err)
{
	struct buf out = {0};
	int rc = agent_approve(screen_of(h)->acts.agent, h->opt, arg, &out, err);

	if (!rc && out.len)
		screen_notice(screen_of(h), (struct str){out.data, out.len - 1});
	screen_show_mode(screen_of(h));
	buf_release(&out);
	return rc;
}

static int host_plan(struct cmd_host *h, struct err *err)
{
	(void)err;
	screen_plan(screen_of(h));
	return 0;
}

static void host_edit(struct cmd_host *h, const struct talk_message *m)
{
	screen_edit(screen_of(h), m);
}

static void host_quit(struct cmd_host *h)
{
	screen_of(h)->quit = true;
}

const struct cmd_host_ops screen_host = {
	.talk = host_talk,
	.ctx_tokens = host_ctx_tokens,
	.say = host_say,
	.tell = host_tell,
	.help = host_help,
	.copy = host_copy,
	.show_option = host_show_option,
	.options_changed = host_options_changed,
	.is_writing = host_is_writing,
	.open = host_open,
	.open_new = host_open_new,
	.open_branch = host_open_branch,
	.remove = host_remove,
	.renamed = host_renamed,
	.ask = host_ask,
	.answer = host_answer,
	.go_on = host_go_on,
	.go_on_calls = host_go_on_calls,
	.undo = host_undo,
	.approve = host_approve,
	.plan = host_plan,
	.edit = host_edit,
	.quit = host_quit,
};

void screen_command(struct screen *s, struct str line)
{
	struct buf text = {0};
	struct err err = {0};
	bool known;
	int rc;

	buf_adds(&text, line);
	rc = cmd_run(&s->host, buf_z(&text), &known, &err);
	if (!known)
		tui_edit(s->tui, 0, line);
	if (rc)
		tui_say(s->tui, rc == ERR_USAGE ? STYLE_NOTICE : STYLE_ERROR, "%s", err.text);
	buf_release(&text);
}

/* ---- completion ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Files that the path may become, as they are typed. */
static void complete_file(struct tui *t, struct str path)
{
	const char *slash = path.n > 0 ? memrchr(path.p, '/', path.n) : NULL;
	size_t folder = slash ? (size_t)(slash - path.p) + 1 : 0;
	struct str begin = {path.p + folder, path.n - folder};
	struct buf dir = {0}, whole = {0}, word = {0};
	char *names[MAX_FILES];
	size_t n = 0;
	struct dirent *de;
	DIR *d;

	path_expand(&dir, (struct str){path.p, folder});
	d = opendir(folder > 0 ? buf_z(&dir) : ".");
	while (d && n < MAX_FILES && (de = readdir(d)) != NULL) {
		struct str name = str_of(de->d_name);

		if (name.p[0] == '.' && (begin.n == 0 || begin.p[0] != '.'))
			continue;
		if (str_is(name, ".") || str_is(name, "..") || name.n < begin.n ||
		    memcmp(name.p, begin.p, begin.n) != 0 || strchr(name.p, '\n'))
			continue;
		buf_reset(&whole);
		buf_adds(&whole, (struct str){path.p, folder});
		buf_adds(&whole, name);
		buf_reset(&word);
		attach_quote(&word, buf_str(&whole));
		if (de->d_type == DT_DIR)
			buf_addc(&word, '/');
		names[n] = buf_detach(&word);
		n += names[n] != NULL;
	}
	if (d)
		closedir(d);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		tui_add_completion(t, str_of(names[i]), (struct str){0});
		free(names[i]);
	}
	buf_release(&dir);
	buf_release(&whole);
	buf_release(&word);
}

void screen_complete(void *ctx, struct tui *t, struct str word)
{
	struct buf name = {0}, help = {0};

	(void)ctx;
	if (word.p[0] == '@') {
		attach_unquote(&name, word);
		complete_file(t, buf_str(&name));
		buf_release(&name);
		return;
	}
	for (const struct cmd *c = cmds; word.p[0] == '/' && c->name; c++) {
		if (strncmp(c->name, word.p + 1, word.n - 1) != 0)
			continue;
		buf_reset(&name);
		buf_addf(&name, "/%s", c->name);
		buf_reset(&help);
		if (c->arg[0] != '\0')
			buf_addf(&help, "%s  ", c->arg);
		buf_addz(&help, c->help);
		tui_add_completion(t, buf_str(&name), buf_str(&help));
	}
	buf_release(&name);
	buf_release(&help);
}
