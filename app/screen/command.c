#include "app/screen/private.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "app/cmd/cmd.h"

/* At most so many files are offered at once. */
#define MAX_FILES 500

void screen_notice(struct screen *s, struct str text)
{
	size_t i = transcript_add(s->said, ITEM_NOTICE, 0, -1);

	if (i != TRANSCRIPT_NONE)
		transcript_append(s->said, i, text);
	transcript_follow(s->said);
	s->dirty = true;
}

void screen_command(struct screen *s, struct str line)
{
	struct buf text = {0};
	struct err err = {0};
	const struct cmd *c;
	const char *arg;

	buf_adds(&text, line);
	c = cmd_find(buf_z(&text), &arg, &err);
	if (c == NULL) {
		tui_edit(s->tui, 0, line);
		tui_say(s->tui, STYLE_NOTICE, "%s", err.text);
	} else if (c->screen(s, arg, &err) < 0) {
		tui_say(s->tui, err.code == ERR_USAGE ? STYLE_NOTICE : STYLE_ERROR, "%s",
			err.text);
	}
	buf_release(&text);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Files that the path behind "@" may become. */
static void complete_file(struct tui *t, struct str path)
{
	const char *slash = path.n > 0 ? memrchr(path.p, '/', path.n) : NULL;
	size_t folder = slash != NULL ? (size_t)(slash - path.p) + 1 : 0;
	struct str begin = {path.p + folder, path.n - folder};
	struct buf dir = {0}, word = {0};
	char *names[MAX_FILES];
	size_t n = 0;
	struct dirent *de;
	DIR *d;

	buf_adds(&dir, (struct str){path.p, folder});
	d = opendir(folder > 0 ? buf_z(&dir) : ".");
	while (d != NULL && n < MAX_FILES && (de = readdir(d)) != NULL) {
		struct str name = str_of(de->d_name);

		if (name.p[0] == '.' && (begin.n == 0 || begin.p[0] != '.'))
			continue;
		if (str_is(name, ".") || str_is(name, "..") || name.n < begin.n ||
		    memcmp(name.p, begin.p, begin.n) != 0 || strchr(name.p, ' ') != NULL)
			continue;
		buf_reset(&word);
		buf_addc(&word, '@');
		buf_adds(&word, buf_str(&dir));
		buf_adds(&word, name);
		if (de->d_type == DT_DIR)
			buf_addc(&word, '/');
		names[n] = buf_detach(&word);
		n += names[n] != NULL;
	}
	if (d != NULL)
		closedir(d);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		tui_add_completion(t, str_of(names[i]), (struct str){0});
		free(names[i]);
	}
	buf_release(&dir);
	buf_release(&word);
}

void screen_complete(void *ctx, struct tui *t, struct str word)
{
	struct buf name = {0}, help = {0};

	(void)ctx;
	if (word.p[0] == '@') {
		complete_file(t, (struct str){word.p + 1, word.n - 1});
		return;
	}
	for (const struct cmd *c = cmds; word.p[0] == '/' && c->name != NULL; c++) {
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
