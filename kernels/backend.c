/*
 * Which backends there are, and opening one: the CPU's is part of the program, the
 * others are plug-ins that lie in a folder of the program's own.
 */
#include "kernels/backend.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "kernels/ops.h"

/* Best first.  A plug-in has a file, what is built in has a function. */
static const struct known {
	const char *name, *title, *file;
	int (*open)(struct backend **out, const struct backend_options *o, struct err *err);
} known[] = {
	{"cuda", "CUDA", "dsv4chat-cuda.so", NULL},
	{"cpu", "CPU", NULL, backend_open_cpu},
};

#define N_KNOWN (sizeof(known) / sizeof(known[0]))

/* Where plug-ins lie, from the folder of the program: installed, and as built. */
static const char *const folders[] = {"/../lib/dsv4chat/", "/"};

#define N_FOLDERS (sizeof(folders) / sizeof(folders[0]))

static int add_folder(struct buf *out, const char *folder, struct err *err)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n < 0)
		return err_errno(err, "/proc/self/exe", "cannot read");
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return err_set(err, ERR_IO, "/proc/self/exe: found %s, expected a path", exe);
	*slash = '\0';
	buf_addf(out, "%s%s", exe, folder);
	return 0;
}

/* The first file of that name; *path is empty where there is none. */
static int find_plugin(const struct known *k, struct buf *path, struct err *err)
{
	struct stat st;
	int rc;

	for (size_t i = 0; i < N_FOLDERS; i++) {
		buf_reset(path);
		rc = add_folder(path, folders[i], err);
		if (rc)
			return rc;
		buf_addz(path, k->file);
		if (buf_failed(path))
			return err_nomem(err, "path", path->len);
		if (stat(buf_z(path), &st) == 0 && S_ISREG(st.st_mode))
			return 0;
	}
	buf_reset(path);
	return 0;
}

static int say_absent(const struct known *k, struct err *err)
{
	struct buf at = {0};
	int rc = 0;

	for (size_t i = 0; i < N_FOLDERS && !rc; i++) {
		if (i)
			buf_addz(&at, " or ");
		rc = add_folder(&at, folders[i], err);
	}
	if (!rc)
		rc = err_set(err, ERR_MODEL, "no plug-in %s in %s", k->file, buf_z(&at));
	buf_release(&at);
	return rc;
}

/* Of which build is it?  Only one that calls and is called as this program does is used. */
static int check_plugin(const struct backend_plugin *p, const struct known *k, const char *path,
			struct err *err)
{
	if (!p)
		return err_set(err, ERR_MODEL, "%s: no plug-in of dsv4chat: it has no %s", path,
			       BACKEND_PLUGIN_SYMBOL);
	if (p->abi != BACKEND_ABI)
		return err_set(err, ERR_MODEL,
			       "%s: its interface is number %d, expected %d: it belongs to another "
			       "build of dsv4chat", path, p->abi, BACKEND_ABI);
	if (p->backend_bytes != sizeof(struct backend) || p->ops_bytes != sizeof(struct ops))
		return err_set(err, ERR_MODEL,
			       "%s: its tables have %zu and %zu bytes, expected %zu and %zu: it "
			       "belongs to another build of dsv4chat", path, p->backend_bytes,
			       p->ops_bytes, sizeof(struct backend), sizeof(struct ops));
	if (strcmp(p->name, k->name) != 0)
		return err_set(err, ERR_MODEL, "%s: a plug-in for %s, expected one for %s", path,
			       p->name, k->name);
	return 0;
}

/*
 * Opens the plug-in and leaves it open: its threads and exit handlers outlive a backend.
 * *out is NULL where there is none.
 */
