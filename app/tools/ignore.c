/* The last rule that matches decides. */
#include "app/tools/ignore.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/glob.h"

#define FILE_BYTES (256u << 10) /* of a .gitignore are read */

void ignore_release(struct ignore *g)
{
	buf_release(&g->text);
	free(g->rules);
	*g = (struct ignore){0};
}

size_t ignore_mark(const struct ignore *g)
{
	return g->n;
}

void ignore_leave(struct ignore *g, size_t mark)
{
	if (mark < g->n)
		buf_truncate(&g->text, g->rules[mark].at);
	g->n = mark;
}

static struct ignore_rule *add_rule(struct ignore *g)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 64;
		struct ignore_rule *rules = realloc(g->rules, cap * sizeof(*rules));

		if (!rules)
			return NULL;
		g->rules = rules;
		g->cap = cap;
	}
	g->rules[g->n] = (struct ignore_rule){0};
	return &g->rules[g->n++];
}

/* Blanks at the end are none of the pattern, but for one behind '\'. */
static struct str trimmed(struct str s)
{
	while (s.n && (s.p[s.n - 1] == '\r' || s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t') &&
	       !(s.n > 1 && s.p[s.n - 2] == '\\'))
		s.n--;
	return s;
}

static void enter_line(struct ignore *g, size_t base, struct str line)
{
	struct ignore_rule r = {.base = base, .at = g->text.len};
	struct ignore_rule *added;

	line = trimmed(line);
	if (!line.n || line.p[0] == '#')
		return;
	if (line.p[0] == '!') {
		r.back = true;
		line.p++;
		line.n--;
	}
	while (line.n && line.p[line.n - 1] == '/') {
		r.folder = true;
		line.n--;
	}
	if (!line.n)
		return;
	r.any_depth = !memchr(line.p, '/', line.n);
	r.n = line.n;
	buf_adds(&g->text, line);
	added = buf_failed(&g->text) ? NULL : add_rule(g);
	if (added)
		*added = r;
	else
		g->failed = true;
}

void ignore_enter(struct ignore *g, struct str folder, struct str text)
{
	size_t base = folder.n ? folder.n + 1 : 0;
	struct str line;

	while (!g->failed && str_line(&text, &line))
		enter_line(g, base, line);
}

void ignore_enter_folder(struct ignore *g, struct str folder, int dir)
{
	int fd = openat(dir, ".gitignore",
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct buf text = {0};
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && buf_reserve(&text, FILE_BYTES)) {
		ssize_t n = read(fd, text.data, FILE_BYTES);

		if (n > 0)
			ignore_enter(g, folder, (struct str){text.data, (size_t)n});
	}
	g->failed = g->failed || buf_failed(&text);
	buf_release(&text);
	close(fd);
}

static bool matches(const struct ignore *g, const struct ignore_rule *r, struct str rel)
{
	struct str pattern = {g->text.data + r->at, r->n}, name;
	const char *slash;

	rel.p += r->base;
	rel.n -= r->base;
	if (!r->any_depth)
		return glob_match(pattern, rel, false);
	slash = memrchr(rel.p, '/', rel.n);
	if (slash)
		name = (struct str){slash + 1, rel.n - (size_t)(slash + 1 - rel.p)};
	else
		name = rel;
	return glob_match(pattern, name, false);
}

bool ignore_has(const struct ignore *g, struct str rel, bool is_folder)
{
	for (size_t i = g->n; i-- > 0;) {
		const struct ignore_rule *r = &g->rules[i];

		if ((!r->folder || is_folder) && rel.n > r->base && matches(g, r, rel))
			return !r->back;
	}
	return false;
}
