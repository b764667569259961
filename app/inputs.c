/* Reading, appending to and cutting the file of inputs. */
#include "app/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/paths.h"
#include "app/pulse.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"

#define LOCK_WAIT_MS      1000
#define INPUTS_MAX_BYTES  ((size_t)64 << 20) /* read */
#define INPUTS_KEPT_BYTES ((off_t)8 << 20)   /* a longer file is halved */

static const char first_line[] = "_HiStOrY_V2_\n";

/* ---- the file ---- */

/*
 * Characters as libedit's line mode (vis(3), in any of its ways) or this file wrote them.
 * Returns the bytes taken.
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
	else if (p[1] == 's')
		*out = ' ';
	return 2;
}

static void decode_line(struct str line, struct buf *text)
{
	buf_reset(text);
	for (size_t i = 0; i < line.n;) {
		char c;

		i += decode_one(line.p + i, line.n - i, &c);
		buf_addc(text, c);
	}
}

/* Takes the conversation off what was decoded; "" where there is none. */
static struct str split_origin(struct buf *text)
{
	const char *nul = text->len ? memrchr(text->data, '\0', text->len) : NULL;
	struct str uid = {0};

	if (!nul)
		return uid;
	uid = (struct str){nul + 1, text->len - (size_t)(nul + 1 - text->data)};
	if (uid.n != 0 && uid.n != HISTORY_UID_LEN)
		return (struct str){0};
	for (size_t i = 0; i < uid.n; i++) {
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyz", uid.p[i]))
			return (struct str){0};
	}
	/* Truncation leaves the bytes behind the new end where they are. */
	buf_truncate(text, (size_t)(nul - text->data));
	return uid;
}

/* The line at *at, without its end; *at moves behind it.  False at the end of all. */
static bool next_line(const struct buf *all, size_t *at, struct str *line)
{
	const char *nl;
	size_t end;

	if (*at >= all->len)
		return false;
	nl = memchr(all->data + *at, '\n', all->len - *at);
	end = nl ? (size_t)(nl - all->data) : all->len;
	*line = (struct str){all->data + *at, end - *at};
	*at = end + 1;
	return true;
}

int inputs_read(const char *path, void (*each)(void *ctx, struct str text), void *ctx,
		struct err *err)
{
	struct buf all = {0}, text = {0};
	struct str line;
	size_t at = 0;
	int rc;

	if (access(path, F_OK) != 0)
		return 0;
	rc = file_read(&all, path, INPUTS_MAX_BYTES, err);
	if (!rc && all.len >= sizeof(first_line) - 1 &&
	    memcmp(all.data, first_line, sizeof(first_line) - 1) == 0)
		at = sizeof(first_line) - 1;
	while (!rc && next_line(&all, &at, &line)) {
		decode_line(line, &text);
		split_origin(&text);
		if (text.len && !buf_failed(&text))
			each(ctx, buf_str(&text));
	}
	buf_release(&all);
	buf_release(&text);
	return rc;
}

static int write_all(int fd, const struct buf *b, const char *path, struct err *err)
{
	if (b->failed)
		return err_nomem(err, "inputs", b->len);
	return file_write_all(fd, buf_str(b)) ? err_errno(err, path, "cannot write it") : 0;
}

/* The newer half stays. */
static int halve(const char *path, int fd, struct err *err)
{
	struct buf all = {0}, kept = {0};
	int rc = file_read(&all, path, INPUTS_MAX_BYTES, err);
	const char *nl =
		rc ? NULL : memchr(all.data + all.len / 2, '\n', all.len - all.len / 2);

	if (nl) {
		buf_addz(&kept, first_line);
		buf_add(&kept, nl + 1, all.len - (size_t)(nl + 1 - all.data));
		if (ftruncate(fd, 0) != 0)
			rc = err_errno(err, path, "cannot cut it");
		if (!rc)
			rc = write_all(fd, &kept, path, err);
	}
	buf_release(&all);
	buf_release(&kept);
	return rc;
}

/* One who holds it was stopped, maybe: nobody waits for that, nor is deaf meanwhile. */
static bool lock(int fd)
{
	const struct timespec pause = {0, 5000000};
	int64_t until = clock_ms() + LOCK_WAIT_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK || clock_ms() >= until || pulse_gives_up(NULL))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/*
 * For writing, under its lock.  A FIFO or a device would have the program wait, or take what is
 * typed elsewhere.
 */
