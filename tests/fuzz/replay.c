/*
 * Runs a fuzz target on each file named, or on each file of a directory.  Fails
 * where there is nothing to run.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "tests/fuzz/fuzz.h"

static int run_file(const char *path)
{
	struct buf bytes = {0};
	struct err err = {0};
	uint8_t *exact;

	if (file_read(&bytes, path, (size_t)64 << 20, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	/* Memory of just that size, so that a sanitizer sees the first byte beyond. */
	exact = malloc(bytes.len ? bytes.len : 1);
	if (!exact)
		return 1;
	if (bytes.len)
		memcpy(exact, bytes.data, bytes.len);
	LLVMFuzzerTestOneInput(exact, bytes.len);
	free(exact);
	buf_release(&bytes);
	return 0;
}

static int run_dir(const char *dir, int *n)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[1024];
	int failed = 0;

	if (!d) {
		perror(dir);
		return 1;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		failed |= run_file(path);
		++*n;
	}
	closedir(d);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0, n = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode)) {
			failed |= run_dir(argv[i], &n);
			continue;
		}
		failed |= run_file(argv[i]);
		n++;
	}
	printf("%d inputs\n", n);
	return failed || !n;
}
