#include "app/screen_private.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* At most so many files are offered at once. */
#define MAX_FILES 500

struct command {
	const char *name, *argument, *help;
	/* `rest`: what follows the name. */
	void (*run)(struct screen *s, struct str rest);
};

static void run_action(struct screen *s, enum action a)
{
	tui_action(s->tui, a, screen_now_ms());
	screen_intents(s);
}

static void cmd_help(struct screen *s, struct str rest)
{
	(void)rest;
	run_action(s, ACTION_HELP);
}

static void cmd_new(struct screen *s, struct str rest)
{
	(void)rest;
	screen_new(s);
}

static void cmd_quit(struct screen *s, struct str rest)
{
	(void)rest;
	s->quit = true;
}

static void cmd_options(struct screen *s, struct str rest)
{
	(void)rest;
	screen_show_options(s);
}

static void cmd_effort(struct screen *s, struct str rest)
{
	screen_set_option(s, STR_LIT("effort"), rest);
}

static void cmd_set(struct screen *s, struct str rest)
{
	const char *blank = rest.n > 0 ? memchr(rest.p, ' ', rest.n) : NULL;
	size_t n = blank != NULL ? (size_t)(blank - rest.p) : rest.n;

	if (blank == NULL)
		screen_show_options(s);
	else
		screen_set_option(s, (struct str){rest.p, n},
				  (struct str){blank + 1, rest.n - n - 1});
}

static void cmd_title(struct screen *s, struct str rest)
{
	if (rest.n == 0) {
		tui_say(s->tui, STYLE_NOTICE, "/title TEXT");
		return;
	}
	screen_rename(s, s->talk, rest);
}

static void cmd_fork(struct screen *s, struct str rest)
{
	(void)rest;
	if (s->talk->leaf != NULL)
		screen_fork(s, s->talk->leaf);
	else
		tui_say(s->tui, STYLE_NOTICE, "nothing was said yet");
}

static void cmd_regen(struct screen *s, struct str rest)
{
	(void)rest;
	if (s->talk->leaf != NULL)
		screen_regenerate(s, s->talk->leaf);
	else
		tui_say(s->tui, STYLE_NOTICE, "nothing was said yet");
}

static void cmd_continue(struct screen *s, struct str rest)
{
	(void)rest;
	if (s->talk->leaf == NULL)
		tui_say(s->tui, STYLE_NOTICE, "nothing was said yet");
	else if (s->turn == 0)
		screen_continue(s, s->talk->leaf);
}

static void cmd_search(struct screen *s, struct str rest)
{
	if (rest.n == 0)
		run_action(s, ACTION_SEARCH);
	else if (!transcript_search(s->said, rest, -1))
		tui_say(s->tui, STYLE_NOTICE, "not found");
}

static const struct command commands[] = {
	{"/continue", "", "go on with an unfinished answer", cmd_continue},
	{"/effort", "none|low|high|max", "how long the model thinks", cmd_effort},
	{"/fork", "", "a conversation of its own from here", cmd_fork},
	{"/help", "", "every key", cmd_help},
	{"/new", "", "begin a new conversation", cmd_new},
	{"/options", "", "change options", cmd_options},
	{"/quit", "", "quit", cmd_quit},
	{"/regen", "", "answer again", cmd_regen},
	{"/search", "TEXT", "find text in this conversation", cmd_search},
	{"/set", "OPTION VALUE", "change an option", cmd_set},
	{"/title", "TEXT", "name this conversation", cmd_title},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* True where the line was a command, or looked like one: a letter behind the slash, one line.
 */
bool screen_command(struct screen *s, struct str line)
{
	size_t n = 1;

	if (line.n < 2 || line.p[0] != '/' || memchr(line.p, '\n', line.n) != NULL)
		return false;
	while (n < line.n && line.p[n] >= 'a' && line.p[n] <= 'z')
		n++;
	/* "/usr/bin is…" is no command. */
	if (n == 1 || (n < line.n && line.p[n] != ' '))
		return false;
	for (size_t i = 0; i < N_COMMANDS; i++) {
		struct str rest = {line.p + n, line.n - n};

		if (!str_is((struct str){line.p, n}, commands[i].name))
			continue;
		while (rest.n > 0 && rest.p[0] == ' ') {
			rest.p++;
			rest.n--;
		}
		commands[i].run(s, rest);
		return true;
	}
	tui_edit(s->tui, 0, line);
	tui_say(s->tui, STYLE_NOTICE,
		"no such command: Tab shows them; a blank before / sends it");
	return true;
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
	struct buf help = {0};

	(void)ctx;
	if (word.p[0] == '@') {
		complete_file(t, (struct str){word.p + 1, word.n - 1});
		return;
	}
	for (size_t i = 0; word.p[0] == '/' && i < N_COMMANDS; i++) {
		if (strlen(commands[i].name) < word.n ||
		    memcmp(commands[i].name, word.p, word.n) != 0)
			continue;
		buf_reset(&help);
		if (commands[i].argument[0] != '\0')
			buf_addf(&help, "%s  ", commands[i].argument);
		buf_addz(&help, commands[i].help);
		tui_add_completion(t, str_of(commands[i].name), buf_str(&help));
	}
	buf_release(&help);
}
