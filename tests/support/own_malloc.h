/*
 * An allocator that refuses one call, for a program whose one file includes this: where
 * `counting`, call `fail_at` gives NULL.  Not with a sanitizer, which brings its own
 * (OWN_MALLOC 0).
 */
#ifndef TESTS_SUPPORT_OWN_MALLOC_H
#define TESTS_SUPPORT_OWN_MALLOC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0 /* the sanitizers bring theirs */
#else
#define OWN_MALLOC 1
#endif

static long fail_at, n_calls;
static __attribute__((unused)) long n_live; /* not every program asks */
static bool counting;

#if OWN_MALLOC
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static bool refused(void)
{
	if (!counting || ++n_calls != fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t n)
{
	void *p = refused() ? NULL : __libc_malloc(n);

	n_live += counting && p;
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = refused() ? NULL : __libc_calloc(n, size);

	n_live += counting && p;
	return p;
}

void *realloc(void *old, size_t n)
{
	void *p = refused() ? NULL : __libc_realloc(old, n);

	n_live += counting && p && !old;
	return p;
}

void free(void *p)
{
	n_live -= counting && p;
	__libc_free(p);
}
#endif

#endif
