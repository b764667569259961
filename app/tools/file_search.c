/* search_files: lines that a regular expression matches, as PATH:LINE:TEXT. */
#include "app/tools/file_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "app/tools/walk.h"

#define MATCHES      200
#define FILE_MATCHES 50
#define FILE_BYTES   (16u << 20)
#define CLIP_BYTES   300u /* of a line, around the match */
#define STEPS        1000000

struct search {
	struct file_job *j;
	struct walk walk;
	struct output out;
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	struct buf prefix; /* of the paths, with '/' */
	struct buf file;   /* the content at hand */
	size_t n;          /* matches so far */
	size_t n_left_out; /* files that are hidden or too large */
	size_t n_capped;   /* files with more matches than are shown */
	size_t n_hard;     /* lines that took too many steps */
	bool more;         /* there are more than MATCHES */
};

/* ---- the pattern ---- */

static int compile(struct search *s, struct str pattern)
{
	struct buf what = {0};
	char why[160];
	PCRE2_SIZE at = 0;
	int code = 0, rc;

	s->code = pcre2_compile((PCRE2_SPTR)(pattern.n ? pattern.p : ""), pattern.n,
				PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
				&code, &at, NULL);
	if (s->code) {
		/* Where there is no JIT matching is slower, not different. */
		pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE);
		s->match = pcre2_match_data_create(1, NULL);
		s->context = pcre2_match_context_create(NULL);
		if (!s->match || !s->context)
			return ERR_NOMEM;
		pcre2_set_match_limit(s->context, STEPS);
		return 0;
	}
	if (code == PCRE2_ERROR_HEAP_FAILED)
		return ERR_NOMEM;
	pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
	buf_addf(&what, ": %s (at %zu)", why, at);
	rc = file_refuse(s->j, STR_LIT("bad pattern"), buf_z(&what));
	buf_release(&what);
	return rc;
}

/* Where the line matches; false: it does not. */
static bool matches(struct search *s, struct str line, size_t *from, size_t *to)
{
	PCRE2_SPTR text = (PCRE2_SPTR)line.p;
	const PCRE2_SIZE *v = pcre2_get_ovector_pointer(s->match);
	int rc = pcre2_match(s->code, text, line.n, 0, 0, s->match, s->context);

	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(s->code, text, line.n, 0, PCRE2_NO_JIT, s->match, s->context);
	if (rc == PCRE2_ERROR_NOMEMORY)
		s->j->text.failed = true;
	if (rc < 0) {
		s->n_hard += rc != PCRE2_ERROR_NOMATCH;
		return false;
	}
	/* \K may put the beginning behind the end. */
	*from = v[0] <= line.n ? v[0] : line.n;
	*to = v[1] >= *from && v[1] <= line.n ? v[1] : *from;
	return true;
}

/* ---- a line ---- */

static bool begins_character(struct str s, size_t at)
{
	return at >= s.n || ((unsigned char)s.p[at] & 0xC0u) != 0x80u;
}

/* What is shown of a long line: the match, and as much as there is room for around it. */
static struct str window(struct str line, size_t from, size_t to)
{
	size_t n = to - from < CLIP_BYTES ? to - from : CLIP_BYTES,
	       before = (CLIP_BYTES - n) / 2;
	size_t at = from > before ? from - before : 0, end;

	if (at + CLIP_BYTES > line.n)
		at = line.n - CLIP_BYTES;
	end = at + CLIP_BYTES;
	while (!begins_character(line, at))
		at++;
	while (end > at && !begins_character(line, end))
		end--;
	return (struct str){line.p + at, end - at};
}

static void tell_line(struct search *s, struct str path, size_t number, struct str line,
		      size_t from, size_t to)
{
	struct str shown = line.n > CLIP_BYTES ? window(line, from, to) : line;
	struct buf out = {0};

	file_add_name(&out, path);
	buf_addf(&out, ":%zu:", number);
	if (shown.p > line.p)
		buf_addz(&out, "\xE2\x80\xA6");
	buf_adds(&out, shown);
	if (shown.p + shown.n < line.p + line.n)
		buf_addz(&out, "\xE2\x80\xA6");
	buf_addc(&out, '\n');
	if (buf_failed(&out))
		s->j->text.failed = true;
	output_feed(&s->out, buf_str(&out));
	buf_release(&out);
}

/* ---- a file ---- */

static void search_text(struct search *s, struct str path, struct str text)
{
	size_t number = 0, found = 0;
	struct str line;

	while (!s->more && str_line(&text, &line)) {
		size_t from = 0, to = 0;

		number++;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (!matches(s, line, &from, &to))
			continue;
		if (s->n == MATCHES) {
			s->more = true;
		} else if (found == FILE_MATCHES) {
			s->n_capped++;
			break;
		} else {
			s->n++;
			found++;
			tell_line(s, path, number, line, from, to);
		}
	}
}

