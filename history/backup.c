/* Copying the store page by page with SQLite's backup, then putting the copy in its place. */
#include "history/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "history/disk.h"

/* By h's layer, which asks whether to go on. */
static int open_one(struct history *h, const char *path, sqlite3 **db)
{
	int rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				 disk_layer(h));

	return rc == SQLITE_OK ? sqlite3_busy_timeout(*db, h->wait_ms) : rc;
}

/* A connection that reads beside h, which may be in a transaction; in memory there is but h. */
static int open_source(struct history *h, sqlite3 **from)
{
	*from = h->db;
	return *h->path ? open_one(h, h->path, from) : SQLITE_OK;
}

/* A change of mode asks for its lock once and does not wait. */
static int leave_wal(struct history *h, sqlite3 *db)
{
	int64_t until = clock_ms() + h->wait_ms;

	for (;;) {
		int rc = sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);

		if (rc != SQLITE_BUSY || !watch_wait_till(h, until))
			return rc;
	}
}

/* The copy leaves WAL: a backup is one file, readable from read-only places too. */
static int copy_into(struct history *h, const char *path, struct err *err)
{
	int64_t until = clock_ms() + h->wait_ms;
	sqlite3 *from = NULL, *to = NULL;
	sqlite3_backup *copy = NULL;
	int rc;

	h->stopped = false;
	rc = open_source(h, &from);
	if (rc == SQLITE_OK) {
		h->opens_copy = true;
		rc = open_one(h, path, &to);
		h->opens_copy = false;
	}
	/* Half a copy goes as a file; a whole one is synced as one. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF",
				  NULL, NULL, NULL);
	if (rc == SQLITE_OK) {
		copy = sqlite3_backup_init(to, "main", from, "main");
		rc = copy ? SQLITE_OK : sqlite3_errcode(to);
	}
	do {
		rc = copy ? sqlite3_backup_step(copy, -1) : rc;
	} while ((rc == SQLITE_BUSY || rc == SQLITE_LOCKED) && copy &&
		 watch_wait_till(h, until));
	if (copy)
		rc = sqlite3_backup_finish(copy);
	if (rc == SQLITE_OK)
		rc = leave_wal(h, to);
	sqlite3_close_v2(to);
	if (from != h->db)
		sqlite3_close_v2(from);
	if (rc == SQLITE_OK)
		return 0;
	if (h->stopped)
		return err_set(err, ERR_CANCELLED, "%s: cannot write the backup: given up",
			       path);
	return err_set(err, ERR_STORE, "%s: cannot write the backup: %s", path,
		       sqlite3_errstr(rc));
}

static int sync_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0 || fsync(fd) != 0) {
		err_errno(err, path, "cannot write the backup");
		rc = err->code = ERR_STORE;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* The file that was being written, and what SQLite puts beside one. */
static void drop_temp(struct buf *temp)
{
	static const char *const ends[] = {"", "-journal", "-wal", "-shm"};
	size_t n = temp->len;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		buf_addz(temp, ends[i]);
		if (!buf_failed(temp))
			unlink(temp->data);
		buf_truncate(temp, n);
	}
}

/* An empty file of a name of its own, in `temp`; one that a migration cut short has left goes.
 */
static int make_temp(const char *path, bool replace, struct buf *temp, struct err *err)
{
	int fd;

	buf_addf(temp, replace ? "%s.tmp" : "%s.XXXXXX", path);
	if (buf_failed(temp))
		return err_nomem(err, "path", temp->cap);
	if (replace) {
		drop_temp(temp);
		fd = open(temp->data, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	} else {
		fd = mkostemp(temp->data, O_CLOEXEC);
	}
	if (fd < 0) {
		err_errno(err, path, "cannot write the backup");
		return err->code = ERR_STORE;
	}
	close(fd);
	return 0;
}

int backup_file(struct history *h, const char *path, bool replace, struct err *err)
{
	struct buf temp = {0};
	int rc;

	if (!replace && access(path, F_OK) == 0)
		return err_set(err, ERR_USAGE, "%s: exists already", path);
	rc = make_temp(path, replace, &temp, err);
	if (rc)
		goto done;
	rc = copy_into(h, temp.data, err);
	if (!rc)
		rc = sync_file(temp.data, err);
	if (!rc && (replace ? rename(temp.data, path) : file_place(temp.data, path)) != 0) {
		rc = errno == EEXIST ? ERR_USAGE : ERR_STORE;
		err_errno(err, path, "cannot write the backup");
		err->code = rc;
	}
	drop_temp(&temp);
done:
	buf_release(&temp);
	return rc;
}
