/* list_files: the names in a folder, or below it where the pattern asks for that. */
#include "app/tools/file_tool.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "app/tools/glob.h"
#include "app/tools/walk.h"

#define SHOWN 1000

/* A line for each name; sorted when all are there. */
struct listing {
	struct str pattern; /* "": everything */
	struct names lines;
};

static bool is_deep(struct str pattern)
{
	return pattern.n &&
	       (memchr(pattern.p, '/', pattern.n) || memmem(pattern.p, pattern.n, "**", 2));
}

/* "name", "name/" or "name -> target". */
static void add_entry(struct buf *line, int dir, const char *name, struct str shown,
		      mode_t type)
{
	char target[PATH_MAX];
	ssize_t n;

	file_add_name(line, shown);
	if (S_ISDIR(type))
		buf_addc(line, '/');
	if (!S_ISLNK(type))
		return;
	n = readlinkat(dir, name, target, sizeof(target));
	buf_addz(line, " -> ");
	if (n >= 0)
		file_add_name(line, (struct str){target, (size_t)n});
	else
		buf_addc(line, '?');
}

static int visit(void *ctx, const struct walk_entry *e)
{
	struct listing *l = ctx;
	struct buf line = {0};
	int rc;

	if (l->pattern.n && !glob_match(l->pattern, e->rel, false))
		return 0;
	add_entry(&line, e->dir, e->name, e->rel, e->type);
	rc = names_add(&l->lines, buf_detach(&line));
	buf_release(&line);
	return rc;
}

/* One folder alone: nothing is skipped. */
static int list_here(struct listing *l, int fd, bool *more)
{
	struct names names;
	int rc = names_read(&names, fd, WALK_ENTRIES, more);

	for (size_t i = 0; !rc && i < names.n; i++) {
		struct walk_entry e = {
			.rel = str_of(names.v[i]), .dir = fd, .name = names.v[i]};
		struct stat st;

		if (fstatat(fd, e.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			e.type = st.st_mode & S_IFMT;
		rc = visit(l, &e);
	}
	names_release(&names);
	return rc;
}

/* The lines, cut to size, and what there is to say of those that are not there. */
static int tell(struct file_job *j, const struct listing *l, struct str notes)
{
	size_t shown = l->lines.n < SHOWN ? l->lines.n : SHOWN;
	struct output o;
	int rc = output_init(&o, j->limit, j->spill, NULL);

	if (!rc) {
		for (size_t i = 0; i < shown; i++) {
			output_feed(&o, str_of(l->lines.v[i]));
			output_feed(&o, STR_LIT("\n"));
		}
		output_end(&o);
		j->cut = output_is_cut(&o);
		output_add_text(&o, j->n_spill, &j->text);
		if (l->lines.n > shown)
			buf_addf(&j->text, "[%zu more]\n", l->lines.n - shown);
		if (!l->lines.n)
			buf_addz(&j->text, l->pattern.n ? "no matches\n" : "(empty)\n");
		buf_adds(&j->text, notes);
		if (j->text.len)
			buf_truncate(&j->text, j->text.len - 1);
	}
	output_release(&o);
	return rc;
}

static int list(struct file_job *j, struct str path, const struct place *p, int fd)
{
	struct listing l = {.pattern = file_arg(j, "pattern", (struct str){"", 0})};
	struct walk k = {.w = j->w, .visit = visit, .ctx = &l};
	struct buf notes = {0};
	bool more = false;
	int rc;

	if (is_deep(l.pattern))
		rc = walk_run(&k, p, fd);
	else
		rc = list_here(&l, fd, &more);
	k.full = k.full || more;
	walk_add_note(&k, "left out", &notes);
	names_sort(&l.lines);
	if (rc == ERR_IO)
		rc = file_refuse(j, path, ": cannot be read");
	else if (!rc)
		rc = buf_failed(&notes) ? ERR_NOMEM : tell(j, &l, buf_str(&notes));
	names_release(&l.lines);
	walk_release(&k);
	buf_release(&notes);
	return rc;
}

int tool_list_files(struct file_job *j)
{
	struct str path = file_arg(j, "path", STR_LIT("."));
	struct place p;
	int fd = -1, rc;

	rc = file_open(j, path.n ? path : STR_LIT("."), &p, &fd);
	if (!rc && !S_ISDIR(p.st.st_mode))
		rc = file_refuse(j, path, " is a file; use read_file");
	if (!rc)
		rc = list(j, path, &p, fd);
	if (fd >= 0)
		close(fd);
	place_close(&p);
	return rc;
}