static int load_plugin(const struct known *k, const struct backend_plugin **out, struct err *err)
{
	struct buf path = {0};
	void *library = NULL;
	int rc = find_plugin(k, &path, err);

	*out = NULL;
	if (rc || !path.len)
		goto done;
	library = dlopen(buf_z(&path), RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		rc = err_set(err, ERR_MODEL, "cannot open the plug-in: %s", dlerror());
		goto done;
	}
	*out = dlsym(library, BACKEND_PLUGIN_SYMBOL);
	rc = check_plugin(*out, k, buf_z(&path), err);
	if (rc) {
		*out = NULL;
		dlclose(library);
	}
done:
	buf_release(&path);
	return rc;
}

/* *absent: there is no plug-in of that kind. */
static int open_known(const struct known *k, struct backend **out,
		      const struct backend_options *o, bool *absent, struct err *err)
{
	const struct backend_plugin *p;
	int rc;

	*absent = false;
	if (k->open)
		return k->open(out, o, err);
	rc = load_plugin(k, &p, err);
	if (!rc && !p) {
		*absent = true;
		rc = say_absent(k, err);
	}
	return rc ? rc : p->open(out, o, err);
}

static int unknown(const char *name, struct err *err)
{
	struct buf names = {0};
	int rc;

	for (size_t i = 0; i < N_KNOWN; i++)
		buf_addf(&names, "%s%s", i ? ", " : "", known[i].name);
	rc = err_set(err, ERR_USAGE, "backend: '%.60s', expected one of %s", name, buf_z(&names));
	buf_release(&names);
	return rc;
}

static int open_named(struct backend **out, const struct backend_options *o, struct err *err)
{
	struct err why;
	bool absent;
	int rc;

	for (size_t i = 0; i < N_KNOWN; i++) {
		if (strcmp(known[i].name, o->name) != 0)
			continue;
		rc = open_known(&known[i], out, o, &absent, &why);
		if (!rc)
			return 0;
		*out = NULL;
		return err_set(err, rc, "backend %s: %s", o->name, why.text);
	}
	return unknown(o->name, err);
}

int backend_open(struct backend **out, const struct backend_options *o, struct err *err)
{
	struct err why = {0};
	int rc = 0;

	*out = NULL;
	if (o->name)
		return open_named(out, o, err);
	for (size_t i = 0; i < N_KNOWN; i++) {
		bool absent;

		rc = open_known(&known[i], out, o, &absent, &why);
		if (!rc)
			return 0;
		*out = NULL;
		/* What nobody asked for is not missed; that it does not work is worth a line. */
		if (!absent)
			log_add(LOG_INFO, "backend %s: %s", known[i].name, why.text);
	}
	return err_set(err, rc, "%s", why.text);
}

static int describe_built_in(const struct known *k, struct buf *out)
{
	const struct backend_options o = {.name = k->name};
	struct backend_caps caps;
	struct backend *be;
	const char *text = caps.name;
	size_t n = strlen(k->name);
	struct err err;

	if (k->open(&be, &o, &err)) {
		buf_addf(out, "no %s: %s\n", k->title, err.text);
		return 0;
	}
	be->caps(be, &caps);
	be->close(be);
	if (!strncmp(text, k->name, n) && text[n] == ' ')
		text += n + 1;
	buf_addf(out, "ok %s %s\n", k->title, text);
	return 1;
}

static int describe_plugin(const struct known *k, struct buf *out)
{
	const struct backend_plugin *p;
	struct err err;
	int rc = load_plugin(k, &p, &err);

	if (!rc && !p)
		rc = say_absent(k, &err);
	if (!rc)
		return p->describe(out);
	buf_addf(out, "no %s: %s\n", k->title, err.text);
	return 0;
}

int backend_describe(struct buf *out, int *n_ready)
{
	*n_ready = 0;
	for (size_t i = 0; i < N_KNOWN; i++) {
		int n = known[i].open ? describe_built_in(&known[i], out)
				      : describe_plugin(&known[i], out);

		*n_ready += n > 0;
	}
	return buf_failed(out) ? ERR_NOMEM : 0;
}
