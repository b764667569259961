/*
 * Writing a safetensors file: whole under its own name, or not at all.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/jsonw.h"
#include "engine/checkpoint/safetensors.h"

static int write_all(int fd, const char *path, const void *data, size_t n, struct err *err)
{
	return file_write_all(fd, (struct str){data, n}) ? err_errno(err, path, "cannot write")
							 : 0;
}

static void add_header(struct buf *out, const struct tensor *tensors, size_t n)
{
	struct jsonw w;
	size_t at = 0;

	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	for (size_t i = 0; i < n; i++) {
		const struct tensor *t = &tensors[i];

		jsonw_key(&w, t->name);
		jsonw_begin_object(&w);
		jsonw_kv_string(&w, "dtype", str_of(dtype_name(t->dtype)));
		jsonw_key(&w, "shape");
		jsonw_begin_array(&w);
		for (int d = 0; d < t->n_dims; d++)
			jsonw_int(&w, t->shape[d]);
		jsonw_end_array(&w);
		jsonw_key(&w, "data_offsets");
		jsonw_begin_array(&w);
		jsonw_int(&w, (int64_t)at);
		at += t->n_bytes;
		jsonw_int(&w, (int64_t)at);
		jsonw_end_array(&w);
		jsonw_end_object(&w);
	}
	jsonw_end_object(&w);
	while (out->len % 8 && !buf_failed(out))
		buf_addc(out, ' ');
}

static int write_file(int fd, const char *path, const struct tensor *tensors, size_t n,
		      struct err *err)
{
	struct buf header = {0};
	uint64_t n_header;
	int rc;

	add_header(&header, tensors, n);
	n_header = header.len;
	if (buf_failed(&header))
		rc = err_nomem(err, "header", header.len);
	else if (!(rc = write_all(fd, path, &n_header, sizeof(n_header), err)))
		rc = write_all(fd, path, header.data, header.len, err);
	for (size_t i = 0; i < n && !rc; i++)
		rc = write_all(fd, path, tensors[i].data, tensors[i].n_bytes, err);
	buf_release(&header);
	return rc;
}

/* A device or a pipe is written as it stands: it cannot be replaced by a rename. */
static bool is_special(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

/* Some file systems report a full disk only here. */
static int finish(int fd, const char *path, bool special, struct err *err)
{
	if (!special && fsync(fd) < 0) {
		int rc = err_errno(err, path, "cannot write");

		close(fd);
		return rc;
	}
	if (close(fd) < 0)
		return err_errno(err, path, "cannot write");
	return 0;
}

int safetensors_write(const char *path, const struct tensor *tensors, size_t n, struct err *err)
{
	bool special = is_special(path);
	struct buf temp = {0};
	int fd, rc;

	buf_addz(&temp, path);
	if (!special)
		buf_addf(&temp, ".%ld.tmp", (long)getpid());
	if (buf_failed(&temp)) {
		buf_release(&temp);
		return err_nomem(err, "path", strlen(path));
	}
	fd = open(buf_z(&temp), special ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		  0666);
	if (fd < 0) {
		rc = err_errno(err, path, "cannot write");
		buf_release(&temp);
		return rc;
	}
	rc = write_file(fd, path, tensors, n, err);
	if (rc)
		close(fd);
	else
		rc = finish(fd, path, special, err);
	if (!rc && !special && rename(buf_z(&temp), path) < 0)
		rc = err_errno(err, path, "cannot rename to");
	if (rc && !special)
		unlink(buf_z(&temp));
	buf_release(&temp);
	return rc;
}
