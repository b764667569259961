/* Blocks for files, and finding the files that a message names. */
#include "app/attach.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/base/utf8.h"

void attach_block(struct buf *out, const char *tag, const char *name, struct str text,
		  size_t *n_replaced)
{
	if (name)
		buf_addf(out, "<%s name=\"%s\">\n", tag, name);
	else
		buf_addf(out, "<%s>\n", tag);
	*n_replaced += utf8_add_clean(out, text);
	if (text.n && text.p[text.n - 1] != '\n')
		buf_addc(out, '\n');
	buf_addf(out, "</%s>\n\n", tag);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static bool is_file(const char *path)
{
	struct stat st;

	return *path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The file that the word behind an @ names, "" where it names none. */
static void find_path(struct str word, struct buf *path)
{
	for (;;) {
		buf_reset(path);
		buf_adds(path, word);
		if (is_file(buf_z(path)))
			return;
		if (!word.n || !strchr(".,;:!?)]}\"'", word.p[word.n - 1]))
			break;
		word.n--;
	}
	buf_reset(path);
}

static bool has_block(struct str text, const char *path)
{
	struct buf head = {0};
	bool found;

	buf_addf(&head, "<file name=\"%s\">\n", path);
	found = text.n && memmem(text.p, text.n, buf_z(&head), head.len);
	buf_release(&head);
	return found;
}

int attach_named(struct buf *out, struct str text, size_t *n, struct err *err)
{
	struct buf path = {0}, content = {0};
	size_t from = out->len, replaced = 0;
	int rc = 0;

	*n = 0;
	buf_adds(out, text);
	for (size_t i = 0; i < text.n && !rc; i++) {
		size_t end = i + 1;

		if (text.p[i] != '@' || (i > 0 && !is_blank(text.p[i - 1])))
			continue;
		while (end < text.n && !is_blank(text.p[end]))
			end++;
		find_path((struct str){text.p + i + 1, end - i - 1}, &path);
		if (!path.len ||
		    has_block((struct str){buf_z(out) + from, out->len - from}, buf_z(&path)))
			continue;
		buf_reset(&content);
		rc = file_read(&content, buf_z(&path), ATTACH_MAX_BYTES, err);
		if (!rc && !*n)
			buf_addz(out, "\n\n");
		if (!rc)
			attach_block(out, "file", buf_z(&path), buf_str(&content), &replaced);
		*n += !rc;
	}
	while (*n && out->len && out->data[out->len - 1] == '\n')
		buf_truncate(out, out->len - 1);
	if (!rc && (buf_failed(out) || buf_failed(&path) || buf_failed(&content)))
		rc = err_nomem(err, "message", out->len);
	buf_release(&path);
	buf_release(&content);
	return rc;
}
