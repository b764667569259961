/* The layer: everything goes to SQLite's own file system, and asks on the way. */
#include "history/disk.h"

#include <stdlib.h>

struct disk {
	sqlite3_vfs vfs; /* first: what SQLite hands back */
	sqlite3_vfs *real;
	struct history *h;
	char name[32];
};

struct disk_file {
	sqlite3_file base;
	struct history *h;
	sqlite3_file *real; /* behind this one */
	bool may_end;       /* what was written there counts when all of it is */
};

/* What was begun on the disk is finished; the statement ends after it, as watch.c has it. */
static void ask(struct history *h)
{
	if (h->db && store_stops(h))
		watch_end_copy(h);
}

static sqlite3_file *heard(sqlite3_file *f)
{
	struct disk_file *d = (struct disk_file *)f;

	ask(d->h);
	return d->real;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct disk_file *)f)->real;
}

static int file_close(sqlite3_file *f)
{
	sqlite3_file *r = real_of(f);

	return r->pMethods->xClose(r);
}

/*
 * A large value is read in one step.  To fail it harms nothing where nothing is written: what
 * undoes a change may have to read.
 */
static bool may_fail(struct history *h)
{
	return h->db && h->stopped && !h->measuring &&
	       sqlite3_txn_state(h->db, "main") != SQLITE_TXN_WRITE;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	sqlite3_file *r = heard(f);

	if (may_fail(((struct disk_file *)f)->h))
		return SQLITE_INTERRUPT;
	return r->pMethods->xRead(r, p, n, at);
}

/*
 * A large change is one step, too, as is the copy that VACUUM makes back into the file.  It
 * ends where its log can't be written: nothing of it is in the file by then.  So does a backup,
 * of which half is nothing.
 */
static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	sqlite3_file *r = heard(f);
	struct disk_file *d = (struct disk_file *)f;

	if (d->may_end && d->h->db && d->h->stopped)
		return SQLITE_IOERR_WRITE;
	return r->pMethods->xWrite(r, p, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	sqlite3_file *r = heard(f);

	return r->pMethods->xTruncate(r, size);
}

static int file_sync(sqlite3_file *f, int flags)
{
	sqlite3_file *r = heard(f);

	return r->pMethods->xSync(r, flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	sqlite3_file *r = heard(f);

	return r->pMethods->xFileSize(r, size);
}

static int file_lock(sqlite3_file *f, int level)
{
	sqlite3_file *r = heard(f);

	return r->pMethods->xLock(r, level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	sqlite3_file *r = real_of(f);

	return r->pMethods->xUnlock(r, level);
}

static int file_reserved(sqlite3_file *f, int *out)
{
	sqlite3_file *r = real_of(f);

	return r->pMethods->xCheckReservedLock(r, out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	sqlite3_file *r = real_of(f);

	return r->pMethods->xFileControl(r, op, arg);
}

static int file_sector(sqlite3_file *f)
{
	sqlite3_file *r = real_of(f);

	return r->pMethods->xSectorSize(r);
}

static int file_traits(sqlite3_file *f)
{
	sqlite3_file *r = real_of(f);

	return r->pMethods->xDeviceCharacteristics(r);
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	sqlite3_file *r = heard(f);

	return r->pMethods->xShmMap(r, page, size, extend, out);
}

static int file_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	sqlite3_file *r = heard(f);

	return r->pMethods->xShmLock(r, at, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
	sqlite3_file *r = real_of(f);

	r->pMethods->xShmBarrier(r);
}

static int file_shm_unmap(sqlite3_file *f, int drop)
{
	sqlite3_file *r = real_of(f);

	return r->pMethods->xShmUnmap(r, drop);
}

/* Version 2: with shared memory for the log, without mapping the file itself. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

/* Has no shared memory: files that are not the database, or where none can be had. */
static const sqlite3_io_methods plain_methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits,
};

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct disk *d = (struct disk *)vfs;
	struct disk_file *file = (struct disk_file *)f;
	int rc;

	ask(d->h);
	file->base.pMethods = NULL;
	file->h = d->h;
	file->may_end =
		d->h->opens_copy || (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL));
	file->real = (sqlite3_file *)(file + 1);
	rc = d->real->xOpen(d->real, name, file->real, flags, out);
	/* Also a file that could not be opened may have to be closed. */
	if (file->real->pMethods)
		file->base.pMethods =
			file->real->pMethods->iVersion >= 2 && file->real->pMethods->xShmMap
				? &methods
				: &plain_methods;
	return rc;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	struct disk *d = (struct disk *)vfs;

	ask(d->h);
	return d->real->xDelete(d->real, name, sync);
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	struct disk *d = (struct disk *)vfs;

	ask(d->h);
	return d->real->xAccess(d->real, name, flags, out);
}

static int disk_full_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	sqlite3_vfs *real = ((struct disk *)vfs)->real;

	return real->xFullPathname(real, name, n, out);
}

const char *disk_layer(struct history *h)
{
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);
	struct disk *d = h->disk;

	if (d)
		return d->name;
	d = real ? calloc(1, sizeof(*d)) : NULL;
	if (!d)
		return NULL;
	/* The rest of it (time, random numbers, sleep) has nothing to do with files. */
	d->vfs = *real;
	d->real = real;
	d->h = h;
	snprintf(d->name, sizeof(d->name), "dsv4chat-%llx", (unsigned long long)(uintptr_t)h);
	d->vfs.pNext = NULL;
	d->vfs.zName = d->name;
	d->vfs.szOsFile = (int)sizeof(struct disk_file) + real->szOsFile;
	d->vfs.xOpen = disk_open;
	d->vfs.xDelete = disk_delete;
	d->vfs.xAccess = disk_access;
	d->vfs.xFullPathname = disk_full_path;
	if (sqlite3_vfs_register(&d->vfs, 0) != SQLITE_OK) {
		free(d);
		return NULL;
	}
	h->disk = d;
	return d->name;
}

void disk_release(struct history *h)
{
	if (!h->disk)
		return;
	sqlite3_vfs_unregister(&h->disk->vfs);
	free(h->disk);
	h->disk = NULL;
}
