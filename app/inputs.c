#include "app/inputs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/paths.h"
#include "engine/base/file.h"

#define INPUTS_MAX_BYTES ((size_t)64 << 20)

void inputs_release(struct inputs *in)
{
	for (size_t i = 0; i < in->n; i++)
		buf_release(&in->texts[i]);
	free(in->texts);
	*in = (struct inputs){0};
}

static int add(struct inputs *in, struct buf **text, struct err *err)
{
	struct buf *grown = realloc(in->texts, (in->n + 1) * sizeof(*grown));

	if (!grown)
		return err_nomem(err, "inputs", (in->n + 1) * sizeof(*grown));
	in->texts = grown;
	grown[in->n] = (struct buf){0};
	*text = &grown[in->n++];
	return 0;
}

int inputs_gather(struct inputs *in, struct history *h, int64_t conversation, struct err *err)
{
	struct history_list list = {0};
	struct history_tree *t = NULL;
	struct buf *text;
	int rc = history_tree_open(&t, h, conversation, err);

	/* Ids grow: from the tree's first message every later one can be met. */
	for (const struct history_message *m = rc ? NULL : history_tree_each(t, NULL); m && !rc;
	     m = history_tree_each(t, m)) {
		if (m->role == HISTORY_USER && m->conversation == conversation)
			rc = add(in, &text, err);
		else
			continue;
		if (!rc)
			history_message_add_text(m, HISTORY_TEXT, text);
	}
	if (!rc)
		rc = history_get(h, conversation, &list, err);
	if (!rc && list.n)
		rc = add(in, &text, err);
	if (!rc && list.n)
		buf_addz(text, list.items[0].title);
	for (size_t i = 0; i < in->n && !rc; i++) {
		if (buf_failed(&in->texts[i]))
			rc = err_nomem(err, "inputs", in->n);
	}
	history_list_release(&list);
	history_tree_free(t);
	return rc;
}

/*
 * The file's lines are texts as the line mode (libedit) or the full screen wrote them; both
 * put a backslash before what would not fit on one line.  Returns the bytes taken.
 */
static size_t decode_one(const char *p, size_t n, char *out)
{
	bool octal = n >= 4 && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
		     p[3] >= '0' && p[3] <= '7';

	*out = p[0];
	if (p[0] != '\\' || n < 2)
		return 1;
	if (octal) {
		*out = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
		return 4;
	}
	if (p[1] == '^' && n >= 3) {
		*out = (char)(p[2] == '?' ? 0x7f : p[2] & 0x1f);
		return 3;
	}
	if (p[1] == 'M' && n >= 4 && (p[2] == '-' || p[2] == '^')) {
		*out = (char)((p[2] == '-' ? p[3] : p[3] & 0x1f) | 0x80);
		return 4;
	}
	*out = p[1];
	if (p[1] == 'n')
		*out = '\n';
	else if (p[1] == 't')
		*out = '\t';
	return 2;
}

/* A line holds one of the texts, by itself or in a command.  Forgetting too much is harmless.
 */
static bool is_one(const struct inputs *in, struct str line, struct buf *text)
{
	buf_reset(text);
	for (size_t i = 0; i < line.n;) {
		char c;

		i += decode_one(line.p + i, line.n - i, &c);
		buf_addc(text, c);
	}
	for (size_t i = 0; i < in->n; i++) {
		if (text->len && in->texts[i].len &&
		    memmem(text->data, text->len, in->texts[i].data, in->texts[i].len))
			return true;
	}
	return false;
}

/* The lines that stay, in place, with zeros over what is left of the old ones. */
static int rewrite(const char *path, const struct buf *kept, size_t old, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	struct buf padded = {0};
	int rc = 0;

	buf_adds(&padded, buf_str(kept));
	while (padded.len < old && !padded.failed)
		buf_addc(&padded, '\0');
	if (padded.failed)
		rc = err_nomem(err, "inputs", old);
	else if (fd < 0 || write(fd, padded.data, padded.len) != (ssize_t)padded.len ||
		 ftruncate(fd, (off_t)kept->len) != 0)
		rc = err_errno(err, path, "cannot forget what was typed");
	if (fd >= 0)
		close(fd);
	buf_release(&padded);
	return rc;
}

int inputs_forget(const struct inputs *in, struct err *err)
{
	struct buf path = {0}, all = {0}, kept = {0}, text = {0};
	int rc = path_of(PATH_INPUTS, &path, err);

	if (rc || access(buf_z(&path), F_OK) != 0)
		goto done;
	rc = file_read(&all, buf_z(&path), INPUTS_MAX_BYTES, err);
	for (size_t at = 0; at < all.len && !rc;) {
		const char *nl = memchr(all.data + at, '\n', all.len - at);
		size_t end = nl ? (size_t)(nl - all.data) + 1 : all.len;
		struct str line = {all.data + at, end - at - (nl != NULL)};

		if (!is_one(in, line, &text))
			buf_add(&kept, all.data + at, end - at);
		at = end;
	}
	if (!rc && (kept.failed || text.failed))
		rc = err_nomem(err, "inputs", all.len);
	if (!rc && kept.len < all.len)
		rc = rewrite(buf_z(&path), &kept, all.len, err);
done:
	buf_release(&path);
	buf_release(&all);
	buf_release(&kept);
	buf_release(&text);
	return rc;
}
