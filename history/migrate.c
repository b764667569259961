/* What a file's schema is, and the steps from there to the newest. */
#include "history/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "history/backup.h"
#include "history/seal.h"
#include "schema_1.h"
#include "schema_2.h"
#include "schema_3.h"
#include "schema_4.h"
#include "schema_5.h"
#include "schema_6.h"
#include "schema_7.h"
#include "schema_8.h"

static const char *const steps[HISTORY_SCHEMA] = {schema_1, schema_2, schema_3, schema_4,
						   schema_5, schema_6, schema_7, schema_8};

static int read_version(struct history *h, int64_t *version, struct err *err)
{
	return sql_int(h, version, 0, err, "PRAGMA user_version", "");
}

int migrate_check(struct history *h, struct err *err)
{
	int64_t application = 0, version = 0, n_tables = 0;
	int rc = sql_begin_read(h, err);

	if (rc)
		return rc;
	/* One state of the file: another process may be making it just now. */
	rc = sql_int(h, &application, 0, err, "PRAGMA application_id", "");
	if (!rc)
		rc = read_version(h, &version, err);
	if (!rc)
		rc = sql_int(h, &n_tables, 0, err, "SELECT count(*) FROM sqlite_schema", "");
	rc = sql_end(h, rc, err);
	if (rc)
		return rc;
	if (application != HISTORY_APPLICATION_ID && (application || version || n_tables))
		return err_set(err, ERR_STORE,
			       "%s: application id %lld, expected %d: another program's "
			       "database, left as it is",
			       h->path, (long long)application, HISTORY_APPLICATION_ID);
	if (version > HISTORY_SCHEMA)
		return err_set(err, ERR_STORE,
			       "%s: schema %lld, this program knows up to %d: a newer dsv4chat "
			       "wrote it, use that one; the file is left as it is",
			       h->path, (long long)version, HISTORY_SCHEMA);
	if (version < 0)
		return err_set(err, ERR_STORE, "%s: schema %lld, expected 0 to %d", h->path,
			       (long long)version, HISTORY_SCHEMA);
	return 0;
}

static void backup_path(struct history *h, int64_t version, struct buf *out)
{
	buf_reset(out);
	buf_addf(out, "%s.v%lld.bak", h->path, (long long)version);
}

static int take_steps(struct history *h, int64_t from, struct err *err)
{
	struct buf pragmas = {0};
	int rc = 0;

	for (int64_t v = from; v < HISTORY_SCHEMA && !rc; v++) {
		rc = sql_exec(h, err, steps[v]);
		if (rc)
			err_prefix(err, "schema step %lld", (long long)v + 1);
	}
	/* What was said before the fourth step is sealed as it is found. */
	if (!rc)
		rc = seal_missing(h, err);
	/* A pragma takes no bound values; these are constants of the program. */
	buf_addf(&pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
		 HISTORY_APPLICATION_ID, HISTORY_SCHEMA);
	if (!rc && buf_failed(&pragmas))
		rc = err_nomem(err, "schema", pragmas.cap);
	if (!rc)
		rc = sql_exec(h, err, buf_z(&pragmas));
	buf_release(&pragmas);
	return rc;
}

static int back_up(struct history *h, int64_t version, struct err *err)
{
	struct buf path = {0};
	int rc;

	backup_path(h, version, &path);
	rc = buf_failed(&path) ? err_nomem(err, "path", path.cap)
			       : backup_file(h, buf_z(&path), true, err);
	buf_release(&path);
	return rc ? err_prefix(err, "before schema %d", HISTORY_SCHEMA) : 0;
}

int migrate_run(struct history *h, struct err *err)
{
	int64_t version = 0;
	int rc;

	rc = read_version(h, &version, err);
	if (rc || version == HISTORY_SCHEMA)
		return rc;
	rc = sql_begin(h, err);
	if (rc)
		return rc;
	/* Another process may have done it between the look and the lock. */
	rc = read_version(h, &version, err);
	if (!rc && version > 0 && version < HISTORY_SCHEMA && *h->path)
		rc = back_up(h, version, err);
	if (!rc && version < HISTORY_SCHEMA)
		rc = take_steps(h, version, err);
	return sql_end(h, rc, err);
}

/* Zeros over the bytes first: the file's blocks would keep them otherwise. */
static int wipe_and_unlink(const char *path, struct err *err)
{
	static const char zeros[65536];
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	off_t left;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		goto failed;
	left = lseek(fd, 0, SEEK_END);
	if (left < 0 || lseek(fd, 0, SEEK_SET) != 0)
		goto failed;
	while (left > 0) {
		size_t n = left < (off_t)sizeof(zeros) ? (size_t)left : sizeof(zeros);
		ssize_t put = write(fd, zeros, n);

		if (put <= 0)
			goto failed;
		left -= put;
	}
	close(fd);
	fd = -1;
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
failed:
	err_errno(err, path, "cannot remove the backup");
	if (fd >= 0)
		close(fd);
	return err->code = ERR_STORE;
}

int migrate_drop_backups(struct history *h, struct err *err)
{
	/* What a kill during a backup leaves goes as well. */
	static const char *const ends[] = {"", ".tmp", ".tmp-journal", ".tmp-wal", ".tmp-shm"};
	struct buf path = {0};
	int rc = 0;

	if (!*h->path)
		return 0;
	for (int64_t v = 1; v < HISTORY_SCHEMA; v++) {
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && !rc; i++) {
			backup_path(h, v, &path);
			buf_addz(&path, ends[i]);
			rc = buf_failed(&path) ? err_nomem(err, "path", path.cap)
					       : wipe_and_unlink(buf_z(&path), err);
		}
	}
	buf_release(&path);
	return rc;
}
