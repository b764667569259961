/* A layer over SQLite's own file system that counts calls and fails the chosen ones. */
#include "tests/support/badvfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>
#include <sqlite3.h>

struct badvfs *badvfs;

static int strike(enum bad_call kind)
{
	struct timespec pause = {0, badvfs->slow_ms * 1000000L};

	badvfs->n_calls++;
	if (badvfs->slow_ms)
		nanosleep(&pause, NULL);
	if (!(badvfs->kinds & BAD_BIT(kind)))
		return SQLITE_OK;
	if (badvfs->countdown < 0 || badvfs->countdown-- > 0)
		return SQLITE_OK;
	badvfs->struck = true;
	if (badvfs->lasting)
		badvfs->countdown = 0;
	return badvfs->code;
}

struct shim {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct shim *)f)->real;
}

#define REAL(f) (real_of(f)->pMethods)

static int shim_close(sqlite3_file *f)
{
	return REAL(f)->xClose(real_of(f));
}

static int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	int rc = strike(BAD_READ);

	return rc ? rc : REAL(f)->xRead(real_of(f), p, n, at);
}

static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int rc = strike(BAD_WRITE);

	/* A disk that is full takes a part of it. */
	if (rc && n > 1)
		REAL(f)->xWrite(real_of(f), p, n / 2, at);
	return rc ? rc : REAL(f)->xWrite(real_of(f), p, n, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = strike(BAD_TRUNCATE);

	return rc ? rc : REAL(f)->xTruncate(real_of(f), size);
}

static int shim_sync(sqlite3_file *f, int flags)
{
	int rc = strike(BAD_SYNC);

	return rc ? rc : REAL(f)->xSync(real_of(f), flags);
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
	int rc = strike(BAD_SIZE);

	return rc ? rc : REAL(f)->xFileSize(real_of(f), size);
}

static int shim_lock(sqlite3_file *f, int level)
{
	int rc = strike(BAD_LOCK);

	return rc ? rc : REAL(f)->xLock(real_of(f), level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
	return REAL(f)->xUnlock(real_of(f), level);
}

static int shim_reserved(sqlite3_file *f, int *out)
{
	return REAL(f)->xCheckReservedLock(real_of(f), out);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
	return REAL(f)->xFileControl(real_of(f), op, arg);
}

static int shim_sector(sqlite3_file *f)
{
	return REAL(f)->xSectorSize(real_of(f));
}

static int shim_traits(sqlite3_file *f)
{
	return REAL(f)->xDeviceCharacteristics(real_of(f));
}

static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	int rc = strike(BAD_SHM);

	return rc ? rc : REAL(f)->xShmMap(real_of(f), page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	int rc = flags & SQLITE_SHM_LOCK ? strike(BAD_LOCK) : SQLITE_OK;

	return rc ? rc : REAL(f)->xShmLock(real_of(f), at, n, flags);
}

static void shim_shm_barrier(sqlite3_file *f)
{
	REAL(f)->xShmBarrier(real_of(f));
}

static int shim_shm_unmap(sqlite3_file *f, int drop)
{
	return REAL(f)->xShmUnmap(real_of(f), drop);
}

static const sqlite3_io_methods shim_methods = {
	.iVersion = 2,
	.xClose = shim_close,
	.xRead = shim_read,
	.xWrite = shim_write,
	.xTruncate = shim_truncate,
	.xSync = shim_sync,
	.xFileSize = shim_size,
	.xLock = shim_lock,
	.xUnlock = shim_unlock,
	.xCheckReservedLock = shim_reserved,
	.xFileControl = shim_control,
	.xSectorSize = shim_sector,
	.xDeviceCharacteristics = shim_traits,
	.xShmMap = shim_shm_map,
	.xShmLock = shim_shm_lock,
	.xShmBarrier = shim_shm_barrier,
	.xShmUnmap = shim_shm_unmap,
};

static sqlite3_vfs *disk;
static sqlite3_vfs failing;

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct shim *s = (struct shim *)f;
	int rc = strike(BAD_OPEN);

	(void)vfs;
	s->base.pMethods = NULL;
	if (rc)
		return rc;
	s->real = (sqlite3_file *)(s + 1);
	rc = disk->xOpen(disk, name, s->real, flags, out);
	if (rc == SQLITE_OK)
		s->base.pMethods = &shim_methods;
	return rc;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	int rc = strike(BAD_DELETE);

	(void)vfs;
	return rc ? rc : disk->xDelete(disk, name, sync);
}

void badvfs_install(void)
{
	void *shared = mmap(NULL, sizeof(*badvfs), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(shared != MAP_FAILED);
	badvfs = shared;
	badvfs->countdown = -1;
	disk = sqlite3_vfs_find(NULL);
	failing = *disk;
	failing.zName = "failing";
	failing.szOsFile = (int)sizeof(struct shim) + disk->szOsFile;
	failing.xOpen = shim_open;
	failing.xDelete = shim_delete;
	assert_int_equal(sqlite3_vfs_register(&failing, 1), SQLITE_OK);
}

void badvfs_uninstall(void)
{
	assert_int_equal(sqlite3_vfs_unregister(&failing), SQLITE_OK);
	munmap(badvfs, sizeof(*badvfs));
	badvfs = NULL;
}

void badvfs_set(unsigned kinds, int code, bool lasting, long at)
{
	*badvfs = (struct badvfs){
		.countdown = at, .kinds = kinds, .code = code, .lasting = lasting};
}