/* Reads a file of at most FILE_BYTES; false where it cannot be. */
static bool read_whole(struct search *s, int fd)
{
	buf_reset(&s->file);
	for (;;) {
		ssize_t n;

		if (!buf_reserve(&s->file, 64u << 10)) {
			s->j->text.failed = true;
			return false;
		}
		n = read(fd, s->file.data + s->file.len, 64u << 10);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		s->file.len += (size_t)n;
		if (s->file.len > FILE_BYTES) {
			s->n_left_out++;
			return false;
		}
	}
}

static void search_open(struct search *s, struct str path, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	if (st.st_size > (off_t)FILE_BYTES)
		s->n_left_out++;
	else if (read_whole(s, fd) && !file_is_binary(buf_str(&s->file)))
		search_text(s, path, buf_str(&s->file));
}

static int visit(void *ctx, const struct walk_entry *e)
{
	struct search *s = ctx;
	size_t len = s->prefix.len;
	int fd;

	if (!S_ISREG(e->type))
		return 0;
	if (walk_hides(&s->walk)) {
		s->n_left_out++;
		return 0;
	}
	fd = openat(e->dir, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		s->n_left_out++;
		return 0;
	}
	buf_adds(&s->prefix, e->rel);
	search_open(s, buf_str(&s->prefix), fd);
	buf_truncate(&s->prefix, len);
	close(fd);
	if (buf_failed(&s->prefix) || buf_failed(&s->j->text))
		return ERR_NOMEM;
	return s->more; /* that ends the walk */
}

/* ---- all of it ---- */

static void tell(struct search *s)
{
	struct buf *out = &s->j->text;

	output_end(&s->out);
	s->j->cut = output_is_cut(&s->out);
	output_add_text(&s->out, s->j->n_spill, out);
	if (!s->n)
		buf_addz(out, "no matches\n");
	if (s->more)
		buf_addf(out, "[more than %d matches; narrow the pattern]\n", MATCHES);
	if (s->n_capped)
		buf_addf(out, "[of %zu file%s only the first %d matches are shown]\n",
			 s->n_capped, s->n_capped == 1 ? "" : "s", FILE_MATCHES);
	if (s->n_left_out)
		buf_addf(out, "[%zu file%s not searched]\n", s->n_left_out,
			 s->n_left_out == 1 ? "" : "s");
	if (s->n_hard)
		buf_addf(out, "[the pattern took too many steps on %zu line%s]\n", s->n_hard,
			 s->n_hard == 1 ? "" : "s");
	/* Where the matches are, nobody asks for more; and nobody expects them in .git. */
	s->walk.skipped[0] = false;
	if (!s->n || s->walk.full || s->walk.n_deep)
		walk_add_note(&s->walk, "not searched", out);
	if (out->len)
		buf_truncate(out, out->len - 1);
}

/* Paths are shown from their root on, those outside whole. */
static int search_place(struct search *s, const struct place *p, int fd)
{
	struct str rel = place_rel(p);
	int rc;

	buf_adds(&s->prefix, rel);
	if (S_ISREG(p->st.st_mode)) {
		search_open(s, buf_str(&s->prefix), fd);
		rc = 0;
	} else {
		if (rel.n && !str_is(rel, "/"))
			buf_addc(&s->prefix, '/');
		rc = walk_run(&s->walk, p, fd);
		rc = rc == 1 ? 0 : rc;
	}
	return buf_failed(&s->prefix) ? ERR_NOMEM : rc;
}

static void release(struct search *s)
{
	pcre2_match_context_free(s->context);
	pcre2_match_data_free(s->match);
	pcre2_code_free(s->code);
	walk_release(&s->walk);
	output_release(&s->out);
	buf_release(&s->prefix);
	buf_release(&s->file);
}

int tool_search_files(struct file_job *j)
{
	struct str path = file_arg(j, "path", STR_LIT("."));
	struct search *s = calloc(1, sizeof(*s));
	struct place p = {.fd = -1};
	int fd = -1, rc;

	if (!s)
		return ERR_NOMEM;
	s->j = j;
	s->walk = (struct walk){.w = j->w, .visit = visit, .ctx = s};
	rc = output_init(&s->out, j->limit, j->spill, NULL);
	s->out.clean.keeps = true;
	if (!rc)
		rc = compile(s, file_arg(j, "pattern", (struct str){"", 0}));
	if (!rc)
		rc = file_open(j, path.n ? path : STR_LIT("."), &p, &fd);
	if (!rc)
		rc = search_place(s, &p, fd);
	if (!rc)
		tell(s);
	if (fd >= 0)
		close(fd);
	place_close(&p);
	release(s);
	free(s);
	return rc;
}
