/* Asking SQLite and the file system where the open file is, and how long. */
#include "history/place.h"

#include <string.h>
#include <sys/stat.h>

#define HEADER_BYTES 100 /* of SQLite's file format; big-endian numbers */
#define AT_PAGE_SIZE 16
#define AT_N_PAGES   28
#define AT_APP_ID    68

static int told(struct history *h, const char *what, struct err *err)
{
	return err_set(err, ERR_STORE,
		       "%s: %s while it was open: what is said from now on is not kept",
		       h->path, what);
}

static uint32_t get_be(const unsigned char *p, int n)
{
	uint32_t v = 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/*
 * Bytes that the header promises; 0: it is no header of ours.  By way of SQLite's own
 * descriptor, because to close another one would drop the locks.
 */
static int64_t promised_bytes(sqlite3_file *f)
{
	unsigned char header[HEADER_BYTES];
	uint32_t application;
	int64_t page;

	if (f->pMethods->xRead(f, header, sizeof(header), 0) != SQLITE_OK ||
	    memcmp(header, "SQLite format 3", 16) != 0)
		return 0;
	/* 0: what makes the file ours is in the log as yet. */
	application = get_be(header + AT_APP_ID, 4);
	if (application && application != HISTORY_APPLICATION_ID)
		return 0;
	page = get_be(header + AT_PAGE_SIZE, 2);
	return (page == 1 ? 65536 : page) * get_be(header + AT_N_PAGES, 4);
}

/*
 * A file shorter than its header says is no sign yet: a copy of the log into it may be going
 * on, or may have failed, and the log has the rest.  One that was whole, and is shorter under
 * the same header, was cut: whoever shrinks it in order writes the header first.
 */
static int check_size(struct history *h, struct err *err)
{
	sqlite3_file *f = NULL;
	sqlite3_int64 size = 0;
	int64_t promised;
	bool sized;

	if (sqlite3_file_control(h->db, "main", SQLITE_FCNTL_FILE_POINTER, &f) != SQLITE_OK ||
	    !f || !f->pMethods)
		return 0;
	h->measuring = true;
	sized = f->pMethods->xFileSize(f, &size) == SQLITE_OK;
	promised = sized ? promised_bytes(f) : 0;
	h->measuring = false;
	if (!sized)
		return 0;
	if (h->whole_bytes && (!promised || (size < promised && promised == h->whole_bytes)))
		return told(h, "it was cut or written over", err);
	if (promised && size >= promised)
		h->whole_bytes = promised;
	return 0;
}

void place_note(struct history *h)
{
	struct err ignored;

	/* A commit may have copied the log into the file. */
	if (*h->path)
		check_size(h, &ignored);
}

/* The log holds what was committed last; whoever opens the file next looks for it by name. */
static int check_log(struct history *h, struct err *err)
{
	struct buf path = {0};
	struct stat st;
	bool there;

	buf_addf(&path, "%s-wal", h->path);
	if (buf_failed(&path))
		return err_nomem(err, "path", path.cap);
	there = stat(buf_z(&path), &st) == 0;
	buf_release(&path);
	if (there && !h->log_known) {
		h->log_known = true;
		h->log_device = st.st_dev;
		h->log_inode = st.st_ino;
	}
	if (!there || st.st_dev != h->log_device || st.st_ino != h->log_inode)
		return told(h, "its log was moved or removed", err);
	return 0;
}

int place_check(struct history *h, struct err *err)
{
	int moved = 0, rc;

	if (!*h->path)
		return 0;
	sqlite3_file_control(h->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (moved)
		return told(h, "it was moved, replaced or removed", err);
	rc = h->has_log ? check_log(h, err) : 0;
	return rc ? rc : check_size(h, err);
}
