/* Opening and closing the file, alone or among other processes. */
#include "history/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "history/disk.h"
#include "history/index.h"
#include "history/migrate.h"
#include "history/owner.h"
#include "history/place.h"
#include "history/words.h"

#define DEFAULT_WAIT_MS 5000

/* File systems whose shared memory does not reach other machines, so that WAL can't work. */
static const unsigned int network_file_systems[] = {
	0x6969,     /* NFS */
	0x517b,     /* SMB */
	0xfe534d42, /* SMB2 */
	0xff534d42, /* CIFS */
	0x01021997, /* 9P */
	0x65735546, /* FUSE: sshfs and the like; those that are local lose little */
	0x5346414f, /* AFS */
	0x73757245, /* Coda */
	0x00c36400, /* Ceph */
	0x0bd00bd0, /* Lustre */
	0x01161970, /* GFS2 */
	0x7461636f, /* OCFS2 */
	0x47504653, /* GPFS */
};

static bool on_network(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) != 0)
		return false;
	for (size_t i = 0; i < sizeof(network_file_systems) / sizeof(network_file_systems[0]);
	     i++) {
		if ((unsigned int)fs.f_type == network_file_systems[i])
			return true;
	}
	return false;
}

/* errno stays what it is. */
static bool is_there(const char *path)
{
	int before = errno;
	bool there = access(path, F_OK) == 0;

	errno = before;
	return there;
}

/* Every folder on the way to the file, as `mkdir -p -m 0700` would. */
static int make_folders(const char *path, struct err *err)
{
	char *folder = strdup(path);
	int rc = 0;

	if (!folder)
		return err_nomem(err, "path", strlen(path));
	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, 0700) != 0 && errno != EEXIST && !is_there(folder)) {
			err_errno(err, folder, "cannot make the folder");
			rc = err->code = ERR_STORE;
			break;
		}
		*slash = '/';
	}
	free(folder);
	return rc;
}

/* The folder that the file is in, with its slash. */
static void add_folder(struct buf *folder, const char *path)
{
	const char *slash = strrchr(path, '/');

	buf_add(folder, path, slash ? (size_t)(slash - path) + 1 : 0);
	if (!slash)
		buf_addz(folder, "./");
}

bool history_may_write(const char *path)
{
	struct buf folder = {0};
	bool may;

	add_folder(&folder, path);
	may = !buf_failed(&folder) && access(buf_z(&folder), W_OK | X_OK) == 0 &&
	      (access(path, F_OK) != 0 || access(path, W_OK) == 0);
	buf_release(&folder);
	return may;
}

static bool has_log(const char *path)
{
	struct buf log = {0};
	struct stat st;
	bool has;

	buf_addf(&log, "%s-wal", path);
	has = buf_failed(&log) || (stat(buf_z(&log), &st) == 0 && st.st_size > 0);
	buf_release(&log);
	return has;
}

/* SQLite makes its log there, unless another process has made it. */
static int check_folder(const char *path, struct err *err)
{
	struct buf folder = {0};
	int rc = 0;

	add_folder(&folder, path);
	if (buf_failed(&folder))
		rc = err_nomem(err, "path", folder.len);
	else if (access(buf_z(&folder), W_OK | X_OK) != 0 && !has_log(path))
		rc = err_errno(err, buf_z(&folder), "the history's folder may not be written");
	buf_release(&folder);
	return rc == ERR_IO ? err->code = ERR_STORE : rc;
}

/* Before SQLite, which waits for what is no file, and does not say why it can't read one. */
static int check_file(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(err, ERR_STORE, "%s: cannot open the history: not a regular file",
			       path);
	if (access(path, R_OK) == 0)
		return 0;
	err_errno(err, path, "cannot open the history");
	return err->code = ERR_STORE;
}

/* The file, made or narrowed to 0600 before SQLite opens it: its log takes the same mode. */
static int make_private(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	struct stat st;

	if (fd < 0) {
		err_errno(err, path, "cannot open the history");
		return err->code = ERR_STORE;
	}
	if (fstat(fd, &st) == 0 && (st.st_mode & 077) && st.st_uid == geteuid() &&
	    fchmod(fd, 0600) != 0) {
		err_errno(err, path, "cannot make the history private");
		close(fd);
		return err->code = ERR_STORE;
	}
	close(fd);
	return check_file(path, err);
}

static int set_pragmas(struct history *h, struct err *err)
{
	bool wal = *h->path && !on_network(h->path);
	int64_t until = clock_ms() + h->wait_ms;
	sqlite3_stmt *st = NULL;
	int rc;

	rc = sql_exec(h, err,
		      "PRAGMA foreign_keys = ON;"
		      "PRAGMA secure_delete = ON;"
		      "PRAGMA temp_store = MEMORY;"
		      "PRAGMA trusted_schema = OFF;"
		      "PRAGMA synchronous = NORMAL;");
	if (rc)
		return rc;
	/* Where WAL is refused SQLite keeps the rollback journal, and that is fine too. */
	if (sqlite3_prepare_v2(
		    h->db, wal ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = DELETE",
		    -1, &st, NULL) != SQLITE_OK)
		return sql_fail(h, "cannot open the history", err);
	/* The change of mode is refused, without waiting, while another process opens the file.
	 */
	for (;;) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW || !sql_is_busy(h) || !watch_wait_till(h, until))
			break;
		sqlite3_reset(st);
	}
	h->has_log = rc == SQLITE_ROW && str_is(sql_str(st, 0), "wal");
	rc = rc == SQLITE_ROW ? 0 : sql_fail(h, "cannot open the history", err);
	sqlite3_finalize(st);
	return rc;
}