static int open_locked(const char *path, int flags, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags, 0600);
	struct stat st;

	if (fd < 0)
		return err_errno(err, path, "cannot write it");
	if (fstat(fd, &st) != 0)
		err_errno(err, path, "cannot write it");
	else if (!S_ISREG(st.st_mode))
		err_set(err, ERR_IO, "%s: not a regular file", path);
	else if (!lock(fd))
		err_errno(err, path, "cannot lock it");
	else
		return fd;
	close(fd);
	return err->code;
}

int inputs_append(const char *path, struct str text, const char *uid, struct err *err)
{
	struct buf line = {0};
	int fd, rc = 0;

	if (!text.n || text.n > INPUT_MAX_BYTES)
		return 0;
	fd = open_locked(path, O_APPEND | O_CREAT, err);
	if (fd < 0)
		return fd;
	if (lseek(fd, 0, SEEK_END) == 0)
		buf_addz(&line, first_line);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c <= ' ' || c == '\\' || c == 0x7f)
			buf_addf(&line, "\\%03o", c);
		else
			buf_addc(&line, (char)c);
	}
	/* A text that holds a NUL must not seem to end with a conversation. */
	if (uid || memchr(text.p, '\0', text.n))
		buf_addf(&line, "\\000%s", uid ? uid : "");
	buf_addc(&line, '\n');
	rc = write_all(fd, &line, path, err);
	if (!rc && lseek(fd, 0, SEEK_END) > INPUTS_KEPT_BYTES)
		rc = halve(path, fd, err);
	close(fd);
	buf_release(&line);
	return rc;
}

/* ---- forgetting ---- */

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
	if (!rc && list.n) {
		buf_addz(text, list.items[0].title);
		memcpy(in->uid, list.items[0].uid, sizeof(in->uid));
	}
	for (size_t i = 0; i < in->n && !rc; i++) {
		if (buf_failed(&in->texts[i]))
			rc = err_nomem(err, "inputs", in->n);
	}
	history_list_release(&list);
	history_tree_free(t);
	return rc;
}

/* See inputs_forget().  Forgetting a command too many is harmless. */
static bool is_one(const struct inputs *in, struct str line, struct buf *text)
{
	struct str uid;
	bool command;

	decode_line(line, text);
	uid = split_origin(text);
	if (uid.n && str_is(uid, in->uid))
		return true;
	command = text->len && text->data[0] == '/';
	if (uid.n && !command)
		return false;
	if (command && in->uid[0] && memmem(text->data, text->len, in->uid, HISTORY_UID_LEN))
		return true;
	for (size_t i = 0; i < in->n; i++) {
		if (text->len && in->texts[i].len &&
		    memmem(text->data, text->len, in->texts[i].data, in->texts[i].len))
			return true;
	}
	return false;
}

/* The lines that stay, in place, with zeros over what is left of the old ones. */
static int rewrite(const char *path, int fd, const struct buf *kept, size_t old,
		   struct err *err)
{
	struct buf padded = {0};
	int rc;

	buf_adds(&padded, buf_str(kept));
	while (padded.len < old && !padded.failed)
		buf_addc(&padded, '\0');
	rc = write_all(fd, &padded, path, err);
	if (!rc && ftruncate(fd, (off_t)kept->len) != 0)
		rc = err_errno(err, path, "cannot forget what was typed");
	buf_release(&padded);
	return rc;
}

static int forget_in(const struct inputs *in, const char *path, int fd, struct err *err)
{
	struct buf all = {0}, kept = {0}, text = {0};
	int rc = file_read(&all, path, INPUTS_MAX_BYTES, err);
	struct str line;
	size_t at = 0;

	while (!rc && next_line(&all, &at, &line)) {
		if (is_one(in, line, &text))
			continue;
		buf_adds(&kept, line);
		buf_addc(&kept, '\n');
	}
	if (!rc && (kept.failed || text.failed))
		rc = err_nomem(err, "inputs", all.len);
	if (!rc && kept.len < all.len)
		rc = rewrite(path, fd, &kept, all.len, err);
	buf_release(&all);
	buf_release(&kept);
	buf_release(&text);
	return rc;
}

int inputs_forget(const struct inputs *in, const char *path, struct err *err)
{
	struct buf own = {0};
	int rc = path ? 0 : path_of(PATH_INPUTS, &own, err);
	int fd = -1;

	if (!path)
		path = buf_z(&own);
	if (rc || access(path, F_OK) != 0)
		goto done;
	fd = open_locked(path, 0, err);
	rc = fd < 0 ? fd : forget_in(in, path, fd, err);
done:
	if (fd >= 0)
		close(fd);
	buf_release(&own);
	return rc;
}
