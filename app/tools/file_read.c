/* read_file: lines of a text file, as they are, so that they can be copied into an edit. */
#include "app/tools/file_tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "app/tools/shown.h"
#include "engine/base/utf8.h"

#define LINES       2000
#define COUNT_BYTES (64u << 20) /* so far lines are counted */
#define MOST_BYTES  (1ull << 30)
#define BLOCK_BYTES (64u << 10)

enum coding { UTF_8, UTF_16_LE, UTF_16_BE };

struct reading {
	struct file_job *j;
	/* the bytes */
	XXH3_state_t *hash;
	uint64_t bytes; /* read so far */
	enum coding coding;
	unsigned char odd[4]; /* of UTF-16: half a unit, and a first surrogate */
	size_t n_odd;
	uint32_t high;
	/* the lines */
	uint64_t first, last; /* that are wanted, from 1; last may be the greatest number */
	uint64_t line;        /* the one that bytes belong to now */
	bool in_line;         /* it has some */
	uint64_t shown;       /* the last line that is in the text */
	bool full;            /* no other fits */
	/* the line at hand, clean */
	struct clean clean;
	size_t clip;
	struct buf text;
	uint64_t left_out;
};

/* ---- a line's text ---- */

static void take_clean(void *ctx, struct str s)
{
	struct reading *r = ctx;
	size_t room = r->left_out ? 0 : r->clip - r->text.len, n = s.n < room ? s.n : room;

	if (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	n = s.n < n ? s.n : n;
	if (n < s.n)
		n -= utf8_partial_tail((struct str){s.p, n});
	buf_add(&r->text, s.p, n);
	r->left_out += s.n - n;
}

/* The line is whole: it joins the result, if there is room for it. */
static void end_line(struct reading *r, bool newline)
{
	struct buf *out = &r->j->text;

	if (r->left_out)
		buf_addf(&r->text, " [\xE2\x80\xA6 %llu bytes]",
			 (unsigned long long)r->left_out);
	if (out->len && out->len + r->text.len + 1 > r->j->limit) {
		r->full = true;
	} else {
		buf_adds(out, buf_str(&r->text));
		if (newline)
			buf_addc(out, '\n');
		r->shown = r->line;
	}
	if (buf_failed(&r->text))
		out->failed = true;
	buf_reset(&r->text);
	r->left_out = 0;
}

static void take_line(struct reading *r, struct str part, bool ends)
{
	bool wanted = r->line >= r->first && r->line <= r->last && !r->full;

	if (wanted) {
		clean_feed(&r->clean, part);
		if (ends)
			end_line(r, true);
	}
	r->in_line = !ends;
	r->line += ends;
}

/* UTF-8, as it is in the file. */
static void take_text(struct reading *r, struct str s)
{
	while (s.n) {
		const char *end = memchr(s.p, '\n', s.n);
		size_t n = end ? (size_t)(end - s.p) + 1 : s.n;

		take_line(r, (struct str){s.p, n}, end != NULL);
		s.p += n;
		s.n -= n;
	}
}

/* ---- UTF-16 ---- */

static void add_unit(struct reading *r, uint32_t unit, struct buf *out)
{
	char c[4];
	uint32_t cp = unit;

	if (r->high && unit >= 0xDC00 && unit < 0xE000) {
		cp = 0x10000 + ((r->high - 0xD800) << 10) + (unit - 0xDC00);
		r->high = 0;
	} else if (r->high) {
		buf_add(out, "\xEF\xBF\xBD", 3);
		r->high = 0;
	}
	if (unit >= 0xD800 && unit < 0xDC00)
		r->high = unit;
	else
		buf_add(out, c, utf8_encode(cp, c));
}

static void take_utf16(struct reading *r, struct str s)
{
	struct buf out = {0};

	for (size_t i = 0; i < s.n; i++) {
		r->odd[r->n_odd++] = (unsigned char)s.p[i];
		if (r->n_odd < 2)
			continue;
		r->n_odd = 0;
		add_unit(r,
			 r->coding == UTF_16_LE ? r->odd[0] | (uint32_t)r->odd[1] << 8
						: r->odd[1] | (uint32_t)r->odd[0] << 8,
			 &out);
	}
	if (buf_failed(&out))
		r->j->text.failed = true;
	take_text(r, buf_str(&out));
	buf_release(&out);
}

/* ---- the file ---- */

/* What kind of file begins so, in a word. */
static const char *kind_of(struct str s)
{
	static const struct {
		const char *begin, *kind;
		size_t n;
	} kinds[] = {
		{"\x7f"
		 "ELF",
		 "ELF", 4},
		{"\x89PNG", "PNG", 4},
		{"\xff\xd8\xff", "JPEG", 3},
		{"GIF8", "GIF", 4},
		{"%PDF", "PDF", 4},
		{"PK\x03\x04", "ZIP", 4},
		{"\x1f\x8b", "gzip", 2},
		{"BZh", "bzip2", 3},
		{"\xfd"
		 "7zXZ",
		 "xz", 5},
		{"\x28\xb5\x2f\xfd", "zstd", 4},
		{"SQLite format 3", "SQLite", 15},
		{"!<arch>", "archive", 7},
		{"MZ", "PE", 2},
		{"\xca\xfe\xba\xbe", "Java class", 4},
		{"OggS", "Ogg", 4},
		{"RIFF", "RIFF", 4},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (s.n >= kinds[i].n && memcmp(s.p, kinds[i].begin, kinds[i].n) == 0)
			return kinds[i].kind;
	return "data";
}

static int refuse_binary(struct reading *r, struct str path, struct str begin, uint64_t size)
{
	struct buf what = {0};
	int rc;

	if (size < 1024)
		buf_addf(&what, " is a binary file (%s, %llu bytes)", kind_of(begin),
			 (unsigned long long)size);
	else
		buf_addf(&what, " is a binary file (%s, %llu KiB)", kind_of(begin),
			 (unsigned long long)(size >> 10));
	rc = file_refuse(r->j, path, buf_z(&what));
	buf_release(&what);
	return rc;
}

/* How it is coded, from its beginning; *skip: the mark of that. */
static bool find_coding(struct reading *r, struct str begin, size_t *skip)
{
	*skip = 0;
	if (begin.n >= 2 && memcmp(begin.p, "\xFF\xFE", 2) == 0)
		r->coding = UTF_16_LE;
	else if (begin.n >= 2 && memcmp(begin.p, "\xFE\xFF", 2) == 0)
		r->coding = UTF_16_BE;
	else if (begin.n >= 3 && memcmp(begin.p, UTF8_BOM, 3) == 0)
		*skip = 3;
	if (r->coding != UTF_8)
		*skip = 2;
	return r->coding != UTF_8 || !file_is_binary(begin);
}

/* A block as full as the file gives it; < 0: errno. */
static ssize_t read_block(int fd, char *block)
{
	size_t n = 0;

	while (n < BLOCK_BYTES) {
		ssize_t got = read(fd, block + n, BLOCK_BYTES - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static void take(struct reading *r, struct str s)
{
	if (r->coding == UTF_8)
		take_text(r, s);
	else
		take_utf16(r, s);
}

/* Reads to the end, or as far as lines are counted; *whole: to the end. */
static int read_lines(struct reading *r, struct str path, int fd, uint64_t size, char *block,
		      bool *whole)
{
	*whole = false;
	while (r->bytes < COUNT_BYTES || (!r->full && r->line <= r->last)) {
		ssize_t n = read_block(fd, block);
		size_t skip = 0;

		if (n < 0)
			return file_refuse(r->j, path, ": cannot be read");
		if (r->bytes == 0 && !find_coding(r, (struct str){block, (size_t)n}, &skip))
			return refuse_binary(r, path, (struct str){block, (size_t)n}, size);
		XXH3_128bits_update(r->hash, block, (size_t)n);
		r->bytes += (uint64_t)n;
		take(r, (struct str){block + skip, (size_t)n - skip});
		if ((size_t)n < BLOCK_BYTES) {
			*whole = true;
			break;
		}
	}
	return 0;
}

/* The last line may have no end. */
static void finish(struct reading *r)
{
	bool wanted = r->line >= r->first && r->line <= r->last && !r->full;

	if (r->high || r->n_odd)
		take_line(r, STR_LIT("\xEF\xBF\xBD"), false);
	if (r->in_line && wanted) {
		clean_end(&r->clean);
		end_line(r, false);
	}
	if (!r->in_line)
		r->line--;
}

/* ---- the result ---- */

static void add_notes(struct reading *r, bool whole)
{
	struct buf *out = &r->j->text;
	unsigned long long first = r->first, shown = r->shown, lines = r->line;
	bool all = r->first == 1 && whole && r->shown == r->line;

	if (out->len && out->data[out->len - 1] != '\n' &&
	    (!all || r->clean.n_bad || r->coding != UTF_8))
		buf_addc(out, '\n');
	if (r->coding != UTF_8)
		buf_addz(out, "[converted from UTF-16]");
	if (r->clean.n_bad)
		buf_addz(out, "[bytes that are no UTF-8 are shown as \xEF\xBF\xBD]");
	if (all)
		return;
	buf_addf(out, "[lines %llu-%llu of ", first, shown);
	if (whole)
		buf_addf(out, "%llu", lines);
	else
		buf_addz(out, "more");
	if (!whole || shown < lines)
		buf_addf(out, "; continue with offset %llu", shown + 1);
	buf_addz(out, "]");
}

static void add_info(struct reading *r, const struct place *p, bool whole)
{
	struct buf name = {0};
	char hash[33] = "";
	struct jsonw w;

	utf8_add_clean(&name, buf_str(&p->path));
	if (whole)
		shown_hash(hash, XXH3_128bits_digest(r->hash));
	jsonw_init(&w, &r->j->info);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "path", buf_str(&name));
	jsonw_kv_int(&w, "dev", (int64_t)p->st.st_dev);
	jsonw_kv_int(&w, "ino", (int64_t)p->st.st_ino);
	jsonw_kv_int(&w, "size", (int64_t)p->st.st_size);
	jsonw_kv_int(&w, "mtime_ns",
		     (int64_t)p->st.st_mtim.tv_sec * 1000000000 + p->st.st_mtim.tv_nsec);
	jsonw_kv_string(&w, "hash", str_of(hash));
	jsonw_kv_int(&w, "first", (int64_t)r->first);
	jsonw_kv_int(&w, "last", (int64_t)r->shown);
	if (whole)
		jsonw_kv_int(&w, "lines", (int64_t)r->line);
	jsonw_kv_bool(&w, "all", r->first == 1 && whole && r->shown == r->line);
	jsonw_end_object(&w);
	if (buf_failed(&name))
		r->j->info.failed = true;
	buf_release(&name);
}

static int say(struct reading *r, struct str path, const struct place *p, bool whole)
{
	struct buf what = {0};
	int rc = 0;

	finish(r);
	if (whole && r->line == 0) {
		buf_addz(&r->j->text, "(empty file)");
	} else if (whole && r->first > r->line) {
		buf_addf(&what, " has %llu line%s", (unsigned long long)r->line,
			 r->line == 1 ? "" : "s");
		rc = file_refuse(r->j, path, buf_z(&what));
	} else {
		add_notes(r, whole);
	}
	if (!rc)
		add_info(r, p, whole);
	buf_release(&what);
	return rc;
}

static int read_it(struct reading *r, struct str path, const struct place *p, int fd)
{
	char *block = malloc(BLOCK_BYTES);
	bool whole = false;
	int rc = ERR_NOMEM;

	r->hash = XXH3_createState();
	if (r->hash && block) {
		XXH3_128bits_reset(r->hash);
		clean_init(&r->clean, take_clean, r);
		r->clean.keeps = true;
		rc = read_lines(r, path, fd, (uint64_t)p->st.st_size, block, &whole);
		if (!rc)
			rc = say(r, path, p, whole);
	}
	XXH3_freeState(r->hash);
	buf_release(&r->text);
	free(block);
	return rc;
}

/* Which lines are asked for. */
static int want(struct reading *r)
{
	int64_t offset = file_arg_number(r->j, "offset", 1);
	int64_t limit = file_arg_number(r->j, "limit", LINES);

	if (offset < 0)
		return file_refuse(r->j, STR_LIT("offset"), " is counted from 1");
	if (limit < 1)
		return file_refuse(r->j, STR_LIT("limit"), " is at least 1");
	r->first = offset ? (uint64_t)offset : 1;
	r->last = r->first - 1 + (uint64_t)limit;
	r->clip = limit == 1 ? r->j->limit : OUTPUT_CLIP_BYTES;
	return 0;
}

int tool_read_file(struct file_job *j)
{
	struct str path = file_arg(j, "path", (struct str){"", 0});
	struct reading *r = calloc(1, sizeof(*r));
	struct place p = {.fd = -1};
	int fd = -1, rc;

	if (!r)
		return ERR_NOMEM;
	r->j = j;
	r->line = 1;
	rc = want(r);
	if (!rc)
		rc = file_open(j, path, &p, &fd);
	if (!rc && S_ISDIR(p.st.st_mode))
		rc = file_refuse(j, path, " is a directory; use list_files");
	if (!rc && (uint64_t)p.st.st_size > MOST_BYTES)
		rc = file_refuse(j, path, " is too large to read (more than 1 GiB)");
	if (!rc)
		rc = read_it(r, path, &p, fd);
	if (fd >= 0)
		close(fd);
	place_close(&p);
	free(r);
	return rc;
}