/*
 * What damage, a crash or other processes left to do.  It keeps nobody from opening: what can't
 * be done now stays noted in the file.
 */
static void finish_chores(struct history *h)
{
	int wait_ms = h->wait_ms;
	struct err ignored;

	history_set_wait_ms(h, wait_ms < 100 ? wait_ms : 100);
	index_mend(h, &ignored);
	history_tidy(h, &ignored);
	history_set_wait_ms(h, wait_ms);
}

static int new_handle(struct history **out, const char *path, struct err *err)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h || !(h->path = strdup(path ? path : ""))) {
		free(h);
		return err_nomem(err, "history", sizeof(*h));
	}
	h->wait_ms = DEFAULT_WAIT_MS;
	owner_self(h->owner, sizeof(h->owner));
	owner_machine(h->machine);
	*out = h;
	return 0;
}

static int connect(struct history *h, const char *name, int flags, struct err *err)
{
	const char *layer = disk_layer(h);

	if (!layer)
		return err_nomem(err, "history", sizeof(*h));
	if (sqlite3_open_v2(name, &h->db,
			    flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
			    layer) != SQLITE_OK)
		return h->db ? sql_fail(h, "cannot open the history", err)
			     : err_nomem(err, "history", sizeof(*h));
	sqlite3_extended_result_codes(h->db, 1);
	store_watch(h);
	return words_register(h, err);
}

static void disconnect(struct history *h)
{
	for (size_t i = 0; i < h->n_stmts; i++)
		sqlite3_finalize(h->stmts[i].stmt);
	free(h->stmts);
	h->stmts = NULL;
	h->n_stmts = h->cap_stmts = 0;
	/* Whoever is the last copies the log. */
	h->stopped = false;
	h->copying = true;
	sqlite3_close_v2(h->db);
	h->copying = false;
	h->db = NULL;
}

int history_open(struct history **out, const char *path, struct err *err)
{
	return history_open_watched(out, path, NULL, NULL, err);
}

int history_open_watched(struct history **out, const char *path, history_pulse_fn *pulse,
			 void *ctx, struct err *err)
{
	struct history *h = NULL;
	struct err why;
	int rc = new_handle(&h, path, err);

	*out = NULL;
	if (!rc)
		history_set_pulse(h, pulse, ctx);
	if (!rc && path)
		rc = make_folders(path, err);
	if (!rc && path)
		rc = make_private(path, err);
	if (!rc && path)
		rc = check_folder(path, err);
	if (!rc)
		rc = connect(h, path ? path : ":memory:",
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
	/* Whose file it is comes before anything that writes to it. */
	if (!rc)
		rc = migrate_check(h, err);
	if (!rc)
		rc = set_pragmas(h, err);
	if (!rc)
		rc = migrate_run(h, err);
	if (rc) {
		history_close(h);
		return rc;
	}
	finish_chores(h);
	/* From here on it is known what the file and its log were. */
	place_check(h, &why);
	*out = h;
	return 0;
}

/* -- for reading only ---------------------------------------------------------------- */

/* The file as a URI that takes it for one that nobody changes. */
static void add_immutable(struct buf *uri, const char *path)
{
	buf_addz(uri, "file:");
	for (; *path; path++) {
		if (strchr("%?#", *path))
			buf_addf(uri, "%%%02X", (unsigned char)*path);
		else
			buf_addc(uri, *path);
	}
	buf_addz(uri, "?immutable=1");
}

/* Where SQLite may not make what it keeps beside the file, and nothing waits in a log. */
static int connect_immutable(struct history *h, struct err *err)
{
	struct buf uri = {0};
	int rc;

	disconnect(h);
	add_immutable(&uri, h->path);
	rc = buf_failed(&uri)
		     ? err_nomem(err, "path", uri.len)
		     : connect(h, buf_z(&uri), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
	buf_release(&uri);
	return rc ? rc : migrate_check(h, err);
}

static int needs_migration(struct history *h, struct err *err)
{
	int64_t version = 0;
	int rc = sql_int(h, &version, 0, err, "PRAGMA user_version", "");

	if (!rc && version != HISTORY_SCHEMA)
		rc = err_set(err, ERR_USAGE,
			     "%s: schema %lld, expected %d: it has to be opened once where it "
			     "may be written",
			     h->path, (long long)version, HISTORY_SCHEMA);
	return rc;
}

int history_open_to_read(struct history **out, const char *path, struct err *err)
{
	struct history *h = NULL;
	struct err why = {0};
	int rc = new_handle(&h, path, err);

	*out = NULL;
	if (rc)
		return rc;
	rc = check_file(path, &why);
	if (!rc)
		rc = connect(h, path, SQLITE_OPEN_READONLY, &why);
	if (!rc)
		rc = migrate_check(h, &why);
	if (rc && (h->failed_code == SQLITE_CANTOPEN || h->failed_code == SQLITE_READONLY) &&
	    is_there(path) && !has_log(path))
		rc = connect_immutable(h, &why);
	if (!rc)
		rc = needs_migration(h, &why);
	if (rc) {
		history_close(h);
		return err_set(err, rc, "%s", why.text);
	}
	*out = h;
	return 0;
}

void history_close(struct history *h)
{
	if (!h)
		return;
	disconnect(h);
	disk_release(h);
	free(h->path);
	free(h);
}

const char *history_path(const struct history *h)
{
	return h->path;
}
