#include "history/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The copy leaves WAL: a backup is one file, readable from read-only places too. */
static int copy_into(struct history *h, const char *path, struct err *err)
{
	sqlite3 *to = NULL;
	sqlite3_backup *copy = NULL;
	int rc;

	rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		copy = sqlite3_backup_init(to, "main", h->db, "main");
		rc = copy ? SQLITE_OK : sqlite3_errcode(to);
	}
	for (int waited = 0; copy; waited += 20) {
		rc = sqlite3_backup_step(copy, -1);
		if ((rc != SQLITE_BUSY && rc != SQLITE_LOCKED) || waited >= h->wait_ms)
			break;
		sqlite3_sleep(20);
	}
	if (copy)
		rc = sqlite3_backup_finish(copy);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		err_set(err, ERR_STORE, "%s: cannot write the backup: %s", path,
			to ? sqlite3_errmsg(to) : sqlite3_errstr(rc));
	sqlite3_close_v2(to);
	return rc == SQLITE_OK ? 0 : ERR_STORE;
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

int backup_file(struct history *h, const char *path, bool replace, struct err *err)
{
	struct buf temp = {0};
	int fd, rc;

	if (!replace && access(path, F_OK) == 0)
		return err_set(err, ERR_USAGE, "%s: exists already", path);
	buf_addf(&temp, "%s.XXXXXX", path);
	if (buf_failed(&temp))
		return err_nomem(err, "path", temp.cap);
	fd = mkostemp(temp.data, O_CLOEXEC);
	if (fd < 0) {
		err_errno(err, path, "cannot write the backup");
		buf_release(&temp);
		return err->code = ERR_STORE;
	}
	close(fd);
	rc = copy_into(h, temp.data, err);
	if (!rc)
		rc = sync_file(temp.data, err);
	/* link() refuses an existing file, which rename() would replace in silence. */
	if (!rc && (replace ? rename(temp.data, path) : link(temp.data, path)) != 0) {
		rc = errno == EEXIST ? ERR_USAGE : ERR_STORE;
		err_errno(err, path, "cannot write the backup");
		err->code = rc;
	}
	if (rc || !replace)
		unlink(temp.data);
	buf_release(&temp);
	return rc;
}
